# SPDX-License-Identifier: MIT
"""The given recordings of RTP, played through a relay: the figures are held against what tshark works
out from the bytes that arrived behind it."""
import collections
import os
import shutil
import struct
import subprocess
import time

import pcap
from relay import TOP

FOLDER = os.path.join(os.environ.get("SBC_CORPORA", os.path.join(TOP, "..", "shared", "corpora")),
                      "rtp-recordings", "rtpproxy")
PLAYED = (("rtp_analyze__lost.a", 1), ("rtp_analyze__lost.o", 1), ("rtp_analyze__weird.o", 40),
          ("rtp_analyze__c1.a", 40), ("rtp_analyze__G723_1.a", 4))  # and how much faster
KNOWN = "known"
LEAD = 16

Played = collections.namedtuple("Played", "name speed sent heard")


def absent():
    """Why not, or None."""
    if not os.path.isdir(FOLDER):
        return "the given recordings are absent"
    return None if shutil.which("tshark") else "tshark is absent"


def play(packets, phone, to, speed):
    """With their own spacing, or faster."""
    began = time.monotonic()
    for at, data in packets:
        wait = began + (at - packets[0][0]) / speed - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        phone.rtp.sendto(data, to)


def play_all(name, packets, phone, to, other, speed):
    listener = pcap.Listener(other.rtp)
    play(packets, phone, to, speed)
    heard = listener.stop()
    wrong = next((n for n, (one, two) in enumerate(zip(heard, packets)) if one[1] != two[1]), None)
    assert len(heard) == len(packets) and wrong is None, (name, len(heard), len(packets), wrong)
    return Played(name, speed, packets, heard)


def lead_to(packets):
    """Packets in good order that might have come just before."""
    at, first = packets[0]
    sequence, timestamp = struct.unpack_from(">HI", first, 2)
    return [(at - 0.02 * n, first[:2] + struct.pack(">HI", (sequence - n) & 0xffff,
                                                    (timestamp - 160 * n) & 0xffffffff) + first[8:])
            for n in range(LEAD, 0, -1)]


def play_to(name, phone, to, other, speed, lead=False):
    """Every packet of the recording arrives at the other phone as it was. lead: behind some packets
    that are enough for the stream to be known, whatever disorder the recording begins with."""
    packets = pcap.read_udp(os.path.join(FOLDER, f"tests__{name}.rtp"))
    packets = (lead_to(packets) if lead else []) + packets
    return play_all(name, packets, phone, to, other, speed)


def play_known(phone, to, other):
    """A jitter that is known: every other packet 10 ms late, so that A.8 comes to 10 ms; some packets
    lost, late and doubled."""
    packets = [phone.packet() for _ in range(150)]
    del packets[60:64]
    packets[80], packets[81] = packets[81], packets[80]
    packets.insert(100, packets[98])
    packets.insert(120, packets[119])
    spaced = [(0.02 * i + 0.01 * (i % 2), data) for i, data in enumerate(packets)]
    return play_all(KNOWN, spaced, phone, to, other, 1)


def duplicates(path):
    """How many came again among the 64 before, by tshark's reading of their numbers."""
    text = subprocess.run(["tshark", "-r", path, "-d", "udp.port==5000,rtp", "-T", "fields", "-e",
                           "rtp.ssrc", "-e", "rtp.seq"], check=True, capture_output=True, text=True)
    before, found = collections.deque(maxlen=64), 0
    for row in text.stdout.split("\n"):
        found += row in before
        if row:
            before.append(row)
    return found


def agree(played, ours, folder):
    """Packets, losses and duplicates exactly; jitter within what the way to the listener adds."""
    path = os.path.join(folder, f"{played.name}.pcap")
    theirs = pcap.tshark_stream(played.heard, path)
    note = (played.name, ours, theirs)
    assert ours["packets_received"] == theirs["packets"] == len(played.sent), note
    assert ours["packets_lost"] == theirs["lost"], note
    assert ours["packets_duplicated"] == duplicates(path), note
    jitter_ms = ours["jitter_us"] / 1000
    if played.speed == 1:
        assert theirs["jitter_min"] - 2 <= jitter_ms <= theirs["jitter_max"] + 2, note
    if played.name == KNOWN:
        assert ours["packets_lost"] == 2 and ours["packets_duplicated"] == 2, note
        assert ours["packets_reordered"] == 1 and jitter_ms > 6, note
