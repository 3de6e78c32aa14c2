# SPDX-License-Identifier: MIT
"""Digits that the relay makes, tells, and puts into another clock; its trains read by tshark."""
import collections
import os
import select
import shutil
import struct
import subprocess
import time

import pcap
import srtp
from cases import call, case
from cases_srtp import End, crypto
from relay import ports, side

FIELDS = ("rtp.seq", "rtp.timestamp", "rtp.ssrc", "rtp.p_type", "rtp.marker", "rtpevent.event_id",
          "rtpevent.end_of_event", "rtpevent.volume", "rtpevent.duration")
EVENTS = 101
Report = collections.namedtuple("Report", "seq timestamp ssrc type marker event end volume duration")


def decoded(path, packets, events=EVENTS):
    """RTP as tshark reads it; what is no event has none."""
    pcap.write_udp(path, [(number * 0.001, data) for number, data in enumerate(packets)])
    text = subprocess.run(
        ["tshark", "-r", path, "-d", "udp.port==5000,rtp", "-o", f"rtpevent.event_payload_type_value:{events}",
         "-T", "fields", *sum((["-e", field] for field in FIELDS), [])],
        check=True, capture_output=True, text=True).stdout
    rows = [line.split("\t") for line in text.splitlines()]
    assert len(rows) == len(packets), text
    number = {"True": 1, "False": 0, "": None}
    return [Report(*(number[word] if word in number else int(word, 0) for word in row))
            for row in rows]


def check_train(rows, event, step, steps, timestamp=None):
    """RFC 4733 2.5.1: one row of reports, growing, marked first, ended three times."""
    train = [row for row in rows if row.event is not None]
    assert len(train) == steps + 2, train
    for number, row in enumerate(train):
        assert row.event == event and row.type == EVENTS, row
        assert row.marker == (number == 0), (number, row)
        assert row.end == (number >= steps - 1), (number, row)
        assert row.duration == step * min(number + 1, steps), (number, row)
        assert row.timestamp == train[0].timestamp and row.ssrc == train[0].ssrc, row
    if timestamp is not None:
        assert train[0].timestamp == timestamp % 2 ** 32, (train[0], timestamp)
    return train


def check_row(rows):
    """No number is missing and none is there twice."""
    first = rows[0].seq
    assert [row.seq for row in rows] == [(first + n) % 65536 for n in range(len(rows))], rows


class Speaker:
    """A phone that sends audio each 20 ms and keeps what it hears."""

    def __init__(self, phone, to, crypto=None, clock=8000):
        self.phone, self.to, self.crypto, self.step = phone, to, crypto, clock // 50
        self.timestamp, self.sequence, self.heard = 2 ** 32 - 20 * self.step, 65500, []

    def rtp(self, payload, payload_type=0, marker=0, timestamp=None):
        self.sequence += 1
        data = struct.pack(">BBHII", 0x80, payload_type | marker << 7, self.sequence % 65536,
                           (self.timestamp if timestamp is None else timestamp) % 2 ** 32,
                           self.phone.ssrc) + payload
        self.phone.rtp.sendto(self.crypto.seal(data) if self.crypto else data, self.to)

    def audio(self):
        self.rtp(b"\xff" * 160)
        self.timestamp += self.step

    def hear(self):
        while select.select([self.phone.rtp], [], [], 0)[0]:
            data = self.phone.rtp.recv(2000)
            if not 200 <= data[1] <= 204:
                self.heard.append(self.crypto.open(data) if self.crypto else data)


def talk(*speakers, packets=20, silent=()):
    for _ in range(packets):
        for speaker in speakers:
            if speaker not in silent:
                speaker.audio()
        time.sleep(0.02)
        for speaker in speakers:
            speaker.hear()


def dial(client, event, number=1, clock=8000, ms=160, session=1):
    return client.request("digit_send", session=session, stream=0, side=number, event=event, volume=10,
                          duration_ms=ms, payloads=[{"payload_type": EVENTS, "clock_hz": clock}])


@case()
def digits_are_woven_into_the_audio(relay):
    if not shutil.which("tshark"):
        return "tshark is absent"
    client = relay.client()
    relay.realms(client)
    calls = []
    a, b, at_a, at_b = call(relay, client)
    calls.append((Speaker(a, at_a[0]), Speaker(b, at_b[0])))
    if srtp.LIBRARY:
        for session, suite in ((2, 1), (3, 7)):
            ends = (End(relay.inside[:-1] + "10", crypto(0), 0xaaaa),
                    End(relay.outside[:-1] + "20", crypto(suite), 0xbbbb))
            local = ports(client.request("session_set", session=session, streams=[
                ends[0].told(0, "in"), ends[1].told(1, "out")]))
            calls.append(tuple(Speaker(end.phone, local[0, number][0], end.crypto if number else None)
                               for number, end in enumerate(ends)))
    everyone = [speaker for pair in calls for speaker in pair]
    talk(*everyone)
    for session in range(1, len(calls) + 1):
        assert dial(client, 5, session=session)[0] == "done"
        assert dial(client, 11, session=session, ms=100)[0] == "done"
    talk(*everyone, packets=60)
    for number, (one, other) in enumerate(calls):
        rows = decoded(os.path.join(relay.folder, f"{number}.pcap"), other.heard)
        check_row(rows)
        assert {row.ssrc for row in rows} == {one.phone.ssrc}
        ends = [at for at, row in enumerate(rows) if row.event == 5]
        check_train(rows[:ends[-1] + 1], 5, 160, 8)
        check_train(rows[ends[-1] + 1:], 11, 160, 5)
        # The digit lies behind the last audio before it, and the audio goes on behind the digit.
        assert rows[ends[0]].timestamp > rows[ends[0] - 1].timestamp, rows[ends[0]]
        check_row(decoded(os.path.join(relay.folder, f"{number}.back.pcap"), one.heard))
        assert not any(row.event is not None for row in
                       decoded(os.path.join(relay.folder, f"{number}.back.pcap"), one.heard))
    refused = client.request("digit_send", session=1, stream=0, side=1, event=17, duration_ms=100)
    assert refused[0] == "failure" and "0 to 16" in refused[1]["detail"], refused
    refused = dial(client, 1, session=99)
    assert refused[0] == "failure", refused
    return None


@case()
def digits_that_arrive_are_told_or_change_their_clock(relay):
    if not shutil.which("tshark"):
        return "tshark is absent"
    client = relay.client()
    relay.realms(client)
    told = {"payload_type": EVENTS, "clock_hz": 8000, "kind": 1, "out": 1}
    scaled = {"payload_type": 97, "clock_hz": 8000, "kind": 1, "out": 0x80 | EVENTS,
              "out_clock_hz": 48000}
    a, b, at_a, at_b = call(relay, client)
    audio = {"payload_type": 0, "clock_hz": 48000}
    assert client.request("session_set", session=1, streams=[
        side(0, "in", a, payloads=[audio, told, scaled])])[0] == "session_ports"
    one, other = Speaker(a, at_a[0], clock=48000), Speaker(b, at_b[0])
    talk(one, other)
    for number in range(1, 8):
        one.rtp(struct.pack(">BBH", 7, 10 | (number >= 5) << 7, min(number, 5) * 160), EVENTS,
                number == 1)
    talk(one, other)
    name, event = client.push()
    while event["kind"] == 3:  # latched
        name, event = client.push()
    assert (name, event["kind"]) == ("media_event", 10), (name, event)
    assert (event["session"], event["side"], event["value"]) == (1, 0, 7 << 16 | 100), event
    begun = one.timestamp
    for number in range(1, 8):
        one.rtp(struct.pack(">BBH", 8, 10 | (number >= 5) << 7, min(number, 5) * 160), 97, number == 1,
                timestamp=begun)
    one.timestamp += 7 * one.step
    talk(one, other)
    rows = decoded(os.path.join(relay.folder, "events.pcap"), other.heard)
    check_row(rows)
    check_train(rows, 8, 960, 5, begun)
    return None
