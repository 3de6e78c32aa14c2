# SPDX-License-Identifier: MIT
"""The torture messages of RFC 4475 and RFC 5118: each gets a verdict that the tables accept, none that
they forbid, and a known peer is still answered after each. Replies without rport go to the Via's port
at the sender's address (RFC 3261 18.2.2), so the peer listens on 5060 and on the ports Vias name."""
import csv
import os
import re

from harness import sdp
from harness.case import case
from harness.check import Skip, check, equal
from harness.sbc import trunk
from harness.sip import Call, options


def corpora():
    path = os.environ.get("SBC_CORPORA") or os.environ.get("SBC_CORPORA_DEFAULT") or "../shared/corpora"
    if not os.path.isdir(path):
        raise Skip(f"no corpora at {path} (SBC_CORPORA names another place)")
    return path


def table(folder):
    with open(os.path.join(folder, "VERDICTS.given.tsv"), encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def allowed(row):
    """(statuses, may be silent, may be routed) out of the table's words."""
    text = row["accepted_outcomes"]
    statuses = {int(code) for code in re.findall(r"\b([1-6]\d\d)\b", text)}
    silent = bool(re.search(r"no reply|drop|close", text))
    return statuses, silent, bool(re.search(r"routed|relayed|B-leg", text)) and "not " not in text


def outcome(endpoints, carriers, raw, target, timeout_s=1.0):
    """What the message got: a status, "routed" or "silence"."""
    sender = endpoints[0]
    sender.sock.sendto(raw, target)
    found = re.search(rb"(?im)^cseq[ \t]*:\s*0*(\d+)\s+(\S+)", raw)
    wanted = (int(found.group(1)), found.group(2).decode()) if found else None
    seen = None
    for _ in range(int(timeout_s / 0.1)):
        for carrier in carriers:
            message = carrier.take(lambda m: True, 0.01)
            if message is not None and message.is_request:
                callee = Call(carrier, message.source)
                callee.local = f"{message.get('To')};tag=x"
                callee.invite = message
                if message.method == "INVITE":
                    callee.reply(486)
                elif message.method != "ACK":
                    callee.reply(200, request=message)
                if message.method == "ACK":
                    continue
                seen = seen or "routed"
        for endpoint in endpoints:
            # Answers to earlier messages are repeated, as nobody acknowledges them: not these.
            message = endpoint.take(lambda m: m.status >= 200 and
                                    (wanted is None or (m.cseq, m.cseq_method) == wanted), 0.02)
            if message is not None:
                return seen or message.status
    return seen or "silence"


def is_forbidden(row, got):
    words = row["forbidden"]
    if got == "routed":
        return bool(re.search(r"\brouted\b|forwarded", words))
    if got == "silence":
        return "no answer" in words or "silence" in words
    return str(got) in re.findall(r"\b\d\d\d\b", words)


def torture(t, rows, read, ports):
    """Sends each message as the known PBX, from port 5060, and judges what it got."""
    def change(document):
        part = document["provisioning"]
        part["routes"] = [{"name": "all", "targets": [{"trunk": "carrier"}]}]
        part["trunks"].append(trunk("control", "inside", f"sip:{t.slot.stranger}:5060"))
    t.sbc(change)
    endpoints = [t.endpoint(t.slot.pbx, port, lenient=True) for port in ports]
    carrier = t.endpoint(t.slot.carrier, lenient=True)
    control = t.endpoint(t.slot.stranger)
    wrong = []
    for row in rows:
        raw = read(row)
        got = outcome(endpoints, [carrier], raw, (t.slot.inside, 5060))
        statuses, silent, routed = allowed(row)
        good = (got == "routed" and routed) or (got == "silence" and silent) or got in statuses
        if is_forbidden(row, got) or not good:
            wrong.append(f"{row['file']} (section {row['rfc_section']}): got {got}, accepted: "
                         f"{row['accepted_outcomes']}; forbidden: {row['forbidden']}")
        equal(options(control, (t.slot.inside, 5060)).status, 200, f"OPTIONS after {row['file']}")
        for endpoint in endpoints + [carrier]:
            endpoint.pump(0)
            endpoint.inbox.clear()
    check(not wrong, f"{len(wrong)} of {len(rows)} wrong:\n" + "\n".join(wrong))


@case("RFC 4475, each message with its verdict", short=True)
def rfc4475(t):
    folder = os.path.join(corpora(), "rfc4475")

    def read(row):
        with open(os.path.join(folder, row["file"]), "rb") as file:
            return file.read()
    torture(t, table(folder), read, (5060, 5061))


@case("RFC 5118, each message with its verdict", short=True)
def rfc5118(t):
    folder = os.path.join(corpora(), "rfc5118")
    wire = os.path.join(folder, "wire-crlf-clfixed")
    names = os.listdir(wire)

    def read(row):
        name = next(n for n in names if os.path.splitext(n)[0] == row["file"])
        with open(os.path.join(wire, name), "rb") as file:
            return file.read()
    torture(t, table(folder), read, (5060, 5070, 6050))


def smuggle(pbx, name):
    """An INVITE in which one header is spelt in a way that some parsers take for another."""
    body = sdp.compose(pbx.ip, 14000)
    head = "\r\n".join([
        "INVITE sip:+4930@border SIP/2.0", f"Via: {pbx.via()}", "Max-Forwards: 70",
        f"From: <sip:a@{pbx.hostport}>;tag=1", "To: <sip:+4930@border>",
        f"Call-ID: smuggle-{hash(name) & 0xffffffff}@x", "CSeq: 1 INVITE", f"Contact: <sip:a@{pbx.hostport}>",
        "Content-Type: application/sdp", f"Content-Length: {len(body)}"]).encode()
    return head + b"\r\n" + name + b"\r\n\r\n" + body


@case("headers that are spelt oddly do not come out on the other side")
def smuggling(t):
    t.sbc()
    pbx, carrier = t.peers()
    pbx.lenient = carrier.lenient = True
    spellings = [b"X-Internal" + space + b": MARK" for space in
                 (b"", b" ", b"\t", b"\0", b"\x0b", b"\x0c", b"\x85", b"\xa0", b"\r\n ")]
    spellings += [b"Subject: a\r\n X-Internal: MARK", b"Subject: a\rX-Internal: MARK",
                  b"Subject: a\nX-Internal: MARK", b"P-Asserted-Identity: <sip:MARK@x>",
                  b"Remote-Party-ID: <sip:MARK@x>", b"Diversion: <sip:MARK@x>",
                  b"P-Charging-Vector: icid-value=MARK", b"History-Info: <sip:MARK@x>;index=1"]
    for spelling in spellings:
        pbx.sock.sendto(smuggle(pbx, spelling), (t.slot.inside, 5060))
        message = carrier.take(lambda m: m.is_request and m.method == "INVITE", 0.4)
        if message is not None:
            check(b"MARK" not in message.raw and b"Internal" not in message.raw,
                  f"{spelling!r} came out as\n{message}")
            callee = Call(carrier, message.source)
            callee.invite, callee.local = message, f"{message.get('To')};tag=x"
            callee.reply(486)
        carrier.pump(0.05)
        carrier.inbox.clear()
    equal(options(pbx, (t.slot.inside, 5060)).status, 200, "OPTIONS afterwards")


@case("singletons given twice get 400, and go nowhere")
def singletons(t):
    t.sbc()
    pbx, carrier = t.peers()
    pbx.lenient = True
    for second in (b"From: <sip:b@b>;tag=2", b"f: <sip:b@b>;tag=2", b"To: <sip:c@c>", b"t: <sip:c@c>",
                   b"Call-ID: other", b"i: other", b"CSeq: 2 INVITE", b"Content-Length: 3",
                   b"l: 0", b"Max-Forwards: 10"):
        pbx.sock.sendto(smuggle(pbx, second), (t.slot.inside, 5060))
        answer = pbx.take(lambda m: m.status >= 200, 1)
        check(answer is not None and answer.status == 400, f"{second!r}: {answer and answer.brief()}")
    carrier.silence(0.2)
