# SPDX-License-Identifier: MIT
"""DTLS of whole calls over the relay's restart, and over another certificate of its: after that, and
after its day. The far phone is openssl, plain RTP on the near side; what is in SDP is held against what
was shown."""
import hashlib
import os
import re
import struct
import time

import dtls
import srtp
from harness import sdp
from harness.case import case
from harness.check import Skip, check, equal, eventually

from cases.basic import establish
from cases.dialog import reinvite


def secure(document):
    document["provisioning"]["trunks"][1]["media"] = {"srtp": "required", "keying": ["dtls"]}


def describe(ip, port, certificate, setup, **more):
    octets = certificate.fingerprint().hex(":").upper()
    text = sdp.compose(ip, port, extra=(f"a=fingerprint:sha-256 {octets}", f"a=setup:{setup}"), **more)
    return text.replace(b"RTP/AVP", b"UDP/TLS/RTP/SAVP")


class Phone:
    """At one port: its certificate, its SDP, its server, what the border showed it. Without rtcp-mux a
    server for RTCP, too."""

    def __init__(self, t, ip, port, name):
        folder = os.path.join(t.folder, name)
        os.mkdir(folder)
        self.certificate, self.ip, self.port = dtls.Certificate(folder), ip, port
        self.media = t.media(ip, port)
        self.bridge = self.program = None
        self.bridges, self.programs = [], []

    def sdp(self, setup="passive", version=1):
        return describe(self.ip, self.port, self.certificate, setup, version=version)

    def listen(self, relay_at, apart=False):
        ways = [(self.media.rtp, relay_at), (self.media.rtcp, (relay_at[0], relay_at[1] + 1))]
        self.bridges = [dtls.Bridge(*way) for way in ways[:1 + apart]]
        self.programs = [dtls.server(bridge, self.certificate) for bridge in self.bridges]
        self.bridge, self.program = self.bridges[0], self.programs[0]

    def check_shown(self, body):
        """The keys are there, and the certificate is the one that the border's SDP names."""
        self.keys = self.program.keys()
        pem = re.search("-----BEGIN CERT.*?END CERTIFICATE-----", self.program.text(), re.S).group()
        der = dtls.openssl("x509", "-outform", "DER", data=pem.encode())
        equal(hashlib.sha256(der).digest().hex(":").upper(), fingerprint(body), "the certificate that was shown")

    def hears(self, near, to_near):
        """SRTP under the keys of this association, from a plain packet of the near phone."""
        sends = dtls.Srtp(self.keys[0])  # ours is the server's side: the relay is the client

        def passes():
            packet = near.packet()
            near.rtp.sendto(packet, to_near)
            got = self.bridge.heard(0.3)
            return got and sends.unprotect(got[0]) == packet
        eventually(passes, "a packet under the new keys", 5)

    def close(self):
        for program, bridge in zip(self.programs, self.bridges):
            program.end()
            bridge.close()


def fingerprint(body):
    return re.search(rb"a=fingerprint:sha-256 (\S+)", body).group(1).decode()


def call(t, sbc, number=0, apart=False):
    pbx, carrier = t.peers() if number == 0 else sbc.peers
    sbc.peers = pbx, carrier
    near = t.media(pbx.ip, 14000 + 100 * number)
    far = t.own(Phone(t, carrier.ip, 16000 + 100 * number, f"phone{number}"))
    caller, callee = establish(t, pbx, carrier, t.slot.inside, answer=far.sdp(),
                               offer=sdp.compose(pbx.ip, near.port))
    far.listen(sdp.Session(callee.invite.body).target, apart)
    far.check_shown(callee.invite.body)
    far.hears(near, sdp.Session(caller.answer.body).target)
    return caller, callee, near, far


@case("DTLS after the relay's restart: re-INVITEs show the old certificate to who knows it, new calls the new one",
      short=True)
def restarted(t):
    sbc = t.sbc(secure)
    caller, callee, near, far = call(t, sbc)
    shown = fingerprint(callee.invite.body)
    sbc.kill("media-relayd")
    sbc.restart("media-relayd")
    sbc.wait_ready()
    to_near = sdp.Session(caller.answer.body).target
    far.hears(near, to_near)
    # Nothing changed: the association goes on, and so does what is said of it.
    there, _ = reinvite(caller, callee, sdp.compose(near.ip, near.port, version=2), far.sdp())
    equal(fingerprint(there.body), shown, "the fingerprint offered again")
    far.hears(near, to_near)
    # The phone answers from elsewhere with another certificate: hands are shaken anew, under our old one.
    moved = t.own(Phone(t, far.ip, 16040, "moved"))
    moved.listen(sdp.Session(callee.invite.body).target)
    there, _ = reinvite(caller, callee, sdp.compose(near.ip, near.port, version=3), moved.sdp(version=2))
    equal(fingerprint(there.body), shown, "the fingerprint offered again")
    moved.check_shown(there.body)
    moved.hears(near, to_near)
    # It offers from elsewhere: our answer is a new one, and names the certificate of today.
    again = t.own(Phone(t, far.ip, 16080, "again"))
    again.listen(sdp.Session(callee.invite.body).target)
    _, back = reinvite(callee, caller, again.sdp("actpass", version=3), sdp.compose(near.ip, near.port, version=4))
    check(fingerprint(back.body) != shown, "the answer names the certificate of before")
    again.check_shown(back.body)
    again.hears(near, to_near)
    _, other, _, _ = call(t, sbc, 1)
    equal(fingerprint(other.invite.body), fingerprint(back.body), "a new call's fingerprint")


@case("DTLS over the relay's day: new calls see a new certificate, live ones go on", short=True)
def tomorrow(t):
    def change(document):
        secure(document)
        document["relay"] = {"certificate_s": 3}
    sbc = t.sbc(change)

    def days():
        return sbc.children["media-relayd"].output().count("certificate_changed")
    caller, callee, near, far = call(t, sbc)
    shown, today = fingerprint(callee.invite.body), days()  # on a slow machine the first days are over
    eventually(lambda: days() > today, "another day", 10)
    there, _ = reinvite(caller, callee, sdp.compose(near.ip, near.port, version=2), far.sdp())
    equal(fingerprint(there.body), shown, "the fingerprint offered again")
    far.hears(near, sdp.Session(caller.answer.body).target)
    _, other, _, _ = call(t, sbc, 1)
    check(fingerprint(other.invite.body) != shown, "the new call is shown the old certificate")


class Reports:
    """RTCP of a call whose far side is under keys of RTCP's own, both ways, judged by libsrtp."""

    def __init__(self, near, far, to_near):
        self.near, self.far, self.to_near = near, far, (to_near[0], to_near[1] + 1)
        self.bridge = far.bridges[1]
        ours, theirs = far.programs[1].keys()  # the border is the client
        self.keys = srtp.Crypto(1, theirs, ours)
        self.number, self.said, self.indices = 0, [], []

    def next(self):
        """A receiver report without blocks (RFC 3550 6.4.2), of no two the same sender."""
        self.number += 1
        return struct.pack(">BBHI", 0x80, 201, 1, 0x5bc00000 + self.number % 2)

    def pass_both_ways(self):
        report = self.next()
        self.near.rtcp.sendto(report, self.to_near)
        got = self.bridge.heard(2)
        check(got and self.keys.open(got[0], control=True) == report, f"RTCP for the far phone: {got}")
        self.indices.append(struct.unpack_from(">I", got[0], len(got[0]) - 14)[0])
        self.said.append(self.keys.seal(report, control=True))
        self.far.media.rtcp.sendto(self.said[-1], self.bridge.relay_at)
        got = self.near.receive_rtcp()
        check(got and got[0] == (report, self.to_near), f"RTCP for the near phone: {got}")


@case("DTLS without rtcp-mux: the relay killed, RTCP goes on under its own keys, both ways, no index twice",
      short=True)
def reports_go_on(t):
    if not srtp.LIBRARY:
        raise Skip("libsrtp2 is not installed")
    sbc = t.sbc(secure)
    caller, callee, near, far = call(t, sbc, apart=True)
    to_near, to_far = sdp.Session(caller.answer.body).target, sdp.Session(callee.invite.body).target
    reports = Reports(near, far, to_near)
    check(far.programs[1].keys() != far.keys, "RTCP has the keys of RTP")
    shown, replayed = [bridge.dtls_heard for bridge in far.bridges], 0
    for _ in range(2):
        for _ in range(5):
            reports.pass_both_ways()
        time.sleep(1.3)  # a relay that is killed may forget its last second
        sbc.kill("media-relayd")
        sbc.restart("media-relayd")
        sbc.wait_ready()
        for at in (to_near, to_far):  # ready is said for new calls; the relay is told of this one meanwhile
            t.wait_bound(*at, True)
        far.hears(near, to_near)
        for old in reports.said:
            far.media.rtcp.sendto(old, reports.bridge.relay_at)
        equal(near.receive_rtcp(1, 0.5), [], "reports that were heard before")
        replayed += len(reports.said)
        sides = sbc.rest("GET", f"/calls/{sbc.calls()[0]['id']}")["media"]
        equal([side["packets_replayed"] for side in sides], [0, replayed], "packets that came again")
        equal([side["packets_forged"] for side in sides], [0, 0], "packets that did not open")
        reports.pass_both_ways()
    equal([bridge.dtls_heard for bridge in far.bridges], shown, "datagrams of DTLS, nobody shook hands again")
    check(all(one < other for one, other in zip(reports.indices, reports.indices[1:])),
          f"indices of SRTCP that rise: {[hex(index) for index in reports.indices]}")
    check(all(index >> 31 for index in reports.indices), "RTCP that was not encrypted")
