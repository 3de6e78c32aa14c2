# SPDX-License-Identifier: MIT
"""The three daemons on a document of their own, and the REST API as a client sees it."""
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request

from .check import Failed, Skip, check, eventually
from .proc import Child

PROGRAMS = {"sbcd": "sbc/sbcd", "media-relayd": "media-relay/media-relayd",
            "mgmt-apid": "mgmt-api/mgmt-apid"}
REPORTS = re.compile(r"(?:ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer).*")


def build_dir():
    here = os.path.dirname(os.path.abspath(__file__))
    return os.environ.get("SBC_BUILD") or os.path.join(here, "..", "..", "..", "build")


def program(name):
    path = os.path.abspath(os.path.join(build_dir(), PROGRAMS.get(name, f"mgmt-api/{name}")))
    if not os.path.exists(path):
        raise Skip(f"{name} is not built")
    return path


def realm(name, ip, ports, transports=("udp", "tcp"), sip_port=5060):
    return {"name": name,
            "listeners": [{"transport": t, "address": ip, "port": sip_port} for t in transports],
            "media": {"address": ip, "port_min": ports[0], "port_max": ports[1]}}


def trunk(name, in_realm, *gateways, **more):
    return {"name": name, "realm": in_realm,
            "gateways": [g if isinstance(g, dict) else {"uri": g} for g in gateways], **more}


def provisioning(slot):
    """A PBX inside, a carrier outside, and a route each way."""
    return {
        "realms": [realm("inside", slot.inside, (20000, 20199)),
                   realm("outside", slot.outside, (30000, 30199))],
        "trunks": [trunk("pbx", "inside", f"sip:{slot.pbx}:5060"),
                   trunk("carrier", "outside", f"sip:{slot.carrier}:5060")],
        "routes": [{"name": "to-carrier", "match": {"trunk": "pbx"},
                    "targets": [{"trunk": "carrier"}]},
                   {"name": "to-pbx", "match": {"trunk": "carrier"}, "targets": [{"trunk": "pbx"}]}],
    }


class Sbc:
    def __init__(self, slot, folder, change=None, workers=1):
        self.slot, self.folder, self.children = slot, folder, {}
        self.api = f"{slot.inside}:8080"
        self.state, self.run = os.path.join(folder, "state"), os.path.join(folder, "run")
        self.document = {
            "node": {"name": f"test-{slot.number}", "workers": workers},
            "log": {"level": "info", "format": "text"},
            "state_dir": self.state, "run_dir": self.run,
            "api": {"listen": self.api},
            "process": {"user": ""},
            "provisioning": provisioning(slot),
        }
        if change:
            change(self.document)
        self.config = os.path.join(folder, "sbc.json")
        self.write_config()
        self.expected_deaths = set()

    def write_config(self, document=None):
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump(document or self.document, file, indent=1)

    def start_one(self, name):
        path = program(name)
        self.children[name] = Child([path, "--config", self.config],
                                    os.path.join(self.folder, f"{name}.log"))
        return self.children[name]

    def start(self, ready=True):
        for name in ("media-relayd", "sbcd", "mgmt-apid"):
            self.start_one(name)
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, timeout_s=20):
        def probe():
            for name, child in self.children.items():
                if not child.running():
                    raise Failed(f"{name} ended with {child.process.returncode}:\n"
                                 + child.output()[-2000:])
            return self.ready()
        eventually(probe, "GET /ready answers 200", timeout_s, 0.03)

    def ready(self):
        return self.http("GET", "/api/v1/ready", token=None)[0] == 200

    # ---- REST ----
    def token(self):
        path = os.path.join(self.state, "api.token")
        with open(path, encoding="utf-8") as file:
            return file.read().strip()

    def http(self, method, path, body=None, headers=None, token=True, timeout_s=10):
        """(status, headers, body as parsed JSON or text); status 0: no connection."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.api}{path}", data=data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization",
                               f"Bearer {self.token() if token is True else token}")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                status, fields, raw = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            status, fields, raw = error.code, error.headers, error.read()
        except OSError:
            return 0, {}, None
        text = raw.decode("utf-8", "replace")
        if "json" in fields.get("Content-Type", ""):
            try:
                return status, fields, json.loads(text)
            except ValueError:
                raise Failed(f"{method} {path}: not JSON: {text[:500]}") from None
        return status, fields, text

    def rest(self, method, path, body=None, wanted=None, headers=None):
        """Under /api/v1; the parsed body. wanted: the status, or any of several."""
        status, _, answer = self.http(method, "/api/v1" + path, body, headers)
        allowed = (wanted,) if isinstance(wanted, int) else wanted or (200, 201, 204)
        check(status in allowed, f"{method} {path}: {status}, wanted {allowed}: {answer}")
        return answer

    def calls(self):
        return self.rest("GET", "/calls")["items"]

    def cdrs(self, query="limit=500"):
        return self.rest("GET", f"/cdrs?{query}")["items"]

    def wait_cdrs(self, count, timeout_s=5):
        return eventually(lambda: (lambda items: items if len(items) >= count else None)(self.cdrs()),
                          f"{count} CDRs", timeout_s)

    def wait_idle(self, timeout_s=5):
        eventually(lambda: not self.calls(), "no live call", timeout_s)

    def metrics(self):
        """Prometheus text as {name with labels: value}."""
        text = self.http("GET", "/metrics")[2]
        found = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                found[name] = float(value)
        return found

    def check_config(self, document, name="sbcd"):
        """--check on a document: (exit code, output)."""
        path = os.path.join(self.folder, "check.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(document if isinstance(document, str) else json.dumps(document, indent=1))
        done = subprocess.run([program(name), "--check", "--config", path], capture_output=True,
                              text=True, timeout=20, check=False)
        return done.returncode, done.stdout + done.stderr

    # ---- dying ----
    def kill(self, name):
        """kill -9, on purpose."""
        self.expected_deaths.add(name)
        self.children[name].kill()
        self.children[name].process.wait()

    def restart(self, name):
        self.expected_deaths.discard(name)
        return self.start_one(name)

    def finish(self):
        """A clean stop; what a sanitizer said, a bad exit code or an early death is a failure."""
        problems = []
        for name, child in self.children.items():
            if name in self.expected_deaths:
                continue
            if not child.running():
                problems.append(f"{name} had ended with {child.process.returncode}")
                continue
            try:
                code = child.stop(20)
                if code != 0:
                    problems.append(f"{name} ended with {code} after SIGTERM, wanted 0")
            except Failed as error:
                problems.append(str(error))
        for name, child in self.children.items():
            for report in REPORTS.findall(child.output())[:3]:
                problems.append(f"{name}: {report}")
        if problems:
            raise Failed("; ".join(problems))

    def abandon(self):
        for child in self.children.values():
            child.abandon()

    def settle(self):
        time.sleep(0.1)
