# SPDX-License-Identifier: MIT
"""The configuration as an operator meets it: errors with path, value and remedy; writes that are in
force when they are answered, or change nothing; versions; live changes under live calls."""
import copy
import json
import os
import stat
import subprocess

from harness import sdp
from harness.case import case
from harness.check import check, equal
from harness.sbc import program, trunk
from harness.sip import Call

from cases.basic import establish

# What is wrong: how to make it so, the path that must be named, the value that must be shown.
MISTAKES = [
    ("an unknown field", lambda p: p["trunks"][0].update(colour="red"), "/trunks/0/colour", ""),
    ("a trunk in no realm", lambda p: p["trunks"][0].update(realm="nowhere"), "/trunks/0/realm",
     "nowhere"),
    ("a port out of range", lambda p: p["realms"][0]["listeners"][0].update(port=70000),
     "/realms/0/listeners/0/port", "70000"),
    ("a transport of no kind", lambda p: p["realms"][0]["listeners"][0].update(transport="pigeon"),
     "/realms/0/listeners/0/transport", "pigeon"),
    ("a range upside down", lambda p: p["realms"][0]["media"].update(port_min=300, port_max=200),
     "/realms/0/media", ""),
    ("an address that is none", lambda p: p["realms"][0]["media"].update(address="10.0.0.256"),
     "/realms/0/media/address", "10.0.0.256"),
    ("an expression that does not compile", lambda p: p["routes"][0]["match"].update(called="^(a"),
     "/routes/0/match/called", "^(a"),
    ("a target that is no trunk", lambda p: p["routes"][0]["targets"][0].update(trunk="ghost"),
     "/routes/0/targets/0/trunk", "ghost"),
    ("a name twice", lambda p: p["trunks"][1].update(name="pbx"), "/trunks/1/name", "pbx"),
    ("a number as text", lambda p: p["routes"][0].update(priority="10"), "/routes/0/priority", "10"),
    ("a gateway that is no SIP URI", lambda p: p["trunks"][0]["gateways"][0].update(uri="http://x"),
     "/trunks/0/gateways/0/uri", "http://x"),
    ("a source that is no prefix", lambda p: p["trunks"][0].update(sources=["10.0.0.0/33"]),
     "/trunks/0/sources/0", "10.0.0.0/33"),
    ("a route without targets", lambda p: p["routes"][0].pop("targets"), "/routes/0", ""),
    ("realms that are no list", lambda p: p.update(realms={}), "/realms", ""),
    ("a replacement of a group that is not there",
     lambda p: p["routes"][0].update(rewrite={"called": [{"match": "^a", "replace": "$7"}]}),
     "/routes/0/rewrite/called/0", "$7"),
]


@case("--check accepts a good document, with comments", short=True)
def check_good(t):
    sbc = t.sbc()
    text = "// a comment\n" + json.dumps(sbc.document, indent=1).replace("{", "{ // here\n", 1)
    for name in ("sbcd", "media-relayd", "mgmt-apid"):
        code, output = sbc.check_config(text, name)
        equal(code, 0, f"{name} --check: {output}")


@case("--check names path and value of each mistake", short=True)
def check_bad(t):
    sbc = t.sbc()
    for what, spoil, path, value in MISTAKES:
        document = copy.deepcopy(sbc.document)
        spoil(document["provisioning"])
        code, output = sbc.check_config(document)
        check(code != 0, f"{what}: --check ended with 0")
        check(path in output, f"{what}: no {path} in {output}")
        check(value in output, f"{what}: no {value} in {output}")
    for text in ("{", "", "[]", "{\"provisioning\": {}} x", "{\"a\": 1, \"a\": 2}", "nul"):
        code, output = sbc.check_config(text)
        check(code != 0 and output.strip(), f"{text!r}: {code} {output}")


@case("--help, --version, a usage error, a missing file")
def usage(t):
    del t
    for name in ("sbcd", "media-relayd", "mgmt-apid"):
        path = program(name)
        for flag in ("--help", "--version"):
            done = subprocess.run([path, flag], capture_output=True, text=True, timeout=10, check=False)
            check(done.returncode == 0 and done.stdout.strip(), f"{name} {flag}: {done}")
        for bad in (["--nonsense"], ["--config", "/nonexistent/sbc.json"]):
            done = subprocess.run([path] + bad, capture_output=True, text=True, timeout=10, check=False)
            check(done.returncode != 0 and (done.stderr + done.stdout).strip(), f"{name} {bad}: {done}")


@case("a bad document in the PUT of /config changes nothing, and says why", short=True)
def put_bad(t):
    sbc = t.sbc()
    before = sbc.rest("GET", "/config")
    versions = sbc.rest("GET", "/config/versions")["items"]
    for what, spoil, path, _ in MISTAKES:
        document = copy.deepcopy(before)
        spoil(document)
        status, fields, body = sbc.http("PUT", "/api/v1/config", document)
        check(status in (400, 422), f"{what}: {status} {body}")
        check(fields["Content-Type"].startswith("application/problem+json"), f"{what}: {fields}")
        check(body["status"] == status and body.get("title"), f"{what}: {body}")
        check(path in json.dumps(body), f"{what}: no {path} in {body}")
    for raw in (b"{", b"", b"[]", b"{\"realms\": [], \"realms\": []}", b"[" * 100000, b"\xff\xfe"):
        status = sbc.http("PUT", "/api/v1/config", raw)[0]
        check(status in (400, 413, 422), f"{raw[:30]!r}: {status}")
    equal(sbc.rest("GET", "/config"), before, "the document afterwards")
    equal(sbc.rest("GET", "/config/versions")["items"], versions, "versions afterwards")
    pbx, carrier = t.peers()
    establish(t, pbx, carrier, t.slot.inside)


@case("dry run, versions and restore")
def versions_and_restore(t):
    sbc = t.sbc()
    before = sbc.rest("GET", "/config")
    changed = copy.deepcopy(before)
    changed["routes"][0]["priority"] = 7
    count = len(sbc.rest("GET", "/config/versions")["items"])
    sbc.rest("PUT", "/config?dry_run=true", changed, (200, 204))
    equal(sbc.rest("GET", "/config"), before, "the document after a dry run")
    sbc.rest("PUT", "/config", changed)
    equal(sbc.rest("GET", "/routes/to-carrier")["priority"], 7, "the new priority")
    items = sbc.rest("GET", "/config/versions")["items"]
    equal(len(items), count + 1, "versions")
    oldest = min(item["version"] for item in items)
    sbc.rest("POST", f"/config/versions/{oldest}/restore")
    equal(sbc.rest("GET", "/config"), before, "the document after a restore")
    sbc.rest("POST", "/config/versions/999999/restore", wanted=404)


@case("create, replace, patch, delete; ETag and If-Match", short=True)
def resources(t):
    sbc = t.sbc()
    one = trunk("extra", "outside", f"sip:{t.slot.carrier2}:5060")
    body = {key: value for key, value in one.items() if key != "name"}
    sbc.rest("PUT", "/trunks/extra", body, wanted=201)
    sbc.rest("PUT", "/trunks/extra", one, wanted=200)
    status, fields, got = sbc.http("GET", "/api/v1/trunks/extra")
    etag = fields.get("ETag")
    check(status == 200 and etag, f"{status} {dict(fields)}")
    equal(got["gateways"][0]["uri"], one["gateways"][0]["uri"], "what was written")
    sbc.rest("PATCH", "/trunks/extra", {"limits": {"calls": 5}}, headers={"If-Match": etag})
    sbc.rest("PATCH", "/trunks/extra", {"limits": {"calls": 6}}, 412, headers={"If-Match": etag})
    equal(sbc.rest("GET", "/trunks/extra")["limits"]["calls"], 5, "the limit")
    sbc.rest("PATCH", "/trunks/extra", {"limits": None})
    check("calls" not in (sbc.rest("GET", "/trunks/extra").get("limits") or {}), "the limit is gone")
    names = [item["name"] for item in sbc.rest("GET", "/trunks")["items"]]
    equal(sorted(names), ["carrier", "extra", "pbx"], "the trunks")
    in_use = sbc.rest("DELETE", "/trunks/carrier", wanted=409)
    check("to-carrier" in json.dumps(in_use), f"who uses it: {in_use}")
    sbc.rest("DELETE", "/realms/outside", wanted=409)
    sbc.rest("DELETE", "/trunks/extra", wanted=204)
    sbc.rest("GET", "/trunks/extra", wanted=404)
    sbc.rest("PUT", "/trunks/extra", {**body, "name": "other"}, wanted=(400, 422))
    sbc.rest("PUT", "/trunks/extra", {**body, "realm": "nowhere"}, wanted=(400, 422))
    sbc.rest("GET", "/trunks/extra", wanted=404)


@case("a secret is never shown again; writing *** back keeps it")
def secrets(t):
    def change(document):
        document["provisioning"]["trunks"][1]["auth"] = {"username": "acct", "password": "MARK-secret"}
    sbc = t.sbc(change)
    equal(sbc.rest("GET", "/trunks/carrier")["auth"]["password"], "***", "the password")
    whole = sbc.rest("GET", "/config")
    check("MARK-secret" not in json.dumps(whole), "the secret in GET /config")
    sbc.rest("PUT", "/config", whole)
    one = sbc.rest("GET", "/trunks/carrier")
    one["limits"] = {"calls": 3}
    sbc.rest("PUT", "/trunks/carrier", one)
    for name, child in sbc.children.items():
        check("MARK-secret" not in child.output(), f"the secret is in {name}'s log")
    for path in ("/api/v1/config/versions", "/api/v1/stats", "/metrics"):
        check("MARK-secret" not in json.dumps(sbc.http("GET", path)[2]), f"the secret in {path}")


@case("no token, a wrong one, another scheme: 401; the file is private", short=True)
def tokens(t):
    sbc = t.sbc()
    path = os.path.join(sbc.state, "api.token")
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "mode of api.token")
    for resource in ("/calls", "/config", "/nothing-here", "/trunks/pbx"):
        for headers in ({}, {"Authorization": ""}, {"Authorization": "Bearer "},
                        {"Authorization": "Bearer wrong"},
                        {"Authorization": f"Basic {sbc.token()}"}, {"Authorization": sbc.token()}):
            status = sbc.http("GET", f"/api/v1{resource}", headers=headers, token=None)[0]
            check(status in (401, 429), f"{resource} with {headers}: {status}")
    equal(sbc.http("GET", "/api/v1/health", token=None)[0], 200, "/health needs no token")
    check("api.token" not in "".join(c.output() for c in sbc.children.values())
          or sbc.token() not in "".join(c.output() for c in sbc.children.values()), "token in a log")


@case("a live change: the call that is up is untouched, the next one goes elsewhere", short=True)
def live_change(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    backup = t.endpoint(t.slot.carrier2)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    sbc.rest("PATCH", "/trunks/carrier", {"gateways": [{"uri": f"sip:{t.slot.carrier2}:5060"}]})
    second = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14100))
    moved = Call.receive(backup)
    moved.reply(486)
    second.expect(486)
    carrier.silence(0.1)
    caller.send_invite(sdp.compose(pbx.ip, 14000, version=2))
    callee.take_request("INVITE")
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    callee.request("BYE")
    caller.take_bye()
    callee.expect(200, method="BYE")
    sbc.wait_cdrs(2)


@case("a new realm and trunk over REST take calls at once; a removed listener is closed")
def new_realm(t):
    sbc = t.sbc()
    third = t.slot.ip(3)
    sbc.rest("PUT", "/realms/third", {
        "listeners": [{"transport": "udp", "address": third, "port": 5060}],
        "media": {"address": third, "port_min": 40000, "port_max": 40019}}, wanted=201)
    sbc.rest("PUT", "/trunks/new", {"realm": "third",
                                    "gateways": [{"uri": f"sip:{t.slot.carrier2}:5060"}]}, wanted=201)
    sbc.rest("PUT", "/routes/to-new", {"priority": 1, "match": {"called": "^99"},
                                       "targets": [{"trunk": "new"}]}, wanted=201)
    pbx, new = t.endpoint(t.slot.pbx), t.endpoint(t.slot.carrier2)
    caller, callee = establish(t, pbx, new, t.slot.inside, called="991")
    equal(sdp.Session(callee.invite.body).audio.address, third, "media address of the new realm")
    callee.request("BYE")
    caller.take_bye()
    callee.expect(200, method="BYE")
    sbc.rest("DELETE", "/routes/to-new", wanted=204)
    sbc.rest("DELETE", "/trunks/new", wanted=204)
    sbc.rest("DELETE", "/realms/third", wanted=204)
    Call.start(pbx, (t.slot.inside, 5060), "991", sdp=sdp.compose(pbx.ip, 14100))
    pbx.send(b"\r\n", (third, 5060))


@case("the configuration stays in force while mgmt-apid is away and sbcd restarts")
def snapshot(t):
    sbc = t.sbc()
    sbc.rest("PATCH", "/trunks/carrier", {"gateways": [{"uri": f"sip:{t.slot.carrier2}:5060"}]})
    sbc.kill("mgmt-apid")
    sbc.kill("sbcd")
    sbc.restart("sbcd")
    pbx, backup = t.endpoint(t.slot.pbx), t.endpoint(t.slot.carrier2)
    caller = None
    for _ in range(40):
        caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
        answer = pbx.take(lambda m, c=caller: m.get("Call-ID") == c.call_id and m.status, 0.25)
        if answer is not None and answer.status < 300:
            break
        if answer is not None:
            caller.ack_failure(answer)
    callee = Call.receive(backup)
    callee.reply(200, sdp.compose(backup.ip, 16000))
    caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    sbc.restart("mgmt-apid")
    sbc.wait_ready()
    equal(len(sbc.calls()), 1, "live calls that mgmt-apid sees")
