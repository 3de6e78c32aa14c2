# SPDX-License-Identifier: MIT
"""Attacks by quantity and by patience: slow connections, half-open calls, floods, no descriptors left,
a lossy path, and peers that say what would get in the SBC's own way."""
import re
import socket
import threading
import time

from harness import sdp
from harness.attack import back_to_start, descriptors, drain, invite, resident_kb
from harness.case import case
from harness.check import check, equal, eventually
from harness.sbc import trunk
from harness.sip import Call, Message, options, token

from cases.basic import establish, hang_up


def connect(ip, to, data=b""):
    sock = socket.socket()
    sock.bind((ip, 0))
    sock.settimeout(2)
    sock.connect(to)
    if data:
        sock.sendall(data)
    sock.setblocking(False)
    return sock


def is_closed(sock):
    """The other end has closed or reset it; what it said before is read away."""
    try:
        while sock.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


@case("slow and silent connections are closed by timers; a trunk still gets in", short=True)
def slowloris(t):
    sbc = t.sbc(lambda document: document.update(limits={"connections": 600}))
    to = (t.slot.inside, 5060)
    files = descriptors(sbc)
    socks = []
    try:
        for source in range(100, 112):
            for number in range(70):
                data = (b"", b"O", b"OPTIONS sip:x SIP/2.0\r\nVia: ", b"OPTIONS sip:x SIP/2.0\r\n"
                        b"Content-Length: 9000\r\n\r\nx", b"\x16\x03\x01\x02\x00")[number % 5]
                try:
                    socks.append(connect(t.slot.ip(source), to, data))
                except OSError:
                    pass
        def still_open():
            return [s for s in socks if not is_closed(s)]
        eventually(lambda: len(still_open()) <= 450, "strangers have at most 450 of 600 connections")
        live = still_open()
        check(len(live) > 200, f"only {len(live)} connections of strangers")
        pbx = t.endpoint(t.slot.pbx, transport="tcp")
        equal(options(pbx, to).status, 200, "a trunk's OPTIONS over a new connection")
        check(len(still_open()) > 200, "it waited for theirs to end")
        end = time.monotonic() + 14
        while time.monotonic() < end and (live := [s for s in live if not is_closed(s)]):
            for sock in live:  # an octet now and then does not prolong it
                try:
                    sock.send(b"x")
                except OSError:
                    pass
            time.sleep(0.5)
        check(not live, f"{len(live)} slow connections are still open")
        equal(options(pbx, to).status, 200, "OPTIONS on the trunk's own connection")
    finally:
        for sock in socks:
            sock.close()
    if files is not None:
        eventually(lambda: descriptors(sbc) <= files + 1, "the descriptors are back")


@case("one address that holds on to the API's connections leaves room for others", short=True)
def slow_api(t):
    sbc = t.sbc()
    host, port = sbc.api.rsplit(":", 1)
    pieces = (b"", b"GET /api", b"GET / HTTP/1.1\r\nHost: x\r\n",
              b"PUT /api/v1/config HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
    socks = []
    try:
        for number in range(300):
            socks.append(connect(t.slot.stranger, (host, int(port)), pieces[number % 4]))
        equal(sbc.http("GET", "/api/v1/trunks")[0], 200, "the operator's request")
        check(not all(map(is_closed, socks)), "it waited for theirs to end")
    finally:
        for sock in socks:
            sock.close()


@case("CRLFs, NULs, empty and one-octet datagrams cost little, and pongs are few", short=True)
def crlf_flood(t):
    sbc = t.sbc()
    to = (t.slot.inside, 5060)
    pbx = t.endpoint(t.slot.pbx)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((t.slot.stranger, 0))
        for number in range(8000):
            sock.sendto((b"", b"\0", b"\r\n\r\n", b"x", b"\r\n" * 700, b"\0" * 1400)[number % 6], to)
        equal(drain(sock), (0, 0), "answers to noise")
    flood = connect(t.slot.pbx, to)
    flood.settimeout(10)
    sender = threading.Thread(target=lambda: flood.sendall(b"\r\n" * 500000), daemon=True)
    sender.start()
    for _ in range(5):
        equal(options(pbx, to).status, 200, "OPTIONS under a flood of CRLF")
    sender.join(10)
    check(not sender.is_alive(), "the flood was not read")
    time.sleep(0.3)
    count, size = drain(flood)
    check(0 < size <= 20, f"{size} octets of pongs")
    flood.close()


@case("half-open calls stop at the trunk's limit; others get 503, and all comes back", short=True)
def half_open(t):
    def change(document):
        part = document["provisioning"]
        part["trunks"][0]["limits"] = {"calls": 20}
        part["trunks"].append(trunk("greedy", "inside", f"sip:{t.slot.ip(12)}:5060", limits={"calls": 30}))
        part["routes"].append({"name": "greedy", "match": {"trunk": "greedy"},
                               "targets": [{"trunk": "carrier"}]})
        for one in part["realms"]:
            one["media"]["port_max"] = one["media"]["port_min"] + 99  # 50 pairs
    sbc = t.sbc(change)
    greedy = t.endpoint(t.slot.ip(12), lenient=True)
    pbx, carrier = t.peers()
    ids = []
    for number in range(200):
        message = invite(greedy, t.slot.inside, body=sdp.compose(greedy.ip, 14000),
                         call_id=f"greed-{number}", branch=f"z9hG4bKgreed{number}", tag="1")
        ids.append(message)
        greedy.send(message, (t.slot.inside, 5060))
        while greedy.pump(0.002):  # or buffers would run over
            pass
    while greedy.pump(0.3):
        pass
    refused = [m for m in greedy.inbox if m.status == 503]
    equal(len({m.get("Call-ID") for m in refused}), 170, "refused with 503")
    check(all(m.get("Retry-After") for m in refused), "a 503 without Retry-After")
    equal(len(sbc.calls()), 30, "half-open calls")
    carrier.pump(0.1)
    while carrier.pump(0):
        pass
    carrier.inbox.clear()
    hang_up(*establish(t, pbx, carrier, t.slot.inside))
    for message in ids:  # it takes them back
        cancel = Message(message.start.replace("INVITE", "CANCEL"), [
            (n, v) for n, v in message.headers if n in ("Via", "From", "To", "Call-ID", "Max-Forwards")])
        cancel.headers.append(("CSeq", "1 CANCEL"))
        greedy.send(cancel, (t.slot.inside, 5060))
    back_to_start(sbc, None)
    hang_up(*establish(t, pbx, carrier, t.slot.inside, called="+49again"))


EVIL = ["Content-Length", "application/sdp", "SIP/2.0", "Contact:", "Reason:", "branch=z9hG4bK", "Retry-After",
        "Max-Forwards", "INVITE,", "a=rtpmap:0", "PCMU/8000", "sendrecv", "200"]


@case("identifiers that look like our own words end no more than their own call", short=True)
def evil_identifiers(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    carrier.lenient = pbx.lenient = True
    for word in EVIL:
        tag = re.sub(r"[^A-Za-z0-9.!%*_+`'~-]", "-", word)
        for who in ("callee's tag", "caller's tag", "Call-ID"):
            caller = Call(pbx, (t.slot.inside, 5060))
            caller.call_id = word if who == "Call-ID" else token()
            caller.local = f"<sip:a@{pbx.hostport}>;tag={tag if who.startswith('caller') else token()}"
            caller.remote = f"<sip:+4930@{t.slot.inside}>"
            caller.remote_target = f"sip:+4930@{t.slot.inside}:5060"
            caller.send_invite(sdp.compose(pbx.ip, 14000))
            request = carrier.take(lambda m: m.is_request and m.method == "INVITE", 0.3)
            if request is None:
                final = pbx.take(lambda m: not m.is_request and m.status >= 300, 1)
                check(final is not None, f"{who} {word!r}: neither an INVITE nor a final answer")
                caller.ack_failure(final)
                continue
            callee = Call(carrier, request.source)
            callee.invite, callee.call_id, callee.remote = request, request.get("Call-ID"), request.get("From")
            callee.local = f"{request.get('To')};tag={tag if who.startswith('callee') else token()}"
            callee.remote_target = request.contact_uri()
            callee.reply(200, sdp.compose(carrier.ip, 16000))
            final = pbx.take(lambda m: not m.is_request and m.status >= 200, 1)
            check(final is not None, f"{who} {word!r}: the caller got no final answer")
            if final.status >= 300:
                caller.ack_failure(final)
            else:
                caller.remote, caller.remote_target = final.get("To"), final.contact_uri()
                caller.ack()
                caller.request("BYE", headers=[("Reason", "Q.850;cause=16")])
            bye = carrier.take(lambda m: m.is_request and m.method == "BYE", 1)
            check(bye is not None, f"{who} {word!r}: the callee got no BYE")
            callee.reply(200, request=bye)
            pbx.pump(0.01)
            for endpoint in (pbx, carrier):
                endpoint.inbox.clear()
    back_to_start(sbc, None)


def bad_sdps(ip):
    """Session descriptions that no careful sender writes."""
    good = sdp.compose(ip, 14000)

    def swap(old, new):
        check(old in good, f"{old!r} is not in the SDP")
        return good.replace(old, new)
    line = b"m=audio 14000 RTP/AVP 0 8 101\r\n"
    yield good + line * 1500
    yield swap(b"a=fmtp:101 0-15", b"a=fmtp:101 " + b"0," * 15000)
    yield swap(b"a=fmtp:101 0-15", b"a=fmtp:101 0-15\r\na=fmtp:101 1-2" * 500)
    yield swap(b"o=- 4711 1 ", b"o=- " + b"9" * 5000 + b" " + b"9" * 5000 + b" ")
    yield swap(b"o=- 4711 1 ", b"o=- -1 18446744073709551616 ")
    for host in (b"evil.example", b"0.0.0.0/127/999", b"255.255.255.255", b"224.0.0.1", b"127.0.0.1 x",
                 b"1.2.3", b"::1", b"999.1.1.1", b"a" * 3000):
        yield swap(b"c=IN IP4 " + ip.encode(), b"c=IN IP4 " + host)
    for port in (b"0", b"-1", b"65536", b"99999999999999999999", b"14000/65535", b"14001", b"1", b"x", b""):
        yield swap(b"audio 14000", b"audio " + port)
    for formats in (b"", b" 0" * 4000, b" 128 -1 999", b" *", b" " + b"0" * 4000):
        yield swap(b" 0 8 101\r\na=rtpmap", formats + b"\r\na=rtpmap")
    yield swap(b"s=-", b"s=a\0b")
    yield swap(b"s=-", b"s=a\nc=IN IP4 6.6.6.6")
    yield swap(b"s=-", b"s=a\rc=IN IP4 6.6.6.6")
    yield swap(b"a=sendrecv", b"a=sendrecv\na=x:MARK\r\na=y\0MARK\r\na=z:\xff\xfe")
    yield swap(b"PCMU/8000", b"PCMU/0\r\na=rtpmap:0 X/4294967296/99")
    yield swap(b"PCMU", b"P" * 6000)
    yield good.replace(b"\r\n", b"\n")
    yield good.replace(b"\r\n", b"\r")
    yield good[:len(good) // 2]
    yield b"v=0\r\n" * 5000
    yield b"\r\n" * 5000
    yield b"\0" * 3000
    yield b"=" * 3000
    yield swap(b"t=0 0\r\n", b"")
    yield swap(b"v=0\r\n", b"v=1\r\n")
    yield swap(b"a=ptime:20", b"a=ptime:-1\r\na=ptime:4294967297\r\na=maxptime:0\r\na=rtcp:0\r\na=rtcp:99999")
    yield swap(b"a=ptime:20", b"a=candidate:" + b"1 " * 4000 + b"\r\na=crypto:1 X inline:" + b"A" * 4000)


@case("broken session descriptions leave no port behind and never cross", short=True)
def broken_sdp(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    pbx.lenient = True
    through = 0
    for number, body in enumerate(bad_sdps(pbx.ip)):
        pbx.send(invite(pbx, t.slot.inside, body=body, call_id=f"sdp-{number}"), (t.slot.inside, 5060))
        got = eventually(lambda: (carrier.pump(0.01), pbx.pump(0.01), carrier.inbox or
                                  [m for m in pbx.inbox if m.status >= 200 and
                                   m.get("Call-ID") == f"sdp-{number}"])[2],
                         f"what becomes of {body[:300]!r}", 1, 0)[0]
        if got.is_request:  # judged when it arrived
            through += 1
            for mark in (b"MARK", b"6.6.6.6", b"evil", b"\0"):
                check(mark not in got.body, f"{mark!r} crossed in\n{got}")
            callee = Call(carrier, got.source)
            callee.invite, callee.local = got, f"{got.get('To')};tag={token()}"
            # And the same in an answer: the call fails, or goes on without it.
            callee.reply(200, body.replace(pbx.ip.encode(), carrier.ip.encode()))
            pbx.take(lambda m: m.status >= 200, 1)
        else:
            check(400 <= got.status < 500, f"{got.brief()} for {body[:300]!r}")
        while carrier.pump(0.005):
            pass
        for message in carrier.inbox:
            if message.is_request and message.method == "BYE":
                Call(carrier, message.source).reply(200, request=message)
        pbx.inbox.clear()
        carrier.inbox.clear()
    check(through >= 3, f"only {through} were passable")
    for call in sbc.calls():
        sbc.rest("DELETE", f"/calls/{call['id']}", wanted=(204, 404))
    back_to_start(sbc, None)


class Flood:
    """INVITEs of strangers as fast as they go, from many addresses or one."""

    def __init__(self, ips, to, raw):
        self.socks = []
        for ip in ips:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind((ip, 0))
            sock.setblocking(False)
            self.socks.append(sock)
        self.to, self.raw = to, raw
        self.sent = self.sent_bytes = 0
        self.stop = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop:
            for sock in self.socks[self.sent // 20 % len(self.socks):][:1]:
                for _ in range(20):
                    self.sent += 1
                    raw = self.raw.replace(b"NUMBER", b"%d" % self.sent)
                    try:
                        sock.sendto(raw, self.to)
                        self.sent_bytes += len(raw)
                    except BlockingIOError:
                        pass
            time.sleep(0.001)

    def close(self):
        self.stop = True
        self.thread.join(2)
        for sock in self.socks:
            sock.close()


def under_flood(t, sources):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    stranger = t.endpoint(t.slot.stranger, 5999, lenient=True)
    raw = invite(stranger, t.slot.inside, body=sdp.compose(t.slot.stranger, 14000), call_id="NUMBER",
                 branch="z9hG4bKNUMBER").bytes()
    hang_up(*establish(t, pbx, carrier, t.slot.inside))
    before = resident_kb(sbc)
    flood = Flood(sources, (t.slot.inside, 5060), raw)
    try:
        took = []
        end = time.monotonic() + 3
        while time.monotonic() < end:
            begin = time.monotonic()
            hang_up(*establish(t, pbx, carrier, t.slot.inside, called=f"+49{len(took)}"))
            took.append(time.monotonic() - begin)
            time.sleep(0.06)
    finally:
        flood.close()
    check(flood.sent > 3000, f"only {flood.sent} INVITEs of strangers were sent")
    check(len(took) > 10 and sorted(took)[len(took) * 9 // 10] < 0.5, f"calls took {sorted(took)[-5:]}")
    check(resident_kb(sbc) - before < 64000, f"memory grew by {resident_kb(sbc) - before} KB")
    return sbc, flood, took


@case("a flood of INVITEs from one stranger: calls go on, it gets its rate and no more", short=True)
def flood_one(t):
    sbc, flood, _ = under_flood(t, [t.slot.stranger])
    time.sleep(1.2)
    rejected = sum(v for k, v in sbc.metrics().items()
                   if k.startswith("sbc_requests_rejected_total") and v)
    check(rejected <= 100 + 50 * 6, f"{rejected} of {flood.sent} were answered in 3 s")
    back_to_start(sbc, None)


@case("a flood of INVITEs from 200 strangers: calls go on", short=True)
def flood_many(t):
    sbc, flood, _ = under_flood(t, [t.slot.ip(host) for host in range(50, 250)])
    time.sleep(1.2)
    rejected = sum(v for k, v in sbc.metrics().items()
                   if k.startswith("sbc_requests_rejected_total") and v)
    check(rejected <= 2000 + 1000 * 6, f"{rejected} of {flood.sent} were answered in 3 s")
    back_to_start(sbc, None)


@case("an HTTP head that comes octet by octet is cut off; a connection in use is not", slow=True)
def slow_head(t):
    sbc = t.sbc()
    host, port = sbc.api.rsplit(":", 1)
    used = connect(t.slot.stranger, (host, int(port)))
    slow = [connect(t.slot.stranger, (host, int(port)), data)
            for data in (b"", b"GET /api", b"GET / HTTP/1.1\r\n")]
    begin = time.monotonic()
    while slow and time.monotonic() - begin < 40:
        for sock in slow:
            try:
                sock.send(b"x")
            except OSError:
                pass
        used.send(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(1)
        slow = [sock for sock in slow if not is_closed(sock)]
        check(not is_closed(used), "the connection in use was closed")
    check(not slow, f"{len(slow)} slow heads are still awaited after 40 s")
    check(time.monotonic() - begin > 20, "they were cut off early")
    used.close()
