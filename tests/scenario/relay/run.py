#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Cases against the real media-relayd, over its control socket and with real UDP; a line of TAP each.
run.py [--workers N] [CASE …]"""
import argparse
import sys
import traceback

import cases
from relay import Relay



def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args()
    chosen = [case for case in cases.CASES if not args.cases or case.__name__ in args.cases]
    print(f"1..{len(chosen)}")
    failed = 0
    for number, case in enumerate(chosen, 1):
        # Networks apart for each run, so that runs side by side do not meet.
        relay = Relay(f"127.{76 + args.workers}.{number}", workers=args.workers,
                      **getattr(case, "options", {}))
        try:
            note = case(relay)
            code = relay.stop()
            assert code == 0, f"exit code {code}"
            print(f"ok {number} - {case.__name__}" + (f" # SKIP {note}" if note else ""))
        except Exception:  # any failure is this case's
            failed += 1
            print(f"not ok {number} - {case.__name__}")
            for line in traceback.format_exc().splitlines():
                print("#", line)
            print("# log:", relay.log)
            if relay.process.poll() is None:
                relay.kill()
        sys.stdout.flush()
    return 1 if failed else 0


sys.exit(main())
