# SPDX-License-Identifier: MIT
"""Streams that need the relay's own hands, on every way: by a ring where there are rings, else by
sockets. The phones' kernels judge what the rings send, checksums too."""
import os
import struct
import time

import srtp
from namespaces import ip
from relay import BOTH, MUX, heard, ports, side
from ways_bed import STEADY, case

WITH_RINGS = ("native", "generic", "rings")
ABSENT = "libsrtp2 is not installed"
SUITE_PAIRS = ((0, 1), (1, 7), (8, 2))


class End:
    """A phone, its keys, and where it sends to."""

    def __init__(self, phone, suite):
        self.phone = phone
        self.crypto = srtp.Crypto(suite) if suite else srtp.Plain()
        self.to = self.rtcp_to = None

    def say(self, other, payload=None):
        plain = self.phone.packet(os.urandom(160) if payload is None else payload)
        self.phone.rtp.sendto(self.crypto.seal(plain), self.to)
        got = heard(other.phone.rtp, 3)
        assert got is not None, "nothing came"
        assert got[1][:2] == other.to[:2], got[1]
        assert other.crypto.open(got[0]) == plain
        return got[0]


def call(bed, suites, session=1, **more):
    ends = [End(bed.phone(far, ssrc), suite)
            for far, ssrc, suite in zip((False, True), (0xaaaa, 0xbbbb), suites)]
    local = ports(bed.client.request("session_set", session=session, streams=[
        side(number, realm, end.phone, security=end.crypto.security(), **more)
        for number, (realm, end) in enumerate(zip(("in", "out"), ends))]))
    for number, end in enumerate(ends):
        end.to, end.rtcp_to = local[0, number]
    return ends


def talk(a, b, count=STEADY):
    for _ in range(count):
        a.say(b)
        b.say(a)


def expect_way(bed, way, why):
    got = bed.figures()
    assert got[0, 0]["way"] == got[0, 1]["way"] == way, (why, got)
    reasons = {"there are only sockets here"} if bed.mode == "off" else {
        "secured", "recorded", "the sides are of two IP versions"} if way != 2 else {
        "plain and latched"}
    if bed.mode != "rings":
        assert {got[0, i]["way_reason"] for i in (0, 1)} <= reasons, got
    return got


def own_hands(bed):
    return 1 if bed.mode in WITH_RINGS else 0


@case()
def secured_streams(bed):
    if not srtp.LIBRARY:
        return ABSENT
    for suites in SUITE_PAIRS:
        a, b = call(bed, suites)
        talk(a, b)
        expect_way(bed, own_hands(bed), suites)
        for size in (0, 1, 2, 159, 161, 1000, 1400):
            a.say(b, os.urandom(size))
            b.say(a, os.urandom(size))
        talk(a, b, 100)
        sealed = a.crypto.seal(a.phone.packet())
        for data in (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed, sealed):
            a.phone.rtp.sendto(data, a.to)
        assert b.crypto.open(heard(b.phone.rtp, 3)[0])
        assert heard(b.phone.rtp, 0.1) is None
        got = bed.figures()
        assert got[0, 1]["packets_received"] == STEADY + 107 == got[0, 0]["packets_sent"], got
        assert got[0, 0]["packets_received"] == (STEADY + 108 if suites[0] else STEADY + 110), got
        if suites[0]:
            assert (got[0, 0]["packets_forged"], got[0, 0]["packets_replayed"]) == (1, 1), got
        bed.client.request("session_close", session=1)


@case()
def secured_strangers(bed):
    """Whoever else sends to a port that is in a ring gets nowhere, and is counted."""
    if not srtp.LIBRARY:
        return ABSENT
    a, b = call(bed, (1, 1))
    talk(a, b)
    before = bed.figures()[0, 0]["packets_dropped"]
    stranger = bed.phone(False, 0xaaaa)
    stranger.sequence = a.phone.sequence
    for _ in range(20):
        stranger.rtp.sendto(a.crypto.seal(stranger.packet()), a.to)
    assert heard(b.phone.rtp, 0.15) is None
    assert heard(stranger.rtp, 0.05) is None
    assert bed.figures()[0, 0]["packets_dropped"] == before + 20


def records(path):
    with open(path, "rb") as file:
        data = file.read()
    count, at = 0, 24
    while at + 16 <= len(data):
        at += 16 + struct.unpack("<I", data[at + 8:at + 12])[0]
        count += 1
    return count


@case()
def recorded_for_a_while(bed):
    """Out of the kernel and back, and every packet in the file."""
    a, b = call(bed, (0, 0))
    talk(a, b)
    expect_way(bed, bed.way, "before")
    path = os.path.join(bed.relay.folder, "state", "one.pcap")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    assert bed.client.request("session_record", session=1, on=1, decrypted=1, path=path)[0] == "done"
    talk(a, b, 100)
    expect_way(bed, own_hands(bed), "recorded")
    assert bed.client.request("session_record", session=1, on=0)[0] == "done"
    talk(a, b)
    expect_way(bed, bed.way, "after")
    got = bed.figures()
    assert got[0, 0]["packets_received"] == 2 * STEADY + 100, got
    deadline = time.monotonic() + 5
    while records(path) != 200:  # written beside the packet path
        assert time.monotonic() < deadline, records(path)
        time.sleep(0.02)


@case(versions=(0,))
def between_ip_versions(bed):
    """Headers of one length come off, others go on."""
    first, last = bed.relay.first, bed.relay.last
    realms = [{"name": name, "address": address, "port_min": first, "port_max": last, "dscp": 46}
              for name, address in (("in", bed.net.INSIDE[0]), ("out", bed.net.OUTSIDE[1]))]
    assert bed.client.request("realm_set", realms=realms)[0] == "done"
    a = End(bed.phone(False, 0xaaaa), 0)
    bed.version = 1
    b = End(bed.phone(True, 0xbbbb), 0)
    local = ports(bed.client.request("session_set", session=1, streams=[
        side(0, "in", a.phone), side(1, "out", b.phone)]))
    a.to, b.to = local[0, 0][0], local[0, 1][0]
    talk(a, b)
    expect_way(bed, own_hands(bed), "two versions")
    talk(a, b, 50)
    for size in (0, 1, 1400):
        a.say(b, os.urandom(size))
        b.say(a, os.urandom(size))


@case()
def control_on_the_same_port(bed):
    """One side multiplexes RTCP, the other does not: what comes by a ring leaves by another port."""
    if not srtp.LIBRARY:
        return ABSENT
    a, b = End(bed.phone(False, 0xaaaa), 1), End(bed.phone(True, 0xbbbb), 7)
    local = ports(bed.client.request("session_set", session=1, streams=[
        side(0, "in", a.phone, security=a.crypto.security(), flags=MUX),
        side(1, "out", b.phone, security=b.crypto.security(), direction=BOTH)]))
    a.to, (b.to, b.rtcp_to) = local[0, 0][0], local[0, 1]
    talk(a, b)
    expect_way(bed, own_hands(bed), "mux")
    report = a.phone.report()
    a.phone.rtp.sendto(a.crypto.seal(report, control=True), a.to)
    data, source = heard(b.phone.rtcp, 3)
    assert source[:2] == b.rtcp_to[:2] and b.crypto.open(data, control=True) == report
    report = b.phone.report()
    b.phone.rtcp.sendto(b.crypto.seal(report, control=True), b.rtcp_to)
    data, source = heard(a.phone.rtp, 3)
    assert source[:2] == a.to[:2] and a.crypto.open(data, control=True) == report
    talk(a, b)


@case()
def secured_neighbour_moves(bed):
    if not srtp.LIBRARY:
        return ABSENT
    a, b = call(bed, (1, 1))
    talk(a, b)
    ip("-n", bed.net.far, "link", "set", "p0", "address", "02:00:00:00:bb:01")
    try:
        for turn in range(100):
            b.phone.rtp.sendto(b.crypto.seal(b.phone.packet()), b.to)
            heard(a.phone.rtp, 0.1)
            a.phone.rtp.sendto(a.crypto.seal(a.phone.packet()), a.to)
            if heard(b.phone.rtp, 0.2):
                break
        else:
            raise AssertionError(f"never found again in {turn + 1} turns")
    finally:
        ip("-n", bed.net.far, "link", "set", "p0", "address", "02:00:00:00:bb:02")
