# SPDX-License-Identifier: MIT
"""Forged messages: of somebody else's dialog or transaction, and such as aim the SBC at a target that a
peer must not choose or make it answer at length."""
import re
import select
import socket
import time

from harness import sdp
from harness.attack import back_to_start, drain, invite
from harness.case import case
from harness.check import check, equal
from harness.sbc import trunk
from harness.sip import Call, Message, token

from cases.basic import establish


def bare(call, method, cseq, source, branch=None, headers=()):
    """A request of this dialog, as somebody else would send it."""
    return Message(f"{method} sip:x@border SIP/2.0", [
        ("Via", source.via(branch)), ("Max-Forwards", "70"), ("From", call.local), ("To", call.remote),
        ("Call-ID", call.call_id), ("CSeq", f"{cseq} {method}"),
        ("Contact", f"<sip:eve@{source.hostport}>")] + list(headers))


@case("who overheard a dialog's identifiers cannot end, move or mute it", short=True)
def forged_in_dialog(t):
    def change(document):
        document["provisioning"]["trunks"].append(
            trunk("other", "inside", f"sip:{t.slot.ip(12)}:5060"))
    sbc = t.sbc(change)
    pbx, carrier = t.peers()
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    strangers = [t.endpoint(t.slot.stranger, lenient=True), t.endpoint(t.slot.ip(12), lenient=True)]
    borders = [(caller, (t.slot.inside, 5060)), (callee, (t.slot.outside, 5060))]
    for attempt in range(40):
        for stranger in strangers:
            for call, border in borders:
                for method in ("BYE", "INVITE", "UPDATE", "INFO", "ACK", "CANCEL", "REFER", "PRACK"):
                    message = bare(call, method, 100 + attempt, stranger)
                    if method in ("INVITE", "UPDATE"):
                        message.body = sdp.compose(stranger.ip, 9)
                        message.headers.append(("Content-Type", "application/sdp"))
                    stranger.send(message, border)
        for stranger in strangers:
            while stranger.pump(0):
                pass
    time.sleep(0.2)
    answers = []
    for stranger in strangers:
        while stranger.pump(0):
            pass
        answers += [m for m in stranger.inbox]
    check(answers and all(not m.is_request and m.status in (403, 481, 503) for m in answers),
          f"answers {sorted({m.brief() for m in answers})}")
    pbx.silence(0.1)
    carrier.silence(0.1)
    equal(len(sbc.calls()), 1, "live calls")
    caller.request("BYE")
    callee.take_bye()
    caller.expect(200, method="BYE")
    back_to_start(sbc, None)


@case("CANCEL and responses count only with the right branch and source", short=True)
def forged_transactions(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    stranger = t.endpoint(t.slot.stranger, lenient=True)
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    callee = Call.receive(carrier)
    callee.reply(180)
    caller.expect(180)

    def cancel(via):
        return Message(f"CANCEL {caller.invite.uri} SIP/2.0", [
            ("Via", via), ("Max-Forwards", "70"), ("From", caller.invite.get("From")),
            ("To", caller.invite.get("To")), ("Call-ID", caller.call_id), ("CSeq", "1 CANCEL")])
    # Another branch from the right source; the right one from a stranger.
    pbx.send(cancel(pbx.via()), (t.slot.inside, 5060))
    answer = pbx.take(lambda m: not m.is_request and m.cseq_method == "CANCEL", 2)
    equal(answer.status, 481, "a CANCEL of another branch")
    stranger.send(cancel(caller.invite.get("Via")), (t.slot.inside, 5060))
    # Responses: right branch from a stranger; guessed branches from the right source.
    def response(status, via):
        return Message(f"SIP/2.0 {status} X", [
            ("Via", via), ("From", callee.invite.get("From")), ("To", callee.local),
            ("Call-ID", callee.call_id), ("CSeq", callee.invite.get("CSeq")),
            ("Contact", f"<sip:eve@{stranger.hostport}>"), ("Content-Type", "application/sdp")],
            sdp.compose(stranger.ip, 9) if status == 200 else b"")
    own = callee.invite.get("Via")
    for status in (200, 486, 183, 302):
        stranger.send(response(status, own), (t.slot.outside, 5060))
        carrier.send(response(status, re.sub("branch=[^;]*", "branch=z9hG4bKguess", own)),
                     (t.slot.outside, 5060))
        carrier.send(response(status, own.replace(t.slot.outside, "255.255.255.255")),
                     (t.slot.outside, 5060))
    pbx.silence(0.3)
    carrier.silence(0.1)
    equal([c["state"] for c in sbc.calls()], ["ringing"], "the call")
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    caller.request("BYE")
    callee.take_bye()
    caller.expect(200, method="BYE")


class Bait:
    """Sockets on an address where nothing of the SBC's may ever arrive."""

    def __init__(self, ip, port=6379):
        self.ip, self.port = ip, port
        self.tcp, self.udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((ip, port))
        self.tcp.listen(5)
        self.udp.bind((ip, port))

    def untouched(self, why):
        touched = select.select([self.tcp, self.udp], [], [], 0.2)[0]
        check(not touched, f"{why}: {'TCP' if self.tcp in touched else 'UDP'} reached {self.ip}")

    def close(self):
        self.tcp.close()
        self.udp.close()


@case("Contact, Route, Record-Route, Via and maddr cannot aim the SBC at anything", short=True)
def ssrf(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    bait = t.own(Bait(t.slot.ip(66)))
    at = f"{bait.ip}:{bait.port}"
    aims = [("contact", f"<sip:x@{at}>", ()), ("contact over TCP", f"<sip:x@{at};transport=tcp>", ()),
            ("contact with maddr", f"<sip:x@{pbx.hostport};maddr={bait.ip}>", ()),
            ("record-route", None, [("Record-Route", f"<sip:{at};lr>")]),
            ("route", None, [("Route", f"<sip:{at};lr>")]),
            ("strict route", None, [("Record-Route", f"<sip:{at}>")])]
    for why, contact, headers in aims:
        pbx.send(invite(pbx, t.slot.inside, body=sdp.compose(pbx.ip, 14000), contact=contact,
                        headers=headers, call_id=f"aim-{aims.index((why, contact, headers))}"),
                 (t.slot.inside, 5060))
        callee = Call.receive(carrier)
        callee.reply(200, sdp.compose(carrier.ip, 16000),
                     headers=[("Record-Route", f"<sip:{at};lr>")] if headers else ())
        pbx.take(lambda m: m.status == 200, 2)
        callee.take_request("ACK")
        callee.request("BYE")  # the SBC's BYE to the caller is what is being aimed
        callee.expect(200, method="BYE")
        bait.untouched(why)
        pbx.take(lambda m: m.is_request and m.method == "BYE", 0.1)
        carrier.pump(0)
        pbx.inbox.clear()
        carrier.inbox.clear()
    # The callee's Contact, its redirection, a Via of somebody else, a maddr in the Request-URI.
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    callee = Call.receive(carrier)
    callee.reply(200, sdp.compose(carrier.ip, 16000), contact=False,
                 headers=[("Contact", f"<sip:y@{at}>")])
    caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    carrier.inbox.clear()
    caller.request("BYE")
    caller.expect(200, method="BYE")
    callee.take_bye()
    bait.untouched("the callee's Contact")
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000),
                        uri=f"sip:+4930@{t.slot.inside};maddr={bait.ip}")
    callee = Call.receive(carrier)
    callee.reply(302, contact=False, headers=[("Contact", f"<sip:y@{at}>")])
    caller.expect(480)
    bait.untouched("a redirection, and a maddr in the Request-URI")
    message = invite(pbx, t.slot.inside, called="none@", branch="z9hG4bKvia1")
    message.set("Via", f"SIP/2.0/UDP {at};branch=z9hG4bKaim;maddr={bait.ip};received={bait.ip}")
    pbx.send(message, (t.slot.inside, 5060))
    bait.untouched("a Via of somebody else")


@case("a TCP caller's Contact is no place to connect to", short=True)
def ssrf_tcp(t):
    t.sbc()
    pbx, carrier = t.endpoint(t.slot.pbx, transport="tcp"), t.endpoint(t.slot.carrier)
    bait = t.own(Bait(t.slot.ip(66)))
    connection = pbx.connect((t.slot.inside, 5060))
    pbx.send(invite(pbx, t.slot.inside, body=sdp.compose(pbx.ip, 14000),
                    contact=f"<sip:x@{bait.ip}:{bait.port};transport=tcp>"), connection)
    callee = Call.receive(carrier)
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    pbx.take(lambda m: m.status == 200, 2)
    callee.take_request("ACK")
    connection.close()
    connection.closed = True
    time.sleep(0.1)
    callee.request("BYE")
    callee.expect(200, method="BYE")
    bait.untouched("the Contact of a lost connection")


@case("strangers get equal, small and single answers, sent to where they came from", short=True)
def reflection(t):
    sbc = t.sbc()
    bait = t.own(Bait(t.slot.ip(66)))
    stranger = t.endpoint(t.slot.stranger, lenient=True)
    stranger.via_parameters = ""
    answers = []
    sent = 0
    for called in ("alice", "bob", "+4930", "100", "nosuch"):
        for method in ("INVITE", "OPTIONS", "REGISTER", "SUBSCRIBE", "MESSAGE", "BYE", "X-NEW"):
            message = invite(stranger, t.slot.inside, called=called)
            message.start = message.start.replace("INVITE", method, 1)
            message.set("CSeq", f"1 {method}")
            message.set("Via", f"SIP/2.0/UDP {bait.ip}:{bait.port};branch=z9hG4bK{token()};rport")
            stranger.send(message, (t.slot.inside, 5060))
            sent += len(message.bytes())
            answer = stranger.take(lambda m: not m.is_request, 1)
            check(answer is not None, f"no answer to {method}")
            answers.append((answer.status, len(message.bytes()), len(answer.raw), method, called))
    equal({a[0] for a in answers}, {403}, "statuses")
    for status, asked, got, method, called in answers:
        check(got <= 1.2 * asked, f"{method} of {asked} octets was answered with {got}")
    same = {}
    for _, asked, got, method, called in answers:
        same.setdefault((method, asked), set()).add(got)
    check(all(len(v) == 1 for v in same.values()), f"answers tell users apart: {same}")
    bait.untouched("somebody's Via")
    # The shortest requests there are would be answered with twice their size.
    for line, body in ((b"OPTIONS sip:a SIP/2.0", b""), (b"X sip:a SIP/2.0", b""), (b"X sip:a SIP/9.0", b""),
                       (b"INVITE sip:a SIP/2.0", b"l:9\r\n")):
        raw = (line + b"\r\nv:SIP/2.0/UDP a:5060;rport;branch=z9hG4bKa\r\nf:<sip:a>;tag=1\r\nt:<sip:b>\r\ni:1\r\n"
               b"CSeq:1 " + line.split()[0] + b"\r\n" + body + b"\r\n")
        stranger.sock.sendto(raw, (t.slot.inside, 5060))
        time.sleep(0.05)
        count, size = drain(stranger.sock)
        check(size <= 1.2 * len(raw), f"{line!r} of {len(raw)} octets was answered with {size}")
    time.sleep(1.3)  # Timer G would have fired twice
    equal(drain(stranger.sock), (0, 0), "repeated answers")
    check(sbc.metrics().get("sbc_sip_transactions_active", 0) <= 1, "a transaction of a stranger lives")
