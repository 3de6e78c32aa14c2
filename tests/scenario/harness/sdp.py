# SPDX-License-Identifier: MIT
"""Session descriptions: composed for the peers, and read again just as far as the cases ask."""
import re

NAMES = {0: "PCMU/8000", 8: "PCMA/8000", 9: "G722/8000", 18: "G729/8000",
         101: "telephone-event/8000"}


def compose(ip, port, codecs=(0, 8, 101), direction="sendrecv", version=1, connection=None,
            extra=(), session=4711):
    """One audio stream. connection: another address in c= (0.0.0.0: the old way to hold)."""
    kind = "IP6" if ":" in ip else "IP4"
    lines = ["v=0", f"o=- {session} {version} IN {kind} {ip}", "s=-",
             f"c=IN {kind} {connection or ip}", "t=0 0",
             f"m=audio {port} RTP/AVP {' '.join(map(str, codecs))}"]
    for codec in codecs:
        lines.append(f"a=rtpmap:{codec} {NAMES[codec]}")
    if 101 in codecs:
        lines.append("a=fmtp:101 0-15")
    lines += ["a=ptime:20"] + list(extra)
    if direction:
        lines.append(f"a={direction}")
    return ("\r\n".join(lines) + "\r\n").encode()


class Stream:
    def __init__(self, kind, port, protocol, formats):
        self.kind, self.port, self.protocol, self.formats = kind, port, protocol, formats
        self.address, self.attributes, self.direction = None, [], None


class Session:
    """address, direction and streams of a description that arrived."""

    def __init__(self, body):
        self.text = body.decode() if isinstance(body, bytes) else body
        self.streams, self.origin = [], None
        address, direction = None, "sendrecv"
        for line in self.text.split("\r\n"):
            kind, _, value = line.partition("=")
            here = self.streams[-1] if self.streams else None
            if kind == "m":
                media, port, protocol, *formats = value.split(" ")
                self.streams.append(Stream(media, int(port.split("/")[0]), protocol, formats))
                self.streams[-1].address, self.streams[-1].direction = address, direction
            elif kind == "o":
                self.origin = value
            elif kind == "c":
                found = value.split(" ")[2].split("/")[0]
                if here:
                    here.address = found
                else:
                    address = found
            elif kind == "a" and re.fullmatch("sendrecv|sendonly|recvonly|inactive", value):
                if here:
                    here.direction = value
                else:
                    direction = value
            elif kind == "a" and here:
                here.attributes.append(value)

    @property
    def audio(self):
        return next(stream for stream in self.streams if stream.kind == "audio")

    @property
    def target(self):
        return (self.audio.address, self.audio.port)
