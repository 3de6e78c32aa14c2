# SPDX-License-Identifier: MIT
"""media-relayd as a process, and the two ends of a call as UDP sockets."""
import ctypes
import json
import mmap
import os
import re
import shutil
import socket
import struct
import signal
import subprocess
import tempfile
import time

from ctl import Client, Codec

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BUILD = os.environ.get("SBC_BUILD", os.path.join(TOP, "build"))
STATS_LAYOUT = open(os.path.join(TOP, "lib/stats/stats.h"), encoding="utf-8").read()
RECEIVE, TRANSMIT, BOTH = 1, 2, 3
RESET, REMOVE, MUX = 1, 2, 4


PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """A runner that is killed leaves nobody behind who would hold its output open."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Relay:
    """Two realms, "in" and "out", on two loopback addresses of this test's own."""

    def __init__(self, network, workers=1, pairs=500, first=24000, command=(), owner=0, level="debug",
                 **relay):
        self.command = list(command)
        self.folder = tempfile.mkdtemp(prefix="relay-")
        os.chmod(self.folder, 0o755)
        os.chown(self.folder, owner, -1)
        self.inside, self.outside = f"{network}.1", f"{network}.2"
        self.first, self.last = first, first + 2 * pairs - 1
        self.workers = workers
        self.codec = Codec(os.path.join(TOP, "lib/ctl/messages.def"))
        self.config = os.path.join(self.folder, "sbc.json")
        self.path = os.path.join(self.folder, "run", "media-relayd.sock")
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump({"node": {"name": "test"}, "log": {"level": level},
                       "state_dir": self.folder + "/state", "run_dir": self.folder + "/run",
                       "relay": dict(relay, workers=workers), "provisioning": {}}, file)
        self.log = os.path.join(self.folder, "log")
        self.process = None
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command + [os.path.join(BUILD, "media-relay/media-relayd"), "--config",
                                self.config],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                self.client(program="probe").close()
                return
            except OSError:
                assert self.process.poll() is None, open(self.log, encoding="utf-8").read()
                time.sleep(0.02)
        raise AssertionError("media-relayd does not answer")

    def client(self, **hello):
        return Client(self.codec, self.path, **hello)

    def realms(self, client, last=None):
        realms = [{"name": name, "address": address, "port_min": self.first,
                   "port_max": last or self.last, "dscp": 46}
                  for name, address in (("in", self.inside), ("out", self.outside))]
        answer = client.request("realm_set", realms=realms)
        assert answer[0] == "done", answer

    def stop(self):
        """SIGTERM; the exit code."""
        self.process.terminate()
        code = self.process.wait(20)
        log = open(self.log, encoding="utf-8", errors="replace").read()
        shutil.rmtree(self.folder)
        assert "ERROR: " not in log and "WARNING: ThreadSanitizer" not in log, log[-8000:]
        return code

    def kill(self):
        self.process.kill()
        self.process.wait(20)


class Phone:
    """One end: an RTP and an RTCP socket on neighbouring ports."""

    def __init__(self, address, ssrc=0x1234, sequence=100):
        while True:
            self.rtp = udp(address)
            self.at = self.rtp.getsockname()
            try:
                self.rtcp = udp(address, self.at[1] + 1)
                break
            except OSError:
                self.rtp.close()
        self.rtcp_at = self.rtcp.getsockname()
        self.ssrc, self.sequence, self.timestamp = ssrc, sequence, 0

    def packet(self, payload=b"x" * 160, payload_type=0):
        self.sequence = (self.sequence + 1) & 0xffff
        self.timestamp = (self.timestamp + 160) & 0xffffffff
        return struct.pack(">BBHII", 0x80, payload_type, self.sequence, self.timestamp,
                           self.ssrc) + payload

    def say(self, to, count=1):
        sent = [self.packet() for _ in range(count)]
        for data in sent:
            self.rtp.sendto(data, to)
        return sent

    def report(self):
        return struct.pack(">BBHIII", 0x80, 201, 1, self.ssrc, 0, 0)[:8]

    def close(self):
        self.rtp.close()
        self.rtcp.close()


def udp(address, port=0):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((address, port))
    sock.settimeout(10)
    return sock


def heard(sock, seconds=10.0):
    """The next datagram as (bytes, source), or None."""
    sock.settimeout(seconds)
    try:
        return sock.recvfrom(70000)
    except TimeoutError:
        return None


def side(number, realm, phone=None, stream=0, **more):
    values = {"stream": stream, "side": number, "realm": realm, "direction": BOTH}
    if phone:
        values.update(remote_rtp=phone.at, remote_rtcp=phone.rtcp_at)
    values.update(more)
    return values


def ports(answer):
    """{(stream, side): (rtp, rtcp)} of a session_ports."""
    assert answer[0] == "session_ports", answer
    return {(s["stream"], s["side"]): (s["local_rtp"], s["local_rtcp"])
            for s in answer[1]["streams"]}


def figures(client, session):
    answer = client.request("session_query", sessions=[{"session": session}])
    assert answer[0] == "session_figures", answer
    return {(s["stream"], s["side"]): s for s in answer[1]["sessions"][0]["streams"]}


def counter(relay, name, labels=""):
    """From the shared figures, as lib/stats lays them out; over all workers."""
    name_bytes, labels_bytes, help_bytes = (
        int(re.search(rf"#define STATS_{it}_BYTES (\d+)", STATS_LAYOUT).group(1))
        for it in ("NAME", "LABELS", "HELP"))
    size = 4 + name_bytes + labels_bytes + help_bytes
    most = int(re.search(r"#define STATS_MAX_SERIES (\d+)", STATS_LAYOUT).group(1))
    with open(os.path.join(relay.folder, "run", "media-relayd.stats"), "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # mostly holes
    rows, _, series = struct.unpack_from("III", data, 12)
    first_row = 4096 + (most * size + 4095) // 4096 * 4096
    for number in range(series):
        entry = data[4096 + number * size + 4:4096 + (number + 1) * size]
        if (entry[:name_bytes].rstrip(b"\0").decode() == name and
                entry[name_bytes:name_bytes + labels_bytes].split(b"\0")[0].decode() == labels):
            return sum(struct.unpack_from("Q", data, first_row + (row * most + number) * 8)[0]
                       for row in range(rows))
    raise AssertionError(f"no series {name}")
