# SPDX-License-Identifier: MIT
"""ICE-lite and DTLS-SRTP of the relay, against ends that are not ours."""
import array
import os
import re
import shutil
import struct
import subprocess
import time

import dtls
import stun
from cases import case, silent, until
from ends import PASSWORD
from relay import MUX, Phone, counter, die_with_parent, figures, heard, ports, side, udp
from tone import RATE, linear, payloads, power

SHA1, SHA256 = 1, 3
PASSIVE, ACTIVE = 0, 1
SECURED, FAILED, CONNECTED = 4, 5, 6
BY_FINGERPRINT = 1
HELLOS = 100000


def ice(remote="theirs"):
    return {"ice": [{"local_ufrag": "ours", "local_password": PASSWORD, "remote_ufrag": remote}]}


def dtls_with(role, fingerprint, **more):
    return {"dtls": [{"role": role, "hash": SHA256, "fingerprint": fingerprint, **more}]}


def secured_call(relay, client, session=1, flags=MUX, **security):
    """Like call(), side 0 with what is given."""
    a = Phone(relay.inside[:-1] + "10", ssrc=0xaaaa)
    b = Phone(relay.outside[:-1] + "20", ssrc=0xbbbb)
    local = ports(client.request("session_set", session=session, streams=[
        side(0, "in", a, flags=flags, security=[security]), side(1, "out", b)]))
    return a, b, local[0, 0][0], local[0, 1][0]


def next_event(client, kind, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        push = client.push(1)
        if push and push[0] == "media_event" and push[1]["kind"] == kind:
            return push[1]
    raise AssertionError(f"no event {kind}")


def ask(sock, relay_at, data, password=PASSWORD):
    """The answer's (type, attributes)."""
    sock.sendto(data, relay_at)
    answer, source = heard(sock)
    assert source == relay_at
    kind, transaction, found = stun.parse(answer, password)
    assert transaction == data[8:20]
    return kind, transaction, found


# ---- ICE ----

@case()
def a_check_by_the_rfc_finds_its_path(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = secured_call(relay, client, **ice())
    moved = udp(a.at[0])
    a.say(at_a)
    silent(b.rtp)  # the told address proves nothing
    kind, transaction, found = ask(moved, at_a, stun.check("ours:theirs", PASSWORD))
    assert kind == stun.SUCCESS
    assert stun.mapped(found, transaction) == moved.getsockname()
    b.say(at_b)
    silent(moved)  # not nominated yet
    kind, _, _ = ask(moved, at_a, stun.check("ours:theirs", PASSWORD, nominate=True))
    assert kind == stun.SUCCESS
    assert next_event(client, CONNECTED)["source"] == moved.getsockname()
    for sent in b.say(at_b, 3):
        assert heard(moved) == (sent, at_a)
    sent = a.packet()
    moved.sendto(sent, at_a)
    assert heard(b.rtp) == (sent, at_b)
    a.say(at_a)
    silent(b.rtp)
    # Mistakes of a peer that proved itself are answered.
    kind, _, found = ask(moved, at_a, stun.check("ours:theirs", PASSWORD, role=stun.CONTROLLED))
    assert kind == stun.ERROR and stun.error(found) == 487
    kind, _, found = ask(moved, at_a, stun.check("ours:theirs", PASSWORD, more=[(0x7ffe, b"x")]))
    assert kind == stun.ERROR and stun.error(found) == 420
    assert found[stun.UNKNOWN] == b"\x7f\xfe"


@case()
def stun_is_never_reflected(relay):
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = secured_call(relay, client, **ice())
    stranger = udp(relay.inside[:-1] + "99")
    good = stun.check("ours:theirs", PASSWORD, nominate=True)
    bent = bytearray(good)
    bent[40] ^= 1
    # The same attribute over and over, lengths beyond the end, an address within an address.
    nested = stun.attribute(stun.MAPPED, stun.attribute(stun.MAPPED, b"\0\1" + bytes(6)))
    attempts = [
        stun.build(stun.REQUEST, []),
        stun.build(stun.REQUEST, [], fingerprint=False),
        stun.build(stun.REQUEST, [(stun.MAPPED, nested)]),
        stun.check("ours:theirs", "wrong"),
        stun.check("ours:others", PASSWORD),
        stun.check("other:theirs", PASSWORD),
        stun.check("ours", PASSWORD),
        stun.build(stun.INDICATION, [(stun.USERNAME, b"ours:theirs")], PASSWORD.encode()),
        stun.build(stun.SUCCESS, [(stun.USERNAME, b"ours:theirs")], PASSWORD.encode()),
        bytes(bent), good[:-8], good[:20], good + bytes(4),
        b"\0\1\xff\xff" + good[4:], b"\0", bytes(20), bytes(1400),
    ]
    for target in (at_a, at_b, (at_a[0], at_a[1] + 1)):
        for data in attempts:
            stranger.sendto(data, target)
    # The right password at the wrong ports: the far side, and a component that was not offered.
    stranger.sendto(good, at_b)
    outside = udp(relay.outside[:-1] + "99")
    outside.sendto(good, (relay.outside, relay.last - 1))  # no session there at all
    silent(stranger, 0.5)
    silent(outside)
    b.say(at_b)
    silent(a.rtp)
    silent(stranger)
    assert figures(client, 1)[0, 0]["packets_sent"] == 0


# ---- DTLS ----

def check_media(bridge, a, b, at_a, at_b, to_relay, from_relay):
    """SRTP of the exported keys on side 0, plain RTP on side 1, both ways."""
    receive, send = dtls.Srtp(to_relay), dtls.Srtp(from_relay)
    for _ in range(3):
        sent = a.packet(os.urandom(160))
        a.rtp.sendto(receive.protect(sent), at_a)
        assert heard(b.rtp) == (sent, at_b)
        sent = b.packet(os.urandom(160))
        b.rtp.sendto(sent, at_b)
        data, source = bridge.heard()
        assert source == at_a and data != sent and send.unprotect(data) == sent


def refuses_plain(client, a, b, at_a):
    before = figures(client, 1)[0, 0]["packets_dropped"]
    a.say(at_a, 6)
    silent(b.rtp)
    assert figures(client, 1)[0, 0]["packets_dropped"] == before + 6


@case()
def openssl_calls_and_is_answered(relay):
    """The relay as server: cookie, ECDSA and RSA certificates, a lost flight, the end."""
    client = relay.client()
    relay.realms(client)
    for session, (kind, lose) in enumerate((("ec", {}), ("rsa", {2})), 1):
        certificate = dtls.Certificate(relay.folder, kind)
        a, b, at_a, at_b = secured_call(relay, client, session,
                                        **dtls_with(PASSIVE, certificate.fingerprint()))
        b.say(at_b, 3)
        a.say(at_a, 6)
        silent(a.rtp)  # no key, no media, whichever way
        silent(b.rtp)
        bridge = dtls.Bridge(a.rtp, at_a)
        bridge.lose = lose
        program = dtls.client(bridge, certificate)
        to_relay, from_relay = program.keys()
        event = next_event(client, SECURED)
        assert event["session"] == session and event["source"] == a.at
        program.wait_for("SRTP Extension negotiated, profile=" + dtls.CM_80)
        # The certificate that it saw is the one that the relay told its owner.
        shown = re.search("-----BEGIN.*?END CERTIFICATE-----", program.text(), re.S).group()
        shown = dtls.openssl("x509", "-outform", "DER", data=shown.encode())
        assert dtls.hashlib.sha256(shown).digest() == client.info["dtls_fingerprint"]
        check_media(bridge, a, b, at_a, at_b, to_relay, from_relay)
        assert bridge.longest <= 1150
        sent = bridge.dtls_heard
        program.process.stdin.write(b"Q\n")
        program.process.stdin.flush()
        until(lambda: bridge.dtls_heard > sent, "close_notify is not answered")
        program.end()
        bridge.close()
        client.request("session_close", session=session)


@case()
def a_hello_overtakes_the_answer(relay):
    """The peer answers "active" and begins at once: its hello is here before control tells who it is. It
    is held, from whomever, and answered, to the peer alone, when it is known; not when it comes again."""
    client = relay.client()
    relay.realms(client)
    certificate = dtls.Certificate(relay.folder)
    a = Phone(relay.inside[:-1] + "10", ssrc=0xaaaa)
    b = Phone(relay.outside[:-1] + "20", ssrc=0xbbbb)
    thief = udp(relay.inside[:-1] + "99")
    hello = dtls.client_hello()
    local = ports(client.request("session_set", session=1, streams=[
        side(0, "in", security=[dtls_with(PASSIVE, b"")]), side(1, "out", b)]))
    at_a, at_b = local[0, 0][0], local[0, 1][0]
    for sock in (thief, a.rtp):
        sock.sendto(hello, at_a)
    until(lambda: counter(relay, "sbc_dtls_hellos_held_total") == 2, "held")
    silent(a.rtp)
    client.request("session_set", session=1, streams=[
        side(0, "in", a, flags=MUX, security=[dtls_with(PASSIVE, certificate.fingerprint())])])
    answer, source = heard(a.rtp)
    assert source == at_a and answer[0] == 22 and answer[13] == 3, "no HelloVerifyRequest"
    silent(thief)
    bridge = dtls.Bridge(a.rtp, at_a)
    program = dtls.client(bridge, certificate)
    keys = program.keys()
    next_event(client, SECURED)
    check_media(bridge, a, b, at_a, at_b, *keys)
    program.end()
    bridge.close()


@case()
def the_relay_calls_openssl(relay):
    """The relay as client, with GCM too, and RTCP on a port and keys of its own."""
    client = relay.client()
    relay.realms(client)
    certificate = dtls.Certificate(relay.folder)
    a = Phone(relay.inside[:-1] + "10", ssrc=0xaaaa)
    b = Phone(relay.outside[:-1] + "20", ssrc=0xbbbb)
    local = ports(client.request("session_set", session=1, streams=[
        side(0, "in"), side(1, "out", b)]))
    at_a, at_b = local[0, 0][0], local[0, 1][0]
    bridges = [dtls.Bridge(a.rtp, at_a), dtls.Bridge(a.rtcp, local[0, 0][1])]
    programs = [dtls.server(bridge, certificate) for bridge in bridges]
    client.request("session_set", session=1, streams=[
        side(0, "in", a, security=[dtls_with(ACTIVE, certificate.fingerprint())])])
    from_relay, to_relay = programs[0].keys()
    assert {next_event(client, SECURED)["component"] for _ in programs} == {0, 1}
    check_media(bridges[0], a, b, at_a, at_b, to_relay, from_relay)
    assert programs[1].keys()[0] != from_relay
    refuses_plain(client, a, b, at_a)
    for it in programs + bridges:
        it.end() if isinstance(it, dtls.Program) else it.close()
    # The same association told again is kept; another number is another handshake.
    bridge = dtls.Bridge(a.rtp, at_a)
    program = dtls.server(bridge, certificate, "SRTP_AEAD_AES_256_GCM")
    client.request("session_set", session=1, streams=[
        side(0, "in", a, security=[dtls_with(ACTIVE, certificate.fingerprint())])])
    time.sleep(0.4)
    assert bridge.dtls_heard == 0
    client.request("session_set", session=1, streams=[
        side(0, "in", a, flags=MUX,
             security=[dtls_with(ACTIVE, certificate.fingerprint(), association=2)])])
    next_event(client, SECURED)
    program.wait_for("SRTP_AEAD_AES_256_GCM")
    assert figures(client, 1)[0, 0]["suite"] in (1, 8)  # the old one until a packet came
    program.end()
    bridge.close()


@case()
def a_wrong_certificate_gets_no_media(relay):
    client = relay.client()
    relay.realms(client)
    named, shown = dtls.Certificate(relay.folder), dtls.Certificate(relay.folder, "rsa")
    a, b, at_a, at_b = secured_call(relay, client, **dtls_with(PASSIVE, named.fingerprint()))
    bridge = dtls.Bridge(a.rtp, at_a)
    program = dtls.client(bridge, shown)
    event = next_event(client, FAILED)
    assert event["value"] == BY_FINGERPRINT
    program.wait_for("alert")
    b.say(at_b, 6)
    a.say(at_a, 6)
    silent(b.rtp)
    assert bridge.heard(0.2) is None
    program.end()
    # The right one may still come.
    program = dtls.client(bridge, named)
    keys = program.keys()
    next_event(client, SECURED)
    check_media(bridge, a, b, at_a, at_b, *keys)
    program.end()
    bridge.close()


@case()
def ice_and_dtls_together(relay):
    """As a browser does it: a check, then a hello without a cookie, only from a path that is proven."""
    client = relay.client()
    relay.realms(client)
    certificate = dtls.Certificate(relay.folder)
    a, b, at_a, at_b = secured_call(relay, client, **ice(),
                                    **dtls_with(PASSIVE, certificate.fingerprint()))
    bridge = dtls.Bridge(a.rtp, at_a)
    program = dtls.client(bridge, certificate)
    time.sleep(0.5)
    assert bridge.dtls_sent > 0 and bridge.dtls_heard == 0, "nothing before a check"
    a.rtp.sendto(stun.check("ours:theirs", PASSWORD, nominate=True), at_a)
    assert stun.parse(bridge.heard()[0], PASSWORD)[0] == stun.SUCCESS
    next_event(client, CONNECTED)
    keys = program.keys()
    next_event(client, SECURED)
    check_media(bridge, a, b, at_a, at_b, *keys)
    program.end()
    bridge.close()


def memory_kib(relay):
    with open(f"/proc/{relay.process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s*(\d+)", status.read()).group(1))


@case()
def floods_of_hellos_leave_nothing(relay):
    """100,000 ClientHellos from 250 addresses of the prefix that may be learned from: each is asked for
    its cookie with fewer bytes than it had, none leaves a state; a real one gets through."""
    client = relay.client()
    relay.realms(client)
    certificate = dtls.Certificate(relay.folder)
    network = relay.inside.rsplit(".", 1)[0]
    a = Phone(network + ".10", ssrc=0xaaaa)
    b = Phone(relay.outside[:-1] + "20", ssrc=0xbbbb)
    local = ports(client.request("session_set", session=1, streams=[
        side(0, "in", a, flags=MUX, learn_from=network + ".0", learn_bits=24,
             security=[dtls_with(PASSIVE, certificate.fingerprint())]), side(1, "out", b)]))
    at_a, at_b = local[0, 0][0], local[0, 1][0]
    hello = bytearray(dtls.client_hello())
    floods = [udp(f"{network}.{last}") for last in range(2, 252) if last != 10]
    before = memory_kib(relay)
    largest = asked = 0
    for number in range(HELLOS):
        hello[27:31] = struct.pack(">I", number)  # of its random
        sock = floods[number % len(floods)]
        sock.sendto(hello, at_a)
        if number % 1000 == 0:
            answer = heard(sock)
            largest = max(largest, len(answer[0])) if answer else largest
            asked += answer is not None
    assert asked > 50 and largest < len(hello)
    until(lambda: counter(relay, "sbc_dtls_hellos_asked_total") > HELLOS // 10, "asked", 20)
    assert counter(relay, "sbc_dtls_associations") == 0
    # A sanitizer keeps what was freed for a while.
    if not re.search("asan|tsan", os.environ.get("SBC_BUILD", "")):
        assert memory_kib(relay) - before < 2048
    for sock in floods:
        sock.close()
    bridge = dtls.Bridge(a.rtp, at_a)
    program = dtls.client(bridge, certificate)
    keys = program.keys()
    next_event(client, SECURED)
    assert counter(relay, "sbc_dtls_associations") == 1
    check_media(bridge, a, b, at_a, at_b, *keys)
    # From now on this source alone, and outside of the prefix nobody.
    for address in (network + ".77", relay.outside[:-1] + "9"):
        stranger = udp(address)
        stranger.sendto(hello, at_a)
        silent(stranger)
    program.end()
    bridge.close()


# ---- GStreamer ----

@case()
def gstreamer_hears_and_is_heard(relay):
    if not shutil.which("gst-launch-1.0") or subprocess.run(
            ["gst-inspect-1.0", "dtlssrtpdec"], capture_output=True).returncode:
        return "GStreamer's dtls elements are not installed"
    client = relay.client()
    relay.realms(client)
    certificate = dtls.Certificate(relay.folder)
    both = os.path.join(relay.folder, "both.pem")
    with open(both, "w", encoding="ascii") as file:
        for part in (certificate.path, certificate.key):
            file.write(open(part, encoding="ascii").read())
    a, b, at_a, at_b = secured_call(relay, client, **dtls_with(PASSIVE, certificate.fingerprint()))
    bridge = dtls.Bridge(a.rtp, at_a)
    probe = udp("127.0.0.1")
    port = probe.getsockname()[1]
    probe.close()
    bridge.listens_at = ("127.0.0.1", port)
    out = os.path.join(relay.folder, "heard.raw")
    pem = open(both, encoding="ascii").read()
    process = subprocess.Popen(
        ["gst-launch-1.0", "-q",
         "dtlssrtpdec", "name=dec", "connection-id=c", f'pem="{pem}"',
         "udpsrc", "address=127.0.0.1", f"port={port}", "!", "dec.sink",
         "dec.rtp_src", "!", "application/x-rtp,media=audio,encoding-name=PCMU,payload=0,clock-rate=8000",
         "!", "rtppcmudepay", "!", "mulawdec", "!", "filesink", "buffer-mode=unbuffered", "location=" + out,
         "dtlssrtpenc", "name=enc", "connection-id=c", "is-client=true", "!",
         "udpsink", "host=127.0.0.1", f"port={bridge.inner.getsockname()[1]}", "sync=false", "async=false",
         "audiotestsrc", "is-live=true", "freq=440", "samplesperbuffer=160", "!", "audio/x-raw,rate=8000,channels=1",
         "!", "mulawenc", "!", "rtppcmupay", "pt=0", "!", "enc.rtp_sink_0"],
        stdout=subprocess.DEVNULL, stderr=open(os.path.join(relay.folder, "gst.log"), "wb"),
        preexec_fn=die_with_parent)
    try:
        next_event(client, SECURED)
        got = b""
        while len(got) < 8000:
            packet = heard(b.rtp)
            assert packet, "GStreamer is not heard"
            got += packet[0][12:]
        assert power([linear(byte) for byte in got[-4000:]], RATE, 440) > 0.8
        for payload in payloads(700, 2.0):
            b.rtp.sendto(b.packet(payload), at_b)
            time.sleep(0.02)
        until(lambda: os.path.exists(out) and os.path.getsize(out) > 16000, "GStreamer hears nothing", 20)
        with open(out, "rb") as file:
            samples = array.array("h", file.read()[-8000:])
        assert power(samples, RATE, 700) > 0.8
    finally:
        process.kill()
        process.wait(20)
        bridge.close()
