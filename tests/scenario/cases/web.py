# SPDX-License-Identifier: MIT
"""A browser's phone (Chromium with JsSIP, behind Kamailio's WebSocket) and a plain PBX phone (baresip)
hear each other: ICE-lite, DTLS-SRTP, AVPF and multiplexed RTCP on one side, bare RTP on the other."""
import time

from cases.peers import module_path
from harness.baresip import Baresip, check_tone
from harness.case import case
from harness.check import check, equal, eventually
from harness.proc import need
from harness.web import Pages, WebPbx, WebPhone

SECONDS = 6


def world(t):
    """(sbc, browser phone, its PBX's address, the plain phone's port)"""
    need("baresip", "chromium", "kamailio")
    pbx_ip, port = t.slot.ip(12), t.slot.port(4)

    def change(document):
        part = document["provisioning"]
        pbx, carrier = part["trunks"]
        pbx["gateways"] = [{"uri": f"sip:{pbx_ip}:5060"}]
        pbx["media"] = {"srtp": "required", "keying": ["dtls"], "ice": "lite",
                        "rtcp_mux": "optional", "feedback": True}
        carrier["gateways"] = [{"uri": f"sip:127.0.0.1:{port}"}]
    sbc = t.sbc(change)
    t.own(WebPbx(t.folder, pbx_ip, t.slot.inside, module_path()))
    t.wait_bound(pbx_ip, 8088, False)
    pages = t.own(Pages(t.slot.ip(13)))
    return sbc, t.own(WebPhone(t.folder, pages, pbx_ip, "alice", 440)), port


def judge(t, sbc, browser, plain):
    """Sound both ways, nothing lost by the browser's own count, and what the API says of it."""
    equal(browser.wait_up()[0], "up", f"the browser's call ({browser.run('phone.cause')})")
    time.sleep(SECONDS / 2)
    heard = browser.hears()
    check(abs(heard["hertz"] - 1000) < 20 and heard["decibels"] > -50, f"the browser hears {heard}")
    call = eventually(lambda: next((c for c in sbc.calls() if c["state"] == "answered"), None),
                      "an answered call")
    sides = sbc.rest("GET", f"/calls/{call['id']}")["media"]
    secured = sorted(side["srtp"] for side in sides)
    check("none" in secured and secured[0] != secured[1], f"one side is secured: {secured}")
    time.sleep(SECONDS / 2)
    stats = browser.stats()
    inbound, transport = stats["inbound-rtp"], stats["transport"]
    check(inbound["packetsReceived"] > 40 * SECONDS, f"the browser received {inbound}")
    equal(inbound["packetsLost"], 0, "lost on the way to the browser")
    equal(transport["dtlsState"], "connected", "DTLS")
    check(stats["remote-inbound-rtp"]["packetsLost"] == 0, "lost on the way from the browser")
    browser.run("phone.hangUp()")
    plain.wait(25)
    check_tone(plain, 440, (1000,))
    sbc.wait_idle()
    equal(sbc.wait_cdrs(1)[0]["result"], "answered", "the CDR")
    equal([line for line in browser.console if "favicon" not in line], [], "the browser's console")


@case("a browser calls a plain phone: both hear the other's tone, nothing is lost")
def browser_calls(t):
    sbc, browser, port = world(t)
    plain = t.own(Baresip(t.folder, "bob", port, t.slot.port(20), 1000, 20))
    t.wait_bound("127.0.0.1", port, True)
    browser.call(f"sip:bob@{t.slot.ip(12)}")
    judge(t, sbc, browser, plain)


@case("a plain phone calls a browser: both hear the other's tone, nothing is lost")
def browser_is_called(t):
    sbc, browser, port = world(t)
    plain = t.own(Baresip(t.folder, "bob", port, t.slot.port(20), 1000, 20,
                          f"sip:alice@{t.slot.outside}"))
    judge(t, sbc, browser, plain)
