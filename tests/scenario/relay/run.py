#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Cases against the real media-relayd, over its control socket and with real UDP; a line of TAP each.
run.py [--workers N] [CASE …]"""
import argparse
import sys
import traceback

import cases
import cases_addresses  # their cases add themselves to cases.CASES
import cases_channel
import cases_control
import cases_digits
import cases_forwarding
import cases_latching
import cases_restart
import cases_rtcp
import cases_srtp
import cases_strangers
from relay import Relay
from second_try import BROKEN, tried


def attempt(case, number, workers):
    """None and the note of a case that passed, or what went wrong."""
    # Networks apart for each run, so that runs side by side do not meet.
    relay = Relay(f"127.{76 + workers}.{number}", workers=workers, **getattr(case, "options", {}))
    try:
        note = case(relay)
        code = relay.stop()
        assert code == 0, f"exit code {code}"
        return None, note
    except Exception:  # any failure is this case's
        if relay.process.poll() is None:
            relay.kill()
        with open(relay.log, encoding="utf-8", errors="replace") as log:
            broken = [line for line in log.read().splitlines() if any(w in line for w in BROKEN)]
        return "\n".join([traceback.format_exc(), f"log: {relay.log}"] + broken), None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args()
    chosen = [case for case in cases.CASES if not args.cases or case.__name__ in args.cases]
    print(f"1..{len(chosen)}")
    failed = 0
    for number, case in enumerate(chosen, 1):
        wrong, note = tried(case.__name__, lambda: attempt(case, number, args.workers))
        failed += wrong is not None
        print(f"{'not ok' if wrong else 'ok'} {number} - {case.__name__}" +
              (f" # SKIP {note}" if note else ""))
        for line in (wrong or "").splitlines():
            print("#", line)
        sys.stdout.flush()
    return 1 if failed else 0


sys.exit(main())
