# SPDX-License-Identifier: MIT
"""What cases of attacks have in common: what a daemon holds before and after, and a plain INVITE by its
octets."""
import glob
import os
import re
import select

from harness.check import eventually
from harness.sip import Message, token


def descriptors(sbc, name="sbcd"):
    """How many files a daemon has open; None: we may not look."""
    try:
        return len(os.listdir(f"/proc/{sbc.children[name].pid}/fd"))
    except PermissionError:
        return None


def resident_kb(sbc, name="sbcd"):
    with open(f"/proc/{sbc.children[name].pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


def cpu_seconds(sbc, name="sbcd"):
    """Of all its threads: what a program did, whatever else this machine was doing."""
    total = 0
    for path in glob.glob(f"/proc/{sbc.children[name].pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def pairs_in_use(sbc):
    return sum(v for k, v in sbc.metrics().items() if k.startswith("sbc_relay_port_pairs_in_use"))


def back_to_start(sbc, files, timeout_s=40):
    """No call, no port, no file more than before."""
    eventually(lambda: not sbc.calls(), "no live call", timeout_s)
    eventually(lambda: pairs_in_use(sbc) == 0, "no port in use", timeout_s, 0.3)
    if files is not None:
        eventually(lambda: descriptors(sbc) <= files, f"{files} open files", timeout_s, 0.3)


def drain(*socks):
    """Reads away all that waits; how many datagrams, and their octets."""
    count = size = 0
    while ready := select.select(socks, [], [], 0)[0]:
        for sock in ready:
            size += len(sock.recv(65536))
            count += 1
    return count, size


def invite(endpoint, border, called="+4930", body=b"", branch=None, call_id=None, headers=(), tag=None,
           contact=None):
    """The octets of a plain INVITE."""
    message = Message(f"INVITE sip:{called}@{border} SIP/2.0", [
        ("Via", endpoint.via(branch)), ("Max-Forwards", "70"),
        ("From", f"<sip:eve@{endpoint.hostport}>;tag={tag or token()}"),
        ("To", f"<sip:{called}@{border}>"), ("Call-ID", call_id or token()), ("CSeq", "1 INVITE"),
        ("Contact", contact or f"<sip:eve@{endpoint.hostport}>")] + list(headers), body)
    if body and message.get("Content-Type") is None:
        message.headers.append(("Content-Type", "application/sdp"))
    return message
