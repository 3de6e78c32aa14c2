# SPDX-License-Identifier: MIT
"""The relay's ways beside rtpengine: one machine's two processors, a load on the one, the relay and the
softirq that receives for it on the other, a veth pair of two network namespaces between them. What a
packet costs is the CPU time of the relay's threads and of that softirq, which a kernel thread does
here (threaded NAPI) so that it can be read, for each packet that came back."""
import glob
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scenario", "relay"))
sys.path.insert(0, os.path.join(HERE, "..", "scenario"))

from harness import sdp  # noqa: E402  pylint: disable=C0413
from namespaces import inside, ip, possible  # noqa: E402  pylint: disable=C0413
from peers import NgClient  # noqa: E402  pylint: disable=C0413
from relay import BOTH, Relay, figures, ports  # noqa: E402  pylint: disable=C0413

LOAD_IP, RELAY_IP = "10.9.0.1", "10.9.0.2"
PORT = 20000  # of the first stream's end
STREAMS, RATE, CLUMP = 5000, 147000, 32
LOAD_CPU, RELAY_CPU = "0", "1"
WAYS = (("native", "native XDP"), ("tc", "tc"), ("generic", "generic XDP"), ("off", "sockets"))


def quietly(*words):
    subprocess.run(words, check=True, capture_output=True)


class Bed:
    """Two namespaces; the load's interface is l0, the relay's r0."""

    def __init__(self, tools):
        self.tools = tools
        self.load, self.relay = f"load{os.getpid()}", f"relay{os.getpid()}"
        for name in (self.load, self.relay):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "l0", "netns", self.load, "numrxqueues", "1", "numtxqueues", "1", "type",
           "veth", "peer", "name", "r0", "netns", self.relay, "numrxqueues", "1", "numtxqueues", "1")
        for name, device, address in ((self.load, "l0", LOAD_IP), (self.relay, "r0", RELAY_IP)):
            ip("-n", name, "addr", "add", address + "/16", "dev", device)
            ip("-n", name, "link", "set", device, "up")
            self.run(name, "ethtool", "-K", device, "gro", "on", "tx", "off")
            self.write(name, device, "threaded", 1)
        # The sink is asked by a timer, so that it does not slow the load down.
        self.write(self.load, "l0", "napi_defer_hard_irqs", 2000000000)
        self.write(self.load, "l0", "gro_flush_timeout", 20000)
        self.mac = self.run(self.relay, "cat", "/sys/class/net/r0/address").strip()
        ip("-n", self.relay, "neigh", "replace", LOAD_IP, "dev", "r0", "lladdr",
           self.run(self.load, "cat", "/sys/class/net/l0/address").strip())

    def run(self, name, *words):
        return subprocess.run(["ip", "netns", "exec", name, *words], check=True,
                              capture_output=True, text=True).stdout

    def write(self, name, device, what, value):
        self.run(name, "sh", "-c", f"echo {value} >/sys/class/net/{device}/{what}")

    @staticmethod
    def pin(prefix, cpu):
        """Kernel threads of that name; as real-time as a softirq is."""
        found = []
        for path in glob.glob("/proc/[0-9]*/comm"):
            try:
                with open(path, encoding="ascii") as file:
                    if file.read().startswith(prefix):
                        found.append(int(path.split("/")[2]))
            except OSError:
                continue
        for pid in found:
            quietly("taskset", "-pc", cpu, str(pid))
            quietly("chrt", "-f", "-p", "50", str(pid))
        assert found, f"no kernel thread {prefix}"
        return found

    def command(self):
        return ["ip", "netns", "exec", self.relay, "taskset", "-c", RELAY_CPU]

    def send(self, streams, seconds, rate):
        text = "".join(f"{LOAD_IP} {PORT + n} {RELAY_IP} {port}\n" for n, port in enumerate(streams))
        done = subprocess.run(
            ["ip", "netns", "exec", self.load, "taskset", "-c", LOAD_CPU, f"{self.tools}/rtpload",
             f"{self.tools}/rtpload.bpf.o", "l0", self.mac, str(seconds), str(rate), str(CLUMP)],
            input=text, text=True, check=True, capture_output=True)
        return json.loads(done.stdout)

    def measure(self, pid, streams, seconds):
        self.pin("napi/l0-", LOAD_CPU)
        softirqs = self.pin("napi/r0-", RELAY_CPU)  # a program makes a new one
        self.send(streams, 1, min(RATE, 20 * len(streams)))  # every source is learned
        before = spent(pid), spent(*softirqs)
        out = self.send(streams, seconds, RATE)
        process, softirq = spent(pid) - before[0], spent(*softirqs) - before[1]
        count = max(1, out["received"])
        out.update(rate=RATE, us_per_packet=round((process + softirq) / 1000 / count, 2),
                   us_process=round(process / 1000 / count, 2),
                   us_softirq=round(softirq / 1000 / count, 2))
        return out

    def close(self):
        for name in (self.load, self.relay):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def spent(*pids):
    """Nanoseconds on a processor, of all their threads."""
    total = 0
    for path in (path for pid in pids for path in glob.glob(f"/proc/{pid}/task/*/schedstat")):
        with open(path, encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


def ours(bed, way, streams, seconds):
    relay = Relay("127.0.0", pairs=1, command=bed.command(), level="warning", fast_path=way,
                  interfaces=["r0"])
    try:
        client, local = relay.client(), []
        realms = [{"name": name, "address": RELAY_IP, "port_min": first, "port_max": first + 17499,
                   "dscp": 46} for name, first in (("in", 30000), ("out", 47500))]
        assert client.request("realm_set", realms=realms)[0] == "done"
        for n in range(streams // 2):
            got = ports(client.request("session_set", session=n + 1, streams=[
                {"stream": 0, "side": i, "realm": ("in", "out")[i], "direction": BOTH,
                 "remote_rtp": (LOAD_IP, PORT + 2 * n + i)} for i in (0, 1)]))
            local += [got[0, 0][0][1], got[0, 1][0][1]]
        row = bed.measure(relay.process.pid, local, seconds)
        took = figures(client, 1)[0, 0]["way"]
        assert took == (0 if way == "off" else 2), "it did not go that way"
        return row
    finally:
        if relay.process.poll() is None:
            relay.stop()


def rtpengine(bed, streams, seconds):
    child = subprocess.Popen(
        bed.command() + ["rtpengine", "--foreground", "--log-stderr", "--log-level=3", "--table=-1",
                         f"--interface={RELAY_IP}", "--listen-ng=127.0.0.1:22222", "--port-min=30000",
                         "--port-max=65000", "--num-threads=2", "--timeout=3600",
                         "--silent-timeout=3600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        client, local = inside(bed.relay, lambda: NgClient(22222)), []
        replace = {"replace": ["origin", "session-connection"], "ICE": "remove"}
        for n in range(streams // 2):
            far = client.ask("offer", call_id=f"b{n}", from_tag="f",
                             sdp=sdp.compose(LOAD_IP, PORT + 2 * n), **replace)
            near = client.ask("answer", call_id=f"b{n}", from_tag="f", to_tag="t",
                              sdp=sdp.compose(LOAD_IP, PORT + 2 * n + 1), **replace)
            local += [near, far]
        return bed.measure(child.pid, local, seconds)
    finally:
        child.terminate()
        child.wait()


def measure_all(tools, streams, seconds, report):
    """{name: row}; report(name, row) as each is there. A text: why it cannot be measured."""
    why_not = possible() or (os.cpu_count() < 2 and "two processors are needed")
    if why_not:
        return why_not
    results, bed = {}, Bed(tools)
    try:
        jobs = [(f"media-relayd, {text}", lambda way=way: ours(bed, way, streams, seconds))
                for way, text in WAYS]
        jobs.append(("rtpengine 10.5", lambda: rtpengine(bed, streams, seconds)))
        for name, job in jobs:
            try:
                results[name] = job()
            except (OSError, AssertionError, RuntimeError, subprocess.SubprocessError) as error:
                report(name, str(error)[:200])
                continue
            report(name, results[name])
    finally:
        bed.close()
    return results
