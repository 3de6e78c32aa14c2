# SPDX-License-Identifier: MIT
"""Secure media with baresip on both sides: SDES and DTLS-SRTP towards a plain phone, towards each
other, offered by the phone and by the border, welcome or demanded. Each hears the other's tone."""
from harness.baresip import Baresip, check_tone
from harness.case import case
from harness.check import check, equal, eventually
from harness.sip import Call
from harness import sdp

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


def talk(t, near, far, ice=False, killed=False):
    """The caller is `near`, inside."""
    more = {"ice": "lite", "rtcp_mux": "optional"} if ice else {}
    seconds = 12 if ice else 9
    sbc, ports = world(t, POLICY[near], POLICY[far], **more)
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


@case("baresip with ICE, rtcp-mux and DTLS on both sides")
def ice(t):
    talk(t, "dtls_srtp", "dtls_srtp", ice=True)


@case("the relay killed under DTLS: keys and counters come back, nobody shakes hands again")
def killed(t):
    talk(t, "dtls_srtp", "dtls_srtp", killed=True)


@case("the relay killed under ICE and DTLS: the paths come back, too")
def killed_with_ice(t):
    talk(t, "dtls_srtp", "dtls_srtp", ice=True, killed=True)


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
