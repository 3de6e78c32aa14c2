# SPDX-License-Identifier: MIT
"""The REST API as its clients meet it: secrets, conditions, pages, a thousand trunks, the metrics, and what
it tells of itself."""
import json
import os
import re
import shutil
import struct
import subprocess

from cases.basic import establish
from harness.case import case
from harness.check import check, equal, eventually
from harness.metrics import judge_metrics
from harness.sbc import trunk


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


def stats_file(path, families):
    """A program's shared figures, made by hand: families of (name, kind, label texts), each with 7."""
    series = [(name, kind, labels) for name, kind, texts in families for labels in texts]
    most, entry, table = 131072, 4 + 64 + 128 + 96, 4096
    first = table + (most * entry + 4095) // 4096 * 4096
    with open(path + ".made", "wb") as file:
        file.truncate(first + 8 * most)
        for number, (name, kind, labels) in enumerate(series):
            file.seek(table + number * entry)
            file.write(struct.pack("<I64s128s96s", kind, name.encode(), labels.encode(), b"made"))
        file.seek(first)
        file.write(struct.pack("<Q", 7) * len(series))
        file.seek(0)
        file.write(struct.pack("<QIIII32s", 0x7362637374617473, 2, 1, most, len(series), b"sbcd"))
    os.rename(path + ".made", path)


@case("the metrics of a thousand trunks come whole, histograms and all")
def many_histograms(t):
    sbc = t.sbc()
    bounds = ["0.1", "0.5", "1", "2", "5", "10", "20", "30", "60", "120", "600", "+Inf"]
    texts = [f'trunk="trunk-with-a-name-{n}",direction="{way}"' for n in range(1000)
             for way in ("in", "out")]
    stats_file(os.path.join(sbc.run, "sbcd.stats"), [
        (name, kind, labels) for family in range(3) for name, kind, labels in (
            (f"sbc_made_{family}_seconds_bucket", 2,
             [f'{text},le="{bound}"' for text in texts for bound in bounds]),
            (f"sbc_made_{family}_seconds_sum", 3, texts))])
    status, _, text = sbc.http("GET", "/metrics", timeout_s=60)
    equal(status, 200, "the metrics")
    families = judge_metrics(text)
    equal([len(families[f"sbc_made_{n}_seconds"].samples) for n in range(3)], [2000 * 14] * 3,
          "samples of each histogram")
    check(sbc.http("GET", "/api/v1/health")[0] == 200, "it goes on")


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
