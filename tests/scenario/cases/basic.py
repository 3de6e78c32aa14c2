# SPDX-License-Identifier: MIT
"""A call from end to end: both directions, both transports, both families; who hangs up; what REST
and the CDR say of it."""
from harness import sdp, sipp
from harness.case import case
from harness.check import check, equal, eventually
from harness.capture import Capture
from harness.rtp import exchange
from harness.sip import Call, options

UAS = [sipp.receive("INVITE"), sipp.respond(180), sipp.respond(200, body=sipp.sdp(port=16000)),
       sipp.receive("ACK"), sipp.receive("BYE"), sipp.respond(200, tagged=False, contact=False)]
UAC = [sipp.request("INVITE", sipp.sdp(), first=True), sipp.receive(100, optional=True),
       sipp.receive(180), sipp.receive(200, rrs=True), sipp.request("ACK", number=1),
       sipp.pause(50), sipp.request("BYE"), sipp.receive(200)]


def establish(t, near, far, border, called="+493012345678", offer=None, answer=None, ring=True):
    """near calls far through the SBC: both Calls, confirmed, with SDP of 14000 and 16000."""
    caller = Call.start(near, (border, 5060), called,
                        sdp=offer or sdp.compose(near.ip, 14000))
    callee = Call.receive(far)
    if ring:
        callee.reply(180)
        caller.expect(180)
    callee.reply(200, answer or sdp.compose(far.ip, 16000))
    caller.answer = caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    return caller, callee


def hang_up(caller, callee):
    caller.request("BYE")
    callee.take_bye()
    caller.expect(200, method="BYE")


@case("a call from the PBX to the carrier", short=True)
def outbound(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    offer = sdp.Session(callee.invite.body)
    answer = sdp.Session(caller.answer.body)
    equal(offer.audio.address, t.slot.outside, "media address shown to the carrier")
    equal(answer.audio.address, t.slot.inside, "media address shown to the PBX")
    check(30000 <= offer.audio.port <= 30199 and offer.audio.port % 2 == 0, f"port {offer.audio.port}")
    check(20000 <= answer.audio.port <= 20199 and answer.audio.port % 2 == 0, f"{answer.audio.port}")
    check(callee.invite.uri.startswith(f"sip:+493012345678@{t.slot.carrier}"),
          f"request-URI {callee.invite.uri}")
    check(callee.call_id != caller.call_id, "the two legs have Call-IDs of their own")

    call, = sbc.calls()
    equal(call["state"], "answered", "state")
    check("alice" in call["calling"] and "+493012345678" in call["called"], f"numbers in {call}")
    equal([leg["trunk"] for leg in call["legs"]], ["pbx", "carrier"], "the legs' trunks")
    equal([leg["realm"] for leg in call["legs"]], ["inside", "outside"], "the legs' realms")
    equal([leg["call_id"] for leg in call["legs"]], [caller.call_id, callee.call_id], "Call-IDs")
    for field in ("id", "started_at", "answered_at", "media"):
        check(call.get(field), f"{field} in {call}")
    one = sbc.rest("GET", f"/calls/{call['id']}")
    equal(one["id"], call["id"], "GET of one call")

    hang_up(caller, callee)
    cdr, = sbc.wait_cdrs(1)
    equal((cdr["sip_code"], cdr["result"]), (200, "answered"), "the CDR's result")
    check(cdr["duration_ms"] >= 0 and cdr["ended_at"], f"times in {cdr}")
    equal([leg["trunk"] for leg in cdr["legs"]], ["pbx", "carrier"], "the CDR's legs")
    equal(sbc.calls(), [], "live calls")


@case("a call from the carrier to the PBX, ended by the callee", short=True)
def inbound(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    caller, callee = establish(t, carrier, pbx, t.slot.outside)
    equal(sdp.Session(callee.invite.body).audio.address, t.slot.inside, "media shown to the PBX")
    callee.request("BYE")
    caller.take_bye()
    callee.expect(200, method="BYE")
    cdr, = sbc.wait_cdrs(1)
    equal([leg["trunk"] for leg in cdr["legs"]], ["carrier", "pbx"], "the CDR's legs")


@case("media flows both ways, byte for byte", short=True)
def media(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    to_far, to_near = sdp.Session(callee.invite.body).target, sdp.Session(caller.answer.body).target
    exchange(near, to_near, far, source=to_far)
    exchange(far, to_far, near, source=to_near)
    report = near.sender_report()
    near.rtcp.sendto(report, (to_near[0], to_near[1] + 1))
    got = far.receive_rtcp()
    check(got, "no RTCP arrived")
    equal((got[0][0][:-12], len(got[0][0]), b"peer" in got[0][0]), (report[:-12], len(report), False),
          "the report, without the sender's name")
    equal(got[0][1][:2], (to_far[0], to_far[1] + 1), "where RTCP comes from")

    def figures():
        call, = sbc.calls()
        sides = call["media"]
        return sides if sum(s["packets_received"] for s in sides) >= 66 else None
    sides = eventually(figures, "the call's media figures", 8)
    for side in sides:
        for field in ("local", "remote", "codec", "packets_received", "packets_sent", "packets_lost",
                      "jitter_ms", "mos"):
            check(field in side, f"{field} in {side}")
        equal(side["packets_lost"], 0, f"packets lost in {side}")
    hang_up(caller, callee)


@case("SIPp calls SIPp, both directions, 10 calls each; tshark finds no fault")
def sipp_both(t):
    sbc = t.sbc()
    capture = t.own(Capture(t.folder, f"net 127.77.{t.slot.number}.0/24"))
    sipp.pair(t, UAC, UAS, calls=10)
    sipp.pair(t, UAC, UAS, calls=10, from_pbx=False)
    capture.stop()
    capture.judge(source=(t.slot.inside, t.slot.outside), at_least=120)
    equal({c["sip_code"] for c in sbc.wait_cdrs(20)}, {200}, "results of 20 calls")


@case("a caller on TCP, a callee on UDP, by SIPp")
def tcp_to_udp(t):
    t.sbc()
    sipp.pair(t, UAC, UAS, calls=5, transport="t1", transport_callee="u1")


@case("a caller on UDP, a callee on TCP, by SIPp")
def udp_to_tcp(t):
    def change(document):
        trunks = document["provisioning"]["trunks"]
        trunks[1]["gateways"] = [{"uri": f"sip:{t.slot.carrier}:5060;transport=tcp"}]
    t.sbc(change)
    sipp.pair(t, UAC, UAS, calls=5, transport="u1", transport_callee="t1")


@case("IPv6 outside, IPv4 inside: signalling and media")
def ipv6(t):
    near_port, sip_port, media_port = t.slot.port(0), t.slot.port(1), t.slot.port(2)

    def change(document):
        part = document["provisioning"]
        part["realms"][1] = {
            "name": "outside", "listeners": [{"transport": "udp", "address": "::1", "port": near_port}],
            "media": {"address": "::1", "port_min": t.slot.port(30), "port_max": t.slot.port(49)}}
        part["trunks"][1]["gateways"] = [{"uri": f"sip:[::1]:{sip_port}"}]
    t.sbc(change)
    pbx, carrier = t.endpoint(t.slot.pbx), t.endpoint("::1", sip_port)
    near, far = t.media(pbx.ip, 14000), t.media("::1", media_port)
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    callee = Call.receive(carrier)
    offer = sdp.Session(callee.invite.body)
    equal(offer.audio.address, "::1", "media address of the IPv6 side")
    check("IN IP6 ::1" in offer.text, f"address family in\n{offer.text}")
    callee.reply(200, sdp.compose("::1", media_port))
    answer = sdp.Session(caller.expect(200).body)
    check("IN IP4" in answer.text, f"address family in\n{answer.text}")
    caller.ack()
    callee.take_request("ACK")
    exchange(near, answer.target, far, source=offer.target)
    exchange(far, offer.target, near, source=answer.target)
    callee.request("BYE")
    caller.take_bye()
    callee.expect(200, method="BYE")


@case("DELETE of a live call hangs up both sides")
def rest_hangup(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    call, = sbc.calls()
    sbc.rest("DELETE", f"/calls/{call['id']}", wanted=204)
    caller.take_bye()
    callee.take_bye()
    sbc.wait_idle()
    sbc.wait_cdrs(1)
    sbc.rest("DELETE", f"/calls/{call['id']}", wanted=404)


@case("OPTIONS outside of a dialog is answered by the SBC itself", short=True)
def ping(t):
    t.sbc()
    pbx, carrier = t.peers()
    equal(options(pbx, (t.slot.inside, 5060)).status, 200, "the PBX's OPTIONS")
    equal(options(carrier, (t.slot.outside, 5060)).status, 200, "the carrier's OPTIONS")
    carrier.silence(0.2)


@case("50 calls in parallel with two workers, by SIPp")
def parallel(t):
    sbc = t.sbc(workers=2)
    capture = t.own(Capture(t.folder, f"net 127.77.{t.slot.number}.0/24 and udp port 5060"))
    hold = list(UAC)
    hold[5] = sipp.pause(3000)
    sipp.pair(t, hold, UAS, calls=50, rate=50)
    capture.stop()
    capture.judge(source=(t.slot.inside, t.slot.outside), at_least=300)
    cdrs = sbc.wait_cdrs(50)
    equal(len({c["id"] for c in cdrs}), 50, "CDRs of 50 calls")
    sbc.wait_idle()
