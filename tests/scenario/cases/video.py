# SPDX-License-Identifier: MIT
"""Video beside audio: RTP and RTCP of both streams, and feedback between profiles (RFC 4585)."""
import struct

from harness import sdp
from harness.case import case
from harness.check import check, equal
from harness.rtp import exchange

from cases.basic import establish

SR, SDES, NACK, PLI = 200, 202, 205, 206


def both(ip, port, profile, feedback=""):
    """Audio on `port`, video on port + 10."""
    return (sdp.compose(ip, port).replace(b"RTP/AVP", profile.encode()) +
            (f"m=video {port + 10} {profile} 96\r\na=rtpmap:96 VP8/90000\r\n{feedback}"
             "a=sendrecv\r\n").encode())


def parts(packet):
    """The types of a compound's parts."""
    found = []
    while packet:
        _, kind, words = struct.unpack_from(">BBH", packet)
        found.append(kind)
        packet = packet[4 + 4 * words:]
    return found


def message(peer, about, kind):
    body = struct.pack(">HH", 7, 0) if kind == NACK else b""
    return struct.pack(">BBHII", 0x81, kind, 2 + len(body) // 4, peer.ssrc, about.ssrc) + body


def next_port(target):
    return target[0], target[1] + 1


def call(t, pbx, carrier, near_profile, feedback):
    """A call with video, the carrier's side with feedback; (caller, callee, [audio, video] targets of
    the PBX, of the carrier)."""
    caller, callee = establish(t, pbx, carrier, t.slot.inside,
                               offer=both(pbx.ip, 14000, near_profile, feedback),
                               answer=both(carrier.ip, 16000, "RTP/AVPF",
                                           "a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"))
    offer, answer = sdp.Session(callee.invite.body), sdp.Session(caller.answer.body)
    equal([(s.kind, s.protocol) for s in offer.streams],
          [("audio", "RTP/AVPF"), ("video", "RTP/AVPF")], "offered")
    equal([(s.kind, s.protocol) for s in answer.streams],
          [("audio", near_profile), ("video", near_profile)], "answered")
    said = [a for a in answer.streams[1].attributes if a.startswith("rtcp-fb")]
    check(bool(said) == (near_profile == "RTP/AVPF"), f"feedback in the answer: {said}")
    return caller, callee, *([(s.address, s.port) for s in one.streams] for one in (answer, offer))


def video(t, near_profile, feedback, crosses):
    def change(document):
        document["provisioning"]["trunks"][1]["media"] = {"feedback": True}
    sbc = t.sbc(change)
    pbx, carrier = t.peers()
    near = [t.media(pbx.ip, port) for port in (14000, 14010)]
    far = [t.media(carrier.ip, port) for port in (16000, 16010)]
    caller, callee, to_near, to_far = call(t, pbx, carrier, near_profile, feedback)
    for stream in (0, 1):
        exchange(near[stream], to_near[stream], far[stream], source=to_far[stream])
        exchange(far[stream], to_far[stream], near[stream], source=to_near[stream])
    for one, other, to, out in ((far, near, to_far, to_near), (near, far, to_near, to_far)):
        wanted = crosses or one is near  # the carrier takes it in any case
        for kind in (PLI, NACK):
            one[1].rtcp.sendto(one[1].sender_report() + message(one[1], other[1], kind),
                               next_port(to[1]))
            (got, source), = other[1].receive_rtcp()
            equal(parts(got), [SR, SDES] + [kind] * wanted, "parts that crossed")
            equal(source[:2], next_port(out[1]), "where they come from")
    equal(sbc.calls()[0]["media"][2]["kind"], "video", "the second stream")
    caller.request("BYE")
    callee.take_bye()
    caller.expect(200, method="BYE")
    cdr, = sbc.wait_cdrs(1)
    for stream in cdr["media"]:
        equal((stream["packets_received"], stream["packets_lost"]), (33, 0), f"figures of {stream}")


@case("video crosses, and feedback with it, where both sides have the profile")
def with_feedback(t):
    video(t, "RTP/AVPF", "a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n", True)


@case("a side without feedback hears reports only, and its own still crosses", short=True)
def without_feedback(t):
    video(t, "RTP/AVP", "", False)
