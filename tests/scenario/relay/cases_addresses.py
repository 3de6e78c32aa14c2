# SPDX-License-Identifier: MIT
"""Realms with several media addresses: which one a side gets, what becomes of sessions when addresses
run out of ports, cannot be bound, are taken out of the realm, and over the relay's death."""
import subprocess
import time

import namespaces
from cases import call, case, lock, until
from relay import REMOVE, RESET, Phone, heard, ports, side, udp

ANY_4, ANY_6 = "0.0.0.0", "::"
UNSUPPORTED, EXHAUSTED = -2009, -2011


def address(relay, realm, ip, pairs=50, **more):
    return {"name": realm, "address": ip, "port_min": relay.first,
            "port_max": relay.first + 2 * pairs - 1, "dscp": 46, **more}


def six(relay):
    """There is only one such address: a range of its own for each run."""
    first = 26000 + 200 * relay.workers
    return address(relay, "in", "::1", port_min=first, port_max=first + 199)


def tell(client, *addresses):
    answer = client.request("realm_set", realms=list(addresses))
    assert answer[0] == "done", answer


def opened(client, session, *streams, **more):
    return ports(client.request("session_set", session=session, streams=streams, **more))


def at(client, session, realm="in", **more):
    """The address that a session of one side gets."""
    return opened(client, session, side(0, realm, **more))[0, 0][0][0]


def refused(client, err, **values):
    answer = client.request("session_set", **values)
    assert answer[0] == "failure" and answer[1]["err"] == err, answer


@case()
def sessions_are_spread_over_a_realm(relay):
    client = relay.client()
    second = relay.inside + "1"
    tell(client, address(relay, "in", relay.inside, pairs=120), address(relay, "in", second, pairs=60),
         six(relay), address(relay, "out", relay.outside))
    got = [at(client, number, local=ANY_4) for number in range(1, 31)]
    assert got.count(relay.inside) in (19, 20, 21) and got.count(second) == 30 - got.count(relay.inside), got
    assert at(client, 40, local=ANY_6) == "::1"
    assert at(client, 41, local=second) == second, "just this one"
    assert at(client, 42, remote_rtp=("::1", 4000)) == "::1", "one that can reach the remote"
    refused(client, UNSUPPORTED, session=50, streams=[side(0, "in", local="192.0.2.1")])
    refused(client, UNSUPPORTED, session=50, streams=[side(0, "out", local=ANY_6)])
    refused(client, UNSUPPORTED, session=50, streams=[
        side(0, "in", local=ANY_4, remote_rtp=("::1", 4000))])
    # All streams of a side on one address, those that come later too.
    for number in range(60, 64):
        local = opened(client, number, *(side(of, "in", stream=stream, local=ANY_4)
                                         for stream in range(2) for of in range(2)))
        for of in range(2):
            assert local[0, of][0][0] == local[1, of][0][0], local
        more = opened(client, number, side(0, "in", stream=2, local=ANY_4))
        assert more[2, 0][0][0] == local[0, 0][0][0]


@case()
def a_side_changes_its_ip_version_only_when_told(relay):
    client = relay.client()
    tell(client, address(relay, "in", relay.inside), six(relay),
         address(relay, "out", relay.outside))
    a, b = udp("::1"), Phone(relay.outside[:-1] + "20")
    told = ("::1", a.getsockname()[1])
    local = opened(client, 1, side(0, "in", local=ANY_4), side(1, "out", b))
    assert opened(client, 1, side(0, "in", local=ANY_4)) == local
    assert opened(client, 1, side(0, "in")) == local, "nothing said: as it was"
    moved = opened(client, 1, side(0, "in", local=ANY_6, flags=RESET, remote_rtp=told))
    assert moved[0, 0][0][0] == "::1" and moved[0, 1] == local[0, 1]
    for sent in (b.packet() for _ in range(6)):
        b.rtp.sendto(sent, local[0, 1][0])
        assert heard(a)[0] == sent
        a.sendto(sent, moved[0, 0][0])
        assert heard(b.rtp)[0] == sent
    # A refusal leaves it where it is.
    refused(client, UNSUPPORTED, session=1, streams=[side(0, "in", local="192.0.2.1")])
    assert opened(client, 1, side(1, "out", b)) == moved


@case()
def an_exhausted_address_is_passed_over(relay):
    client = relay.client()
    second = relay.inside + "1"
    tell(client, address(relay, "in", relay.inside, pairs=2 * relay.workers),
         address(relay, "in", second, pairs=8 * relay.workers))
    got = [at(client, number) for number in range(10 * relay.workers)]
    assert got.count(relay.inside) == 2 * relay.workers, got
    refused(client, EXHAUSTED, session=99, streams=[side(0, "in")])
    client.request("session_close", session=got.index(relay.inside))
    # Two streams, one port left beside the first: better two addresses than no call.
    tell(client, address(relay, "out", relay.outside, pairs=relay.workers),
         address(relay, "out", relay.outside + "1"))
    local = opened(client, 100, side(0, "out", local=relay.outside))
    local = opened(client, 100, side(0, "out", stream=1))
    assert local[0, 0][0][0] == relay.outside and local[1, 0][0][0] == relay.outside + "1"


@case()
def shown_addresses_are_told_with_the_ports(relay):
    client = relay.client()
    tell(client, address(relay, "in", relay.inside, shown="192.0.2.1"), six(relay))
    answer = client.request("session_set", session=1, streams=[side(0, "in", local=ANY_4),
                                                               side(1, "in", local=ANY_6)])
    assert [of["shown"] for of in answer[1]["streams"]] == ["192.0.2.1", None], answer
    for wrong in (address(relay, "in", relay.inside, shown="::1"),):
        bad = relay.client(program="bad")
        bad.send("realm_set", 3, realms=[wrong])
        assert bad.receive()[2]["err"] == -2000


@case()
def an_address_is_taken_out_under_a_session(relay):
    client = relay.client()
    second = relay.inside + "1"
    tell(client, address(relay, "in", relay.inside), address(relay, "in", second),
         address(relay, "out", relay.outside))
    a, b, at_a, at_b = call(relay, client)
    left, kept = (second, at_a[0][0]) if at_a[0][0] == relay.inside else (relay.inside, at_a[0][0])
    tell(client, address(relay, "in", left), address(relay, "out", relay.outside))
    lock(a, at_a[0], b)
    lock(b, at_b[0], a)
    again = opened(client, 1, side(0, "in", a, local=ANY_4), side(1, "out", b))
    assert again[0, 0] == at_a, "a live session keeps its ports"
    assert {at(client, number) for number in range(2, 12)} == {left}
    refused(client, UNSUPPORTED, session=20, streams=[side(0, "in", local=kept)])
    # Back under the session: its old ports are still its own.
    tell(client, address(relay, "in", left), address(relay, "in", kept), address(relay, "out", relay.outside))
    lock(a, at_a[0], b)
    assert at(client, 21) == kept
    client.request("session_close", session=1)


@case()
def a_restarted_relay_gives_the_same_addresses(relay):
    client = relay.client()
    second = relay.inside + "1"
    realms = [address(relay, "in", relay.inside), address(relay, "in", second),
              six(relay), address(relay, "out", relay.outside)]
    tell(client, *realms)
    phone = Phone(relay.outside[:-1] + "20")
    before = {number: opened(client, number, side(0, "in", local=local), side(1, "out", phone))
              for number, local in enumerate((ANY_4, ANY_4, ANY_4, ANY_6), 1)}
    assert len({local[0, 0][0][0] for local in before.values()}) == 3
    relay.kill()
    relay.start()
    client = relay.client()
    tell(client, *realms)
    for number, local in reversed(before.items()):
        (ip, port), (out, out_port) = local[0, 0][0], local[0, 1][0]
        assert opened(client, number, side(0, "in", local=ip, want_port=port),
                      side(1, "out", phone, local=out, want_port=out_port)) == local
    (ip, port) = before[1][0, 0][0]
    refused(client, EXHAUSTED, session=9, streams=[side(0, "in", local=ip, want_port=port)])
    client.request("session_set", session=1, streams=[side(0, "in", flags=REMOVE)])


def logged(relay, what):
    with open(relay.log, encoding="utf-8") as log:
        return sum(f"event=media_address_{what} " in line and "realm=in address=192.0.2.7" in line
                   for line in log)


IN_A_NAMESPACE = ("unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "-")


@case(**({} if namespaces.possible() else {"command": IN_A_NAMESPACE}))
def an_address_that_is_not_there_is_passed_over(relay):
    if namespaces.possible():
        return namespaces.possible()
    client = relay.client()
    tell(client, address(relay, "in", "192.0.2.7"), address(relay, "in", relay.inside))
    assert {at(client, number) for number in range(20)} == {relay.inside}
    refused(client, -99, session=30, streams=[side(0, "in", local="192.0.2.7")])  # EADDRNOTAVAIL
    assert logged(relay, "unusable") == relay.workers, "once by each worker"
    subprocess.run(["nsenter", "-t", str(relay.process.pid), "-n", "ip", "address", "add",
                    "192.0.2.7/32", "dev", "lo"], check=True)
    sessions = iter(range(100, 500))

    def used_again():
        time.sleep(0.2)
        return at(client, next(sessions)) == "192.0.2.7"
    until(used_again, "the address is never tried again")
    assert logged(relay, "usable") == 1
    return None
