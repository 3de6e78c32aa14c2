# SPDX-License-Identifier: MIT
"""The relay over its own death. Ports are the same ones, who was learned is sent to, figures go on. So
does SRTP, with nothing but the same keys told again: roll-over counters and the SRTCP index go on, no
index is used twice under a key. Judged by libsrtp."""
import struct
import time

import dtls
import srtp
from cases import call, case, lock, silent
from cases_channel import ACTIVE, SECURED, dtls_with, next_event
from cases_srtp import connect, crypto
from relay import Phone, figures, heard, ports, side

TRAILER = {1: 14, 7: 4}  # AES_CM_128_HMAC_SHA1_80, AEAD_AES_128_GCM: from the SRTCP index to the end


@case()
def srtp_goes_on_after_a_restart(relay):
    if not srtp.LIBRARY:
        return "libsrtp2 is not installed"
    for number, suite in enumerate(TRAILER, 1):
        goes_on(relay, number, suite)
    return None


def goes_on(relay, session, suite):
    client = relay.client()
    relay.realms(client)
    a = Phone(relay.inside[:-1] + "10", ssrc=0xaaaa, sequence=65530)
    b = Phone(relay.outside[:-1] + "20", ssrc=0xbbbb, sequence=65530)
    crypto = srtp.Crypto(suite)
    local = ports(client.request("session_set", session=session, streams=[
        side(0, "in", a, security=crypto.security()), side(1, "out", b)]))
    at_a, at_b = local[0, 0], local[0, 1]
    taken, indices, replayed = [], [], 0

    def talk(count):
        """Both ways; what libsrtp opens is what was said."""
        for _ in range(count):
            plain = a.packet()
            taken.append(crypto.seal(plain))
            a.rtp.sendto(taken[-1], at_a[0])
            assert heard(b.rtp)[0] == plain
            plain = b.packet()
            b.rtp.sendto(plain, at_b[0])
            assert crypto.open(heard(a.rtp)[0]) == plain
        b.rtcp.sendto(b.report(), at_b[1])
        sealed = heard(a.rtcp)[0]
        assert crypto.open(sealed, control=True) == b.report()
        at = len(sealed) - TRAILER[suite]
        indices.append(struct.unpack_from(">I", sealed, at)[0] & 0x7fffffff)
    talk(20)  # over the wrap: the counter is 1 from here on
    for clean in (False, True, False):
        if clean:
            relay.process.terminate()
            assert relay.process.wait(20) == 0
        else:
            time.sleep(1.3)  # a relay that is killed may forget its last second
            relay.kill()
        relay.start()
        client = relay.client()
        relay.realms(client)
        back = ports(client.request("session_set", session=session, streams=[
            side(0, "in", a, want_port=at_a[0][1], security=crypto.security()),
            side(1, "out", b, want_port=at_b[0][1])]))
        assert back == local
        for old in taken[-12:]:
            a.rtp.sendto(old, at_a[0])
        silent(b.rtp)
        replayed += 12
        assert figures(client, session)[0, 0]["packets_replayed"] == replayed
        talk(20)
    assert all(one < other for one, other in zip(indices, indices[1:])), indices


class Wire:
    """What the relay sent under one key, as its index: SSRC, roll-over counter and sequence number, or
    the index of SRTCP. Under one index there may be one packet ever (RFC 3711 9.1, RFC 7714 8.2)."""

    def __init__(self):
        self.used = {}
        self.highest = None

    def media(self, data):
        sequence, ssrc = struct.unpack_from(">H4xI", data, 2)
        if self.highest is None:
            self.highest = sequence
        step = (sequence - self.highest + 0x8000) % 0x10000 - 0x8000
        self.note((ssrc, self.highest + step), data)
        self.highest = max(self.highest, self.highest + step)

    def control(self, data, suite):
        ssrc, index = struct.unpack_from(">4xI", data)[0], data[len(data) - TRAILER[suite]:]
        self.note((ssrc, "control", struct.unpack_from(">I", index)[0] & 0x7fffffff), data)

    def note(self, index, data):
        assert self.used.setdefault(index, data) == data, f"index used twice: {index}"


@case()
def rtcp_under_keys_of_its_own_goes_on(relay):
    """DTLS without rtcp-mux gives RTCP keys of its own (RFC 5764 section 3), which are told again as RTP's
    are: nobody shakes hands again, what was heard is not heard again, no index is used twice."""
    if not srtp.LIBRARY:
        return "libsrtp2 is not installed"
    client = relay.client()
    relay.realms(client)
    a, b = Phone(relay.inside[:-1] + "10", ssrc=0xaaaa), Phone(relay.outside[:-1] + "20", ssrc=0xbbbb)
    certificate = dtls.Certificate(relay.folder)
    told = dtls_with(ACTIVE, certificate.fingerprint(), association=3)
    local = ports(client.request("session_set", session=1, streams=[side(0, "in"), side(1, "out", b)]))
    at_a, at_b = local[0, 0], local[0, 1]
    bridges = [dtls.Bridge(sock, at) for sock, at in zip((a.rtp, a.rtcp), at_a)]
    programs = [dtls.server(bridge, certificate) for bridge in bridges]
    client.request("session_set", session=1, streams=[side(0, "in", a, security=[told])])
    ends, events = [], {}
    while len(events) < 2:
        event = next_event(client, SECURED)
        assert event["value"] == 3 and event["source"] == (a.at, a.rtcp_at)[event["component"]]
        events[event["component"]] = event["keys"]
    for component, program in enumerate(programs):
        from_relay, to_relay = program.keys()
        assert [crypto["suite"] for crypto in events[component]] == [1, 1]
        ends.append(srtp.Crypto(1, to_relay, from_relay))
    for program, bridge in zip(programs, bridges):
        program.end()
        bridge.close()
    told = dict(told, **ends[0].security()[0])
    told.update((name + "_rtcp", value) for name, value in ends[1].security()[0].items())
    taken, wire = [], Wire()

    def talk():
        """RTP and RTCP, both ways, each under its keys."""
        plain = a.packet()
        a.rtp.sendto(ends[0].seal(plain), at_a[0])
        assert heard(b.rtp)[0] == plain
        plain = b.packet()
        b.rtp.sendto(plain, at_b[0])
        assert ends[0].open(heard(a.rtp)[0]) == plain
        taken.append(ends[1].seal(a.report(), control=True))
        a.rtcp.sendto(taken[-1], at_a[1])
        assert heard(b.rtcp) == (a.report(), at_b[1])
        b.rtcp.sendto(b.report(), at_b[1])
        sealed, source = heard(a.rtcp)
        assert source == at_a[1] and ends[1].open(sealed, control=True) == b.report()
        wire.control(sealed, 1)
    lives = (1.3, 1.3, None, 0)  # how long its memory has to be written; None: it ends in good order
    for number, seconds in enumerate(lives):
        for _ in range(5):
            talk()
        if seconds is None:
            relay.process.terminate()
            assert relay.process.wait(20) == 0
        else:
            time.sleep(seconds)
            relay.kill()
        relay.start()
        client = relay.client()
        relay.realms(client)
        assert local == ports(client.request("session_set", session=1, streams=[
            side(0, "in", a, want_port=at_a[0][1], security=[told]),
            side(1, "out", b, want_port=at_b[0][1])]))
        silent(a.rtp)
        silent(a.rtcp)
        if seconds == 0:
            continue
        before = figures(client, 1)[0, 0]["packets_replayed"]
        for old in taken:
            a.rtcp.sendto(old, at_a[1])
        silent(b.rtcp)
        assert figures(client, 1)[0, 0]["packets_replayed"] == before + len(taken)
    talk()
    assert len(wire.used) == 5 * len(lives) + 1
    return None


@case()
def no_index_is_used_twice(relay):
    """Killed again and again in the middle of speech, without a second in which its memory is written:
    CM on one side, GCM on the other, both ways, RTP and RTCP."""
    if not srtp.LIBRARY:
        return "libsrtp2 is not installed"
    client = relay.client()
    relay.realms(client)
    a, b = connect(relay, client, crypto(1), crypto(7))
    a.phone.sequence, b.phone.sequence = 65520, 65400
    to_a, to_b = Wire(), Wire()
    for life in range(5):
        for _ in range(40):
            to_b.media(a.say(b))
            to_a.media(b.say(a))
        to_b.control(a.report(b), 7)
        to_a.control(b.report(a), 1)
        relay.kill()
        relay.start()
        client = relay.client()
        relay.realms(client)
        client.request("session_set", session=1, streams=[
            end.told(number, realm, want_port=end.rtp_to[1])
            for number, realm, end in ((0, "in", a), (1, "out", b))])
    assert len(to_a.used) == len(to_b.used) == 5 * 41
    return None


@case()
def many_ports_are_back_at_once(relay):
    """Also those of streams that had gone on for a while, which the kernel lets go of a little later."""
    client = relay.client()
    relay.realms(client)
    calls = []
    for session in range(1, 41):
        a, b = Phone(relay.inside[:-1] + "10"), Phone(relay.outside[:-1] + "20", ssrc=0x4321)
        local = ports(client.request("session_set", session=session, streams=[
            side(0, "in", a), side(1, "out", b)]))
        calls.append((session, a, b, local))
    for _ in range(70):
        for _, a, b, local in calls:
            a.say(local[0, 0][0])
            b.say(local[0, 1][0])
        for _, a, b, _ in calls:
            assert heard(a.rtp) and heard(b.rtp)
    for clean in (False, True):
        if clean:
            relay.process.terminate()
            assert relay.process.wait(20) == 0
        else:
            relay.kill()
        relay.start()
        client = relay.client()
        relay.realms(client)
        for session, a, b, local in calls:
            assert ports(client.request("session_set", session=session, streams=[
                side(0, "in", a, want_port=local[0, 0][0][1]),
                side(1, "out", b, want_port=local[0, 1][0][1])])) == local
    for session, a, b, local in calls:
        a.say(local[0, 0][0])
        assert heard(b.rtp)


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
def who_was_learned_is_remembered_at_once(relay):
    """Not with the next round of the memory: until then a killed relay would listen to anybody anew."""
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = call(relay, client)
    moved = Phone(a.at[0], ssrc=7)
    lock(moved, at_a[0], b)
    relay.kill()
    relay.start()
    client = relay.client()
    relay.realms(client)
    client.request("session_set", session=1, streams=[
        side(0, "in", a, want_port=at_a[0][1]), side(1, "out", b, want_port=at_b[0][1])])
    a.say(at_a[0], 10)
    silent(b.rtp)
    b.say(at_b[0])
    assert heard(moved.rtp)
    assert figures(client, 1)[0, 0]["learned"] == moved.at


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
