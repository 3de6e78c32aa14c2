# SPDX-License-Identifier: MIT
"""Real user agents and a real PBX around the SBC: baresip on both sides hears the other's tone,
Kamailio routes for a phone behind it."""
import os

from harness import sdp
from harness.baresip import Baresip, check_tone
from harness.capture import Capture
from harness.case import case
from harness.check import check, equal, eventually
from harness.proc import Server, need
from harness.rtp import exchange
from harness.sip import Call

KAMAILIO = """\
#!KAMAILIO
# The least that makes a PBX: it stays in the dialog, sends what comes from the SBC to its phone and
# what comes from its phone to the SBC.
debug=2
log_stderror=yes
fork=yes
children=1
auto_aliases=no
disable_tcp=yes
listen=udp:{pbx}:5060
mpath="{mpath}"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
modparam("rr", "enable_double_rr", 0)

request_route {{
	if (!mf_process_maxfwd_header("10")) {{
		sl_send_reply("483", "Too Many Hops");
		exit;
	}}
	if (is_method("CANCEL")) {{
		if (t_check_trans()) t_relay();
		exit;
	}}
	if (has_totag()) {{
		if (loose_route()) {{
			t_relay();
		}} else if (is_method("ACK")) {{
			if (t_check_trans()) t_relay();
		}} else {{
			sl_send_reply("404", "Not here");
		}}
		exit;
	}}
	if (is_method("OPTIONS")) {{
		sl_send_reply("200", "OK");
		exit;
	}}
	t_check_trans();
	record_route();
	if ($si == "{phone}") {{
		$rd = "{border}";
		$rp = "5060";
	}} else {{
		$rd = "{phone}";
		$rp = "5060";
	}}
	t_relay();
}}
"""


@case("two baresip agents hear each other's tone, in both directions of calling")
def tones(t):
    need("baresip")
    ports = {"pbx": t.slot.port(0), "carrier": t.slot.port(4)}

    def change(document):
        part = document["provisioning"]
        for one in part["trunks"]:
            one["gateways"] = [{"uri": f"sip:127.0.0.1:{ports[one['name']]}"}]
    sbc = t.sbc(change)
    capture = t.own(Capture(t.folder, f"net 127.77.{t.slot.number}.0/24"))
    for turn, (near, far, border) in enumerate((("pbx", "carrier", t.slot.inside),
                                                ("carrier", "pbx", t.slot.outside))):
        folder = os.path.join(t.folder, f"turn{turn}")
        os.makedirs(folder)
        callee = t.own(Baresip(folder, "bob", ports[far], t.slot.port(20), 1000, 14))
        t.wait_bound("127.0.0.1", ports[far], True)
        caller = t.own(Baresip(folder, "alice", ports[near], t.slot.port(30), 440, 9,
                               f"sip:bob@{border}"))
        call = eventually(lambda: next((c for c in sbc.calls() if c["state"] == "answered"), None),
                          "an answered call", 9)
        sides = eventually(
            lambda: (lambda c: c if all(s["packets_received"] > 50 for s in c["media"]) else None)(
                sbc.rest("GET", f"/calls/{call['id']}")), "figures that grow", 6)["media"]
        check(all(s["codec"].upper().startswith("PCM") for s in sides), f"codecs in {sides}")
        caller.wait(15)
        callee.wait(20)
        check_tone(caller, 1000, (440,))
        check_tone(callee, 440, (1000,))
    capture.stop()
    capture.judge(source=(t.slot.inside, t.slot.outside), at_least=10)
    equal(len(sbc.wait_cdrs(2)), 2, "CDRs")


def module_path():
    for path in ("/usr/lib/x86_64-linux-gnu/kamailio/modules", "/usr/lib/aarch64-linux-gnu/kamailio/modules",
                 "/usr/lib/kamailio/modules"):
        if os.path.isdir(path):
            return path
    return "/usr/lib/kamailio/modules"


@case("Kamailio as the PBX: Record-Route, both directions, hold, hanging up")
def kamailio(t):
    need("kamailio")
    sbc = t.sbc()
    phone_ip = t.slot.ip(11)
    path = os.path.join(t.folder, "kamailio.cfg")
    with open(path, "w", encoding="utf-8") as file:
        file.write(KAMAILIO.format(pbx=t.slot.pbx, phone=phone_ip, border=t.slot.inside,
                                   mpath=module_path()))
    phone, carrier = t.endpoint(phone_ip), t.endpoint(t.slot.carrier)
    t.own(Server(["kamailio", "-DD", "-E", "-f", path, "-Y", t.folder, "-w", t.folder, "-m", "32",
                  "-M", "4"], os.path.join(t.folder, "kamailio.log")))
    t.wait_bound(t.slot.pbx, 5060, True)
    near, far = t.media(phone_ip, 14000), t.media(carrier.ip, 16000)

    # Outbound: the phone by way of the PBX to the carrier.
    caller = Call.start(phone, (t.slot.pbx, 5060), "+4930", sdp=sdp.compose(phone_ip, 14000))
    callee = Call.receive(carrier)
    equal(len(callee.invite.all("Via")) + len(callee.invite.all("Record-Route")), 1,
          "the carrier sees one Via and no Record-Route")
    callee.reply(180)
    caller.expect(180)
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    answer = caller.expect(200)
    check(any(t.slot.pbx in value for value in answer.all("Record-Route")), "the PBX's Record-Route")
    route = [("Route", value) for value in reversed(answer.all("Record-Route"))]
    caller.ack(headers=route)
    callee.take_request("ACK")
    exchange(near, sdp.Session(answer.body).target, far)
    caller.send_invite(sdp.compose(phone_ip, 14000, version=2, direction="sendonly"), route)
    held = sdp.Session(callee.take_request("INVITE").body)
    equal(held.audio.direction, "sendonly", "hold")
    callee.reply(200, sdp.compose(carrier.ip, 16000, version=2, direction="recvonly"))
    caller.expect(200)
    caller.ack(headers=route)
    callee.take_request("ACK")
    callee.request("BYE")
    bye = phone.expect("BYE", call_id=caller.call_id)
    equal(len(bye.all("Via")), 2, "the BYE came by way of the PBX")
    caller.reply(200, request=bye)
    callee.expect(200, method="BYE")

    # Inbound: the carrier to the phone.
    caller = Call.start(carrier, (t.slot.outside, 5060), "100", sdp=sdp.compose(carrier.ip, 16000))
    callee = Call.receive(phone, peer=(t.slot.pbx, 5060))
    callee.reply(180)
    caller.expect(180)
    callee.reply(200, sdp.compose(phone_ip, 14000))
    answer = caller.expect(200)
    equal(answer.all("Record-Route"), [], "Record-Route shown to the carrier")
    caller.ack()
    callee.take_request("ACK")
    exchange(far, sdp.Session(answer.body).target, near)
    caller.request("BYE")
    callee.take_bye()
    caller.expect(200, method="BYE")
    sbc.wait_idle()
    equal(len(sbc.wait_cdrs(2)), 2, "CDRs")
