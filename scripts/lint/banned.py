#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Banned calls: the unsafe ones everywhere; allocation outside lib/base except in a file that owns
storage and says why; sockets, clocks, randomness and allocation in the sans-I/O rooms, always."""
import re

from common import Lint, code_only, read, root, walk

UNSAFE = {
    "strcpy": "a sticky writer (lib/base/wire.h)", "strcat": "a sticky writer (lib/base/wire.h)",
    "sprintf": "snprintf or a sticky writer", "vsprintf": "vsnprintf or a sticky writer",
    "strtok": "slice_cut", "strtok_r": "slice_cut", "atoi": "parse_u32", "atol": "parse_u64",
    "atoll": "parse_u64", "atof": "a parser that reports errors", "gets": "a bounded read",
    "alloca": "an arena", "system": "no shell", "popen": "no shell", "rand": "lib/base/rand.h",
    "random": "lib/base/rand.h", "srand": "lib/base/rand.h", "tmpnam": "mkstemp",
    "mktemp": "mkstemp", "strncpy": "a slice and a bounded copy", "gethostbyname": "sbc/resolve",
    "inet_addr": "lib/base/addr.h", "inet_aton": "lib/base/addr.h",
}
STORAGE = ("malloc", "calloc", "realloc", "reallocarray", "free", "strdup", "strndup", "asprintf",
           "vasprintf", "posix_memalign", "aligned_alloc")
OWNER = "lint: owns storage because"
OUTSIDE = ("socket", "bind", "connect", "listen", "accept", "accept4", "send", "sendto", "sendmsg",
           "sendmmsg", "recv", "recvfrom", "recvmsg", "recvmmsg", "read", "write", "open", "openat",
           "fopen", "close", "poll", "ppoll", "select", "epoll_wait", "epoll_ctl", "time",
           "gettimeofday", "clock_gettime", "clock", "nanosleep", "usleep", "sleep", "getrandom",
           "getentropy", "arc4random", "fork", "pthread_create", "getaddrinfo")
SANS_IO = tuple(f"sbc/{room}/" for room in ("effect", "sip", "sdp", "txn", "dialog", "auth", "policy",
                                            "route", "media", "call")) + \
          tuple(f"media-relay/{room}/" for room in ("rtp", "srtp", "ice", "session"))
# A call: the name and a parenthesis, not behind . or -> and not part of a longer name.
CALL = re.compile(r"(?<![\w.>])([a-z_0-9]+)\s*\(")


def check_call(lint, path, line, name, owns):
    if name in UNSAFE:
        lint.complain(path, line, f"{name}()", UNSAFE[name])
    if path.startswith("tests/"):
        return
    if path.startswith(SANS_IO) and name in OUTSIDE + STORAGE:
        lint.complain(path, line, f"{name}() in a sans-I/O room",
                      "take now_ms, an arena, a struct rand; append an effect")
    elif name in STORAGE and not path.startswith("lib/base/") and not owns:
        lint.complain(path, line, f"{name}() outside lib/base",
                      f"an arena or a pool, or, where a file owns long-lived storage, a comment "
                      f"`{OWNER} …` in its head")


def main():
    lint = Lint("banned")
    top = root()
    for path in walk(top, (".c", ".h"), ("lib", "sbc", "media-relay", "mgmt-api", "tests")):
        text = read(top, path)
        owns = OWNER in text
        for number, line in enumerate(code_only(text).splitlines(), 1):
            for match in CALL.finditer(line):
                check_call(lint, path, number, match.group(1), owns)
    lint.done()


main()
