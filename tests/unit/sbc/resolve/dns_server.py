#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A name server for one test: answers from a small zone on 127.0.0.53, some of it badly on purpose,
and runs the test program with its address in DNS_SERVER. Written from RFC 1035, 2782 and 3403 alone,
so that it judges our reader independently."""
import os
import socket
import struct
import subprocess
import sys
import threading

A, CNAME, SOA, AAAA, SRV, NAPTR = 1, 5, 6, 28, 33, 35
SILENT, SERVFAIL, NXDOMAIN = "silent", 2, 3


def name(text):
    out = b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label)
    return out + b"\0"


def a(address):
    return A, socket.inet_aton(address)


def aaaa(address):
    return AAAA, socket.inet_pton(socket.AF_INET6, address)


def srv(priority, weight, port, target):
    return SRV, struct.pack(">HHH", priority, weight, port) + name(target)


def naptr(order, preference, service, replacement, flags="s", regexp=""):
    strings = b"".join(bytes([len(s)]) + s.encode() for s in (flags, service, regexp))
    return NAPTR, struct.pack(">HH", order, preference) + strings + name(replacement)


def cname(target):
    return CNAME, name(target)


# name -> (ttl, records), or a list of such for the first, second … and all further queries of a type
ZONE = {
    "plain.test": (60, [a("192.0.2.1")]),
    "both.test": (60, [a("192.0.2.1"), aaaa("2001:db8::1")]),
    "_sip._udp.srv.test": (60, [srv(20, 0, 5072, "c.test"), srv(10, 30, 5070, "a.test"),
                                srv(10, 10, 5071, "b.test")]),
    "a.test": (60, [a("192.0.2.10")]),
    "b.test": (60, [a("192.0.2.11")]),
    "c.test": (60, [a("192.0.2.12"), a("192.0.2.13")]),
    "naptr.test": (60, [naptr(20, 1, "SIP+D2U", "_sip._udp.srv.test"),
                        naptr(10, 20, "SIP+D2T", "_sip._tcp.naptr.test"),
                        naptr(10, 10, "SIPS+D2T", "_sips._tcp.naptr.test"),
                        naptr(1, 1, "SIP+D2U", "", "u", "!.*!sip:x@y!"),
                        naptr(1, 1, "E2U+sip", "wrong.test")]),
    "_sip._tcp.naptr.test": (60, [srv(1, 1, 5080, "a.test")]),
    "_sips._tcp.naptr.test": (60, [srv(1, 1, 5081, "b.test")]),
    "_sip._tcp.two.test": (60, [srv(1, 1, 5080, "a.test")]),
    "_sips._tcp.two.test": (60, [srv(1, 1, 5081, "b.test")]),
    "_sip._udp.away.test": (60, [srv(0, 0, 0, ".")]),
    "alias.test": (60, [cname("plain.test"), a("192.0.2.1")]),
    "zero.test": (0, [a("192.0.2.20")]),
    "brief.test": [(1, [a("192.0.2.30")]), SILENT],
    "moving.test": [(1, [a("192.0.2.40")]), (60, [a("192.0.2.41")])],
    "gone.test": [(1, [a("192.0.2.50")]), NXDOMAIN],
    "_sip._udp.fifty.test": (60, [srv(1 + i // 10, i, 5060, f"t{i}.test") for i in range(50)]),
    **{f"t{i}.test": (60, [a(f"198.51.100.{i}")]) for i in range(50)},
    "dead.test": SILENT,
    "_sip._udp.dead.test": SILENT,
    "broken.test": SERVFAIL,
    "liar.test": (60, [(A, b"\1\2\3"), (A, b"\x7f\0\0\1\1"), a("192.0.2.60")]),
}


class Server:
    def __init__(self):
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.53", 0))
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind(self.udp.getsockname())
        self.tcp.listen()
        self.asked = {}
        threading.Thread(target=self.serve_udp, daemon=True).start()
        threading.Thread(target=self.serve_tcp, daemon=True).start()

    def lookup(self, qname, qtype):
        """count.NAME.test asks how often NAME.test was asked for an address: 127.0.0.count"""
        if qname.startswith("count."):
            return 0, [a(f"127.0.0.{self.asked.get((qname[6:], A), 0)}")]
        times = self.asked[qname, qtype] = self.asked.get((qname, qtype), 0) + 1
        found = ZONE.get(qname, NXDOMAIN)
        if isinstance(found, list):
            found = found[min(times, len(found)) - 1]
        return found

    def answer(self, query, limit):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        qtype = struct.unpack(">H", query[at + 1:at + 3])[0]
        question = query[12:at + 5]
        found = self.lookup(".".join(labels), qtype)
        if found == SILENT:
            return None
        rcode, ttl, records = found if isinstance(found, int) else 0, 0, []
        if isinstance(found, tuple):
            ttl = found[0]
            records = [r for r in found[1] if r[0] in (qtype, CNAME)]
        body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data
                        for kind, data in records)
        soa = b""
        if not records:
            data = name("ns.test") + name("admin.test") + struct.pack(">IIIII", 1, 2, 3, 4, 30)
            soa = name("test") + struct.pack(">HHIH", SOA, 1, 60, len(data)) + data
        flags = 0x8580 | rcode
        if 12 + len(question) + len(body) + len(soa) > limit:
            flags, records, body, soa = flags | 0x200, [], b"", b""
        return query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 1 if soa else 0, 0) + \
            question + body + soa

    def serve_udp(self):
        while True:
            query, peer = self.udp.recvfrom(4096)
            reply = self.answer(query, 1232)
            if reply:
                self.udp.sendto(reply, peer)

    def serve_tcp(self):
        while True:
            peer, _ = self.tcp.accept()
            with peer:
                head = peer.recv(2, socket.MSG_WAITALL)
                while len(head) == 2:
                    query = peer.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL)
                    reply = self.answer(query, 65535) or b""
                    peer.sendall(struct.pack(">H", len(reply)) + reply)
                    head = peer.recv(2, socket.MSG_WAITALL)


def main():
    server = Server()
    host, port = server.udp.getsockname()
    env = dict(os.environ, DNS_SERVER=f"{host}:{port}")
    sys.exit(subprocess.run(sys.argv[1:], env=env, check=False).returncode)


main()
