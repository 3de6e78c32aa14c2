# SPDX-License-Identifier: MIT
"""What passes between the two sides of a session, what is told and counted of it, and what a recording
holds."""
import os
import random
import shutil
import socket
import subprocess
import time

import recordings
from cases import call, case, lock, silent, until
from relay import MUX, RECEIVE, TRANSMIT, Phone, figures, heard, ports, side, udp


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
def figures_agree_with_tshark(relay):
    """Another's arithmetic on the same packets: loss exactly, jitter within what the way adds."""
    if recordings.absent():
        return recordings.absent()
    client = relay.client()
    relay.realms(client)
    for session, (name, speed) in enumerate(recordings.PLAYED):
        a, b, at_a, _ = call(relay, client, session)
        played = recordings.play_to(name, a, at_a[0], b, speed)
        recordings.agree(played, figures(client, session)[0, 0], relay.folder)
    a, b, at_a, _ = call(relay, client, 99)
    played = recordings.play_known(a, at_a[0], b)
    recordings.agree(played, figures(client, 99)[0, 0], relay.folder)
    return None


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
    for wrong, err in (("/nowhere/x.pcap", -2), (path, -2004), ("relative.pcap", -2000),
                       (relay.folder + "/../x.pcap", -2000), (relay.folder + "/x.txt", -2000),
                       (path + "\0.pcap", -2000)):
        # What is malformed closes its connection.
        refused = relay.client(program="mgmt-apid").request("session_record", session=2, on=1, path=wrong)
        assert refused[0] == "failure" and refused[1]["err"] == err, (wrong, refused)
    return None
