# SPDX-License-Identifier: MIT
"""RTCP: what the relay makes in place of peers that send none, read by tshark and opened by libsrtp2;
what crosses on one port, between IP versions, and beside video."""
import os
import re
import select
import shutil
import struct
import subprocess
import time

import pcap
import srtp
from cases import call, case, silent
from cases_srtp import End, crypto
from relay import MUX, Phone, die_with_parent, figures, heard, ports, side

FIELDS = ("rtcp.pt", "rtcp.senderssrc", "rtcp.sender.packetcount", "rtcp.sender.octetcount",
          "rtcp.ssrc.identifier", "rtcp.ssrc.cum_nr", "rtcp.ssrc.ext_high", "rtcp.ssrc.jitter",
          "rtcp.sdes.text", "_ws.malformed")
LOSES = 10  # one in so many


def decoded(path, reports):
    """A dictionary for each report, as tshark reads it."""
    pcap.write_udp(path, reports)
    text = subprocess.run(
        ["tshark", "-r", path, "-d", "udp.port==5000,rtcp", "-T", "fields", "-E", "occurrence=a",
         *sum((["-e", field] for field in FIELDS), [])],
        check=True, capture_output=True, text=True).stdout
    rows = [dict(zip(FIELDS, line.split("\t"))) for line in text.splitlines()]
    assert len(rows) == len(reports), text
    return rows


class Talker:
    """One side of a call that sends RTP, each tenth of its packets lost, and collects RTCP."""

    def __init__(self, phone, to, listen, crypto=None, control_to=None):
        self.phone, self.to, self.listen, self.crypto = phone, to, listen, crypto
        self.control_to = control_to  # where its own reports go; None: it sends none
        self.sent, self.reports = 0, []
        self.first = phone.sequence + 1

    def say(self):
        data = self.phone.packet()
        if self.crypto:
            data = self.crypto.seal(data)
        if self.phone.sequence % LOSES:
            self.phone.rtp.sendto(data, self.to)
            self.sent += 1
        if self.control_to and self.phone.sequence % 100 == 1:
            self.phone.rtcp.sendto(self.phone.report(), self.control_to)

    def hear(self):
        while ready := select.select({self.phone.rtp, self.listen}, [], [], 0)[0]:
            for sock in ready:
                data = sock.recv(2000)
                if sock is self.listen and 200 <= data[1] <= 204:
                    self.reports.append((time.time(), self.crypto.open(data, control=True)
                                         if self.crypto else data))


def talk(talkers):
    for talker in talkers:
        talker.say()
    time.sleep(0.02)
    for talker in talkers:
        talker.hear()


def check(talker, other, path):
    """What was told to this one of the other one's stream and of its own."""
    rows = decoded(path, talker.reports)
    names = set()
    for row in rows:
        assert row["rtcp.pt"] == "200,202" and not row["_ws.malformed"], row
        senders = {int(word, 0) for word in row["rtcp.senderssrc"].split(",")}
        assert senders == {other.phone.ssrc}, row
        assert int(row["rtcp.ssrc.identifier"].split(",")[0], 0) == talker.phone.ssrc, row
        names.add(row["rtcp.sdes.text"])
        packets = int(row["rtcp.sender.packetcount"])
        assert 0 < packets <= other.sent, (row, other.sent)
        assert int(row["rtcp.sender.octetcount"]) == 160 * packets, row
        # Of its own: every tenth is gone, by its own count of sequence numbers.
        last = int(row["rtcp.ssrc.ext_high"])
        assert last <= talker.phone.sequence, row
        gone = sum(1 for n in range(talker.first, last + 1) if n % LOSES == 0)
        assert int(row["rtcp.ssrc.cum_nr"]) == gone, (row, gone)
    counts = [int(row["rtcp.sender.packetcount"]) for row in rows]
    assert counts == sorted(counts) and len(names) == 1, (counts, names)


@case()
def silent_peers_are_reported_for(relay):
    """In the clear, on one port and on two, and through SRTP, all at once: it takes some seconds."""
    if not shutil.which("tshark"):
        return "tshark is absent"
    client = relay.client()
    relay.realms(client)
    talkers, pairs = [], []

    def pair(one, other):
        talkers.extend((one, other))
        pairs.append((one, other))

    a, b, at_a, at_b = call(relay, client)
    pair(Talker(a, at_a[0], a.rtcp), Talker(b, at_b[0], b.rtcp))
    a, b, at_a, at_b = call(relay, client, session=2, first=MUX)
    pair(Talker(a, at_a[0], a.rtp), Talker(b, at_b[0], b.rtcp))
    if srtp.LIBRARY:
        for session, suite in ((3, 1), (4, 7)):
            ends = (End(relay.inside[:-1] + "10", crypto(suite), 0xaaaa),
                    End(relay.outside[:-1] + "20", crypto(0), 0xbbbb))
            local = ports(client.request("session_set", session=session, streams=[
                ends[0].told(0, "in"), ends[1].told(1, "out")]))
            pair(*(Talker(end.phone, local[0, number][0], end.phone.rtcp,
                          end.crypto if end.crypto.suite else None)
                   for number, end in enumerate(ends)))
    # One that reports itself: its reports cross, and none is made in its place.
    a, b, at_a, at_b = call(relay, client, session=5)
    loud, quiet = (Talker(a, at_a[0], a.rtcp, control_to=at_a[1]), Talker(b, at_b[0], b.rtcp))
    talkers.extend((loud, quiet))
    deadline = time.monotonic() + 90
    while not all(len(t.reports) >= 2 for one in pairs for t in one) or len(loud.reports) < 2:
        assert time.monotonic() < deadline, [len(t.reports) for t in talkers]
        talk(talkers)
    for number, (one, other) in enumerate(pairs):
        check(one, other, os.path.join(relay.folder, f"{number}.a.pcap"))
        check(other, one, os.path.join(relay.folder, f"{number}.b.pcap"))
    check(loud, quiet, os.path.join(relay.folder, "loud.pcap"))
    assert all(data == loud.phone.report() for _, data in quiet.reports), quiet.reports
    return None


# ---- what is relayed ----

FEEDBACK = 32
PLI, NACK = 206, 205
VIDEO = [{"payload_type": 96, "clock_hz": 90000}]


def feedback(ssrc, about, kind):
    """RFC 4585 6.2.1 and 6.3.1."""
    body = struct.pack(">HH", 4711, 1) if kind == NACK else b""
    return struct.pack(">BBHII", 0x81, kind, 2 + len(body) // 4, ssrc, about) + body


def cross(one, other, at_one, at_other, control=None):
    """RTP and RTCP of one end come out at the other's ports, from the relay's on its side.
    at_…: (RTP, RTCP) of the relay; an end whose two are the same multiplexes."""
    for number in range(8):
        plain = one.phone.packet(os.urandom(160))
        one.phone.rtp.sendto(one.crypto.seal(plain), at_one[0])
        data, source = heard(other.phone.rtp)
        assert source[:2] == at_other[0] and other.crypto.open(data) == plain, number
    plain = control or one.phone.report()
    sends = one.phone.rtp if at_one[0] == at_one[1] else one.phone.rtcp
    hears = other.phone.rtp if at_other[0] == at_other[1] else other.phone.rtcp
    sends.sendto(one.crypto.seal(plain, control=True), at_one[1])
    data, source = heard(hears)
    assert source[:2] == at_other[1] and other.crypto.open(data, control=True) == plain


@case()
def one_port_on_one_side(relay):
    """RTCP multiplexed by one side alone, whichever it is, in the clear and through SRTP on either."""
    client = relay.client()
    relay.realms(client)
    session = 0
    for flags in ((MUX, 0), (0, MUX), (MUX, MUX)):
        for suites in ((0, 0), (1, 0), (0, 7), (7, 1)):
            if any(suites) and not srtp.LIBRARY:
                continue
            session += 1
            ends = [End(relay.inside[:-1] + "10", crypto(suites[0]), 0xaaaa),
                    End(relay.outside[:-1] + "20", crypto(suites[1]), 0xbbbb)]
            local = ports(client.request("session_set", session=session, streams=[
                end.told(number, realm, flags=flags[number])
                for number, (end, realm) in enumerate(zip(ends, ("in", "out")))]))
            at = local[0, 0], local[0, 1]
            for number in (0, 1):
                assert (at[number][0] == at[number][1]) == (flags[number] == MUX), (flags, at)
            for number in (0, 1, 0):
                cross(ends[number], ends[1 - number], at[number], at[1 - number])
            got = figures(client, session)
            assert [got[0, number]["rtcp_received"] for number in (0, 1)] == [2, 1], got
            assert [got[0, number]["packets_dropped"] for number in (0, 1)] == [0, 0], got
            if flags[0] != flags[1]:  # RTCP on the port of the side that did not agree to it
                number = flags.index(0)
                end = ends[number]
                end.phone.rtp.sendto(end.crypto.seal(end.phone.report(), control=True), at[number][0])
                silent(ends[1 - number].phone.rtp)


@case()
def one_ip_version_to_the_other(relay):
    """RTP and RTCP between an IPv4 and an IPv6 side, in the clear, through SRTP, on one port."""
    client = relay.client()
    answer = client.request("realm_set", realms=[
        {"name": "in", "address": "::1", "port_min": 25100 + 100 * relay.workers,
         "port_max": 25190 + 100 * relay.workers, "dscp": 46},
        {"name": "out", "address": relay.outside, "port_min": 25000, "port_max": 25090, "dscp": 46}])
    assert answer[0] == "done", answer
    for session, (six, four, flags) in enumerate(((0, 0, 0), (1, 0, 0), (0, 7, MUX), (7, 1, 0)), 1):
        if six + four and not srtp.LIBRARY:
            continue
        ends = End("::1", crypto(six), 0xaaaa), End(relay.outside[:-1] + "20", crypto(four), 0xbbbb)
        for end in ends:
            end.phone.at, end.phone.rtcp_at = end.phone.at[:2], end.phone.rtcp_at[:2]
        local = ports(client.request("session_set", session=session, streams=[
            ends[0].told(0, "in", flags=flags), ends[1].told(1, "out")]))
        at = local[0, 0], local[0, 1]
        assert at[0][0][0] == "::1" and at[1][0][0] == relay.outside
        for number in (0, 1, 0):
            cross(ends[number], ends[1 - number], at[number], at[1 - number])
        got = figures(client, session)
        for number in (0, 1):
            assert got[0, number]["packets_lost"] == got[0, number]["packets_dropped"] == 0, got
            assert got[0, number]["learned"] == ends[number].phone.at, got


@case()
def video_beside_audio(relay):
    """Two streams, packets as long as video's; feedback reaches only the side that has it."""
    client = relay.client()
    relay.realms(client)
    phones = [[Phone(address, ssrc=0x10 * stream + number) for number, address in
               enumerate((relay.inside[:-1] + "10", relay.outside[:-1] + "20"))]
              for stream in (0, 1)]
    for session, profiles in enumerate(((FEEDBACK, FEEDBACK), (FEEDBACK, 0)), 1):
        local = ports(client.request("session_set", session=session, streams=[
            side(number, realm, phones[stream][number], stream=stream, flags=profiles[number],
                 payloads=VIDEO if stream else [{"payload_type": 0, "clock_hz": 8000}])
            for stream in (0, 1) for number, realm in enumerate(("in", "out"))]))
        assert len({at for pair in local.values() for at in pair}) == 8
        for _ in range(20):  # frames of several packets, one timestamp, a marker at the end
            for stream, number in ((0, 0), (1, 0), (0, 1), (1, 1)):
                phone, other = phones[stream][number], phones[stream][1 - number]
                for size, kind in (((1200, 96), (1200, 96), (300, 0x80 | 96)) if stream else
                                   ((160, 0),)):
                    data = phone.packet(os.urandom(size), kind)
                    phone.rtp.sendto(data, local[stream, number][0])
                    assert heard(other.rtp) == (data, local[stream, 1 - number][0])
        for number in (0, 1):
            one, other = phones[1][number], phones[1][1 - number]
            at, out = local[1, number][1], local[1, 1 - number][1]
            for kind in (PLI, NACK):
                message = feedback(one.ssrc, other.ssrc, kind)
                one.rtcp.sendto(one.report() + message, at)
                kept = message if profiles[1 - number] else b""
                assert heard(other.rtcp) == (one.report() + kept, out)
                one.rtcp.sendto(message, at)  # alone (RFC 5506)
                if kept:
                    assert heard(other.rtcp) == (message, out)
                else:
                    silent(other.rtcp)
        got = figures(client, session)
        for key, values in got.items():
            assert values["packets_lost"] == values["packets_reordered"] == 0, (key, values)
            assert values["packets_received"] == (60 if key[0] else 20), (key, values)
            assert (values["mos_x100"] == 0) == (key[0] == 1), "video has no MOS"
        assert got[1, 0]["packets_dropped"] == (0 if profiles[1] else 2), got


@case()
def gstreamer_takes_the_reports(relay):
    """rtpbin, an implementation of RTP of its own, sends and hears a phone that sends no RTCP: it takes
    the phone's sender reports, and what they say of its own stream."""
    if not shutil.which("gst-launch-1.0") or subprocess.run(
            ["gst-inspect-1.0", "rtpbin"], capture_output=True, check=False).returncode:
        return "GStreamer's rtpbin is absent"
    client = relay.client()
    relay.realms(client)
    a, b, at_a, at_b = call(relay, client)
    here, port = b.at
    b.close()  # its ports are GStreamer's from here on
    log = os.path.join(relay.folder, "rtpbin.log")
    program = subprocess.Popen(
        ["gst-launch-1.0", "-q", "rtpbin", "name=bin",
         "audiotestsrc", "is-live=true", "!", "audioconvert", "!", "audioresample", "!", "mulawenc",
         "!", "rtppcmupay", "ssrc=48059", "!", "bin.send_rtp_sink_0",
         "bin.send_rtp_src_0", "!", "udpsink", f"bind-address={here}", f"bind-port={port}",
         f"host={at_b[0][0]}", f"port={at_b[0][1]}", "sync=false", "async=false",
         "udpsrc", f"address={here}", f"port={port}", "reuse=true",
         "caps=application/x-rtp,media=audio,payload=0,clock-rate=8000,encoding-name=PCMU",
         "!", "bin.recv_rtp_sink_0", "bin.", "!", "fakesink", "sync=false", "async=false",
         "udpsrc", f"address={here}", f"port={port + 1}", "caps=application/x-rtcp",
         "!", "bin.recv_rtcp_sink_0"],
        env=dict(os.environ, GST_DEBUG="rtpsession:6,rtpsource:6", GST_DEBUG_NO_COLOR="1",
                 GST_DEBUG_FILE=log), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent)

    def read():
        with open(log, encoding="utf-8", errors="replace") as file:
            return file.read()

    try:
        deadline = time.monotonic() + 60
        while not (os.path.exists(log) and re.search(f"got SR packet.*{a.ssrc:08x}", read(), re.I)
                   and "got RB packet" in read()):
            assert time.monotonic() < deadline and program.poll() is None, read()[-2000:]
            for _ in range(25):
                a.say(at_a[0])
                time.sleep(0.02)
        found = read()
    finally:
        program.kill()
        program.wait()
    assert not re.search("invalid RTCP|bad RTCP|ignoring invalid", found, re.I), found[-3000:]
    return None
