# SPDX-License-Identifier: MIT
"""Where relays are measured: one machine's two processors, a load on the one, the relay and the softirq
that receives for it on the other, a veth pair of two network namespaces between them. What a packet
costs is the CPU time of the relay's threads and of that softirq, which a kernel thread does here
(threaded NAPI) so that it can be read, for each packet that came back as it should."""
import glob
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scenario", "relay"))

from namespaces import ip, possible  # noqa: E402  pylint: disable=C0413

LOAD_IP, RELAY_IP = "10.9.0.1", "10.9.0.2"
LOAD_CPU, RELAY_CPU = "0", "1"
FIRST_SEQUENCE = 1000


def port_of(number):
    """Of a stream's end at the load; RTCP has the next one."""
    return 20000 + 2 * number


def why_not():
    """Nothing can be measured because of that, or None."""
    return possible() or ("two processors are needed" if os.cpu_count() < 2 else None)


def quietly(*words):
    subprocess.run(words, check=True, capture_output=True)


def spent(*pids):
    """Nanoseconds on a processor, of all their threads."""
    total = 0
    for path in (path for pid in pids for path in glob.glob(f"/proc/{pid}/task/*/schedstat")):
        with open(path, encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


class Line:
    """A stream as the load is told it. keys: suite, what the end sends with, what it is sent with."""

    def __init__(self, number, relay_port, keys=None):
        self.number, self.relay_port, self.keys = number, relay_port, keys

    def __str__(self):
        words = [LOAD_IP, port_of(self.number), RELAY_IP, self.relay_port]
        if self.keys:
            suite, sends, hears = self.keys
            words += [suite, sends.hex(), hears.hex()]
        return " ".join(map(str, words)) + "\n"


class Bed:
    """Two namespaces; the load's interface is l0, the relay's r0."""

    def __init__(self, tools):
        self.tools = tools
        self.load, self.relay = f"load{os.getpid()}", f"relay{os.getpid()}"
        self.sequence = FIRST_SEQUENCE
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

    def command(self, cpus=RELAY_CPU):
        """In front of a relay's own. Real-time, for what else runs here is not to count as its delay."""
        return ["ip", "netns", "exec", self.relay, "chrt", "-f", "10", "taskset", "-c", cpus]

    def begin(self):
        """Before the first packet of a relay's sessions."""
        self.sequence = FIRST_SEQUENCE

    def send(self, lines, seconds, rate, clump, pid=None):
        """clump 0: delays are measured, and the sink is asked at once; otherwise by a timer, so that
        it does not slow the load down."""
        self.write(self.load, "l0", "napi_defer_hard_irqs", 2000000000 if clump else 0)
        self.write(self.load, "l0", "gro_flush_timeout", 20000 if clump else 0)
        with subprocess.Popen(
                ["ip", "netns", "exec", self.load, "nice", "-n", "-20", "taskset", "-c", LOAD_CPU,
                 f"{self.tools}/rtpload", f"{self.tools}/rtpload.bpf.o", "l0", self.mac, str(seconds),
                 str(rate), str(clump), str(self.sequence)], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as load:
            load.stdin.write("".join(map(str, lines)) + ".\n")
            load.stdin.flush()
            if load.stdout.readline() != "ready\n":
                raise RuntimeError(load.stderr.read().strip())
            self.pin("napi/l0-", LOAD_CPU)
            softirqs = self.pin("napi/r0-", RELAY_CPU)  # a program makes a new one
            before = spent(pid), spent(*softirqs)
            load.stdin.write("go\n")
            load.stdin.close()
            out, error = load.stdout.read(), load.stderr.read()
            if load.wait() != 0:
                raise RuntimeError(error.strip())
            process, softirq = spent(pid) - before[0], spent(*softirqs) - before[1]
        self.sequence += int(rate * seconds) // len(lines) + 1
        row = json.loads(out)
        count = max(1, row["received"])
        row.update(rate=rate, us_per_packet=round((process + softirq) / 1000 / count, 2),
                   us_process=round(process / 1000 / count, 2),
                   us_softirq=round(softirq / 1000 / count, 2))
        return row

    def warm(self, lines):
        """Every source is learned, and what a stream gets after its first packets or its first second
        is there: each has sent sixty."""
        rate = min(20 * len(lines), 100000)
        return self.send(lines, 60 * len(lines) / rate, rate, 32)

    def close(self):
        for name in (self.load, self.relay):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
