# SPDX-License-Identifier: MIT
"""A SIP peer of our own: composes and reads messages, over UDP and TCP, and keeps a dialog's state.
It shares nothing with the C parser, so that neither can hide the other's mistakes. Every message that
arrives is held against what RFC 3261 asks of a sender; a peer of the SBC may be sloppy, the SBC not."""
import itertools
import os
import re
import select
import socket
import time

from .check import Failed, check

COMPACT = {"i": "call-id", "m": "contact", "e": "content-encoding", "l": "content-length",
           "c": "content-type", "f": "from", "s": "subject", "k": "supported", "t": "to", "v": "via"}
REASONS = {100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted",
           302: "Moved Temporarily", 404: "Not Found", 408: "Request Timeout", 480: "Unavailable",
           486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here",
           491: "Request Pending", 500: "Server Error", 503: "Service Unavailable", 603: "Decline"}
_serial = itertools.count(1)


def token():
    return f"{os.urandom(6).hex()}{next(_serial)}"


class Message:
    """A start line, headers in order, and a body of octets."""

    def __init__(self, start, headers=(), body=b""):
        self.start, self.headers = start, list(headers)
        self.body = body.encode() if isinstance(body, str) else body
        self.source = None   # where it came from: an address, or a Connection
        self.raw = b""

    @classmethod
    def parse(cls, raw):
        head, separator, body = raw.partition(b"\r\n\r\n")
        check(separator, f"no empty line after the headers: {raw[:200]!r}")
        check(b"\n" not in head.replace(b"\r\n", b"") and b"\r" not in head.replace(b"\r\n", b""),
              f"a bare CR or LF in the head: {raw[:400]!r}")
        lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        headers = []
        for line in lines[1:]:
            if line[:1] in " \t":
                name, value = headers.pop()
                headers.append((name, value + " " + line.strip()))
                continue
            name, colon, value = line.partition(":")
            check(colon, f"a header line without a colon: {line!r}")
            headers.append((name.strip(), value.strip()))
        message = cls(lines[0], headers, body)
        message.raw = raw
        return message

    @staticmethod
    def _canonical(name):
        name = name.lower()
        return COMPACT.get(name, name)

    def all(self, name):
        wanted = self._canonical(name)
        return [value for key, value in self.headers if self._canonical(key) == wanted]

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    def set(self, name, value):
        """Replaces all of that name, or appends; None takes it away."""
        wanted = self._canonical(name)
        self.headers = [h for h in self.headers if self._canonical(h[0]) != wanted]
        if value is not None:
            self.headers.append((name, value))
        return self

    @property
    def is_request(self):
        return not self.start.startswith("SIP/2.0 ")

    @property
    def method(self):
        return self.start.split(" ")[0] if self.is_request else self.cseq_method

    @property
    def uri(self):
        return self.start.split(" ")[1]

    @property
    def status(self):
        return 0 if self.is_request else int(self.start.split(" ")[1])

    @property
    def cseq(self):
        return int(self.get("CSeq").split()[0])

    @property
    def cseq_method(self):
        return self.get("CSeq").split()[1]

    def tag(self, name):
        match = re.search(r";\s*tag=([^;,\s>]+)", self.get(name, "").rpartition(">")[2] or
                          self.get(name, ""))
        return match.group(1) if match else None

    def contact_uri(self):
        value = self.get("Contact")
        check(value, f"no Contact in {self.start}")
        match = re.search(r"<([^>]+)>", value)
        return match.group(1) if match else value.split(";")[0]

    def bytes(self):
        """On the wire; a Content-Length is added unless the headers bring one (a lie, perhaps)."""
        headers = list(self.headers)
        if self.get("Content-Length") is None:
            headers.append(("Content-Length", str(len(self.body))))
        head = "\r\n".join([self.start] + [f"{name}: {value}" for name, value in headers])
        return head.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + self.body

    def __str__(self):
        return (self.raw or self.bytes()).decode("utf-8", "backslashreplace")

    def brief(self):
        return self.start if self.is_request else f"{self.start} ({self.cseq_method})"


def judge(message):
    """What every message of a careful sender keeps to (RFC 3261 8.1.1, 8.2.6, 18, 20.14)."""
    for name in ("From", "To", "Call-ID", "CSeq", "Content-Length"):
        check(len(message.all(name)) == 1, f"{len(message.all(name))} {name} in\n{message}")
    check(message.all("Via"), f"no Via in\n{message}")
    for via in message.all("Via"):
        check("branch=" in via, f"a Via without a branch in\n{message}")
    check(int(message.get("Content-Length")) == len(message.body),
          f"Content-Length {message.get('Content-Length')} but {len(message.body)} octets in\n{message}")
    check(message.tag("From"), f"no From tag in\n{message}")
    if message.body:
        check(message.get("Content-Type"), f"a body without a Content-Type in\n{message}")
        if message.get("Content-Type").lower().startswith("application/sdp"):
            judge_sdp(message.body)
    if message.is_request:
        check(len(message.all("Max-Forwards")) == 1, f"no single Max-Forwards in\n{message}")
        check(message.start.endswith(" SIP/2.0"), f"bad request line in\n{message}")
        check(message.cseq_method == message.method, f"CSeq names another method in\n{message}")
        check("z9hG4bK" in message.get("Via"), f"no magic cookie in\n{message}")
        if message.method in ("INVITE", "UPDATE"):
            check(len(message.all("Contact")) == 1, f"no single Contact in\n{message}")
    else:
        check(re.match(r"SIP/2\.0 [1-6]\d\d ", message.start), f"bad status line {message.start!r}")
        if message.status > 100:
            check(message.tag("To"), f"no To tag in\n{message}")
        if message.cseq_method == "INVITE" and message.status // 100 == 2:
            check(len(message.all("Contact")) == 1, f"no single Contact in\n{message}")


def judge_sdp(body):
    """RFC 8866 9: CRLF, the order of the session's first lines, a c= for each stream."""
    text = body.decode("utf-8", "backslashreplace")
    check("\n" not in text.replace("\r\n", ""), f"bare LF in SDP:\n{text}")
    lines = text.split("\r\n")
    check(lines[-1] == "", f"SDP does not end in CRLF:\n{text}")
    lines = lines[:-1]
    for line in lines:
        check(re.match(r"[a-z]=.", line), f"bad SDP line {line!r} in\n{text}")
    kinds = "".join(line[0] for line in lines)
    session = kinds.partition("m")[0]
    check(re.fullmatch(r"vosi?u?e*p*c?b*(tr*)+z?k?a*", session), f"SDP order {session!r} in\n{text}")
    for part in kinds.split("m")[1:]:
        check(re.fullmatch(r"i?c*b*k?a*", part), f"SDP media order {part!r} in\n{text}")
        check("c" in session or "c" in part, f"a stream without c= in\n{text}")


class Connection:
    """One TCP connection; messages are cut out by Content-Length (RFC 3261 18.3)."""

    def __init__(self, sock):
        self.sock, self.buffer, self.closed, self.pongs = sock, b"", False, 0

    def read(self):
        """Reads what is there; complete messages are given back."""
        try:
            data = self.sock.recv(65536)
        except (ConnectionError, OSError):
            data = b""
        if not data:
            self.closed = True
            return []
        self.buffer += data
        found = []
        while True:
            while self.buffer.startswith(b"\r\n"):
                self.buffer = self.buffer[2:]
                self.pongs += 1
            head, separator, rest = self.buffer.partition(b"\r\n\r\n")
            if not separator:
                return found
            length = re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head)
            check(length, f"a message on TCP without Content-Length: {head!r}")
            size = int(length.group(1))
            if len(rest) < size:
                return found
            found.append(head + separator + rest[:size])
            self.buffer = rest[size:]

    def close(self):
        self.sock.close()


class Endpoint:
    """A socket with an inbox. `wire` keeps every octet that arrived, for the leak test."""

    def __init__(self, ip, port=5060, transport="udp", lenient=False):
        self.ip, self.port, self.transport, self.lenient = ip, port, transport, lenient
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self.sock = socket.socket(family, kind)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((ip, port))
        if transport == "tcp":
            self.sock.listen(16)
        self.connections, self.inbox, self.wire, self.log = [], [], [], []
        self.seen = set()

    @property
    def host(self):
        return f"[{self.ip}]" if ":" in self.ip else self.ip

    @property
    def hostport(self):
        return f"{self.host}:{self.port}"

    def via(self, branch=None, parameters=";rport"):
        return (f"SIP/2.0/{self.transport.upper()} {self.hostport};"
                f"branch={branch or 'z9hG4bK' + token()}{parameters}")

    def connect(self, to):
        sock = socket.socket(self.sock.family, socket.SOCK_STREAM)
        sock.bind((self.ip, 0))
        sock.settimeout(5)
        sock.connect(to)
        connection = Connection(sock)
        self.connections.append(connection)
        return connection

    def send(self, message, to):
        """to: an address, or the Connection a message came from."""
        raw = message if isinstance(message, bytes) else message.bytes()
        self.log.append((time.monotonic(), ">", raw))
        if self.transport == "udp":
            self.sock.sendto(raw, to)
            return None
        connection = to if isinstance(to, Connection) else self._connection(to)
        connection.sock.sendall(raw)
        return connection

    def _connection(self, to):
        for connection in self.connections:
            try:
                if not connection.closed and connection.sock.getpeername()[:2] == tuple(to[:2]):
                    return connection
            except OSError:
                continue
        return self.connect(to)

    def _take(self, raw, source):
        self.wire.append(raw)
        self.log.append((time.monotonic(), "<", raw))
        if not raw.strip(b"\r\n\0"):
            return
        message = Message.parse(raw)
        message.source = source
        if not self.lenient:
            judge(message)
        message.again = raw in self.seen
        self.seen.add(raw)
        self.inbox.append(message)

    def pump(self, timeout_s):
        """Waits for one readable socket and reads it. False: nothing came."""
        live = [c for c in self.connections if not c.closed]
        ready, _, _ = select.select([self.sock] + [c.sock for c in live], [], [], max(0, timeout_s))
        if not ready:
            return False
        if self.sock in ready:
            if self.transport == "udp":
                raw, source = self.sock.recvfrom(65536)
                self._take(raw, source)
            else:
                self.connections.append(Connection(self.sock.accept()[0]))
        for connection in live:
            if connection.sock in ready:
                for raw in connection.read():
                    self._take(raw, connection)
        return True

    def take(self, wanted, timeout_s=5.0):
        """The first message for which wanted(message); others stay in the inbox. None: timeout."""
        end = time.monotonic() + timeout_s
        while True:
            for message in self.inbox:
                if wanted(message):
                    self.inbox.remove(message)
                    return message
            left = end - time.monotonic()
            if left <= 0 or not self.pump(left):
                if time.monotonic() >= end:
                    return None

    def expect(self, what, timeout_s=5.0, call_id=None, method=None, again=False):
        """The next message must be `what`: a method's name or a status. Over anything else it fails,
        except a 100 that was not asked for and a retransmission of what was seen (again=False)."""
        end = time.monotonic() + timeout_s
        while True:
            message = self.take(lambda m: call_id is None or m.get("Call-ID") == call_id,
                                end - time.monotonic())
            if message is None:
                raise Failed(f"{self.hostport} waited {timeout_s} s for {what}; nothing came"
                             f"\n{self.transcript()}")
            if message.again and not again:
                continue
            if message.status == 100 and what != 100:
                continue
            got = message.method if message.is_request else message.status
            if got != what or (method and message.cseq_method != method):
                raise Failed(f"{self.hostport} waited for {what}, got {message.brief()}"
                             f"\n{self.transcript()}")
            return message

    def silence(self, seconds, allow_again=True):
        """Nothing new may arrive."""
        message = self.take(lambda m: not (m.again and allow_again), seconds)
        if message is not None:
            raise Failed(f"{self.hostport} wanted silence, got\n{message}")

    def transcript(self):
        lines = []
        for when, way, raw in self.log[-12:]:
            lines.append(f"--- {self.hostport} {way} at {when:.3f}\n"
                         + raw.decode("utf-8", "backslashreplace"))
        return "\n".join(lines)

    def close(self):
        for connection in self.connections:
            connection.close()
        self.sock.close()


class Call:
    """One dialog as a user agent sees it. `peer` is where requests go: the SBC's listener."""
    allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE"

    def __init__(self, endpoint, peer):
        self.endpoint, self.peer = endpoint, peer
        self.call_id, self.local, self.remote = None, None, None
        self.remote_target, self.cseq, self.invite, self.invite_branch = None, 0, None, None
        self.answer = None        # the 200 that came, kept by those who care
        self.sent_answer = None   # the 200 that was sent

    # ---- as the caller ----
    @classmethod
    def start(cls, endpoint, peer, called, calling="alice", sdp=None, headers=(), uri=None, name=None):
        """Sends an INVITE. peer: (host, port) of the SBC's listener."""
        call = cls(endpoint, peer)
        host = f"[{peer[0]}]" if ":" in peer[0] else peer[0]
        call.call_id = f"{token()}@{endpoint.host}"
        display = f'"{name}" ' if name else ""
        call.local = f"{display}<sip:{calling}@{endpoint.hostport}>;tag={token()}"
        call.remote = f"<sip:{called}@{host}>"
        call.remote_target = uri or f"sip:{called}@{host}:{peer[1]}"
        call.calling = calling
        call.send_invite(sdp, headers)
        return call

    def _request(self, method, cseq, branch=None, headers=(), body=b"", content_type=None):
        message = Message(f"{method} {self.remote_target} SIP/2.0", [
            ("Via", self.endpoint.via(branch)), ("Max-Forwards", "70"),
            ("From", self.local), ("To", self.remote), ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}")], body)
        if method in ("INVITE", "UPDATE", "SUBSCRIBE", "REFER"):
            message.headers.append(("Contact", f"<{self.contact()}>"))
        if method == "INVITE":
            message.headers.append(("Allow", self.allow))
        message.headers += list(headers)
        if body:
            message.headers.append(("Content-Type", content_type or "application/sdp"))
        return message

    def contact(self):
        suffix = ";transport=tcp" if self.endpoint.transport == "tcp" else ""
        return f"sip:{getattr(self, 'calling', 'user')}@{self.endpoint.hostport}{suffix}"

    def send_invite(self, sdp=None, headers=()):
        """The first INVITE or a re-INVITE."""
        self.cseq += 1
        self.invite_branch = "z9hG4bK" + token()
        self.invite = self._request("INVITE", self.cseq, self.invite_branch, headers, sdp or b"")
        self._send(self.invite)
        return self.invite

    def _send(self, message):
        sent = self.endpoint.send(message, self.peer)
        if sent is not None:
            self.peer = sent

    def expect(self, what, timeout_s=5.0, method=None, again=False):
        message = self.endpoint.expect(what, timeout_s, self.call_id, method, again)
        if not message.is_request and message.cseq_method == "INVITE" and message.status > 100:
            if message.status < 300 and message.tag("To"):
                self.remote = message.get("To")
                if message.get("Contact"):
                    self.remote_target = message.contact_uri()
            if message.status >= 300:
                self.ack_failure(message)
        return message

    def ack_failure(self, response):
        """RFC 3261 17.1.1.3: the ACK of a refusal belongs to the INVITE's transaction."""
        ack = Message(f"ACK {self.invite.uri} SIP/2.0", [
            ("Via", self.invite.get("Via")), ("Max-Forwards", "70"),
            ("From", self.invite.get("From")), ("To", response.get("To")),
            ("Call-ID", self.call_id), ("CSeq", f"{self.invite.cseq} ACK")])
        self.endpoint.send(ack, self.peer)

    def ack(self, sdp=None, headers=()):
        message = self._request("ACK", self.invite.cseq, None, headers, sdp or b"")
        self._send(message)
        return message

    def cancel(self, headers=()):
        message = Message(f"CANCEL {self.invite.uri} SIP/2.0", [
            ("Via", self.invite.get("Via")), ("Max-Forwards", "70"),
            ("From", self.invite.get("From")), ("To", self.invite.get("To")),
            ("Call-ID", self.call_id), ("CSeq", f"{self.invite.cseq} CANCEL")] + list(headers))
        self.endpoint.send(message, self.peer)
        return message

    # ---- as the callee ----
    @classmethod
    def receive(cls, endpoint, timeout_s=5.0, peer=None):
        """Waits for an INVITE and takes it."""
        request = endpoint.expect("INVITE", timeout_s)
        call = cls(endpoint, peer or request.source)
        call.invite = request
        call.call_id = request.get("Call-ID")
        call.local = f"{request.get('To')};tag={token()}"
        call.remote = request.get("From")
        call.remote_target = request.contact_uri()
        call.calling = "callee"
        return call

    def reply(self, status, sdp=None, headers=(), request=None, reason=None, contact=True, body=b""):
        """body: octets whose Content-Type stands among the headers."""
        request = request or self.invite
        message = Message(f"SIP/2.0 {status} {reason if reason is not None else REASONS.get(status, 'X')}")
        for name in ("Via", "Record-Route"):
            message.headers += [(name, value) for value in request.all(name)]
        message.headers += [("From", request.get("From")),
                            ("To", request.get("To") if request.tag("To") or status == 100 else self.local),
                            ("Call-ID", request.get("Call-ID")), ("CSeq", request.get("CSeq"))]
        if contact and status > 100 and request.method in ("INVITE", "UPDATE"):
            message.headers.append(("Contact", f"<{self.contact()}>"))
        if request.method == "INVITE" and status // 100 <= 2 and status > 100:
            message.headers.append(("Allow", self.allow))
        message.headers += list(headers)
        message.body = body
        if sdp:
            message.body = sdp
            message.headers.append(("Content-Type", "application/sdp"))
        self.endpoint.send(message, request.source)
        if request.method == "INVITE" and status // 100 == 2:
            self.sent_answer = message
        return message

    # ---- both ----
    def request(self, method, headers=(), body=b"", content_type=None):
        self.cseq += 1
        message = self._request(method, self.cseq, None, headers, body, content_type)
        self._send(message)
        return message

    def take_request(self, method, timeout_s=5.0):
        """A request of the other side within this dialog; a re-INVITE becomes the one replied to."""
        message = self.endpoint.expect(method, timeout_s, self.call_id)
        if method == "INVITE":
            self.invite = message
        if method in ("INVITE", "UPDATE"):
            self.remote_target = message.contact_uri()
        return message

    def bye(self, headers=()):
        self.request("BYE", headers)
        return self.expect(200, method="BYE")

    def take_bye(self, timeout_s=5.0, headers=()):
        message = self.take_request("BYE", timeout_s)
        self.reply(200, request=message, headers=headers)
        return message


def options(endpoint, peer, user="ping", headers=()):
    """An OPTIONS outside of a dialog; the final answer is given back."""
    host = f"[{peer[0]}]" if ":" in peer[0] else peer[0]
    call_id = token()
    endpoint.send(Message(f"OPTIONS sip:{user}@{host}:{peer[1]} SIP/2.0", [
        ("Via", endpoint.via()), ("Max-Forwards", "70"),
        ("From", f"<sip:ping@{endpoint.hostport}>;tag={token()}"),
        ("To", f"<sip:{user}@{host}>"), ("Call-ID", call_id), ("CSeq", "1 OPTIONS")]
        + list(headers)), peer)
    answer = endpoint.take(lambda m: m.get("Call-ID") == call_id and m.status >= 200)
    if answer is None:
        raise Failed(f"no answer to OPTIONS\n{endpoint.transcript()}")
    return answer
