# SPDX-License-Identifier: MIT
"""Bodies beside the SDP: ISUP, location and the like, octet by octet, over real sockets. The raw peer
composes and takes apart multiparts with Python's own means; tshark judges what left."""
import email.parser
import email.policy
import re

from harness.capture import Capture
from harness.case import case
from harness.check import check, equal
from harness.sdp import compose as sdp
from harness.sip import Call, token

# Every octet there is, with a CRLF, an empty line and a delimiter of somebody else's in it.
ISUP = bytes(range(256)) + b"\r\n\r\n--other\r\n" + bytes(range(255, -1, -1))
ISUP_HEAD = [("Content-Type", "application/isup;version=itu-t92+;base=itu-t92+"),
             ("Content-Disposition", "signal;handling=required")]


def allow(*types, trunks=("pbx", "carrier")):
    def change(document):
        for trunk in document["provisioning"]["trunks"]:
            if trunk["name"] in trunks:
                trunk["bodies"] = list(types)
    return change


def mixed(*parts, boundary="unique-boundary-1"):
    """(Content-Type, octets); a part is (headers, octets)."""
    octets = b"preamble\r\n"
    for headers, body in parts:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        octets += f"--{boundary}\r\n{head}\r\n".encode() + body + b"\r\n"
    return f'multipart/mixed;boundary="{boundary}"', octets + f"--{boundary}--\r\nepilogue".encode()


def sdp_part(ip, port):
    return [("Content-Type", "application/sdp")], sdp(ip, port)


def parts_of(message):
    """[(content type, headers, octets)] by email.parser for the heads, by the boundary for the octets."""
    boundary = re.fullmatch(r"multipart/mixed;boundary=(\S+)", message.get("Content-Type"))
    check(boundary, f"Content-Type: {message.get('Content-Type')}")
    delimiter = b"--" + boundary.group(1).encode()
    check(message.body.endswith(b"\r\n" + delimiter + b"--\r\n"), "the last delimiter")
    found = []
    for piece in (b"\r\n" + message.body).split(b"\r\n" + delimiter)[1:-1]:
        head, _, octets = piece[2:].partition(b"\r\n\r\n")
        fields = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(head + b"\r\n\r\n",
                                                                               headersonly=True)
        found.append((fields.get_content_type(), fields, octets))
    return found


def invite(t, pbx, *parts, headers=()):
    """A call that begins with these parts."""
    content_type, octets = mixed(*parts)
    call = Call(pbx, (t.slot.inside, 5060))
    call.call_id, call.calling = f"{token()}@{pbx.ip}", "alice"
    call.local = f"<sip:alice@{pbx.hostport}>;tag={token()}"
    call.remote = f"<sip:+4930@{t.slot.inside}>"
    call.remote_target = f"sip:+4930@{t.slot.inside}:5060"
    call.cseq, call.invite_branch = 1, "z9hG4bK" + token()
    call.invite = call._request("INVITE", 1, call.invite_branch, headers, octets,  # pylint: disable=W0212
                                content_type)
    pbx.send(call.invite, call.peer)
    return call


def answer(call, status, *parts):
    """A response to the INVITE with these parts."""
    content_type, octets = mixed(*parts, boundary="b")
    call.reply(status, headers=[("Content-Type", content_type)], body=octets)


@case("ISUP crosses in INVITE, 183, 200, INFO and BYE, octet by octet", short=True)
def isup(t):
    capture = t.own(Capture(t.folder, f"net 127.77.{t.slot.number}.0/24 and udp port 5060"))
    sbc = t.sbc(allow("application/isup"))
    pbx, carrier = t.peers()
    caller = invite(t, pbx, sdp_part(pbx.ip, 14000), (ISUP_HEAD, ISUP),
                    ([("Content-Type", "text/html")], b"<stays behind>"))
    callee = Call.receive(carrier)
    types = [part[0] for part in parts_of(callee.invite)]
    equal(types, ["application/sdp", "application/isup"], "parts")
    _, fields, octets = parts_of(callee.invite)[1]
    equal(octets, ISUP, "the octets of the IAM")
    equal(fields["Content-Type"], ISUP_HEAD[0][1], "its type")
    equal(fields["Content-Disposition"], ISUP_HEAD[1][1], "its disposition")
    check(pbx.ip.encode() not in callee.invite.raw.replace(ISUP, b""), "the PBX's address stays behind")
    answer(callee, 183, (ISUP_HEAD, ISUP[:9]))
    equal(parts_of(caller.expect(183))[0][2], ISUP[:9], "the ACM")
    answer(callee, 200, (ISUP_HEAD, ISUP[9:]), sdp_part(carrier.ip, 16000))
    ok = parts_of(caller.expect(200))
    equal([(part[0], len(part[2])) for part in ok[:1]], [("application/isup", len(ISUP) - 9)], "the ANM")
    equal(ok[1][0], "application/sdp", "the answer")
    caller.ack()
    callee.take_request("ACK")
    caller.request("INFO", ISUP_HEAD[1:], ISUP, ISUP_HEAD[0][1])
    info = callee.take_request("INFO")
    equal(info.body, ISUP, "the INFO")
    callee.reply(200, request=info)
    caller.expect(200, method="INFO")
    callee.request("BYE", ISUP_HEAD[1:], ISUP[:3], ISUP_HEAD[0][1])
    bye = caller.take_bye()
    equal(bye.body, ISUP[:3], "the REL")
    callee.expect(200, method="BYE")
    sbc.wait_idle()
    capture.stop()
    capture.judge([t.slot.inside, t.slot.outside], 8)
    seen = capture.fields(f"sip.Method == INVITE && ip.src == {t.slot.outside}", "mime_multipart.type",
                          "isup.message_type")
    check(seen, "tshark takes the INVITE's multipart apart")


@case("a part that must be understood and may not cross gets 415 with Accept", short=True)
def required(t):
    sbc = t.sbc(allow("application/qsig", trunks=("pbx",)))
    pbx, carrier = t.peers()
    for head in (ISUP_HEAD,  # on neither list
                 [("Content-Type", "application/qsig"), ISUP_HEAD[1]]):  # on the caller's only
        caller = invite(t, pbx, sdp_part(pbx.ip, 14000), (head, ISUP))
        refused = caller.expect(415)
        equal(refused.get("Accept"), "application/sdp, multipart/mixed, application/qsig", "Accept")
    carrier.silence(0.3)
    sbc.wait_idle()


@case("parts that need not be understood stay behind, and the call is set up", short=True)
def optional(t):
    t.sbc(allow("application/isup", trunks=("pbx",)))
    pbx, carrier = t.peers()
    caller = invite(t, pbx, sdp_part(pbx.ip, 14000),
                    ([("Content-Type", "application/isup")], b"hIdDeN"),
                    ([("Content-Type", "text/plain"), ("Content-Disposition", "x;handling=optional")], b"hIdDeN"))
    callee = Call.receive(carrier)
    equal(callee.invite.get("Content-Type"), "application/sdp", "Content-Type")
    check(b"hIdDeN" not in callee.invite.raw, "a part that no policy names crossed")
    callee.reply(486)
    caller.expect(486)


@case("location crosses with a Content-ID of our own, and Geolocation follows it", short=True)
def location(t):
    t.sbc(allow("application/pidf+xml"))
    pbx, carrier = t.peers()
    pidf = b'<presence entity="pres:alice@10.1.2.3"/>'
    caller = invite(t, pbx, sdp_part(pbx.ip, 14000),
                    ([("Content-Type", "application/pidf+xml"), ("Content-ID", "<me%1@home.example>")], pidf),
                    headers=[("Geolocation", "<https://lis.home.example/x>"),
                             ("Geolocation", "<cid:me%251@home.example>"), ("Geolocation-Routing", "yes")])
    callee = Call.receive(carrier)
    equal(len(callee.invite.all("Geolocation")), 1, "Geolocation headers")
    _, fields, octets = parts_of(callee.invite)[1]
    equal(octets, pidf, "the octets")
    equal(callee.invite.get("Geolocation"), "<cid:" + fields["Content-ID"][1:], "Geolocation")
    equal(callee.invite.get("Geolocation-Routing"), "yes", "Geolocation-Routing")
    check(b"home.example" not in callee.invite.raw, "the caller's own names crossed")
    callee.reply(486)
    caller.expect(486)


@case("DTMF in INFO passes as it came", short=True)
def dtmf(t):
    t.sbc()
    pbx, carrier = t.peers()
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp(pbx.ip, 14000))
    callee = Call.receive(carrier)
    callee.reply(200, sdp(carrier.ip, 16000))
    caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    for asking, other, kind, body in ((caller, callee, "application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n"),
                                      (callee, caller, "application/dtmf", b"#")):
        asking.request("INFO", (), body, kind)
        info = other.take_request("INFO")
        equal((info.get("Content-Type"), info.body), (kind, body), "INFO")
        other.reply(200, request=info)
        asking.expect(200, method="INFO")
    caller.request("BYE")
    callee.take_bye()
    caller.expect(200, method="BYE")
