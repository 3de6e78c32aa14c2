#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the cases of one or more modules and prints TAP.

usage: run.py [--short] [--list] [--keep] [--only TEXT]… MODULE…
SBC_BUILD names the build folder; SBC_TEST_FILTER holds words that a case's name must contain one of;
SBC_SKIP_SLOW leaves out the cases that wait for long timers."""
import argparse
import importlib
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
# The relay's ends, by the names that they have there; last, for that folder has a cases.py too.
sys.path.append(os.path.join(HERE, "relay"))

from harness.case import CASES, run_case  # noqa: E402  pylint: disable=C0413
from second_try import allowed  # noqa: E402  pylint: disable=C0413


def try_case(name, function, keep):
    result, text = run_case(name, function, keep)
    if result != "failed" or not allowed(text):
        return result, text
    again, second = run_case(name, function, keep)
    if again != "ok":
        return again, text + "\n" + second
    return again, f"second try: {name}: {text}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true", help="only cases marked short")
    parser.add_argument("--list", action="store_true", help="only names them")
    parser.add_argument("--keep", action="store_true", help="keeps logs of good cases too")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT")
    parser.add_argument("modules", nargs="+")
    options = parser.parse_args()
    for module in options.modules:
        importlib.import_module("cases." + module)
    wanted = options.only + os.environ.get("SBC_TEST_FILTER", "").split()
    # A module that borrows from another registers that one's cases too: they are not asked for.
    mine = {"cases." + module for module in options.modules}
    cases = [c for c in CASES if c[1].__module__ in mine and (c[3] or not options.short) and
             (not wanted or any(w in f"{options.modules[0]}: {c[0]}" for w in wanted))]
    if options.list:
        print("\n".join(c[0] for c in cases))
        return
    print(f"1..{len(cases)}", flush=True)
    failed = 0
    for number, (name, function, slow, _) in enumerate(cases, 1):
        begin = time.monotonic()
        if slow and os.environ.get("SBC_SKIP_SLOW"):
            result, text = "skip", "SBC_SKIP_SLOW is set"
        else:
            result, text = try_case(name, function, options.keep)
        if result == "skip":
            print(f"ok {number} - {name} # SKIP {text.splitlines()[0]}", flush=True)
            continue
        failed += result == "failed"
        print(f"{'ok' if result == 'ok' else 'not ok'} {number} - {name}", flush=True)
        print(f"# {time.monotonic() - begin:.2f} s", flush=True)
        for line in text.splitlines():
            print(f"# {line}", flush=True)
    sys.exit(1 if failed else 0)


main()
