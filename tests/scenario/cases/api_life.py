# SPDX-License-Identifier: MIT
"""The REST API over its life: without sbcd, killed, restarted, on a damaged store; and sbcctl."""
import glob
import json
import os
import re
import sqlite3
import subprocess
import time

from cases.api import with_secrets
from cases.api_gate import Raw
from harness.case import case
from harness.check import check, equal, eventually
from harness.sbc import program


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
