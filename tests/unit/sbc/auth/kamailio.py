#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kamailio's auth module judges our digests: it challenges, and takes the answer or does not.
Run with the program that answers (answer.c) as the argument."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

CONFIG = """
listen=udp:127.0.0.1:{port}
log_stderror=yes
debug=-1
children=1
disable_tcp=yes
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/:/usr/lib/kamailio/modules/"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "auth.so"
modparam("auth", "algorithm", "{algorithm}")
modparam("auth", "nonce_count", {nonce_count})
modparam("auth", "qop", "{qop}")
modparam("auth", "nc_array_order", 4)
request_route {{
    if (method == "REGISTER") {{
        if (!pv_www_authenticate("sip.example", "s3cret \\\\ word", "0")) {{
            auth_challenge("sip.example", "{flags}");
            exit;
        }}
    }} else {{
        if (!pv_proxy_authenticate("sip.example", "s3cret \\\\ word", "0")) {{
            auth_challenge("sip.example", "{flags2}");
            exit;
        }}
    }}
    sl_send_reply("200", "OK");
}}
"""
USER, PASSWORD = "alice+1", "s3cret \\ word"


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Client:
    def __init__(self, port):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.connect(("127.0.0.1", port))
        self.cseq = 0

    def ask(self, method, uri, extra=""):
        """Sends, repeats until there is an answer, and returns its bytes."""
        self.cseq += 1
        host, port = self.sock.getsockname()
        request = (f"{method} {uri} SIP/2.0\r\n"
                   f"Via: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{os.urandom(8).hex()}\r\n"
                   f"Max-Forwards: 70\r\nFrom: <sip:alice@sip.example>;tag=1\r\n"
                   f"To: <sip:alice@sip.example>\r\nCall-ID: {port}@test\r\n"
                   f"CSeq: {self.cseq} {method}\r\n{extra}Content-Length: 0\r\n\r\n").encode()
        for _ in range(50):
            try:
                self.sock.send(request)
                self.sock.settimeout(0.2)
                reply = self.sock.recv(65536)
                if f"CSeq: {self.cseq} ".encode() in reply:
                    return reply
            except (ConnectionRefusedError, socket.timeout):
                time.sleep(0.05)
        raise SystemExit("kamailio does not answer")


def status(reply):
    return int(reply.split(b" ", 2)[1])


def answer(tool, challenge, password, method, uri, count):
    done = subprocess.run([tool, USER, password, method, uri, str(count)], input=challenge,
                          stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


def expect(what, got, wanted):
    print(f"{what}: {got}")
    if got != wanted:
        raise SystemExit(f"{what}: expected {wanted}")


def judge(tool, port, method, first, qop):
    uri = "sip:sip.example"
    client = Client(port)
    challenge = client.ask(method, uri)
    expect(f"{method} without credentials", status(challenge), first)
    ours = answer(tool, challenge, PASSWORD, method, uri, 1)
    if ("qop=auth" in ours) != qop:
        raise SystemExit(f"qop: {ours}")
    expect("right password", status(client.ask(method, uri, ours)), 200)
    if qop:
        expect("the same nonce count again", status(client.ask(method, uri, ours)), first)
        ours = answer(tool, challenge, PASSWORD, method, uri, 2)
        expect("the next nonce count", status(client.ask(method, uri, ours)), 200)
    challenge = client.ask(method, uri)
    ours = answer(tool, challenge, PASSWORD + "x", method, uri, 1)
    expect("wrong password", status(client.ask(method, uri, ours)), first)


def play(tool, algorithm, qop):
    port = free_port()
    flags = 1 if qop else 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "kamailio.cfg")
        with open(path, "w", encoding="ascii") as file:
            file.write(CONFIG.format(port=port, algorithm=algorithm, nonce_count=flags,
                                     qop="auth" if qop else "", flags=flags, flags2=flags))
        with subprocess.Popen(["kamailio", "-f", path, "-DD", "-Y", folder, "-m", "16", "-M", "4"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                judge(tool, port, "REGISTER", 401, qop)
                judge(tool, port, "OPTIONS", 407, qop)
            finally:
                server.terminate()
                server.wait()


def main():
    if not shutil.which("kamailio"):
        print("skipped: kamailio is not installed")
        sys.exit(77)
    for algorithm in ("MD5", "SHA-256"):
        for qop in (False, True):
            print(f"--- {algorithm}, {'qop auth' if qop else 'no qop'}")
            play(sys.argv[1], algorithm, qop)


main()
