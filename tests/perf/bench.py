#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures our programs and the ones users know, one after the other on this machine, and prints a
table: CPU per call, highest clean rate, latency, memory per call, CPU per packet of the relay.

usage: bench.py [--quick] [--only signalling|media|relay|memory|crypto] [--json FILE]

CPU is the sum over all threads of what /proc/PID/task/*/schedstat says, in nanoseconds, taken before
the load and after the timers behind it have run out. One lock keeps timed runs apart. Only ratios
within one run mean something: absolute figures drift with the machine by tens of percent."""
import argparse
import csv
import fcntl
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scenario"))
sys.path.insert(0, HERE)

import relay_bed  # noqa: E402  pylint: disable=C0413
import relay_cost  # noqa: E402  pylint: disable=C0413
import relay_limits  # noqa: E402  pylint: disable=C0413
import relay_many  # noqa: E402  pylint: disable=C0413
import relay_memory  # noqa: E402  pylint: disable=C0413
import relay_setup  # noqa: E402  pylint: disable=C0413
from harness import sdp, sipp  # noqa: E402  pylint: disable=C0413
from harness.check import Failed, Skip  # noqa: E402  pylint: disable=C0413
from harness.sbc import build_dir  # noqa: E402  pylint: disable=C0413
from harness.sip import Call, Endpoint  # noqa: E402  pylint: disable=C0413
from harness.slots import Slot  # noqa: E402  pylint: disable=C0413
from peers import Kamailio, NgClient, Ours, Rtpengine  # noqa: E402  pylint: disable=C0413

RELAY_PARTS = {"cost": relay_cost.run, "limits": relay_limits.run, "many": relay_many.run,
               "setup": relay_setup.run}
HOLD_MS = 100
DRAIN_S = 6  # timers D, J, K and RFC 6026's run out mostly within this
# Calls that are up while others come. An anchored one is four sockets in the relay, of which an idle
# pool may hold a quarter beside: where descriptors are few, the large crowd is of silent calls. Those
# began like all others and ended their media by a re-INVITE (RFC 3264 8.2): sbcd has them, the relay not.
FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
CROWDS = ((50, False), (3000 if FILES < 40960 else 5000, False), (5000, True), (50, False))
LADDER = (1000, 1500, 2000, 2500, 3000, 3500, 4000, 5000, 6000, 7000, 8000)
UAC = [sipp.request("INVITE", sipp.sdp(), first=True), sipp.receive(100, optional=True),
       sipp.receive(180, optional=True), sipp.receive(200, rrs=True),
       sipp.request("ACK", number=1, headers=("[routes]",)), "<pause/>",
       sipp.request("BYE", headers=("[routes]",)), sipp.receive(200)]
ECHO = ("[last_Record-Route:]",)
UAS = [sipp.receive("INVITE"), sipp.respond(180, headers=ECHO).replace(' retrans="500"', ""),
       sipp.pause(20), sipp.respond(200, body=sipp.sdp(port=16000), headers=ECHO), sipp.receive("ACK"),
       sipp.receive("BYE"), sipp.respond(200, tagged=False, contact=False)]
FAST = ["-buff_size", "4194304", "-nostdin", "-deadcall_wait", "0", "-watchdog_interval", "0",
        "-trace_stat", "-fd", "1", "-max_recv_loops", "2000", "-max_sched_loops", "5000"]


def cpu_ns(pids):
    total = 0
    for pid in pids:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
        except OSError:
            pass
    return total


def pss_kib(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total


def drops():
    """Datagrams that the whole machine lost because a buffer was full."""
    with open("/proc/net/snmp", encoding="ascii") as file:
        names, values = (line.split() for line in file if line.startswith("Udp:"))
    return int(dict(zip(names, values))["RcvbufErrors"])


class Bench:
    def __init__(self, quick):
        self.quick = quick
        self.slot, self.folder = Slot(), tempfile.mkdtemp(prefix="sbcb-")
        self.tools = os.path.join(os.path.abspath(build_dir()), "tests", "perf")
        self.lock = open(os.path.join(tempfile.gettempdir(), "sbc-bench.lock"), "a",
                         encoding="ascii")  # pylint: disable=R1732
        self.results, self.serial = {}, 0

    def close(self):
        self.slot.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def sub(self):
        self.serial += 1
        folder = os.path.join(self.folder, str(self.serial))
        os.makedirs(folder)
        return folder

    # ---- load ----
    def sipp_run(self, folder, rate, seconds, target, roles):
        """Complete calls at a rate. CPU per call by role, and whether the run was clean."""
        calls = int(rate * seconds)
        uas_path, uac_path = sipp.write(folder, "uas", UAS), sipp.write(folder, "uac", UAC)
        slot = self.slot
        null = subprocess.DEVNULL
        uas = subprocess.Popen(["sipp", "-sf", uas_path, "-i", slot.carrier, "-p", "5060", "-stf",
                                f"{folder}/uas.csv"] + FAST, stdout=null, stderr=null, cwd=folder)
        try:
            time.sleep(0.5)
            before, lost = {role: cpu_ns(pids) for role, pids in roles.items()}, drops()
            begin = time.monotonic()
            uac = subprocess.Popen(
                ["sipp", target, "-sf", uac_path, "-i", slot.pbx, "-p", "5060", "-r", str(rate), "-m",
                 str(calls), "-l", "200000", "-d", str(HOLD_MS), "-s", "+493012345678", "-timeout",
                 str(int(seconds) + 20), "-stf", f"{folder}/uac.csv"] + FAST, stdout=null, stderr=null,
                cwd=folder)
            try:
                uac.wait(seconds + 25)
            except subprocess.TimeoutExpired:  # a call that lost its last answer hangs SIPp for ever
                uac.kill()
                uac.wait()
            took = time.monotonic() - begin
            time.sleep(DRAIN_S)
            after = {role: cpu_ns(pids) for role, pids in roles.items()}
        finally:
            uas.terminate()
            uas.wait()
        near, far = statistics(f"{folder}/uac.csv"), statistics(f"{folder}/uas.csv")
        good = near.get("SuccessfulCall(C)", 0)
        resent = near.get("Retransmissions(C)", 0) + far.get("Retransmissions(C)", 0)
        pace = good / max(0.001, took - HOLD_MS / 1000)
        return {"rate": rate, "calls": calls, "ok": good, "resent": resent, "drops": drops() - lost,
                "us_per_call": {role: round((after[role] - before[role]) / 1000 / max(1, good), 1)
                                for role in roles},
                "clean": good == calls and resent <= calls / 1000 and pace >= 0.95 * rate}

    def sigload(self, rate, calls, hold_ms, source=5070, silent=False):
        """Starts our own caller; its figures come out of communicate()."""
        slot = self.slot
        return subprocess.Popen([f"{self.tools}/sigload", "uac", slot.pbx, str(source), slot.inside, "5060",
                                 str(rate), str(calls), str(hold_ms)] + ["silent"] * silent,
                                stdout=subprocess.PIPE, text=True)

    def callee(self):
        return subprocess.Popen([f"{self.tools}/sigload", "uas", self.slot.carrier, "5060"])

    # ---- what is measured of one signalling peer ----
    def cpu(self, peer, rate, seconds):
        return self.sipp_run(self.sub(), rate, seconds, f"{self.slot.inside}:5060", peer.roles())

    def clean_rate(self, peer):
        best = 0
        for rate in LADDER:
            if not self.sipp_run(self.sub(), rate, 4, f"{self.slot.inside}:5060", peer.roles())["clean"]:
                break
            best = rate
        return best

    def latency(self):
        uas = self.callee()
        time.sleep(0.3)
        seconds = 3 if self.quick else 10
        out = json.loads(self.sigload(200, 200 * seconds, HOLD_MS).communicate()[0])
        uas.terminate()
        uas.wait()
        return out

    def memory(self, peer, calls):
        """KiB of a call that is up, for the signalling processes and for the relay."""
        uas = self.callee()
        time.sleep(0.3)
        self.sigload(200, 400, 0).communicate()  # touches what is touched once
        time.sleep(2)
        roles = peer.roles()
        before = {role: pss_kib(pids) for role, pids in roles.items()}
        uac = self.sigload(500, calls, int(calls / 500 * 1000) + 6000)
        time.sleep(calls / 500 + 3)
        after = {role: pss_kib(pids) for role, pids in roles.items()}
        out = json.loads(uac.communicate()[0])
        uas.terminate()
        uas.wait()
        return {"calls": out["peak"], "failed": out["failed"],
                "kib_per_call": {r: round((after[r] - before[r]) / max(1, out["peak"]), 2) for r in roles}}

    def crowded(self, peer, up, silent):
        """CPU per call at 1,000 a second while so many others are up and silent; then those hang up."""
        uas = self.callee()
        time.sleep(0.3)
        crowd = self.sigload(1000, up, 600000, 5071, silent)
        time.sleep(up / 1000 + 3)
        roles, calls = peer.roles(), 5000
        before = {role: cpu_ns(pids) for role, pids in roles.items()}
        out = json.loads(self.sigload(1000, calls, HOLD_MS, 5072).communicate()[0])
        time.sleep(DRAIN_S)
        after = {role: cpu_ns(pids) for role, pids in roles.items()}
        crowd.terminate()
        crowd_out = json.loads(crowd.communicate()[0])
        time.sleep(DRAIN_S)
        uas.terminate()
        uas.wait()
        return {"up": crowd_out["ok"], "wanted": up, "silent": silent, "ok": out["ok"], "us_per_call": {
            role: round((after[role] - before[role]) / 1000 / max(1, out["ok"]), 1) for role in roles}}

    def signalling(self, make, memory_calls):
        row = {}
        peer = make(self.slot, self.sub())
        try:
            self.cpu(peer, 200, 1)  # warm
            seconds = 3 if self.quick else 10
            row["cpu"] = [self.cpu(peer, rate, seconds)
                          for rate in ((1000,) if self.quick else (500, 1000, 2000))]
            row["latency"] = self.latency()
            row["memory"] = self.memory(peer, memory_calls)
            if not self.quick:
                row["max"] = self.clean_rate(peer)
                if isinstance(peer, Ours):
                    row["crowds"] = [self.crowded(peer, *crowd) for crowd in CROWDS]
        finally:
            peer.stop()
        return peer.name, row

    # ---- the relay ----
    def our_calls(self, count):
        """Calls made by way of sbcd: (local ip, port, remote ip, port) of each stream's two ends."""
        pbx, carrier = Endpoint(self.slot.pbx), Endpoint(self.slot.carrier)
        streams = []
        for n in range(count):
            near, far = 10000 + 2 * n, 10000 + 2 * n
            caller = Call.start(pbx, (self.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, near))
            callee = Call.receive(carrier)
            callee.reply(200, sdp.compose(carrier.ip, far))
            answer = caller.expect(200)
            caller.ack()
            callee.take_request("ACK")
            streams.append((pbx.ip, near, *sdp.Session(answer.body).target))
            streams.append((carrier.ip, far, *sdp.Session(callee.invite.body).target))
            pbx.log.clear()
            carrier.log.clear()
        return streams

    def rtpengine_calls(self, relay, count):
        client, slot, streams = NgClient(relay.ng), self.slot, []
        for n in range(count):
            port = 10000 + 2 * n
            replace = {"replace": ["origin", "session-connection"], "ICE": "remove"}
            there = client.ask("offer", call_id=f"b{n}", from_tag="f",
                               sdp=sdp.compose(slot.pbx, port), **replace)
            here = client.ask("answer", call_id=f"b{n}", from_tag="f", to_tag="t",
                              sdp=sdp.compose(slot.carrier, port), **replace)
            streams += [(slot.pbx, port, relay.ip, here), (slot.carrier, port, relay.ip, there)]
        return streams

    def media(self, roles, streams, rate, seconds):
        text = "".join(" ".join(map(str, stream)) + "\n" for stream in streams)
        command = [f"{self.tools}/mediaload"]
        subprocess.run(command + ["2", str(min(rate, 5000))], input=text, text=True, check=True,
                       stdout=subprocess.DEVNULL)  # every source is learned
        before, lost = cpu_ns(roles["relay"]), drops()
        done = subprocess.run(command + [str(seconds), str(rate)], input=text, text=True, check=True,
                              capture_output=True)
        spent, out = cpu_ns(roles["relay"]) - before, json.loads(done.stdout)
        out.update(rate=rate, us_per_packet=round(spent / 1000 / max(1, out["received"]), 2),
                   drops=drops() - lost)
        return out

    def relay(self, make, connect):
        """One relay with many streams, at a low and a high rate. connect(relay, calls): its streams."""
        calls, seconds = (100, 4) if self.quick else (500, 10)
        relay = make(self.slot, self.sub())
        try:
            streams = connect(relay, calls)
            return [self.media(relay.roles(), streams, rate, seconds)
                    for rate in ((5000,) if self.quick else (5000, 50000))]
        finally:
            relay.stop()


def statistics(path):
    """The last line of SIPp's counters."""
    try:
        with open(path, encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter=";"))
    except OSError:
        return {}
    found = {}
    for name, value in (rows[-1] if rows else {}).items():
        try:
            found[name] = int(value)
        except (TypeError, ValueError):
            continue
    return found


def report_signalling(name, row):
    for run in row["cpu"]:
        parts = ", ".join(f"{role} {us}" for role, us in run["us_per_call"].items())
        total = round(sum(us for role, us in run["us_per_call"].items() if role != "mgmt"), 1)
        print(f"  {name:28} {run['rate']:5} calls/s  {total:7} µs/call  ({parts})"
              f"{'' if run['clean'] else '  NOT CLEAN: ' + str(run)}", flush=True)
    late = row["latency"]
    print(f"  {name:28} INVITE→180 at 200/s: p50 {late['ring_us']['p50']} µs, p99 "
          f"{late['ring_us']['p99']} µs; {late['failed']} failed, {late['repeated']} repeated")
    memory = row["memory"]
    print(f"  {name:28} memory per call, {memory['calls']} up: "
          + ", ".join(f"{role} {kib} KiB" for role, kib in memory["kib_per_call"].items()))
    for crowd in row.get("crowds", ()):
        parts = ", ".join(f"{role} {us}" for role, us in crowd["us_per_call"].items())
        print(f"  {name:28} 1000 calls/s with {crowd['up']} {'silent ' * crowd['silent']}calls up: "
              f"{parts} µs/call" + ("" if crowd["up"] == crowd["wanted"] else
                                    f"  NOT ALL OF {crowd['wanted']}"), flush=True)
    if "max" in row:
        print(f"  {name:28} highest clean rate: {row['max']} calls/s", flush=True)


def report_media(name, runs):
    for run in runs:
        print(f"  {name:28} {run['streams']} streams, {run['rate']:6} packets/s: "
              f"{run['us_per_packet']} µs/packet, {run['sent'] - run['received']} lost of "
              f"{run['sent']}", flush=True)


def crypto():
    """ns to seal and to open a packet of G.711, by library, suite and number of sessions."""
    print("SRTP (172-byte packets, ns of CPU to seal and to open one):")
    text = subprocess.run([os.path.join(build_dir(), "tests/perf/bench_srtp")], check=True,
                          capture_output=True, text=True).stdout
    rows = {}
    for line in text.splitlines():
        library, suite, sessions, seal, opened = line.split()
        rows[f"{library} {suite} {sessions}"] = {"seal_ns": float(seal), "open_ns": float(opened)}
        print(f"  {library:10}{suite:26}{int(sessions):6,} sessions{float(seal):9,.0f}"
              f"{float(opened):9,.0f}", flush=True)
    return rows


def bench_relay(bench, parts):
    why_not = relay_bed.why_not()
    if why_not:
        print(f"relay: not measured: {why_not}")
        return why_not
    bed, wanted = relay_bed.Bed(bench.tools), set(parts.split(","))
    try:
        return {name: part(bed, bench.quick) for name, part in RELAY_PARTS.items() if name in wanted}
    finally:
        bed.close()


def bench_memory(quick):
    print("memory of the relay (PSS of the process, with its memory over a restart):")
    try:
        return relay_memory.measure_all(quick, lambda kind, kib, count: print(
            f"  {kind:40} {kib:5.2f} KiB/stream, both its sides, over {count}", flush=True))
    except (OSError, AssertionError) as error:
        print(f"  not measured: {error}")
        return str(error)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a few seconds each; no ladder of rates")
    parser.add_argument("--only", choices=("signalling", "media", "relay", "memory", "crypto"))
    parser.add_argument("--parts", default=",".join(RELAY_PARTS),
                        help="of the relay: " + ", ".join(RELAY_PARTS))
    parser.add_argument("--json", help="writes all figures there too")
    options = parser.parse_args()
    unknown = set(options.parts.split(",")) - set(RELAY_PARTS)
    if unknown:
        parser.error(f"--parts: the relay has no {', '.join(sorted(unknown))}")
    bench = Bench(options.quick)
    results = {}
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}; ratios within this "
          "run count, absolute figures drift", flush=True)
    try:
        fcntl.flock(bench.lock, fcntl.LOCK_EX)
        if options.only in (None, "signalling"):
            print("signalling (UDP on loopback, complete calls with SDP, 100 ms hold):")
            for make in (Ours, Kamailio, lambda s, f: Kamailio(s, f, anchored=True)):
                try:
                    name, row = bench.signalling(make, 500 if options.quick else 2000)
                except (Skip, Failed, RuntimeError, ValueError) as error:
                    print(f"  not measured: {str(error)[:300]}")
                    continue
                results[name] = row
                report_signalling(name, row)
        if options.only in (None, "relay"):
            results["relay"] = bench_relay(bench, options.parts)
        if options.only in (None, "memory"):
            results["memory"] = bench_memory(options.quick)
        if options.only in (None, "media"):
            print("media (172-byte packets, sockets on loopback, CPU of the relay's threads):")
            for name, make, connect in (
                    ("media-relayd", Ours, lambda _, n: bench.our_calls(n)),
                    ("rtpengine 10.5", Rtpengine, bench.rtpengine_calls)):
                try:
                    results[name] = bench.relay(make, connect)
                except (Skip, Failed, RuntimeError) as error:
                    print(f"  {name:28} not measured: {error}")
                    continue
                report_media(name, results[name])
        if options.only in (None, "crypto"):
            results["srtp"] = crypto()
    finally:
        bench.close()
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


main()
