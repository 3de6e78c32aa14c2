# SPDX-License-Identifier: MIT
"""A relay between two phones' namespaces, and the list of cases that go over it on every way."""
import os

from namespaces import inside
from relay import Phone, Relay, figures, heard, ports, side

CASES = []
WAYS = {"native": 2, "tc": 2, "generic": 2, "rings": 1, "off": 0}
SETTINGS = {mode: {"fast_path": mode} for mode in WAYS}
SETTINGS["rings"] = {"fast_path": "off", "af_xdp": "on"}
NOBODY = 65534
STEADY = 12  # packets after which a stream that may go through the kernel is there


def case(ways=tuple(WAYS), versions=(0, 1)):
    """Of the ways and IP versions that it means something on. A case that returns a text was skipped."""
    def add(function):
        function.ways, function.versions = ways, versions
        CASES.append(function)
        return function
    return add


def but_sockets():
    return tuple(way for way in WAYS if way != "off")


class Bed:
    """A relay between two phones' namespaces, and a session on it."""

    def __init__(self, net, mode, workers, version=0, user=()):
        self.net, self.mode, self.version = net, mode, version
        self.relay = Relay("127.0.0", workers=workers,
                           command=["ip", "netns", "exec", net.relay, *user],
                           owner=NOBODY if user else 0, interfaces=["i0", "o0"], **SETTINGS[mode])
        self.relay.inside, self.relay.outside = net.INSIDE[version], net.OUTSIDE[version]
        self.client = self.relay.client()
        self.relay.realms(self.client)
        self.way = WAYS[mode]

    def phone(self, far, ssrc):
        address = (self.net.FAR if far else self.net.NEAR)[self.version]
        return inside(self.net.far if far else self.net.near, lambda: Phone(address, ssrc=ssrc))

    def call(self, session=1, **more):
        a, b = self.phone(False, 0xaaaa), self.phone(True, 0xbbbb)
        local = ports(self.client.request("session_set", session=session, streams=[
            side(0, "in", a), side(1, "out", b)], **more))
        return a, b, local[0, 0][0], local[0, 1][0]

    def tell(self, *sides, session=1, **more):
        answer = self.client.request("session_set", session=session, streams=list(sides), **more)
        assert answer[0] == "session_ports", answer

    def figures(self, session=1):
        return figures(self.client, session)

    def up(self, a, b, at_a, at_b):
        """Both directions where this mode takes them."""
        for _ in range(STEADY):
            exchange(a, b, at_a, at_b)
        got = self.figures()
        assert got[0, 0]["way"] == got[0, 1]["way"] == self.way, got

    def stop(self):
        self.client.close()
        code = self.relay.stop()
        assert code == 0, f"exit code {code}"


def pass_one(one, other, to, source, data=None):
    """One packet, byte for byte, from the right port."""
    data = data or one.packet(os.urandom(160))
    one.rtp.sendto(data, to)
    got = heard(other.rtp, 3)
    assert got is not None, "nothing came"
    assert got[0] == data and got[1][:2] == source[:2], (got, source)


def exchange(a, b, at_a, at_b):
    pass_one(a, b, at_a, at_b)
    pass_one(b, a, at_b, at_a)


def nothing(sock, seconds=0.15):
    assert heard(sock, seconds) is None, "something came"


def expect(got, **values):
    for key, value in values.items():
        assert got[key] == value, (key, got[key], value)
