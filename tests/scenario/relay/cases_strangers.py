# SPDX-License-Identifier: MIT
"""Closed to strangers, whatever a side's security is: sprayers, forgers, those who play back what they
heard, and the peer's own address misused. Nothing of theirs arrives, nothing is sent to them, each of
their packets is counted, and the voice goes on."""
import os
import re
import struct
import threading
import time

import dtls
import ends
import stun
from cases import case, silent, until
from ends import KINDS, PASSWORD, Call
from relay import BUILD, TOP, Phone, counter, figures, heard, udp

DROPPED = "sbc_relay_packets_dropped_total"


def dropped(relay, reason):
    return counter(relay, DROPPED, f'reason="{reason}"')


def kinds(function):
    """A case for each kind of security."""
    for kind in KINDS:
        def one(relay, kind=kind):
            if ends.possible():
                return ends.possible()
            client = relay.client()
            relay.realms(client)
            function(relay, client, kind)
            return None
        one.__name__ = f"{function.__name__}_{kind.replace('-', '_')}"
        case(**getattr(function, "options", {}))(one)
    return function


def side_a(call):
    return figures(call.client, call.session)[0, 0]


def counted(call, before, **more):
    """These grew by so much since; the tag or the window stopped them, or something before."""
    now = side_a(call)
    for name, count in more.items():
        assert now[name] - before[name] == count, (name, now[name] - before[name], count)


def odd(phone, count=1):
    """What is sent over and over: the peer's numbers, and shapes that parsers trip over."""
    head = struct.pack(">HII", phone.sequence, phone.timestamp, phone.ssrc)
    for _ in range(count):
        yield b"\x80\x00" + head + b"evil" * 40
        yield b"\x80\x00" + struct.pack(">H", (phone.sequence + 20000) & 0xffff) + head[2:] + b"evil" * 40
        yield b"\x80\x4d" + head + b"evil" * 40                                # another payload type
        yield b"\x90\x00" + head + struct.pack(">HH", 0xbede, 300) + b"\0" * 1200 + b"evil"
        yield b"\x8f\x00" + head + b"\0\0\0\1" * 15 + b"evil"                   # fifteen CSRCs


# ---- set-up ----

class Sprayer:
    """At each port of both realms, over and over: media, reports, checks, hellos."""

    def __init__(self, relay):
        self.relay, self.sock = relay, udp(relay.inside[:-1] + "99")
        self.datagrams = [next(odd(Phone(relay.inside[:-1] + "98", ssrc=0xaaaa))), dtls.client_hello(),
                          struct.pack(">BBHI", 0x80, 201, 1, 0xaaaa), stun.build(stun.REQUEST, []),
                          stun.check("ours:theirs", "wrong", nominate=True)]
        self.rounds, self.ended = 0, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended:
            for data in self.datagrams:
                for port in range(self.relay.first, self.relay.last + 1):
                    self.sock.sendto(data, (self.relay.inside, port))
                    self.sock.sendto(data, (self.relay.outside, port))
                time.sleep(0.002)
            self.rounds += 1

    def wait_round(self):
        """Each port had each of them since."""
        before = self.rounds
        until(lambda: self.rounds > before + 1, "it sprays")

    def end(self):
        self.ended = True
        self.thread.join(10)


def a_sprayer_while_calls_are_set_up(relay, client, kind):
    """100 of them; offered, answered, talking: each stage under fire at each port. Where they take long,
    all of them once only."""
    slow = kind.startswith("dtls") and (relay.workers > 1 or re.search("asan|tsan", BUILD))
    sprayer = Sprayer(relay)
    try:
        for batch in range(1 if slow else 5):
            calls = [Call(relay, client, kind, 100 * batch + number) for number in range(1, 21)]
            for stage in (Call.offer, Call.begin_answer, Call.finish_answer, Call.talk):
                for call in calls:
                    stage(call)
                sprayer.wait_round()
            for call in calls:
                got = figures(client, call.session)
                for number in (0, 1):
                    expected = {"packets_received": 6, "packets_sent": 6, "packets_forged": 0}
                    assert {name: got[0, number][name] for name in expected} == expected, got[0, number]
                silent(call.b.rtp, 0.001)
                silent(call.a.rtp, 0.001)
                call.close()
    finally:
        sprayer.end()
    assert heard(sprayer.sock, 0.3) is None, "the sprayer hears"
    assert dropped(relay, "source") > 200 and dropped(relay, "stun") > 200, "it was never at a live port"


a_sprayer_while_calls_are_set_up.options = {"pairs": 100}
kinds(a_sprayer_while_calls_are_set_up)


# ---- in a call ----

@kinds
def strangers_take_nothing_over(relay, client, kind):
    """The peer's SSRC, jumps, payload types, CSRCs, extensions: from another host, and from another port
    of the peer's own. All are dropped for their source, without a look at their tag."""
    call = Call(relay, client, kind).connect()
    call.talk()
    before, by_source = side_a(call), dropped(relay, "source")
    thieves = [udp(relay.inside[:-1] + "99"), udp(call.a.at[0])]
    count = 0
    for _ in range(20):
        for data in odd(call.a):
            for thief in thieves:
                thief.sendto(data, call.at_a)
                count += 1
        call.say()
        call.hear()
    silent(call.b.rtp)
    for thief in thieves:
        silent(thief)
    counted(call, before, packets_received=20, packets_dropped=count, packets_forged=0, packets_replayed=0,
            packets_lost=0)
    until(lambda: dropped(relay, "source") == by_source + count, "counted")


@kinds
def recorded_packets_come_again(relay, client, kind):
    """Of SRTP: from elsewhere, from the right address, changed, cut short."""
    if kind == "plain":
        return
    call = Call(relay, client, kind).connect()
    taken = [call.say() for _ in range(20)]
    call.hear()
    before = side_a(call)
    for thief in (udp(relay.inside[:-1] + "99"), udp(call.a.at[0])):
        for data in taken:
            thief.sendto(data, call.at_a)
        silent(thief)
    counted(call, before, packets_dropped=40, packets_replayed=0, packets_forged=0)
    for data in taken:
        call.a.rtp.sendto(data, call.at_a)
    silent(call.b.rtp)
    counted(call, before, packets_dropped=60, packets_replayed=20, packets_forged=0)
    fresh = call.crypto.seal(call.a.packet())
    forged = 0
    for at in range(1, len(fresh), 7):  # the first octet would make it another protocol's
        bent = bytearray(fresh)
        bent[at] ^= 0x80 if at == 1 else 0x10
        call.a.rtp.sendto(bent, call.at_a)
        forged += 1
    for size in range(12, len(fresh), 5):
        call.a.rtp.sendto(fresh[:size], call.at_a)
        forged += 1
    silent(call.b.rtp)
    now = side_a(call)
    assert now["packets_dropped"] - before["packets_dropped"] == 60 + forged
    assert now["packets_forged"] > forged // 2 and now["packets_received"] == 20, now
    call.a.rtp.sendto(fresh, call.at_a)  # it was never opened
    assert heard(call.b.rtp)
    call.talk()


@kinds
def the_address_of_the_peer_forges(relay, client, kind):
    """Odd packets without the key from the peer's own port; then the peer's own odd ones, byte for byte."""
    call = Call(relay, client, kind).connect()
    call.talk()
    before = side_a(call)
    if kind != "plain":
        for data in odd(call.a, 20):
            call.a.rtp.sendto(data, call.at_a)
            call.a.rtp.sendto(data + bytes(10), call.at_a)
            call.settled()
        silent(call.b.rtp)
        counted(call, before, packets_dropped=200, packets_received=0)
        now = side_a(call)  # a number that was seen is not looked at twice
        assert now["packets_forged"] + now["packets_replayed"] == 200 and now["packets_forged"] >= 80, now
    for shape in (b"\x8f", b"\x90"):
        plain = call.a.packet()
        between = b"\0\0\0\1" * 15 if shape == b"\x8f" else struct.pack(">HH", 0xbede, 250) + b"\0" * 1000
        call.say(shape + plain[1:12] + between + plain[12:])
    call.talk()


@kinds
def floods_of_one_stream_are_policed(relay, client, kind):
    """From the right port and with the key: ten seconds of its codec at once."""
    call = Call(relay, client, kind, bytes_per_s=17000).connect()
    call.talk()
    before, by_rate = side_a(call), dropped(relay, "rate")
    came = 0
    for number in range(500):
        call.a.rtp.sendto(call.crypto.seal(call.a.packet()), call.at_a)
        if number % 20 == 0:
            call.settled()
            while heard(call.b.rtp, 0.001):
                came += 1
    while heard(call.b.rtp, 0.3):
        came += 1
    assert 20 < came < 300, came
    counted(call, before, packets_received=came, packets_dropped=500 - came, packets_forged=0)
    until(lambda: dropped(relay, "rate") == by_rate + 500 - came, "counted")


# ---- answers ----

@case()
def answers_are_never_larger_than_requests(relay):
    """Of ICE: every check that is authentic, also one that is played back from elsewhere."""
    client = relay.client()
    relay.realms(client)
    if ends.possible():
        return ends.possible()
    call = Call(relay, client, "dtls-ice").connect()
    thief = udp(relay.inside[:-1] + "99")
    user = (stun.USERNAME, b"ours:theirs")
    checks = [stun.check("ours:theirs", PASSWORD), stun.check("ours:theirs", PASSWORD, fingerprint=False),
              stun.check("ours:theirs", PASSWORD, role=stun.CONTROLLED),
              stun.check("ours:theirs", PASSWORD, more=[(0x7ffe, b"")]),
              stun.check("ours:theirs", PASSWORD, more=[(0x7000 + i, b"") for i in range(40)]),
              stun.build(stun.REQUEST, [user], PASSWORD.encode()),
              stun.build(stun.REQUEST, [user], PASSWORD.encode(), fingerprint=False),
              stun.build(stun.REQUEST, [user, (0x7ffe, b"")], PASSWORD.encode(), fingerprint=False),
              stun.build(stun.REQUEST, [user, (stun.PRIORITY, b"")], PASSWORD.encode(), fingerprint=False)]
    answers = 0
    for data in checks:
        for _ in range(3):
            thief.sendto(data, call.at_a)
            answer = heard(thief, 0.2)
            assert not answer or len(answer[0]) <= len(data), (len(answer[0]), len(data), data)
            answers += answer is not None
    assert answers >= 12
    for data in (struct.pack(">BBHI", 0x80, 200, 6, 1) + bytes(24), struct.pack(">BBHI", 0x81, 203, 1, 0xaaaa),
                 struct.pack(">BBHII", 0x81, 206, 2, 1, 0xaaaa), b"\x16\xfe\xff" + bytes(60)):
        for to in (call.at_a, call.rtcp_a, call.at_b, call.rtcp_b):
            thief.sendto(data, to)
    silent(thief, 0.3)
    silent(call.b.rtcp)
    call.talk()
    client.request("session_close", session=1)
    for data in checks:
        thief.sendto(data, call.at_a)
    silent(thief, 0.3)
    return None


# ---- DTLS ----

def corpus():
    """The datagrams of the given files, and each file whole."""
    top = os.environ.get("SBC_CORPORA") or os.path.join(TOP, "../shared/corpora")
    for where, _, names in sorted(os.walk(os.path.join(top, "fuzz-seeds/openssl-dtls"))):
        for name in sorted(names):
            with open(os.path.join(where, name), "rb") as file:
                data = file.read(60000)
            yield data
            at = 0
            while at + 13 <= len(data):
                size = 13 + int.from_bytes(data[at + 11:at + 13], "big")
                yield data[at:at + size]
                at += size


def dtls_of_strangers(relay, client, kind):
    """Hellos of a third address and the given corpus at a live port: the association stays."""
    if not kind.startswith("dtls"):
        return
    call = Call(relay, client, kind).connect()
    call.talk()
    thief, elsewhere = udp(relay.inside[:-1] + "99"), udp(call.a.at[0])
    hello = bytearray(dtls.client_hello())
    for number in range(2000):
        hello[27:31] = struct.pack(">I", number)
        for sock in (thief, elsewhere, call.a.rtp):
            sock.sendto(hello, call.at_a)
        if number % 100 == 0:
            call.settled().say()
    files = 0
    for data in corpus():
        for sock in (thief, elsewhere, call.a.rtp):
            sock.sendto(data[:65000], call.at_a)
        files += 1
        if files % 20 == 0:
            call.settled().say()
    for sock in (thief, elsewhere):
        silent(sock)
    call.settled()
    while heard(call.a.rtp, 0.3):  # what OpenSSL says to its peer
        pass
    call.talk()
    assert counter(relay, "sbc_dtls_associations") == 1
    assert files == 0 or files >= 250


kinds(dtls_of_strangers)


@case()
def a_hello_in_fragments(relay):
    """The record layer of a small MTU, as post-quantum key shares make it: with a cookie, and behind ICE."""
    client = relay.client()
    relay.realms(client)
    if ends.possible():
        return ends.possible()
    for number, kind in enumerate(("dtls", "dtls-ice"), 1):
        call = Call(relay, client, kind, number).connect("-mtu", "256")
        call.talk()
    return None
