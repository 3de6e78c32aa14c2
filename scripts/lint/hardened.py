#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The programs as they were linked: position independent, relocations read-only and bound at start, a
stack that is not executable, stack protector and the checked versions of libc's functions in use. (Control-flow protection cannot be asked for: the linker
drops its mark unless libc's own start files bear it, and Debian 12's do not.)

usage: hardened.py plain|checked PROGRAM…   (plain: a build without optimisation has no _chk functions)"""
import re
import subprocess
import sys


def readelf(path, *options):
    return subprocess.run(["readelf", "-W", *options, path], capture_output=True, text=True,
                          check=True).stdout


def faults(path, fortified):
    segments, dynamic, symbols = readelf(path, "-l"), readelf(path, "-d"), readelf(path, "--dyn-syms")
    stack = re.search(r"GNU_STACK\s.*", segments)
    checks = [
        (re.search(r"Elf file type is DYN", segments) and "(FLAGS_1)" in dynamic and " PIE" in dynamic,
         "not position independent: -pie"),
        ("GNU_RELRO" in segments, "no read-only relocations: -z relro"),
        (re.search(r"\bBIND_NOW\b|Flags:.*\bNOW\b", dynamic), "bound lazily: -z now"),
        (stack and "E" not in stack.group(0).split()[-2], "an executable stack: -z noexecstack"),
        ("__stack_chk_fail" in symbols, "no stack protector: -fstack-protector-strong"),
        (not re.search(r"\(R(UN)?PATH\)", dynamic) or "$ORIGIN" in dynamic, "a fixed RPATH"),
        (not re.search(r"\bTEXTREL\b", dynamic), "relocations in the code"),
        (not re.search(r"LOAD.* RWE ", segments), "a segment that is writable and executable"),
    ]
    if fortified:
        checks.append((re.search(r"__\w+_chk\b", symbols.replace("__stack_chk_fail", "")),
                       "no checked libc functions: -D_FORTIFY_SOURCE"))
    return [text for good, text in checks if not good]


def main():
    fortified, paths = sys.argv[1] == "checked", sys.argv[2:]
    found = [f"{path}: {fault}" for path in paths for fault in faults(path, fortified)]
    print("\n".join(found) or f"{len(paths)} programs are hardened")
    sys.exit(1 if found else 0)


main()
