# SPDX-License-Identifier: MIT
"""Call set-ups a second against the relay's control: offer, answer, and the end 100 ms later. What a call
costs the relay in CPU, and how long each step takes; rtpengine does the same three by offer, answer and
delete. No media flows."""
import json
import subprocess

from relay_bed import LOAD_CPU, spent
from relay_ways import CANNOT, NG_PORT, SOCKETS, Rtpengine, cannot_be_measured

RATES = (200, 1000)
TURNS = 3


def once(bed, relay, where, calls, rate):
    before = spent(relay.pid)
    done = subprocess.run(["ip", "netns", "exec", bed.relay, "chrt", "-f", "20", "taskset", "-c", LOAD_CPU,
                           f"{bed.tools}/setupload", *where, str(calls), str(rate)], check=True,
                          capture_output=True, text=True)
    row = json.loads(done.stdout)
    row.update(rate=rate, us_per_call=round((spent(relay.pid) - before) / 1000 / max(1, row["over"]), 1))
    return row


def measure(bed, kind, rate, turns):
    relay = kind.start(bed)
    try:
        where = (("ng", str(NG_PORT)) if kind is Rtpengine else ("ctl", relay.relay.path))
        once(bed, relay, where, 200, 200)  # touches what is touched once
        rows = [once(bed, relay, where, 2 * rate, rate) for _ in range(turns)]
    finally:
        relay.stop()
    failed = sum(row["calls"] - row["over"] for row in rows)
    return dict(min(rows, key=lambda row: row["us_per_call"]), failed=failed)


def report(name, row):
    steps = ", ".join(f"{step} {row[step + '_us']['p50']} / {row[step + '_us']['p99']}"
                      for step in ("offer", "answer", "end"))
    print(f"  {name:28} {round(row['over'] / max(0.001, row['took_s'])):5} calls/s {row['us_per_call']:6} "
          f"µs of CPU a call; p50 / p99 µs: {steps}; {row['failed']} failed", flush=True)


def run(bed, quick):
    print("relay, call set-ups (offer, answer, end after 100 ms; not waited for one by one):")
    results = {}
    for kind in (SOCKETS, Rtpengine):
        for rate in RATES:
            try:
                row = measure(bed, kind, rate, 1 if quick else TURNS)
            except CANNOT as error:
                print(f"  {kind.name:28} not measured: {cannot_be_measured(error)}", flush=True)
                continue
            results.setdefault(kind.name, []).append(row)
            report(kind.name, row)
    return results
