# SPDX-License-Identifier: MIT
"""A carrier that asks for a digest, of the first INVITE and of every request inside the dialog. The
digest is computed here anew (RFC 2617 3.2.2, RFC 7616 3.4), by nothing that the SBC uses."""
import hashlib
import re

from harness import sdp
from harness.case import case
from harness.check import check, equal
from harness.sip import Call

USER, PASSWORD, REALM = "acct", "s3cret word", "carrier.example"
OTHER = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}


def with_auth(**more):
    def change(document):
        document["provisioning"]["trunks"][1]["auth"] = {"username": USER, "password": PASSWORD, **more}
    return change


def digest(text, algorithm):
    return hashlib.new({"MD5": "md5", "SHA-256": "sha256"}[algorithm], text.encode()).hexdigest()


def challenge(call, request, status=401, nonce="n1", algorithm="MD5", stale=False):
    extra = ', stale=true' if stale else ''
    call.reply(status, request=request, headers=[(OTHER[status][0],
               f'Digest realm="{REALM}", nonce="{nonce}", algorithm={algorithm}, qop="auth"{extra}')])
    if request.method == "INVITE":
        call.endpoint.expect("ACK", call_id=call.call_id)


def verify(request, status=401, nonce="n1", algorithm="MD5"):
    """The credentials are there, once, and right for this very request."""
    lines = request.all(OTHER[status][1])
    equal(len(lines), 1, f"{OTHER[status][1]} in\n{request}")
    found = {name: quoted or plain for name, quoted, plain in
             re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', lines[0])}
    equal((found["username"], found["realm"], found["nonce"], found["uri"], found["qop"]),
          (USER, REALM, nonce, request.uri, "auth"), f"fields of {lines[0]}")
    first = digest(f"{USER}:{REALM}:{PASSWORD}", algorithm)
    second = digest(f"{request.method}:{request.uri}", algorithm)
    wanted = digest(":".join((first, nonce, found["nc"], found["cnonce"], "auth", second)), algorithm)
    equal(found["response"], wanted, f"the digest in {lines[0]}")
    check(PASSWORD not in str(request), "the password is shown")


def bare(request):
    check(not request.get("Authorization") and not request.get("Proxy-Authorization"),
          f"credentials that nobody asked for in\n{request}")
    return request


def asked_twice(callee, method, status=401, **more):
    """Takes a request, challenges it, takes it again and verifies it."""
    first = bare(callee.take_request(method))
    challenge(callee, first, status, **more)
    again = callee.take_request(method)
    verify(again, status, **more)
    check(again.cseq > first.cseq, f"CSeq {again.cseq} after {first.cseq}")
    equal(again.body, first.body, "the body")
    return first, again


def talk(t, change=None):
    """A call that the carrier has challenged already."""
    sbc = t.sbc(change or with_auth())
    pbx, carrier = t.peers()
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    first = Call.receive(carrier)
    bare(first.invite)
    challenge(first, first.invite, 407)
    callee = Call.receive(carrier)
    equal(callee.call_id, first.call_id, "Call-ID")
    verify(callee.invite, 407)
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    caller.expect(200)
    caller.ack()
    equal(callee.take_request("ACK").all("Proxy-Authorization"),
          callee.invite.all("Proxy-Authorization"), "the ACK's credentials (22.1)")
    return sbc, caller, callee


@case("a BYE is challenged, and comes again with its reason", short=True)
def bye(t):
    sbc, caller, callee = talk(t)
    caller.request("BYE", headers=[("Reason", "Q.850;cause=16")])
    caller.expect(200, method="BYE")
    first, again = asked_twice(callee, "BYE", nonce="n2", algorithm="SHA-256")
    equal(again.get("Reason"), first.get("Reason"), "Reason")
    check("cause=16" in again.get("Reason"), f"Reason: {again.get('Reason')}")
    callee.reply(200, request=again)
    sbc.wait_idle()
    equal(len(sbc.wait_cdrs(1)), 1, "CDRs")


@case("the operator hangs up, and the carrier challenges that BYE")
def hangup(t):
    sbc, caller, callee = talk(t)
    call, = sbc.calls()
    sbc.rest("DELETE", f"/calls/{call['id']}", wanted=204)
    caller.take_bye()
    callee.reply(200, request=asked_twice(callee, "BYE", 407)[1])
    callee.endpoint.silence(0.6)
    sbc.wait_idle()


@case("a re-INVITE and an UPDATE are challenged, and go through", short=True)
def exchanges(t):
    _, caller, callee = talk(t)
    caller.send_invite(sdp.compose(caller.endpoint.ip, 14100))
    _, again = asked_twice(callee, "INVITE", 401, nonce="n3")
    callee.reply(200, sdp.compose(callee.endpoint.ip, 16000), request=again)
    caller.expect(200)
    caller.ack()
    equal(callee.take_request("ACK").all("Authorization"), again.all("Authorization"),
          "the ACK's credentials")
    caller.request("UPDATE", body=sdp.compose(caller.endpoint.ip, 14200))
    _, again = asked_twice(callee, "UPDATE", 407, nonce="n4")
    callee.reply(200, sdp.compose(callee.endpoint.ip, 16000), request=again)
    caller.expect(200, method="UPDATE")
    # One that nobody challenges: neither it nor its ACK has credentials.
    caller.send_invite(sdp.compose(caller.endpoint.ip, 14300))
    callee.reply(200, sdp.compose(callee.endpoint.ip, 16000),
                 request=bare(callee.take_request("INVITE")))
    caller.expect(200)
    caller.ack()
    bare(callee.take_request("ACK"))
    caller.request("BYE")
    callee.take_bye()
    caller.expect(200, method="BYE")


@case("an INFO is challenged, and comes again with its body")
def info(t):
    _, caller, callee = talk(t)
    for text in (b"Signal=5\r\nDuration=160\r\n", b"Signal=#\r\n"):
        caller.request("INFO", body=text, content_type="application/dtmf-relay")
        _, again = asked_twice(callee, "INFO")
        equal((again.body, again.get("Content-Type")), (text, "application/dtmf-relay"), "the INFO")
        callee.reply(200, request=again)
        caller.expect(200, method="INFO")


@case("credentials that are refused are not sent again; a stale nonce is good for one more")
def refused(t):
    sbc, caller, callee = talk(t)
    caller.request("INFO", body=b"x", content_type="text/plain")
    challenge(callee, asked_twice(callee, "INFO")[1], nonce="n7")
    caller.expect(403, method="INFO")
    caller.request("INFO", body=b"x", content_type="text/plain")
    challenge(callee, asked_twice(callee, "INFO")[1], nonce="n8", stale=True)
    third = callee.take_request("INFO")
    verify(third, nonce="n8")
    challenge(callee, third, nonce="n9", stale=True)
    caller.expect(403, method="INFO")
    caller.send_invite(sdp.compose(caller.endpoint.ip, 14100))
    challenge(callee, asked_twice(callee, "INVITE")[1], nonce="n7")
    answer = caller.endpoint.take(lambda m: m.status >= 300)
    equal(answer.status, 488, "the re-INVITE's answer")
    caller.ack_failure(answer)
    equal(len(sbc.calls()), 1, "live calls")
    caller.request("BYE")
    caller.expect(200, method="BYE")
    challenge(callee, asked_twice(callee, "BYE")[1], nonce="n7")
    callee.endpoint.silence(0.6)
    sbc.wait_idle()


@case("nobody else gets a digest: not the caller's side, not another realm", short=True)
def not_for_others(t):
    sbc, caller, callee = talk(t)
    callee.request("INFO", body=b"x", content_type="text/plain")
    challenge(caller, bare(caller.take_request("INFO")))
    callee.expect(403, method="INFO")
    callee.request("BYE")
    callee.expect(200, method="BYE")
    challenge(caller, bare(caller.take_request("BYE")))
    caller.endpoint.silence(0.3)
    sbc.wait_idle()
    sbc.rest("PATCH", "/trunks/carrier", {"auth": {"realm": "another.example"}})
    call = Call.start(caller.endpoint, (t.slot.inside, 5060), "+4930",
                      sdp=sdp.compose(caller.endpoint.ip, 14000))
    stranger = Call.receive(callee.endpoint)
    challenge(stranger, stranger.invite)
    call.expect(403)
