# SPDX-License-Identifier: MIT
"""Captures: read one, make one of what a socket heard, and let tshark work out its figures."""
import socket
import struct
import subprocess
import threading

TIMESTAMPNS = 35  # SO_TIMESTAMPNS


def read_udp(path):
    """[(seconds, UDP payload)] of an Ethernet capture with IPv4."""
    data = open(path, "rb").read()
    assert data[:4] == b"\xd4\xc3\xb2\xa1", "not a little-endian pcap"
    at, packets = 24, []
    while at + 16 <= len(data):
        seconds, micros, size, _ = struct.unpack_from("<IIII", data, at)
        frame = data[at + 16:at + 16 + size]
        at += 16 + size
        ip = frame[14:]
        if frame[12:14] != b"\x08\x00" or ip[9] != 17:
            continue
        udp = ip[4 * (ip[0] & 15):]
        (length,) = struct.unpack_from(">H", udp, 4)
        packets.append((seconds + micros / 1e6, udp[8:length]))
    return packets


class Listener:
    """Collects what a socket hears, with the kernel's time of arrival."""

    def __init__(self, sock):
        self.sock = sock
        self.packets = []
        self.done = False
        sock.setsockopt(socket.SOL_SOCKET, TIMESTAMPNS, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sock.settimeout(0.3)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while True:
            try:
                data, notes, _, _ = self.sock.recvmsg(4096, 256)
            except TimeoutError:
                if self.done:
                    return
                continue
            seconds, nanos = struct.unpack("qq", notes[0][2])
            self.packets.append((seconds + nanos / 1e9, data))

    def stop(self):
        self.done = True
        self.thread.join()
        return self.packets


def write_udp(path, packets):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))  # raw IP
        for at, data in packets:
            udp = struct.pack(">HHHH", 4000, 5000, 8 + len(data), 0) + data
            ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                             b"\xc0\0\2\1", b"\xc0\0\2\2")
            file.write(struct.pack("<IIII", int(at), int(at % 1 * 1e6), 20 + len(udp),
                                   20 + len(udp)) + ip + udp)


def tshark_stream(packets, path):
    """{packets, lost, jitter_min, jitter_max} of the only stream."""
    write_udp(path, packets)
    text = subprocess.run(["tshark", "-r", path, "-d", "udp.port==5000,rtp", "-q", "-z",
                           "rtp,streams"], check=True, capture_output=True, text=True).stdout
    rows = [line for line in text.splitlines() if "192.0.2.1" in line]
    assert len(rows) == 1, text
    words = rows[0].replace("(", " ").split()
    # … ssrc payload packets lost percent delta×3 jitter×3
    at = next(i for i, word in enumerate(words) if word.startswith("0x"))
    rest = words[at + 1:]
    while not rest[1].lstrip("-").isdigit():  # payload names of more than one word
        rest.pop(0)
    return {"packets": int(rest[1]), "lost": int(rest[2]), "jitter_min": float(rest[7]),
            "jitter_max": float(rest[9])}
