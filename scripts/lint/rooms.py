#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rooms and ranks: a room may include only rooms of a lower rank, and of another room only its public
header. The programs meet in lib/ alone. A library that one room wraps is included by that room only."""
import re

from common import Lint, code_only, read, root, walk

PROGRAMS = ("sbc", "media-relay", "mgmt-api")
TOP = 99  # main.c of a program

RANKS = {
    "lib": {"base": 0, "log": 1, "stats": 1, "loop": 1, "net": 2, "ctl": 2, "conf": 2, "proc": 3},
    "sbc": {"effect": 0, "sip": 1, "sdp": 1, "settings": 1, "txn": 2, "dialog": 2, "auth": 2,
            "health": 2, "policy": 3, "route": 3, "media": 3, "call": 4, "edge": 5, "resolve": 5, "journal": 5,
            "core": 6},
    "media-relay": {"rtp": 1, "io": 1, "fastpath": 1, "srtp": 2, "dtls": 2, "ice": 2, "session": 3,
                    "worker": 4, "control": 5},
    "mgmt-api": {"http": 1, "json": 1, "authz": 2, "store": 2, "api": 3, "ui": 3, "cli": 3},
}
# Public headers beside <room>/<room>.h; lib/base has one for each primitive.
ALSO_PUBLIC = {"lib/ctl": {"peer.h", "journal_format.h"}, "lib/conf": {"document.h"},
               "media-relay/session": {"digits.h", "flow.h", "plan.h"}}
# A system header, and the only rooms that may include it.
WRAPPED = {
    "microhttpd.h": ("mgmt-api/http",),
    "jansson.h": ("lib/conf", "mgmt-api/json"),
    "sqlite3.h": ("mgmt-api/store",),
    "ares.h": ("sbc/resolve",),
    "pcap/pcap.h": ("media-relay/worker",),
    "curl/curl.h": ("mgmt-api/cli",),
    "bpf/bpf.h": ("media-relay/fastpath",),
    "bpf/libbpf.h": ("media-relay/fastpath",),
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def room_of(path):
    """(program or lib, room, rank); a file beside main.c belongs to the top; None: no room."""
    parts = path.split("/")
    if parts[0] not in RANKS or len(parts) < 2:
        return None
    if len(parts) == 2:
        return (parts[0], "", TOP)
    return (parts[0], parts[1], RANKS[parts[0]].get(parts[1]))


def is_public(area, room, header):
    if area == "lib" and room == "base":
        return True
    return header == f"{room}.h" or header in ALSO_PUBLIC.get(f"{area}/{room}", ())


def check_project(lint, path, line, mine, target):
    theirs = room_of(target)
    if theirs is None:
        lint.complain(path, line, f'"{target}" is in no room',
                      'an include by its path from the top: "sbc/sip/sip.h"')
        return
    if theirs[:2] == mine[:2]:
        return
    area, room, rank = theirs
    if area != "lib" and area != mine[0]:
        lint.complain(path, line, f"{mine[0]} includes {area}", "the programs meet only in lib/")
        return
    if rank is None:
        lint.complain(path, line, f"{area}/{room} has no rank", "an entry in scripts/lint/rooms.py")
        return
    if mine[0] == area and rank >= mine[2]:
        lint.complain(path, line, f"rank {mine[2]} ({mine[0]}/{mine[1]}) includes rank {rank} "
                      f"({area}/{room})", "includes go downward only, never between equal ranks")
    header = target.split("/", 2)[2] if target.count("/") >= 2 else target
    if not is_public(area, room, header):
        lint.complain(path, line, f'"{target}" is private to {area}/{room}',
                      f'"{area}/{room}/{room}.h"')


def check_file(lint, top, path):
    mine = room_of(path)
    text = read(top, path)
    code = code_only(text)
    if mine[2] is None:
        lint.complain(path, 1, "this room has no rank", "an entry in scripts/lint/rooms.py")
        return
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start(1)) + 1
        if "include" not in code.splitlines()[line - 1]:
            continue  # in a comment
        kind, target = match.groups()
        if kind == '"':
            check_project(lint, path, line, mine, target)
        elif target in WRAPPED and f"{mine[0]}/{mine[1]}" not in WRAPPED[target]:
            lint.complain(path, line, f"<{target}> outside its room",
                          f"only {' and '.join(WRAPPED[target])} include it")


def main():
    lint = Lint("rooms")
    top = root()
    for path in walk(top, (".c", ".h", ".def"), ("lib",) + PROGRAMS):
        check_file(lint, top, path)
    lint.done()


main()
