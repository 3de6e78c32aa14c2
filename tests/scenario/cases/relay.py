# SPDX-License-Identifier: MIT
"""The relay's side of a call: who may be heard, what happens when ports run out or the relay is away."""
import time

from harness import sdp
from harness.case import case
from harness.check import check, equal, eventually
from harness.rtp import exchange
from harness.sip import Call

from cases.basic import establish, hang_up


@case("a stranger cannot latch: its packets go nowhere, nothing is sent to it", short=True)
def stranger(t):
    t.sbc()
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    thief = t.media(t.slot.stranger, 14000)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    to_near, to_far = sdp.Session(caller.answer.body).target, sdp.Session(callee.invite.body).target
    thief.send(to_near, 50)  # first, before any packet of the real peer
    equal(far.receive(1, 0.3), [], "a stranger's packets at the callee")
    exchange(near, to_near, far, source=to_far)
    thief.ssrc = near.ssrc  # the right SSRC does not help
    thief.send(to_near, 50)
    equal(far.receive(1, 0.3), [], "a stranger's packets at the callee, after latching")
    exchange(far, to_far, near, source=to_near)
    equal(thief.receive(1, 0.1), [], "packets sent to the stranger")
    hang_up(caller, callee)


@case("the right address with another port is no stranger where the trunk says nat")
def nat(t):
    def change(document):
        document["provisioning"]["trunks"][0]["media"] = {"nat": True}
    t.sbc(change)
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14666), t.media(carrier.ip, 16000)
    thief = t.media(t.slot.stranger, 14000)
    # The SDP shows an address that only makes sense behind the NAT.
    caller, callee = establish(t, pbx, carrier, t.slot.inside, offer=sdp.compose("10.99.0.7", 14000))
    to_near, to_far = sdp.Session(caller.answer.body).target, sdp.Session(callee.invite.body).target
    thief.send(to_near, 20)
    equal(far.receive(1, 0.3), [], "a stranger's packets at the callee")
    exchange(near, to_near, far, source=to_far)
    exchange(far, to_far, near, source=to_near)
    equal(thief.receive(1, 0.1), [], "packets sent to the stranger")
    hang_up(caller, callee)


@case("once latched, the lock holds until that side's SDP changes")
def locked(t):
    def change(document):
        document["provisioning"]["trunks"][0]["media"] = {"nat": True}
    t.sbc(change)
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    other = t.media(pbx.ip, 14600)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    to_near, to_far = sdp.Session(caller.answer.body).target, sdp.Session(callee.invite.body).target
    exchange(near, to_near, far)
    other.send(to_near, 30)
    equal(far.receive(1, 0.3), [], "packets of another port, while locked")
    caller.send_invite(sdp.compose(pbx.ip, 14600, version=2))
    callee.take_request("INVITE")
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    caller.expect(200)
    caller.ack()
    callee.take_request("ACK")
    exchange(other, to_near, far, source=to_far)
    exchange(far, to_far, other, source=to_near)
    hang_up(caller, callee)


@case("packets that are no RTP are dropped, and the stream goes on")
def rubbish(t):
    t.sbc()
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    to_near = sdp.Session(caller.answer.body).target
    exchange(near, to_near, far)
    good = near.packet()
    for raw in (b"", b"x", good[:11], b"\x40" + good[1:], b"\x8f" + good[1:14], b"\x90" + good[1:13],
                b"\x90" + good[1:12] + b"\xbe\xde\xff\xff", b"\xa0" + good[1:171] + b"\xff",
                b"\0" * 1500, b"\xff" * 65000):
        near.rtp.sendto(raw, to_near)
    equal(far.receive(1, 0.3), [], "rubbish that was relayed")
    exchange(near, to_near, far)
    hang_up(caller, callee)


@case("DTMF events cross with their own payload type")
def telephone_event(t):
    t.sbc()
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    to_near = sdp.Session(caller.answer.body).target
    check("101 telephone-event" in callee.invite.body.decode(), "the event is offered")
    exchange(near, to_near, far)
    sent = near.send(to_near, 5, payload_type=101)
    equal([packet for packet, _ in far.receive(5)], sent, "event packets")
    hang_up(caller, callee)


@case("two streams: audio and video have ports of their own")
def two_streams(t):
    t.sbc()
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14010), t.media(carrier.ip, 16010)

    def both(ip, port):
        return sdp.compose(ip, port) + (f"m=video {port + 10} RTP/AVP 96\r\n"
                                        "a=rtpmap:96 H264/90000\r\na=sendrecv\r\n").encode()
    caller, callee = establish(t, pbx, carrier, t.slot.inside, offer=both(pbx.ip, 14000),
                               answer=both(carrier.ip, 16000))
    offer, answer = sdp.Session(callee.invite.body), sdp.Session(caller.answer.body)
    equal([s.kind for s in offer.streams], ["audio", "video"], "streams offered")
    ports = {s.port for s in offer.streams}
    check(len(ports) == 2 and 0 not in ports, f"ports {ports}")
    video = (answer.streams[1].address, answer.streams[1].port)
    near.send(video, 8, payload_type=96)
    far.receive(8, 0.5)
    sent = near.send(video, 10, payload_type=96)
    equal([packet for packet, _ in far.receive(10)], sent, "video packets")
    hang_up(caller, callee)


@case("a refused stream (port 0) stays refused, the other works")
def refused_stream(t):
    t.sbc()
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    offer = sdp.compose(pbx.ip, 14000) + b"m=video 14010 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    answer = sdp.compose(carrier.ip, 16000) + b"m=video 0 RTP/AVP 96\r\n"
    caller, callee = establish(t, pbx, carrier, t.slot.inside, offer=offer, answer=answer)
    equal([s.port == 0 for s in sdp.Session(caller.answer.body).streams], [False, True], "refused")
    exchange(near, sdp.Session(caller.answer.body).target, far)
    hang_up(caller, callee)


@case("ports run out: 503 with Retry-After; they come back after they rested", short=True)
def exhausted(t):
    def change(document):
        document["provisioning"]["realms"][1]["media"].update(port_min=30000, port_max=30007)
    sbc = t.sbc(change)
    pbx, carrier = t.peers()
    up = [establish(t, pbx, carrier, t.slot.inside, ring=False) for _ in range(4)]
    ports = {sdp.Session(callee.invite.body).audio.port for _, callee in up}
    equal(ports, {30000, 30002, 30004, 30006}, "ports of four calls")
    fifth = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
    refusal = fifth.expect(503)
    check(int(refusal.get("Retry-After", "0").split(";")[0].split("(")[0]) > 0, "Retry-After")
    carrier.silence(0.2)
    equal(len(sbc.calls()), 4, "live calls")
    hang_up(*up.pop(0))

    def again():
        call = Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000))
        answer = pbx.take(lambda m: m.get("Call-ID") == call.call_id and m.status >= 200, 0.3)
        if answer is None:
            return call
        call.ack_failure(answer)
        return None
    begin = time.monotonic()
    back = eventually(again, "the freed ports are used again", 20, 0.5)
    check(time.monotonic() - begin > 1, "freed ports rest before they are used again")
    callee = Call.receive(carrier)
    callee.reply(200, sdp.compose(carrier.ip, 16000))
    back.expect(200)
    back.ack()
    callee.take_request("ACK")
    for caller, other in up + [(back, callee)]:
        hang_up(caller, other)


@case("while the relay is away new calls get 503; it is taken up again by itself", short=True)
def relay_away(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    hang_up(*establish(t, pbx, carrier, t.slot.inside))
    sbc.kill("media-relayd")
    eventually(lambda: not sbc.ready(), "/ready says that no calls can be taken")
    Call.start(pbx, (t.slot.inside, 5060), "+4930", sdp=sdp.compose(pbx.ip, 14000)).expect(503)
    carrier.silence(0.2)
    sbc.restart("media-relayd")
    sbc.wait_ready()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    exchange(near, sdp.Session(caller.answer.body).target, far)
    hang_up(caller, callee)


@case("media that stops ends the call after the trunk's timeout")
def media_timeout(t):
    def change(document):
        for one in document["provisioning"]["trunks"]:
            one["media"] = {"timeout_s": 2}
    sbc = t.sbc(change)
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    to_near, to_far = sdp.Session(caller.answer.body).target, sdp.Session(callee.invite.body).target
    exchange(near, to_near, far)
    exchange(far, to_far, near)
    begin = time.monotonic()
    caller.take_bye(8)
    callee.take_bye(8)
    check(1.0 < time.monotonic() - begin < 6, f"ended after {time.monotonic() - begin:.1f} s")
    cdr, = sbc.wait_cdrs(1)
    check(cdr["ended_by"] not in ("caller", "callee"), f"ended_by {cdr['ended_by']}")


@case("a timeout may be ignored, or ask the peer first; one-way media is counted")
def media_timeout_policy(t):
    def change(document):
        pbx, carrier = document["provisioning"]["trunks"]
        pbx["media"] = {"timeout_s": 2, "timeout_action": "ignore", "one_way_s": 1}
        carrier["media"] = {"timeout_s": 2, "timeout_action": "probe"}
    sbc = t.sbc(change)
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    to_near, to_far = sdp.Session(caller.answer.body).target, sdp.Session(callee.invite.body).target
    exchange(near, to_near, far)
    exchange(far, to_far, near)
    near.send(to_near, 60, 0.025)  # the carrier's side falls silent, the PBX goes on
    asked = callee.take_request("OPTIONS")
    callee.reply(200, request=asked)
    eventually(lambda: sbc.metrics()["sbc_media_one_way_total"] == 1, "one-way media is counted")
    time.sleep(2.5)  # the PBX's silence is ignored
    live, = sbc.calls()
    check(all(one["way_reason"] for one in live["media"]), f"no reason: {live['media']}")
    hang_up(caller, callee)
    cdr, = sbc.wait_cdrs(1)
    check(all(one["way_reason"] is None for one in cdr["media"]), "a reason of what is over")
    stream = next(m for m in cdr["media"] if m["side"] == 0)
    equal((stream["packets_lost"], stream["packets_reordered"], stream["packets_duplicated"],
           stream["reported"], stream["way"] in ("socket", "xdp_socket", "kernel")),
          (0, 0, 0, None, True), "figures")
    check(3.5 < stream["mos"] < 4.5, f"mos {stream['mos']}")
    found = sbc.metrics()
    for name in ("mos", "jitter_seconds", "loss_ratio"):
        equal(found[f'sbc_stream_{name}_count{{trunk="pbx"}}'], 1, name)


@case("codecs of a trunk: others are not offered to it")
def codecs(t):
    def change(document):
        document["provisioning"]["trunks"][1]["media"] = {"codecs": ["PCMA", "telephone-event"]}
    t.sbc(change)
    pbx, carrier = t.peers()
    offer = sdp.compose(pbx.ip, 14000, codecs=(0, 8, 18, 101))
    caller, callee = establish(t, pbx, carrier, t.slot.inside, offer=offer,
                               answer=sdp.compose(t.slot.carrier, 16000, codecs=(8, 101)))
    formats = sdp.Session(callee.invite.body).audio.formats
    check("8" in formats and "0" not in formats and "18" not in formats, f"offered {formats}")
    hang_up(caller, callee)
