# SPDX-License-Identifier: MIT
"""The relays that are measured: media-relayd in each of its ways, and rtpengine in userspace; with calls
that are plain on both sides, or plain on the one and SRTP (SDES) on the other."""
import base64
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scenario", "relay"))
sys.path.insert(0, os.path.join(HERE, "..", "scenario"))

from harness import sdp  # noqa: E402  pylint: disable=C0413
from harness.rtpengine import Ng  # noqa: E402  pylint: disable=C0413
from namespaces import inside  # noqa: E402  pylint: disable=C0413
from relay import BOTH, TOP, Relay, figures, ports  # noqa: E402  pylint: disable=C0413
from relay_bed import LOAD_IP, RELAY_IP, Line, port_of  # noqa: E402  pylint: disable=C0413

SOCKET, XSK, KERNEL = 0, 1, 2  # enum ctl_way
SUITES = {"AES_CM_128_HMAC_SHA1_80": (1, 30), "AEAD_AES_128_GCM": (7, 28)}  # number, octets of a key
NG_PORT = 22222


def options_known():
    """What the relay can be told in its configuration."""
    with open(os.path.join(TOP, "config", "schema.json"), encoding="utf-8") as file:
        return json.load(file)["properties"]["relay"]["properties"]


def cannot_be_measured(error):
    """For `except`: what ends one row and not the run."""
    return str(error)[:300] or type(error).__name__


CANNOT = (OSError, AssertionError, RuntimeError, subprocess.SubprocessError)


class Way:
    """takes: the way that its streams then have to go. options: what the relay is told; what is not
    named is off."""

    def __init__(self, name, takes, **options):
        self.name, self.takes = "media-relayd, " + name, takes
        self.options = {"fast_path": "off", "af_xdp": "off", **options}

    def known_options(self):
        known = options_known()
        missing = [key for key, value in self.options.items() if key not in known and value != "off"]
        if missing:
            raise RuntimeError(f"this relay has no option {missing[0]}")
        return {key: value for key, value in self.options.items() if key in known}

    def start(self, bed, workers=1, cpus="1"):
        return Ours(bed, self, workers, cpus)


NATIVE = Way("native XDP", KERNEL, fast_path="native")
AF_XDP = Way("AF_XDP", XSK, af_xdp="on")
SOCKETS = Way("sockets", SOCKET)
PLAIN_WAYS = (NATIVE, Way("tc", KERNEL, fast_path="tc"), Way("generic XDP", KERNEL,
                                                             fast_path="generic"), AF_XDP, SOCKETS)
SRTP_WAYS = (AF_XDP, SOCKETS)


class Ours:
    """media-relayd and sessions of one stream each."""

    def __init__(self, bed, way, workers, cpus):
        self.bed, self.way = bed, way
        self.relay = Relay("127.0.0", workers=workers, pairs=1, command=bed.command(cpus),
                           level="warning", interfaces=["r0"], **way.known_options())
        self.client = self.relay.client()
        try:
            if not self.client.info["ways"] >> way.takes & 1:
                raise RuntimeError("this relay does not offer that way")
            realms = [{"name": name, "address": RELAY_IP, "port_min": first,
                       "port_max": first + 17499, "dscp": 46}
                      for name, first in (("in", 30000), ("out", 47500))]
            answer = self.client.request("realm_set", realms=realms)
            assert answer[0] == "done", answer
        except BaseException:
            self.stop()
            raise
        bed.begin()

    @property
    def pid(self):
        return self.relay.process.pid

    def call(self, number, suite):
        """Both ends of it, as lines for the load."""
        sides = [{"stream": 0, "side": i, "realm": ("in", "out")[i], "direction": BOTH,
                  "remote_rtp": (LOAD_IP, port_of(2 * number + i))} for i in (0, 1)]
        keys = None
        if suite:
            value, octets = SUITES[suite]
            sends, hears = os.urandom(octets), os.urandom(octets)
            keys = suite, sends, hears
            sides[1]["security"] = [{"receive": [{"suite": value, "key": sends}],
                                     "send": [{"suite": value, "key": hears}]}]
        got = ports(self.client.request("session_set", session=number + 1, streams=sides))
        return [Line(2 * number, got[0, 0][0][1]), Line(2 * number + 1, got[0, 1][0][1], keys)]

    def calls(self, count, suite=None):
        return [line for number in range(count) for line in self.call(number, suite)]

    def check(self):
        """They are there, and their packets went that way."""
        took = {stream["way"] for stream in figures(self.client, 1).values()}
        assert took == {self.way.takes}, f"they went the ways {took}"

    def stop(self):
        self.client.close()
        if self.relay.process.poll() is None:
            self.relay.stop()


class NgClient(Ng):
    """Calls by offer and answer."""

    def __init__(self, port):
        super().__init__(port)
        self.common = {"replace": ["origin", "session-connection"], "ICE": "remove"}

    def plain(self, number):
        """The ports for either end."""
        name = f"b{number}"
        far = self.ask("offer", call_id=name, from_tag="f", **self.common,
                       sdp=sdp.compose(LOAD_IP, port_of(2 * number)))
        near = self.ask("answer", call_id=name, from_tag="f", to_tag="t", **self.common,
                        sdp=sdp.compose(LOAD_IP, port_of(2 * number + 1)))
        return media_port(near), media_port(far), None

    def secure(self, number, suite):
        """RTP for the one who calls, SRTP for the other, who takes this suite of those offered."""
        name, sends = f"b{number}", os.urandom(SUITES[suite][1])
        far = self.ask("offer", call_id=name, from_tag="f", transport_protocol="RTP/SAVP", DTLS="off",
                       sdp=sdp.compose(LOAD_IP, port_of(2 * number)), **self.common)
        found = re.search(rb"a=crypto:(\d+) %s inline:([A-Za-z0-9+/=]+)" % suite.encode(), far)
        if not found:
            raise RuntimeError(f"rtpengine does not offer {suite}")
        line = f"a=crypto:{found.group(1).decode()} {suite} inline:{base64.b64encode(sends).decode()}"
        answer = sdp.compose(LOAD_IP, port_of(2 * number + 1), extra=(line,))
        near = self.ask("answer", call_id=name, from_tag="f", to_tag="t", DTLS="off",
                        transport_protocol="RTP/AVP",
                        sdp=answer.replace(b"RTP/AVP", b"RTP/SAVP"), **self.common)
        text = found.group(2)
        hears = base64.b64decode(text + b"=" * (-len(text) % 4))
        return media_port(near), media_port(far), (suite, sends, hears)


def media_port(description):
    return int(re.search(rb"m=audio (\d+)", description).group(1))


class Rtpengine:
    """rtpengine, which Debian brings as 10.5, without its kernel module."""
    name = "rtpengine 10.5"

    def __init__(self, bed, _way=None, workers=2, cpus="1"):
        self.child = subprocess.Popen(
            bed.command(cpus) +
            ["rtpengine", "--foreground", "--log-stderr", "--log-level=3", "--table=-1",
             f"--interface={RELAY_IP}", f"--listen-ng=127.0.0.1:{NG_PORT}", "--port-min=30000",
             "--port-max=65000", f"--num-threads={workers}", "--timeout=3600",
             "--silent-timeout=3600", "--delete-delay=0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self.child.pid
        time.sleep(1)
        self.client = inside(bed.relay, lambda: NgClient(NG_PORT))
        bed.begin()

    @classmethod
    def start(cls, bed, workers=2, cpus="1"):
        return cls(bed, None, workers, cpus)

    def calls(self, count, suite=None):
        lines = []
        for number in range(count):
            near, far, keys = (self.client.secure(number, suite) if suite
                               else self.client.plain(number))
            lines += [Line(2 * number, near), Line(2 * number + 1, far, keys)]
        return lines

    def check(self):
        assert self.child.poll() is None, "rtpengine ended"

    def stop(self):
        self.client.close()
        self.child.terminate()
        self.child.wait()


class Bare:
    """A forwarder over sockets that does nothing else: what that way cannot go below."""
    name = "(bare sockets, no relay)"
    FIRST_PORT = 30000

    def __init__(self, bed):
        self.bed, self.child, self.pid = bed, None, None

    @classmethod
    def start(cls, bed):
        bed.begin()
        return cls(bed)

    def calls(self, count, suite=None):
        assert not suite, "it encrypts nothing"
        self.child = subprocess.Popen(
            self.bed.command() + [f"{self.bed.tools}/barerelay", LOAD_IP, str(port_of(0)), RELAY_IP,
                                  str(self.FIRST_PORT), str(2 * count)], stdout=subprocess.PIPE, text=True)
        if self.child.stdout.readline() != "ready\n":
            raise RuntimeError("barerelay did not start")
        self.pid = self.child.pid
        return [Line(number, self.FIRST_PORT + 2 * number) for number in range(2 * count)]

    def check(self):
        assert self.child.poll() is None, "barerelay ended"

    def stop(self):
        if self.child:
            self.child.terminate()
            self.child.wait()
            self.child.stdout.close()
