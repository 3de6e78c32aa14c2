# SPDX-License-Identifier: MIT
"""Secure media with baresip on both sides: SDES and DTLS-SRTP towards a plain phone, towards each
other, offered by the phone and by the border, welcome or demanded. Each hears the other's tone.
Where keys pass through, libsrtp on both sides as well: what one sealed the other opens."""
import base64
import os

import srtp
from harness.baresip import Baresip, check_tone
from harness.case import case
from harness.check import Skip, check, equal, eventually
from harness.sip import Call
from harness import sdp

from cases.rtpengine import SUITES

# What the trunk asks of a phone like this.
POLICY = {
    None: {},
    "srtp": {"srtp": "optional", "keying": ["sdes"], "sdes_trusted": True},
    "srtp-mand": {"srtp": "required", "keying": ["sdes"], "sdes_trusted": True},
    "dtls_srtp": {"srtp": "required", "keying": ["dtls"]},
}


def world(t, near, far, **more):
    ports = {"pbx": t.slot.port(0), "carrier": t.slot.port(4)}

    def change(document):
        for trunk, media in zip(document["provisioning"]["trunks"], (near, far)):
            trunk["gateways"] = [{"uri": f"sip:127.0.0.1:{ports[trunk['name']]}"}]
            trunk["media"] = {**media, **more}
    return t.sbc(change), ports


def flows_on(sbc, call_id):
    """Both sides are heard, and sent to, 50 packets more."""
    def figures():
        sides = sbc.rest("GET", f"/calls/{call_id}")["media"]
        return [side[name] for side in sides for name in ("packets_received", "packets_sent")]
    before = figures()
    eventually(lambda: all(now > then + 50 for now, then in zip(figures(), before)),
               f"media goes on from {before}", 5)


def talk(t, near, far, ice=False, killed=False, more=None, suites=None):
    """The caller is `near`, inside. suites: of its side and of the other, each the only one there."""
    more = {**(more or {}), **({"ice": "lite", "rtcp_mux": "optional"} if ice else {})}
    seconds = 12 if ice else 9
    policies = [dict(POLICY[phone]) for phone in (near, far)]
    for policy, suite in zip(policies, suites or ()):
        policy["srtp_suites"] = [suite]
    sbc, ports = world(t, *policies, **more)
    callee = t.own(Baresip(t.folder, "bob", ports["carrier"], t.slot.port(20), 1000, seconds + 5,
                           secure=far,
                           ice=ice))
    t.wait_bound("127.0.0.1", ports["carrier"], True)
    caller = t.own(Baresip(t.folder, "alice", ports["pbx"], t.slot.port(30), 440, seconds,
                           f"sip:bob@{t.slot.inside}", secure=near, ice=ice))
    call = eventually(lambda: next((c for c in sbc.calls() if c["state"] == "answered"), None),
                      "an answered call", 9)
    sides = eventually(
        lambda: (lambda c: c if all(s["packets_received"] > 50 for s in c["media"]) else None)(
            sbc.rest("GET", f"/calls/{call['id']}")), "figures that grow", seconds - 1)["media"]
    for side, phone in zip(sides, (near, far)):
        equal(side["srtp"] == "none", phone is None, f"side {side['side']} plain: {side['srtp']}")
    if suites:
        equal([side["srtp"] for side in sides], list(suites), "suites of the sides")
    check("inline" not in str(sides), "a key in the API")
    if killed:
        sbc.kill("media-relayd")
        sbc.restart("media-relayd")
        flows_on(sbc, call["id"])
    caller.wait(15)
    callee.wait(20)
    check_tone(caller, 1000, (440,))
    check_tone(callee, 440, (1000,))
    record, = sbc.wait_cdrs(1)
    equal([side["srtp"] for side in record["media"]], [side["srtp"] for side in sides], "CDR's suites")
    # baresip says two things in the clear whatever was agreed: an RTCP APP at the start, a BYE at the end.
    check(all(side["packets_forged"] <= (2 if phone else 0)
              for side, phone in zip(record["media"], (near, far))), f"forged packets: {record['media']}")
    for name in ("sbcd", "media-relayd", "mgmt-apid"):
        check("inline:" not in sbc.children[name].output(), f"a key in the log of {name}")


PAIRS = (("srtp-mand", None), (None, "srtp-mand"), ("srtp-mand", "srtp-mand"), ("srtp", "srtp"),
         ("dtls_srtp", None), (None, "dtls_srtp"), ("dtls_srtp", "dtls_srtp"),
         ("dtls_srtp", "srtp-mand"), ("srtp-mand", "dtls_srtp"))
for pair in PAIRS:
    case(f"baresip with {pair[0] or 'plain RTP'} calls one with {pair[1] or 'plain RTP'}")(
        lambda t, pair=pair: talk(t, *pair))


# baresip offers the first of its suites alone, and takes any of these.
for taken in ("AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"):
    case(f"baresip with AES_CM_128_HMAC_SHA1_80 calls one with {taken}")(
        lambda t, taken=taken: talk(t, "srtp-mand", "srtp-mand", suites=("AES_CM_128_HMAC_SHA1_80", taken)))


@case("baresip with ICE, rtcp-mux and DTLS on both sides")
def ice(t):
    talk(t, "dtls_srtp", "dtls_srtp", ice=True)


@case("the relay killed under DTLS: keys and counters come back, nobody shakes hands again")
def killed(t):
    talk(t, "dtls_srtp", "dtls_srtp", killed=True)


@case("the relay killed under ICE and DTLS: the paths come back, too")
def killed_with_ice(t):
    talk(t, "dtls_srtp", "dtls_srtp", ice=True, killed=True)


@case("keys that pass: baresip on both sides, each with the other's keys")
def passed_phones(t):
    talk(t, "srtp-mand", "srtp-mand", more={"sdes_pass": True})


@case("keys that pass: baresip on both sides, the relay killed")
def passed_phones_killed(t):
    talk(t, "srtp", "srtp", killed=True, more={"sdes_pass": True})


NAMES = dict(enumerate(SUITES, 1))  # by enum ctl_srtp_suite


def crypto_line(tag, suite, key, more=""):
    return f"a=crypto:{tag} {NAMES[suite]} inline:{base64.b64encode(key).decode()}{more}"


def secured(media, *lines, **more):
    return sdp.compose(media.ip, media.port, extra=lines, **more).replace(b" RTP/AVP ", b" RTP/SAVP ")


def crypto_of(body):
    return [line for line in body.decode().split("\r\n") if line.startswith("a=crypto")]


def sealed(sender, keys, to, receiver, opens, source, ways):
    """RTP and RTCP arrive as they were sealed, and open with the other's own keys."""
    for _ in range(30):
        plain = sender.packet()
        data = keys.seal(plain)
        sender.rtp.sendto(data, to)
        got = receiver.receive(1)
        check(got and got[0][0] == data and got[0][1] == tuple(source), f"RTP as it was sealed: {got}")
        equal(opens.open(data), plain, "what libsrtp opens")
    report = sender.sender_report()
    data = keys.seal(report, control=True)
    sender.rtcp.sendto(data, (to[0], to[1] + 1))
    got = receiver.receive_rtcp()
    check(got and got[0][0] == data, f"RTCP as it was sealed: {got}")
    equal(opens.open(data, control=True), report, "what libsrtp opens of RTCP")
    ways.append(len(data))


def passing(document, both=True):
    for trunk in document["provisioning"]["trunks"]:
        trunk["media"] = {**POLICY["srtp-mand"], "sdes_pass": both or trunk["name"] == "pbx"}


@case("keys that pass: each end's own cross as they are, packets too, over a re-INVITE and a kill -9",
      short=True)
def passed(t):
    if not srtp.LIBRARY:
        raise Skip("libsrtp2 is not installed")
    sbc = t.sbc(passing)
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    keys = {name: os.urandom(size) for name, size in (("near", 28), ("other", 30), ("far", 28), ("new", 30))}
    offered = [crypto_line(3, 7, keys["near"]), crypto_line(9, 1, keys["other"], "|2^20|1:4")]
    caller = Call.start(pbx, (t.slot.inside, 5060), "+49", sdp=secured(near, *offered))
    callee = Call.receive(carrier)
    equal(crypto_of(callee.invite.body), offered, "crypto lines in the offer")
    answered = [crypto_line(3, 7, keys["far"])]
    callee.reply(200, secured(far, *answered))
    answer = caller.expect(200)
    equal(crypto_of(answer.body), answered, "crypto lines in the answer")
    caller.ack()
    callee.take_request("ACK")
    to_near, to_far = sdp.Session(answer.body).target, sdp.Session(callee.invite.body).target

    def both_ways(near_key, far_key, suite, ways):
        ends = [srtp.Crypto(suite, near_key, far_key), srtp.Crypto(suite, far_key, near_key)]
        sealed(near, ends[0], to_near, far, ends[1], to_far, ways)
        sealed(far, ends[1], to_far, near, ends[0], to_near, ways)
    ways = []
    both_ways(keys["near"], keys["far"], 7, ways)
    call, = sbc.calls()
    media = sbc.rest("GET", f"/calls/{call['id']}")["media"]
    equal([side["srtp"] for side in media], [NAMES[7]] * 2, "suites")
    equal([side["packets_received"] for side in media], [30, 30], "packets")
    equal([side["packets_forged"] for side in media], [0, 0], "packets that did not open")
    check("inline" not in str(call) + str(media), "a key in the API")
    # The callee takes new keys of another suite.
    callee.send_invite(secured(far, crypto_line(1, 1, keys["new"]), version=2))
    again = caller.take_request("INVITE")
    equal(crypto_of(again.body), [crypto_line(1, 1, keys["new"])], "crypto lines in the re-INVITE")
    caller.reply(200, secured(near, crypto_line(1, 1, keys["other"]), version=2))
    equal(crypto_of(callee.expect(200).body), [crypto_line(1, 1, keys["other"])], "in its answer")
    callee.ack()
    caller.take_request("ACK")
    both_ways(keys["other"], keys["new"], 1, ways)
    sbc.kill("media-relayd")
    sbc.restart("media-relayd")
    sbc.wait_ready()
    for at in (to_near, to_far):  # ready is said for new calls; the relay is told of this one meanwhile
        t.wait_bound(*at, True)
    both_ways(keys["other"], keys["new"], 1, ways)
    equal(len(ways), 6, "ways that were looked at")
    caller.request("BYE")
    callee.take_bye()
    sbc.wait_idle()
    for name in ("sbcd", "media-relayd", "mgmt-apid"):
        check("inline:" not in sbc.children[name].output(), f"a key in the log of {name}")
    equal(sbc.metrics()["sbc_leaks_blocked_total"], 0, "messages that were held back")


@case("keys do not pass to a trunk that does not say so; an answer without keys is refused", short=True)
def not_passed(t):
    sbc = t.sbc(lambda document: passing(document, both=False))
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    key, other = os.urandom(30), os.urandom(30)
    for passes in (False, True):
        caller = Call.start(pbx, (t.slot.inside, 5060), "+49", sdp=secured(near, crypto_line(5, 1, key)))
        callee = Call.receive(carrier)
        lines = crypto_of(callee.invite.body)
        equal(lines == [crypto_line(5, 1, key)], passes, f"keys crossed: {lines}")
        if passes:
            callee.reply(200, secured(far))
            caller.expect(502)
            caller.ack()
            callee.take_request("ACK")
            callee.take_bye()
            continue
        ours = next(line for line in lines if NAMES[1] in line)
        mine = crypto_line(ours.split(":")[1].split(" ")[0], 1, other)
        callee.reply(200, secured(far, mine))
        answered, = crypto_of(caller.expect(200).body)
        check(answered.startswith(f"a=crypto:5 {NAMES[1]} inline:"), answered)
        check(answered != crypto_line(5, 1, other), "the callee's key crossed")
        caller.ack()
        callee.take_request("ACK")
        caller.request("BYE")
        callee.take_bye()
        sbc.rest("PATCH", "/trunks/carrier", {"media": {"sdes_pass": True}})
    equal(sbc.wait_cdrs(2)[0]["cause"], "answer_keys", "cause")


@case("offers that a policy cannot take get 488 and a cause in the record")
def refused(t):
    def change(document):
        document["provisioning"]["trunks"][0]["media"] = POLICY["srtp-mand"]
    sbc = t.sbc(change)
    pbx, _ = t.peers()
    caller = Call.start(pbx, (t.slot.inside, 5060), "+49", sdp=sdp.compose(pbx.ip, 14000))
    caller.expect(488)
    caller.ack()
    equal(sbc.wait_cdrs(1)[0]["cause"], "srtp_required", "cause")
