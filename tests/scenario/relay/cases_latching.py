# SPDX-License-Identifier: MIT
"""Who is heard and where is sent to: the told, the learned, and whoever else sends."""
import struct

from cases import call, case, lock, silent, until, waiting_bytes
from relay import REMOVE, RESET, Phone, figures, heard, ports, side


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
