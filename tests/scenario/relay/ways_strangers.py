# SPDX-License-Identifier: MIT
"""Strangers on every way, and packets of the peer's own that only the stages know."""
import struct
import threading
import time

from namespaces import inside, ip
from relay import udp
from ways_bed import STEADY, case, exchange, expect, nothing, pass_one


@case()
def strangers_stay_out(bed):
    a, b, at_a, at_b = bed.call()
    bed.up(a, b, at_a, at_b)
    before = bed.figures()[0, 0]
    stranger = bed.phone(False, 0xaaaa)
    stranger.sequence, stranger.timestamp = a.sequence, a.timestamp
    stranger.say(at_a, 20)
    nothing(b.rtp)
    exchange(a, b, at_a, at_b)
    after = bed.figures()[0, 0]
    expect(after, packets_received=before["packets_received"] + 1,
           packets_dropped=before["packets_dropped"] + 20, way=bed.way)


class Thieves:
    """One beside the phones on each side, on an address of its own: RTP of the phones' SSRCs, RTCP and STUN
    at each port, over and over."""
    ADDRESSES = (("10.77.0.99/24", "10.78.0.99/24"), ("fd77::99/64", "fd78::99/64"))

    def __init__(self, bed):
        self.bed, self.ended, self.rounds = bed, False, 0
        self.at = list(zip((bed.net.near, bed.net.far), self.ADDRESSES[bed.version],
                           (bed.relay.inside, bed.relay.outside), (0xaaaa, 0xbbbb)))
        for name, address, _, _ in self.at:
            ip("-n", name, "addr", "add", address, "dev", "p0", *(["nodad"] if bed.version else []))
        self.socks = [inside(name, lambda address=address: udp(address.split("/")[0]))
                      for name, address, _, _ in self.at]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended:
            for sock, (_, _, relay, ssrc) in zip(self.socks, self.at):
                for data in (struct.pack(">BBHII", 0x80, 0, 7, 7, ssrc) + b"evil" * 40,
                             struct.pack(">BBHI", 0x80, 201, 1, ssrc), b"\0\1\0\0!\x12\xa4B" + bytes(12)):
                    for port in range(self.bed.relay.first, self.bed.relay.first + 40):
                        sock.sendto(data, (relay, port))
                time.sleep(0.001)
            self.rounds += 1

    def wait_round(self):
        before, deadline = self.rounds, time.monotonic() + 60
        while self.rounds < before + 2:
            assert time.monotonic() < deadline, "nobody sprays"
            time.sleep(0.002)

    def end(self):
        self.ended = True
        self.thread.join(10)
        for name, address, _, _ in self.at:
            ip("-n", name, "addr", "del", address, "dev", "p0")


@case()
def sprayers_while_calls_are_set_up(bed):
    """They hear nothing, nobody hears them, and the streams go the way that they may."""
    thieves = Thieves(bed)
    try:
        for number in range(1, 9):
            a, b, at_a, at_b = bed.call(number)
            assert at_a[1] < bed.relay.first + 40, "not in the thieves' range"
            thieves.wait_round()
            for _ in range(STEADY):
                exchange(a, b, at_a, at_b)
            thieves.wait_round()
            for _ in range(3):
                exchange(a, b, at_a, at_b)
            got = bed.figures(number)
            for side_number in (0, 1):
                expect(got[0, side_number], packets_received=STEADY + 3, packets_sent=STEADY + 3, way=bed.way)
                assert got[0, side_number]["packets_dropped"] > 0, "not under fire"
            nothing(a.rtp, 0.001)
            nothing(b.rtp, 0.001)
    finally:
        thieves.end()
    for sock in thieves.socks:
        nothing(sock)


@case()
def what_the_kernel_does_not_know(bed):
    """Another SSRC, padding, STUN, junk, RTCP: as the stages do it."""
    a, b, at_a, at_b = bed.call()
    bed.up(a, b, at_a, at_b)
    padded = bytearray(a.packet(b"x" * 160))
    padded[0], padded[-1] = 0xa0, 4
    pass_one(a, b, at_a, at_b, bytes(padded))
    for junk in (b"", b"\0\1\0\0" + b"\x21\x12\xa4\x42" * 4, b"\x16\xfe\xfd" + b"x" * 30, b"\x80" * 11):
        a.rtp.sendto(junk, at_a)
    nothing(b.rtp, 0.1)
    for _ in range(20):
        exchange(a, b, at_a, at_b)
    a.ssrc = 0xcccc
    a.sequence = 7
    for _ in range(STEADY + 20):
        exchange(a, b, at_a, at_b)
    got = bed.figures()[0, 0]
    count = STEADY + 1 + 20 + STEADY + 20
    expect(got, ssrc=0xcccc, packets_received=count, packets_expected=count, packets_lost=0,
           packets_dropped=4, way=bed.way)
