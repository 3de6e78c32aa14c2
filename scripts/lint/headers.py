#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles each header alone, with every compiler that is there: a header brings what it needs.
usage: headers.py [TREE]"""
import shutil
import subprocess
import tempfile

from common import Lint, read, root, walk

FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", '-DSBC_VERSION="0"', "-Wall", "-Wextra", "-Werror",
         "-Wno-unused-function", "-fsyntax-only", "-x", "c"]
PACKAGES = ["openssl", "jansson", "libmicrohttpd", "sqlite3", "libpcre2-8", "libcares"]
# Headers that are meant to be included several times, in a context, say so.
EXEMPT = "No guard on"


def package_flags():
    if not shutil.which("pkg-config"):
        return []
    done = subprocess.run(["pkg-config", "--cflags"] + PACKAGES, capture_output=True, text=True,
                          check=False)
    return done.stdout.split()


def main():
    lint = Lint("headers")
    top = root()
    compilers = [name for name in ("gcc", "clang") if shutil.which(name)]
    extra = package_flags()
    count = 0
    for path in walk(top, (".h",), ("lib", "sbc", "media-relay", "mgmt-api")):
        text = read(top, path)
        if EXEMPT in text:
            continue
        count += 1
        if "#pragma once" not in text:
            lint.complain(path, 1, "no guard", "#pragma once")
        # Included twice, from a file of another name: the guard works and nothing is missing.
        with tempfile.NamedTemporaryFile("w", suffix=".c") as unit:
            unit.write(f'#include "{path}"\n#include "{path}"\n')
            unit.flush()
            for compiler in compilers:
                done = subprocess.run([compiler] + FLAGS + extra + ["-I", top, unit.name],
                                      capture_output=True, text=True, check=False)
                if done.returncode:
                    print(done.stderr)
                    lint.complain(path, 1, f"does not compile alone with {compiler}",
                                  "the header includes what it uses")
    lint.done(f"; {count} headers with {' and '.join(compilers) or 'no compiler'}")


main()
