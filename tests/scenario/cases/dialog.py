# SPDX-License-Identifier: MIT
"""What happens before and within a dialog: early media, late offers, hold, re-INVITE from either
side, UPDATE, INFO, CANCEL and its races, lost messages, hanging up."""
import time

from harness import sdp
from harness.case import case
from harness.check import check, equal
from harness.rtp import exchange
from harness.sip import Call, token

from cases.basic import establish


def setup(t, **more):
    sbc = t.sbc(**more)
    pbx, carrier = t.peers()
    return sbc, pbx, carrier


def end(sbc, caller, callee, cdrs=1):
    caller.request("BYE")
    callee.take_bye()
    caller.expect(200, method="BYE")
    sbc.wait_idle()
    equal(len(sbc.wait_cdrs(cdrs)), cdrs, "CDRs")


def versions(*bodies):
    """(session ids, versions) of the o= lines."""
    lines = [sdp.Session(body).origin.split(" ") for body in bodies]
    return {line[1] for line in lines}, [int(line[2]) for line in lines]


@case("early media: 183 with SDP, then 180, then 200", short=True)
def early_media(t):
    sbc, pbx, carrier = setup(t)
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    callee = Call.receive(carrier)
    to_far = sdp.Session(callee.invite.body).target
    callee.reply(183, sdp.compose(carrier.ip, 16000))
    to_near = sdp.Session(caller.expect(183).body).target
    exchange(far, to_far, near, source=to_near)
    exchange(near, to_near, far, source=to_far)
    call, = sbc.calls()
    equal(call["state"], "ringing", "state before the answer")
    callee.reply(180)
    caller.expect(180)
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    equal(sdp.Session(caller.expect(200).body).target, to_near, "the answer is the early one")
    caller.ack()
    callee.take_request("ACK")
    exchange(far, to_far, near, source=to_near)
    end(sbc, caller, callee)


@case("180, then 183 with SDP, then 200 without one")
def answer_in_183_only(t):
    sbc, pbx, carrier = setup(t)
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    callee = Call.receive(carrier)
    callee.reply(180)
    caller.expect(180)
    callee.reply(183, sdp.compose(carrier.ip, 16000))
    target = sdp.Session(caller.expect(183).body).target
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    equal(sdp.Session(caller.expect(200).body).target, target, "the answer's target")
    caller.ack()
    callee.take_request("ACK")
    end(sbc, caller, callee)


@case("late offer: the offer in the 200, the answer in the ACK", short=True)
def late_offer(t):
    sbc, pbx, carrier = setup(t)
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930")
    callee = Call.receive(carrier)
    equal(callee.invite.body, b"", "the INVITE's body")
    callee.reply(180)
    caller.expect(180)
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    offer = sdp.Session(caller.expect(200).body)
    equal(offer.audio.address, t.slot.inside, "media address in the offer")
    caller.ack(sdp.compose(pbx.ip, 14000, codecs=(8,)))
    answer = sdp.Session(callee.take_request("ACK").body)
    equal(answer.audio.address, t.slot.outside, "media address in the answer")
    equal(answer.audio.formats, ["8"], "the codec that was chosen")
    exchange(near, offer.target, far, source=answer.target)
    exchange(far, answer.target, near, source=offer.target)
    end(sbc, caller, callee)


def reinvite(caller, callee, offer, answer, codes=200):
    """One side offers anew: what reached the other, and the answer that came back."""
    caller.send_invite(offer)
    there = callee.take_request("INVITE")
    callee.reply(codes, answer)
    back = caller.expect(codes)
    caller.ack()
    callee.take_request("ACK")
    return there, back


@case("hold and resume: sendonly, inactive, c=0.0.0.0", short=True)
def hold(t):
    sbc, pbx, carrier = setup(t)
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    seen = [callee.invite.body]
    for version, (ours, theirs, connection) in enumerate(
            [("sendonly", "recvonly", None), ("inactive", "inactive", None),
             ("sendonly", "recvonly", "0.0.0.0"), ("sendrecv", "sendrecv", None)], 2):
        there, back = reinvite(
            caller, callee,
            sdp.compose(pbx.ip, 14000, direction=ours, version=version, connection=connection),
            sdp.compose(carrier.ip, 16000, direction=theirs, version=version))
        seen.append(there.body)
        offer, answer = sdp.Session(there.body), sdp.Session(back.body)
        held = offer.audio.direction in ("sendonly", "inactive") or offer.audio.address == "0.0.0.0"
        equal(held, ours != "sendrecv", f"the carrier is on hold after {ours} {connection}")
        if connection is None:
            equal(offer.audio.direction, ours, "direction offered to the carrier")
            equal(answer.audio.direction, theirs, "direction answered to the PBX")
    sessions, numbers = versions(*seen)
    equal(len(sessions), 1, "session ids in o= (RFC 3264 8)")
    equal(numbers, list(range(numbers[0], numbers[0] + len(numbers))), "versions in o=")
    exchange(near, answer.target, far, source=offer.target)
    exchange(far, offer.target, near, source=answer.target)
    end(sbc, caller, callee)


@case("a re-INVITE of the callee moves its media elsewhere", short=True)
def reinvite_callee(t):
    sbc, pbx, carrier = setup(t)
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    exchange(near, sdp.Session(caller.answer.body).target, far)
    moved = t.media(carrier.ip, 16100)
    there, back = reinvite(callee, caller, sdp.compose(carrier.ip, 16100, version=2),
                           sdp.compose(pbx.ip, 14000))
    to_near, to_far = sdp.Session(there.body).target, sdp.Session(back.body).target
    equal(to_near, sdp.Session(caller.answer.body).target, "the PBX keeps its port of the SBC")
    exchange(near, to_near, moved, source=to_far)
    exchange(moved, to_far, near, source=to_near)
    end(sbc, caller, callee)


@case("a re-INVITE that is refused with 488 leaves the call as it was")
def reinvite_refused(t):
    sbc, pbx, carrier = setup(t)
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    to_near = sdp.Session(caller.answer.body).target
    for asking, refusing in ((caller, callee), (callee, caller)):
        asking.send_invite(sdp.compose(asking.endpoint.ip, 18000, version=2))
        refusing.take_request("INVITE")
        refusing.reply(488)
        asking.expect(488)
        refusing.take_request("ACK")
        exchange(near, to_near, far)
    end(sbc, caller, callee)


@case("a re-INVITE without an offer")
def reinvite_late(t):
    sbc, pbx, carrier = setup(t)
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    caller.send_invite()
    equal(callee.take_request("INVITE").body, b"", "body of the re-INVITE")
    callee.reply(200, sdp.compose(carrier.ip, 16000, version=2))
    offer = sdp.Session(caller.expect(200).body)
    caller.ack(sdp.compose(pbx.ip, 14000, version=2))
    answer = sdp.Session(callee.take_request("ACK").body)
    exchange(near, offer.target, far, source=answer.target)
    end(sbc, caller, callee)


@case("re-INVITEs that cross: the second gets 491")
def glare(t):
    sbc, pbx, carrier = setup(t)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    caller.send_invite(sdp.compose(pbx.ip, 14000, version=2))
    pending = callee.take_request("INVITE")
    callee.send_invite(sdp.compose(carrier.ip, 16000, version=2))
    callee.expect(491)
    callee.reply(200, sdp.compose(carrier.ip, 16000, version=2), request=pending)
    caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    end(sbc, caller, callee)


@case("UPDATE with an offer, from either side")
def update(t):
    sbc, pbx, carrier = setup(t)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    for asking, other, border in ((caller, callee, t.slot.outside), (callee, caller, t.slot.inside)):
        asking.request("UPDATE", body=sdp.compose(asking.endpoint.ip, 18000, version=2,
                                                  direction="sendonly"))
        request = other.take_request("UPDATE")
        offer = sdp.Session(request.body)
        equal((offer.audio.address, offer.audio.direction), (border, "sendonly"), "the offer")
        other.reply(200, sdp.compose(other.endpoint.ip, 18100, version=2, direction="recvonly"),
                    request=request)
        answer = sdp.Session(asking.expect(200, method="UPDATE").body)
        equal(answer.audio.direction, "recvonly", "the answer")
    end(sbc, caller, callee)


@case("an UPDATE for a peer that does not allow it still changes the session")
def update_not_allowed(t):
    sbc, pbx, carrier = setup(t)
    Call.allow, allow = "INVITE, ACK, CANCEL, BYE", Call.allow
    try:
        caller, callee = establish(t, pbx, carrier, t.slot.inside)
        caller.request("UPDATE", body=sdp.compose(pbx.ip, 18000, version=2, direction="sendonly"))
        # Asked in the way the callee understands (RFC 3311 5.2 says nothing of B2BUAs), or refused.
        request = carrier.take(lambda m: m.is_request and m.method == "INVITE", 2)
        if request is not None:
            callee.invite = request
            callee.reply(200, sdp.compose(carrier.ip, 16000, version=2, direction="recvonly"))
            caller.expect(200, method="UPDATE")
            callee.take_request("ACK")
        else:
            answer = pbx.take(lambda m: m.cseq_method == "UPDATE", 1)
            check(answer is not None and answer.status >= 400, f"answer to the UPDATE: {answer}")
    finally:
        Call.allow = allow
    end(sbc, caller, callee)


@case("INFO carries its body across; its refusal comes back")
def info(t):
    sbc, pbx, carrier = setup(t)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    body = b"Signal=5\r\nDuration=160\r\n"
    for asking, other, status in ((caller, callee, 200), (callee, caller, 200), (caller, callee, 415)):
        asking.request("INFO", body=body, content_type="application/dtmf-relay")
        request = other.take_request("INFO")
        equal((request.body, request.get("Content-Type")), (body, "application/dtmf-relay"), "INFO")
        other.reply(status, request=request)
        asking.expect(status, method="INFO")
    end(sbc, caller, callee)


@case("OPTIONS within a dialog")
def options_inside(t):
    sbc, pbx, carrier = setup(t)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    caller.request("OPTIONS")
    # Answered by the SBC itself or by the callee: both are answers to the caller.
    request = carrier.take(lambda m: m.method == "OPTIONS", 0.5)
    if request:
        callee.reply(200, request=request)
    caller.expect(200, method="OPTIONS")
    end(sbc, caller, callee)


@case("CANCEL before any answer waits for the first one; then 487", short=True)
def cancel_early(t):
    sbc, pbx, carrier = setup(t)
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    callee = Call.receive(carrier)
    caller.cancel()
    caller.expect(200, method="CANCEL")
    carrier.silence(0.3)  # RFC 3261 9.1: no CANCEL before a provisional response
    callee.reply(180)
    cancel = callee.take_request("CANCEL")
    equal(cancel.get("Via"), callee.invite.get("Via"), "the CANCEL's Via")
    callee.reply(200, request=cancel)
    callee.reply(487)
    callee.take_request("ACK")
    caller.expect(487)
    sbc.wait_idle()
    cdr, = sbc.wait_cdrs(1)
    equal(cdr["sip_code"], 487, "the CDR's code")


@case("CANCEL while it rings", short=True)
def cancel_ringing(t):
    sbc, pbx, carrier = setup(t)
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    callee = Call.receive(carrier)
    callee.reply(180)
    caller.expect(180)
    caller.cancel()
    got = {caller.expect(200, method="CANCEL").status}
    callee.reply(200, request=callee.take_request("CANCEL"))
    callee.reply(487)
    callee.take_request("ACK")
    got.add(caller.expect(487).status)
    sbc.wait_idle()
    cdr, = sbc.wait_cdrs(1)
    equal((cdr["sip_code"], cdr["ended_by"]), (487, "caller"), "the CDR")


@case("CANCEL crosses the callee's 200: the callee gets ACK and BYE")
def cancel_crosses(t):
    sbc, pbx, carrier = setup(t)
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    callee = Call.receive(carrier)
    callee.reply(180)
    caller.expect(180)
    caller.cancel()
    caller.expect(200, method="CANCEL")
    cancel = callee.take_request("CANCEL")
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    callee.reply(200, request=cancel)
    callee.take_request("ACK")
    callee.take_bye()
    caller.expect(487)
    sbc.wait_idle()
    equal(len(sbc.wait_cdrs(1)), 1, "CDRs")


@case("CANCEL after the 200 changes nothing")
def cancel_late(t):
    sbc, pbx, carrier = setup(t)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    caller.cancel()
    answer = pbx.take(lambda m: m.cseq_method == "CANCEL")
    check(answer is not None and answer.status in (200, 481), f"answer to a late CANCEL: {answer}")
    carrier.silence(0.3)
    equal(len(sbc.calls()), 1, "live calls")
    end(sbc, caller, callee)


@case("a CANCEL that matches nothing gets 481")
def cancel_stray(t):
    _, pbx, carrier = setup(t)
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    callee = Call.receive(carrier)
    callee.reply(180)
    caller.expect(180)
    real = caller.invite.get("Via")
    caller.invite.set("Via", pbx.via())
    caller.cancel()
    caller.expect(481, method="CANCEL")
    carrier.silence(0.2)
    caller.invite.set("Via", real)
    caller.cancel()
    caller.expect(200, method="CANCEL")
    callee.reply(200, request=callee.take_request("CANCEL"))
    callee.reply(487)
    caller.expect(487)


@case("the 200 is repeated until the ACK comes")
def lost_ack(t):
    sbc, pbx, carrier = setup(t)
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    callee = Call.receive(carrier)
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    caller.expect(200)
    first = time.monotonic()
    gaps = []
    for _ in range(3):
        caller.expect(200, again=True)
        gaps.append(time.monotonic() - first)
    for gap, wanted in zip(gaps, (0.5, 1.5, 3.5)):  # T1, then doubling (RFC 3261 13.3.1.4)
        check(wanted - 0.1 < gap < wanted + 0.6, f"200 repeated after {gaps}")
    caller.ack()
    pbx.silence(1.0, allow_again=False)
    callee.take_request("ACK")
    end(sbc, caller, callee)


@case("a repeated 200 of the callee gets its ACK again")
def repeated_200(t):
    sbc, pbx, carrier = setup(t)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    for _ in range(2):
        carrier.send(callee.sent_answer, callee.invite.source)
        callee.endpoint.expect("ACK", call_id=callee.call_id, again=True)
    pbx.silence(0.2)
    end(sbc, caller, callee)


@case("a repeated INVITE makes no second call")
def repeated_invite(t):
    sbc, pbx, carrier = setup(t)
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    for _ in range(3):
        pbx.send(caller.invite, (t.slot.inside, 5060))
    callee = Call.receive(carrier)
    callee.reply(180)
    caller.expect(180)
    pbx.send(caller.invite, (t.slot.inside, 5060))
    check(pbx.take(lambda m: m.status == 180 and m.again, 1), "a repeated INVITE repeats the 180")
    carrier.silence(0.7)  # nor any retransmission: the 180 stopped timer A
    equal(len(sbc.calls()), 1, "live calls")
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    end(sbc, caller, callee)


@case("a lost INVITE and a lost BYE are sent again")
def retransmission(t):
    sbc, pbx, carrier = setup(t)
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    first = carrier.expect("INVITE")
    second = carrier.expect("INVITE", again=True)
    equal(first.raw, second.raw, "the INVITE sent again")
    carrier.inbox.insert(0, first)
    first.again = False
    callee = Call.receive(carrier)
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    caller.request("BYE")
    first = carrier.expect("BYE")
    second = carrier.expect("BYE", again=True)
    equal(first.raw, second.raw, "the BYE sent again")
    callee.reply(200, request=second)
    caller.expect(200, method="BYE")
    sbc.wait_idle()


@case("both hang up at once: each BYE is answered, one CDR")
def bye_crosses(t):
    sbc, pbx, carrier = setup(t)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    caller.request("BYE")
    callee.request("BYE")
    for side, endpoint in ((caller, pbx), (callee, carrier)):
        bye = endpoint.take(lambda m: m.is_request and m.method == "BYE", 1)
        if bye:
            side.reply(200, request=bye)
        answer = endpoint.take(lambda m: not m.is_request and m.cseq_method == "BYE")
        check(answer is not None and answer.status in (200, 481), f"answer to a crossing BYE: {answer}")
    sbc.wait_idle()
    time.sleep(0.3)
    equal(len(sbc.wait_cdrs(1)), 1, "CDRs")


@case("requests for a dialog that is not there get 481, an ACK nothing", short=True)
def no_dialog(t):
    sbc, pbx, carrier = setup(t)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    ghost = Call(pbx, (t.slot.inside, 5060))
    ghost.call_id, ghost.local, ghost.remote = token(), caller.local, caller.remote
    ghost.remote_target, ghost.invite, ghost.cseq = caller.remote_target, caller.invite, 7
    for method in ("BYE", "INFO", "UPDATE", "INVITE"):
        if method == "INVITE":
            ghost.send_invite(sdp.compose(pbx.ip, 14000))
        else:
            ghost.request(method)
        ghost.expect(481, method=method)
    ghost.ack()
    # The right Call-ID with a wrong tag is no better.
    forged = Call(pbx, (t.slot.inside, 5060))
    forged.__dict__.update(caller.__dict__)
    forged.local = f"<sip:alice@{pbx.hostport}>;tag={token()}"
    forged.cseq = 50
    forged.request("BYE")
    forged.expect(481, method="BYE")
    carrier.silence(0.2)
    equal(len(sbc.calls()), 1, "live calls")
    end(sbc, caller, callee)


@case("a BYE with the right identifiers from another source ends nothing")
def spoofed_bye(t):
    sbc, pbx, carrier = setup(t)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    stranger = t.endpoint(t.slot.stranger)
    spoof = Call(stranger, (t.slot.inside, 5060))
    for name in ("call_id", "local", "remote", "remote_target", "invite"):
        setattr(spoof, name, getattr(caller, name))
    spoof.cseq = 10
    spoof.request("BYE")
    answer = stranger.take(lambda m: True, 1)
    check(answer is None or answer.status in (403, 481), f"answer to a stranger's BYE: {answer}")
    carrier.silence(0.2)
    equal(len(sbc.calls()), 1, "live calls")
    end(sbc, caller, callee)


@case("a CSeq that goes backwards is refused with 500")
def old_cseq(t):
    sbc, pbx, carrier = setup(t)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    caller.cseq = 10
    caller.request("INFO", body=b"x", content_type="text/plain")
    callee.reply(200, request=callee.take_request("INFO"))
    caller.expect(200, method="INFO")
    caller.cseq = 4
    caller.request("INFO", body=b"x", content_type="text/plain")
    caller.expect(500, method="INFO")  # RFC 3261 12.2.2
    carrier.silence(0.2)
    caller.cseq = 11
    end(sbc, caller, callee)
