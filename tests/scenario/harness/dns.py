# SPDX-License-Identifier: MIT
"""A name server of the test's own: A records from a dictionary, and nothing else, for sbcd's resolver
to ask (dns.servers in the document)."""
import socket
import struct
import threading


class NameServer:
    def __init__(self, ip, names, port=5353):
        self.names, self.asked = names, []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((ip, port))
        self.sock.settimeout(0.2)
        self.hostport = f"{ip}:{port}"
        self.running = True
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while self.running:
            try:
                query, source = self.sock.recvfrom(4096)
            except socket.timeout:
                continue
            except OSError:
                return
            self.sock.sendto(self._answer(query), source)

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12:at + 5]
        kind = struct.unpack("!H", question[-4:-2])[0]
        name = ".".join(labels).lower()
        self.asked.append((name, kind))
        addresses = self.names.get(name, []) if kind == 1 else []
        known = any(name == n or n.endswith("." + name) for n in self.names)
        head = query[:2] + struct.pack("!HHHHH", 0x8580 | (0 if known else 3), 1, len(addresses), 0, 0)
        records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(a)
                           for a in addresses)
        return head + question + records

    def close(self):
        self.running = False
        self.thread.join()
        self.sock.close()
