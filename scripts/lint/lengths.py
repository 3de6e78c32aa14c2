#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lengths: a function over 100 lines needs a reason (a comment `lint: long because …` just above it
or inside it); no file over 800 lines; no public header over 200. Prints the median and the p95."""
import os

from common import Lint, read, root, walk

MAX_FUNCTION, MAX_FILE, MAX_HEADER = 100, 800, 200
REASON = "lint: long because"


def functions(lines):
    """(first line, last line) of each function, counted from 0: KNF opens and closes in column 0."""
    start = None
    for number, line in enumerate(lines):
        if line.startswith("{"):
            start = number
            while start > 0 and lines[start - 1].strip() and \
                    not lines[start - 1].rstrip().endswith(("*/", ";", "}")):
                start -= 1
        elif line.startswith("}") and start is not None:
            yield start, number
            start = None


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0


def is_public_header(path):
    folder, name = os.path.split(path)
    return name == os.path.basename(folder) + ".h" or folder == "lib/base"


def main():
    lint = Lint("lengths")
    top = root()
    sizes = []
    for path in walk(top, (".c", ".h"), ("lib", "sbc", "media-relay", "mgmt-api", "tests")):
        lines = read(top, path).splitlines()
        if len(lines) > MAX_FILE:
            lint.complain(path, 1, f"{len(lines)} lines", f"at most {MAX_FILE}: split by concern")
        if path.endswith(".h") and is_public_header(path) and len(lines) > MAX_HEADER:
            lint.complain(path, 1, f"a public header of {len(lines)} lines",
                          f"at most {MAX_HEADER}: what only the room needs goes to *_priv.h")
        for first, last in functions(lines):
            size = last - first + 1
            if not path.startswith("tests/"):
                sizes.append(size)
            around = "\n".join(lines[max(0, first - 8):last + 1])
            if size > MAX_FUNCTION and REASON not in around:
                lint.complain(path, first + 1, f"a function of {size} lines",
                              f"at most {MAX_FUNCTION}, or a comment `{REASON} …`")
    lint.done(f"; {len(sizes)} functions, median {percentile(sizes, .5)}, "
              f"p95 {percentile(sizes, .95)}, longest {max(sizes, default=0)} lines")


main()
