# SPDX-License-Identifier: MIT
"""Attacks on media: strangers that spray, inject, take over or ask to be answered, and a peer whose
packets are odd. The voice of both sides must arrive whole, and strangers hear nothing."""
import multiprocessing
import os
import socket
import struct
import threading
import time

from harness import sdp
from harness.attack import back_to_start, drain
from harness.case import case
from harness.check import check, equal, eventually
from harness.rtp import exchange

from cases.basic import establish, hang_up

BINDING = struct.pack(">HHI12s", 1, 0, 0x2112a442, b"0123456789ab")
SPRAYED = 110  # port pairs of each realm
SEEDS = ("coturn-stun", "janus", "rtpproxy", "libsrtp-corpus", "openssl-dtls", "webrtc-mediasoup")


def talking(t):
    """A call with media both ways: (signalling, near, far, where near sends to, where far does)."""
    sbc = t.sbc()
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    call = establish(t, pbx, carrier, t.slot.inside)
    to_near = sdp.Session(call[0].answer.body).target
    to_far = sdp.Session(call[1].invite.body).target
    exchange(near, to_near, far, source=to_far)
    exchange(far, to_far, near, source=to_near)
    return sbc, call, near, far, to_near, to_far


class Voice:
    """Sends 50 packets a second in the background, and compares what arrived at the end. seal, opens: what
    becomes of a packet before it leaves, and of one that arrived."""

    def __init__(self, sender, to, receiver, seal=None, opens=None):
        self.sender, self.to, self.receiver = sender, to, receiver
        self.seal, self.opens = seal or (lambda packet: packet), opens or (lambda packet: packet)
        self.sent, self.sealed, self.heard, self.stop = [], [], [], False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop:
            packet = self.sender.packet()
            self.sent.append(packet)
            self.sealed.append(self.seal(packet))
            self.sender.rtp.sendto(self.sealed[-1], self.to)
            self.heard += self.receiver.receive(1000, 0.02)  # a queue does not hold all of a long attack

    def finish(self):
        self.stop = True
        self.thread.join(2)
        self.heard += self.receiver.receive(len(self.sent) + 100, 0.5)
        got = [self.opens(data) for data, _ in self.heard]
        strange = [packet for packet in got if packet not in self.sent]
        check(not strange, f"{len(strange)} foreign packets came through: {strange[:1]}")
        check(len(got) == len(self.sent), f"{len(got)} of {len(self.sent)} packets arrived")

    def close(self):
        self.stop = True
        self.thread.join(2)


@case("strangers inject, take over the SSRC, and ask for STUN and RTCP answers: nothing happens", short=True)
def injection(t):
    sbc, call, near, far, to_near, to_far = talking(t)
    thief = t.media(t.slot.stranger, 14000)
    elsewhere = t.media(near.ip, 15000)   # the right address, another port
    for one, to, other in ((near, to_near, far), (far, to_far, near)):  # RTCP is locked, too
        one.rtcp.sendto(one.sender_report(), (to[0], to[1] + 1))
        check(other.receive_rtcp(1, 1), "the peer's own RTCP")
    voices = [t.own(Voice(near, to_near, far)), t.own(Voice(far, to_far, near))]
    for attempt in range(150):
        for one in (thief, elsewhere):
            one.ssrc = near.ssrc if attempt % 2 else one.ssrc
            one.sequence, one.timestamp = near.sequence + attempt % 3, near.timestamp
            for target in (to_near, to_far):
                one.rtp.sendto(one.packet(), target)
                one.rtp.sendto(BINDING, target)
                one.rtp.sendto(b"\x16\xfe\xff" + os.urandom(60), target)
                one.rtcp.sendto(one.sender_report(), (target[0], target[1] + 1))
                one.rtcp.sendto(struct.pack(">BBHI", 0x81, 203, 1, near.ssrc),  # BYE for the real one
                                (target[0], target[1] + 1))
        time.sleep(0.005)
    for voice in voices:
        voice.finish()
    for one in (thief, elsewhere):
        equal(drain(one.rtp, one.rtcp), (0, 0), f"datagrams sent to {one.ip}:{one.port}")
    equal((far.receive_rtcp(1, 0.1), near.receive_rtcp(1, 0.1)), ([], []), "RTCP of strangers")
    hang_up(*call)
    back_to_start(sbc, None)


def odd_packets(near):
    """From the peer itself: legal but odd, and illegal."""
    for _ in range(3):
        good = near.packet()
        fixed = good[1:12]
        yield b"\x8f" + fixed + b"\0\0\0\1" * 15 + b"x" * 20         # fifteen CSRCs
        yield b"\x90" + fixed + struct.pack(">HH", 0xbede, 300) + b"\0" * 1200 + b"x"
        yield b"\x90" + fixed + struct.pack(">HH", 0xbede, 0xffff)   # an extension beyond the end
        yield b"\x9f" + fixed + b"\0" * 60                           # CSRCs, then no room
        yield b"\x80" + fixed                                         # no payload at all
        yield b"\xa0" + fixed + b"\0"                                 # padding of 0
        yield b"\xa0" + fixed + b"\xff"                               # padding beyond the start
        yield b"\x80" + fixed + b"x" * 1460
        yield b"\x80" + fixed + b"x" * 8000
        yield b"\x80" + bytes([77]) + good[2:]                        # a payload type nobody offered
        yield b"\x80" + good[1:2] + struct.pack(">H", (near.sequence + 30000) & 0xffff) + good[4:]


@case("odd packets of the peer and other projects' seeds do no harm to the voice", short=True)
def odd(t):
    sbc, call, near, far, to_near, to_far = talking(t)
    thief = t.media(t.slot.stranger, 14000)
    voice = t.own(Voice(far, to_far, near))
    for raw in odd_packets(near):
        near.rtp.sendto(raw, to_near)
        near.rtcp.sendto(raw, (to_near[0], to_near[1] + 1))
    top = os.environ.get("SBC_CORPORA") or os.environ.get("SBC_CORPORA_DEFAULT") or ""
    count = 0
    for folder in SEEDS:
        for where, _, names in os.walk(os.path.join(top, "fuzz-seeds", folder)):
            for name in sorted(names)[:400]:
                with open(os.path.join(where, name), "rb") as file:
                    raw = file.read(60000)
                count += 1
                for one in (near, thief):
                    one.rtp.sendto(raw, to_near)
                    one.rtcp.sendto(raw, (to_near[0], to_near[1] + 1))
                    if count % 20 == 0:
                        time.sleep(0.001)
    far.flush()
    voice.finish()
    equal(drain(thief.rtp, thief.rtcp), (0, 0), "answers to a stranger")
    far.flush()
    near.sequence = (near.sequence + 100) & 0x7fff
    exchange(near, to_near, far, source=to_far)
    hang_up(*call)
    back_to_start(sbc, None)


class Sprayer:
    """A stranger who sends to each port of both realms, over and over; a process, so that he takes no turns
    from the phones."""

    def __init__(self, t, *datagrams):
        self.slot, self.datagrams = t.slot, datagrams
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((t.slot.stranger, 14000))
        processes = multiprocessing.get_context("fork")
        self.rounds = processes.Value("Q", 0, lock=False)
        self.process = processes.Process(target=self.run, args=(os.getpid(),), daemon=True)
        self.process.start()

    @staticmethod
    def ports(document):
        """A range that takes little time, and enough for a hundred calls whose ports rest afterwards."""
        for one in document["provisioning"]["realms"]:
            one["media"]["port_max"] = one["media"]["port_min"] + 2 * SPRAYED - 1

    def run(self, parent):
        while os.getppid() == parent:
            for data in self.datagrams:
                for ip, first in ((self.slot.inside, 20000), (self.slot.outside, 30000)):
                    for port in range(first, first + 2 * SPRAYED):
                        self.sock.sendto(data, (ip, port))
                time.sleep(0.005)
            self.rounds.value += 1

    def wait_round(self):
        """Each port had each of them since."""
        before = self.rounds.value
        eventually(lambda: self.rounds.value > before + 1, "it sprays", 20)

    def hears_nothing(self):
        equal(drain(self.sock), (0, 0), "datagrams sent to the sprayer")

    def close(self):
        self.process.terminate()
        self.process.join()
        self.sock.close()


@case("a sprayer over all ports while calls are set up hears nothing and is heard nowhere", short=True)
def sprayer(t):
    sbc = t.sbc(Sprayer.ports)
    pbx, carrier = t.peers()
    thief = t.own(Sprayer(t, struct.pack(">BBHII", 0x80, 0, 7, 160, 0x55555555) + b"evil" * 40))
    for number in range(20):
        near, far = t.media(pbx.ip, 14000 + 4 * number), t.media(carrier.ip, 16000 + 4 * number)
        call = establish(t, pbx, carrier, t.slot.inside, called=f"+49{number}",
                         offer=sdp.compose(pbx.ip, near.port), answer=sdp.compose(carrier.ip, far.port))
        to_near = sdp.Session(call[0].answer.body).target
        to_far = sdp.Session(call[1].invite.body).target
        sent = near.send(to_near, 12, 0.002)
        got = far.receive(12, 1)
        check(all(p in sent for p, _ in got), "a stranger's packet at the callee")
        check(len(got) >= 8, f"{len(got)} of 12 packets arrived")
        equal(near.receive(1, 0.01), [], "a stranger's packet at the caller")
        sent = far.send(to_far, 12, 0.002)
        check(all(p in sent for p, _ in near.receive(12, 1)), "a stranger's packet at the caller")
        hang_up(*call)
    thief.hears_nothing()
    thief.close()
    back_to_start(sbc, None)
