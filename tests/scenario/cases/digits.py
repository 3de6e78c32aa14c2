# SPDX-License-Identifier: MIT
"""Digits between SIP INFO and RFC 4733, and between two clocks, by the trunks' policy. Trains of events
are judged by Wireshark's dissector."""
import glob
import os
import struct
import subprocess
import time

from harness import sdp
from harness.capture import Capture
from harness.case import case
from harness.check import Skip, check, equal
from harness.proc import need

from cases.basic import establish, hang_up

RELAY = "application/dtmf-relay"
FIELDS = ("rtp.seq", "rtp.timestamp", "rtp.ssrc", "rtp.p_type", "rtp.marker", "rtpevent.event_id",
          "rtpevent.end_of_event", "rtpevent.duration")
OPUS = "a=rtpmap:96 opus/48000/2\r\n"
WORDS = {"True": 1, "False": 0, "": None}


def policy(carrier, pbx="pass"):
    def change(document):
        document["provisioning"]["trunks"][0]["media"] = {"dtmf": pbx}
        document["provisioning"]["trunks"][1]["media"] = {"dtmf": carrier}
    return change


def events(number, clock=8000):
    return f"a=rtpmap:{number} telephone-event/{clock}\r\na=fmtp:{number} 0-15\r\n"


def speak(peer, to, seconds, clock=8000, payload_type=0):
    """A packet each 20 ms, in this clock."""
    for _ in range(int(seconds * 50)):
        peer.timestamp = (peer.timestamp + clock // 50 - 160) & 0xffffffff
        peer.send(to, 1, every_s=0.02, payload_type=payload_type)


def dial(peer, to, event, steps=5, ends=3, payload_type=101, clock=8000, audio_clock=8000):
    """What a phone sends for a digit: its timestamp stands still, its numbers go on."""
    begun = (peer.timestamp + audio_clock // 50) & 0xffffffff
    for number in range(1, steps + ends):
        done = min(number, steps)
        peer.sequence = (peer.sequence + 1) & 0xffff
        peer.rtp.sendto(struct.pack(
            ">BBHIIBBH", 0x80, payload_type | (0x80 if number == 1 else 0), peer.sequence, begun,
            peer.ssrc, event, 10 | (0x80 if number >= steps else 0), done * clock // 50), to)
        time.sleep(0.02)
    peer.timestamp = (begun + (steps + ends) * audio_clock // 50) & 0xffffffff


def towards(pbx, carrier):
    """Their media alone: other cases run beside this one."""
    return (f"udp and ((dst host {pbx.ip} and dst port 14000) or "
            f"(dst host {carrier.ip} and dst port 16000))")


def heard(capture, port, payload_type=101):
    """All RTP to this port, in order; what is no event has none."""
    rows = capture.fields(f"rtp && udp.dstport == {port}", *FIELDS,
                          decode=(f"udp.port=={port},rtp", f"rtp.pt=={payload_type},rtpevent"))
    return [[WORDS[word] if word in WORDS else int(word, 0) for word in row] for row in rows]


def judge(rows, digits, payload_type=101):
    """One SSRC, no number missing or twice; each digit (event, step, steps) is a whole train."""
    equal(len({row[2] for row in rows}), 1, "SSRCs")
    first = rows[0][0]
    equal([row[0] for row in rows], [(first + n) % 65536 for n in range(len(rows))], "sequence")
    trains = {}
    for row in rows:
        if row[5] is not None:
            trains.setdefault(row[1], []).append(row)
    equal([train[0][5] for train in trains.values()], [digit[0] for digit in digits], "digits")
    for train, (event, step, steps) in zip(trains.values(), digits):
        equal({row[3] for row in train}, {payload_type}, "payload type")
        equal({row[5] for row in train}, {event}, "event")
        equal([row[4] for row in train], [1] + [0] * (len(train) - 1), "marker")
        equal([row[6] for row in train], [0] * (steps - 1) + [1] * 3, "ends")
        equal([row[7] for row in train], [step * min(n, steps) for n in range(1, steps + 3)], "durations")


@case("INFO of the PBX becomes events for the carrier", short=True)
def info_to_events(t):
    sbc = t.sbc(policy("rfc4733"))
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    capture = t.own(Capture(t.folder, towards(pbx, carrier)))
    caller, callee = establish(t, pbx, carrier, t.slot.inside, offer=sdp.compose(pbx.ip, 14000, (0,)))
    check("a=rtpmap:101 telephone-event/8000" in callee.invite.body.decode(), "events are offered")
    check("telephone-event" not in caller.answer.body.decode(), "and not answered to who has none")
    to_near = sdp.Session(caller.answer.body).target
    speak(near, to_near, 0.4)
    for body, kind in ((b"Signal=5\r\nDuration=160\r\n", RELAY), (b"#", "application/dtmf"),
                       (b"signal= a\nDuration= 100", RELAY)):
        caller.request("INFO", (), body, kind)
        caller.expect(200, method="INFO")
    speak(near, to_near, 1.6)
    caller.request("INFO", (), b"Signal=55\r\n", RELAY)
    caller.expect(400, method="INFO")
    caller.request("INFO", (), b"5", "application/dtmf-other")
    refused = caller.expect(415, method="INFO")
    check(RELAY in refused.get("Accept"), "Accept names what is taken")
    far.flush()
    capture.stop()
    judge(heard(capture, 16000), [(5, 160, 8), (11, 160, 8), (12, 160, 5)])
    hang_up(caller, callee)  # the BYE is the next that the carrier hears: no INFO crossed
    sbc.wait_cdrs(1)


@case("events of the PBX become INFO for the carrier, and its INFO events for the PBX", short=True)
def events_to_info(t):
    t.sbc(policy("info"))
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    capture = t.own(Capture(t.folder, towards(pbx, carrier)))
    caller, callee = establish(t, pbx, carrier, t.slot.inside,
                               answer=sdp.compose(carrier.ip, 16000, (0, 8)))
    check("telephone-event" not in callee.invite.body.decode(), "events are not offered")
    check("a=rtpmap:101 telephone-event/8000" in caller.answer.body.decode(), "but answered")
    to_near = sdp.Session(caller.answer.body).target
    to_far = sdp.Session(callee.invite.body).target
    speak(near, to_near, 0.4)
    for digit, (event, ends) in (("7", (7, 3)), ("*", (10, 1)), ("D", (15, 3))):
        dial(near, to_near, event, ends=ends)
        asked = callee.take_request("INFO")
        equal((asked.get("Content-Type"), asked.body),
              (RELAY, f"Signal={digit}\r\nDuration=100\r\n".encode()), "INFO")
        callee.reply(200, request=asked)
        speak(near, to_near, 0.2)
    speak(far, to_far, 0.4)
    callee.request("INFO", (), b"Signal=9\r\nDuration=120\r\n", RELAY)
    callee.expect(200, method="INFO")
    speak(far, to_far, 0.6)
    near.flush()
    far.flush()
    capture.stop()
    rows = heard(capture, 16000)
    judge(rows, [])
    equal({row[3] for row in rows}, {0}, "payload types towards the carrier")
    judge(heard(capture, 14000), [(9, 160, 6)])
    hang_up(caller, callee)


@case("telephone-event/8000 on one side, /48000 on the other", short=True)
def two_clocks(t):
    t.sbc(policy("rfc4733"))
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    capture = t.own(Capture(t.folder, towards(pbx, carrier)))

    def opus(ip, port, number, clock):
        text = sdp.compose(ip, port, ()).decode().replace("RTP/AVP ", f"RTP/AVP 96 {number}")
        return (text + OPUS + events(number, clock)).encode()
    caller, callee = establish(t, pbx, carrier, t.slot.inside, offer=opus(pbx.ip, 14000, 101, 8000),
                               answer=opus(carrier.ip, 16000, 99, 48000))
    check("a=rtpmap:102 telephone-event/48000" in callee.invite.body.decode(), "both clocks are offered")
    check("a=rtpmap:101 telephone-event/8000" in caller.answer.body.decode(), "each has its own")
    to_near = sdp.Session(caller.answer.body).target
    to_far = sdp.Session(callee.invite.body).target
    speak(near, to_near, 0.4, 48000, 96)
    dial(near, to_near, 3, audio_clock=48000)
    speak(near, to_near, 0.2, 48000, 96)
    speak(far, to_far, 0.4, 48000, 96)
    dial(far, to_far, 4, payload_type=102, clock=48000, audio_clock=48000)
    speak(far, to_far, 0.2, 48000, 96)
    near.flush()
    far.flush()
    capture.stop()
    judge(heard(capture, 16000, 99), [(3, 960, 5)], 99)
    judge(heard(capture, 14000), [(4, 160, 5)])
    hang_up(caller, callee)


def recordings():
    """Of the digits that come with SIPp: [(timestamp, signal, [packets])], in the order they were made."""
    names = {"star": "*", "pound": "#"}
    found = []
    need("tshark")
    for path in glob.glob("/usr/share/sip-tester/dtmf_2833_*.pcap"):
        digit = os.path.basename(path)[len("dtmf_2833_"):-len(".pcap")]
        text = subprocess.run(["tshark", "-r", path, "-T", "fields", "-e", "udp.payload"], check=True,
                              capture_output=True, text=True).stdout
        packets = [bytes.fromhex(word) for word in text.split()]
        found.append((struct.unpack_from(">I", packets[0], 4)[0], names.get(digit, digit), packets))
    if len(found) < 12:
        raise Skip("SIPp's recordings of digits are not here")
    return sorted(found)


@case("recorded digits of another make become INFO, each once")
def recorded_digits(t):
    recorded = recordings()
    t.sbc(policy("info"))
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    caller, callee = establish(t, pbx, carrier, t.slot.inside,
                               answer=sdp.compose(carrier.ip, 16000, (0, 8)))
    to_near = sdp.Session(caller.answer.body).target
    speak(near, to_near, 0.2)
    far.flush()
    for _, signal, packets in recorded:
        for packet in packets:
            near.rtp.sendto(packet, to_near)
            time.sleep(0.005)
        asked = callee.take_request("INFO")
        equal(asked.body, f"Signal={signal}\r\nDuration=280\r\n".encode(), "INFO")
        callee.reply(200, request=asked)
    equal(far.receive(1, 0.3), [], "events that were forwarded")
    hang_up(caller, callee)
