#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints a configuration document with its folders moved: effective_config.py FILE FOLDER.

The document may hold // comments. Sockets live in run_dir and their paths are limited to 107 bytes,
so a deep FOLDER gets a short one under /tmp instead."""
import hashlib
import json
import os
import sys


def strip_comments(text):
    """Takes // comments out; two slashes inside a string stay."""
    out, in_string, i = [], False, 0
    while i < len(text):
        c = text[i]
        if in_string:
            if c == "\\":
                out.append(text[i:i + 2])
                i += 2
                continue
            in_string = c != '"'
        elif c == '"':
            in_string = True
        elif text.startswith("//", i):
            end = text.find("\n", i)
            i = len(text) if end < 0 else end
            continue
        out.append(c)
        i += 1
    return "".join(out)


def main():
    path, folder = sys.argv[1], os.path.abspath(sys.argv[2])
    with open(path, encoding="utf-8") as file:
        document = json.loads(strip_comments(file.read()))
    run_dir = os.path.join(folder, "run")
    if len(run_dir) > 70:
        digest = hashlib.sha256(folder.encode()).hexdigest()[:12]
        run_dir = f"/tmp/sbc-run-{digest}"
    document["state_dir"] = os.path.join(folder, "store")
    document["run_dir"] = run_dir
    # A checkout often lies in a home folder, where the user "sbc" could not reach its state.
    document.setdefault("process", {}).setdefault("user", "")
    json.dump(document, sys.stdout, indent=2)
    print()


main()
