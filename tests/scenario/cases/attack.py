# SPDX-License-Identifier: MIT
"""Attacks on signalling, from strangers and from a trunk's own address: broken messages in bulk,
forged ones within a dialog, targets that a peer must not choose, and floods. What must hold each time:
nothing dies, the next good request is answered, and calls, ports and descriptors are back."""
import os
import random
import re
import select
import socket
import subprocess
import sys
import time

from harness import sdp
from harness.case import case
from harness.check import Skip, check, equal, eventually
from harness.sbc import trunk
from harness.sip import Call, Message, options, token

from cases.basic import establish
from cases.torture import corpora


def descriptors(sbc, name="sbcd"):
    """How many files a daemon has open; None: we may not look."""
    try:
        return len(os.listdir(f"/proc/{sbc.children[name].pid}/fd"))
    except PermissionError:
        return None


def resident_kb(sbc, name="sbcd"):
    with open(f"/proc/{sbc.children[name].pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


def pairs_in_use(sbc):
    return sum(v for k, v in sbc.metrics().items() if k.startswith("sbc_relay_port_pairs_in_use"))


def back_to_start(sbc, files, timeout_s=40):
    """No call, no port, no file more than before."""
    eventually(lambda: not sbc.calls(), "no live call", timeout_s)
    eventually(lambda: pairs_in_use(sbc) == 0, "no port in use", timeout_s, 0.3)
    if files is not None:
        eventually(lambda: descriptors(sbc) <= files, f"{files} open files", timeout_s, 0.3)


def drain(*socks):
    """Reads away all that waits; how many datagrams, and their octets."""
    count = size = 0
    while ready := select.select(socks, [], [], 0)[0]:
        for sock in ready:
            size += len(sock.recv(65536))
            count += 1
    return count, size


def invite(endpoint, border, called="+4930", body=b"", branch=None, call_id=None, headers=(), tag=None,
           contact=None):
    """The octets of a plain INVITE."""
    message = Message(f"INVITE sip:{called}@{border} SIP/2.0", [
        ("Via", endpoint.via(branch)), ("Max-Forwards", "70"),
        ("From", f"<sip:eve@{endpoint.hostport}>;tag={tag or token()}"),
        ("To", f"<sip:{called}@{border}>"), ("Call-ID", call_id or token()), ("CSeq", "1 INVITE"),
        ("Contact", contact or f"<sip:eve@{endpoint.hostport}>")] + list(headers), body)
    if body and message.get("Content-Type") is None:
        message.headers.append(("Content-Type", "application/sdp"))
    return message


# ---- broken messages in bulk ----

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
            begin = time.monotonic()
            equal(options(control, (t.slot.inside, 5060)).status, 200, f"OPTIONS after message {count}")
            check(time.monotonic() - begin < 1, f"OPTIONS after message {count} came late")
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


@case("messages at the limits are answered or dropped within 200 ms", short=True)
def at_the_limits(t):
    sbc = t.sbc(with_control(t))
    pbx = t.endpoint(t.slot.pbx, lenient=True)
    control = t.endpoint(t.slot.stranger)
    answerer = Answerer(t.endpoint(t.slot.carrier))
    slow = []
    for name, raw in monsters(pbx, t.slot.inside):
        check(len(raw) <= 65507, f"{name}: {len(raw)} octets")
        begin = time.monotonic()
        pbx.sock.sendto(raw, (t.slot.inside, 5060))
        equal(options(control, (t.slot.inside, 5060)).status, 200, f"OPTIONS after {name}")
        took = time.monotonic() - begin
        if took > 0.2:
            slow.append(f"{name}: {took:.3f} s")
        answerer.work()
        drain(pbx.sock)
    check(not slow, "; ".join(slow))
    answerer.work()
    back_to_start(sbc, None)


# ---- forged messages ----

def bare(call, method, cseq, source, branch=None, headers=()):
    """A request of this dialog, as somebody else would send it."""
    return Message(f"{method} sip:x@border SIP/2.0", [
        ("Via", source.via(branch)), ("Max-Forwards", "70"), ("From", call.local), ("To", call.remote),
        ("Call-ID", call.call_id), ("CSeq", f"{cseq} {method}"),
        ("Contact", f"<sip:eve@{source.hostport}>")] + list(headers))


@case("who overheard a dialog's identifiers cannot end, move or mute it", short=True)
def forged_in_dialog(t):
    def change(document):
        document["provisioning"]["trunks"].append(
            trunk("other", "inside", f"sip:{t.slot.ip(12)}:5060"))
    sbc = t.sbc(change)
    pbx, carrier = t.peers()
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    strangers = [t.endpoint(t.slot.stranger, lenient=True), t.endpoint(t.slot.ip(12), lenient=True)]
    borders = [(caller, (t.slot.inside, 5060)), (callee, (t.slot.outside, 5060))]
    for attempt in range(40):
        for stranger in strangers:
            for call, border in borders:
                for method in ("BYE", "INVITE", "UPDATE", "INFO", "ACK", "CANCEL", "REFER", "PRACK"):
                    message = bare(call, method, 100 + attempt, stranger)
                    if method in ("INVITE", "UPDATE"):
                        message.body = sdp.compose(stranger.ip, 9)
                        message.headers.append(("Content-Type", "application/sdp"))
                    stranger.send(message, border)
        for stranger in strangers:
            while stranger.pump(0):
                pass
    time.sleep(0.2)
    answers = []
    for stranger in strangers:
        while stranger.pump(0):
            pass
        answers += [m for m in stranger.inbox]
    check(answers and all(not m.is_request and m.status in (403, 481, 503) for m in answers),
          f"answers {sorted({m.brief() for m in answers})}")
    pbx.silence(0.1)
    carrier.silence(0.1)
    equal(len(sbc.calls()), 1, "live calls")
    caller.request("BYE")
    callee.take_bye()
    caller.expect(200, method="BYE")
    back_to_start(sbc, None)


@case("CANCEL and responses count only with the right branch and source", short=True)
def forged_transactions(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    stranger = t.endpoint(t.slot.stranger, lenient=True)
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    callee = Call.receive(carrier)
    callee.reply(180)
    caller.expect(180)

    def cancel(via):
        return Message(f"CANCEL {caller.invite.uri} SIP/2.0", [
            ("Via", via), ("Max-Forwards", "70"), ("From", caller.invite.get("From")),
            ("To", caller.invite.get("To")), ("Call-ID", caller.call_id), ("CSeq", "1 CANCEL")])
    # Another branch from the right source; the right one from a stranger.
    pbx.send(cancel(pbx.via()), (t.slot.inside, 5060))
    answer = pbx.take(lambda m: not m.is_request and m.cseq_method == "CANCEL", 2)
    equal(answer.status, 481, "a CANCEL of another branch")
    stranger.send(cancel(caller.invite.get("Via")), (t.slot.inside, 5060))
    # Responses: right branch from a stranger; guessed branches from the right source.
    def response(status, via):
        return Message(f"SIP/2.0 {status} X", [
            ("Via", via), ("From", callee.invite.get("From")), ("To", callee.local),
            ("Call-ID", callee.call_id), ("CSeq", callee.invite.get("CSeq")),
            ("Contact", f"<sip:eve@{stranger.hostport}>"), ("Content-Type", "application/sdp")],
            sdp.compose(stranger.ip, 9) if status == 200 else b"")
    own = callee.invite.get("Via")
    for status in (200, 486, 183, 302):
        stranger.send(response(status, own), (t.slot.outside, 5060))
        carrier.send(response(status, re.sub("branch=[^;]*", "branch=z9hG4bKguess", own)),
                     (t.slot.outside, 5060))
        carrier.send(response(status, own.replace(t.slot.outside, "255.255.255.255")),
                     (t.slot.outside, 5060))
    pbx.silence(0.3)
    carrier.silence(0.1)
    equal([c["state"] for c in sbc.calls()], ["ringing"], "the call")
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    caller.request("BYE")
    callee.take_bye()
    caller.expect(200, method="BYE")


class Bait:
    """Sockets on an address where nothing of the SBC's may ever arrive."""

    def __init__(self, ip, port=6379):
        self.ip, self.port = ip, port
        self.tcp, self.udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((ip, port))
        self.tcp.listen(5)
        self.udp.bind((ip, port))

    def untouched(self, why):
        touched = select.select([self.tcp, self.udp], [], [], 0.2)[0]
        check(not touched, f"{why}: {'TCP' if self.tcp in touched else 'UDP'} reached {self.ip}")

    def close(self):
        self.tcp.close()
        self.udp.close()


@case("Contact, Route, Record-Route, Via and maddr cannot aim the SBC at anything", short=True)
def ssrf(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    bait = t.own(Bait(t.slot.ip(66)))
    at = f"{bait.ip}:{bait.port}"
    aims = [("contact", f"<sip:x@{at}>", ()), ("contact over TCP", f"<sip:x@{at};transport=tcp>", ()),
            ("contact with maddr", f"<sip:x@{pbx.hostport};maddr={bait.ip}>", ()),
            ("record-route", None, [("Record-Route", f"<sip:{at};lr>")]),
            ("route", None, [("Route", f"<sip:{at};lr>")]),
            ("strict route", None, [("Record-Route", f"<sip:{at}>")])]
    for why, contact, headers in aims:
        pbx.send(invite(pbx, t.slot.inside, body=sdp.compose(pbx.ip, 14000), contact=contact,
                        headers=headers, call_id=f"aim-{aims.index((why, contact, headers))}"),
                 (t.slot.inside, 5060))
        callee = Call.receive(carrier)
        callee.reply(200, sdp.compose(carrier.ip, 16000),
                     headers=[("Record-Route", f"<sip:{at};lr>")] if headers else ())
        pbx.take(lambda m: m.status == 200, 2)
        callee.take_request("ACK")
        callee.request("BYE")  # the SBC's BYE to the caller is what is being aimed
        callee.expect(200, method="BYE")
        bait.untouched(why)
        pbx.take(lambda m: m.is_request and m.method == "BYE", 0.1)
        carrier.pump(0)
        pbx.inbox.clear()
        carrier.inbox.clear()
    # The callee's Contact, its redirection, a Via of somebody else, a maddr in the Request-URI.
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    callee = Call.receive(carrier)
    callee.reply(200, sdp.compose(carrier.ip, 16000), contact=False,
                 headers=[("Contact", f"<sip:y@{at}>")])
    caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    carrier.inbox.clear()
    caller.request("BYE")
    caller.expect(200, method="BYE")
    callee.take_bye()
    bait.untouched("the callee's Contact")
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000),
                        uri=f"sip:+4930@{t.slot.inside};maddr={bait.ip}")
    callee = Call.receive(carrier)
    callee.reply(302, contact=False, headers=[("Contact", f"<sip:y@{at}>")])
    caller.expect(480)
    bait.untouched("a redirection, and a maddr in the Request-URI")
    message = invite(pbx, t.slot.inside, called="none@", branch="z9hG4bKvia1")
    message.set("Via", f"SIP/2.0/UDP {at};branch=z9hG4bKaim;maddr={bait.ip};received={bait.ip}")
    pbx.send(message, (t.slot.inside, 5060))
    bait.untouched("a Via of somebody else")


@case("a TCP caller's Contact is no place to connect to", short=True)
def ssrf_tcp(t):
    t.sbc()
    pbx, carrier = t.endpoint(t.slot.pbx, transport="tcp"), t.endpoint(t.slot.carrier)
    bait = t.own(Bait(t.slot.ip(66)))
    connection = pbx.connect((t.slot.inside, 5060))
    pbx.send(invite(pbx, t.slot.inside, body=sdp.compose(pbx.ip, 14000),
                    contact=f"<sip:x@{bait.ip}:{bait.port};transport=tcp>"), connection)
    callee = Call.receive(carrier)
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    pbx.take(lambda m: m.status == 200, 2)
    callee.take_request("ACK")
    connection.close()
    connection.closed = True
    time.sleep(0.1)
    callee.request("BYE")
    callee.expect(200, method="BYE")
    bait.untouched("the Contact of a lost connection")


@case("strangers get equal, small and single answers, sent to where they came from", short=True)
def reflection(t):
    sbc = t.sbc()
    bait = t.own(Bait(t.slot.ip(66)))
    stranger = t.endpoint(t.slot.stranger, lenient=True)
    stranger.via_parameters = ""
    answers = []
    sent = 0
    for called in ("alice", "bob", "+4930", "100", "nosuch"):
        for method in ("INVITE", "OPTIONS", "REGISTER", "SUBSCRIBE", "MESSAGE", "BYE", "X-NEW"):
            message = invite(stranger, t.slot.inside, called=called)
            message.start = message.start.replace("INVITE", method, 1)
            message.set("CSeq", f"1 {method}")
            message.set("Via", f"SIP/2.0/UDP {bait.ip}:{bait.port};branch=z9hG4bK{token()};rport")
            stranger.send(message, (t.slot.inside, 5060))
            sent += len(message.bytes())
            answer = stranger.take(lambda m: not m.is_request, 1)
            check(answer is not None, f"no answer to {method}")
            answers.append((answer.status, len(message.bytes()), len(answer.raw), method, called))
    equal({a[0] for a in answers}, {403}, "statuses")
    for status, asked, got, method, called in answers:
        check(got <= 1.2 * asked, f"{method} of {asked} octets was answered with {got}")
    same = {}
    for _, asked, got, method, called in answers:
        same.setdefault((method, asked), set()).add(got)
    check(all(len(v) == 1 for v in same.values()), f"answers tell users apart: {same}")
    bait.untouched("somebody's Via")
    # The shortest requests there are would be answered with twice their size.
    for line, body in ((b"OPTIONS sip:a SIP/2.0", b""), (b"X sip:a SIP/2.0", b""), (b"X sip:a SIP/9.0", b""),
                       (b"INVITE sip:a SIP/2.0", b"l:9\r\n")):
        raw = (line + b"\r\nv:SIP/2.0/UDP a:5060;rport;branch=z9hG4bKa\r\nf:<sip:a>;tag=1\r\nt:<sip:b>\r\ni:1\r\n"
               b"CSeq:1 " + line.split()[0] + b"\r\n" + body + b"\r\n")
        stranger.sock.sendto(raw, (t.slot.inside, 5060))
        time.sleep(0.05)
        count, size = drain(stranger.sock)
        check(size <= 1.2 * len(raw), f"{line!r} of {len(raw)} octets was answered with {size}")
    time.sleep(1.3)  # Timer G would have fired twice
    equal(drain(stranger.sock), (0, 0), "repeated answers")
    check(sbc.metrics().get("sbc_sip_transactions_active", 0) <= 1, "a transaction of a stranger lives")


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
