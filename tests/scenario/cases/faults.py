# SPDX-License-Identifier: MIT
"""kill -9 of each program while calls are up, restarts, and CDRs that are neither lost nor doubled."""
import os
import time

from harness import sdp
from harness.case import case
from harness.check import check, equal, eventually
from harness.rtp import exchange
from harness.sbc import Sbc
from harness.sip import options

from cases.basic import establish, hang_up


def call_with_media(t, pbx, carrier, index=0):
    near, far = t.media(pbx.ip, 14000 + 4 * index), t.media(carrier.ip, 16000 + 4 * index)
    caller, callee = establish(t, pbx, carrier, t.slot.inside,
                               offer=sdp.compose(pbx.ip, near.port),
                               answer=sdp.compose(carrier.ip, far.port))
    return (caller, callee, near, far, sdp.Session(caller.answer.body).target,
            sdp.Session(callee.invite.body).target)


def flows(call):
    _, _, near, far, to_near, to_far = call
    exchange(near, to_near, far, source=to_far)
    exchange(far, to_far, near, source=to_near)


def once_each(sbc, count, timeout_s=10):
    """Exactly so many CDRs, and none twice."""
    items = sbc.wait_cdrs(count, timeout_s)
    time.sleep(0.5)
    items = sbc.cdrs()
    ids = [c["id"] for c in items]
    equal((len(ids), len(set(ids))), (count, count), "CDRs and different CDRs")
    return items


@case("kill -9 of mgmt-apid: calls and media go on; CDRs come exactly once", short=True)
def kill_mgmt(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    hang_up(*establish(t, pbx, carrier, t.slot.inside))
    sbc.wait_cdrs(1)
    call = call_with_media(t, pbx, carrier)
    flows(call)
    sbc.kill("mgmt-apid")
    flows(call)
    hang_up(*establish(t, pbx, carrier, t.slot.inside))
    hang_up(call[0], call[1])
    sbc.restart("mgmt-apid")
    sbc.wait_ready()
    once_each(sbc, 3)
    hang_up(*establish(t, pbx, carrier, t.slot.inside))
    once_each(sbc, 4)


@case("kill -9 of mgmt-apid again and again while calls end")
def kill_mgmt_often(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    for turn in range(4):
        for _ in range(5):
            hang_up(*establish(t, pbx, carrier, t.slot.inside, ring=False))
        time.sleep(0.02 * turn)
        sbc.kill("mgmt-apid")
        hang_up(*establish(t, pbx, carrier, t.slot.inside, ring=False))
        sbc.restart("mgmt-apid")
    sbc.wait_ready()
    once_each(sbc, 24)


@case("kill -9 of sbcd: media flows on; it comes back; CDRs of finished calls stay", short=True)
def kill_sbcd(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    for _ in range(3):
        hang_up(*establish(t, pbx, carrier, t.slot.inside))
    call = call_with_media(t, pbx, carrier)
    flows(call)
    sbc.kill("sbcd")
    flows(call)
    eventually(lambda: not sbc.ready(), "/ready says that no calls can be taken")
    sbc.restart("sbcd")
    sbc.wait_ready()
    hang_up(*establish(t, pbx, carrier, t.slot.inside))
    eventually(lambda: len(sbc.cdrs()) >= 4, "CDRs of the finished calls", 10)
    time.sleep(0.5)
    ids = [c["id"] for c in sbc.cdrs()]
    equal(len(ids), len(set(ids)), "CDRs, each once")
    check(4 <= len(ids) <= 5, f"{len(ids)} CDRs: four finished calls, one that was cut off")


@case("kill -9 of sbcd right after calls end loses no CDR")
def kill_sbcd_late(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    for turn in range(3):
        for _ in range(4):
            hang_up(*establish(t, pbx, carrier, t.slot.inside, ring=False))
        time.sleep(0.25)
        sbc.kill("sbcd")
        sbc.restart("sbcd")
        sbc.wait_ready()
        once_each(sbc, 4 * (turn + 1))


@case("kill -9 of the relay: the call's media comes back on the same ports", short=True)
def kill_relay(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    call = call_with_media(t, pbx, carrier)
    flows(call)
    time.sleep(1.2)
    sbc.kill("media-relayd")
    time.sleep(0.3)
    equal(len(sbc.calls()), 1, "live calls without the relay")
    sbc.restart("media-relayd")
    sbc.wait_ready()
    flows(call)
    received = [side["packets_received"] for side in sbc.calls()[0]["media"]]
    hang_up(call[0], call[1])
    cdr, = once_each(sbc, 1)
    # Each flows() sends 33 packets each way; up to a second of them may be lost with a relay.
    check(all(60 <= count <= 66 for count in received), f"packets before and after: {received}")
    equal([side["packets_received"] for side in cdr["media"]], received, "packets in the CDR")
    equal([side["packets_lost"] for side in cdr["media"]], [0, 0], "lost")


@case("the three start in any order, and wait for each other", short=True)
def any_order(t):
    for order in (("mgmt-apid", "sbcd", "media-relayd"), ("sbcd", "mgmt-apid", "media-relayd")):
        sbc = start_in_order(t, order)
        pbx, carrier = t.peers()
        hang_up(*establish(t, pbx, carrier, t.slot.inside))
        once_each(sbc, 1)
        pbx.close()
        carrier.close()
        sbc.finish()
        sbc.children.clear()


def start_in_order(t, order):
    folder = os.path.join(t.folder, order[0])
    os.makedirs(folder)
    sbc = t.own(Sbc(t.slot, folder))
    for name in order:
        sbc.start_one(name)
        time.sleep(0.3)
    sbc.wait_ready()
    return sbc


@case("all three restart cleanly: configuration and CDRs are still there")
def restart_all(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    hang_up(*establish(t, pbx, carrier, t.slot.inside))
    sbc.wait_cdrs(1)
    trunk = sbc.rest("GET", "/trunks/carrier")
    trunk["limits"] = {"calls": 7}
    sbc.rest("PUT", "/trunks/carrier", trunk)
    token = sbc.token()
    for name in ("sbcd", "mgmt-apid", "media-relayd"):
        equal(sbc.children[name].stop(), 0, f"exit code of {name}")
        sbc.restart(name)
    sbc.wait_ready()
    equal(sbc.token(), token, "the token")
    equal(sbc.rest("GET", "/trunks/carrier")["limits"]["calls"], 7, "the limit set before")
    hang_up(*establish(t, pbx, carrier, t.slot.inside))
    once_each(sbc, 2)


@case("a stop with calls up: the peers get BYE, exit code 0, a CDR each")
def stop_with_calls(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    equal(sbc.children["sbcd"].stop(), 0, "exit code of sbcd")
    caller.take_bye(1)
    callee.take_bye(1)
    sbc.restart("sbcd")
    sbc.wait_ready()
    once_each(sbc, 1)
    equal(options(pbx, (t.slot.inside, 5060)).status, 200, "OPTIONS afterwards")
