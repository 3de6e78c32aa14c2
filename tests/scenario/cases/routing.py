# SPDX-License-Identifier: MIT
"""Who may call, where the call goes, and where it goes next when the first target does not take it."""
import socket
import time

from harness import sdp
from harness.case import case
from harness.check import check, equal
from harness.dns import NameServer
from harness.sbc import trunk
from harness.sip import Call, options


def two_carriers(t, **more):
    """The route to the carrier has a second target behind the first."""
    def change(document):
        part = document["provisioning"]
        part["trunks"][1].update(more)
        part["trunks"].append(trunk("backup", "outside", f"sip:{t.slot.carrier2}:5060", **more))
        part["routes"][0]["targets"] = [{"trunk": "carrier", "priority": 1},
                                        {"trunk": "backup", "priority": 2}]
    return change


def invite(t, pbx, called="+493012345678", **more):
    return Call.start(pbx, (t.slot.inside, 5060), called, sdp=sdp.compose(pbx.ip, 14000), **more)


def answered(t, caller, endpoint, timeout_s=5):
    """The call arrives at this endpoint and goes through."""
    callee = Call.receive(endpoint, timeout_s)
    callee.reply(180)
    caller.expect(180)
    callee.reply(200, sdp.compose(endpoint.ip, 16000))
    caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    caller.request("BYE")
    callee.take_bye()
    caller.expect(200, method="BYE")
    return callee


@case("an unknown source gets 403, and nothing happens", short=True)
def unknown_source(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    stranger = t.endpoint(t.slot.stranger)
    Call.start(stranger, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(stranger.ip, 14000)).expect(403)
    equal(options(stranger, (t.slot.inside, 5060)).status, 403, "a stranger's OPTIONS")
    # A known peer on the wrong side is a stranger there.
    Call.start(pbx, (t.slot.outside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000)).expect(403)
    carrier.silence(0.3)
    equal(sbc.calls(), [], "live calls")


@case("an access rule turns the 403 into silence")
def dropped_source(t):
    def change(document):
        document["provisioning"]["access_rules"] = [
            {"name": "quiet", "source": f"{t.slot.stranger}/32", "action": "drop"}]
    t.sbc(change)
    stranger = t.endpoint(t.slot.stranger)
    Call.start(stranger, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(stranger.ip, 14000))
    stranger.silence(1.0)


@case("a gateway given by name is no stranger, whatever the access rules say", short=True)
def named_gateway(t):
    """Its addresses are no trunk's sources. Its answers and its BYE come in all the same, many of them
    at once, too; a call of its own stays refused."""
    names = t.own(NameServer(t.slot.inside, {"gw.carrier.example": [t.slot.carrier]}))

    def change(document):
        document["dns"] = {"servers": [names.hostport]}
        part = document["provisioning"]
        part["trunks"][1]["gateways"] = [{"uri": "sip:gw.carrier.example:5060"}]
        part["access_rules"] = [{"name": "nobody-else", "source": "0.0.0.0/0", "action": "drop"}]
    sbc = t.sbc(change)
    pbx, carrier = t.peers()
    caller = invite(t, pbx, "+4930")
    callee = Call.receive(carrier)
    for _ in range(300):  # more than a stranger may send in a burst
        callee.reply(180)
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    caller.expect(180)
    caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    callee.request("BYE")
    caller.take_bye()
    callee.expect(200, method="BYE")
    check(("gw.carrier.example", 1) in names.asked, "the name was asked for")
    Call.start(carrier, (t.slot.outside, 5060), "+4930", sdp=sdp.compose(carrier.ip, 16000))
    carrier.silence(0.3)
    check(not [raw for raw in pbx.wire if b"gw.carrier" in raw], "the carrier's name stays outside")
    sbc.wait_idle()


@case("no route: 404; a CDR says so", short=True)
def no_route(t):
    def change(document):
        document["provisioning"]["routes"][0]["match"]["called"] = "^\\+49"
    sbc = t.sbc(change)
    pbx, carrier = t.peers()
    caller = invite(t, pbx, "+33155512345")
    caller.expect(404)
    carrier.silence(0.2)
    answered(t, invite(t, pbx, "+4930"), carrier)
    codes = sorted(c["sip_code"] for c in sbc.wait_cdrs(2))
    equal(codes, [200, 404], "the CDRs' codes")


@case("routes in order of priority; the called number is rewritten")
def rewrite(t):
    def change(document):
        part = document["provisioning"]
        part["trunks"].append(trunk("special", "outside", f"sip:{t.slot.carrier2}:5060"))
        part["routes"] += [
            {"name": "emergency", "priority": 1, "match": {"called": "^11[02]$"},
             "targets": [{"trunk": "special"}]},
            {"name": "international", "priority": 50, "match": {"trunk": "pbx", "called": "^00"},
             "rewrite": {"called": [{"match": "^00(.*)$", "replace": "+$1"}],
                         "calling": [{"match": "^al(.*)$", "replace": "x$1"}]},
             "targets": [{"trunk": "carrier"}]}]
    t.sbc(change)
    pbx, carrier = t.peers()
    special = t.endpoint(t.slot.carrier2)
    answered(t, invite(t, pbx, "112"), special)
    callee = answered(t, invite(t, pbx, "003315551234"), carrier)
    check(callee.invite.uri.startswith("sip:+3315551234@"), f"rewritten: {callee.invite.uri}")
    check("sip:+3315551234@" in callee.invite.get("To"), f"To: {callee.invite.get('To')}")
    check("sip:xice@" in callee.invite.get("From"), f"From: {callee.invite.get('From')}")


@case("failover on 503", short=True)
def failover_503(t):
    sbc = t.sbc(two_carriers(t))
    pbx, carrier = t.peers()
    backup = t.endpoint(t.slot.carrier2)
    caller = invite(t, pbx)
    first = Call.receive(carrier)
    first.reply(503)
    first.take_request("ACK")
    second = answered(t, caller, backup)
    check(second.call_id != first.call_id, "each attempt has a Call-ID of its own")
    cdr, = sbc.wait_cdrs(1)
    equal(cdr["sip_code"], 200, "the CDR's code")
    equal(len(cdr["attempts"]), 2, f"attempts in {cdr}")


@case("failover on silence, by the timer for the first response")
def failover_silence(t):
    t.sbc(two_carriers(t, timers={"first_response_ms": 800}))
    pbx, carrier = t.peers()
    backup = t.endpoint(t.slot.carrier2)
    begin = time.monotonic()
    caller = invite(t, pbx)
    Call.receive(carrier)
    answered(t, caller, backup)
    check(0.7 < time.monotonic() - begin < 3, f"took {time.monotonic() - begin:.2f} s")


@case("failover: the first target answers 200 too late, and gets ACK and BYE")
def late_answer(t):
    t.sbc(two_carriers(t, timers={"first_response_ms": 500}))
    pbx, carrier = t.peers()
    backup = t.endpoint(t.slot.carrier2)
    caller = invite(t, pbx)
    first = Call.receive(carrier)
    second = Call.receive(backup)
    second.reply(180)
    caller.expect(180)
    first.reply(200, sdp.compose(carrier.ip, 16000))
    first.take_request("ACK")
    first.take_bye()
    second.reply(200, sdp.compose(backup.ip, 16000))
    caller.expect(200)
    caller.ack()
    second.take_request("ACK")
    caller.request("BYE")
    second.take_bye()


@case("failover on a transport error: nobody at the UDP port")
def failover_icmp(t):
    t.sbc(two_carriers(t))
    pbx = t.endpoint(t.slot.pbx)
    backup = t.endpoint(t.slot.carrier2)
    begin = time.monotonic()
    answered(t, invite(t, pbx), backup, 6)
    check(time.monotonic() - begin < 3, f"took {time.monotonic() - begin:.2f} s")


@case("failover on a transport error: TCP refused")
def failover_refused(t):
    def change(document):
        two_carriers(t)(document)
        document["provisioning"]["trunks"][1]["gateways"] = [
            {"uri": f"sip:{t.slot.carrier}:5060;transport=tcp"}]
    t.sbc(change)
    pbx = t.endpoint(t.slot.pbx)
    backup = t.endpoint(t.slot.carrier2)
    begin = time.monotonic()
    answered(t, invite(t, pbx), backup, 6)
    check(time.monotonic() - begin < 3, f"took {time.monotonic() - begin:.2f} s")


@case("failover within a trunk: its gateways by priority")
def failover_gateways(t):
    def change(document):
        document["provisioning"]["trunks"][1]["gateways"] = [
            {"uri": f"sip:{t.slot.carrier2}:5060", "priority": 2},
            {"uri": f"sip:{t.slot.carrier}:5060", "priority": 1}]
    t.sbc(change)
    pbx, carrier = t.peers()
    second = t.endpoint(t.slot.carrier2)
    caller = invite(t, pbx)
    first = Call.receive(carrier)
    first.reply(500)
    first.take_request("ACK")
    answered(t, caller, second)


@case("a user's own answer is final: 486, 600, 603, 480", short=True)
def final(t):
    sbc = t.sbc(two_carriers(t))
    pbx, carrier = t.peers()
    backup = t.endpoint(t.slot.carrier2)
    for status in (486, 600, 603, 480):
        caller = invite(t, pbx)
        callee = Call.receive(carrier)
        callee.reply(status, reason="Nein")
        callee.take_request("ACK")
        caller.expect(status)
    backup.silence(0.3)
    equal(sorted(c["sip_code"] for c in sbc.wait_cdrs(4)), [480, 486, 600, 603], "CDR codes")


@case("all targets fail: the caller gets one final answer")
def all_fail(t):
    sbc = t.sbc(two_carriers(t))
    pbx, carrier = t.peers()
    backup = t.endpoint(t.slot.carrier2)
    caller = invite(t, pbx)
    for endpoint in (carrier, backup):
        callee = Call.receive(endpoint)
        callee.reply(503)
        callee.take_request("ACK")
    answer = pbx.take(lambda m: m.status >= 200)
    check(answer is not None and answer.status // 100 == 5, f"the caller got {answer}")
    caller.ack_failure(answer)
    sbc.wait_idle()
    equal(len(sbc.wait_cdrs(1)), 1, "CDRs")


@case("nobody answers at all: the caller gets 408 or 503")
def nobody(t):
    def change(document):
        document["provisioning"]["trunks"][1]["timers"] = {"first_response_ms": 500}
    sbc = t.sbc(change)
    pbx, carrier = t.peers()
    caller = invite(t, pbx)
    Call.receive(carrier)
    answer = pbx.take(lambda m: m.status >= 200, 3)
    check(answer is not None and answer.status in (408, 503, 504), f"the caller got {answer}")
    caller.ack_failure(answer)
    sbc.wait_idle()


@case("`failover` of a trunk changes which answers go on")
def own_codes(t):
    t.sbc(two_carriers(t, failover=[486]))
    pbx, carrier = t.peers()
    backup = t.endpoint(t.slot.carrier2)
    caller = invite(t, pbx)
    callee = Call.receive(carrier)
    callee.reply(486)
    callee.take_request("ACK")
    answered(t, caller, backup)
    caller = invite(t, pbx)
    callee = Call.receive(carrier)
    callee.reply(503)
    callee.take_request("ACK")
    answer = pbx.take(lambda m: m.status >= 200)  # RFC 3261 16.7: 500, so that the caller stays
    check(answer is not None and answer.status in (500, 503), f"the caller got {answer}")
    caller.ack_failure(answer)
    backup.silence(0.2)


@case("ringing too long: the callee gets CANCEL, the caller a final answer")
def ring_timeout(t):
    def change(document):
        document["provisioning"]["trunks"][1]["timers"] = {"ring_s": 1}
    sbc = t.sbc(change)
    pbx, carrier = t.peers()
    caller = invite(t, pbx)
    callee = Call.receive(carrier)
    callee.reply(180)
    caller.expect(180)
    callee.reply(200, request=callee.take_request("CANCEL", 4))
    callee.reply(487)
    callee.take_request("ACK")
    answer = pbx.take(lambda m: m.status >= 300, 3)
    check(answer is not None and answer.status in (408, 480, 487), f"the caller got {answer}")
    caller.ack_failure(answer)
    sbc.wait_idle()


@case("a trunk's limit of calls: the next gets 503")
def limit_calls(t):
    def change(document):
        document["provisioning"]["trunks"][1]["limits"] = {"calls": 1}
    t.sbc(change)
    pbx, carrier = t.peers()
    first = invite(t, pbx)
    callee = Call.receive(carrier)
    callee.reply(180)
    first.expect(180)
    second = invite(t, pbx)
    second.expect(503)
    first.cancel()
    first.expect(200, method="CANCEL")
    callee.reply(200, request=callee.take_request("CANCEL"))
    callee.reply(487)
    callee.take_request("ACK")
    first.expect(487)
    answered(t, invite(t, pbx), carrier)


@case("Max-Forwards 0 gets 483; otherwise it goes down")
def max_forwards(t):
    t.sbc()
    pbx, carrier = t.peers()
    caller = invite(t, pbx)
    callee = Call.receive(carrier)
    check(int(callee.invite.get("Max-Forwards")) <= 69, callee.invite.get("Max-Forwards"))
    callee.reply(486)
    callee.take_request("ACK")
    caller.expect(486)
    original = Call._request

    def without_hops(self, *args, **more):
        return original(self, *args, **more).set("Max-Forwards", "0")
    Call._request = without_hops
    try:
        spent = invite(t, pbx)
    finally:
        Call._request = original
    spent.expect(483)
    carrier.silence(0.2)


@case("methods that are not served get 405 with Allow; unknown ones too")
def other_methods(t):
    t.sbc()
    pbx, carrier = t.peers()
    for method in ("PUBLISH", "FROBNICATE"):
        call = Call(pbx, (t.slot.inside, 5060))
        call.call_id, call.local = f"{method}-1", "<sip:a@a>;tag=1"
        call.remote, call.remote_target = f"<sip:b@{t.slot.inside}>", f"sip:b@{t.slot.inside}"
        call.request(method)
        answer = pbx.take(lambda m: m.status >= 200)
        check(answer is not None and answer.status in (405, 501), f"{method}: {answer}")
        check(answer.status != 405 or "INVITE" in (answer.get("Allow") or ""), f"Allow in\n{answer}")
    carrier.silence(0.2)


@case("an extension that is required and unknown gets 420 with Unsupported")
def bad_extension(t):
    t.sbc()
    pbx, carrier = t.peers()
    caller = invite(t, pbx, headers=[("Require", "quantum-teleport")])
    equal(caller.expect(420).get("Unsupported"), "quantum-teleport", "Unsupported")
    carrier.silence(0.2)


@case("a gateway by name is resolved (localhost), with its port")
def by_name(t):
    port = t.slot.port(0)

    def change(document):
        document["provisioning"]["trunks"][1].update(
            {"gateways": [{"uri": f"sip:localhost:{port}"}], "sources": ["127.0.0.1/32"]})
    t.sbc(change)
    check(socket.gethostbyname("localhost").startswith("127."), "localhost is a loopback address")
    pbx, far = t.endpoint(t.slot.pbx), t.endpoint("127.0.0.1", port)
    answered(t, invite(t, pbx), far, 8)
