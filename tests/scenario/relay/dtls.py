# SPDX-License-Identifier: MIT
"""DTLS ends that are not ours: openssl's s_client and s_server, and GStreamer. Each sits behind a bridge,
which is the phone's one socket: DTLS goes to the program, the rest to the test. And the SRTP of their
keys, in RFC 3711's words, on openssl's cipher command."""
import hashlib
import hmac
import os
import queue
import re
import select
import socket
import struct
import subprocess
import tempfile
import threading
import time

from relay import die_with_parent

LABEL = "EXTRACTOR-dtls_srtp"
CM_80 = "SRTP_AES128_CM_SHA1_80"


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, check=True, capture_output=True).stdout


class Certificate:
    """Self-signed, as phones have them."""

    def __init__(self, folder, kind="ec"):
        self.key = os.path.join(folder, f"{kind}.key")
        self.path = os.path.join(folder, f"{kind}.pem")
        what = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["rsa:2048"]
        openssl("req", "-x509", "-newkey", *what, "-nodes", "-keyout", self.key, "-out", self.path,
                "-days", "30", "-subj", "/CN=phone")

    def fingerprint(self, name="sha256"):
        return hashlib.new(name, openssl("x509", "-in", self.path, "-outform", "DER")).digest()


class Bridge:
    """One phone's socket towards the relay, and a program on the other side of it."""

    def __init__(self, rtp, relay_at):
        self.rtp, self.relay_at = rtp, relay_at
        self.inner = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.inner.bind(("127.0.0.1", 0))
        self.program_at = None
        self.listens_at = None  # of a program that hears everything, on another port
        self.media = queue.Queue()
        self.dtls_sent = self.dtls_heard = 0
        self.longest = 0
        self.lose = set()  # numbers of datagrams from the relay that get lost
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop.is_set():
            ready, _, _ = select.select([self.inner, self.rtp], [], [], 0.05)
            if self.inner in ready:
                data, source = self.inner.recvfrom(70000)
                self.program_at = self.listens_at or source
                self.dtls_sent += 1
                self.rtp.sendto(data, self.relay_at)
            if self.rtp in ready:
                self.from_relay(*self.rtp.recvfrom(70000))

    def from_relay(self, data, source):
        if not data or not 20 <= data[0] <= 63:
            if self.listens_at:
                self.inner.sendto(data, self.listens_at)
            else:
                self.media.put((data, source))
            return
        self.dtls_heard += 1
        self.longest = max(self.longest, len(data))
        if self.dtls_heard not in self.lose and self.program_at:
            self.inner.sendto(data, self.program_at)

    def heard(self, seconds=10.0):
        try:
            return self.media.get(timeout=seconds)
        except queue.Empty:
            return None

    def close(self):
        self.stop.set()
        self.thread.join()
        self.inner.close()


class Program:
    """openssl s_client or s_server behind a bridge."""

    def __init__(self, bridge, args):
        self.bridge = bridge
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(["openssl", *args], stdin=subprocess.PIPE,
                                        stdout=self.output, stderr=subprocess.STDOUT,
                                        preexec_fn=die_with_parent)

    def text(self):
        # The program shares the offset: read without moving it.
        return os.pread(self.output.fileno(), 1 << 20, 0).decode(errors="replace")

    def wait_for(self, pattern, seconds=20):
        deadline = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.text())
            if match:
                return match
            assert time.monotonic() < deadline, (pattern, self.text()[-3000:])
            time.sleep(0.02)

    def keys(self):
        """(client key+salt, server key+salt) of AES_CM_128, as this program exported them."""
        raw = bytes.fromhex(self.wait_for(r"Keying material: ([0-9A-F]{120})\b").group(1))
        return raw[0:16] + raw[32:46], raw[16:32] + raw[46:60]

    def end(self):
        self.process.kill()
        self.process.wait(20)
        self.process.stdin.close()
        self.output.close()


def client(bridge, certificate, profile=CM_80, *more):
    port = bridge.inner.getsockname()[1]
    return Program(bridge, ["s_client", "-connect", f"127.0.0.1:{port}", "-dtls1_2", "-use_srtp", profile,
                            "-cert", certificate.path, "-key", certificate.key, "-showcerts",
                            "-keymatexport", LABEL, "-keymatexportlen", "60", *more])


def server(bridge, certificate, profile=CM_80, *more):
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    probe.close()
    program = Program(bridge, ["s_server", "-accept", f"127.0.0.1:{port}", "-dtls1_2", "-use_srtp", profile,
                               "-cert", certificate.path, "-key", certificate.key, "-verify", "1",
                               "-keymatexport", LABEL, "-keymatexportlen", "60", *more])
    program.wait_for("ACCEPT")
    bridge.program_at = ("127.0.0.1", port)
    return program


# ---- SRTP, RFC 3711 ----

def keystream(key, iv, size):
    return openssl("enc", "-aes-128-ctr", "-K", key.hex(), "-iv", iv.hex(), data=bytes(size))


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


class Srtp:
    """AES_CM_128_HMAC_SHA1_80, one direction, roll-over counter 0."""

    def __init__(self, master):
        key, salt = master[:16], master[16:30]

        def derive(label, size):
            mixed = xor(salt, bytes(7) + bytes([label]) + bytes(6))
            return keystream(key, mixed + b"\0\0", size)
        self.key, self.auth, self.salt = derive(0, 16), derive(1, 20), derive(2, 14)

    def cipher(self, packet):
        sequence, _, ssrc = struct.unpack_from(">HII", packet, 2)
        iv = xor(self.salt, bytes(4) + struct.pack(">I", ssrc) + bytes(4) + struct.pack(">H", sequence))
        return packet[:12] + xor(packet[12:], keystream(self.key, iv + b"\0\0", len(packet) - 12))

    def tag(self, packet):
        return hmac.new(self.auth, packet + bytes(4), hashlib.sha1).digest()[:10]

    def protect(self, packet):
        out = self.cipher(packet)
        return out + self.tag(out)

    def unprotect(self, packet):
        assert self.tag(packet[:-10]) == packet[-10:], "the tag is wrong"
        return self.cipher(packet[:-10])
