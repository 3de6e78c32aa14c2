# SPDX-License-Identifier: MIT
"""Attacks on the media of secured calls, through the whole border: the far phone has SDES or DTLS, the near
one is plain. Its SRTP is libsrtp2's and its handshake openssl's, so that nobody judges his own work. What
strangers and forgers send is dropped and counted, and the voice of both sides arrives whole."""
import base64
import os
import struct
import time

import dtls
import srtp
import stun
from harness import sdp
from harness.attack import back_to_start, drain
from harness.case import case
from harness.check import Skip, check, equal, eventually
from harness.sip import Call

from cases import handshake
from cases.attack_media import BINDING, Sprayer, Voice
from cases.basic import hang_up
from cases.secure import NAMES, POLICY, crypto_line, crypto_of, secured

SUITES = {"sdes-cm": 1, "sdes-gcm": 7, "dtls": 1}
DROPPED = 'sbc_relay_packets_dropped_total{reason="%s"}'


class Phone(handshake.Phone):
    """One of many with the same certificate: to make it takes longer than to shake hands."""

    def __init__(self, media, certificate):  # pylint: disable=super-init-not-called
        self.media, self.ip, self.port, self.certificate = media, media.ip, media.port, certificate
        self.bridge = self.program = None


class Secured:
    """A call between a plain phone (near) and a secured one (far), which has `crypto` once it is connected;
    until then it rings."""

    def __init__(self, t, kind, number=0):
        self.sbc, self.suite = t.sbc_instance, SUITES[kind]
        pbx, carrier = t.pair
        self.near, self.far = t.media(pbx.ip, 14000 + 4 * number), t.media(carrier.ip, 16000 + 4 * number)
        self.crypto = None
        self.phone = t.own(Phone(self.far, t.certificate)) if kind == "dtls" else None
        self.caller = Call.start(pbx, (t.slot.inside, 5060), f"+49{number}",
                                 sdp=sdp.compose(pbx.ip, self.near.port))
        self.callee = Call.receive(carrier)
        self.callee.reply(180)
        self.caller.expect(180)
        self.to_far, self.to_near = sdp.Session(self.callee.invite.body).target, None

    def connect(self):
        self.callee.reply(200, self.answer(self.callee.invite.body))
        self.to_near = sdp.Session(self.caller.expect(200).body).target
        self.caller.ack()
        self.callee.take_request("ACK")
        if self.phone:
            self.shake_hands()
        return self

    def answer(self, offer):
        if self.phone:
            return self.phone.sdp()
        line = next(one for one in crypto_of(offer) if NAMES[self.suite] in one)
        tag, _, key = line.partition(":")[2].split(" ")[:3]
        ours = os.urandom(srtp.SUITES[self.suite][0])
        self.crypto = srtp.Crypto(self.suite, ours, base64.b64decode(key.removeprefix("inline:").split("|")[0]))
        return secured(self.far, crypto_line(tag, self.suite, ours))

    def shake_hands(self):
        """Our program is the server; it goes when it has keys, and its socket is libsrtp's."""
        self.phone.listen(self.to_far)
        client, server = self.phone.program.keys()
        self.crypto = srtp.Crypto(self.suite, server, client)
        self.phone.close()
        self.phone.program = None

    def say(self, count):
        """Packets both ways, each of which arrives as it was."""
        for _ in range(count):
            plain = self.near.packet()
            self.near.rtp.sendto(plain, self.to_near)
            equal([self.crypto.open(data) for data, _ in self.far.receive(1)], [plain], "heard by the far phone")
            plain = self.far.packet()
            self.far.rtp.sendto(self.crypto.seal(plain), self.to_far)
            equal([data for data, _ in self.near.receive(1)], [plain], "heard by the near phone")

    def sides(self):
        """As GET /calls/{id} has them."""
        call = next(c for c in self.sbc.calls() if c["legs"][0]["call_id"] == self.caller.call_id)
        return self.sbc.rest("GET", f"/calls/{call['id']}")["media"]

    def end(self):
        hang_up(self.caller, self.callee)
        self.near.close()
        self.far.close()

    def counted(self):
        """What was dropped, by the API's and the metrics' figures."""
        side, metrics = self.sides()[1], self.sbc.metrics()
        return {"forged": side["packets_forged"], "replayed": side["packets_replayed"],
                "auth": metrics[DROPPED % "auth"] + metrics[DROPPED % "plain"],
                "replay": metrics[DROPPED % "replay"], "source": metrics[DROPPED % "source"]}


def world(t, kind, change=None):
    """The three daemons; the peers are t.pair, and what DTLS phones show is t.certificate."""
    if not srtp.LIBRARY:
        raise Skip("libsrtp2 is not installed")

    def both(document):
        document["provisioning"]["trunks"][1]["media"] = POLICY["dtls_srtp" if kind == "dtls" else "srtp-mand"]
        if change:
            change(document)
    t.sbc(both)
    t.pair, t.certificate = t.peers(), dtls.Certificate(t.folder)
    return t.sbc_instance


def of_peer(far, ahead):
    """The peer's SSRC, with a number that it has not come to: none that was seen, which would be a replay."""
    return struct.pack(">BBHII", 0x80, 0, (far.sequence + ahead) & 0xffff, far.timestamp, far.ssrc) + b"evil" * 40


def forged(call, ahead, wrong, right):
    """Without a tag, under another key, and bent after it was sealed: in the payload, in the tag."""
    yield of_peer(call.far, ahead)
    yield wrong.seal(of_peer(call.far, ahead + 1))
    for at in (20, -1):
        bent = bytearray(right.seal(of_peer(call.far, ahead + 2)))
        bent[at] ^= 0x10
        yield bytes(bent)
        ahead += 1


def attacked(t, kind):
    sbc = world(t, kind)
    call = Secured(t, kind).connect()
    far, crypto = call.far, call.crypto
    far.sequence &= 0x3fff  # the forgers' numbers are ahead, and none of them may round the corner
    call.say(8)
    before, rounds = call.counted(), 100
    equal({before["forged"], before["replayed"], before["auth"], before["replay"]}, {0}, "drops before")
    thieves = [t.media(t.slot.stranger, 14000), t.media(far.ip, 15000)]  # the latter on the peer's own address
    # The forgers have sessions of their own: those of the voice must not see their numbers.
    wrong, right = srtp.Crypto(call.suite), srtp.Crypto(call.suite, crypto.sends, crypto.hears)
    voices = [t.own(Voice(call.near, call.to_near, far, opens=crypto.open)),
              t.own(Voice(far, call.to_far, call.near, seal=crypto.seal))]
    eventually(lambda: len(voices[1].sealed) > 3, "a voice")
    for number in range(rounds):
        taken = voices[1].sealed[-1 - number % 3]
        for thief in thieves:
            thief.rtp.sendto(taken, call.to_far)
            thief.rtp.sendto(of_peer(far, number % 3), call.to_far)
        far.rtp.sendto(taken, call.to_far)
        for data in forged(call, 2000 + 5 * number, wrong, right):
            far.rtp.sendto(data, call.to_far)
        if number % 5 == 4:
            time.sleep(0.02)  # the relay's queue is not the one that is attacked
    grown = {"forged": 4 * rounds, "replayed": rounds, "auth": 4 * rounds, "replay": rounds,
             "source": 4 * rounds}

    def now():
        return {name: count - before[name] for name, count in call.counted().items()}
    eventually(lambda: sum(now().values()) >= sum(grown.values()), f"{grown} counted")
    equal(now(), grown, "what was dropped")
    hello = dtls.client_hello()
    for thief in thieves:  # none of these is answered
        for data in (hello, BINDING, stun.check("a:b", "wrong", nominate=True)):
            thief.rtp.sendto(data, call.to_far)
    for voice in voices:
        voice.finish()
    for thief in thieves:
        equal(drain(thief.rtp, thief.rtcp), (0, 0), f"datagrams sent to {thief.ip}:{thief.port}")
    sides = call.sides()
    for side, voice in zip(sides, voices):
        equal((side["packets_received"], side["packets_lost"]), (8 + len(voice.sent), 0),
              f"packets of side {side['side']}, and lost ones")
    call.say(4)
    call.end()
    record, = sbc.wait_cdrs(1)
    equal([(side["packets_forged"], side["packets_replayed"]) for side in record["media"]],
          [(0, 0), (grown["forged"], grown["replayed"])], "forged and replayed packets in the record")
    back_to_start(sbc, None)


def sprayed(t, kind, calls=100):
    sbc = world(t, kind, Sprayer.ports)
    thief = t.own(Sprayer(t, struct.pack(">BBHII", 0x80, 0, 7, 160, 0x55555555) + b"evil" * 40,
                          struct.pack(">BBHI", 0x80, 201, 1, 0x55555555), dtls.client_hello(), BINDING))
    for batch in range(calls // 20):
        some = [Secured(t, kind, 20 * batch + number) for number in range(20)]
        thief.wait_round()  # at each stage: they ring, they are connected, they talk
        for call in some:
            call.connect()
        thief.wait_round()
        for call in some:
            call.say(6)
        thief.wait_round()
        for call in some:
            for side in call.sides():
                equal((side["packets_received"], side["packets_sent"], side["packets_forged"]), (6, 6, 0),
                      f"packets received, sent and forged of side {side['side']}")
            for phone in (call.near, call.far):  # at RTCP's port the border still wants to shake hands
                equal(drain(phone.rtp), (0, 0), f"datagrams that no phone sent, at {phone.ip}")
            call.end()
    thief.hears_nothing()
    metrics = sbc.metrics()
    for reason in ("source", "stun"):
        check(metrics[DROPPED % reason] > calls, f"it was never at a live port ({reason})")
    thief.close()
    back_to_start(sbc, None)


for one in SUITES:
    case(f"{one}: SSRC takeover, replays and forgeries are dropped and counted, and the voice goes on",
         short=True)(lambda t, kind=one: attacked(t, kind))
for one in SUITES:
    case(f"{one}: a sprayer over all ports while 100 calls are set up hears nothing and is heard nowhere",
         slow=one == "dtls")(lambda t, kind=one: sprayed(t, kind))
