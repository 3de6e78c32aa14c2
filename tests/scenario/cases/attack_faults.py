# SPDX-License-Identifier: MIT
"""Faults and curious neighbours: no descriptors left, a path that loses, repeats and reorders, a
database that is locked, reloads under calls, what logs and processes give away, control sockets."""
import json
import os
import random
import re
import resource
import select
import socket
import sqlite3
import struct
import threading
import time

from harness import sdp
from harness.attack import back_to_start, cpu_seconds, invite
from harness.case import case
from harness.check import check, equal, eventually
from harness.proc import Child
from harness.sbc import program
from harness.sip import Call, Message, token

from cases.attack_flood import connect
from cases.basic import establish, hang_up


def restart_with_files(sbc, name, files):
    """Starts a daemon anew with so many descriptors, hard limit and all."""
    sbc.children[name].stop()
    sbc.children[name] = Child(
        ["sh", "-c", f"ulimit -n {files} && exec '{program(name)}' --config '{sbc.config}'"],
        os.path.join(sbc.folder, f"{name}.log"))


def limit_files(sbc, name, files):
    """As root it may have raised its limit again."""
    path = f"/proc/{sbc.children[name].pid}/limits"
    with open(path, encoding="ascii") as file:
        if not re.search(rf"Max open files\s+{files}\s", file.read()):
            resource.prlimit(sbc.children[name].pid, resource.RLIMIT_NOFILE, (files, files))


@case("without descriptors the daemons wait, do not spin, and recover", short=True)
def no_files(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    files = {"media-relayd": 40, "sbcd": 40, "mgmt-apid": 48}
    for name, most in files.items():
        restart_with_files(sbc, name, most)
    sbc.wait_ready()
    for name, most in files.items():
        limit_files(sbc, name, most)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    socks = []

    def more(ip, to):
        try:
            socks.append(connect(ip, to))
        except OSError:
            pass
    for _ in range(60):
        more(t.slot.stranger, (t.slot.inside, 5060))
        more(t.slot.stranger, (t.slot.inside, 8080))
    control = []
    for name in ("sbcd", "media-relayd"):
        for _ in range(20):
            one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            one.setblocking(False)
            control.append(one)
            try:
                one.connect(os.path.join(sbc.run, f"{name}.sock"))
            except OSError:
                pass
    # Calls that the relay has no descriptors for.
    for number in range(5):
        pbx.send(invite(pbx, t.slot.inside, body=sdp.compose(pbx.ip, 14000), call_id=f"few-{number}"),
                 (t.slot.inside, 5060))
    time.sleep(0.3)
    spent = {name: cpu_seconds(sbc, name) for name in sbc.children}
    time.sleep(1.5)
    for name, was in spent.items():
        used = cpu_seconds(sbc, name) - was
        check(used < 0.5, f"{name} used {used:.2f} s of processor in 1.5 s of waiting")
    hang_up(caller, callee)
    for one in socks + control:
        one.close()
    eventually(sbc.ready, "ready again", 10)
    while pbx.pump(0.1) or carrier.pump(0):
        pass
    for call in sbc.calls():
        sbc.rest("DELETE", f"/calls/{call['id']}", wanted=(204, 404))
    pbx.inbox.clear()
    carrier.inbox.clear()
    hang_up(*establish(t, pbx, carrier, t.slot.inside, called="+49again"))


class BadPath:
    """Stands between a peer and the SBC, by UDP, and loses, repeats and delays datagrams."""

    def __init__(self, near, far, seed, loss, twice=0.05, late=0.1):
        self.near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.near.bind(near)
        self.far = far            # the SBC
        self.peer = None          # whoever spoke to us first
        self.noise = random.Random(seed)
        self.loss, self.twice, self.late = loss, twice, late
        self.waiting, self.stop = [], False
        self.lost = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop:
            now = time.monotonic()
            for item in [w for w in self.waiting if w[0] <= now]:
                self.waiting.remove(item)
                self.near.sendto(item[1], item[2])
            if not select.select([self.near], [], [], 0.005)[0]:
                continue
            data, source = self.near.recvfrom(65536)
            if source != self.far:
                self.peer = source
            to = self.peer if source == self.far else self.far
            if to is None or self.noise.random() < self.loss:
                self.lost += 1
                continue
            for _ in range(1 + (self.noise.random() < self.twice)):
                delay = self.noise.random() * 0.05 if self.noise.random() < self.late else 0
                self.waiting.append((now + delay, data, to))

    def close(self):
        self.stop = True
        self.thread.join(2)
        self.near.close()


class Caller:
    """One call over a bad path, with timers of its own: INVITE, ACK to every 200, BYE."""

    def __init__(self, endpoint, via, number):
        self.endpoint, self.via, self.number = endpoint, via, number
        self.message = invite(endpoint, via[0], body=sdp.compose(endpoint.ip, 14000),
                              call_id=f"lossy-{number}", tag=f"t{number}", branch=f"z9hG4bKi{number}")
        self.state, self.remote = "inviting", None
        self.interval, self.due = 0.5, time.monotonic()

    def within(self, method, cseq):
        return Message(f"{method} sip:{self.via[0]}:{self.via[1]} SIP/2.0", [
            ("Via", self.endpoint.via(f"z9hG4bK{method}{self.number}")), ("Max-Forwards", "70"),
            ("From", self.message.get("From")), ("To", self.remote),
            ("Call-ID", self.message.get("Call-ID")), ("CSeq", f"{cseq} {method}")])

    def work(self, now):
        if self.state in ("inviting", "ending") and now >= self.due:
            self.endpoint.send(self.message, self.via)
            self.due, self.interval = now + self.interval, min(4, self.interval * 2)

    def hear(self, response, now):
        if response.cseq_method == "INVITE" and response.status == 200:
            self.remote = response.get("To")
            self.endpoint.send(self.within("ACK", 1), self.via)
            if self.state in ("inviting", "ringing"):
                self.state, self.message = "ending", self.within("BYE", 2)
                self.interval, self.due = 0.5, now
        elif response.cseq_method == "INVITE" and response.status < 200 and self.state == "inviting":
            self.state = "ringing"
        elif response.cseq_method == "INVITE" and response.status >= 300:
            self.state = f"refused with {response.status}"
        elif response.cseq_method == "BYE":
            self.state = "done"


def lossy(t, loss, count, seconds):
    path_ip = t.slot.pbx  # the SBC's trunk is the path, the caller stands behind it
    # The usual 4 s are four tries, and with 20 % loss each fails in 36 of 100 cases.
    sbc = t.sbc(lambda document: document["provisioning"]["trunks"][1].update(
        timers={"first_response_ms": 32000}))
    t.own(BadPath((path_ip, 5060), (t.slot.inside, 5060), 7, loss))
    far = t.own(BadPath((t.slot.carrier, 5060), (t.slot.outside, 5060), 8, loss))
    far.peer = (t.slot.ip(25), 5060)
    caller_end = t.endpoint(t.slot.ip(15), lenient=True)
    callee_end = t.endpoint(t.slot.ip(25), lenient=True)
    calls = [Caller(caller_end, (path_ip, 5060), n) for n in range(count)]
    by_id = {f"lossy-{n}": calls[n] for n in range(count)}
    answered, seen = {}, set()
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(c.state != "done" for c in calls):
        now = time.monotonic()
        for call in calls:
            call.work(now)
        caller_end.pump(0.005)
        callee_end.pump(0)
        for message in caller_end.inbox:
            by_id[message.get("Call-ID")].hear(message, now)
        for message in callee_end.inbox:
            call_id = message.get("Call-ID")
            if message.method == "INVITE":
                seen.add(call_id)
                if call_id not in answered:
                    answered[call_id] = [Call(callee_end, message.source), now, False]
                    answered[call_id][0].invite = message
                    answered[call_id][0].local = f"{message.get('To')};tag={token()}"
                call = answered[call_id]
                call[0].reply(200, sdp.compose(callee_end.ip, 16000))
            elif message.method == "ACK" and call_id in answered:
                answered[call_id][2] = True
            elif message.method == "BYE":
                Call(callee_end, message.source).reply(200, request=message)
        for call in answered.values():
            if not call[2] and now - call[1] > 0.5:
                call[1] = now
                call[0].reply(200, sdp.compose(callee_end.ip, 16000))
        caller_end.inbox.clear()
        callee_end.inbox.clear()
    states = {c.state for c in calls}
    equal(states, {"done"}, f"how {count} calls ended with {loss:.0%} loss")
    equal(len(seen), count, "INVITEs with Call-IDs of their own at the callee")
    check(far.lost > 0, "nothing was lost")
    back_to_start(sbc, None)
    items = sbc.wait_cdrs(count)
    equal((len(items), {c["result"] for c in items}), (count, {"answered"}), "CDRs")


@case("5 % loss, repeats and delays: every call goes through, once", short=True)
def loss5(t):
    lossy(t, 0.05, 60, 30)


@case("20 % loss: every call goes through, once")
def loss20(t):
    lossy(t, 0.20, 60, 40)


def wide_ports(document):
    """Enough for many calls one after the other, though ports rest before they are used again."""
    for one in document["provisioning"]["realms"]:
        one["media"]["port_max"] = one["media"]["port_min"] + 3999


@case("1,000 reloads while calls come and go: none is lost, each keeps its own rules", short=True)
def reloads(t):
    sbc = t.sbc(wide_ports)
    pbx, carrier = t.peers()
    long_call = establish(t, pbx, carrier, t.slot.inside, called="+49long")
    document = sbc.rest("GET", "/config")
    failures, done = [], [0]

    def reload():
        for number in range(1000):
            target = json.loads(json.dumps(document))
            target["trunks"][1]["limits"] = {"calls": 100 + number % 7}
            if number % 3 == 0:
                target["trunks"].append({"name": f"x{number}", "realm": "inside",
                                         "gateways": [{"uri": f"sip:{t.slot.ip(90)}:5060"}]})
            status, _, answer = sbc.http("PUT", "/api/v1/config", target)
            if status not in (200, 204):
                failures.append((status, answer))
                return
            done[0] += 1
    thread = threading.Thread(target=reload, daemon=True)
    thread.start()
    calls = 0
    end = time.monotonic() + 25
    while thread.is_alive() and time.monotonic() < end:
        hang_up(*establish(t, pbx, carrier, t.slot.inside, called=f"+49{calls}"))
        calls += 1
        time.sleep(0.01)  # ports rest for five seconds
    thread.join(5)
    check(not failures, f"a reload failed: {failures}")
    equal(done[0], 1000, "reloads")
    check(calls >= 20, f"only {calls} calls meanwhile")
    hang_up(*long_call)
    back_to_start(sbc, None)

    def counted(name):
        return sum(v for k, v in sbc.metrics().items() if k.startswith(name))
    eventually(lambda: counted("sbc_cdrs_imported_total") >= calls + 1, f"{calls + 1} CDRs", 10)
    equal((counted("sbc_cdrs_imported_total"), counted("sbc_cdrs_lost_total")), (calls + 1, 0), "CDRs")


@case("a locked database delays no call, and no CDR is lost", short=True)
def locked_database(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    path = os.path.join(sbc.state, "cdr.db")
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    for number in range(20):  # who waits for the lock waits for ever
        hang_up(*establish(t, pbx, carrier, t.slot.inside, called=f"+49{number}"))
    lock.execute("ROLLBACK")
    lock.close()
    equal(len(sbc.wait_cdrs(20, 15)), 20, "CDRs afterwards")


SPITEFUL = ["%n%s%x", "\x1b[31mred", "line\r\nInjected: yes", "a\x00b", "\u202egnp", "\ufeffx", "\"},{\"a\":\"",
            "<img src=x onerror=alert(1)>", "{{7*7}}", "${jndi:ldap://x}", "' OR 1=1 --", "\xff\xfe",
            "=cmd|' /C calc'!A0", "\u0085next", "\u2028sep", "A" * 3000, "`id`", "../../etc/passwd", "\\", "\t",
            "田中さんにあげて下さい", "1;DROP TABLE users", "\x7f\x08\x07", "nil", "NaN", "😍"]


@case("spiteful strings in every field: one event, one line, and every line is JSON", short=True)
def spiteful_logs(t):
    sbc = t.sbc(lambda document: document.update(log={"level": "debug", "format": "json"}))
    pbx, carrier = t.endpoint(t.slot.pbx, lenient=True), t.endpoint(t.slot.carrier, lenient=True)
    stranger = t.endpoint(t.slot.stranger, lenient=True)
    for number, text in enumerate(SPITEFUL):
        raw = text.encode("latin-1" if all(ord(c) < 256 for c in text) else "utf-8")
        clean = raw.replace(b"\r", b"").replace(b"\n", b"")
        user = b"".join(b"%%%02x" % c for c in raw[:60]) or b"x"
        quoted = clean.replace(b"\\", b"").replace(b'"', b"")
        head = invite(pbx, t.slot.inside, called="CALLED", call_id=f"log-{number}",
                      body=sdp.compose(pbx.ip, 14000)).bytes()
        head = head.replace(b"From: <", b'From: "' + quoted + b'" <').replace(b"CALLED", user)
        for extra in (b"User-Agent: " + clean, b"Reason: Q.850;cause=16;text=\"" + quoted + b'"',
                      b"Subject: " + raw, b"Call-ID: " + clean):
            for endpoint in (pbx, stranger):
                endpoint.sock.sendto(head.replace(b"Max-Forwards: 70", b"Max-Forwards: 70\r\n" + extra),
                                     (t.slot.inside, 5060))
        for method in (clean[:30], b"INVITE"):
            stranger.sock.sendto(head.replace(b"INVITE", method), (t.slot.inside, 5060))
            pbx.sock.sendto(head.replace(b"INVITE", method), (t.slot.inside, 5060))
        for message in iter(lambda: carrier.take(lambda m: True, 0.002), None):
            if message.is_request and message.method == "INVITE":
                callee = Call(carrier, message.source)
                callee.invite, callee.local = message, f"{message.get('To')};tag={token()}"
                callee.reply(486, reason="<script>")
        while pbx.pump(0) or stranger.pump(0):
            pass
        pbx.inbox.clear()
        stranger.inbox.clear()
    sbc.settle()
    for name in sbc.children:
        with open(os.path.join(t.folder, f"{name}.log"), "rb") as file:
            data = file.read()
        check(not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", data), f"a control character in {name}'s log")
        for line in data.splitlines() if b"\n" in data else []:
            pairs = json.loads(line, object_pairs_hook=list)
            event = dict(pairs)
            equal(len(event), len(pairs), f"different keys in {line[:200]}")
            check(event["event"] and event["program"] == name and event["level"], f"{line[:200]}")
    sbc.wait_cdrs(10)


@case("secrets are in no log, no answer, no argument; no core is written", short=True)
def secrets(t):
    secret = "hunter2-" + token()

    def change(document):
        document["log"]["level"] = "debug"
        document["provisioning"]["trunks"][1]["auth"] = {"username": "acct", "password": secret}
    sbc = t.sbc(change)
    pbx, carrier = t.peers()
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    callee = Call.receive(carrier)
    callee.reply(407, headers=[("Proxy-Authenticate",
                                'Digest realm="carrier", nonce="abc", qop="auth", algorithm=MD5')])
    callee.take_request("ACK")
    callee = Call.receive(carrier)
    check(callee.invite.get("Proxy-Authorization"), "the challenge is answered")
    check(secret not in str(callee.invite), "the password in the answer")
    callee.reply(486)
    caller.expect(486)
    shown = json.dumps([sbc.rest("GET", path) for path in
                        ("/config", "/trunks", "/trunks/carrier", "/calls", "/cdrs", "/stats")])
    check(secret not in shown, "the password in REST")
    check(secret not in sbc.http("GET", "/metrics")[2], "the password in the metrics")
    api_token = sbc.token()
    for name, child in sbc.children.items():
        text = child.output()
        check(secret not in text and api_token not in text, f"a secret in {name}'s log")
        for file in ("cmdline", "environ"):
            try:
                with open(f"/proc/{child.pid}/{file}", "rb") as proc:
                    check(secret.encode() not in proc.read(), f"a secret in {name}'s {file}")
            except PermissionError:
                pass
        with open(f"/proc/{child.pid}/limits", encoding="ascii") as file:
            check(re.search(r"Max core file size\s+0\s+0", file.read()), f"{name} may write a core")
    for where, _, names in os.walk(sbc.state):
        for name in names:
            path = os.path.join(where, name)
            check(os.stat(path).st_mode & 0o077 == 0, f"{path} is open to others")


@case("control sockets: other users are refused, malformed frames close that peer only", short=True)
def control_sockets(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    call = establish(t, pbx, carrier, t.slot.inside)
    noise = random.Random(3)
    for name in ("sbcd", "media-relayd"):
        path = os.path.join(sbc.run, f"{name}.sock")
        equal(oct(os.stat(path).st_mode & 0o777), "0o600", f"mode of {path}")
        for number in range(150):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as one:
                one.connect(path)
                one.settimeout(2)
                hello = struct.pack(">HHI", 1, 0, 0) + struct.pack(">H", 1) + b"\0\3bad\0\1x\0\0\0\0"
                frames = [os.urandom(noise.randrange(1, 300)), b"\0", b"\xff" * 60000, hello[:9],
                          struct.pack(">HHI", noise.randrange(70), 0, number) + os.urandom(40)]
                try:
                    if number % 2:
                        one.send(hello)
                    one.send(frames[number % len(frames)])
                except OSError:
                    pass
        if os.getuid() == 0:
            check(not reached_as(65534, path), f"another user reached {path}")
            mode = os.stat(sbc.run).st_mode
            os.chmod(sbc.folder, 0o755)
            os.chmod(sbc.run, 0o755)
            os.chmod(path, 0o666)  # as if somebody had opened it by mistake
            check(not reached_as(65534, path), f"another user speaks through {path}")
            os.chmod(path, 0o600)
            os.chmod(sbc.run, mode)
    equal(len(sbc.calls()), 1, "live calls")
    hang_up(*call)
    sbc.wait_idle()


def reached_as(uid, path):
    """Whether a process of this user gets to exchange anything over the socket."""
    child = os.fork()
    if child == 0:
        code = 0
        try:
            os.setgid(uid)
            os.setuid(uid)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as one:
                one.connect(path)
                one.settimeout(1)
                one.send(struct.pack(">HHI", 1, 0, 0))
                code = 1 if one.recv(100) else 0
        except OSError:
            code = 0
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def mutated(noise, value):
    """A copy of a JSON value with one thing in it changed."""
    copy = json.loads(json.dumps(value))
    at = copy
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            return copy
        key = noise.choice(keys)
        if isinstance(at[key], (dict, list)) and at[key] and noise.randrange(4):
            at = at[key]
            continue
        kind = noise.randrange(4)
        if kind == 0 and isinstance(at, dict):
            at[noise.choice(["x", "name", "port", "__proto__", "a" * 5000])] = at[key]
        elif kind == 1:
            del at[key]
        else:
            at[key] = noise.choice([None, True, -1, 0, 65536, 1e300, 2 ** 63, "", "x" * 3000, "\0", "\n",
                                    "(" * 500, "(a+)+$", "../../x", "0.0.0.0", "::", "sip:", "$1$99", [], {},
                                    [[]], "'; DROP TABLE cdrs; --", "\ud800", "*" * 200])
        return copy


@case("mutated configurations are refused or taken whole, never half, and calls go on", short=True)
def mutants(t):
    sbc = t.sbc(wide_ports)
    pbx, carrier = t.peers()
    call = establish(t, pbx, carrier, t.slot.inside, called="+49long")
    good = sbc.rest("GET", "/config")
    noise = random.Random(99)
    refused = taken = 0
    for number in range(250):
        bad = mutated(noise, good)
        status, _, answer = sbc.http("PUT", "/api/v1/config", bad)
        check(status in (200, 204, 400, 409, 422), f"{status} for {json.dumps(bad)[:3000]}: {answer}")
        if status in (200, 204):
            taken += 1
            sbc.rest("PUT", "/config", good)
        else:
            refused += 1
            check(answer.get("errors") or answer.get("detail"), f"no reason in {answer}")
        if number % 25 == 0:
            equal(sbc.rest("GET", "/config"), good, "the document in force")
            hang_up(*establish(t, pbx, carrier, t.slot.inside, called=f"+49{number}"))
    check(refused > 100 and taken > 5, f"{refused} refused, {taken} taken")
    hang_up(*call)
    back_to_start(sbc, None)
