# SPDX-License-Identifier: MIT
"""The relay restarted under calls, by SIGTERM and by kill -9: every stream comes back on its ports, and
nobody but its peer gets in. How long the media was away is printed for each case."""
import select
import socket
import struct
import threading
import time

from harness import sdp
from harness.case import case
from harness.check import check, equal, eventually

from cases.basic import establish

RTP = struct.Struct(">BBHII")
PHRASE_S = 3.0


class Streams:
    """One direction of many calls between two sockets: calls are told apart by the port that a packet
    goes to, and by the one it comes from. A thread sends to each once in every_s; arrivals are noted
    by the relay's port."""

    def __init__(self, near, far, ways, every_s):
        self.near, self.far, self.every_s = near, far, every_s
        self.to = [to_near for to_near, _ in ways]
        self.arrivals = {to_far: [] for _, to_far in ways}
        self.strange = set()
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=work) for work in (self.speak, self.listen)]
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)

    def speak(self):
        sequence = 0
        while not self.ending.is_set():
            begin = time.monotonic()
            sequence += 1
            for number, to in enumerate(self.to):
                self.near.sendto(RTP.pack(0x80, 0, sequence & 0xffff, 160 * sequence, number)
                                 + bytes(20), to)
                # In small clumps: a socket's buffer on a busy machine holds few packets.
                if number % 10 == 9:
                    time.sleep(0.4 * self.every_s * 10 / len(self.to))
            time.sleep(max(0.0, begin + self.every_s - time.monotonic()))

    def listen(self):
        while not self.ending.is_set():
            if not select.select([self.far], [], [], 0.2)[0]:
                continue
            source = self.far.recvfrom(2048)[1]
            if source in self.arrivals:
                self.arrivals[source].append(time.monotonic())
            else:
                self.strange.add(source)

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def abandon(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()

    def heard_since(self, moment):
        """How many streams."""
        return sum(bool(times) and times[-1] > moment for times in self.arrivals.values())

    def gaps(self, since):
        """The longest silence of each stream after this moment, the one it began in included."""
        longest = []
        for times in self.arrivals.values():
            late = [one for one in times if one > since]
            early = [one for one in times if one <= since][-1:]
            late = early + late
            longest.append(max(b - a for a, b in zip(late, late[1:])))
        return longest


def many_calls(t, count):
    """All have the same two addresses in their SDP, so two sockets do for them."""
    pbx, carrier = t.peers()
    near, far = t.media(pbx.ip, 14000), t.media(carrier.ip, 16000)
    ways = []
    for _ in range(count):
        caller, callee = establish(t, pbx, carrier, t.slot.inside, ring=False)
        ways.append((sdp.Session(caller.answer.body).target,
                     tuple(sdp.Session(callee.invite.body).target)))
    equal(len(set(ways)), count, "pairs of ports")
    return near, far, ways


def room_for(count):
    def change(document):
        for realm, first in zip(document["provisioning"]["realms"], (20000, 30000)):
            realm["media"].update(port_min=first, port_max=first + 2 * count + 99)
    return change


def restart_under(t, count, every_s, clean):
    sbc = t.sbc(room_for(count))
    near, far, ways = many_calls(t, count)
    there = t.own(Streams(near.rtp, far.rtp, ways, every_s).start())
    back = t.own(Streams(far.rtp, near.rtp, [way[::-1] for way in ways], every_s).start())
    begin = time.monotonic()
    eventually(lambda: min(one.heard_since(begin) for one in (there, back)) == count,
               "every stream flows", 20)
    time.sleep(1)
    gone = time.monotonic()
    if clean:
        equal(sbc.children["media-relayd"].stop(), 0, "exit code of the relay")
    else:
        sbc.kill("media-relayd")
    down = time.monotonic()
    sbc.restart("media-relayd")
    eventually(lambda: min(one.heard_since(down) for one in (there, back)) == count,
               "every stream flows again on the port it had", 20)
    time.sleep(PHRASE_S)
    gaps = sorted(there.gaps(gone) + back.gaps(gone))
    print(f"# {count} calls, {'SIGTERM' if clean else 'kill -9'}: media away for "
          f"{1000 * gaps[len(gaps) // 2]:.0f} ms (median), {1000 * gaps[-1]:.0f} ms (longest), a packet "
          f"every {1000 * every_s:.0f} ms; the end took {1000 * (down - gone):.0f} ms", flush=True)
    equal((there.strange, back.strange), (set(), set()), "packets from other ports")
    equal(len(sbc.rest("GET", "/calls?limit=100")["items"]), 100, "live calls on a page")
    check(gaps[-1] < 5, "it came back by itself, without a long wait")


@case("100 calls: kill -9 of the relay, every stream comes back on its port", short=True)
def killed(t):
    restart_under(t, 100, 0.04, False)


@case("100 calls: SIGTERM to the relay, every stream comes back on its port")
def stopped(t):
    restart_under(t, 100, 0.04, True)


@case("1,000 calls: kill -9 of the relay, every stream comes back on its port", slow=True)
def killed_under_load(t):
    restart_under(t, 1000, 0.2, False)
