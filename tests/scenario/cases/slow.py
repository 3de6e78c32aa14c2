# SPDX-License-Identifier: MIT
"""Cases that wait for the long timers of RFC 3261, all at once: a caller that never sends its ACK, a
callee that never answers a BYE, one that rings for ever and ignores the CANCEL."""
import time

from harness import sdp
from harness.case import case
from harness.check import check, equal
from harness.sip import Call

from cases.basic import establish


def sorted_out(t, pbx, carrier):
    """An INVITE as far as the callee."""
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    return caller, Call.receive(carrier)


@case("64*T1: no ACK ends the call with BYE; a lost BYE answer and an ignored CANCEL end too", slow=True)
def timers(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    # A: the caller never sends its ACK.
    no_ack, no_ack_callee = sorted_out(t, pbx, carrier)
    no_ack_callee.reply(200, sdp.compose(carrier.ip, 16000))
    begin = time.monotonic()
    no_ack.expect(200)
    no_ack_callee.take_request("ACK")  # its own leg is confirmed, whatever the caller does
    # B: the callee never answers the BYE.
    deaf, deaf_callee = establish(t, pbx, carrier, t.slot.inside)
    deaf.request("BYE")
    deaf_callee.take_request("BYE")
    # C: the callee rings and ignores the CANCEL.
    stuck, stuck_callee = sorted_out(t, pbx, carrier)
    stuck_callee.reply(180)
    stuck.expect(180)
    stuck.cancel()
    stuck.expect(200, method="CANCEL")
    stuck_callee.take_request("CANCEL")

    ended = {}
    while time.monotonic() - begin < 40 and len(ended) < 2:
        bye = pbx.take(lambda m: m.method == "BYE" and m.is_request, 0.5)
        if bye is not None and not bye.again:
            no_ack.reply(200, request=bye)
            ended["caller"] = time.monotonic() - begin
        bye = carrier.take(lambda m: m.method == "BYE" and m.is_request and not m.again
                           and m.get("Call-ID") == no_ack_callee.call_id, 0.1)
        if bye is not None:
            no_ack_callee.reply(200, request=bye)
            ended["callee"] = time.monotonic() - begin
    check(len(ended) == 2, f"BYE after a missing ACK: {ended}")
    check(all(31 < after < 36 for after in ended.values()), f"BYE after {ended} s, wanted 32")
    repeated = [m for m in pbx.inbox if m.status == 200 and m.again]
    check(5 <= len(repeated) <= 12, f"{len(repeated)} repetitions of the 200")
    sbc.wait_idle(20)
    items = sbc.wait_cdrs(3)
    equal((len(items), len({c["id"] for c in items})), (3, 3), "CDRs, each once")


@case("a peer that answers nothing after the 200: the call ends for both", slow=True)
def silent_peer(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    caller.send_invite(sdp.compose(pbx.ip, 14000, version=2))
    callee.take_request("INVITE")
    answer = pbx.take(lambda m: m.status >= 300, 40)
    check(answer is not None and answer.status in (408, 504, 503), f"re-INVITE without answer: {answer}")
    caller.ack_failure(answer)
    # RFC 3261 12.2.1.2: after a 408 the dialog is over; whoever asks, both ends are told.
    deadline = time.monotonic() + 5
    while sbc.calls() and time.monotonic() < deadline:
        time.sleep(0.2)
    if sbc.calls():
        caller.request("BYE")
        caller.expect(200, method="BYE")
    sbc.wait_idle(40)
