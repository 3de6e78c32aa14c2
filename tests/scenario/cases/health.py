# SPDX-License-Identifier: MIT
"""Gateways that are watched: OPTIONS that are answered, missed, refused or answered by a stranger, and
where calls go meanwhile."""
import re
import time

from harness import sdp
from harness.case import case
from harness.check import Failed, check, equal
from harness.sbc import trunk
from harness.sip import Call, Endpoint, Message, token

from cases.routing import answered, invite, two_carriers


class Gateway(Endpoint):
    """Answers OPTIONS by itself whenever it reads: `answers` is a status, or None for silence."""

    def __init__(self, ip, port=5060):
        super().__init__(ip, port)
        self.answers, self.headers = 200, []
        self.asked = []     # a message for each OPTIONS, repeated ones not counted
        self.accomplice = None

    def _take(self, raw, source):
        super()._take(raw, source)
        message = self.inbox[-1] if self.inbox else None
        if message is None or message.method != "OPTIONS" or not message.is_request:
            return
        self.inbox.pop()
        if not message.again:
            self.asked.append((time.monotonic(), message))
        if self.answers:
            self.send(answer(message, self.answers, self.headers), source)
        if self.accomplice:
            self.accomplice.send(answer(message, 200), source)


def answer(request, status, headers=()):
    return Message(f"SIP/2.0 {status} Well", [
        (name, request.get(name)) for name in ("Via", "From", "Call-ID", "CSeq")]
        + [("To", f"{request.get('To')};tag={token()}")] + list(headers))


def gateways(t):
    return t.own(Gateway(t.slot.carrier)), t.own(Gateway(t.slot.carrier2))


def status(sbc, name="carrier"):
    return sbc.rest("GET", f"/trunks/{name}/status")["gateways"][0]


def serve(endpoints, until, text, timeout_s=15):
    """Lets gateways answer until something holds, which is returned."""
    end = time.monotonic() + timeout_s
    while True:
        for endpoint in endpoints:
            while endpoint.pump(0.02):
                pass
        got = until()
        if got:
            return got
        if time.monotonic() > end:
            raise Failed(f"{text}: not within {timeout_s} s (last: {got!r})")


def wait_state(sbc, endpoints, wanted, name="carrier", timeout_s=15):
    def probe():
        got = status(sbc, name)
        return got if got["state"] == wanted else None
    return serve(endpoints, probe, f"{name} is {wanted}", timeout_s)


def probed(t, interval_s=1, **more):
    return two_carriers(t, probe={"interval_s": interval_s}, **more)


def events(sbc, name, gateway):
    return len(re.findall(rf"event={name} .*{re.escape(gateway)}", sbc.children["sbcd"].output()))


def up_metric(sbc, name, ip):
    return sbc.metrics()[f'sbc_trunk_up{{trunk="{name}",gateway="sip:{ip}:5060"}}']


@case("a gateway that answers OPTIONS is up; what it is asked", short=True)
def is_up(t):
    sbc = t.sbc(probed(t))
    first, second = gateways(t)
    second.answers = 404   # also a sign of life
    got = wait_state(sbc, (first, second), "up")
    equal(got["last_code"], 200, "last_code")
    check(got["rtt_ms"] > 0 and got["changed_at"], f"rtt and time of the change in {got}")
    equal(wait_state(sbc, (first, second), "up", "backup")["last_code"], 404, "last_code of a 404")
    _, asked = first.asked[0]
    check(asked.uri.startswith(f"sip:{t.slot.carrier}"), f"Request-URI {asked.uri}")
    equal(asked.get("Max-Forwards"), "70", "Max-Forwards")
    equal(asked.get("Accept"), "application/sdp", "Accept")
    equal(asked.source[0], t.slot.outside, "sent from the realm's listener")
    for name in ("From", "Contact", "Via"):
        check(t.slot.outside in asked.get(name), f"{name}: {asked.get(name)}")
    check(t.slot.carrier in asked.get("To") and not asked.tag("To"), f"To: {asked.get('To')}")
    check(t.slot.inside.encode() not in asked.raw, "the inside is shown")
    equal(up_metric(sbc, "carrier", t.slot.carrier), 1, "sbc_trunk_up")
    check(sbc.metrics()["sbc_trunk_options_rtt_seconds_count"] >= 2, "OPTIONS were timed")
    equal(sbc.rest("GET", "/trunks/pbx/status")["gateways"][0]["state"], "unknown",
          "the state of a trunk that is not probed")


@case("three misses: down, and calls go elsewhere at once; two answers: back", short=True)
def down_and_back(t):
    sbc = t.sbc(probed(t))
    both = gateways(t)
    first, second = both
    pbx = t.endpoint(t.slot.pbx)
    wait_state(sbc, both, "up")
    wait_state(sbc, both, "up", "backup")
    answered(t, invite(t, pbx), first)
    first.answers = None
    before = len(first.asked)
    wait_state(sbc, both, "down")
    check(2 <= len(first.asked) - before <= 3, f"{len(first.asked) - before} OPTIONS before it was down")
    equal(up_metric(sbc, "carrier", t.slot.carrier), 0, "sbc_trunk_up")
    for _ in range(3):
        answered(t, invite(t, pbx), second)
    check(not [m for m in first.inbox if m.method == "INVITE"], "a gateway that is down was called")
    cdr = sbc.wait_cdrs(4)[0]
    equal(len(cdr["attempts"]), 1, f"attempts of {cdr}")
    equal(events(sbc, "gateway_down", first.ip), 1, "gateway_down in the log")

    before = len(first.asked)
    first.answers = 200
    wait_state(sbc, both, "up")
    equal(len(first.asked) - before, 2, "answers before it was up again")
    answered(t, invite(t, pbx), first)
    equal(up_metric(sbc, "carrier", t.slot.carrier), 1, "sbc_trunk_up")
    equal(events(sbc, "gateway_up", first.ip), 2, "gateway_up in the log")
    changes = f'sbc_trunk_state_changes_total{{trunk="carrier",gateway="sip:{first.ip}:5060"}}'
    equal(sbc.metrics()[changes], 3, "changes: up, down, up")


@case("all gateways are down: they are tried all the same")
def last_resort(t):
    sbc = t.sbc(probed(t, timers={"first_response_ms": 500}))
    both = gateways(t)
    first, second = both
    pbx = t.endpoint(t.slot.pbx)
    first.answers = second.answers = None
    wait_state(sbc, both, "down")
    wait_state(sbc, both, "down", "backup")
    caller = invite(t, pbx)
    Call.receive(first)
    answered(t, caller, second)


@case("nobody at the port: down without waiting for silence, back once somebody is")
def refused(t):
    def change(document):
        probed(t)(document)
        document["provisioning"]["trunks"][2]["realm"] = "inside"
    sbc = t.sbc(change)
    second = t.own(Gateway(t.slot.carrier2))
    pbx = t.endpoint(t.slot.pbx)
    wait_state(sbc, [second], "up", "backup")
    wait_state(sbc, [second], "down")
    callee = answered(t, invite(t, pbx), second)
    equal(sdp.Session(callee.invite.body).audio.address, t.slot.inside,
          "the media address, of the second target's realm")
    first = t.own(Gateway(t.slot.carrier))
    wait_state(sbc, (first, second), "up")
    callee = answered(t, invite(t, pbx), first)
    equal(sdp.Session(callee.invite.body).audio.address, t.slot.outside, "the media address")


@case("INVITE answered 503 with Retry-After: left alone for that time, probed or not", short=True)
def retry_after(t):
    sbc = t.sbc(two_carriers(t))
    both = gateways(t)
    first, second = both
    pbx = t.endpoint(t.slot.pbx)

    def refuse(headers):
        caller = invite(t, pbx)
        callee = Call.receive(first)
        callee.reply(503, headers=headers)
        callee.take_request("ACK")
        answered(t, caller, second)

    refuse([])   # without a time it is for this call only
    refuse([("Retry-After", "2 (we are busy)")])
    begin = time.monotonic()
    equal(status(sbc)["state"], "busy", "state")
    equal(status(sbc)["last_code"], 503, "last_code")
    answered(t, invite(t, pbx), second)
    first.silence(0.1)
    time.sleep(max(0, begin + 2.2 - time.monotonic()))
    # One call goes there to see, while others are kept away until it is known.
    trial = invite(t, pbx)
    callee = Call.receive(first)
    answered(t, invite(t, pbx), second)
    callee.reply(180)
    trial.expect(180)
    equal(status(sbc)["state"], "up", "state after an answer to the trial")
    callee.reply(200, sdp.compose(first.ip, 16000))
    trial.expect(200)
    trial.ack()
    callee.take_request("ACK")
    trial.request("BYE")
    callee.take_bye()
    trial.expect(200, method="BYE")
    answered(t, invite(t, pbx), first)


@case("OPTIONS answered 503: no calls for that time; not a moment of probing more")
def probe_refused(t):
    sbc = t.sbc(probed(t))
    both = gateways(t)
    first, second = both
    pbx = t.endpoint(t.slot.pbx)
    wait_state(sbc, both, "up", "backup")
    first.answers, first.headers = 503, [("Retry-After", "3")]
    wait_state(sbc, both, "busy")
    begin, before = first.asked[-1][0], len(first.asked)
    answered(t, invite(t, pbx), second)
    first.answers, first.headers = 200, []
    wait_state(sbc, both, "up")
    check(first.asked[before][0] - begin >= 2.9, "asked again before its time")
    answered(t, invite(t, pbx), first)


@case("calls that get no answer count, too; then the gateway is asked soon")
def passive(t):
    sbc = t.sbc(probed(t, interval_s=3600, timers={"first_response_ms": 300}))
    both = gateways(t)
    first, second = both
    pbx = t.endpoint(t.slot.pbx)
    wait_state(sbc, both, "up")
    for _ in range(3):
        if status(sbc)["state"] == "down":
            break
        caller = invite(t, pbx)
        Call.receive(first)
        answered(t, caller, second)
    wait_state(sbc, both, "down")
    answered(t, invite(t, pbx), second)
    before = len(first.asked)
    serve(both, lambda: len(first.asked) > before, "OPTIONS to the gateway that is down", 8)


@case("a live change keeps what is known of a gateway that stays the same", short=True)
def live_change(t):
    sbc = t.sbc(probed(t))
    both = gateways(t)
    first, second = both
    pbx = t.endpoint(t.slot.pbx)
    first.answers = None
    down = wait_state(sbc, both, "down")
    sbc.rest("PATCH", "/trunks/carrier", {"limits": {"calls": 50}, "probe": {"interval_s": 2}})
    got = status(sbc)
    equal((got["state"], got["changed_at"]), ("down", down["changed_at"]), "after another limit")
    answered(t, invite(t, pbx), second)
    sbc.rest("PATCH", "/trunks/carrier", {"probe": None})
    equal(status(sbc)["state"], "unknown", "when nobody asks any more")
    before = len(first.asked)
    answered(t, invite(t, pbx), first)
    equal(status(sbc)["state"], "up", "by its answer to a call")
    serve(both, lambda: True, "what is there is read")
    equal(len(first.asked), before, "OPTIONS since nobody asks any more")
    sbc.rest("PATCH", "/trunks/carrier", {"probe": {"interval_s": 1},
                                          "gateways": [{"uri": f"sip:{t.slot.carrier2}:5060"}]})
    wait_state(sbc, both, "up")
    check(f"sip:{t.slot.carrier2}" in second.asked[-1][1].uri, "the new gateway is asked")
    sbc.rest("PATCH", "/routes/to-carrier", {"targets": [{"trunk": "carrier"}]})
    sbc.rest("DELETE", "/trunks/backup")
    wait_state(sbc, both, "up")
    answered(t, invite(t, pbx), second)


@case("answers from a stranger who overheard the question do not count", short=True)
def stranger(t):
    sbc = t.sbc(probed(t))
    both = gateways(t)
    first, _ = both
    first.accomplice = t.endpoint(t.slot.stranger)
    first.answers = None
    wait_state(sbc, both, "down")
    # Nor do they bring it back.
    before = len(first.asked)
    serve(both, lambda: len(first.asked) >= before + 3, "three more OPTIONS")
    equal(status(sbc)["state"], "down", "the state, by a stranger's word")


@case("every worker knows of a gateway that is down")
def workers(t):
    sbc = t.sbc(probed(t), workers=3)
    both = gateways(t)
    first, second = both
    pbx = t.endpoint(t.slot.pbx)
    wait_state(sbc, both, "up")
    first.answers = None
    wait_state(sbc, both, "down")
    for _ in range(12):
        answered(t, invite(t, pbx), second)
    check(not [m for m in first.inbox if m.method == "INVITE"], "a gateway that is down was called")
    first.answers = 200
    wait_state(sbc, both, "up")
    for _ in range(6):
        answered(t, invite(t, pbx), first)
    # Three silent calls on whatever workers take it down again, or fewer: a silent call also brings
    # the next probe forward, and that is not answered either.
    first.answers = None
    sbc.rest("PATCH", "/trunks/carrier", {"probe": {"interval_s": 3600},
                                          "timers": {"first_response_ms": 300}})
    time.sleep(0.2)
    for _ in range(3):
        if status(sbc)["state"] == "down":
            break
        caller = invite(t, pbx)
        Call.receive(first)
        answered(t, caller, second)
    wait_state(sbc, both, "down")


@case("many gateways are not asked all at once")
def spread(t):
    def change(document):
        document["provisioning"]["trunks"] += [
            trunk(f"many-{i}", "outside", f"sip:{t.slot.carrier}:5060", probe={"interval_s": 2},
                  sources=[f"203.0.113.{i}/32"]) for i in range(60)]
    t.sbc(change)
    first = t.own(Gateway(t.slot.carrier))
    serve([first], lambda: len(first.asked) >= 180, "three rounds of OPTIONS", 20)
    times = [when for when, _ in first.asked]
    crowd = max(sum(1 for other in times if when <= other < when + 0.1) for when in times)
    check(crowd <= 30, f"{crowd} of 60 gateways asked within 0.1 s")
