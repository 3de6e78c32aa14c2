# SPDX-License-Identifier: MIT
"""DTLS ends that are not ours: openssl's s_client and s_server, and GStreamer. Each sits behind a bridge,
which is the phone's one socket: DTLS goes to the program, the rest to the test. And the SRTP of their
keys, in RFC 3711's words, on libcrypto's AES."""
import ctypes
import ctypes.util
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
# The longest that a profile takes, AES-256-GCM's: what is exported for a shorter one is its beginning.
EXPORT = ("-keymatexport", LABEL, "-keymatexportlen", "88")


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
        self.der = openssl("x509", "-in", self.path, "-outform", "DER")

    def fingerprint(self, name="sha256"):
        return hashlib.new(name, self.der).digest()


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

    def keys(self, key=16, salt=14):
        """(client key+salt, server key+salt), as this program exported them; of AES_CM_128, if nothing
        else is said (RFC 5764 4.2)."""
        raw = bytes.fromhex(self.wait_for(r"Keying material: ([0-9A-F]{176})\b").group(1))
        salts = raw[2 * key:]
        return raw[:key] + salts[:salt], raw[key:2 * key] + salts[salt:2 * salt]

    def end(self):
        self.process.kill()
        self.process.wait(20)
        self.process.stdin.close()
        self.output.close()


def client_hello():
    """One of openssl's own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(10)
        process = subprocess.Popen(
            ["openssl", "s_client", "-dtls1_2", "-use_srtp", CM_80, "-connect",
             f"127.0.0.1:{sock.getsockname()[1]}"], stdin=subprocess.PIPE, preexec_fn=die_with_parent,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        hello = sock.recv(2000)
        process.kill()
        process.wait(20)
        return hello


def client(bridge, certificate, profile=CM_80, *more):
    port = bridge.inner.getsockname()[1]
    return Program(bridge, ["s_client", "-connect", f"127.0.0.1:{port}", "-dtls1_2", "-use_srtp", profile,
                            "-cert", certificate.path, "-key", certificate.key, "-showcerts",
                            *EXPORT, *more])


def server(bridge, certificate, profile=CM_80, *more):
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    probe.close()
    program = Program(bridge, ["s_server", "-accept", f"127.0.0.1:{port}", "-dtls1_2", "-use_srtp", profile,
                               "-cert", certificate.path, "-key", certificate.key, "-verify", "1",
                               *EXPORT, *more])
    program.wait_for("ACCEPT")
    bridge.program_at = ("127.0.0.1", port)
    return program


# ---- SRTP, RFC 3711 ----

CRYPTO = ctypes.CDLL(ctypes.util.find_library("crypto"))
CRYPTO.EVP_CIPHER_CTX_new.restype = ctypes.c_void_p


def keystream(key, iv, size):
    """AES in counter mode."""
    cipher = getattr(CRYPTO, f"EVP_aes_{8 * len(key)}_ctr")
    cipher.restype = ctypes.c_void_p
    context = ctypes.c_void_p(CRYPTO.EVP_CIPHER_CTX_new())
    out, done = ctypes.create_string_buffer(size), ctypes.c_int()
    assert CRYPTO.EVP_EncryptInit_ex(context, ctypes.c_void_p(cipher()), None, key, iv) == 1
    assert CRYPTO.EVP_EncryptUpdate(context, out, ctypes.byref(done), bytes(size), size) == 1
    CRYPTO.EVP_CIPHER_CTX_free(context)
    return out.raw


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


class Srtp:
    """AES_CM_128_HMAC_SHA1_80, or another of RFC 6188's with other sizes; one direction, roll-over
    counter 0."""

    def __init__(self, master, key_bytes=16, tag_bytes=10):
        key, salt, self.tag_bytes = master[:key_bytes], master[key_bytes:], tag_bytes

        def derive(label, size):
            mixed = xor(salt, bytes(7) + bytes([label]) + bytes(6))
            return keystream(key, mixed + b"\0\0", size)
        self.key, self.auth, self.salt = derive(0, key_bytes), derive(1, 20), derive(2, 14)

    def cipher(self, packet):
        sequence, _, ssrc = struct.unpack_from(">HII", packet, 2)
        iv = xor(self.salt, bytes(4) + struct.pack(">I", ssrc) + bytes(4) + struct.pack(">H", sequence))
        return packet[:12] + xor(packet[12:], keystream(self.key, iv + b"\0\0", len(packet) - 12))

    def tag(self, packet):
        return hmac.new(self.auth, packet + bytes(4), hashlib.sha1).digest()[:self.tag_bytes]

    def protect(self, packet):
        out = self.cipher(packet)
        return out + self.tag(out)

    def unprotect(self, packet):
        sealed, tag = packet[:-self.tag_bytes], packet[-self.tag_bytes:]
        assert self.tag(sealed) == tag, "the tag is wrong"
        return self.cipher(sealed)
