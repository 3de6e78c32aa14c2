# SPDX-License-Identifier: MIT
"""What passes on every way, and what is told of it: octets, marks, payload types, digits, loss, jitter,
silence and reports."""
import os
import socket
import struct
import time

import recordings
from relay import counter, heard, side
from ways_bed import STEADY, but_sockets, case, exchange, expect, pass_one

IP_RECVTTL = 12  # not in the socket module


@case()
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
    deadline = time.monotonic() + 5  # sums are read now and then
    while (came := counter(bed.relay, "sbc_relay_packets_total", 'direction="in"')) != 2 * count + 6:
        assert time.monotonic() < deadline, came
        time.sleep(0.05)


@case()
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


@case(ways=("tc", "rings", "off"))
def unfinished_checksums(bed):
    """A neighbour on this machine leaves checksums to a device that never sees the packet."""
    for name in (bed.net.near, bed.net.far):
        bed.net.run(name, "ethtool", "-K", "p0", "tx", "on")
    try:
        a, b, at_a, at_b = bed.call()
        bed.up(a, b, at_a, at_b)
        exchange(a, b, at_a, at_b)
    finally:
        for name in (bed.net.near, bed.net.far):
            bed.net.run(name, "ethtool", "-K", "p0", "tx", "off")


@case(ways=but_sockets())
def payload_types_are_mapped(bed):
    a, b, at_a, at_b = bed.call()
    bed.tell(side(0, "in", a, payloads=[
        {"payload_type": 0, "clock_hz": 8000},
        {"payload_type": 101, "clock_hz": 8000, "kind": 1, "out": 0x80 | 96}]))
    bed.up(a, b, at_a, at_b)
    event = a.packet(b"\1\0\0\xa0", payload_type=0x80 | 101)
    a.rtp.sendto(event, at_a)
    assert heard(b.rtp, 3)[0] == event[:1] + bytes([0x80 | 96]) + event[2:]


@case(ways=but_sockets())
def digits_come_up(bed):
    """Audio goes on in the kernel until a digit comes, or is put in; what leaves has no gap."""
    a, b, at_a, at_b = bed.call()
    bed.tell(side(0, "in", a, payloads=[
        {"payload_type": 0, "clock_hz": 8000},
        {"payload_type": 101, "clock_hz": 8000, "kind": 1, "out": 1}]))
    bed.up(a, b, at_a, at_b)
    last = a.sequence
    for number in range(1, 4):
        a.rtp.sendto(a.packet(bytes([5, 10 | (number == 3) << 7, 0, 160 * min(number, 1)]), 101), at_a)
    name, event = bed.client.push()
    while event["kind"] != 10:
        name, event = bed.client.push()
    assert (name, event["value"]) == ("media_event", 5 << 16 | 20), event
    sent = a.packet()
    a.rtp.sendto(sent, at_a)
    assert heard(b.rtp, 3)[0] == sent[:2] + struct.pack(">H", last + 1) + sent[4:]
    assert bed.figures()[0, 0]["way"] != 2
    # The other direction is still where it was; a digit brings it down, too.
    assert bed.figures()[0, 1]["way"] == bed.way
    answer = bed.client.request("digit_send", session=1, stream=0, side=0, event=7, duration_ms=60,
                                payloads=[{"payload_type": 101, "clock_hz": 8000}])
    assert answer[0] == "done", answer
    before = b.sequence
    b.rtp.sendto(b.packet(), at_b)
    numbers = [struct.unpack_from(">H", heard(a.rtp, 3)[0], 2)[0] for _ in range(1 + 5)]
    assert numbers == list(range(before + 1, before + 7)), (before, numbers)
    assert bed.figures()[0, 1]["way"] != 2


@case()
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


@case()
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


@case()
def jitter_goes_on(bed):
    a, b, at_a, at_b = bed.call()
    bed.up(a, b, at_a, at_b)
    bed.tell(side(0, "in", a, payloads=[{"payload_type": 0, "clock_hz": 8000}]))
    for _ in range(300):
        pass_one(a, b, at_a, at_b, a.packet())
        a.timestamp += 8000  # every packet comes a second too early by its timestamp
    jitter = bed.figures()[0, 0]["jitter_us"]
    assert 950_000 < jitter < 1_050_000, jitter


@case(versions=(0,))
def figures_agree_with_tshark(bed):
    """The given recordings: the kernel's arithmetic, and what the stages count before and beside it."""
    if recordings.absent():
        return recordings.absent()
    for session, (name, speed) in enumerate(recordings.PLAYED, 1):
        a, b, at_a, _ = bed.call(session)
        played = recordings.play_to(name, a, at_a, b, max(speed, 20), lead=True)
        got = bed.figures(session)[0, 0]
        recordings.agree(played, got, bed.relay.folder)
        expect(got, way=bed.way)
    a, b, at_a, _ = bed.call(99)
    played = recordings.play_known(a, at_a, b)
    got = bed.figures(99)[0, 0]
    recordings.agree(played, got, bed.relay.folder)
    expect(got, way=bed.way)


@case()
def silence_is_told(bed):
    a, b, at_a, at_b = bed.call(first_timeout_ms=5000, timeout_ms=1500)
    bed.up(a, b, at_a, at_b)
    until = time.monotonic() + 3
    while time.monotonic() < until:
        exchange(a, b, at_a, at_b)
        time.sleep(0.02)
    assert bed.client.push(0.01) is None, "packets in the kernel are packets"
    told = bed.client.push(5)
    while told and (told[1]["kind"], told[1]["side"]) != (2, 0):
        told = bed.client.push(5)
    assert told and told[0] == "media_event", told
    pass_one(a, b, at_a, at_b)
    told = bed.client.push(0.3)
    while told and (told[1]["kind"], told[1]["side"]) != (9, 0):
        told = bed.client.push(0.3)
    assert told, "that it speaks again is told at once"
    bed.up(a, b, at_a, at_b)


@case()
def reports_tell_of_what_the_kernel_forwards(bed):
    """RTCP in place of a peer that sends none, with the kernel's figures in it."""
    if (bed.mode, bed.version) not in (("native", 0), ("tc", 1)):
        return  # each takes some seconds
    a, b, at_a, at_b = bed.call()
    first, sent, gone, told = a.timestamp, STEADY, [], {}
    bed.up(a, b, at_a, at_b)
    deadline = time.monotonic() + 60
    while len(told) < 2:
        assert time.monotonic() < deadline, "no report"
        exchange(a, b, at_a, at_b)
        sent += 1
        if sent % 10 == 0:
            a.sequence += 1  # lost on the way here
            gone.append(a.sequence)
        for phone in (a, b):
            report = heard(phone.rtcp, 0.01)
            if report:
                told[phone] = report[0], sent, b.sequence
    report, sent, last = told[b]
    (kind, ssrc, _, _, timestamp, packets, octets, about, lost,
     highest) = struct.unpack_from(">HxxIIIIIIIII", report)
    assert (kind, ssrc, about) == (0x81c8, 0xaaaa, 0xbbbb), report
    assert packets in (sent - 1, sent) and octets == 160 * packets, (packets, octets, sent)
    # Of this moment: after that packet, and before long.
    assert 160 * packets <= timestamp - first <= 160 * packets + 16000, (timestamp, first)
    assert lost == 0 and highest in (last - 1, last), (lost, highest)
    lost, highest = struct.unpack_from(">II", told[a][0], 32)
    assert lost & 0xffffff == sum(n <= highest for n in gone) > 0, (lost, highest, gone)
    expect(bed.figures()[0, 0], way=bed.way)
