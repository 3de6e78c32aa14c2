# SPDX-License-Identifier: MIT
"""Every SRTP suite on every pair of schemes: plain RTP, SDES and DTLS-SRTP on either side of the border.
Each end sends a tone of its own in G.711 and finds the other's in what it hears. No end is ours: libsrtp
seals and opens, AES-192 is in RFC 3711's words (libsrtp derives its keys otherwise than RFC 6188), openssl
shakes hands. All calls of a pair of schemes are up, and talk, at the same time in one border."""
import base64
import itertools
import os
import re
import time

import dtls
import srtp
from harness import sdp
from harness.baresip import check_tone
from harness.case import case
from harness.check import Skip, check, equal, eventually
from harness.sip import Call
from tone import RATE, linear, payloads

from cases import handshake
from cases.basic import hang_up
from cases.rtpengine import SUITES
from cases.secure import NAMES, crypto_line, crypto_of, secured

NUMBERS = {name: number for number, name in NAMES.items()}
AES_192 = {"AES_192_CM_HMAC_SHA1_80": 10, "AES_192_CM_HMAC_SHA1_32": 4}  # bytes of the tag
PROFILES = {  # of DTLS-SRTP (RFC 5764 4.1.2, RFC 7714 14.2): openssl's name, bytes of key and of salt
    "AES_CM_128_HMAC_SHA1_80": (dtls.CM_80, 16, 14),
    "AES_CM_128_HMAC_SHA1_32": ("SRTP_AES128_CM_SHA1_32", 16, 14),
    "AEAD_AES_128_GCM": ("SRTP_AEAD_AES_128_GCM", 16, 12),
    "AEAD_AES_256_GCM": ("SRTP_AEAD_AES_256_GCM", 32, 12),
}
SECONDS = 1.2  # check_tone wants more than one


class Aes192:
    """As srtp.Crypto."""

    def __init__(self, suite, sends, hears):
        self.seal = dtls.Srtp(sends, 24, AES_192[suite]).protect
        self.open = dtls.Srtp(hears, 24, AES_192[suite]).unprotect


def crypto(suite, sends, hears):
    if suite in AES_192:
        return Aes192(suite, sends, hears)
    return srtp.Crypto(NUMBERS[suite], sends, hears)


class Plain:
    """One end of a call: it describes itself in SDP and takes the border's, in whichever order its part
    in the call has it."""
    media = {}  # of its trunk
    suites = ("none",)

    def __init__(self, t, peer, number, suite):
        self.t, self.peer, self.suite = t, peer, suite
        self.folder = f"{type(self).__name__} end, {suite}, call {number}"  # its name in check_tone
        self.target, self.crypto, self.samples = None, srtp.Plain(), []

    def describe(self):
        return sdp.compose(self.peer.ip, self.peer.port, codecs=(0,))

    def take(self, body):
        self.target = sdp.Session(body).target

    def settle(self):
        """The border has its keys: so must we."""

    def sealed(self, hz):
        return [self.crypto.seal(self.peer.packet(0, payload)) for payload in payloads(hz, SECONDS)]

    def hear(self, count):
        got = self.peer.receive(count)
        equal(len(got), count, f"packets that the {self.folder} got")
        for data, source in got:
            equal(source, self.target, f"where packets of the {self.folder} come from")
            packet = self.crypto.open(data)
            check(packet, f"a packet does not open: {self.folder}")
            self.samples += map(linear, packet[12:])

    def heard(self):
        return self.samples, RATE


class Sdes(Plain):
    media = {"srtp": "required", "keying": ["sdes"], "sdes_trusted": True, "srtp_suites": SUITES}
    suites = SUITES

    def __init__(self, *what):
        super().__init__(*what)
        self.tag = 1
        self.key = os.urandom(38 if self.suite in AES_192 else srtp.SUITES[NUMBERS[self.suite]][0])

    def describe(self):
        return secured(self.peer, crypto_line(self.tag, NUMBERS[self.suite], self.key), codecs=(0,))

    def take(self, body):
        super().take(body)
        line, = (line for line in crypto_of(body) if f" {self.suite} " in line)
        self.tag, theirs = re.fullmatch(r"a=crypto:(\d+) \S+ inline:([^| ]+)\S*", line).groups()
        self.crypto = crypto(self.suite, self.key, base64.b64decode(theirs))


class Dtls(Plain):
    media = {"srtp": "required", "keying": ["dtls"], "srtp_suites": list(PROFILES)}
    suites = tuple(PROFILES)
    setup, bridge, program = "actpass", None, None

    def certificate(self):
        """One for all phones of a case: making it takes longer than shaking hands."""
        if not hasattr(self.t, "phones_certificate"):
            self.t.phones_certificate = dtls.Certificate(self.t.folder)
        return self.t.phones_certificate

    def describe(self):
        return handshake.describe(self.peer.ip, self.peer.port, self.certificate(), self.setup, codecs=(0,))

    def take(self, body):
        super().take(body)
        self.setup = "passive" if b"a=setup:active" in body else "active"  # to actpass, too: RFC 5763 5
        self.bridge = self.t.own(dtls.Bridge(self.peer.rtp, self.target))
        end = dtls.client if self.setup == "active" else dtls.server
        self.program = end(self.bridge, self.certificate(), PROFILES[self.suite][0])

    def settle(self):
        keys = self.program.keys(*PROFILES[self.suite][1:])  # the client's first
        self.program.end()
        self.bridge.close()
        self.crypto = crypto(self.suite, *(keys if self.setup == "active" else reversed(keys)))


def connect(sbc, ends, signals, border, called):
    """The caller stands first in ends and signals. Returns both dialogs and the call's id."""
    caller = Call.start(signals[0], (border, 5060), called, sdp=ends[0].describe())
    callee = Call.receive(signals[1])
    ends[1].take(callee.invite.body)
    callee.reply(200, ends[1].describe())
    answer = caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    ends[0].take(answer.body)
    call, = (call for call in sbc.rest("GET", "/calls?limit=500")["items"] if call["called"] == called)
    wanted = [end.suite for end in ends]
    eventually(lambda: [side["srtp"] for side in sides(sbc, call["id"])] == wanted,
               f"{wanted} in the API", 20)
    for end in ends:
        end.settle()
    return caller, callee, call["id"]


def sides(sbc, call_id):
    return sbc.rest("GET", f"/calls/{call_id}")["media"]


def talk(pairs):
    """All ends at once, each with a tone that no other has."""
    tones = [(400 + 10 * n, 1400 + 10 * n) for n in range(len(pairs))]
    voices = [(end, end.sealed(hz)) for pair, both in zip(pairs, tones) for end, hz in zip(pair, both)]
    begin = time.monotonic()
    for tick in range(len(voices[0][1])):
        time.sleep(max(0, begin + 0.02 * tick - time.monotonic()))
        for end, packets in voices:
            end.peer.rtp.sendto(packets[tick], end.target)
    for pair, both in zip(pairs, tones):
        for end, wanted, own in zip(pair, reversed(both), both):
            end.hear(len(voices[0][1]))
            check_tone(end, wanted, (own,))


def plan(near, far):
    """(near suite, far suite, who calls: 0 near): every suite of one scheme with every one of the other.
    With plain RTP both call; other pairs take turns, so that each suite is offered, and answered, too."""
    for (i, first), (j, second) in itertools.product(enumerate(near.suites), enumerate(far.suites)):
        for by in (0, 1) if near is Plain else ((i + j) % 2,):
            yield first, second, by


def matrix(t, near, far):
    if not srtp.LIBRARY:
        raise Skip("libsrtp2 is not installed")

    def change(document):
        for trunk, scheme in zip(document["provisioning"]["trunks"], (near, far)):
            trunk["media"] = scheme.media
    sbc = t.sbc(change)
    signals, borders = t.peers(), (t.slot.inside, t.slot.outside)
    pairs, calls = [], []
    for number, (first, second, by) in enumerate(plan(near, far)):
        places = [t.media(signals[0].ip, 14000 + 2 * number), t.media(signals[1].ip, 16000 + 2 * number)]
        ends = [near(t, places[0], number, first), far(t, places[1], number, second)]
        turn = slice(None, None, -1 if by else 1)
        calls.append(connect(sbc, ends[turn], signals[turn], borders[by], f"+49{1000 + number}"))
        pairs.append(ends)
    talk(pairs)
    for caller, callee, call_id in calls:
        equal([side["packets_forged"] for side in sides(sbc, call_id)], [0, 0], "packets that did not open")
        hang_up(caller, callee)
    sbc.wait_idle()


@case("every SDES suite towards plain RTP, each calling: a tone is found at both ends")
def sdes_plain(t):
    matrix(t, Plain, Sdes)


@case("every SDES suite towards itself and every other: a tone is found at both ends")
def sdes_sdes(t):
    matrix(t, Sdes, Sdes)


@case("every DTLS-SRTP profile towards plain RTP, each calling: a tone is found at both ends")
def dtls_plain(t):
    matrix(t, Plain, Dtls)


@case("every DTLS-SRTP profile towards every SDES suite: a tone is found at both ends")
def dtls_sdes(t):
    matrix(t, Sdes, Dtls)


@case("every DTLS-SRTP profile towards itself and every other: a tone is found at both ends")
def dtls_dtls(t):
    matrix(t, Dtls, Dtls)
