# SPDX-License-Identifier: MIT
"""The harness proves itself: its peers talk to each other directly, with no SBC between them, and its
judges refuse what is wrong."""
import math

from harness import sdp, sipp
from harness.baresip import Baresip, check_tone
from harness.capture import Capture
from harness.case import case
from harness.check import Failed, check, equal
from harness.metrics import judge_metrics
from harness.rtp import exchange
from harness.sip import Call, Message, judge, options
from tone import power


@case("our own peers call each other", short=True)
def own_peers(t):
    pbx, carrier = t.peers()
    caller = Call.start(pbx, (carrier.ip, 5060), "bob", sdp=sdp.compose(pbx.ip, 14000))
    callee = Call.receive(carrier)
    callee.reply(180)
    caller.expect(180)
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    equal(sdp.Session(caller.expect(200).body).target, (carrier.ip, 16000), "the answer's target")
    caller.ack()
    callee.take_request("ACK")
    callee.request("BYE")
    caller.take_bye()
    callee.expect(200)
    pbx.silence(0.1)


@case("over TCP, with split and merged messages")
def own_tcp(t):
    pbx, carrier = t.peers("tcp")
    connection = pbx.connect((carrier.ip, 5060))
    one = Message("OPTIONS sip:a@b SIP/2.0", [
        ("Via", pbx.via()), ("Max-Forwards", "70"), ("From", "<sip:a@a>;tag=1"), ("To", "<sip:a@b>"),
        ("Call-ID", "1"), ("CSeq", "1 OPTIONS")]).bytes()
    for part in (one[:10], one[10:] + one.replace(b"Call-ID: 1", b"Call-ID: 2") + b"\r\n\r\n"):
        connection.sock.sendall(part)
    for wanted in ("1", "2"):
        equal(carrier.expect("OPTIONS").get("Call-ID"), wanted, "Call-ID")


@case("the judge of messages refuses what is wrong", short=True)
def judges(_):
    good = Message("OPTIONS sip:a@b SIP/2.0", [
        ("Via", "SIP/2.0/UDP a;branch=z9hG4bK1"), ("Max-Forwards", "70"),
        ("From", "<sip:a@a>;tag=1"), ("To", "<sip:a@b>"), ("Call-ID", "1"), ("CSeq", "1 OPTIONS")])
    judge(Message.parse(good.bytes()))
    answer = sdp.compose("127.0.0.1", 4000)
    for spoil in (lambda m: m.set("Max-Forwards", None), lambda m: m.headers.append(("t", "<sip:x>")),
                  lambda m: m.set("CSeq", "1 INVITE"), lambda m: m.set("From", "<sip:a@a>"),
                  lambda m: m.set("Content-Length", "7"),
                  lambda m: (setattr(m, "body", answer.replace(b"\r\n", b"\n")),
                             m.set("Content-Type", "application/sdp"))):
        message = Message(good.start, good.headers)
        spoil(message)
        try:
            judge(Message.parse(message.bytes()))
        except Failed:
            continue
        raise Failed(f"the judge took\n{message}")


@case("media peers exchange packets", short=True)
def media_peers(t):
    a, b = t.media(t.slot.pbx, 14000), t.media(t.slot.carrier, 16000)
    exchange(a, (b.ip, b.port), b, source=(a.ip, a.port))
    try:
        exchange(a, (b.ip, b.port + 4), b)
    except Failed:
        return
    raise Failed("packets that went elsewhere were called received")


@case("SIPp calls SIPp, and tshark reads the capture")
def sipp_pair(t):
    capture = t.own(Capture(t.folder, f"net 127.77.{t.slot.number}.0/24"))
    uas = t.own(sipp.Sipp(t.folder, "callee", [
        sipp.receive("INVITE"), sipp.respond(180), sipp.respond(200, body=sipp.sdp()),
        sipp.receive("ACK"), sipp.receive("BYE"), sipp.respond(200, tagged=False, contact=False)],
        t.slot.carrier, calls=5))
    t.wait_bound(t.slot.carrier, 5060, True)
    uac = t.own(sipp.Sipp(t.folder, "caller", [
        sipp.request("INVITE", sipp.sdp(), first=True), sipp.receive(100, optional=True),
        sipp.receive(180), sipp.receive(200, rrs=True), sipp.request("ACK", number=1),
        sipp.pause(20), sipp.request("BYE"), sipp.receive(200)],
        t.slot.pbx, target=f"{t.slot.carrier}:5060", calls=5))
    uac.done()
    uas.done()
    capture.stop()
    capture.judge(at_least=30)


@case("a malformed message does not pass the capture's judge")
def capture_judge(t):
    capture = t.own(Capture(t.folder, f"net 127.77.{t.slot.number}.0/24"))
    pbx, carrier = t.peers()
    carrier.lenient = True
    message = Message("INVITE sip:a@b SIP/2.0", [
        ("Via", pbx.via()), ("Max-Forwards", "70"), ("From", "<sip:a@a>;tag=1"), ("To", "<sip:a@b>"),
        ("Call-ID", "1"), ("CSeq", "2 INVITE")])
    pbx.send(message, (carrier.ip, 5060))
    carrier.take(lambda m: True)
    broken = message.bytes().replace(b"CSeq: 2", b"a line that is no header\r\nCSeq: 2")
    carrier.sock.sendto(broken, (pbx.ip, 5060))
    capture.stop()
    capture.judge(source=(pbx.ip,))
    try:
        capture.judge(source=(carrier.ip,))
    except Failed as failed:
        check("finds fault" in str(failed), f"another failure: {failed}")
        return
    raise Failed("tshark found no fault with a broken message")


METRICS = """\
# HELP sbc_x_total what is counted
# TYPE sbc_x_total counter
sbc_x_total{a="1",b="\\\\ \\" \\n"} 1
sbc_x_total{a="2",b=""} 2e3
# HELP sbc_y_seconds a \\\\ and a \\n
# TYPE sbc_y_seconds histogram
sbc_y_seconds_bucket{t="p",le="0.1"} 1
sbc_y_seconds_bucket{t="p",le="+Inf"} 3
sbc_y_seconds_sum{t="p"} 0.25
sbc_y_seconds_count{t="p"} 3
"""
# What to replace by what, and it is no longer right.
METRICS_BROKEN = [
    ("# HELP sbc_x_total what is counted\n", ""), ("# TYPE sbc_x_total counter\n", ""),
    ("sbc_x_total counter", "sbc_x_total gauge"), ("sbc_y_seconds histogram", "sbc_y_seconds counter"),
    ('a="2"', "a=2"), ('a="2"', 'a="2\\t"'), ('a="2"', 'a="2"x"'), ('b=""} 2e3', 'b="",} 2e3'), ('b=""', 'a="2"'),
    ('a="2",b=""', 'c="2",b=""'), ("2e3", "-1"), ("2e3", "two"), ("2e3", "2e3 # why"), ("2e3", "NaN"),
    ('a="2",b=""', 'a="1",b="\\\\ \\" \\n"'), ("2e3\n", "2e3\n\n"), ("2e3\n", "2e3\nsbc_z 1\n"),
    ("sbc_y_seconds_count", "sbc_y_seconds_number"), ('sbc_y_seconds_sum{t="p"} 0.25\n', ""),
    ('count{t="p"} 3', 'count{t="p"} 4'), ('le="0.1"} 1', 'le="0.1"} 4'), ("+Inf", "9"), ('le="0.1"', 'le="Inf"'),
    ('_sum{t="p"}', '_sum{t="q"}'), ("sbc_y_seconds", "sbc_y_ms"), ("sbc_x", "sip_x"), ("2e3\n", "2e3\r\n"),
    ("# HELP sbc_y", "# a remark\n# HELP sbc_y"), ("a \\\\ and", "a \\ and"),
    ("# HELP sbc_y_seconds", "# HELP sbc_x_total again\n# TYPE sbc_x_total counter\nsbc_x_total 1\n# HELP sbc_y_seconds"),
    ('sbc_y_seconds_count{t="p"} 3\n', 'sbc_y_seconds_count{t="p"} 3')]


@case("the judge of metrics takes what is right and refuses what is not", short=True)
def metrics_judge(t):
    del t
    equal(list(judge_metrics(METRICS)), ["sbc_x_total", "sbc_y_seconds"], "the families")
    for old, new in METRICS_BROKEN:
        check(old in METRICS, f"{old!r} is not there to be replaced")
        try:
            judge_metrics(METRICS.replace(old, new))
        except Failed:
            continue
        raise Failed(f"{new!r} instead of {old!r} was taken")


@case("a tone is found again by its frequency")
def tones(t):
    rate = 8000
    tone = [int(8000 * math.sin(2 * math.pi * 440 * n / rate)) for n in range(4000)]
    check(power(tone, rate, 440) > 0.95, "440 Hz is there")
    check(power(tone, rate, 660) < 0.05, "660 Hz is not")
    base = t.slot.port(0)
    callee = t.own(Baresip(t.folder, "bob", base, base + 10, 1000, 12))
    t.wait_bound("127.0.0.1", base, True)
    caller = t.own(Baresip(t.folder, "alice", base + 4, base + 20, 440, 8, f"sip:bob@127.0.0.1:{base}"))
    caller.wait(15)
    callee.wait(15)
    check_tone(caller, 1000, (440,))
    check_tone(callee, 440, (1000,))


@case("an OPTIONS is answered by a peer")
def ping(t):
    pbx, carrier = t.peers()
    del carrier
    try:
        options(pbx, (t.slot.stranger, 5060))
    except Failed:
        return
    raise Failed("an answer came from nobody")
