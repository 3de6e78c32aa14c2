# SPDX-License-Identifier: MIT
"""Realms with several media addresses: calls between IP versions, and what becomes of calls when an
address is full, is not on this machine, is taken out of the realm, or the relay is killed."""
from harness import sdp
from harness.case import case
from harness.check import check, equal
from harness.rtp import exchange
from harness.sip import Call
from harness.sbc import trunk

from cases.basic import establish, hang_up


def second(slot, realm):
    """The other IPv4 address of "inside" and "outside"."""
    return slot.ip(3 if realm == "inside" else 4)


def told(realm, *addresses):
    media = realm["media"]
    media["more_addresses"] = [{"address": ip} if isinstance(ip, str) else ip for ip in addresses]


class DualStack:
    """Two realms with listeners and media of both IP versions, a trunk of each version in each; a
    number's first digit says which one is called."""
    TRUNKS = {"in4": "1", "in6": "2", "out4": "3", "out6": "4"}

    def __init__(self, t):
        slot = self.slot = t.slot
        self.gateways = {"in4": (slot.ip(11), 5060), "in6": ("::1", slot.port(1)),
                         "out4": (slot.carrier, 5060), "out6": ("::1", slot.port(2))}
        self.sbc = t.sbc(self.change)
        self.callers = {4: t.endpoint(slot.pbx), 6: t.endpoint("::1", slot.port(5))}
        self.callees = {name: t.endpoint(*at) for name, at in self.gateways.items()}
        self.media = {(end, family): t.media(ip, port) for end, family, ip, port in (
            ("near", 4, slot.pbx, 14000), ("near", 6, "::1", slot.port(10)),
            ("far", 4, slot.carrier, 16000), ("far", 6, "::1", slot.port(12)))}

    def change(self, document):
        part, slot = document["provisioning"], self.slot
        for at, realm in enumerate(part["realms"]):
            realm["listeners"].append({"transport": "udp", "address": "::1", "port": slot.port(3 + at)})
            told(realm, {"address": "::1", "port_min": slot.port(20 + 14 * at),
                         "port_max": slot.port(33 + 14 * at)})
        part["trunks"] = [trunk(name, "inside" if name.startswith("in") else "outside",
                                f"sip:[{ip}]:{port}" if ":" in ip else f"sip:{ip}:{port}")
                          for name, (ip, port) in self.gateways.items()]
        part["trunks"][0]["sources"] = [slot.pbx, slot.ip(11), "::1"]
        part["routes"] = [{"name": name, "match": {"called": f"^{digit}"}, "targets": [{"trunk": name}]}
                          for name, digit in self.TRUNKS.items()]

    def border(self, family):
        return (self.slot.inside, 5060) if family == 4 else ("::1", self.slot.port(3))

    def call(self, signalling, offered, name, answered=None):
        """From inside, with signalling and an offer of these IP versions, to a trunk; media both ways."""
        near, far = self.media["near", offered], self.media["far", answered or int(name[-1])]
        caller = Call.start(self.callers[signalling], self.border(signalling), self.TRUNKS[name] + "00",
                            sdp=sdp.compose(near.ip, near.port))
        callee = Call.receive(self.callees[name])
        offer = sdp.Session(callee.invite.body)
        equal((":" in offer.audio.address, "IN IP6 " in offer.text), (name[-1] == "6",) * 2,
              f"IPv6 in the offer to {name}\n{offer.text}")
        callee.reply(200, sdp.compose(far.ip, far.port))
        caller.answer = caller.expect(200)
        answer = sdp.Session(caller.answer.body)
        equal((":" in answer.audio.address, "IN IP6 " in answer.text), (offered == 6,) * 2,
              f"IPv6 in the answer to an offer of IPv{offered}\n{answer.text}")
        caller.ack()
        callee.take_request("ACK")
        exchange(near, answer.target, far, source=offer.target)
        exchange(far, offer.target, near, source=answer.target)
        return caller, callee


@case("dual-stack realms: every pair of IP versions, between realms and inside one", short=True)
def families(t):
    net = DualStack(t)
    for family in (4, 6):
        for name in DualStack.TRUNKS:
            hang_up(*net.call(family, family, name))
    # An offer of one version in signalling of the other.
    hang_up(*net.call(6, 4, "out6"))
    hang_up(*net.call(4, 6, "out4"))
    net.sbc.wait_idle()


@case("dual-stack realms: a late offer has the IP version of who is asked, its answer that of the offer")
def late_offer(t):
    net = DualStack(t)
    for family, name, answered in ((4, "out6", 6), (6, "out4", 4), (4, "out6", 4)):
        near, far = net.media["near", family], net.media["far", answered]
        caller = Call.start(net.callers[family], net.border(family), DualStack.TRUNKS[name] + "00")
        callee = Call.receive(net.callees[name])
        callee.reply(200, sdp.compose(far.ip, far.port))
        offer = sdp.Session(caller.expect(200).body)
        equal(":" in offer.audio.address, family == 6, "IPv6 in the offer")
        caller.ack(sdp=sdp.compose(near.ip, near.port))
        answer = sdp.Session(callee.take_request("ACK").body)
        equal(":" in answer.audio.address, answered == 6, "IPv6 in the answer")
        exchange(near, offer.target, far, source=answer.target)
        exchange(far, answer.target, near, source=offer.target)
        hang_up(caller, callee)


@case("dual-stack realm: failover from a gateway of one IP version to one of the other")
def failover(t):
    net = DualStack(t)
    net.sbc.rest("PATCH", "/routes/out4", {"targets": [{"trunk": "out4", "priority": 1},
                                                       {"trunk": "out6", "priority": 2}]})
    near, far = net.media["near", 4], net.media["far", 6]
    caller = Call.start(net.callers[4], net.border(4), "300", sdp=sdp.compose(near.ip, near.port))
    first = Call.receive(net.callees["out4"])
    equal(sdp.Session(first.invite.body).audio.address, t.slot.outside, "media address for IPv4")
    first.reply(503)
    first.take_request("ACK")
    callee = Call.receive(net.callees["out6"])
    offer = sdp.Session(callee.invite.body)
    equal(offer.audio.address, "::1", "media address for IPv6")
    callee.reply(200, sdp.compose(far.ip, far.port))
    answer = sdp.Session(caller.expect(200).body)
    equal(answer.audio.address, t.slot.inside, "media address of the caller, as before")
    caller.ack()
    callee.take_request("ACK")
    exchange(near, answer.target, far, source=offer.target)
    exchange(far, offer.target, near, source=answer.target)
    hang_up(caller, callee)


@case("calls are spread over a realm's addresses; a full one is passed over", short=True)
def spread(t):
    def change(document):
        outside = document["provisioning"]["realms"][1]
        told(outside, second(t.slot, "outside"))
        outside["media"].update(port_min=30000, port_max=30003)
        outside["media"]["more_addresses"][0].update(port_min=31000, port_max=31011)
    sbc = t.sbc(change)
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    up = [establish(t, pbx, carrier, t.slot.inside, ring=False) for _ in range(8)]
    shown = [sdp.Session(callee.invite.body).audio.address for _, callee in up]
    equal((shown.count(t.slot.outside), shown.count(second(t.slot, "outside"))), (2, 6), "calls at each")
    check(len(set(shown[:3])) == 2, f"both are used from the start: {shown}")
    for caller, callee in (up[0], up[-1]):
        exchange(near, sdp.Session(caller.answer.body).target, far,
                 source=sdp.Session(callee.invite.body).target)
    metrics = sbc.metrics()
    equal(metrics['sbc_relay_port_pairs_in_use{realm="outside"}'], 8, "port pairs of the realm")
    equal(metrics['sbc_relay_address_port_pairs_in_use{realm="outside",address="%s"}' % t.slot.outside], 2,
          "port pairs of its first address")
    Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000)).expect(503)
    for caller, callee in up:
        hang_up(caller, callee)


@case("an address that is not on this machine costs no call; it is told of", short=True)
def not_there(t):
    def change(document):
        outside = document["provisioning"]["realms"][1]
        told(outside, t.slot.outside)
        outside["media"]["address"] = "192.0.2.77"
    sbc = t.sbc(change)
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    for _ in range(3):
        caller, callee = establish(t, pbx, carrier, t.slot.inside, ring=False)
        offer = sdp.Session(callee.invite.body)
        equal(offer.audio.address, t.slot.outside, "media address")
        exchange(near, sdp.Session(caller.answer.body).target, far, source=offer.target)
        hang_up(caller, callee)
    equal(sbc.metrics()['sbc_relay_address_unusable{realm="outside",address="192.0.2.77"}'], 1, "metric")
    log = sbc.children["media-relayd"].output()
    equal(log.count("event=media_address_unusable"), 1, "lines in the log")


@case("all streams of a side are on one address; what is advertised stands in the SDP", short=True)
def advertised(t):
    def change(document):
        outside = document["provisioning"]["realms"][1]
        told(outside, {"address": second(t.slot, "outside"), "advertise": "203.0.113.2"})
        outside["media"]["advertise"] = "203.0.113.1"
    t.sbc(change)
    pbx, carrier = t.peers()
    local = {"203.0.113.1": t.slot.outside, "203.0.113.2": second(t.slot, "outside")}
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)

    def both(ip, port):
        return sdp.compose(ip, port) + (f"m=video {port + 10} RTP/AVP 96\r\n"
                                        "a=rtpmap:96 H264/90000\r\na=sendrecv\r\n").encode()
    up, seen = [], set()
    for _ in range(4):
        caller, callee = establish(t, pbx, carrier, t.slot.inside, ring=False, offer=both(pbx.ip, 14000),
                                   answer=both(carrier.ip, 16000))
        offer = sdp.Session(callee.invite.body)
        equal({s.address for s in offer.streams} - set(local), set(), f"addresses in\n{offer.text}")
        equal((len({s.address for s in offer.streams}), offer.text.count("c=IN")), (1, 1), offer.text)
        seen.add(offer.audio.address)
        exchange(near, sdp.Session(caller.answer.body).target, far,
                 source=(local[offer.audio.address], offer.audio.port))
        up.append((caller, callee))
    equal(seen, set(local), "addresses shown")
    for caller, callee in up:
        hang_up(caller, callee)


@case("an address is taken out under calls: they keep it, over a re-INVITE too; new ones get another",
      short=True)
def taken_out(t):
    def change(document):
        told(document["provisioning"]["realms"][1], second(t.slot, "outside"))
    sbc = t.sbc(change)
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    up = [establish(t, pbx, carrier, t.slot.inside, ring=False) for _ in range(2)]
    shown = {sdp.Session(callee.invite.body).audio.address for _, callee in up}
    equal(shown, {t.slot.outside, second(t.slot, "outside")}, "addresses of two calls")
    sbc.rest("PATCH", "/realms/outside", {"media": {"more_addresses": []}})
    for caller, callee in up:
        offer = sdp.Session(callee.invite.body)
        exchange(near, sdp.Session(caller.answer.body).target, far, source=offer.target)
        caller.send_invite(sdp.compose(pbx.ip, 14000, version=2))
        again = sdp.Session(callee.take_request("INVITE").body)
        equal(again.target, offer.target, "address and port in the re-INVITE")
        callee.reply(200, sdp.compose(carrier.ip, 16000, version=2))
        answer = sdp.Session(caller.expect(200).body)
        caller.ack()
        callee.take_request("ACK")
        exchange(far, offer.target, near, source=answer.target)
    up += [establish(t, pbx, carrier, t.slot.inside, ring=False) for _ in range(4)]
    equal({sdp.Session(callee.invite.body).audio.address for _, callee in up[2:]}, {t.slot.outside},
          "addresses of new calls")
    for caller, callee in up:
        hang_up(caller, callee)


@case("the relay is killed under calls at several addresses: each comes back where it was", short=True)
def killed(t):
    net = DualStack(t)
    sbc = net.sbc
    for realm in ("inside", "outside"):
        media = sbc.rest("GET", f"/realms/{realm}")["media"]
        media["more_addresses"].append({"address": second(t.slot, realm)})
        sbc.rest("PATCH", f"/realms/{realm}", {"media": media})
    up = [net.call(*how) for how in ((4, 4, "out4"), (4, 4, "out4"), (4, 4, "out6"), (6, 6, "out4"))]
    ways = [(sdp.Session(caller.answer.body).target, sdp.Session(callee.invite.body).target)
            for caller, callee in up]
    check(len({at[0] for way in ways for at in way}) == 5, f"addresses: {ways}")
    sbc.kill("media-relayd")
    sbc.restart("media-relayd")
    sbc.wait_ready()
    for (near, far), (to_near, to_far) in zip(((4, 4), (4, 4), (4, 6), (6, 4)), ways):
        near, far = net.media["near", near], net.media["far", far]
        exchange(near, to_near, far, source=to_far)
        exchange(far, to_far, near, source=to_near)
    for caller, callee in up:
        hang_up(caller, callee)
