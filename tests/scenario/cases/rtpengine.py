# SPDX-License-Identifier: MIT
"""Secure media against rtpengine: every suite over SDES in both directions of offering, and DTLS-SRTP.
Behind it and before the border stand plain peers, so that each packet is compared octet by octet."""
from cases.basic import hang_up
from harness import sdp
from harness.case import case
from harness.check import check, equal, eventually
from harness.rtp import exchange
from harness.rtpengine import Rtpengine
from harness.sip import Call

SUITES = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AES_192_CM_HMAC_SHA1_80",
          "AES_192_CM_HMAC_SHA1_32", "AES_256_CM_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_32",
          "AEAD_AES_128_GCM", "AEAD_AES_256_GCM")
UNUSUAL = ("F8_128_HMAC_SHA1_80", "F8_128_HMAC_SHA1_32", "NULL_HMAC_SHA1_80", "NULL_HMAC_SHA1_32")
REPLACE = {"replace": ["origin", "session-connection"], "ICE": "remove"}


def world(t, keying, suites=None):
    def change(document):
        media = {"srtp": "required", "keying": [keying], "sdes_trusted": keying == "sdes",
                 "srtp_suites": suites or list(SUITES)}
        document["provisioning"]["trunks"][1]["media"] = media
    sbc = t.sbc(change)
    engine = t.own(Rtpengine(t.folder, t.slot.ip(22), t.slot.port(40)))
    t.wait_bound("127.0.0.1", t.slot.port(40), True)
    pbx, carrier = t.peers()
    return sbc, engine, pbx, carrier, t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)


def judge(sbc, suite, near, to_near, far, to_far):
    """near and far send plain RTP; between the border and rtpengine it is this suite. DTLS has its keys
    after a while: a hello that comes before the border knows its peer's address is sent again."""
    call, = sbc.calls()
    if not suite:
        eventually(lambda: any(side["srtp"] != "none" for side in
                               sbc.rest("GET", f"/calls/{call['id']}")["media"]), "keys from DTLS")
    exchange(near, to_near, far, source=to_far)
    exchange(far, to_far, near, source=to_near)
    exchange(near, to_near, far)
    sides = sbc.rest("GET", f"/calls/{call['id']}")["media"]
    found = {side["srtp"] for side in sides}
    check("none" in found and len(found) == 2, f"one side is secured: {found}")
    if suite:
        check(suite in found, f"{found}, wanted {suite}")
    equal(sum(side["packets_forged"] for side in sides), 0, "packets that did not authenticate")


def border_offers(t, keying, suite):
    sbc, engine, pbx, carrier, near, far = world(t, keying, [suite] if suite else None)
    caller = Call.start(pbx, (t.slot.inside, 5060), "+49", sdp=sdp.compose(pbx.ip, 14000))
    callee = Call.receive(carrier)
    ids = {"call_id": "a", "from_tag": "b"}
    plain = engine.ask("offer", sdp=callee.invite.body, transport_protocol="RTP/AVP", **ids, **REPLACE)
    answer = engine.ask("answer", sdp=sdp.compose(carrier.ip, 16000), to_tag="c", **ids, **REPLACE)
    callee.reply(200, answer)
    caller.answer = caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    judge(sbc, suite, near, sdp.Session(caller.answer.body).target, far, sdp.Session(plain).target)
    hang_up(caller, callee)


def border_answers(t, keying, suite):
    sbc, engine, pbx, carrier, near, far = world(t, keying)
    ids = {"call_id": "a", "from_tag": "b"}
    others = [f"no-{other}" for other in SUITES + UNUSUAL if other != suite]
    wanted = {"SDES": others} if suite else {}
    protocol = "UDP/TLS/RTP/SAVP" if keying == "dtls" else "RTP/SAVP"
    offer = engine.ask("offer", sdp=sdp.compose(carrier.ip, 16000), transport_protocol=protocol,
                       DTLS="passive" if keying == "dtls" else "off", **wanted, **ids, **REPLACE)
    caller = Call.start(carrier, (t.slot.outside, 5060), "100", sdp=offer)
    callee = Call.receive(pbx)
    callee.reply(200, sdp.compose(pbx.ip, 14000))
    caller.answer = caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    plain = engine.ask("answer", sdp=caller.answer.body, to_tag="c", **ids, **REPLACE)
    judge(sbc, suite, near, sdp.Session(callee.invite.body).target, far, sdp.Session(plain).target)
    hang_up(caller, callee)


for name in SUITES:
    case(f"rtpengine answers {name}")(lambda t, suite=name: border_offers(t, "sdes", suite))
    case(f"rtpengine offers {name}")(lambda t, suite=name: border_answers(t, "sdes", suite))
case("rtpengine answers DTLS-SRTP")(lambda t: border_offers(t, "dtls", None))
case("rtpengine offers DTLS-SRTP")(lambda t: border_answers(t, "dtls", None))
