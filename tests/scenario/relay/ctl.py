# SPDX-License-Identifier: MIT
"""A control client of its own: it reads messages.def and speaks what stands there, so that the C codec
is never its own judge. A message is a dict; an IP is a text or None, an endpoint (text, port)."""
import ipaddress
import os
import re
import socket
import struct

LINE = re.compile(r"^CTL_(\w+)\(([^)]*)\)")
NUMBERS = {"U8": "B", "U16": "H", "U32": "I", "U64": "Q", "I64": "q"}
NONE = (None, 0)


def read_table(path):
    records, messages = {}, {}
    for line in open(path, encoding="utf-8"):
        match = LINE.match(line)
        if not match:
            continue
        kind, words = match.group(1), [word.strip() for word in match.group(2).split(",")]
        if kind == "RECORD":
            records[words[0]] = []
        elif kind == "MESSAGE":
            messages[words[1]] = int(words[0])
        elif kind == "LIST":
            records[words[0]].append((kind, words[2], words[1]))
        elif kind != "END":
            records[words[0]].append((kind, words[1], None))
    return records, messages


def put_ip(ip):
    if ip is None:
        return b"\0"
    packed = ipaddress.ip_address(ip).packed
    return bytes([4 if len(packed) == 4 else 6]) + packed


def text_or_octets(data):
    """The table has one kind for both; keys and fingerprints are seldom UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


class Codec:
    def __init__(self, path):
        self.records, self.numbers = read_table(path)
        with open(os.path.join(os.path.dirname(path), "ctl.h"), encoding="utf-8") as header:
            self.version = int(re.search(r"#define CTL_VERSION (\d+)", header.read()).group(1))
        self.names = {number: name for name, number in self.numbers.items()}

    def put(self, record, values):
        out = b""
        known = {field for _, field, _ in self.records[record]}
        assert set(values) <= known, (record, set(values) - known)
        for kind, field, inner in self.records[record]:
            value = values.get(field)
            if kind in NUMBERS:
                out += struct.pack(">" + NUMBERS[kind], value or 0)
            elif kind == "STR":
                text = value if isinstance(value, bytes) else (value or "").encode()
                out += struct.pack(">H", len(text)) + text
            elif kind == "IP":
                out += put_ip(value)
            elif kind == "ENDPOINT":
                out += put_ip((value or NONE)[0]) + struct.pack(">H", (value or NONE)[1])
            else:
                items = value or []
                out += struct.pack(">I", len(items))
                out += b"".join(self.put(inner, item) for item in items)
        return out

    def get(self, record, data, at):
        values = {}

        def ip(at):
            size = {0: 0, 4: 4, 6: 16}[data[at]]
            raw = data[at + 1:at + 1 + size]
            return (str(ipaddress.ip_address(raw)) if size else None), at + 1 + size

        for kind, field, inner in self.records[record]:
            if kind in NUMBERS:
                (values[field],) = struct.unpack_from(">" + NUMBERS[kind], data, at)
                at += struct.calcsize(">" + NUMBERS[kind])
            elif kind == "STR":
                (size,) = struct.unpack_from(">H", data, at)
                values[field] = text_or_octets(data[at + 2:at + 2 + size])
                at += 2 + size
            elif kind == "IP":
                values[field], at = ip(at)
            elif kind == "ENDPOINT":
                address, at = ip(at)
                values[field] = (address, struct.unpack_from(">H", data, at)[0])
                at += 2
            else:
                (count,) = struct.unpack_from(">I", data, at)
                at += 4
                values[field] = []
                for _ in range(count):
                    item, at = self.get(inner, data, at)
                    values[field].append(item)
        return values, at

    def encode(self, name, request=0, **values):
        head = struct.pack(">HHI", self.numbers[name], 0, request)
        return head + self.put(name, values)

    def decode(self, data):
        number, reserved, request = struct.unpack_from(">HHI", data)
        assert reserved == 0
        values, at = self.get(self.names[number], data, 8)
        assert at == len(data), "trailing bytes"
        return self.names[number], request, values


class Client:
    """Connected and greeted; request() waits for its answer and keeps pushes for later."""

    def __init__(self, codec, path, program="sbcd", node="test", worker=0):
        self.codec = codec
        self.pushes = []
        self.info = None  # relay_info, which a relay pushes first
        self.last = 0
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.send("hello", version=self.codec.version, program=program, node=node, worker=worker)
        self.hello = self.receive()
        assert self.hello[0] == "hello", self.hello
        if self.hello[2]["program"] == "media-relayd":
            name, _, self.info = self.receive()
            assert name == "relay_info", name
            if program == "sbcd":
                name, _, self.identity = self.receive()
                assert name == "relay_identity", name

    def send(self, name, request=0, **values):
        self.socket.send(self.codec.encode(name, request, **values))

    def receive(self):
        data = self.socket.recv(70000)
        if not data:
            raise ConnectionError("closed")
        return self.codec.decode(data)

    def request(self, name, **values):
        self.last += 1
        self.send(name, self.last, **values)
        while True:
            name, request, answer = self.receive()
            if request == self.last:
                return name, answer
            self.pushes.append((name, answer))

    def push(self, seconds=5):
        """The next push, or None."""
        if self.pushes:
            return self.pushes.pop(0)
        self.socket.settimeout(seconds)
        try:
            name, _, values = self.receive()
            return name, values
        except TimeoutError:
            return None
        finally:
            self.socket.settimeout(20)

    def close(self):
        self.socket.close()
