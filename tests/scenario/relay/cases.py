# SPDX-License-Identifier: MIT
"""What the relay must do, seen from outside: the list of cases, which cases_*.py add to, and what they
have in common."""
import time

from relay import Phone, heard, ports, side

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
