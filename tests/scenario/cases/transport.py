# SPDX-License-Identifier: MIT
"""How messages come and go: response routing, TCP framing and its lies, odd datagrams."""
import socket
import time

from harness import sdp
from harness.case import case
from harness.check import check, equal
from harness.sip import Call, Message, options, token

from cases.basic import establish


def ping_message(endpoint, via=None, call_id=None, headers=(), body=b""):
    return Message("OPTIONS sip:ping@border SIP/2.0", [
        ("Via", via or endpoint.via()), ("Max-Forwards", "70"),
        ("From", f"<sip:ping@{endpoint.hostport}>;tag={token()}"), ("To", "<sip:ping@border>"),
        ("Call-ID", call_id or token()), ("CSeq", "1 OPTIONS")] + list(headers), body)


def final(endpoint, timeout_s=3):
    return endpoint.take(lambda m: m.status >= 200, timeout_s)


@case("rport and received: the answer goes where the request came from", short=True)
def rport(t):
    t.sbc()
    pbx = t.endpoint(t.slot.pbx, 5099)
    branch = "z9hG4bK" + token()
    pbx.send(ping_message(pbx, f"SIP/2.0/UDP 192.0.2.77:5555;branch={branch};rport"),
             (t.slot.inside, 5060))
    answer = final(pbx)
    check(answer is not None, "no answer at the source port")
    via = answer.get("Via")
    check("rport=5099" in via and f"received={pbx.ip}" in via and "192.0.2.77:5555" in via, via)


@case("without rport the answer goes to the Via's port at the source's address")
def no_rport(t):
    t.sbc()
    pbx, other = t.endpoint(t.slot.pbx), t.endpoint(t.slot.pbx, 5099)
    other.send(ping_message(other, f"SIP/2.0/UDP pbx.example:5060;branch=z9hG4bK{token()}"),
               (t.slot.inside, 5060))
    answer = final(pbx)  # RFC 3261 18.2.2
    check(answer is not None, "no answer at the Via's port")
    check(f"received={pbx.ip}" in answer.get("Via"), answer.get("Via"))
    other.silence(0.2)


@case("TCP: a request octet by octet, and several in one segment", short=True)
def tcp_framing(t):
    t.sbc()
    pbx = t.endpoint(t.slot.pbx, transport="tcp")
    connection = pbx.connect((t.slot.inside, 5060))
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for octet in ping_message(pbx, call_id="bytewise").bytes():
        connection.sock.sendall(bytes([octet]))
    answer = final(pbx)
    check(answer is not None and answer.get("Call-ID") == "bytewise", "a split request is answered")
    equal(answer.source, connection, "the connection of the answer")
    merged = [ping_message(pbx, call_id=f"merged{n}",
                           headers=[("Content-Type", "text/plain")], body=b"x" * n).bytes()
              for n in range(5)]
    connection.sock.sendall(b"\r\n".join(merged)[:-7])
    time.sleep(0.1)
    connection.sock.sendall(b"\r\n".join(merged)[-7:])
    found = {final(pbx).get("Call-ID") for _ in merged}
    equal(found, {f"merged{n}" for n in range(5)}, "answers to merged requests")


@case("TCP: CRLF CRLF is answered with CRLF, single ones are skipped")
def keepalive(t):
    t.sbc()
    pbx = t.endpoint(t.slot.pbx, transport="tcp")
    connection = pbx.connect((t.slot.inside, 5060))
    connection.sock.sendall(b"\r\n\r\n")  # RFC 5626 3.5.1
    pbx.pump(2)
    equal(connection.pongs, 1, "CRLF that came back")
    connection.sock.sendall(b"\r\n" + ping_message(pbx, call_id="after").bytes())
    equal(final(pbx).get("Call-ID"), "after", "a request behind a CRLF")


@case("TCP: a Content-Length that lies closes the connection; nothing hidden is acted on", short=True)
def lying_length(t):
    t.sbc()
    known = t.endpoint(t.slot.pbx)
    carrier = t.endpoint(t.slot.carrier)
    pbx = t.endpoint(t.slot.pbx, 5070, "tcp", lenient=True)
    hidden = Message("INVITE sip:+4930@border SIP/2.0", [
        ("Via", pbx.via()), ("Max-Forwards", "70"), ("From", "<sip:h@h>;tag=1"),
        ("To", "<sip:+4930@border>"), ("Call-ID", token()), ("CSeq", "1 INVITE"),
        ("Contact", f"<sip:h@{pbx.hostport}>")]).bytes()
    for lie in ("-1", "+5", "0x10", "5,5", "4294967328", "2147483647", "5 5", "", "1e1"):
        connection = pbx.connect((t.slot.inside, 5060))
        message = ping_message(pbx)
        message.set("Content-Length", lie)
        message.body = hidden
        connection.sock.sendall(message.bytes())
        end = time.monotonic() + 3
        while not connection.closed and time.monotonic() < end:
            pbx.pump(0.2)
        check(connection.closed, f"the connection is still open after Content-Length {lie!r}")
    for headers in ([("Content-Length", "0"), ("Content-Length", "7")], [("l", "0"), ("L", "3")]):
        connection = pbx.connect((t.slot.inside, 5060))
        raw = ping_message(pbx, headers=headers).bytes() + hidden
        connection.sock.sendall(raw)
        end = time.monotonic() + 3
        while not connection.closed and time.monotonic() < end:
            pbx.pump(0.2)
        check(connection.closed, f"the connection is still open after {headers}")
    check(all(m.status in (400, 513) for m in pbx.inbox), f"answers {[m.brief() for m in pbx.inbox]}")
    carrier.silence(0.3)
    equal(options(known, (t.slot.inside, 5060)).status, 200, "a known peer's OPTIONS afterwards")


@case("TCP: a request without Content-Length is refused")
def no_length(t):
    t.sbc()
    pbx = t.endpoint(t.slot.pbx, transport="tcp", lenient=True)
    connection = pbx.connect((t.slot.inside, 5060))
    raw = ping_message(pbx).bytes().replace(b"Content-Length: 0\r\n", b"")
    connection.sock.sendall(raw)
    answer = final(pbx, 2)
    check(connection.closed or (answer is not None and answer.status == 400),
          f"got {answer and answer.brief()}, closed {connection.closed}")


@case("UDP: octets behind the body are dropped, a body that is short gets 400")
def udp_length(t):
    t.sbc()
    pbx = t.endpoint(t.slot.pbx)
    pbx.send(ping_message(pbx, call_id="long", headers=[("Content-Length", "0")], body=b"extra"),
             (t.slot.inside, 5060))
    equal(final(pbx).status, 200, "octets behind the body (RFC 3261 18.3)")
    pbx.send(ping_message(pbx, call_id="short", headers=[("Content-Length", "99")], body=b"extra"),
             (t.slot.inside, 5060))
    equal(final(pbx).status, 400, "a body shorter than Content-Length")


@case("UDP: rubbish is dropped, and the SBC goes on", short=True)
def rubbish(t):
    t.sbc()
    pbx = t.endpoint(t.slot.pbx)
    for raw in (b"", b"\0", b"\r\n\r\n", b"x", b"\0" * 1400, b"SIP/2.0\r\n\r\n", b"INVITE\r\n\r\n",
                b"OPTIONS sip:a@b SIP/2.0\r\n\r\n", b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n",
                bytes(range(256)) * 5, b"A" * 65000, b"OPTIONS sip:a SIP/2.0\r\n" + b"X: y\r\n" * 9000):
        pbx.sock.sendto(raw, (t.slot.inside, 5060))
    pbx.lenient = True
    equal(options(pbx, (t.slot.inside, 5060)).status, 200, "OPTIONS afterwards")


@case("every TCP request of one call uses the connection that is there")
def connection_reuse(t):
    t.sbc()
    pbx, carrier = t.endpoint(t.slot.pbx, transport="tcp"), t.endpoint(t.slot.carrier)
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    callee = Call.receive(carrier)
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    callee.request("BYE")
    bye = caller.take_bye()
    equal(bye.source, caller.peer, "the connection of the BYE")
    callee.expect(200, method="BYE")
    equal(len(pbx.connections), 1, "connections")


@case("a TCP caller whose connection broke is called back at its Contact")
def connection_lost(t):
    sbc = t.sbc()
    pbx, carrier = t.endpoint(t.slot.pbx, transport="tcp"), t.endpoint(t.slot.carrier)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    caller.peer.sock.close()
    caller.peer.closed = True
    callee.request("BYE")
    caller.take_bye()
    callee.expect(200, method="BYE")
    sbc.wait_idle()


@case("a message over the size limit is refused or dropped, quickly")
def oversized(t):
    t.sbc()
    pbx = t.endpoint(t.slot.pbx)
    pbx.send(ping_message(pbx, headers=[(f"X-{n}", "y" * 200) for n in range(280)]),
             (t.slot.inside, 5060))
    answer = final(pbx, 1)
    check(answer is None or answer.status in (200, 400, 413, 513), f"got {answer and answer.brief()}")
    equal(options(pbx, (t.slot.inside, 5060)).status, 200, "OPTIONS afterwards")
