#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The benchmark's receiver is believed only because it sees what is wrong: relays of this test's own
that lose, turn over, mix up, repeat and hold back packets. A line of TAP for each.
usage: test_rtpload.py BUILD-FOLDER-OF-RTPLOAD"""
import os
import socket
import sys
import threading
import time
import traceback

from relay_bed import LOAD_IP, RELAY_IP, Bed, Line, port_of, why_not
from srtp import ANY_INBOUND, ANY_OUTBOUND, LIBRARY, SUITES, Session

from namespaces import inside
from second_try import tried

CASES = []
PORT = 30000  # of the first stream at the relay
RATE = 400
SO_RCVBUFFORCE = 33  # not in the socket module


def case(function):
    CASES.append(function)
    return function


class Through:
    """A relay: change(number, packet) gives the packets that go out for one that a stream's end sent,
    as (number of the end that they go to, bytes)."""

    def __init__(self, bed, streams, change, keys=None):
        self.bed, self.change = bed, change
        self.sockets = [inside(bed.relay, lambda n=n: self.bind(n)) for n in range(streams)]
        self.lines = [Line(n, PORT + n, keys[n] if keys else None) for n in range(streams)]
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(streams)]

    @staticmethod
    def bind(number):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # Room for all that comes while this thread waits for its turn: a page each.
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        sock.bind((RELAY_IP, PORT + number))
        sock.settimeout(0.1)
        return sock

    def run(self, number):
        while self.sockets:
            try:
                packet = self.sockets[number].recv(2048)
            except TimeoutError:
                continue
            for to, data in self.change(number, packet):
                self.sockets[to].sendto(data, (LOAD_IP, port_of(to)))

    def measure(self, clump=4):
        for thread in self.threads:
            thread.start()
        try:
            self.bed.begin()
            return self.bed.send(self.lines, 1, RATE, clump)
        finally:
            sockets, self.sockets = self.sockets, []
            for thread in self.threads:
                thread.join()
            for sock in sockets:
                sock.close()


def expect(row, **values):
    found = {key: row[key] for key in values}
    assert found == values and row["sent"] == RATE, row


def turned(packet, at):
    return packet[:at] + bytes([packet[at] ^ 1]) + packet[at + 1:]


@case
def whole_packets_are_good(bed):
    row = Through(bed, 4, lambda n, p: [(n ^ 1, p)]).measure()
    expect(row, received=RATE, wrong=0, disordered=0)


@case
def one_bit_of_any_part_is_seen(bed):
    for at in (1, 3, 5, 9, 12, 90, 171):
        expect(Through(bed, 2, lambda n, p, at=at: [(n ^ 1, turned(p, at))]).measure(),
               received=0, wrong=RATE)


@case
def another_length_is_seen(bed):
    expect(Through(bed, 2, lambda n, p: [(n ^ 1, p[:-1])]).measure(), received=0, wrong=RATE)
    expect(Through(bed, 2, lambda n, p: [(n ^ 1, p + b"x")]).measure(), received=0, wrong=RATE)


@case
def streams_that_are_mixed_up_are_seen(bed):
    expect(Through(bed, 4, lambda n, p: [(n ^ 3, p)]).measure(), received=0, wrong=RATE)


@case
def lost_ones_are_missed(bed):
    row = Through(bed, 2, lambda n, p: [(n ^ 1, p)] if p[3] % 4 else []).measure()
    expect(row, received=RATE * 3 // 4, wrong=0)


@case
def repeated_ones_are_seen(bed):
    row = Through(bed, 2, lambda n, p: [(n ^ 1, p)] * 2).measure()
    assert row["received"] > row["sent"] == RATE and row["disordered"] > RATE // 2, row


@case
def srtp_is_compared_octet_by_octet(bed):
    if not LIBRARY:
        return "libsrtp2 is not installed"
    for number, name in ((1, "AES_CM_128_HMAC_SHA1_80"), (7, "AEAD_AES_128_GCM"),
                         (2, "AES_CM_128_HMAC_SHA1_32")):
        for spoilt in (None, 20, -1):
            sends, hears = os.urandom(SUITES[number][0]), os.urandom(SUITES[number][0])
            ends = Session(number, sends, ANY_INBOUND), Session(number, hears, ANY_OUTBOUND)

            def change(n, packet, ends=ends, spoilt=spoilt):
                if n == 1:
                    return [(0, ends[0].run("srtp_unprotect", packet) or b"")]
                out = ends[1].run("srtp_protect", packet)
                return [(1, out if spoilt is None else turned(out, spoilt % len(out)))]

            row = Through(bed, 2, change, [None, (name, sends, hears)]).measure()
            wrong = 0 if spoilt is None else RATE // 2
            expect(row, received=RATE - wrong, wrong=wrong, disordered=0)
    return None


@case
def delay_is_what_a_packet_takes(bed):
    def change(number, packet):
        time.sleep(0.002)
        return [(number ^ 1, packet)]

    row = Through(bed, 40, change).measure(clump=0)
    assert row["received"] == row["sent"] > 0 and row["delay_us"]["p50"] >= 2000, row
    assert row["delay_us"]["p50"] <= row["delay_us"]["p99"] <= row["delay_us"]["p999"], row


def attempt(function, bed):
    try:
        return None, function(bed)
    except Exception:  # any failure is this case's
        return traceback.format_exc(), None


def main():
    print(f"1..{len(CASES)}")
    skipped = why_not() or (os.geteuid() != 0 and "not root")
    bed = None if skipped else Bed(sys.argv[1])
    failed = 0
    for number, one in enumerate(CASES, 1):
        wrong, note = (None, skipped) if skipped else tried(one.__name__, lambda: attempt(one, bed))
        failed += wrong is not None
        print(f"{'not ok' if wrong else 'ok'} {number} - {one.__name__}" +
              (f" # SKIP {note}" if note else ""))
        for line in (wrong or "").splitlines():
            print("#", line)
        sys.stdout.flush()
    if bed:
        bed.close()
    return 1 if failed else 0


sys.exit(main())
