# SPDX-License-Identifier: MIT
"""SRTP over the relay's own death, with nothing but the same keys told again: roll-over counters and
the SRTCP index go on, no index is used twice under a key. Judged by libsrtp."""
import struct
import time

import srtp
from cases import case, silent
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
