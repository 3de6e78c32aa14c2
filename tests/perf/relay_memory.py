# SPDX-License-Identifier: MIT
"""What a stream, its both sides, keeps of memory in the relay while it is up: plain, and RTP to SRTP.
The share of the process's pages (PSS), with those of its memory over a restart; sockets are the
kernel's and not in it."""
import os
import resource
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scenario", "relay"))

from relay import BOTH, Relay, ports  # noqa: E402  pylint: disable=C0413

KINDS = (("plain", None), ("RTP to SRTP, AES_CM_128_HMAC_SHA1_80", (1, 30)),
         ("RTP to SRTP, AEAD_AES_128_GCM", (7, 28)))
FIRST = 256   # what is taken once, or by blocks, is there after so many
FILES = 4     # of each stream


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def stream(client, number, security):
    sides = [{"stream": 0, "side": i, "realm": ("in", "out")[i], "direction": BOTH,
              "remote_rtp": ("127.0.0.1", 20000 + 2 * i)} for i in (0, 1)]
    if security:
        suite, octets = security
        sides[1]["security"] = [{"receive": [{"suite": suite, "key": os.urandom(octets)}],
                                 "send": [{"suite": suite, "key": os.urandom(octets)}]}]
    assert len(ports(client.request("session_set", session=number + 1, streams=sides))) == 2


def measure(security, count):
    """KiB of one stream, over so many."""
    relay = Relay("127.0.0", pairs=count + FIRST, first=20000, level="warning", fast_path="off")
    try:
        client = relay.client()
        relay.realms(client)
        for number in range(FIRST):
            stream(client, number, security)
        before = pss_kib(relay.process.pid)
        for number in range(FIRST, FIRST + count):
            stream(client, number, security)
        return (pss_kib(relay.process.pid) - before) / count
    finally:
        relay.stop()


def measure_all(quick, report):
    """{kind: KiB}; report(kind, KiB, streams) as each is there."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    count = min(512 if quick else 4096, (files - 512) // FILES - FIRST)
    results = {}
    for kind, security in KINDS:
        results[kind] = round(measure(security, count), 2)
        report(kind, results[kind], count)
    return results
