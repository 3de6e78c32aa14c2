# SPDX-License-Identifier: MIT
"""Broken messages, from strangers and from a trunk's own address: in bulk, at the limits, and within
calls. What must hold each time: nothing dies, the next good request is answered, and calls, ports and
descriptors are back."""
import os
import random
import re
import socket
import subprocess
import sys
import time

from harness import sdp
from harness.attack import back_to_start, cpu_seconds, descriptors, drain, invite, resident_kb
from harness.case import case
from harness.check import Skip, check, equal
from harness.sbc import trunk
from harness.sip import Call, options, token

from cases.torture import corpora


def rendered_protos(t):
    """The PROTOS INVITEs, with addresses of this slot."""
    top = os.path.abspath(corpora())
    out = os.path.join(t.folder, "protos")
    done = subprocess.run(
        [sys.executable, os.path.join(top, "protos_render.py"), out, "--to", f"+4930@{t.slot.inside}",
         "--frm", f"eve@{t.slot.pbx}", "--from-ip", t.slot.pbx, "--lport", "5060"],
        capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Skip(f"PROTOS cannot be rendered: {done.stderr}")
    for name in sorted(os.listdir(out)):
        with open(os.path.join(out, name), "rb") as file:
            yield file.read()


def seeds():
    """Other projects' SIP messages, as they are."""
    top = os.path.join(corpora(), "fuzz-seeds")
    for folder in ("kamailio-misc-sip", "profuzzbench-sip", "sofia-sip", "pjsip", "jain-sip-torture"):
        for where, _, names in sorted(os.walk(os.path.join(top, folder))):
            for name in sorted(names):
                path = os.path.join(where, name)
                if os.path.getsize(path) <= 65507:
                    with open(path, "rb") as file:
                        yield file.read()


class Answerer:
    """The carrier in a bulk run: every INVITE that comes through is refused, so no call stays."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.through = 0

    def work(self):
        while self.endpoint.pump(0):
            pass
        for message in self.endpoint.inbox:
            if not message.is_request or message.method == "ACK":
                continue
            self.through += message.method == "INVITE"
            call = Call(self.endpoint, message.source)
            call.local, call.invite = f"{message.get('To')};tag=x", message
            call.reply(486 if message.method == "INVITE" else 200, request=message)
        self.endpoint.inbox.clear()


def bulk(t, sbc, messages, send, done=None):
    """Sends them one by one; after each 25 a known peer must be answered."""
    control = t.endpoint(t.slot.stranger)
    answerer = Answerer(t.endpoint(t.slot.carrier))
    files, count = descriptors(sbc), 0
    for count, raw in enumerate(messages, 1):
        send(raw)
        answerer.work()
        if count % 25 == 0:
            equal(options(control, (t.slot.inside, 5060)).status, 200, f"OPTIONS after message {count}")
    for _ in range(10):
        time.sleep(0.1)
        answerer.work()
    for call in sbc.calls():
        sbc.rest("DELETE", f"/calls/{call['id']}", wanted=(204, 404))
    answerer.work()
    if done:
        done()
    back_to_start(sbc, files)
    return count, answerer.through


def with_control(t):
    def change(document):
        part = document["provisioning"]
        part["routes"] = [{"name": "all", "targets": [{"trunk": "carrier"}]}]
        part["trunks"].append(trunk("control", "inside", f"sip:{t.slot.stranger}:5060"))
        for one in part["realms"]:
            one["media"]["port_max"] = one["media"]["port_min"] + 1999
    return change


@case("PROTOS' broken INVITEs, from a trunk's address, over UDP")
def protos_udp(t):
    messages = rendered_protos(t)
    sbc = t.sbc(with_control(t))
    pbx = t.endpoint(t.slot.pbx)

    def send(raw):
        pbx.sock.sendto(raw, (t.slot.inside, 5060))
        drain(pbx.sock)
    before = resident_kb(sbc)
    count, through = bulk(t, sbc, messages, send)
    equal(count, 1509, "messages")
    check(through > 20, f"only {through} reached the carrier")
    if "asan" not in os.environ.get("SBC_BUILD", ""):
        check(resident_kb(sbc) - before < 24000, f"memory grew by {resident_kb(sbc) - before} KB")


class Streams:
    """Each message on a connection of its own, thirty open at a time."""

    def __init__(self, ip, to):
        self.ip, self.to, self.open = ip, to, []

    def send(self, raw):
        sock = socket.socket()
        sock.bind((self.ip, 0))
        sock.settimeout(5)
        sock.connect(self.to)
        self.open.append(sock)
        try:
            sock.sendall(raw)
        except ConnectionError:
            pass  # closed at its first octets
        if len(self.open) == 30:
            self.close()

    def close(self):
        for sock in self.open:
            sock.close()
        self.open.clear()


@case("PROTOS' broken INVITEs, from a trunk's address, over TCP")
def protos_tcp(t):
    messages = list(rendered_protos(t))[::3]
    sbc = t.sbc(with_control(t))
    streams = t.own(Streams(t.slot.pbx, (t.slot.inside, 5060)))
    bulk(t, sbc, messages, streams.send, streams.close)


@case("other projects' fuzz seeds and mutants of good messages, from a trunk's address", short=True)
def seeds_and_mutants(t):
    sbc = t.sbc(with_control(t))
    pbx = t.endpoint(t.slot.pbx, lenient=True)
    noise = random.Random(20261120)
    good = invite(pbx, t.slot.inside, body=sdp.compose(pbx.ip, 14000)).bytes()

    def mutants():
        try:
            yield from seeds()
        except Skip:
            pass  # without the seeds, only the mutants
        for number in range(600):
            data = bytearray(good.replace(b"Call-ID: ", b"Call-ID: %d" % number).replace(
                b"branch=z9hG4bK", b"branch=z9hG4bK%d" % number))
            for _ in range(noise.randrange(1, 6)):
                at, kind = noise.randrange(len(data)), noise.randrange(4)
                if kind == 0:
                    data[at] = noise.randrange(256)
                elif kind == 1:
                    del data[at:at + noise.randrange(1, 40)]
                elif kind == 2:
                    data[at:at] = data[at:at + noise.randrange(1, 200)]
                else:
                    data[at:at] = noise.choice([b"\0", b"\r\n", b"\n", b"\xff" * 9, b"%n%s", b"\"", b"<",
                                                b"(" * 300, b";" * 300, b"," * 300, b"A" * 2000])
            yield bytes(data)

    def send(raw):
        pbx.sock.sendto(raw[:65507], (t.slot.inside, 5060))
        drain(pbx.sock)
    bulk(t, sbc, mutants(), send)


def monsters(pbx, border):
    """Messages at the limits, each under 65,507 octets."""
    def head(extra, body=b"", name="Subject"):
        return invite(pbx, border, body=body, headers=extra and [(name, extra)] or ()).bytes()
    many = [("X-H%d" % n, "v") for n in range(1000)]
    yield "1,000 headers", invite(pbx, border, headers=many).bytes()
    yield "10,000 Contacts", head(",".join(["<sip:a@b>"] * 6000), name="Contact")
    yield "200 Vias", invite(pbx, border, headers=[("Via", pbx.via())] * 200).bytes()
    yield "60 KB header line", head("y" * 60000)
    yield "quotes", head('"' + '\\"' * 20000)
    yield "comments", head("(" * 30000, name="User-Agent")
    yield "commas", head("," * 60000, name="Route")
    yield "many parameters", head("<sip:a@b>" + ";a" * 25000, name="P-Asserted-Identity")
    yield "folded lines", head("a\r\n " * 14000)
    yield "percent", head("a").replace(b"INVITE sip:", b"INVITE sip:" + b"%41" * 20000)
    yield "parameters in the Request-URI", head("a").replace(b" SIP/2.0\r\n",
                                                             b";a" * 28000 + b" SIP/2.0\r\n", 1)
    yield "route set", head(",".join("<sip:%d.example;lr>" % n for n in range(2000)), name="Record-Route")
    deep = b""
    for depth in range(255, 0, -1):
        deep = (b"--b%d\r\nContent-Type: multipart/mixed;boundary=b%d\r\n\r\n" % (depth, depth + 1)
                + deep + b"\r\n--b%d--\r\n" % depth)
    yield "multipart, 255 deep", invite(pbx, border, body=deep, headers=[
        ("Content-Type", "multipart/mixed;boundary=b1")]).bytes()
    for name, body, boundary in (
            ("5,000 parts", b"--b\r\n\r\n\r\n" * 5000 + b"--b--\r\n", "b"),
            ("a boundary that nearly begins everywhere", b"\r\n--" + b"-" * 54000, "-" * 69 + "b")):
        yield "multipart, " + name, invite(pbx, border, body=body, headers=[
            ("Content-Type", "multipart/mixed;boundary=" + boundary)]).bytes()


@case("messages at the limits are answered or dropped within 200 ms of a processor", short=True)
def at_the_limits(t):
    sbc = t.sbc(with_control(t))
    pbx = t.endpoint(t.slot.pbx, lenient=True)
    control = t.endpoint(t.slot.stranger)
    answerer = Answerer(t.endpoint(t.slot.carrier))
    left = {}  # what took long; tried again, for a processor may be lent to others for a while
    for attempt in range(3):
        for name, raw in monsters(pbx, t.slot.inside):
            check(len(raw) <= 65507, f"{name}: {len(raw)} octets")
            if attempt and name not in left:
                continue
            before = cpu_seconds(sbc)
            pbx.sock.sendto(raw, (t.slot.inside, 5060))
            equal(options(control, (t.slot.inside, 5060)).status, 200, f"OPTIONS after {name}")
            left[name] = cpu_seconds(sbc) - before
            answerer.work()
            drain(pbx.sock)
        left = {name: spent for name, spent in left.items() if spent > 0.2}
    check(not left, f"seconds of a processor: {left}")
    answerer.work()
    back_to_start(sbc, None)


CHALLENGE = 'Digest realm="r", nonce="n%d", qop="auth,auth-int", opaque="o", algorithm=MD5'
SPOILS = [b"\0", b"\r\n", b"\n", b"\xff" * 9, b"%n%s", b'"', b"<", b">", b";", b",", b"(" * 99, b"=", b" ",
          b"\t", b"@", b":", b"4294967296", b"-1", b"A" * 900, b"\r\n ", b"\r\n\r\n", b"\\", b"%00"]


def spoil(noise, data, keep):
    """Changes octets of a good message, but not those that bring it to its call."""
    data, fixed = bytearray(data), [data.find(k) for k in keep if k and k in data]
    spans = [(at, at + len(k)) for at, k in zip(fixed, [k for k in keep if k and k in data])]
    for _ in range(noise.randrange(1, 4)):
        at, size = noise.randrange(len(data)), noise.randrange(1, 12)
        if any(start - size < at < end for start, end in spans):
            continue
        kind = noise.randrange(4)
        if kind == 0:
            data[at] = noise.randrange(256)
        elif kind == 1 and all(at < start or at >= end for start, end in spans):
            data[at:at + size] = b"?" * min(size, len(data) - at)
        else:
            data[at:at] = noise.choice(SPOILS)
            spans = [(s + (at <= s) * 999, e + (at <= s) * 999) for s, e in spans if at > e or at <= s]
            break
    return bytes(data)


@case("broken answers and broken requests within calls, from both sides", short=True)
def spoiled_calls(t):
    def change(document):
        with_control(t)(document)
        document["provisioning"]["trunks"][1]["auth"] = {"username": "u", "password": "p"}
    sbc = t.sbc(change)
    pbx, carrier = t.endpoint(t.slot.pbx, lenient=True), t.endpoint(t.slot.carrier, lenient=True)
    control = t.endpoint(t.slot.stranger)
    noise = random.Random(int(os.environ.get("SBC_TEST_SEED", "4711")))
    finals = [200, 200, 200, 302, 401, 407, 422, 486, 488, 491, 500, 603, 699]
    border, outer = (t.slot.inside, 5060), (t.slot.outside, 5060)
    for number in range(250):
        if number % 25 == 0:
            equal(options(control, border).status, 200, f"OPTIONS before call {number}")
        caller = Call.start(pbx, border, f"+4930{number:04}",
                            sdp=sdp.compose(pbx.ip, 14000) if number % 5 else None)
        request = carrier.take(lambda m: m.is_request and f"+4930{number:04}@" in m.start and
                               m.method == "INVITE")
        check(request is not None, f"INVITE {number} did not come through")
        callee = Call(carrier, request.source)
        callee.invite, callee.local = request, f"{request.get('To')};tag={token()}"
        callee.calling = "callee"
        branch = re.search("branch=([^;]*)", callee.invite.get("Via")).group(1).encode()
        keep = [b"SIP/2.0", branch, callee.invite.get("CSeq").encode()]

        def answer(status):
            before = len(carrier.log)
            callee.reply(status, sdp.compose(carrier.ip, 16000) if noise.randrange(3) else None, headers=[
                ("Record-Route", "<sip:127.0.0.1;lr>"), ("Allow", "INVITE, UPDATE"),
                ("WWW-Authenticate", CHALLENGE % number), ("Proxy-Authenticate", CHALLENGE % number)])
            good = carrier.log[before][2]
            for _ in range(3):
                carrier.sock.sendto(spoil(noise, good, keep), outer)
        for status in (noise.choice([100, 180, 183, 199]), 183):
            answer(status)
        answer(noise.choice(finals))
        got = pbx.take(lambda m: m.status >= 180 and m.tag("To"), 0.3)
        if got is not None:
            caller.remote = got.get("To")
            if got.status == 200 and got.get("Contact"):
                caller.remote_target = got.contact_uri()
            for method in ("ACK", "INVITE", "UPDATE", "INFO", "PRACK", "REFER", "OPTIONS"):
                message = caller._request(method, caller.cseq + (method != "ACK"), None, (),
                                          sdp.compose(pbx.ip, 14000, version=2))
                caller.cseq += method != "ACK"
                tag = got.tag("To").encode()
                raw = message.bytes()
                for data in (spoil(noise, raw, [tag, caller.call_id.encode()]), raw):
                    pbx.sock.sendto(data, border)
            pbx.sock.sendto(caller._request("BYE", caller.cseq + 9).bytes(), border)
        for endpoint in (pbx, carrier):
            while endpoint.pump(0):
                pass
            for message in endpoint.inbox:
                if not message.is_request or message.method == "ACK":
                    continue
                if message.method != "INVITE":
                    Call(endpoint, message.source).reply(200, request=message)
                else:
                    other = Call(endpoint, message.source)
                    other.local, other.invite = f"{message.get('To')};tag=z", message
                    other.reply(488)
            endpoint.inbox.clear()
    for call in sbc.calls():
        sbc.rest("DELETE", f"/calls/{call['id']}", wanted=(204, 404))
    back_to_start(sbc, None)
