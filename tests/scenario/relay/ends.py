# SPDX-License-Identifier: MIT
"""A call whose near end is of any kind of security, the far one plain: what a test of the relay's filters
needs, with libsrtp and openssl as the phone."""
import dtls
import srtp
import stun
from cases import until, waiting_bytes
from relay import MUX, Phone, heard, ports, side

PASSWORD = "relay+password/of22char"
SHA256, PASSIVE = 3, 0
KINDS = ("plain", "sdes-cm", "sdes-gcm", "dtls", "dtls-ice")
SUITES = {"sdes-cm": 1, "sdes-gcm": 7}


def possible():
    """Why not, or None."""
    return None if srtp.LIBRARY else "libsrtp2 is not installed"


def checked(sock, to, nominate=True):
    """A check of ICE, and that it was answered."""
    data = stun.check("ours:theirs", PASSWORD, nominate=nominate)
    sock.sendto(data, to)
    answer, source = heard(sock)
    assert source == to and stun.parse(answer, PASSWORD)[0] == stun.SUCCESS
    assert len(answer) <= len(data), "more was answered than asked"


def certificate(relay):
    """One for all phones: making it takes longer than shaking hands."""
    if not hasattr(relay, "phones_certificate"):
        relay.phones_certificate = dtls.Certificate(relay.folder)
    return relay.phones_certificate


class Call:
    """a: the near phone, with `crypto`; b: the far one, plain. at_a, at_b: where each sends to."""
    def __init__(self, relay, client, kind, session=1, **more):
        self.relay, self.client, self.kind, self.session, self.more = relay, client, kind, session, more
        self.a = Phone(relay.inside[:-1] + "10", ssrc=0xaaaa)
        self.b = Phone(relay.outside[:-1] + "20", ssrc=0xbbbb)
        self.crypto = srtp.Crypto(SUITES[kind]) if kind in SUITES else srtp.Plain()
        self.flags = MUX if self.uses_dtls else 0

    @property
    def uses_dtls(self):
        return self.kind.startswith("dtls")

    def security(self, fingerprint=b""):
        if not self.uses_dtls:
            return self.crypto.security()
        told = {"dtls": [{"role": PASSIVE, "hash": SHA256 if fingerprint else 0,
                          "fingerprint": fingerprint}]}
        if self.kind == "dtls-ice":
            told["ice"] = [{"local_ufrag": "ours", "local_password": PASSWORD,
                            "remote_ufrag": "theirs" if fingerprint else ""}]
        return [told]

    def offer(self):
        """Ports are there, and nobody has answered yet."""
        security = self.security() if self.uses_dtls else []
        local = ports(self.client.request("session_set", session=self.session, streams=[
            side(0, "in", security=security, flags=self.flags), side(1, "out", self.b)]))
        self.at_a, self.at_b = local[0, 0][0], local[0, 1][0]
        self.rtcp_a, self.rtcp_b = local[0, 0][1], local[0, 1][1]

    def begin_answer(self, *options):
        """options: of openssl's client, which begins here."""
        fingerprint = certificate(self.relay).fingerprint() if self.uses_dtls else b""
        answered = self.client.request("session_set", session=self.session, streams=[
            side(0, "in", self.a, security=self.security(fingerprint), flags=self.flags, **self.more)])
        assert answered[0] == "session_ports", answered
        if self.kind == "dtls-ice":
            checked(self.a.rtp, self.at_a)
        if self.uses_dtls:
            self.bridge = dtls.Bridge(self.a.rtp, self.at_a)
            self.program = dtls.client(self.bridge, certificate(self.relay), dtls.CM_80, *options)

    def finish_answer(self):
        """The client has the last word of the relay when it has keys: so has the relay."""
        if self.uses_dtls:
            self.crypto = srtp.Crypto(1, *self.program.keys())
            self.program.end()
            self.bridge.close()

    def connect(self, *options):
        self.offer()
        self.begin_answer(*options)
        self.finish_answer()
        return self

    def say(self, plain=None):
        """One packet of the near phone, which arrives as it was."""
        plain = plain or self.a.packet()
        sealed = self.crypto.seal(plain)
        self.a.rtp.sendto(sealed, self.at_a)
        assert heard(self.b.rtp) == (plain, self.at_b)
        return sealed

    def hear(self):
        plain = self.b.packet()
        self.b.rtp.sendto(plain, self.at_b)
        data, source = heard(self.a.rtp)
        assert source == self.at_a and self.crypto.open(data) == plain

    def talk(self, count=6):
        for _ in range(count):
            self.say()
            self.hear()

    def settled(self):
        """The relay has read what was sent to it: nothing of a flood is lost in a socket's queue."""
        until(lambda: waiting_bytes(self.relay) == 0, "the relay reads")
        return self

    def close(self):
        self.client.request("session_close", session=self.session)
        self.a.close()
        self.b.close()
