#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The ways through the relay, in network namespaces: every case on every way, a line of TAP each.
ways.py [--workers N] [CASE …]"""
import argparse
import sys
import traceback

import ways_changes  # their cases add themselves to CASES
import ways_packets
import ways_rings
import ways_strangers
from namespaces import Net, possible
from second_try import tried
from ways_bed import CASES, WAYS, Bed


def attempt(function, net, mode, workers, version):
    net.forget_neighbours()
    bed = Bed(net, mode, workers, version)
    try:
        note = function(bed)
        bed.stop()
        return None, note
    except Exception:  # any failure is this case's
        if bed.relay.process.poll() is None:
            bed.relay.kill()
        with open(bed.relay.log, encoding="utf-8", errors="replace") as log:
            return traceback.format_exc() + log.read()[-3000:], None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args()
    why_not = possible()
    if why_not:
        print(f"1..0 # SKIP {why_not}")
        return 0
    chosen = [(one, mode, version) for mode in ([args.way] if args.way else WAYS)
              for one in CASES if not args.cases or one.__name__ in args.cases
              if mode in one.ways for version in one.versions]
    print(f"1..{len(chosen)}")
    failed, net = 0, Net()
    try:
        for number, (one, mode, version) in enumerate(chosen, 1):
            name = f"{one.__name__} {mode} IPv{6 if version else 4}"
            wrong, note = tried(name, lambda: attempt(one, net, mode, args.workers, version))
            failed += wrong is not None
            print(f"{'not ok' if wrong else 'ok'} {number} - {name}" +
                  (f" # SKIP {note}" if note else ""), flush=True)
            for line in (wrong or "").splitlines():
                print("#", line)
    finally:
        net.close()
    return 1 if failed else 0


sys.exit(main())
