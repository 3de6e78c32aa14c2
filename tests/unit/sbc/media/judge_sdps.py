#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Wireshark's dissector reads the SDP that we write: usage judge_sdps.py WRITER FOLDER...

Each body goes into an INVITE in a capture; the dissector must find no malformed packet, no expert
warning, no line that it cannot place, and the m-lines, codecs and ports that the text has. Folders
that are absent are passed over (the first, our own, must be there)."""
import os
import shutil
import struct
import subprocess
import sys
import tempfile

SKIPPED = 77
FIELDS = ["sdp.version", "sdp.media", "sdp.media.port", "sdp.mime.type", "sdp.unknown", "sdp.invalid",
          "_ws.malformed", "_ws.expert.severity", "_ws.expert.message"]
WARNING = 0x00600000  # chats and notes, below it, are no complaints


def bodies(writer, files):
    data = subprocess.run([writer, *files], check=True, stdout=subprocess.PIPE).stdout
    while data:
        length, data = data.split(b"\n", 1)
        yield data[:int(length)]
        data = data[int(length):]


def invite(number, body):
    return (f"INVITE sip:bob@192.0.2.77 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{number}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:alice@192.0.2.1>;tag=a{number}\r\n"
            f"To: <sip:bob@192.0.2.77>\r\nCall-ID: {number}@192.0.2.1\r\nCSeq: 1 INVITE\r\n"
            f"Contact: <sip:192.0.2.1>\r\nContent-Type: application/sdp\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


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
    command = ["tshark", "-r", path, "-o", "ip.check_checksum:FALSE", "-T", "fields", "-E",
               "separator=/t", "-E", "aggregator=|"]
    for field in FIELDS:
        command += ["-e", field]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return [dict(zip(FIELDS, line.split("\t"))) for line in text.decode("utf-8", "replace").splitlines()]


def complaints(body, row):
    media = [line[2:] for line in body.decode().splitlines() if line.startswith("m=")]
    rtpmaps = [line for line in body.decode().splitlines() if line.startswith("a=rtpmap:")]
    if row["sdp.version"] != "0":
        yield "no SDP found"
    if row["sdp.media"].split("|") != media:
        yield "other m-lines"
    if row["sdp.media.port"].split("|") != [line.split(" ")[1] for line in media]:
        yield "other ports"
    if len([m for m in row["sdp.mime.type"].split("|") if m]) < len(rtpmaps):
        yield "rtpmap not understood"
    if row["_ws.malformed"] or row["sdp.unknown"] or row["sdp.invalid"]:
        yield "malformed"
    if any(int(s, 0) >= WARNING for s in row["_ws.expert.severity"].split("|") if s):
        yield row["_ws.expert.message"]


def main():
    writer, own, *given = sys.argv[1:]
    if not shutil.which("tshark"):
        print("skipped: no tshark")
        return SKIPPED
    files = [os.path.join(own, name) for name in sorted(os.listdir(own))]
    for folder in given:
        folder = os.path.join(os.environ.get("SBC_CORPORA", ""), folder)
        if os.path.isdir(folder):
            files += [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
        else:
            print(f"{folder}: absent, passed over")
    sent = list(bodies(writer, files))
    with tempfile.NamedTemporaryFile(suffix=".pcap") as capture:
        capture.write(pcap(invite(number, body) for number, body in enumerate(sent)))
        capture.flush()
        read = dissect(capture.name)
    bad = 0 if len(read) == len(sent) else 1
    for body, row in zip(sent, read):
        found = list(complaints(body, row))
        if found:
            print(found, row, body.decode(), sep="\n")
            bad += 1
    print(f"{len(sent)} bodies of ours read, {bad} bad")
    return 1 if bad or not sent else 0


sys.exit(main())
