# SPDX-License-Identifier: MIT
"""SRTP of the relay with keys that control tells, against libsrtp2 at the other ends."""
import itertools
import os

import srtp
from cases import call, case, silent, until
from relay import TRANSMIT, Phone, figures, heard, ports, side

PASS_CRYPTO = 16
ABSENT = "libsrtp2 is not installed"


class End:
    """A phone with its SRTP."""

    def __init__(self, address, crypto, ssrc):
        self.phone = Phone(address, ssrc=ssrc)
        self.crypto = crypto
        self.rtp_to = self.rtcp_to = None

    def told(self, number, realm, **more):
        return side(number, realm, self.phone, security=self.crypto.security(), **more)

    def say(self, other):
        """A packet, and the same one at the other end."""
        plain = self.phone.packet(os.urandom(160))
        self.phone.rtp.sendto(self.crypto.seal(plain), self.rtp_to)
        data, source = heard(other.phone.rtp)
        assert source == other.rtp_to
        assert (data == plain) == (other.crypto.suite == 0), "in clear, or not"
        assert other.crypto.open(data) == plain
        return data

    def report(self, other):
        plain = self.phone.report()
        self.phone.rtcp.sendto(self.crypto.seal(plain, control=True), self.rtcp_to)
        data = heard(other.phone.rtcp)[0]
        assert other.crypto.open(data, control=True) == plain
        return data


def connect(relay, client, first, second, session=1, **more):
    a = End(relay.inside[:-1] + "10", first, 0xaaaa)
    b = End(relay.outside[:-1] + "20", second, 0xbbbb)
    local = ports(client.request("session_set", session=session, streams=[
        a.told(0, "in", **more), b.told(1, "out", **more)]))
    a.rtp_to, a.rtcp_to = local[0, 0]
    b.rtp_to, b.rtcp_to = local[0, 1]
    return a, b


def crypto(suite):
    return srtp.Crypto(suite) if suite else srtp.Plain()


@case()
def every_suite_meets_every_other(relay):
    if not srtp.LIBRARY:
        return ABSENT
    client = relay.client()
    relay.realms(client)
    for first, second in itertools.product([0, *srtp.SUITES], repeat=2):
        a, b = connect(relay, client, crypto(first), crypto(second))
        for _ in range(6):
            a.say(b)
            b.say(a)
        a.report(b)
        b.report(a)
        got = figures(client, 1)
        assert (got[0, 0]["suite"], got[0, 1]["suite"]) == (first, second)
        for number in (0, 1):
            assert got[0, number]["packets_received"] == 6 == got[0, number]["packets_sent"]
            assert got[0, number]["rtcp_sent"] == 1 and got[0, number]["packets_dropped"] == 0
        client.request("session_close", session=1)
        a.phone.close()
        b.phone.close()
    return None


@case()
def what_is_not_authentic_goes_nowhere(relay):
    if not srtp.LIBRARY:
        return ABSENT
    client = relay.client()
    relay.realms(client)
    a, b = connect(relay, client, crypto(7), crypto(1))
    others = crypto(7)
    for _ in range(10):  # the right address, before the first good packet: no tag, another key
        a.phone.rtp.sendto(a.phone.packet(), a.rtp_to)
        a.phone.rtp.sendto(others.seal(a.phone.packet()), a.rtp_to)
        a.phone.rtcp.sendto(a.phone.report(), a.rtcp_to)
    silent(b.phone.rtp)
    got = figures(client, 1)[0, 0]
    assert got["packets_forged"] == 30 and got["packets_received"] == 0, got
    assert got["learned"] == (None, 0), "nothing was learned from them"
    for _ in range(6):
        a.say(b)
    sealed = a.crypto.seal(a.phone.packet())
    for at in (1, 2, 8, 12, len(sealed) - 1):
        forged = bytearray(sealed)
        forged[at] ^= 1
        a.phone.rtp.sendto(forged, a.rtp_to)
    a.phone.rtp.sendto(sealed, a.rtp_to)
    assert b.crypto.open(heard(b.phone.rtp)[0])
    for _ in range(5):
        a.phone.rtp.sendto(sealed, a.rtp_to)
    report = a.crypto.seal(a.phone.report(), control=True)
    for _ in range(3):
        a.phone.rtcp.sendto(report, a.rtcp_to)
    assert heard(b.phone.rtcp)
    silent(b.phone.rtp)
    silent(b.phone.rtcp)
    got = figures(client, 1)[0, 0]
    assert got["packets_replayed"] == 7 and got["packets_forged"] == 35, got
    assert got["packets_received"] == 7 and got["packets_lost"] == 0, got
    with open(os.path.join(relay.folder, "run", "media-relayd.stats"), "rb") as file:
        named = file.read()
    for reason in (b"auth", b"replay", b"plain", b"key_limit"):
        assert b'reason="' + reason + b'"' in named, reason
    return None


@case()
def a_stranger_with_the_key_of_another_call(relay):
    """The latch takes authentic packets only; then even the right key from elsewhere is nobody's."""
    if not srtp.LIBRARY:
        return ABSENT
    client = relay.client()
    relay.realms(client)
    a, b = connect(relay, client, crypto(8), crypto(0))
    thief = Phone(relay.inside[:-1] + "66", ssrc=0xaaaa)
    for _ in range(8):
        thief.rtp.sendto(a.crypto.seal(thief.packet()), a.rtp_to)
    silent(b.phone.rtp)
    assert figures(client, 1)[0, 0]["packets_forged"] == 0, "it cost no cryptography"
    a.phone.sequence = thief.sequence
    for _ in range(6):
        a.say(b)
    b.say(a)
    silent(thief.rtp)
    return None


@case()
def roll_over_outlives_re_invites_and_hold(relay):
    if not srtp.LIBRARY:
        return ABSENT
    client = relay.client()
    relay.realms(client)
    a, b = connect(relay, client, crypto(1), crypto(7))
    a.phone.sequence, b.phone.sequence = 65530, 65533
    for _ in range(10):
        a.say(b)
        b.say(a)
    client.request("session_set", session=1, streams=[a.told(0, "in"), b.told(1, "out")])
    for _ in range(3):
        a.say(b)
        b.say(a)
    client.request("session_set", session=1, streams=[a.told(0, "in", direction=TRANSMIT)])
    for _ in range(3):
        a.phone.rtp.sendto(a.crypto.seal(a.phone.packet()), a.rtp_to)
    silent(b.phone.rtp)
    client.request("session_set", session=1, streams=[a.told(0, "in")])
    a.say(b)
    fresh = crypto(5)  # another key: packets of the old one still fly
    old, a.crypto = a.crypto, fresh
    client.request("session_set", session=1, streams=[a.told(0, "in")])
    flying = a.phone.packet()
    a.phone.rtp.sendto(old.seal(flying), a.rtp_to)
    assert b.crypto.open(heard(b.phone.rtp)[0]) == flying
    a.say(b)
    b.say(a)
    assert figures(client, 1)[0, 0]["suite"] == 5
    return None


@case()
def keys_are_left_alone(relay):
    if not srtp.LIBRARY:
        return ABSENT
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = call(relay, client, first=PASS_CRYPTO, second=PASS_CRYPTO)
    secret = crypto(8)
    for _ in range(6):
        for one, other, to in ((a, b, at_a), (b, a, at_b)):
            sealed = secret.seal(one.packet())
            one.rtp.sendto(sealed, to[0])
            assert heard(other.rtp)[0] == sealed
            sealed = secret.seal(one.report(), control=True)
            one.rtcp.sendto(sealed, to[1])
            assert heard(other.rtcp)[0] == sealed
    got = figures(client, 1)
    assert got[0, 0]["learned"] == a.at and got[0, 0]["packets_lost"] == 0, got
    client.request("session_set", session=1, streams=[side(0, "in", a)])
    b.rtp.sendto(secret.seal(b.packet()), at_b[0])  # one side alone: nothing of it crosses
    a.rtp.sendto(a.packet(), at_a[0])
    silent(a.rtp)
    silent(b.rtp)
    return None


@case()
def a_restarted_relay_goes_on_with_the_same_keys(relay):
    """No index twice: RTP's go on, RTCP's jump; and what was heard before is a replay."""
    if not srtp.LIBRARY:
        return ABSENT
    client = relay.client()
    relay.realms(client)
    a, b = connect(relay, client, crypto(1), crypto(8))
    a.phone.sequence, b.phone.sequence = 65533, 65530
    for _ in range(10):
        a.say(b)
        b.say(a)
    a.report(b)
    before = int.from_bytes(b.report(a)[-14:-10], "big")
    seen = a.crypto.seal(a.phone.packet())
    a.phone.rtp.sendto(seen, a.rtp_to)
    assert b.crypto.open(heard(b.phone.rtp)[0])
    got = figures(client, 1)
    relay.kill()
    relay.start()
    client = relay.client()
    relay.realms(client)
    told = []
    for number, realm, end in ((0, "in", a), (1, "out", b)):
        stream = end.told(number, realm, want_port=end.rtp_to[1])
        stream["security"] = end.crypto.security(got[0, number]["receive_state"],
                                                 got[0, number]["send_state"])
        told.append(stream)
    local = ports(client.request("session_set", session=1, streams=told))
    assert (local[0, 0][0], local[0, 1][0]) == (a.rtp_to, b.rtp_to)
    a.phone.rtp.sendto(seen, a.rtp_to)
    silent(b.phone.rtp)
    for _ in range(6):
        a.say(b)
        b.say(a)
    a.report(b)
    after = int.from_bytes(b.report(a)[-14:-10], "big")
    assert after - before > 1000, (before, after)
    assert figures(client, 1)[0, 0]["packets_replayed"] == 1
    return None


@case()
def keys_that_make_no_sense_are_refused(relay):
    client = relay.client()
    relay.realms(client)
    a = Phone(relay.inside[:-1] + "10")

    def refused(**security):
        other = relay.client(program="another")  # a malformed request closes its connection
        relay.realms(other)
        answer = other.request("session_set", session=9,
                               streams=[side(0, "in", a, security=[security])])
        assert answer[0] == "failure" and answer[1]["err"] == -2000, answer
    good = {"suite": 1, "key": bytes(30)}
    refused(receive=[{"suite": 1, "key": bytes(29)}])
    refused(send=[{"suite": 9, "key": bytes(30)}])
    refused(receive=[{**good, "flags": 4}])
    refused(receive=[{**good, "mki": b"123456789"}])
    refused(receive=[good] * 3)
    refused(send=[good] * 2)
    assert client.request("session_set", session=1, streams=[
        side(0, "in", a, security=[{"receive": [good], "send": [good]}])])[0] == "session_ports"
    until(lambda: relay.process.poll() is None, "it runs")
