# SPDX-License-Identifier: MIT
"""What changes under a stream, on every way: hold, phones, flows, neighbours, and the relay's process."""
import re
import struct
import subprocess
import time

from namespaces import ip
from relay import TRANSMIT, heard, ports, side
from ways_bed import NOBODY, STEADY, but_sockets, case, exchange, expect, nothing, pass_one


@case()
def hold_and_resume(bed):
    a, b, at_a, at_b = bed.call()
    bed.up(a, b, at_a, at_b)
    bed.tell(side(0, "in", a, direction=TRANSMIT))
    a.say(at_a, 5)
    nothing(b.rtp)
    pass_one(b, a, at_b, at_a)
    got = bed.figures()
    assert got[0, 0]["way"] != 2, got
    expect(got[0, 0], packets_received=STEADY, packets_dropped=5)
    expect(got[0, 1], way=bed.way)
    bed.tell(side(0, "in", a))
    bed.up(a, b, at_a, at_b)
    expect(bed.figures()[0, 0], packets_received=2 * STEADY)


@case()
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


@case()
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
    assert changes >= 60 or bed.way != 2, changes


@case()
def no_packet_is_lost_while_a_flow_changes(bed):
    """Told another payload type again and again, which the kernel is to map: it never leaves the kernel,
    and every packet is mapped by the old rule or the new."""
    a, b, at_a, at_b = bed.call()
    bed.tell(side(0, "in", a, payloads=[{"payload_type": 0, "clock_hz": 8000}]))
    bed.up(a, b, at_a, at_b)
    sent, got = [], []
    for turn in range(60):
        out = 96 + turn % 2
        bed.tell(side(0, "in", a, payloads=[
            {"payload_type": 0, "clock_hz": 8000},
            {"payload_type": 101, "clock_hz": 8000, "kind": 1, "out": 0x80 | out}]))
        expect(bed.figures()[0, 0], way=bed.way)
        for _ in range(20):
            data = a.packet(struct.pack(">I", len(sent)) * 40, payload_type=101)
            a.rtp.sendto(data, at_a)
            sent.append(data[:1] + bytes([out]) + data[2:])
        while len(got) < len(sent) and (one := heard(b.rtp, 3)):
            got.append(one[0])
    assert got == sent, (len(got), len(sent))
    time.sleep(0.3)  # longer than an old place rests
    expect(bed.figures()[0, 0], packets_received=STEADY + len(sent), packets_lost=0,
           packets_expected=STEADY + len(sent), bytes_received=172 * (STEADY + len(sent)),
           packets_reordered=0, packets_duplicated=0)


@case()
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


def wait_ways(bed, sessions, way, what):
    """Until that way is what packets to the far side take, of every session."""
    deadline = time.monotonic() + 10
    while wrong := [session for session in sessions if bed.figures(session)[0, 0]["way"] != way]:
        assert time.monotonic() < deadline, f"{what}: still another way in {len(wrong)} of {len(sessions)}"
        time.sleep(0.05)


def many_up(bed, count):
    """Calls that are where this mode takes them."""
    calls = {}
    for session in range(1, count + 1):
        calls[session] = bed.call(session)
        for _ in range(STEADY):
            exchange(*calls[session])
    wait_ways(bed, calls, bed.way, "at first")
    return calls


@case(ways=but_sockets())
def a_neighbour_is_lost_under_many(bed):
    """They leave by sockets, whose packets ask for it anew, and come back."""
    calls = many_up(bed, 30)
    ip("-n", bed.net.relay, "neigh", "change", bed.net.FAR[bed.version], "dev", "o0", "nud", "failed")
    wait_ways(bed, calls, 0, "without the neighbour")
    exchange(*calls[1])
    wait_ways(bed, calls, bed.way, "with it")
    for call in calls.values():
        exchange(*call)


@case(ways=but_sockets())
def routes_change_under_many(bed):
    """… while the table never rests."""
    target = bed.net.FAR[bed.version] + ("/128" if bed.version else "/32")
    calls = many_up(bed, 30)
    with subprocess.Popen(["ip", "netns", "exec", bed.net.relay, "sh", "-c", """
            while ip route replace 192.0.2.1/32 dev i0 && sleep 0.03 && ip route del 192.0.2.1/32; do
                sleep 0.03
            done"""]) as others:
        try:
            ip("-n", bed.net.relay, "route", "add", "unreachable", target)
            wait_ways(bed, calls, 0, "without a route")
            ip("-n", bed.net.relay, "route", "del", "unreachable", target)
            wait_ways(bed, calls, bed.way, "with a route")
            assert others.poll() is None, "no route changed meanwhile"
        finally:
            others.terminate()
    for call in calls.values():
        exchange(*call)
    ip("-n", bed.net.relay, "route", "flush", "192.0.2.0/24")


@case(ways=but_sockets())
def nothing_is_left_behind(bed):
    """The program goes with the process, also when that is killed."""
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


@case()
def rights_are_given_up(bed):
    """Started by another user with just what the service's drop-in grants."""
    rights = "+bpf,+net_admin,+net_raw,+perfmon"
    unlimited = ["prlimit", "--memlock=unlimited"]
    if subprocess.run([*unlimited, "true"], capture_output=True, check=False).returncode != 0:
        if bed.mode == "rings":
            return "no memory may be locked"
        unlimited = []
    bed.stop()
    bed.__init__(bed.net, bed.mode, bed.relay.workers, bed.version, [
        *unlimited, "setpriv", f"--reuid={NOBODY}", "--clear-groups", f"--inh-caps={rights}",
        f"--ambient-caps={rights}"])
    with open(f"/proc/{bed.relay.process.pid}/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[kind], 16) == 0, (kind, status[kind])
    hold_and_resume(bed)
