#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Wireshark's dissector reads what we answer: usage judge_replies.py WRITER VECTORS.

Each answer must be one SIP response with the status that was meant. Answers to good requests must
give rise to no complaint at all; those to broken ones echo broken values, so only their frame counts."""
import os, shutil, struct, subprocess, sys, tempfile

SKIPPED = 77


def answers(writer, files):
    data = subprocess.run([writer, *files], check=True, stdout=subprocess.PIPE).stdout
    while data:
        line, data = data.split(b"\n", 1)
        status, length = map(int, line.split())
        yield status, data[:length]
        data = data[length:]


def pcap(messages):
    """Raw IPv4 packets (link type 101), checksums left out."""
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for message in messages:
        udp = struct.pack(">HHHH", 5060, 5060, 8 + len(message), 0) + message
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                         bytes((192, 0, 2, 1)), bytes((192, 0, 2, 77)))
        out += struct.pack("<IIII", 0, 0, 20 + len(udp), 20 + len(udp)) + ip + udp
    return out


def dissect(path):
    fields = ["sip.Status-Code", "sip.Call-ID", "sip.CSeq", "_ws.expert.severity", "_ws.expert.message",
              "_ws.malformed"]
    command = ["tshark", "-r", path, "-o", "ip.check_checksum:FALSE", "-T", "fields", "-E",
               "separator=/t"]
    for field in fields:
        command += ["-e", field]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return [dict(zip(fields, line.split("\t"))) for line in text.decode("utf-8", "replace").splitlines()]


def main():
    writer, vectors = sys.argv[1:]
    if not shutil.which("tshark"):
        print("skipped: no tshark")
        return SKIPPED
    files = sorted(os.path.join(vectors, name) for name in os.listdir(vectors) if name.endswith(".dat"))
    sent = list(answers(writer, files))
    with tempfile.NamedTemporaryFile(suffix=".pcap") as capture:
        capture.write(pcap(message for _, message in sent))
        capture.flush()
        read = dissect(capture.name)
    bad = 0 if len(read) == len(sent) else 1
    for (status, message), row in zip(sent, read):
        complaint = row["_ws.malformed"]
        if status == 200 and not complaint:
            # chat and note (0x00100000, 0x00400000 and below) are no complaints
            severities = [int(s, 0) for s in row["_ws.expert.severity"].split(",") if s]
            if any(s >= 0x00600000 for s in severities):
                complaint = row["_ws.expert.message"]
        if row["sip.Status-Code"] != str(status) or (status == 200 and complaint):
            print(f"status {status}, read as {row}\n{message!r}")
            bad += 1
    print(f"{len(sent)} answers read, {bad} bad")
    return 1 if bad or len(sent) < 20 else 0


sys.exit(main())
