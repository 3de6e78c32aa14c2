#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads what the legs of scripts/test left in a folder (a meson log each, and a list of builds),
prints what failed and what was skipped with its reason, and ends in `N passed, N failed`."""
import json
import os
import re
import sys

# A case, and the comments under it: where it failed, they say why.
TAP = re.compile(r"^(not ok|ok) \d+(?: - | )?(.*)\n?((?:#.*\n?)*)", re.M)
REASON_MAX_CHARS = 2000
SECOND = re.compile(r"^# second try: (.*)$", re.M)
SKIP = re.compile(r"\s*# SKIP:?\s*(.*)$", re.I)


class Tally:
    def __init__(self, names):
        self.names = names
        self.passed, self.failed, self.skipped, self.again = 0, [], [], []

    def add(self, name, result, reason=""):
        if self.names and not any(wanted in name for wanted in self.names):
            return
        if result == "ok":
            self.passed += 1
        elif result == "skip":
            self.skipped.append((name, reason or "no reason given"))
        else:
            self.failed.append((name, reason))


def reason_of(comments):
    lines = [line[1:].strip() for line in comments.splitlines()]
    return "\n  ".join(line for line in lines if line)[-REASON_MAX_CHARS:] or "see its log"


def add_tap(tally, prefix, output, result):
    """A TAP program counts as its cases; one that died early also counts as a failure itself."""
    any_failed = False
    count = 0
    for state, title, comments in TAP.findall(output):
        count += 1
        skip = SKIP.search(title)
        if skip:
            tally.add(f"{prefix}: {SKIP.sub('', title)}", "skip", skip.group(1))
        elif state == "ok":
            tally.add(f"{prefix}: {title}", "ok")
        else:
            any_failed = True
            tally.add(f"{prefix}: {title}", "failed", reason_of(comments))
    if result not in ("OK", "SKIP", "EXPECTEDFAIL") and not any_failed:
        tally.add(prefix, "failed", f"{result} after {count} cases")


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def add_log(tally, leg, path):
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            test = json.loads(line)
            # "sbc:unit / base-wheel" becomes "gcc unit/base-wheel"
            name = test["name"].replace("sbc:", "").replace(" / ", "/")
            prefix = f"{leg} {name}"
            output = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
            tally.again += [f"{leg} {line}" for line in SECOND.findall(output)]
            if "1.." in output and TAP.search(output):
                add_tap(tally, prefix, test.get("stdout") or "", test["result"])
            elif test["result"] in ("OK", "EXPECTEDFAIL"):
                tally.add(prefix, "ok")
            elif test["result"] == "SKIP":
                tally.add(prefix, "skip", last_line(output))
            else:
                tally.add(prefix, "failed", f"{test['result']}: {last_line(output)}")


def main():
    folder, names = sys.argv[1], sys.argv[2:]
    tally = Tally(names)
    builds = os.path.join(folder, "builds")
    if os.path.exists(builds):
        with open(builds, encoding="utf-8") as file:
            for line in file:
                leg, result, _ = line.rstrip("\n").split("\t")
                if result == "ok":
                    tally.add(f"{leg} build", "ok")
                else:
                    tally.failed.append((f"{leg} build", "its errors are above"))
    for entry in sorted(os.listdir(folder)):
        if entry.endswith(".json"):
            add_log(tally, entry[:-5], os.path.join(folder, entry))
    for name, reason in tally.skipped:
        print(f"skipped: {name}: {reason}")
    for line in tally.again:
        print(f"passed at the second try: {line}")
    for name, reason in tally.failed:
        print(f"FAILED: {name}: {reason}")
    text = f"{tally.passed} passed, {len(tally.failed)} failed"
    if tally.skipped:
        text += f", {len(tally.skipped)} skipped"
    print(text)
    sys.exit(1 if tally.failed else 0)


main()
