# SPDX-License-Identifier: MIT
"""The REST API as strangers and as careless clients meet it: the gate, framing, JSON, secrets,
conditions, versions, restarts and a damaged store; and sbcctl."""
import glob
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import time

from cases.basic import establish
from harness.case import case
from harness.check import Skip, check, equal, eventually
from harness.metrics import judge_metrics
from harness.sbc import program, trunk

CORPORA = os.environ.get("SBC_CORPORA") or os.environ.get("SBC_CORPORA_DEFAULT", "")


class Raw:
    """One TCP connection on which exact bytes are sent."""

    def __init__(self, sbc):
        host, port = sbc.api.rsplit(":", 1)
        self.host = host
        self.socket = socket.create_connection((host, int(port)), 5)
        self.socket.settimeout(5)

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
        return self

    def read(self):
        """Everything until the server closes or is silent for a while."""
        self.socket.settimeout(1)
        data = b""
        try:
            while chunk := self.socket.recv(65536):
                data += chunk
        except (socket.timeout, ConnectionError):
            pass
        self.socket.close()
        return data

    def statuses(self):
        return [int(s) for s in re.findall(rb"HTTP/1\.[01] (\d{3})", self.read())]


def raw(sbc, request):
    return Raw(sbc).send(request).statuses()


# ---- the gate ----

TARGETS = ["/api/v1/trunks", "/api/v1/trunks/", "//api/v1/trunks", "/api//v1/trunks",
           "/api/../api/v1/trunks", "/api/v1/./trunks", "/api/v1/health/../trunks",
           "/api/v1/health/%2e%2e/trunks", "/api/v1/health%2f..%2ftrunks", "/api/v1/health/",
           "/api/v1/health?/../trunks/x", "/API/V1/TRUNKS", "/api/v1/%74runks", "/api/v1/nothing",
           "/nothing", "/metrics", "/api/v1/openapi.json", "/ui/", "/ui/../metrics", "/api/v1/health%00",
           "/.", "/..", "/%2e", "/api/v1/health;x=1", "/api/v1/config", "/api/v1/ready/x"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "X"]
HEADERS = ["", "Authorization:\r\n", "Authorization: Bearer\r\n", "Authorization: Bearer \r\n",
           "Authorization: Basic YWRtaW46YWRtaW4=\r\n", "authorization: token\r\n",
           "X-Forwarded-For: 127.0.0.1\r\n", "X-Original-URL: /api/v1/health\r\n",
           "X-HTTP-Method-Override: GET\r\n", "X-Rewrite-URL: /api/v1/health\r\n"]


@case("without a token every path and method answers 401", short=True)
def gate(t):
    sbc = t.sbc()
    token = sbc.token()
    open_target = "/api/v1/health?/../trunks/x"  # the query is no path: this is /health

    def refused(line, headers=""):
        got = raw(sbc, f"{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")
        check(got and set(got) <= {401, 400}, f"{line!r} with {headers!r}: {got}")
        return got[0]

    for target in TARGETS:
        for method in METHODS:
            if target == open_target and method in ("GET", "HEAD"):
                continue
            refused(f"{method} {target}")
    for headers in HEADERS:
        equal(refused("GET /api/v1/trunks", headers), 401, f"{headers!r}")
    # Two of them, each right by itself; a token in the wrong places.
    bearer = f"Authorization: Bearer {token}\r\n"
    equal(refused("GET /api/v1/trunks", bearer + bearer), 401, "the header twice")
    equal(refused("GET /api/v1/trunks", f"Cookie: token={token}\r\n"), 401, "a cookie")
    equal(refused(f"GET /api/v1/trunks?token={token}&access_token={token}"), 401, "in the query")
    equal(refused(f"GET http://{sbc.api}/api/v1/health"), 401, "absolute form")
    for line in ("GET /api/v1/trunks\r\n", "GET /api/v1/trunks HTTP/0.9\r\n\r\n",
                 "GET /api/v1/trunks HTTP/1.0\r\n\r\n"):
        got = Raw(sbc).send(line).read()
        check(b"pbx" not in got, f"{line!r} was answered: {got[:200]}")
    equal(sbc.http("GET", "/api/v1/trunks")[0], 200, "with the token")


@case("an address that guesses waits, and a valid token always passes", short=True)
def guesses(t):
    sbc = t.sbc()
    statuses = [sbc.http("GET", "/api/v1/trunks", token=f"sbc_{n:052}")[0] for n in range(12)]
    equal(statuses, [401] * 10 + [429] * 2, "twelve wrong tokens")
    fields = sbc.http("GET", "/api/v1/nothing", token="wrong")[1]
    check(int(fields["Retry-After"]) >= 1, f"{dict(fields)}")
    equal(sbc.http("GET", "/api/v1/trunks")[0], 200, "the right token meanwhile")
    equal(sbc.http("GET", "/api/v1/trunks", token=None)[0], 401, "no token: nothing was guessed")
    check(sbc.metrics()["sbc_api_auth_failures_total"] == 10, "counted once each")


@case("every answer carries the headers that bind a browser", short=True)
def security_headers(t):
    sbc = t.sbc()
    for path, token in (("/", None), ("/ui/app.js", None), ("/api/v1/trunks", None),
                        ("/api/v1/trunks", True), ("/api/v1/nothing", True), ("/metrics", True)):
        fields = sbc.http("GET", path, token=token)[1]
        policy = fields["Content-Security-Policy"]
        check("frame-ancestors 'none'" in policy and "unsafe" not in policy and
              "default-src 'none'" in policy, f"{path}: {policy}")
        equal(fields["X-Content-Type-Options"], "nosniff", path)
        check("Access-Control-Allow-Origin" not in fields, f"{path}: {dict(fields)}")
    page = sbc.http("GET", "/", token=None)[2]
    check("<script>" not in page and "style=" not in page and not re.search(r"\son\w+=", page),
          "inline script or style in the page")
    for name in re.findall(r'(?:src|href)="(/ui/[^"]+)"', page):
        equal(sbc.http("GET", name, token=None)[0], 200, name)
    # Text of calls must have no way to become markup or code.
    scripts = sbc.http("GET", "/ui/app.js", token=None)[2]
    imported = re.findall(r'from "(/ui/\w+\.js)"', scripts)
    check(len(imported) >= 3, f"{imported}")
    scripts += "".join(sbc.http("GET", name, token=None)[2] for name in imported)
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(",
                 "DOMParser", "srcdoc", "setAttribute"):
        check(word not in scripts, f"{word} in the page's scripts")


# ---- framing ----

def smuggled(body):
    return f"GET /api/v1/config HTTP/1.1\r\nHost: x\r\n\r\n{body}"


@case("ambiguous framing is refused and the connection closed", short=True)
def framing(t):
    sbc = t.sbc()
    head = (f"PUT /api/v1/trunks/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sbc.token()}\r\n")
    inner = f"DELETE /api/v1/trunks/pbx HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sbc.token()}\r\n\r\n"
    cases = {
        "length and chunked": f"{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
        "two lengths": f"{head}Content-Length: 2\r\nContent-Length: {2 + len(inner)}\r\n\r\n{{}}{inner}",
        "the same length twice": f"{head}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}{inner}",
        "a list of lengths": f"{head}Content-Length: 2, 2\r\n\r\n{{}}{inner}",
        "a signed length": f"{head}Content-Length: +2\r\n\r\n{{}}{inner}",
        "a negative length": f"{head}Content-Length: -1\r\n\r\n{inner}",
        "a length in hex": f"{head}Content-Length: 0x2\r\n\r\n{{}}{inner}",
        "a huge length": f"{head}Content-Length: 99999999999999999999999\r\n\r\n{inner}",
        "another encoding": f"{head}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{inner}",
        "chunked twice": f"{head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
        "an odd encoding": f"{head}Transfer-Encoding: xchunked\r\n\r\n{inner}",
        "a space before the colon": f"{head}Content-Length : 2\r\n\r\n{{}}{inner}",
        "a bad chunk": f"{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n{inner}",
        "a chunk that overflows": f"{head}Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{{}}\r\n0\r\n\r\n{inner}",
        "two hosts": f"{head}Host: y\r\nContent-Length: 2\r\n\r\n{{}}{inner}",
    }
    for what, request in cases.items():
        got = raw(sbc, request)
        # The library may repeat its refusal; whatever comes is one, and then the connection ends.
        check(all(400 <= status < 500 for status in got), f"{what}: {got}")
        equal(sbc.http("GET", "/api/v1/trunks/pbx")[0], 200, f"after {what} the trunk")
        equal(sbc.http("GET", "/api/v1/trunks/x")[0], 404, f"after {what} no trunk")
    # Not ambiguous, so it works: a body in chunks.
    body = '{"valid":'
    got = raw(sbc, f"{head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                   f"{len(body):x}\r\n{body}\r\n2\r\n1}}\r\n0\r\n\r\n")
    equal(got, [422], "a body in chunks")


@case("a large body is refused early, a slow one harms nobody", short=True)
def large(t):
    sbc = t.sbc()
    head = f"PUT /api/v1/config HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sbc.token()}\r\n"
    begin = time.monotonic()
    # Nothing of the body is sent: the announced length is enough.
    equal(Raw(sbc).send(f"{head}Content-Length: 1048577\r\n\r\n").statuses(), [413], "1 MiB and 1")
    check(time.monotonic() - begin < 3, "answered before the body")
    chunk = "10000\r\n" + "x" * 65536 + "\r\n"
    equal(Raw(sbc).send(f"{head}Transfer-Encoding: chunked\r\n\r\n{chunk * 17}0\r\n\r\n").statuses(),
          [413], "more than 1 MiB in chunks")
    equal(sbc.http("PUT", "/api/v1/config", b'"' + b"x" * 1048574 + b'"')[0], 422, "1 MiB of text")
    slow = Raw(sbc).send(f"{head}Content-Length: 1000\r\n\r\n{{")
    others = [Raw(sbc).send("GET /api/v1/health HTTP/1.1\r\nX-Slow:") for _ in range(20)]
    equal(sbc.http("GET", "/api/v1/trunks")[0], 200, "beside slow senders")
    for connection in [slow] + others:
        connection.socket.close()


# ---- JSON ----

@case("JSONTestSuite: never a 5xx, and what is no JSON is 400", short=True)
def json_suite(t):
    files = sorted(glob.glob(os.path.join(CORPORA, "rest-json/JSONTestSuite/test_parsing/*.json")))
    if not files:
        raise Skip("the JSONTestSuite is not there")
    sbc = t.sbc()
    before = sbc.rest("GET", "/config")
    for path in files:
        name = os.path.basename(path)
        with open(path, "rb") as file:
            body = file.read()
        for method, target in (("PUT", "/config"), ("PUT", "/trunks/x"), ("PATCH", "/trunks/pbx")):
            status, fields, answer = sbc.http(method, "/api/v1" + target, body)
            if name.startswith("n_"):
                equal(status, 400, f"{method} {name}")
            else:
                # A patch may be valid JSON that changes nothing, such as an empty object.
                check(400 <= status < 500 or (method == "PATCH" and status == 200),
                      f"{method} {name}: {status} {answer}")
            if status >= 400:
                check(fields["Content-Type"] == "application/problem+json", f"{name}: {dict(fields)}")
    equal(sbc.rest("GET", "/config"), before, "the document afterwards")


@case("a depth bomb and duplicates are refused at once", short=True)
def bombs(t):
    sbc = t.sbc()
    for body in (b"[" * 100000, b"[" * 100000 + b"]" * 100000, b'{"a":' * 100000, b"[" * 33 + b"]" * 33):
        status, _, answer = sbc.http("PUT", "/api/v1/config", body)
        equal(status, 400, f"{body[:5]!r} …: {answer}")
    for body in (b'{"trunks":[],"trunks":[]}', b'{"a":1e400}', b'"\\ud800"', b'"\xff"', b"\x00",
                 b"[1]\x00", b"\xef\xbb\xbf{}", b"", b"// c\n{}"):
        equal(sbc.http("PUT", "/api/v1/config", body)[0], 400, f"{body!r}")
    equal(sbc.http("PUT", "/api/v1/config", b"<x/>", {"Content-Type": "text/xml"})[0], 415, "XML")


# ---- resources ----

def with_secrets(document):
    document["provisioning"]["trunks"][1]["auth"] = {"username": "u", "password": "TOPSECRET-1"}


@case("a secret is shown to nobody, also not in an error", short=True)
def secrets(t):
    sbc = t.sbc(with_secrets)
    sbc.rest("PUT", "/users/alice", {"realm": "inside", "password": "TOPSECRET-2"}, 201)
    answers = [sbc.rest("GET", path) for path in ("/config", "/trunks", "/trunks/carrier", "/users",
                                                  "/users/alice", "/config/versions/1", "/stats")]
    broken = sbc.rest("GET", "/config")
    broken["trunks"][1]["auth"] = {"username": 5, "password": "TOPSECRET-3", "x": "y"}
    answers.append(sbc.rest("PUT", "/config", broken, 422))
    broken["trunks"][1]["auth"]["password"] = ["TOPSECRET-4"]
    answers.append(sbc.rest("PUT", "/config", broken, 422))
    broken["trunks"][1]["auth"] = "TOPSECRET-5"
    sbc.http("PUT", "/api/v1/config", broken)
    answers.append(sbc.http("PUT", "/api/v1/config", b'{"password": "TOPSECRET-6" 1}')[2])
    answers.append(sbc.http("GET", "/metrics")[2])
    text = json.dumps(answers)
    check("TOPSECRET" not in text, f"a secret in {text}")
    logs = "".join(child.output() for child in sbc.children.values())
    check("TOPSECRET" not in logs and sbc.token() not in logs, "a secret in a log")
    # Written back masked, by name and not by place, it is kept; sbcd's snapshot has it.
    document = sbc.rest("GET", "/config")
    document["trunks"].reverse()
    sbc.rest("PUT", "/config", document)
    sbc.rest("PATCH", "/trunks/carrier", {"auth": {"password": "***"}, "limits": {"calls": 3}})
    path = os.path.join(sbc.state, "config/current.json")
    with open(path, encoding="utf-8") as file:
        snapshot = json.load(file)["provisioning"]
    equal({i["name"]: i.get("auth", {}).get("password") for i in snapshot["trunks"]},
          {"carrier": "TOPSECRET-1", "pbx": None}, "what sbcd reads")
    equal(os.stat(path).st_mode & 0o777, 0o600, "mode of the snapshot")
    sbc.rest("PUT", "/users/bob", {"realm": "inside", "password": "***"}, 422)


@case("ETags guard every write, and survive a restart", short=True)
def etags(t):
    sbc = t.sbc(with_secrets)
    etag = {}
    for path in ("/trunks/carrier", "/config"):
        etag[path] = sbc.http("GET", "/api/v1" + path)[1]["ETag"]
        check(re.fullmatch(r'"[0-9a-f]{32}"', etag[path]), etag[path])
        equal(sbc.http("GET", "/api/v1" + path, headers={"If-None-Match": etag[path]})[0], 304, path)
    wrong = {"If-Match": '"0123456789abcdef0123456789abcdef"'}
    weak = {"If-Match": "W/" + etag["/trunks/carrier"]}
    for headers in (wrong, weak):
        sbc.rest("PATCH", "/trunks/carrier", {"limits": {"calls": 1}}, 412, headers)
        sbc.rest("PUT", "/trunks/carrier", sbc.rest("GET", "/trunks/carrier"), 412, headers)
        sbc.rest("DELETE", "/trunks/carrier", None, 412, headers)
        sbc.rest("PUT", "/config", sbc.rest("GET", "/config"), 412, headers)
    sbc.rest("PUT", "/trunks/ghost", trunk("ghost", "inside", "sip:127.9.9.9"), 412, {"If-Match": "*"})
    # The secret is not shown, but its change is a change.
    sbc.rest("PATCH", "/trunks/carrier", {"auth": {"password": "other"}},
             headers={"If-Match": f'"x", {etag["/trunks/carrier"]}'})
    changed = sbc.http("GET", "/api/v1/trunks/carrier")[1]["ETag"]
    check(changed != etag["/trunks/carrier"], "the ETag after another password")
    sbc.kill("mgmt-apid")
    sbc.restart("mgmt-apid")
    sbc.wait_ready()
    equal(sbc.http("GET", "/api/v1/trunks/carrier")[1]["ETag"], changed, "the ETag after a restart")


@case("409 names all who use a resource; a dry run changes nothing", short=True)
def in_use(t):
    sbc = t.sbc()
    answer = sbc.rest("DELETE", "/trunks/carrier", wanted=409)
    equal(sorted(e["pointer"] for e in answer["errors"]),
          ["/routes/0/targets/0/trunk", "/routes/1/match/trunk"], "the places")
    check(all("used by routes/to-" in e["detail"] for e in answer["errors"]), f"{answer}")
    answer = sbc.rest("DELETE", "/realms/outside", wanted=409)
    equal([e["pointer"] for e in answer["errors"]], ["/trunks/1/realm"], "the places")
    version = sbc.rest("GET", "/stats")["config_version"]
    plan = sbc.rest("PATCH", "/trunks/pbx?dry_run=true", {"limits": {"calls": 9}})
    equal(plan, {"valid": True, "added": [], "changed": ["trunks/pbx"], "removed": []}, "the plan")
    plan = sbc.rest("DELETE", "/routes/to-pbx?dry_run=true", wanted=200)
    equal(plan["removed"], ["routes/to-pbx"], "the plan")
    sbc.rest("PUT", "/routes/x?dry_run=maybe", {}, 400)
    sbc.rest("PUT", "/routes/x?dryrun=true", {"targets": [{"trunk": "pbx"}]}, 400)
    equal(sbc.rest("GET", "/stats")["config_version"], version, "the version after dry runs")


@case("pages of a collection hold every item once", short=True)
def pages(t):
    sbc = t.sbc()
    names = [f"r{n:02}" for n in range(23)]
    document = sbc.rest("GET", "/config")
    document["routes"] += [{"name": n, "match": {"called": "^1"}, "targets": [{"trunk": "pbx"}]}
                           for n in names]
    sbc.rest("PUT", "/config", document)
    found, cursor = [], ""
    while cursor is not None:
        page = sbc.rest("GET", f"/routes?limit=4{'&cursor=' + cursor if cursor else ''}")
        check(len(page["items"]) <= 4, f"{page}")
        found += [item["name"] for item in page["items"]]
        cursor = page["next"]
    equal(found, ["to-carrier", "to-pbx"] + names, "the routes")
    for bad in ("limit=0", "limit=x", "limit=-1", "cursor=zz", "colour=red"):
        sbc.rest("GET", f"/routes?{bad}", wanted=400)
    for bad in ("from=yesterday", "to=2026-13-01", "cursor=1", "from=2026-01-01T25:00Z"):
        sbc.rest("GET", f"/cdrs?{bad}", wanted=400)
    for good in ("from=2026-01-01", "to=2026-01-01T00:00:00%2B02:00", "from=2026-01-01T00:00:00.5Z",
                 "number=+49*", "number=%2B49", "trunk=x&result=busy"):
        equal(sbc.rest("GET", f"/cdrs?{good}"), {"items": [], "next": None}, good)


@case("a thousand trunks: all of their states, each by its name, and the metrics", short=True)
def many_trunks(t):
    def add(document):
        document["provisioning"]["trunks"] += [
            trunk(f"branch-office-{n:04}", "inside",
                  *(f"sip:127.78.{n // 250}.{n % 250 + 1}:{5060 + g};transport=udp" for g in range(3)))
            for n in range(1000)]
        document["provisioning"]["trunks"] += [
            trunk(f"many-doors-{n}", "inside", *(f"sip:127.78.9.{n + 1}:{6000 + g}" for g in range(64)))
            for n in range(30)]
    sbc = t.sbc(add)
    wanted = [item["name"] for item in sbc.document["provisioning"]["trunks"]]
    pbx, carrier = t.peers()
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    trunks = sbc.rest("GET", "/stats")["trunks"]
    equal([item["name"] for item in trunks], wanted, "the trunks of /stats")
    equal({item["name"]: item["calls"] for item in trunks if item["calls"]},
          {"pbx": 1, "carrier": 1}, "their calls")
    equal([len(item["gateways"]) for item in trunks], [1, 1] + [3] * 1000 + [64] * 30, "gateways")
    for name in ("pbx", "branch-office-0000", "branch-office-0999", "many-doors-29"):
        status = sbc.rest("GET", f"/trunks/{name}/status")
        equal((status["name"], status["calls"]), (name, int(name == "pbx")), "status")
    sbc.rest("GET", "/trunks/branch-office-1000/status", wanted=404)
    equal(sbc.http("GET", "/metrics")[0], 200, "the metrics")
    caller.request("BYE")
    callee.take_bye()


@case("the metrics keep to Prometheus' text format, with calls, many trunks and two workers", short=True)
def metrics(t):
    def change(document):
        document["provisioning"]["trunks"] += [
            trunk(f"{n}._-{'x' * 50}", "inside", f"sip:127.78.0.{n + 1}:5060") for n in range(50)]
    sbc = t.sbc(change, workers=2)
    pbx, carrier = t.peers()
    for called in ("1", "2"):
        caller, callee = establish(t, pbx, carrier, t.slot.inside, called)
    caller.request("BYE")
    callee.take_bye()
    caller.expect(200, method="BYE")
    sbc.wait_cdrs(1)
    eventually(lambda: sbc.metrics()["sbc_calls_live"] == 1, "the gauge, set every second")
    for name in ("", "media-relayd", "sbcd"):  # all three, and with one of them away
        if name:
            sbc.kill(name)
        status, fields, text = sbc.http("GET", "/metrics")
        equal((status, fields["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"), "the answer")
        families = judge_metrics(text)
        for wanted in ("sbc_build_info", "sbc_connected", "sbc_cdrs_imported_total"):
            check(wanted in families, f"no {wanted} after the death of {name or 'nobody'}")
        if not name:
            kinds = {family.kind for family in families.values()}
            equal(kinds, {"counter", "gauge", "histogram"}, "the kinds")
        if shutil.which("promtool"):
            done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                                  text=True, timeout=20, check=False)
            equal((done.returncode, done.stdout + done.stderr), (0, ""), "promtool")


@case("openapi.json and the server tell the same paths and methods", short=True)
def openapi(t):
    sbc = t.sbc()
    described = sbc.rest("GET", "/openapi.json")["paths"]
    for path, operations in described.items():
        target = re.sub(r"\{\w+\}", "ghost", path)
        status, fields, _ = sbc.http("OPTIONS", target)
        equal(status, 405, f"OPTIONS {target}")
        allowed = {m.lower() for m in fields["Allow"].split(", ")} - {"head"}
        equal(set(operations) - {"parameters"}, allowed, path)
        if operations.get("get", {}).get("security") != []:
            equal(sbc.http("GET", target, token=None)[0], 401, f"{target} without a token")
    for path in ("/registrations", "/events", "/traces"):
        sbc.rest("GET", path, wanted=404)


# ---- life ----

@case("without sbcd a write is 503 and changes nothing; with it, it goes on", short=True)
def without_sbcd(t):
    sbc = t.sbc()
    before = sbc.http("GET", "/api/v1/config")
    sbc.kill("sbcd")
    eventually(lambda: not sbc.rest("GET", "/stats")["connected"]["sbcd"], "sbcd is seen away")
    answer = sbc.rest("PATCH", "/trunks/pbx", {"limits": {"calls": 9}}, 503)
    check("sbcd" in answer["detail"], f"{answer}")
    for path in ("/calls", "/calls/x", "/trunks/pbx/status"):
        sbc.rest("GET", path, wanted=503)
    status, _, answer = sbc.http("GET", "/api/v1/ready", token=None)
    check(status == 503 and not answer["parts"]["sbcd"] and answer["parts"]["mgmt-apid"], f"{answer}")
    equal(sbc.http("GET", "/api/v1/health", token=None)[0], 200, "/health")
    equal(sbc.http("GET", "/api/v1/config")[2], before[2], "the document")
    equal(len(sbc.rest("GET", "/config/versions")["items"]), 1, "versions")
    sbc.restart("sbcd")
    sbc.wait_ready()
    sbc.rest("PATCH", "/trunks/pbx", {"limits": {"calls": 9}})
    # What sbcd cannot run on is refused whole, by path.
    listeners = sbc.rest("GET", "/realms/inside")["listeners"]
    foreign = {"transport": "udp", "address": "192.0.2.1", "port": 5060}
    answer = sbc.rest("PATCH", "/realms/inside", {"listeners": listeners + [foreign]}, 422)
    equal(answer["errors"][0]["pointer"], f"/realms/0/listeners/{len(listeners)}", f"{answer}")
    check(answer["errors"][0]["remedy"], f"{answer}")
    equal(sbc.rest("GET", "/realms/inside")["listeners"], listeners, "the listeners")
    check(sbc.ready(), "ready after a refusal")


@case("kill -9 of mgmt-apid at any moment of a write leaves one version in force", short=True)
def killed_in_writes(t):
    sbc = t.sbc()
    for turn in range(6):
        limit = 100 + turn
        body = json.dumps({"limits": {"calls": limit}})
        connection = Raw(sbc).send(
            f"PATCH /api/v1/trunks/pbx HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sbc.token()}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}")
        time.sleep(0.004 * turn)
        sbc.kill("mgmt-apid")
        connection.socket.close()
        sbc.restart("mgmt-apid")
        sbc.wait_ready()
        stored = sbc.rest("GET", "/trunks/pbx").get("limits", {}).get("calls")
        with open(os.path.join(sbc.state, "config/current.json"), encoding="utf-8") as file:
            snapshot = json.load(file)
        equal([i.get("limits", {}).get("calls") for i in snapshot["provisioning"]["trunks"]
               if i["name"] == "pbx"], [stored], "the snapshot")
        equal(snapshot["version"], sbc.rest("GET", "/stats")["config_version"], "the version")


@case("a restart keeps token, document and versions; a damaged store is set aside", short=True)
def restart(t):
    sbc = t.sbc(with_secrets)
    token = sbc.token()
    sbc.rest("PATCH", "/trunks/pbx", {"limits": {"calls": 9}})
    document = sbc.rest("GET", "/config")
    versions = sbc.rest("GET", "/config/versions")
    equal(sbc.children["mgmt-apid"].stop(), 0, "exit code")
    sbc.restart("mgmt-apid")
    sbc.wait_ready()
    equal((sbc.token(), sbc.rest("GET", "/config"), sbc.rest("GET", "/config/versions")),
          (token, document, versions), "after a restart")
    sbc.children["mgmt-apid"].stop()
    for name in ("cdr.db", "config.db"):
        with open(os.path.join(sbc.state, name), "wb") as file:
            file.write(b"this is no database" * 1000)
        for more in ("-wal", "-shm"):
            if os.path.exists(os.path.join(sbc.state, name + more)):
                os.unlink(os.path.join(sbc.state, name + more))
    sbc.restart("mgmt-apid")
    sbc.wait_ready()
    for name in ("cdr.db", "config.db"):
        kept = glob.glob(os.path.join(sbc.state, name + ".damaged-*"))
        equal(len(kept), 1, f"what was kept of {name}")
        with open(kept[0], "rb") as file:
            check(file.read().startswith(b"this is no database"), kept[0])
    check("set aside" in sbc.children["mgmt-apid"].output(), "the log says so")
    # The document came back from the snapshot, the token from its file.
    equal(sbc.token(), token, "the token")
    equal({k: sorted(v, key=lambda i: i["name"]) for k, v in sbc.rest("GET", "/config").items()},
          {k: sorted(v, key=lambda i: i["name"]) for k, v in document.items()}, "the document")
    equal(sbc.rest("GET", "/config/versions")["items"][0]["version"],
          versions["items"][0]["version"], "the version")


@case("a second mgmt-apid on the same state ends with a reason and harms nothing", short=True)
def second_one(t):
    sbc = t.sbc()
    done = subprocess.run([program("mgmt-apid"), "--config", sbc.config], capture_output=True, text=True,
                          timeout=20, check=False)
    check(done.returncode == 1 and "another mgmt-apid" in done.stderr, f"{done.returncode}: {done.stderr}")
    sbc.rest("PATCH", "/trunks/pbx", {"limits": {"calls": 2}})
    check(sbc.metrics()["sbc_config_changes_total"] == 1, "the first one's figures")


@case("the store keeps hashes of tokens, in files of mode 0600", short=True)
def at_rest(t):
    sbc = t.sbc()
    token = sbc.token().encode()
    check(re.fullmatch(rb"sbc_[0-9a-z]{52}", token), f"{token}")
    for root, _, names in os.walk(sbc.state):
        for name in names:
            path = os.path.join(root, name)
            equal(os.stat(path).st_mode & 0o077, 0, f"mode of {path}")
            if name != "api.token":
                with open(path, "rb") as file:
                    check(token not in file.read(), f"the token is in {path}")
    with sqlite3.connect(os.path.join(sbc.state, "config.db")) as database:
        check(database.execute("SELECT length(hash) FROM token").fetchall() == [(32,)], "the hashes")


# ---- sbcctl ----

@case("sbcctl: commands, --json and exit codes", short=True)
def cli(t):
    sbc = t.sbc()

    def run(*words, wanted=0, text=None, token=None):
        path = token or os.path.join(sbc.state, "api.token")
        done = subprocess.run([program("sbcctl"), "--url", f"http://{sbc.api}", "--token-file", path,
                               *words], capture_output=True, text=True, timeout=20, check=False,
                              input=text)
        equal(done.returncode, wanted, f"sbcctl {' '.join(words)}: {done.stdout}{done.stderr}")
        check((wanted == 0) == (not done.stderr), f"{words}: {done.stderr!r}")
        return done.stdout

    check(json.loads(run("status"))["ready"], "status")
    equal([i["name"] for i in json.loads(run("trunks", "--json"))["items"]], ["pbx", "carrier"], "trunks")
    table = run("trunks", "list").splitlines()
    check(table[0].startswith("NAME") and table[1].startswith("pbx"), f"{table}")
    new = json.dumps({"targets": [{"trunk": "pbx"}]})
    run("routes", "put", "extra", "-", text=new)
    equal(json.loads(run("routes", "get", "extra"))["name"], "extra", "the new route")
    run("routes", "put", "bad", "-", text='{"targets": [{"trunk": "ghost"}]}', wanted=4)
    run("routes", "put", "bad", "-", text="{", wanted=4)
    run("routes", "delete", "extra")
    run("routes", "get", "extra", wanted=3)
    run("trunks", "delete", "pbx", wanted=4)
    document = run("config", "get")
    path = os.path.join(sbc.folder, "document.json")
    with open(path, "w", encoding="utf-8") as file:
        file.write(document)
    check(json.loads(run("config", "check", path))["valid"], "config check")
    run("config", "put", path)
    run("config", "versions")
    run("config", "restore", "1")
    run("config", "restore", "999", wanted=3)
    run("calls")
    run("calls", "show", "none", wanted=3)
    run("calls", "hangup", "none", wanted=3)
    run("cdrs", "list", "--trunk", "pbx", "--from", "2026-01-01T00:00:00+01:00")
    run("cdrs", "list", "--colour", "red", wanted=4)
    run("trunks", "status", "pbx")
    run("nonsense", wanted=2)
    run("calls", "show", wanted=2)
    run("status", token="/nonexistent", wanted=5)
    sbc.kill("mgmt-apid")
    run("status", wanted=5)
