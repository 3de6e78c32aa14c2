# SPDX-License-Identifier: MIT
"""What the relay must do, seen from outside."""
import ast
import os
import random
import resource
import shutil
import signal
import socket
import struct
import subprocess
import time

import pcap
from relay import (BOTH, MUX, RECEIVE, REMOVE, RESET, TRANSMIT, TOP, Phone, figures, heard, ports,
                   side, udp)

CASES = []


def case(**options):
    def add(function):
        function.options = options
        CASES.append(function)
        return function
    return add


def call(relay, client, session=1, first=0, second=0, **more):
    """Two phones in a session with both addresses told; returns (a, b, port of a, port of b)."""
    a = Phone(relay.inside[:-1] + "10", ssrc=0xaaaa)
    b = Phone(relay.outside[:-1] + "20", ssrc=0xbbbb)
    answer = client.request("session_set", session=session, streams=[
        side(0, "in", a, flags=first), side(1, "out", b, flags=second)], **more)
    local = ports(answer)
    return a, b, local[0, 0], local[0, 1]


def until(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def waiting_bytes(relay):
    """In the receive queues of the relay's range."""
    with open(f"/proc/{relay.process.pid}/net/udp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return sum(int(row[4].split(":")[1], 16) for row in rows
               if relay.first <= int(row[1].split(":")[1], 16) <= relay.last)


def silent(sock, seconds=0.15):
    assert heard(sock, seconds) is None, "something came"


def lock(phone, to, other):
    """Enough packets to latch; all of them arrive at the other side."""
    for sent in phone.say(to, 6):
        assert heard(other.rtp)[0] == sent


@case()
def forwards_both_ways_byte_exact(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = call(relay, client)
    assert at_a[0][0] == relay.inside and at_b[0][0] == relay.outside
    assert at_a[0][1] % 2 == 0 and at_a[1][1] == at_a[0][1] + 1
    noise = random.Random(7)
    for size in (0, 1, 20, 160, 320, 1400):
        for one, other, to, source in ((a, b, at_a[0], at_b[0]), (b, a, at_b[0], at_a[0])):
            data = one.packet(noise.randbytes(size))
            one.rtp.sendto(data, to)
            assert heard(other.rtp) == (data, source)
    got = figures(client, 1)
    for number in (0, 1):
        assert got[0, number]["packets_received"] == 6 == got[0, number]["packets_sent"]
        assert got[0, number]["bytes_received"] == 6 * 12 + 0 + 1 + 20 + 160 + 320 + 1400
        assert got[0, number]["packets_lost"] == 0 and got[0, number]["packets_dropped"] == 0
        assert got[0, number]["packets_expected"] == 6
        assert 400 < got[0, number]["mos_x100"] <= 450
    assert got[0, 0]["learned"] == a.at and got[0, 0]["ssrc"] == 0xaaaa
    name, last = client.request("session_close", session=1)
    assert name == "session_stats" and last["streams"][0]["packets_received"] == 6
    assert client.request("session_close", session=1)[0] == "failure"


@case()
def packets_are_marked_and_counted(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, _ = call(relay, client)
    b.rtp.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    a.say(at_a[0])
    notes = b.rtp.recvmsg(2048, 64)[1]
    assert [data for _, kind, data in notes if kind == socket.IP_TOS] == [bytes([46 << 2])]
    stranger = relay.client(program="mgmt-apid")
    assert figures(stranger, 1)[0, 0]["packets_received"] == 1, "anyone may ask"
    assert stranger.request("session_close", session=1)[0] == "failure", "only its owner closes it"
    with open(os.path.join(relay.folder, "run", "media-relayd.stats"), "rb") as file:
        named = file.read()
    for name in (b"sbc_relay_sessions", b"sbc_relay_packets_total", b'reason="source"',
                 b'realm="in"', b"sbc_relay_port_allocation_failures_total"):
        assert name in named, name


@case()
def forwards_over_ipv6(relay):
    client = relay.client()
    answer = client.request("realm_set", realms=[
        {"name": "in", "address": "::1", "port_min": 25000 + 100 * relay.workers,
         "port_max": 25050 + 100 * relay.workers, "dscp": 46},
        {"name": "out", "address": relay.outside, "port_min": 25000, "port_max": 25050}])
    assert answer[0] == "done"
    a = udp("::1")
    b = Phone(relay.outside[:-1] + "20")
    told = ("::1", a.getsockname()[1])
    local = ports(client.request("session_set", session=1, streams=[
        side(0, "in", remote_rtp=told), side(1, "out", b)]))
    assert local[0, 0][0][0] == "::1"
    for sent in (b.packet() for _ in range(6)):
        b.rtp.sendto(sent, local[0, 1][0])
        assert heard(a)[0] == sent
        a.sendto(sent, local[0, 0][0])
        assert heard(b.rtp)[0] == sent
    assert figures(client, 1)[0, 0]["learned"] == told


@case()
def the_command_line_is_that_of_every_daemon(relay):
    program = relay.process.args[0]

    def run(*args):
        return subprocess.run([program, *args], capture_output=True, text=True, check=False)

    assert run("--help").returncode == 0 and "--config" in run("--help").stdout
    assert run("--version").stdout.startswith("media-relayd ")
    assert run("--nonsense").returncode == 2
    assert run("--check", "--config", relay.config).returncode == 0
    bad = os.path.join(relay.folder, "bad.json")
    with open(bad, "w", encoding="utf-8") as file:
        file.write('{"relay": {"workers": "many"}}')
    refused = run("--check", "--config", bad)
    assert refused.returncode == 1 and "/relay/workers" in refused.stderr, refused
    second = run("--config", relay.config)
    assert second.returncode == 1, "another relay is there already"
    relay.realms(relay.client())


@case()
def rtcp_has_its_own_port_or_shares_one(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = call(relay, client)
    a.rtcp.sendto(a.report(), at_a[1])
    assert heard(b.rtcp) == (a.report(), at_b[1])
    a.rtp.sendto(a.report(), at_a[0])  # not agreed: RTCP on the RTP port goes nowhere
    a.rtcp.sendto(a.packet(), at_a[1])  # and RTP on the RTCP port neither
    silent(b.rtp)
    silent(b.rtcp)
    a, b, at_a, at_b = call(relay, client, session=2, first=MUX)
    assert at_a[0] == at_a[1], "one port for both"
    a.rtp.sendto(a.report(), at_a[0])
    assert heard(b.rtcp) == (a.report(), at_b[1])
    b.rtcp.sendto(b.report(), at_b[1])
    assert heard(a.rtp) == (b.report(), at_a[0])


@case()
def a_stranger_gets_nothing_and_puts_nothing_in(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, _ = call(relay, client)
    thief = Phone(relay.inside[:-1] + "66", ssrc=0xaaaa, sequence=200)
    thief.say(at_a[0], 20)  # before the first packet
    silent(b.rtp)
    lock(a, at_a[0], b)
    thief.sequence = a.sequence  # after the lock: right SSRC, right sequence
    thief.say(at_a[0], 20)
    silent(b.rtp)
    b.say(ports(client.request("session_set", session=1))[0, 1][0], 5)
    assert heard(a.rtp)
    silent(thief.rtp)
    got = figures(client, 1)[0, 0]
    assert got["learned"] == a.at and got["packets_dropped"] == 40, got


@case()
def another_port_of_the_told_host_is_learned(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = call(relay, client)
    moved = Phone(a.at[0], ssrc=5)
    lock(moved, at_a[0], b)  # heard from the first packet on: the host is the told one
    b.say(at_b[0])
    assert heard(moved.rtp), "sent to where it comes from"
    silent(a.rtp)
    a.say(at_a[0], 10)  # too late
    silent(b.rtp)
    event = client.push()
    assert event[0] == "media_event" and event[1]["kind"] == 3 and event[1]["source"] == moved.at


@case()
def a_peer_behind_nat_is_learned_from_its_prefix_only(relay):
    client = relay.client()
    relay.realms(client)
    behind = Phone(relay.inside[:-1] + "77", ssrc=9)
    far = Phone(relay.outside[:-1] + "20")
    local = ports(client.request("session_set", session=1, streams=[
        side(0, "in", remote_rtp=("10.99.99.99", 4000), remote_rtcp=("10.99.99.99", 4001),
             learn_from=behind.at[0], learn_bits=32),
        side(1, "out", far)]))
    stranger = Phone(relay.inside[:-1] + "78", ssrc=9)
    stranger.say(local[0, 0][0], 10)
    silent(far.rtp)
    sent = behind.say(local[0, 0][0], 8)
    got = [heard(far.rtp) for _ in range(5)]
    assert [packet[0] for packet in got] == sent[3:], "nothing before the latch, all after it"
    far.say(local[0, 1][0])
    assert heard(behind.rtp)


@case()
def stun_and_empty_datagrams_never_latch(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, _ = call(relay, client)
    binding = struct.pack(">HHI12s", 1, 0, 0x2112a442, b"123456789012")
    for data in (b"", binding, b"\x16\xfe\xff", b"\x80", b"\x80\x00" + 9 * b"\0", b"\x8f" * 20):
        for _ in range(5):
            a.rtp.sendto(data, at_a[0])
    silent(b.rtp)
    got = figures(client, 1)[0, 0]
    assert got["learned"][0] is None and got["packets_dropped"] == 30, got
    silent(a.rtp)  # no answer to STUN either


@case()
def hold_stops_media_and_lets_rtcp_through(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = call(relay, client)
    lock(a, at_a[0], b)
    client.request("session_set", session=1, streams=[
        side(0, "in", a, direction=TRANSMIT), side(1, "out", b, direction=RECEIVE)])
    a.say(at_a[0], 3)
    silent(b.rtp)
    a.rtcp.sendto(a.report(), at_a[1])
    assert heard(b.rtcp)
    b.say(at_b[0])
    assert heard(a.rtp), "music on hold"
    assert figures(client, 1)[0, 0]["packets_dropped"] == 3
    client.request("session_set", session=1, streams=[side(0, "in", a), side(1, "out", b)])
    lock(a, at_a[0], b)  # and the latch was kept
    client.request("session_set", session=1, streams=[
        side(0, "in", a, remote_rtp=("0.0.0.0", a.at[1]), remote_rtcp=("0.0.0.0", 0))])
    b.say(at_b[0], 2)
    silent(a.rtp)
    assert figures(client, 1)[0, 1]["packets_dropped"] == 2


@case()
def a_new_remote_is_sent_to_at_once(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = call(relay, client)
    lock(a, at_a[0], b)
    next_a = Phone(relay.inside[:-1] + "11", ssrc=3)
    again = ports(client.request("session_set", session=1, streams=[side(0, "in", next_a)]))
    assert again[0, 0] == at_a and again[0, 1] == at_b, "ports stay"
    b.say(at_b[0])
    assert heard(next_a.rtp)
    silent(a.rtp)
    a.say(at_a[0], 5)
    silent(b.rtp)
    lock(next_a, at_a[0], b)
    client.request("session_set", session=1, streams=[side(0, "in", next_a, flags=RESET)])
    assert figures(client, 1)[0, 0]["learned"][0] is None
    client.request("session_set", session=1, streams=[side(0, "in", flags=REMOVE)])
    assert client.request("session_query", sessions=[{"session": 1}])[1]["sessions"][0][
        "streams"] == []


@case(pairs=4)
def exhaustion_refuses_whole_and_recovers(relay):
    client = relay.client()
    relay.realms(client)
    for session in range(1, 5):
        call(relay, client, session)
    for session in range(5, 9):
        name, failure = client.request("session_set", session=session, streams=[
            side(0, "in"), side(1, "out")])
        assert name == "failure" and failure["err"] == -2011, failure
        assert client.request("session_close", session=session)[1]["err"] == -2003
    assert client.request("session_set", session=1, streams=[side(0, "in", stream=1)])[0] == "failure"
    assert len(figures(client, 1)) == 2, "nothing changed"
    client.request("session_close", session=1)
    freed = time.monotonic()
    until(lambda: client.request("session_set", session=9, streams=[
        side(0, "in"), side(1, "out")])[0] == "session_ports", "ports come back")
    assert time.monotonic() - freed >= 4.9, "the ports rested"
    assert figures(client, 9)[0, 0]["local"][1] == relay.first


@case()
def no_descriptors_are_like_no_ports(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, _ = call(relay, client)
    spare = len(os.listdir(f"/proc/{relay.process.pid}/fd")) + 3  # two for a pair, not four
    limits = resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE, (spare, limits[1]))
    refused = client.request("session_set", session=2, streams=[side(0, "in"), side(1, "out")])
    assert refused[0] == "failure" and refused[1]["err"] == -2011, refused
    lock(a, at_a[0], b)
    resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE, limits)
    call(relay, client, 2)


@case(pairs=40)
def ports_of_others_are_stepped_over(relay):
    client = relay.client()
    taken = [udp(relay.inside, relay.first + 2 * i + i % 2) for i in range(10)]
    relay.realms(client)
    got = set()
    for session in range(20):
        local = ports(client.request("session_set", session=session, streams=[side(0, "in")]))
        got.add(local[0, 0][0][1])
    assert len(got) == 20 and min(got) >= relay.first + 20
    assert all(port % 2 == 0 for port in got) and len(taken) == 10


@case(pairs=150)
def a_sprayer_over_the_whole_range_changes_nothing(relay):
    client = relay.client()
    relay.realms(client)
    sprayer = [Phone(relay.inside[:-1] + "66", ssrc=1, sequence=i) for i in range(2)]

    def spray():
        for port in range(relay.first, relay.last + 1):
            for phone in sprayer:
                phone.rtp.sendto(phone.packet(), (relay.inside, port))

    for session in range(100):
        spray() if session % 5 == 0 else None
        a, b, at_a, at_b = call(relay, client, session)
        sprayer[0].say(at_a[0], 5)
        lock(a, at_a[0], b)
        lock(b, at_b[0], a)
        sprayer[1].say(at_a[0], 5)
        silent(a.rtp, 0.001)
        silent(b.rtp, 0.001)
        got = figures(client, session)
        assert got[0, 0]["packets_received"] == 6 == got[0, 1]["packets_received"], got
        assert got[0, 0]["learned"] == a.at
        if session >= 40:
            client.request("session_close", session=session - 40)
        a.close()
        b.close()
    for phone in sprayer:
        silent(phone.rtp, 0.05)
    until(lambda: waiting_bytes(relay) == 0, "nothing stays in sockets without use")


@case()
def malformed_control_messages_harm_nobody(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = call(relay, client)
    lock(a, at_a[0], b)
    noise = random.Random(1)
    good = [relay.codec.encode("session_set", 1, session=2, first_timeout_ms=1, streams=[
                side(0, "in", a, payloads=[{"payload_type": 0, "clock_hz": 8000}]),
                side(1, "out", b)]),
            relay.codec.encode("realm_set", 1, realms=[
                {"name": "x", "address": "127.0.0.1", "port_min": 1, "port_max": 9, "dscp": 1}]),
            relay.codec.encode("session_close", 1, session=99),
            relay.codec.encode("session_query", 1, sessions=[{"session": 1}]),
            relay.codec.encode("session_sync", 1, last=1, sessions=[{"session": 7}])]
    for i in range(400):
        bad = relay.client(program=f"bad{i}")
        data = bytearray(noise.choice(good))
        if data[1] == 10:  # a realm_set that happens to be right would be carried out
            data = data[:noise.randrange(len(data))]
        elif noise.randrange(2):
            for _ in range(1 + noise.randrange(4)):
                data[noise.randrange(2, len(data))] = noise.randrange(256)
        else:
            data = data[:noise.randrange(len(data))]
        bad.socket.send(bytes(data) if data else b"\0")
        if i % 20 == 0:
            lock(a, at_a[0], b)
        bad.close()
    for name, values in (("session_set", {"streams": [side(2, "in")]}),
                         ("session_set", {"streams": [side(0, "in", stream=16)]}),
                         ("session_set", {"streams": [side(0, "in"), side(0, "in")]}),
                         ("session_set", {"streams": [side(0, "in", want_port=20001)]}),
                         ("session_set", {"streams": [side(0, "in", flags=64)]}),
                         ("session_set", {"streams": [side(0, "in", direction=4)]}),
                         ("session_set", {"streams": [side(0, "in", learn_from="10.0.0.0",
                                                           learn_bits=33)]}),
                         ("session_set", {"streams": [side(0, "in", remote_rtp=("224.0.0.1", 4))]}),
                         ("session_set", {"streams": [side(0, "in", payloads=[
                             {"payload_type": 128}])]}),
                         ("session_query", {"sessions": 65 * [{"session": 1}]}),
                         ("realm_set", {"realms": [{"name": "in"}]}),
                         ("realm_set", {"realms": 2 * [{"name": "in", "address": "127.0.0.1",
                                                        "port_min": 1, "port_max": 9}]}),
                         ("calls_list", {}), ("hello", {}), ("session_ports", {})):
        bad = relay.client(program="bad")
        try:
            bad.send(name, 3, **values)
            answer = bad.receive()
            assert answer[0] == "failure" and answer[2]["err"] == -2000, (name, values, answer)
            bad.receive()
            raise AssertionError(f"{name} {values}: still connected")
        except ConnectionError:
            pass
    for values, err in (({"streams": [side(0, "nowhere")]}, -2003),
                        ({"streams": [side(0, "in", remote_rtp=("::1", 4))]}, -2009)):
        answer = client.request("session_set", session=3, **values)
        assert answer[0] == "failure" and answer[1]["err"] == err, answer
    lock(a, at_a[0], b)
    lock(b, at_b[0], a)


@case()
def media_flows_on_without_its_owner(relay):
    other = relay.client(worker=1)  # numbers are the owner's own
    relay.realms(other)
    call(relay, other, 1)
    a, b = Phone(relay.inside[:-1] + "10"), Phone(relay.outside[:-1] + "20", ssrc=2)
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:  # the owner, in a process of its own that is killed
        client = relay.client()
        sides = [side(0, "in", a), side(1, "out", b)]
        answer = client.request("session_set", session=1, streams=sides)
        call(relay, client, 2)
        os.write(tell, repr(ports(answer)).encode())
        time.sleep(60)
        os._exit(0)
    local = ast.literal_eval(os.read(told, 4096).decode())
    at_a, at_b = local[0, 0], local[0, 1]
    lock(a, at_a[0], b)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    lock(a, at_a[0], b)
    lock(b, at_b[0], a)
    client = relay.client()
    relay.realms(client)
    lock(a, at_a[0], b)
    client.send("session_sync", 5, last=0, sessions=[{"session": 1}])
    client.send("session_sync", 6, last=1, sessions=[{"session": 77}])
    name, request, missing = client.receive()
    assert (name, request) == ("session_missing", 6) and missing["sessions"] == [{"session": 77}]
    lock(a, at_a[0], b)
    assert figures(client, 1)[0, 0]["packets_received"] == 24
    # 2 was not named: it ends after ten seconds of silence; 1 is silent as well, but owned.
    named = time.monotonic()
    until(lambda: not client.request("session_query", sessions=[{"session": 2}])[1]["sessions"],
          "an orphan ends")
    assert time.monotonic() - named > 9, "not before its media was silent for ten seconds"
    lock(a, at_a[0], b)
    assert figures(other, 1), "the other owner's is untouched"


@case()
def a_restarted_relay_gives_the_same_ports(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = call(relay, client)
    relay.kill()
    relay.start()
    client = relay.client()
    relay.realms(client)
    client.send("session_sync", 1, last=1, sessions=[{"session": 1}])
    assert client.receive()[2]["sessions"] == [{"session": 1}]
    back = ports(client.request("session_set", session=1, streams=[
        side(0, "in", a, want_port=at_a[0][1]), side(1, "out", b, want_port=at_b[0][1])]))
    assert back == {(0, 0): at_a, (0, 1): at_b}
    lock(a, at_a[0], b)
    taken = client.request("session_set", session=2, streams=[
        side(0, "in", want_port=at_a[0][1])])
    assert taken[0] == "failure" and taken[1]["err"] == -2011


@case()
def a_restarted_relay_goes_on_where_it_was(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = call(relay, client)
    moved = Phone(a.at[0], ssrc=7)  # not the told port: it was learned
    lock(moved, at_a[0], b)
    said = 6
    for clean in (False, True):
        if clean:
            relay.process.terminate()
            assert relay.process.wait(20) == 0
        else:
            time.sleep(1.3)  # what a kill -9 may lose
            relay.kill()
        relay.start()
        client = relay.client()
        relay.realms(client)
        # A new call that comes before the old ones are named does not get their ports.
        new = ports(client.request("session_set", session=99, streams=[side(0, "in"),
                                                                       side(1, "out")]))
        assert new[0, 0] != at_a and new[0, 1] != at_b
        back = ports(client.request("session_set", session=1, streams=[
            side(0, "in", a, want_port=at_a[0][1]), side(1, "out", b, want_port=at_b[0][1])]))
        assert back == {(0, 0): at_a, (0, 1): at_b}
        client.request("session_close", session=99)
        b.say(at_b[0])
        assert heard(moved.rtp), "sent to who was learned before a packet of it came"
        a.say(at_a[0], 10)
        silent(b.rtp)
        lock(moved, at_a[0], b)
        said += 6
        got = figures(client, 1)
        assert got[0, 0]["packets_received"] == said, (got[0, 0], said)
        assert got[0, 0]["packets_lost"] == 0 and got[0, 0]["learned"] == moved.at
    got = figures(client, 1)
    assert got[0, 1]["packets_sent"] == said and got[0, 0]["packets_sent"] == 2
    assert got[0, 0]["packets_dropped"] == 20
    client.request("session_close", session=1)
    relay.kill()
    relay.start()
    client = relay.client()
    relay.realms(client)
    # That session is over: one of the same number and ports is another.
    back = ports(client.request("session_set", session=1, streams=[
        side(0, "in", a, want_port=at_a[0][1]), side(1, "out", b, want_port=at_b[0][1])]))
    assert back == {(0, 0): at_a, (0, 1): at_b}
    got = figures(client, 1)[0, 0]
    assert got["packets_received"] == 0 and got["packets_dropped"] == 0


@case()
def a_drained_relay_ends_with_its_last_session(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = call(relay, client)
    relay.process.send_signal(signal.SIGUSR1)
    time.sleep(0.2)
    refused = client.request("session_set", session=2, streams=[side(0, "in"), side(1, "out")])
    assert refused[0] == "failure" and refused[1]["err"] == -2011 and b"drained" in \
        str(refused[1]["detail"]).encode(), refused
    client.request("session_set", session=1, streams=[side(0, "in", a, stream=1),
                                                      side(1, "out", b, stream=1)])
    relay.process.send_signal(signal.SIGUSR1)  # taken back
    time.sleep(0.2)
    assert ports(client.request("session_set", session=2, streams=[side(0, "in")]))
    relay.process.send_signal(signal.SIGUSR1)
    time.sleep(0.2)
    client.request("session_close", session=2)
    lock(a, at_a[0], b)
    assert relay.process.poll() is None
    client.send("session_close", 9, session=1)
    assert relay.process.wait(20) == 0
    relay.start()


def tshark(path, *fields):
    """Lines of fields, as an independent reader sees the file; checksums are verified."""
    done = subprocess.run(["tshark", "-r", path, "-o", "udp.check_checksum:TRUE", "-o",
                           "ip.check_checksum:TRUE", "-T", "fields", *sum((["-e", f] for f in fields),
                                                                        [])],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cut short" not in done.stderr, done.stderr
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


@case()
def a_recording_holds_what_arrived(relay):
    if not shutil.which("tshark"):
        return "tshark is not installed"
    client = relay.client()
    operator = relay.client(program="mgmt-apid")
    relay.realms(client)
    a, b, at_a, at_b = call(relay, client)
    path = os.path.join(relay.folder, "call.pcap")

    def record(on, **more):
        return operator.request("session_record", session=1, on=on, path=path, **more)
    assert record(0)[1]["err"] == -2003
    lock(a, at_a[0], b)
    assert record(1)[0] == "done"
    assert record(1)[1]["err"] == -2004, "it is being recorded"
    begin = time.time()
    said = a.say(at_a[0], 3) + b.say(at_b[0], 2)
    for _ in range(3):
        heard(b.rtp)
    a.rtcp.sendto(a.report(), at_a[1])
    assert heard(b.rtcp)
    thief = Phone(relay.inside[:-1] + "66", ssrc=0xaaaa)
    thief.say(at_a[0], 20)
    answer = operator.request("session_query", sessions=[{"session": 1}])[1]["sessions"][0]
    assert (answer["recording"], answer["packets_recorded"], answer["packets_unrecorded"]) == (1, 6, 0)
    assert record(0)[0] == "done"
    for sent in a.say(at_a[0], 3):
        assert heard(b.rtp)[0] == sent
    until(lambda: os.path.getsize(path) > 24, "it is written", 5)
    assert os.stat(path).st_mode & 0o777 == 0o600
    rows = tshark(path, "ip.src", "udp.srcport", "ip.dst", "udp.dstport", "udp.payload",
                  "udp.checksum.status", "ip.checksum.status", "frame.time_epoch")
    assert len(rows) == 6, rows
    wanted = [(a.at, at_a[0])] * 3 + [(b.at, at_b[0])] * 2
    assert sorted((r[0], int(r[1])) for r in rows[:5]) == sorted(w[0] for w in wanted)
    for row, (source, target) in zip(sorted(rows[:5]), sorted(wanted)):
        assert (row[0], int(row[1]), row[2], int(row[3])) == (*source, *target)
    assert sorted(r[4] for r in rows[:5]) == sorted(packet.hex() for packet in said)
    assert (rows[5][1], rows[5][4]) == (str(a.rtcp_at[1]), a.report().hex())
    assert {r[5:7] for r in rows} == {("1", "1")}, "checksums"
    assert all(abs(float(r[7]) - begin) < 10 for r in rows)
    # To the end of the session, and again to another file.
    os.unlink(path)
    assert record(1, decrypted=1)[0] == "done"
    lock(a, at_a[0], b)
    client.request("session_close", session=1)
    until(lambda: os.path.getsize(path) > 24, "it is written", 5)
    assert len(tshark(path, "frame.number")) == 6
    assert record(1)[1]["err"] == -2003
    assert client.request("session_record", session=2, on=1, path="/nowhere/x.pcap")[1]["err"] == -2003
    call(relay, client, session=2)
    for wrong, err in (("/nowhere/x.pcap", -2), (path, -2004), ("relative.pcap", -2000)):
        refused = client.request("session_record", session=2, on=1, path=wrong)
        assert refused[0] == "failure" and refused[1]["err"] == err, (wrong, refused)
    return None


@case()
def silence_is_told_once(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, _ = call(relay, client, first_timeout_ms=2500, timeout_ms=2000)
    lock(a, at_a[0], b)
    got = [client.push(20), client.push(20)]
    events = {(event["side"], event["kind"]) for _, event in got}
    assert events == {(0, 2), (1, 1)}, "silence on one side, no packet at all on the other"
    assert client.push(1) is None, "once"
    lock(a, at_a[0], b)
    resumed = client.push(20)[1]
    assert (resumed["side"], resumed["kind"]) == (0, 9), "its end is told, too"
    assert client.push(20)[1]["kind"] == 2, "the next silence is another"
    client.request("session_set", session=1, first_timeout_ms=300, timeout_ms=300, streams=[
        side(0, "in", a, direction=TRANSMIT), side(1, "out", b, direction=TRANSMIT)])
    assert client.push(1) is None, "not on hold"


@case()
def realms_change_under_sessions(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = call(relay, client)
    relay.realms(client)
    relay.realms(client, last=relay.last - 100)
    lock(a, at_a[0], b)
    again = ports(client.request("session_set", session=1, streams=[side(1, "out", b)]))
    assert again[0, 0] == at_a
    assert client.request("realm_set", realms=[])[0] == "done"
    lock(b, at_b[0], a)
    assert client.request("session_set", session=2, streams=[side(0, "in")])[1]["err"] == -2003
    client.request("session_close", session=1)


def play(recording, phone, to, speed):
    """Sends a recording's packets with its own spacing, or faster."""
    began = time.monotonic()
    for at, data in recording:
        wait = began + (at - recording[0][0]) / speed - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        phone.rtp.sendto(data, to)


@case()
def figures_agree_with_tshark(relay):
    """Another's arithmetic on the same packets: loss exactly, jitter within what the way adds."""
    recordings = os.path.join(os.environ.get("SBC_CORPORA", os.path.join(
        TOP, "..", "shared", "corpora")), "rtp-recordings", "rtpproxy")
    if not os.path.isdir(recordings):
        return "the given recordings are absent"
    if not shutil.which("tshark"):
        return "tshark is absent"
    client = relay.client()
    relay.realms(client)
    for session, (name, speed) in enumerate((
            ("lost.a", 1), ("lost.o", 1), ("weird.o", 40), ("c1.a", 40), ("G723_1.a", 4))):
        recording = pcap.read_udp(os.path.join(recordings, f"tests__rtp_analyze__{name}.rtp"))
        a, b, at_a, _ = call(relay, client, session)
        listener = pcap.Listener(b.rtp)
        play(recording, a, at_a[0], speed)
        heard_by_b = listener.stop()
        assert [data for _, data in heard_by_b] == [data for _, data in recording], name
        theirs = pcap.tshark_stream(heard_by_b, os.path.join(relay.folder, f"{name}.pcap"))
        ours = figures(client, session)[0, 0]
        assert ours["packets_received"] == theirs["packets"] == len(recording), (ours, theirs)
        assert ours["packets_lost"] == theirs["lost"], (name, ours, theirs)
        if speed == 1:
            jitter_ms = ours["jitter_us"] / 1000
            assert theirs["jitter_min"] - 2 <= jitter_ms <= theirs["jitter_max"] + 2, (
                name, ours, theirs)
    # A jitter that is known: every other packet 10 ms late, so that A.8 comes to 10 ms.
    a, b, at_a, _ = call(relay, client, 99)
    listener = pcap.Listener(b.rtp)
    play([(0.02 * i + 0.01 * (i % 2), a.packet()) for i in range(150)], a, at_a[0], 1)
    theirs = pcap.tshark_stream(listener.stop(), os.path.join(relay.folder, "known.pcap"))
    jitter_ms = figures(client, 99)[0, 0]["jitter_us"] / 1000
    assert abs(jitter_ms - theirs["jitter_max"]) < 2 and jitter_ms > 8, (jitter_ms, theirs)
    return None
