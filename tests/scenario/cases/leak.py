# SPDX-License-Identifier: MIT
"""Topology hiding: marked secrets wherever a message of one side can carry one; none of them, and no
address, Call-ID, tag or branch of that side, may be found in the octets that reach the other. What may
cross: the caller's display name and user, and the called user."""
import re

from harness.case import case
from harness.check import check, equal, eventually
from harness.sip import Call, token

NEAR, FAR = "sEcReTn", "sEcReTf"  # whose secret it is: the PBX's, the carrier's

# Each header that could tell something. {n} makes each mark its own, so that a leak names its source.
HEADERS = [
    ("User-Agent", "{m}/1.0"), ("Server", "{m}/1.0"), ("Organization", "{m}"), ("Subject", "{m}"),
    ("Call-Info", "<http://{m}.example/>;purpose=icon"), ("Alert-Info", "<http://{m}.example/ring>"),
    ("Error-Info", "<sip:{m}@err.example>"), ("In-Reply-To", "{m}@x"),
    ("Reply-To", '"{m}" <sip:{m}@reply.example>'), ("Warning", '399 {m}.example "{m}"'),
    ("Accept", "application/sdp, application/{m}"), ("Accept-Language", "{m}"),
    ("Accept-Encoding", "identity, {m}"), ("Supported", "{m}"), ("Priority", "{m}"),
    ("Authorization", 'Digest username="{m}", realm="{m}", nonce="{m}", uri="sip:{m}", response="{m}"'),
    ("Proxy-Authorization", 'Digest username="{m}", realm="{m}", nonce="{m}", uri="sip:{m}",'
                            ' response="{m}"'),
    ("WWW-Authenticate", 'Digest realm="{m}", nonce="{m}"'),
    ("P-Asserted-Identity", '"{m}" <sip:{m}@pai.example>'),
    ("P-Preferred-Identity", "<sip:{m}@ppi.example>"), ("Remote-Party-ID", "<sip:{m}@rpid.example>"),
    ("Diversion", "<sip:{m}@div.example>;reason=unconditional"),
    ("History-Info", "<sip:{m}@hist.example>;index=1"), ("Privacy", "none;{m}"),
    ("P-Charging-Vector", "icid-value={m};orig-ioi={m}"), ("P-Access-Network-Info", "{m}"),
    ("P-Visited-Network-ID", '"{m}"'), ("P-Called-Party-ID", "<sip:{m}@x>"), ("X-Internal", "{m}"),
    ("Geolocation", "<cid:{m}@geo.example>"), ("Identity", '"{m}";info=<https://{m}.example>;alg=ES256'),
    ("User-to-User", "{m};encoding=hex"), ("Session-ID", "{m};remote={m}"),
    ("Reason", 'Q.850;cause=16;text="{m}"'), ("Content-Language", "{m}"),
    ("Content-Disposition", "session;handling=optional;{m}={m}"), ("Timestamp", "54.21"),
    ("Referred-By", "<sip:{m}@ref.example>"), ("Replaces-Hint", "{m}"), ("Path", "<sip:{m}@path;lr>"),
    ("Service-Route", "<sip:{m}@sr;lr>"), ("MIME-Version", "1.0"), ("Date", "Sat, 13 Nov 2010 23:29:00 GMT"),
    ("Resource-Priority", "{m}.0"), ("Answer-Mode", "Manual;{m}"), ("Accept-Contact", "*;{m}"),
    ("Join-Hint", "{m}"), ("Feature-Caps", '*;+{m}'), ("Via-Hint", "{m}"),
]


def marked(mark, prefix):
    return [(name, value.format(m=f"{mark}{prefix}{n}")) for n, (name, value) in enumerate(HEADERS)]


def sdp(ip, port, mark, version=1):
    """Every line that can carry something, each with a mark; valid all the same."""
    m = f"{mark}sdp"
    lines = [
        "v=0", f"o={m}o 998877665544 {version} IN IP4 {ip}", f"s={m}s", f"i={m}i",
        f"u=http://{m}u.example/", f"e={m}e@example.com ({m}e)", f"p=+1 555 {m}p", f"c=IN IP4 {ip}",
        "t=0 0", f"a=tool:{m}tool", f"a=x-{m}xs:{m}", f"a=ice-ufrag:{m}u", f"a=ice-pwd:{m}passwordpassword",
        f"a=group:BUNDLE {m}mid", f"a=msid-semantic: WMS {m}",
        f"m=audio {port} RTP/AVP 0 101", f"i={m}title", f"a=rtcp:{port + 1} IN IP4 {ip}",
        "a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=ptime:20",
        "a=sendrecv", f"a=label:{m}label", f"a=mid:{m}mid", f"a=ssrc:778899 cname:{m}cname",
        f"a=ssrc:778899 msid:{m}a {m}b", f"a=msid:{m}a {m}b",
        f"a=candidate:1 1 UDP 2130706431 {ip} {port} typ host", f"a=remote-candidates:1 {ip} {port}",
        f"a=x-{m}xm:{m}", f"a=content:{m}", f"a=alt:1 1 : {m} {m} {ip} {port}",
    ]
    return ("\r\n".join(lines) + "\r\n").encode()


class Side:
    """What must not be seen of one side."""

    def __init__(self, mark, ip, border):
        self.mark, self.words, self.addresses = mark, [], [ip, border]

    def learn(self, call, endpoint):
        """The dialog's own identifiers, and the branches that this side made."""
        self.words += [call.call_id, re.search(r"tag=([^;]+)", call.local).group(1)]
        for _, way, raw in endpoint.log:
            if way == ">" and not raw.startswith(b"SIP/2.0"):
                self.words += re.findall(r"branch=([^;,\s]+)", raw.decode())

    def judge(self, wire, who):
        for raw in wire:
            text = raw.decode("utf-8", "replace")
            low = text.lower()
            check(self.mark.lower() not in low, f"a mark reached {who}: "
                  f"{re.findall('(?im)^.*' + self.mark + '.*$', text)}\n{text}")
            for address in self.addresses:
                check(not re.search(re.escape(address) + r"(?!\d)", text),
                      f"the address {address} reached {who}:\n{text}")
            for word in self.words:
                check(word.lower() not in low, f"{word} of the other side reached {who}:\n{text}")


def sides(t):
    return Side(NEAR, t.slot.pbx, t.slot.inside), Side(FAR, t.slot.carrier, t.slot.outside)


def start(t, pbx, prefix="a"):
    """An INVITE with marks in everything, also around the names that may cross."""
    caller = Call(pbx, (t.slot.inside, 5060))
    caller.call_id = f"{NEAR}callid-{token()}@{pbx.ip}"
    caller.local = (f'"Alice" <sip:alice@{pbx.hostport};{NEAR}uriparam={NEAR}>;tag={NEAR}tag{token()}'
                    f";{NEAR}param={NEAR}")
    caller.remote = f'"{NEAR}todisplay" <sip:+4930@{NEAR}tohost.example;user=phone>;{NEAR}p=1'
    caller.remote_target = f"sip:+4930@{t.slot.inside}:5060;{NEAR}ruri={NEAR}"
    caller.calling = f"{NEAR}contact"
    caller.send_invite(sdp(pbx.ip, 14000, NEAR), marked(NEAR, prefix) + [
        ("Via", f"SIP/2.0/UDP {NEAR}hop.example:5088;branch=z9hG4bK{NEAR}hop;received=192.0.2.1")])
    return caller


@case("a whole call shows nothing of either side to the other", short=True)
def whole_call(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    near, far = sides(t)
    caller = start(t, pbx)
    callee = Call.receive(carrier)
    check("alice" in callee.invite.get("From") and "Alice" in callee.invite.get("From"),
          f"the caller's name crosses: {callee.invite.get('From')}")
    callee.calling = f"{FAR}calleecontact"
    callee.local += f";{FAR}param={FAR}"
    callee.reply(180, headers=marked(FAR, "r180"), reason=f"{FAR} ringing")
    caller.expect(180)
    callee.reply(183, sdp(carrier.ip, 16000, FAR), marked(FAR, "r183"), reason=f"{FAR} progress")
    caller.expect(183)
    callee.reply(200, sdp(carrier.ip, 16000, FAR), marked(FAR, "r200"), reason=f"{FAR} fine")
    caller.expect(200)
    caller.ack(headers=marked(NEAR, "ack"))
    callee.take_request("ACK")
    for asking, other, port, ours, theirs in ((caller, callee, 14000, NEAR, FAR),
                                              (callee, caller, 16000, FAR, NEAR)):
        asking.send_invite(sdp(asking.endpoint.ip, port, ours, 2), marked(ours, "re"))
        other.take_request("INVITE")
        other.reply(200, sdp(other.endpoint.ip, 30000 - port, theirs, 2),
                    marked(theirs, "re200"))
        asking.expect(200)
        asking.ack(headers=marked(ours, "reack"))
        other.take_request("ACK")
        asking.request("INFO", marked(ours, "info"), b"Signal=1\r\n", "application/dtmf-relay")
        other.reply(200, request=other.take_request("INFO"), headers=marked(theirs, "info200"))
        asking.expect(200, method="INFO")
        asking.request("UPDATE", marked(ours, "upd"), sdp(asking.endpoint.ip, port, ours, 3))
        other.reply(200, sdp(other.endpoint.ip, 30000 - port, theirs, 3), marked(theirs, "upd200"),
                    request=other.take_request("UPDATE"))
        asking.expect(200, method="UPDATE")
    caller.request("BYE", marked(NEAR, "bye"))
    callee.take_bye(headers=marked(FAR, "bye200"))
    caller.expect(200, method="BYE")
    near.learn(caller, pbx)
    far.learn(callee, carrier)
    near.judge(carrier.wire, "the carrier")
    far.judge(pbx.wire, "the PBX")
    sbc.wait_idle()


@case("a refused and a cancelled call show nothing either")
def failures(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    near, far = sides(t)
    caller = start(t, pbx)
    callee = Call.receive(carrier)
    callee.calling = f"{FAR}contact"
    callee.reply(486, headers=marked(FAR, "r486") + [("Retry-After", f"5;{FAR}=1")],
                 reason=f"{FAR} no thanks")
    callee.take_request("ACK")
    caller.expect(486)
    caller = start(t, pbx, "b")
    callee = Call.receive(carrier)
    callee.reply(180, headers=marked(FAR, "r180"))
    caller.expect(180)
    caller.cancel([("Reason", f'SIP;cause=200;text="{NEAR}cancel"')] + marked(NEAR, "can"))
    caller.expect(200, method="CANCEL")
    callee.reply(200, request=callee.take_request("CANCEL"), headers=marked(FAR, "can200"))
    callee.reply(487, headers=marked(FAR, "r487"))
    callee.take_request("ACK")
    caller.expect(487)
    near.judge(carrier.wire, "the carrier")
    far.judge(pbx.wire, "the PBX")
    sbc.wait_idle()


@case("a redirection of the callee is not passed on")
def redirected(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    near, far = sides(t)
    caller = start(t, pbx)
    callee = Call.receive(carrier)
    callee.reply(302, headers=[("Contact", f"<sip:{FAR}@{t.slot.stranger}>")] + marked(FAR, "r302"),
                 contact=False, reason=FAR)
    callee.take_request("ACK")
    answer = pbx.take(lambda m: m.status >= 300)
    check(answer is not None and answer.status >= 300, "no final answer after a 302")
    caller.ack_failure(answer)
    far.addresses.append(t.slot.stranger)
    near.judge(carrier.wire, "the carrier")
    far.judge(pbx.wire, "the PBX")
    sbc.wait_idle()


@case("both sides' identifiers differ: Call-ID, tags, branches, o= line", short=True)
def identifiers(t):
    t.sbc()
    pbx, carrier = t.peers()
    caller = start(t, pbx)
    callee = Call.receive(carrier)
    invite = callee.invite
    for name in ("Call-ID",):
        check(invite.get(name) != caller.invite.get(name), name)
    check(invite.tag("From") != caller.invite.tag("From"), "From tag")
    check(len(invite.tag("From")) >= 11, "a tag of at least 64 bits")
    equal(len(invite.all("Via")), 1, "Vias: the SBC's own alone")
    equal(len(invite.all("Record-Route")), 0, "Record-Route")
    check("998877665544" not in invite.body.decode(), "the session id of o=")
    callee.reply(180)
    ringing = caller.expect(180)
    check(ringing.tag("To") != callee.local.rpartition("tag=")[2], "To tag")
    equal(ringing.all("Via"), caller.invite.all("Via") if "received" not in ringing.get("Via")
          else ringing.all("Via"), "Vias of the answer")
    equal(len(ringing.all("Via")), 2, "Vias of the answer")


@case("with trust_identity a P-Asserted-Identity crosses, without it is taken away")
def identity(t):
    def change(document):
        for one in document["provisioning"]["trunks"]:
            one["trust_identity"] = True
    t.sbc(change)
    pbx, carrier = t.peers()
    Call.start(pbx, (t.slot.inside, 5060), "+4930",
               headers=[("P-Asserted-Identity", f'"Boss" <sip:+4911@{pbx.ip}>')])
    callee = Call.receive(carrier)
    identity_there = callee.invite.get("P-Asserted-Identity")
    check(identity_there and "+4911" in identity_there, f"P-Asserted-Identity: {identity_there}")
    check(pbx.ip + ">" not in identity_there, f"the host is hidden: {identity_there}")
    callee.reply(486)


@case("the logs hold no control character and one line for each event")
def logs(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    # An escape octet may stand in no display name (RFC 3261 25.1); the rest may.
    pbx.lenient = True  # a refusal cannot repeat a From that could not be read
    refused = Call.start(pbx, (t.slot.inside, 5060), "+4930", name="A\x1b[31m event=call_ended")
    answer = pbx.take(lambda m: m.get("Call-ID") == refused.call_id and m.status >= 200, 1)
    check(answer is None or answer.status == 400, f"got {answer and answer.brief()}")
    if answer is not None:
        refused.ack_failure(answer)
    caller = Call.start(pbx, (t.slot.inside, 5060), "+4930",
                        name="%n%s\u202e \\\" event=call_ended",
                        headers=[("User-Agent", "\u202e%n event=x")])
    callee = Call.receive(carrier)
    callee.reply(486, reason="x event=y %n")
    caller.expect(486)
    sbc.wait_idle()
    eventually(lambda: "event=" in sbc.children["sbcd"].output(), "events in the log")
    for name, child in sbc.children.items():
        with open(child.log_path, "rb") as file:
            raw = file.read()
        check(not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", raw), f"a control octet in {name}'s log")
        check("\u202e".encode() not in raw, f"U+202E in {name}'s log")


@case("what a side says itself may name an address of the other: nothing is held back for it", short=True)
def own_words(t):
    t.sbc()
    pbx, carrier = t.peers()
    inner = [("Via", f"SIP/2.0/WS x.invalid;received={carrier.ip};branch=z9hG4bKinner"),
             ("Record-Route", f"<sip:{pbx.ip};lr;alias={carrier.ip}>")]
    caller = Call.start(pbx, (t.slot.inside, 5060), "+49", sdp=sdp(pbx.ip, 14000, "x"), headers=inner)
    callee = Call.receive(carrier)
    check(pbx.ip not in str(callee.invite), "the caller's address crossed")
    route = [("Record-Route", f"<sip:{carrier.ip};lr;alias={pbx.ip}>")]
    callee.reply(180, headers=route)
    caller.expect(180)
    callee.reply(200, sdp(carrier.ip, 16000, "y"), headers=route)
    answer = caller.expect(200)
    check(any(carrier.ip in value for value in answer.all("Via")), "the caller's own Via")
    caller.ack()
    ack = callee.take_request("ACK")
    check(any(pbx.ip in value for value in ack.all("Route")), f"the callee's route set: {ack.all('Route')}")
    callee.request("BYE")
    bye = pbx.expect("BYE", call_id=caller.call_id)
    check(any(carrier.ip in value for value in bye.all("Route")), "the caller's route set")
    caller.reply(200, request=bye)
    callee.expect(200, method="BYE")
