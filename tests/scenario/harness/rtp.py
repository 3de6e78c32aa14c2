# SPDX-License-Identifier: MIT
"""A media peer: an RTP and an RTCP socket side by side, packets with contents of their own, so that
what arrives can be held against what was sent, byte by byte."""
import os
import random
import select
import socket
import struct
import time

from .check import check


class MediaPeer:
    def __init__(self, ip, port):
        self.ip, self.port = ip, port
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        self.rtp, self.rtcp = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
        self.rtp.bind((ip, port))
        self.rtcp.bind((ip, port + 1))
        self.ssrc = random.getrandbits(32)
        self.sequence = random.getrandbits(15)
        self.timestamp = random.getrandbits(31)

    def packet(self, payload_type=0, payload=None, marker=False):
        self.sequence = (self.sequence + 1) & 0xffff
        self.timestamp = (self.timestamp + 160) & 0xffffffff
        head = struct.pack(">BBHII", 0x80, payload_type | (0x80 if marker else 0), self.sequence,
                           self.timestamp, self.ssrc)
        return head + (os.urandom(160) if payload is None else payload)

    def send(self, to, count=1, every_s=0.005, payload_type=0):
        """Sends packets of random payload; gives back their octets."""
        sent = []
        for _ in range(count):
            packet = self.packet(payload_type)
            self.rtp.sendto(packet, to)
            sent.append(packet)
            if every_s:
                time.sleep(every_s)
        return sent

    def sender_report(self):
        """An SR and an SDES with a CNAME (RFC 3550 6.4.1, 6.5)."""
        report = struct.pack(">BBHIIIIII", 0x80, 200, 6, self.ssrc, 0xdeadbeef, 0, self.timestamp, 7,
                             1120)
        cname = b"\x01\x04peer"
        chunk = struct.pack(">I", self.ssrc) + cname + b"\0" * (4 - len(cname) % 4)
        return report + struct.pack(">BBH", 0x81, 202, len(chunk) // 4) + chunk

    @staticmethod
    def _drain(sock, count, timeout_s):
        """Up to count datagrams with their sources, or what came in time."""
        found, end = [], time.monotonic() + timeout_s
        while len(found) < count:
            left = end - time.monotonic()
            if left <= 0 or not select.select([sock], [], [], left)[0]:
                break
            found.append(sock.recvfrom(2048))
        return found

    def receive(self, count, timeout_s=2.0):
        return self._drain(self.rtp, count, timeout_s)

    def receive_rtcp(self, count=1, timeout_s=2.0):
        return self._drain(self.rtcp, count, timeout_s)

    def flush(self):
        self._drain(self.rtp, 100000, 0.02)
        self._drain(self.rtcp, 100000, 0.02)

    def close(self):
        self.rtp.close()
        self.rtcp.close()


def exchange(sender, to, receiver, count=25, source=None):
    """After a few packets that may go into learning the source, every packet must arrive, unchanged,
    in order, from `source`."""
    sender.send(to, 8)
    receiver.receive(8, 0.5)
    receiver.flush()
    sent = sender.send(to, count)
    got = receiver.receive(count, 2.0)
    packets = [packet for packet, _ in got]
    check(packets == sent, f"{len(packets)} of {count} packets arrived, "
          f"{sum(a == b for a, b in zip(packets, sent))} as they were sent "
          f"({sender.ip}:{sender.port} to {to}, heard at {receiver.ip}:{receiver.port})")
    if source:
        check(all(address[:2] == tuple(source) for _, address in got),
              f"media from {set(a[:2] for _, a in got)}, wanted {source}")
