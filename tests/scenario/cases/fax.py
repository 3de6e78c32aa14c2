# SPDX-License-Identifier: MIT
"""A call that becomes a fax: T.38 over UDPTL by re-INVITE, both ways, and what is left when the other
side does not want it."""
import os
import struct

from harness import sdp
from harness.case import case
from harness.check import check, equal
from harness.rtp import exchange

from cases.basic import establish, hang_up

ATTRIBUTES = ["a=T38FaxVersion:0", "a=T38MaxBitRate:14400", "a=T38FaxRateManagement:transferredTCF",
              "a=T38FaxMaxBuffer:262", "a=T38FaxMaxDatagram:90", "a=T38FaxUdpEC:t38UDPRedundancy"]


def fax(ip, port, version):
    return ("\r\n".join(["v=0", f"o=- 4711 {version} IN IP4 {ip}", "s=-", f"c=IN IP4 {ip}", "t=0 0",
                         f"m=image {port} udptl t38"] + ATTRIBUTES) + "\r\n").encode()


def udptl(sender, to, receiver, source, count=20):
    """Datagrams with a sequence number and anything behind it (T.38 9.1) arrive as they were sent."""
    receiver.flush()
    sent = [struct.pack(">H", number) + os.urandom(40) for number in range(count)]
    for packet in sent:
        sender.rtp.sendto(packet, to)
    got = receiver.receive(count)
    equal([packet for packet, _ in got], sent, "datagrams of the fax")
    equal({address[:2] for _, address in got}, {tuple(source)}, "where they come from")


def reinvite(asking, other, offer, answer):
    asking.send_invite(offer)
    offered = other.take_request("INVITE").body.decode()
    other.reply(200, answer)
    answered = asking.expect(200).body.decode()
    asking.ack()
    other.take_request("ACK")
    return offered, answered


@case("a call becomes a fax by the callee's re-INVITE, and a voice again", short=True)
def becomes_a_fax(t):
    sbc = t.sbc()
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    thief = t.media(t.slot.stranger, 14000)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    to_near = sdp.Session(caller.answer.body).target
    to_far = sdp.Session(callee.invite.body).target
    exchange(near, to_near, far, source=to_far)
    told = reinvite(callee, caller, fax(carrier.ip, 16000, 2), fax(pbx.ip, 14000, 2))
    for text, port in zip(told, (to_near[1], to_far[1])):
        for line in ATTRIBUTES + [f"m=image {port} udptl t38"]:
            check(line in text.split("\r\n"), f"{line} in {text}")
    thief.rtp.sendto(b"\0\0stranger", to_near)
    udptl(near, to_near, far, to_far)
    udptl(far, to_far, near, to_near)
    call, = sbc.calls()
    equal([(m["kind"], m["codec"]) for m in call["media"]], [("image", "t38")] * 2, "media")
    reinvite(caller, callee, sdp.compose(pbx.ip, 14000, version=3),
             sdp.compose(carrier.ip, 16000, version=3))
    exchange(near, to_near, far, source=to_far)
    exchange(far, to_far, near, source=to_near)
    hang_up(caller, callee)
    sbc.wait_cdrs(1)


@case("a fax that is refused with 488 leaves the voice as it was")
def refused(t):
    t.sbc()
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    caller, callee = establish(t, pbx, carrier, t.slot.inside)
    to_near = sdp.Session(caller.answer.body).target
    to_far = sdp.Session(callee.invite.body).target
    exchange(near, to_near, far, source=to_far)
    caller.send_invite(fax(pbx.ip, 14000, 2))
    check(b"m=image" in callee.take_request("INVITE").body, "the fax is offered")
    callee.reply(488)
    callee.take_request("ACK")
    caller.ack_failure(caller.expect(488))
    exchange(near, to_near, far, source=to_far)
    exchange(far, to_far, near, source=to_near)
    hang_up(caller, callee)
