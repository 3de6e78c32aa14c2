#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The ways through the relay, in network namespaces: every case on every way, a line of TAP each.
ways.py [--workers N] [CASE …]"""
import argparse
import os
import re
import socket
import struct
import sys
import time
import traceback

from namespaces import Net, inside, ip, possible
from relay import BOTH, RECEIVE, RESET, TRANSMIT, Phone, Relay, figures, heard, ports, side, udp

CASES = []
WAYS = {"native": 2, "tc": 2, "generic": 2, "off": 0}
IP_RECVTTL = 12  # not in the socket module
NOBODY = 65534
STEADY = 12  # packets after which a stream that may go through the kernel is there


def case(function):
    CASES.append(function)
    return function


class Bed:
    """A relay between two phones' namespaces, and a session on it."""

    def __init__(self, net, mode, workers, version=0, user=()):
        self.net, self.mode, self.version = net, mode, version
        self.relay = Relay("127.0.0", workers=workers,
                           command=["ip", "netns", "exec", net.relay, *user],
                           owner=NOBODY if user else 0, fast_path=mode, interfaces=["i0", "o0"])
        self.relay.inside, self.relay.outside = net.INSIDE[version], net.OUTSIDE[version]
        self.client = self.relay.client()
        self.relay.realms(self.client)
        self.way = WAYS[mode]

    def phone(self, far, ssrc):
        address = (self.net.FAR if far else self.net.NEAR)[self.version]
        return inside(self.net.far if far else self.net.near, lambda: Phone(address, ssrc=ssrc))

    def call(self, session=1, **more):
        a, b = self.phone(False, 0xaaaa), self.phone(True, 0xbbbb)
        local = ports(self.client.request("session_set", session=session, streams=[
            side(0, "in", a), side(1, "out", b)], **more))
        return a, b, local[0, 0][0], local[0, 1][0]

    def tell(self, *sides, session=1, **more):
        answer = self.client.request("session_set", session=session, streams=list(sides), **more)
        assert answer[0] == "session_ports", answer

    def figures(self, session=1):
        return figures(self.client, session)

    def up(self, a, b, at_a, at_b):
        """Both directions where this mode takes them."""
        for _ in range(STEADY):
            exchange(a, b, at_a, at_b)
        got = self.figures()
        assert got[0, 0]["way"] == got[0, 1]["way"] == self.way, got

    def stop(self):
        self.client.close()
        code = self.relay.stop()
        assert code == 0, f"exit code {code}"


def pass_one(one, other, to, source, data=None):
    """One packet, byte for byte, from the right port."""
    data = data or one.packet(os.urandom(160))
    one.rtp.sendto(data, to)
    got = heard(other.rtp, 3)
    assert got is not None, "nothing came"
    assert got[0] == data and got[1][:2] == source[:2], (got, source)


def exchange(a, b, at_a, at_b):
    pass_one(a, b, at_a, at_b)
    pass_one(b, a, at_b, at_a)


def nothing(sock, seconds=0.15):
    assert heard(sock, seconds) is None, "something came"


def expect(got, **values):
    for key, value in values.items():
        assert got[key] == value, (key, got[key], value)


@case
def bytes_and_figures(bed):
    a, b, at_a, at_b = bed.call()
    bed.up(a, b, at_a, at_b)
    for size in (0, 1, 2, 159, 160, 1000):
        pass_one(a, b, at_a, at_b, a.packet(os.urandom(size)))
    for _ in range(200):
        exchange(a, b, at_a, at_b)
    got = bed.figures()
    count = STEADY + 200
    size = (count) * 172 + 6 * 12 + 1322
    expect(got[0, 0], packets_received=count + 6, bytes_received=size, packets_lost=0,
           packets_expected=count + 6, packets_dropped=0, ssrc=0xaaaa, payload_type=0,
           packets_sent=count)
    expect(got[0, 1], packets_received=count, packets_lost=0, packets_expected=count,
           packets_sent=count + 6, bytes_sent=size)
    assert got[0, 0]["last_packet_unix_ms"] > time.time() * 1000 - 2000


@case
def marked_and_aged_anew(bed):
    a, b, at_a, at_b = bed.call()
    bed.up(a, b, at_a, at_b)
    v6 = bed.version == 1
    level = socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP
    for option in ((socket.IPV6_RECVTCLASS, socket.IPV6_RECVHOPLIMIT) if v6 else
                   (socket.IP_RECVTOS, IP_RECVTTL)):
        b.rtp.setsockopt(level, option, 1)
    a.say(at_a)
    b.rtp.settimeout(3)
    notes = {kind: data for _, kind, data in b.rtp.recvmsg(2048, 128)[1]}
    marks = [data[0] for kind, data in notes.items()
             if kind in (socket.IP_TOS, socket.IPV6_TCLASS)]
    ages = [data[0] for kind, data in notes.items()
            if kind in (socket.IP_TTL, socket.IPV6_HOPLIMIT)]
    assert marks == [46 << 2] and ages == [64], notes


@case
def lost_late_and_doubled(bed):
    """Loss as RFC 3550 counts it goes on over the change of ways and over a wrap."""
    a, b, at_a, at_b = bed.call()
    a.sequence = 65500
    bed.up(a, b, at_a, at_b)
    for _ in range(100):
        pass_one(a, b, at_a, at_b)
    a.sequence += 10  # lost on the way here
    first, second, third = (a.packet() for _ in range(3))
    for data in (first, third, second, second):
        pass_one(a, b, at_a, at_b, data)
    expect(bed.figures()[0, 0], packets_received=STEADY + 104,
           packets_expected=STEADY + 113, packets_lost=9, packets_reordered=1,
           packets_duplicated=1)


@case
def floods_are_policed(bed):
    """From the right port, of the right SSRC, and far more than its codec sends."""
    a, b, at_a, at_b = bed.call()
    bed.tell(side(0, "in", a, bytes_per_s=17000))
    bed.up(a, b, at_a, at_b)
    b.rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    for _ in range(600):
        a.say(at_a)
        time.sleep(0.0002)
    came = 0
    while heard(b.rtp, 0.3):
        came += 1
    got = bed.figures()[0, 0]
    assert 60 < came < 300, came
    expect(got, packets_received=STEADY + came, packets_dropped=600 - came)


@case
def jitter_goes_on(bed):
    a, b, at_a, at_b = bed.call()
    bed.up(a, b, at_a, at_b)
    bed.tell(side(0, "in", a, payloads=[{"payload_type": 0, "clock_hz": 8000}]))
    for _ in range(300):
        pass_one(a, b, at_a, at_b, a.packet())
        a.timestamp += 8000  # every packet comes a second too early by its timestamp
    jitter = bed.figures()[0, 0]["jitter_us"]
    assert 950_000 < jitter < 1_050_000, jitter


@case
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


@case
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


@case
def hold_and_resume(bed):
    a, b, at_a, at_b = bed.call()
    bed.up(a, b, at_a, at_b)
    bed.tell(side(0, "in", a, direction=TRANSMIT))
    a.say(at_a, 5)
    nothing(b.rtp)
    pass_one(b, a, at_b, at_a)
    got = bed.figures()
    expect(got[0, 0], way=0, packets_received=STEADY, packets_dropped=5)
    expect(got[0, 1], way=bed.way)
    bed.tell(side(0, "in", a))
    bed.up(a, b, at_a, at_b)
    expect(bed.figures()[0, 0], packets_received=2 * STEADY)


@case
def another_phone_takes_over(bed):
    a, b, at_a, at_b = bed.call()
    bed.up(a, b, at_a, at_b)
    fresh = bed.phone(False, 0xdddd)
    bed.tell(side(0, "in", fresh))
    pass_one(b, fresh, at_b, at_a)
    nothing(a.rtp)
    bed.up(fresh, b, at_a, at_b)
    a.say(at_a, 3)
    nothing(b.rtp)
    expect(bed.figures()[0, 1], packets_received=2 * STEADY + 1, packets_lost=0)


@case
def no_packet_is_lost_while_ways_change(bed):
    """A stream at full speed; told again and again meanwhile, with the way taken away and given back."""
    a, b, at_a, at_b = bed.call()
    bed.up(a, b, at_a, at_b)
    sent, got = [], []

    def hear(seconds):
        while one := heard(b.rtp, seconds):
            got.append(one[0])

    for turn in range(60):
        for _ in range(30):
            sent.append(a.packet(struct.pack(">I", len(sent)) * 40))
            a.rtp.sendto(sent[-1], at_a)
            time.sleep(0.0002)
        # A payload type that is not told goes by the stages.
        bed.tell(side(0, "in", a, payloads=[{"payload_type": turn % 2 * 9, "clock_hz": 8000}]))
        hear(0.002)  # socket buffers are small
    hear(1)
    assert len(got) == len(sent), f"{len(sent) - len(got)} of {len(sent)} lost"
    assert sorted(got) == sorted(sent)
    time.sleep(0.6)
    expect(bed.figures()[0, 0], packets_received=STEADY + len(sent), packets_lost=0,
           packets_expected=STEADY + len(sent), bytes_received=172 * (STEADY + len(sent)))
    expect(bed.figures()[0, 1], packets_sent=STEADY + len(sent))
    with open(bed.relay.log, encoding="utf-8") as log:
        changes = len(re.findall("event=stream_way .*side=0", log.read()))
    assert changes >= 60 or bed.mode == "off", changes


@case
def unfinished_checksums(bed):
    """A neighbour on this machine leaves checksums to a device that never sees the packet."""
    if bed.mode != "tc":
        return
    for name in (bed.net.near, bed.net.far):
        bed.net.run(name, "ethtool", "-K", "p0", "tx", "on")
    try:
        a, b, at_a, at_b = bed.call()
        bed.up(a, b, at_a, at_b)
        exchange(a, b, at_a, at_b)
    finally:
        for name in (bed.net.near, bed.net.far):
            bed.net.run(name, "ethtool", "-K", "p0", "tx", "off")


@case
def payload_types_are_mapped(bed):
    if bed.mode == "off":
        return
    a, b, at_a, at_b = bed.call()
    bed.tell(side(0, "in", a, payloads=[
        {"payload_type": 0, "clock_hz": 8000},
        {"payload_type": 101, "clock_hz": 8000, "kind": 1, "out": 0x80 | 96}]))
    bed.up(a, b, at_a, at_b)
    event = a.packet(b"\1\0\0\xa0", payload_type=0x80 | 101)
    a.rtp.sendto(event, at_a)
    assert heard(b.rtp, 3)[0] == event[:1] + bytes([0x80 | 96]) + event[2:]


@case
def silence_is_told(bed):
    a, b, at_a, at_b = bed.call(first_timeout_ms=5000, timeout_ms=1500)
    bed.up(a, b, at_a, at_b)
    until = time.monotonic() + 3
    while time.monotonic() < until:
        exchange(a, b, at_a, at_b)
        time.sleep(0.02)
    assert bed.client.push(0.01) is None, "packets in the kernel are packets"
    told = bed.client.push(5)
    assert told and told[0] == "media_event" and told[1]["kind"] == 2, told


@case
def a_neighbour_moves(bed):
    a, b, at_a, at_b = bed.call()
    bed.up(a, b, at_a, at_b)
    ip("-n", bed.net.far, "link", "set", "p0", "address", "02:00:00:00:aa:01")
    try:
        deadline = time.monotonic() + 20
        while True:  # its packets tell the relay's kernel where it is now
            b.say(at_b)
            a.rtp.settimeout(0.2)
            heard(a.rtp, 0.05)
            a.say(at_a)
            if heard(b.rtp, 0.2):
                break
            assert time.monotonic() < deadline, "never found again"
    finally:
        ip("-n", bed.net.far, "link", "set", "p0", "address", "02:00:00:00:aa:02")


@case
def nothing_is_left_behind(bed):
    """The program goes with the process, also when that is killed."""
    if bed.mode == "off":
        return
    a, b, at_a, at_b = bed.call()
    bed.up(a, b, at_a, at_b)
    bed.relay.kill()
    text = bed.net.run(bed.net.relay, "bpftool", "net")
    assert not re.search(r"^\w+\(\d+\)", text, re.M), text
    a.say(at_a, 3)
    nothing(b.rtp)
    bed.relay.start()
    bed.client = bed.relay.client()
    bed.relay.realms(bed.client)
    port_a, port_b = at_a[1], at_b[1]
    answer = bed.client.request("session_set", session=1, streams=[
        side(0, "in", a, want_port=port_a), side(1, "out", b, want_port=port_b)])
    assert ports(answer)[0, 0][0][1] == port_a
    bed.up(a, b, at_a, at_b)


@case
def rights_are_given_up(bed):
    """Started by another user with just what the service's drop-in grants."""
    rights = "+bpf,+net_admin,+perfmon"
    bed.stop()
    bed.__init__(bed.net, bed.mode, bed.relay.workers, bed.version, [
        "setpriv", f"--reuid={NOBODY}", "--clear-groups", f"--inh-caps={rights}",
        f"--ambient-caps={rights}"])
    with open(f"/proc/{bed.relay.process.pid}/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[kind], 16) == 0, (kind, status[kind])
    hold_and_resume(bed)


def attempt(function, net, mode, workers, version):
    net.forget_neighbours()
    bed = Bed(net, mode, workers, version)
    try:
        function(bed)
        bed.stop()
        return None
    except Exception:  # any failure is this case's
        if bed.relay.process.poll() is None:
            bed.relay.kill()
        with open(bed.relay.log, encoding="utf-8", errors="replace") as log:
            return traceback.format_exc() + log.read()[-3000:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args()
    why_not = possible()
    if why_not:
        print(f"1..0 # SKIP {why_not}")
        return 0
    chosen = [(one, mode, version) for mode in ([args.way] if args.way else WAYS)
              for one in CASES if not args.cases or one.__name__ in args.cases
              for version in (0, 1)]
    print(f"1..{len(chosen)}")
    failed, net = 0, Net()
    try:
        for number, (one, mode, version) in enumerate(chosen, 1):
            wrong = attempt(one, net, mode, args.workers, version)
            failed += wrong is not None
            print(f"{'not ok' if wrong else 'ok'} {number} - {one.__name__} {mode} "
                  f"IPv{6 if version else 4}", flush=True)
            for line in (wrong or "").splitlines():
                print("#", line)
    finally:
        net.close()
    return 1 if failed else 0


sys.exit(main())
