# SPDX-License-Identifier: MIT
"""What a packet costs when there are many: ten times the streams at the same packet rate, and two workers
instead of one. The rate is what userspace can do with few streams, but in the kernel that of real
telephones with many: what a stream costs by itself (its RTCP, its share of the memory over a restart) is
held against as many packets as it brings. Figures are the least of several turns, taken in turn, so that what else runs on the
machine does not stand on one side only."""
import glob

from relay_cost import measure_one, streams_possible
from relay_ways import AF_XDP, CANNOT, NATIVE, SOCKETS, SUITES, Rtpengine, cannot_be_measured

RATE, CLUMP = 50000, 50
KERNEL_RATE, KERNEL_CLUMP = 400000, 32
FEW, MANY = 1000, 10000
SUITE = next(iter(SUITES))
KINDS = ((NATIVE, None), (AF_XDP, None), (SOCKETS, None), (AF_XDP, SUITE), (SOCKETS, SUITE),
         (Rtpengine, None), (Rtpengine, SUITE))
BOTH_CPUS = "0,1"


def described(kind, suite):
    return kind.name + (", SRTP" if suite else "")


def least(rows):
    return min(rows, key=lambda row: row["us_per_packet"])


def compare_streams(bed, seconds, turns):
    many = streams_possible(MANY)
    print(f"relay, {FEW} and {many} streams in one process ({RATE} packets/s in clumps of 1 ms, by native "
          f"XDP {KERNEL_RATE} in clumps of {KERNEL_CLUMP}"
          + ("" if many == MANY else f"; descriptors allow no {MANY}, for each is two sockets") + "):")
    results = {}
    for kind, suite in KINDS:
        name = described(kind, suite)
        rate, clump = (KERNEL_RATE, KERNEL_CLUMP) if kind is NATIVE else (RATE, CLUMP)
        rows = {FEW: [], many: []}
        try:
            for _ in range(turns):
                for streams, found in rows.items():
                    found.append(measure_one(bed, kind, streams, rate, clump, seconds, suite))
        except CANNOT as error:
            print(f"  {name:28} not measured: {cannot_be_measured(error)}", flush=True)
            continue
        few, more = least(rows[FEW]), least(rows[many])
        ratio = round(more["us_per_packet"] / few["us_per_packet"], 2)
        results[name] = {"few": few, "many": more, "ratio": ratio}
        wrong = sum(row["wrong"] for found in rows.values() for row in found)
        lost = sum(row["sent"] - row["received"] - row["wrong"]
                   for found in rows.values() for row in found)
        print(f"  {name:28} {few['us_per_packet']:5.2f} and {more['us_per_packet']:5.2f} µs/packet: "
              f"{ratio} times (process {few['us_process']} and {more['us_process']}); {lost} lost, "
              f"{wrong} wrong", flush=True)
    return results


def threads(pid):
    """Nanoseconds on a processor, of each thread that a worker is."""
    found = {}
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as file:
            found[path] = int(file.read().split()[0])
    return found


def worker_turn(bed, way, suite, workers, seconds):
    """µs of a packet in each worker, busiest first."""
    relay = way.start(bed, workers=workers, cpus=BOTH_CPUS)
    try:
        lines = relay.calls(FEW // 2, suite)
        bed.warm(lines)
        before = threads(relay.pid)
        row = bed.send(lines, seconds, RATE, CLUMP, relay.pid)
        spent = {path: time - before.get(path, 0) for path, time in threads(relay.pid).items()}
        relay.check()
    finally:
        relay.stop()
    each = sorted((time / 1000 / max(1, row["received"]) for time in spent.values()), reverse=True)
    return {"busiest": each[0], "each": [round(one, 2) for one in each[:workers]],
            "lost": row["sent"] - row["received"] - row["wrong"], "wrong": row["wrong"]}


def compare_workers(bed, seconds, turns):
    """Two processors and a load on one of them leave no room to see two workers at their end, so what
    is measured is the busiest worker's time for all packets: as much less, as much more they carry."""
    print(f"relay, one worker and two ({FEW} streams, {RATE} packets/s; CPU of the busiest worker per "
          "packet of the whole: what it bounds is the rate):")
    results = {}
    for suite in (None, SUITE):
        name = described(SOCKETS, suite)
        found = {1: [], 2: []}
        try:
            for _ in range(turns):
                for workers, rows in found.items():
                    rows.append(worker_turn(bed, SOCKETS, suite, workers, seconds))
        except CANNOT as error:
            print(f"  {name:28} not measured: {cannot_be_measured(error)}", flush=True)
            continue
        one, two = (min(rows, key=lambda row: row["busiest"]) for rows in found.values())
        ratio = round(one["busiest"] / two["busiest"], 2)
        results[name] = {"one": one, "two": two, "ratio": ratio}
        print(f"  {name:28} {one['each'][0]} µs; {' and '.join(map(str, two['each']))} µs: {ratio} times "
              f"as much, {one['lost'] + two['lost']} lost, {one['wrong'] + two['wrong']} wrong",
              flush=True)
    return results


def run(bed, quick):
    seconds, turns = (2, 1) if quick else (4, 3)
    return {"streams": compare_streams(bed, seconds, turns),
            "workers": compare_workers(bed, seconds, turns)}
