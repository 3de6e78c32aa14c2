# SPDX-License-Identifier: MIT
"""The behaviours of a call once more, with SIPp as the peers: several calls of each, and tshark's
verdict over what the SBC sent."""
from harness import sipp
from harness.capture import Capture
from harness.case import case
from harness.sbc import trunk
from harness.sipp import pause, receive, request, respond, sdp

from cases.basic import UAC, UAS

OK_BYE = [receive("BYE"), respond(200, tagged=False, contact=False)]
BYE = [request("BYE"), receive(200)]
TRY = receive(100, optional=True)
ANSWER = sdp(port=16000)


def within(status=200, body=None):
    """An answer within the dialog: the request's To has its tag already."""
    return respond(status, body=body, tagged=False)


def judged(t, caller, callee, calls=5, **more):
    t.sbc(more.pop("change", None))
    capture = t.own(Capture(t.folder, f"net 127.77.{t.slot.number}.0/24 and port 5060"))
    sipp.pair(t, caller, callee, calls=calls, **more)
    capture.stop()
    capture.judge(source=(t.slot.inside, t.slot.outside), at_least=calls)


@case("SIPp: early media")
def early(t):
    judged(t, [request("INVITE", sdp(), first=True), TRY, receive(183), receive(180),
               receive(200, rrs=True), request("ACK", number=1), pause(50)] + BYE,
           [receive("INVITE"), respond(183, body=ANSWER), pause(50), respond(180),
            respond(200, body=ANSWER), receive("ACK")] + OK_BYE)


@case("SIPp: late offer")
def late(t):
    judged(t, [request("INVITE", first=True), TRY, receive(180), receive(200, rrs=True),
               request("ACK", sdp(), number=1), pause(50)] + BYE,
           [receive("INVITE"), respond(180), respond(200, body=ANSWER), receive("ACK")] + OK_BYE)


@case("SIPp: hold, resume, UPDATE and INFO within the call")
def within_call(t):
    caller = [request("INVITE", sdp(), first=True), TRY, receive(180), receive(200, rrs=True),
              request("ACK", number=1), pause(50)]
    callee = [receive("INVITE"), respond(180), respond(200, body=ANSWER), receive("ACK")]
    number = 1
    for direction, back in (("sendonly", "recvonly"), ("inactive", "inactive"), ("sendrecv", "sendrecv")):
        number += 1
        caller += [request("INVITE", sdp(direction, number), number=number), TRY,
                   receive(200, rrs=True), request("ACK", number=number), pause(20)]
        callee += [receive("INVITE"), within(body=sdp(back, number, 16000)), receive("ACK")]
    caller += [request("UPDATE", sdp(version=9), number=5), receive(200),
               request("INFO", number=6), receive(200), request("BYE", number=7), receive(200)]
    callee += [receive("UPDATE"), within(body=sdp(version=9, port=16000)), receive("INFO"), within()]
    judged(t, caller, callee + OK_BYE)


@case("SIPp: the callee holds, and hangs up")
def callee_asks(t):
    keep = ('<ereg regexp=".*" search_in="hdr" header="From:" assign_to="remote"/>'
            '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="local"/>')

    def own(method, number, body=None):
        return request(method, body, caller=False, number=number).replace(
            "From: [$local]", "From:[$local];tag=[pid]s[call_number]").replace(
                "To: [$remote]", "To:[$remote]")
    judged(t, [request("INVITE", sdp(), first=True), TRY, receive(200, rrs=True),
               request("ACK", number=1), receive("INVITE"),
               within(body=sdp("recvonly", 2)), receive("ACK")] + OK_BYE,
           [receive("INVITE", actions=keep, rrs=True), respond(200, body=ANSWER), receive("ACK"),
            pause(50), own("INVITE", 21, sdp("sendonly", 2, 16000)), TRY, receive(200),
            own("ACK", 21), pause(50), own("BYE", 22), receive(200)])


@case("SIPp: CANCEL while it rings")
def cancel(t):
    invite = request("INVITE", sdp(), first=True)
    own = request("CANCEL", first=True, number=1).replace(
        "[branch]", "[branch-4]")
    ack = request("ACK", first=True, number=1).replace("[branch]", "[branch-7]").replace(
        "To: <sip:[service]@[remote_ip]:[remote_port]>", "[last_To:]")
    judged(t, [invite, TRY, receive(180), pause(50), own, receive(200), receive(487), ack],
           CANCELLED)


# After a CANCEL, [last_…] is the CANCEL's; the INVITE's CSeq and Via are kept for the 487.
CANCELLED = [
    receive("INVITE", actions='<ereg regexp=".*" search_in="hdr" header="CSeq:" assign_to="cseq"/>'
                              '<ereg regexp=".*" search_in="hdr" header="Via:" assign_to="via"/>'),
    respond(180), receive("CANCEL"), respond(200, contact=False, tagged=False),
    respond(487, contact=False).replace("[last_CSeq:]", "CSeq:[$cseq]").replace(
        "[last_Via:]", "Via:[$via]"),
    receive("ACK")]


@case("SIPp: busy, and failover after 503")
def busy_and_failover(t):
    def change(document):
        part = document["provisioning"]
        part["trunks"].append(trunk("backup", "outside", f"sip:{t.slot.carrier2}:5060"))
        part["routes"][0]["targets"] = [{"trunk": "carrier"}, {"trunk": "backup", "priority": 2}]
    t.sbc(change)
    down = t.own(sipp.Sipp(t.folder, "down", [receive("INVITE"), respond(503, contact=False),
                                              receive("ACK")], t.slot.carrier, calls=5))
    up = t.own(sipp.Sipp(t.folder, "up", UAS, t.slot.carrier2, calls=5, media_port=16500))
    t.wait_bound(t.slot.carrier, 5060, True)
    t.wait_bound(t.slot.carrier2, 5060, True)
    caller = t.own(sipp.Sipp(t.folder, "caller", UAC, t.slot.pbx, target=f"{t.slot.inside}:5060",
                             calls=5))
    for one in (caller, down, up):
        one.done()


@case("SIPp: 200 calls at 100 a second over TCP on both sides")
def tcp_load(t):
    def change(document):
        for one in document["provisioning"]["trunks"]:
            one["gateways"][0]["uri"] += ";transport=tcp"
        for one in document["provisioning"]["realms"]:
            one["media"]["port_max"] = one["media"]["port_min"] + 1999
    sbc = t.sbc(change)
    sipp.pair(t, UAC, UAS, calls=200, rate=100, transport="t1")
    sbc.wait_cdrs(200)
    sbc.wait_idle()
