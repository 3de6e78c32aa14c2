# SPDX-License-Identifier: MIT
"""rtpengine as a far side: an SRTP stack that is not ours, told what to do over its ng protocol. What
the border sends it in SRTP leaves it as plain RTP towards a peer of the test, and the other way."""
import os
import re
import socket

from .proc import Child, need


def bencode(value):
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    return b"d" + b"".join(bencode(k) + bencode(value[k]) for k in sorted(value)) + b"e"


class Ng:
    """As much of the ng protocol as it takes to make calls."""

    def __init__(self, port):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(("127.0.0.1", port))
        self.sock.settimeout(5)
        self.serial = 0

    def ask(self, command, **fields):
        """The SDP of the answer."""
        self.serial += 1
        named = {key.replace("_", "-"): value for key, value in fields.items()}
        self.sock.send(b"%d " % self.serial + bencode({"command": command, **named}))
        answer = self.sock.recv(65536)
        found = re.search(rb"3:sdp(\d+):", answer)
        if not found:
            raise RuntimeError(f"rtpengine: {answer!r}")
        return answer[found.end():found.end() + int(found.group(1))]

    def close(self):
        self.sock.close()


class Rtpengine(Child):
    def __init__(self, folder, ip, control_port):
        need("rtpengine")
        super().__init__(["rtpengine", "--foreground", "--log-stderr", "--log-level=6", "--table=-1",
                          f"--interface={ip}", f"--listen-ng=127.0.0.1:{control_port}",
                          "--port-min=40000", "--port-max=40100", "--num-threads=1",
                          "--delete-delay=0"], os.path.join(folder, "rtpengine.log"))
        self.ng = Ng(control_port)
        self.ask = self.ng.ask

    def abandon(self):
        self.ng.close()
        super().abandon()
