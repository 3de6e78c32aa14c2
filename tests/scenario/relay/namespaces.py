# SPDX-License-Identifier: MIT
"""Three network namespaces in a row: phones inside, the relay, phones outside; a veth pair between
neighbours, both IP versions on it. They end with this object."""
import ctypes
import os
import subprocess
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


def possible():
    """Why not, or None."""
    done = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    return None if done.returncode == 0 else "no right to make network namespaces"


def inside(name, function):
    """function() by a thread of that namespace; sockets that it makes stay there."""
    result = []

    def run():
        with open(f"/run/netns/{name}", encoding="ascii") as file:
            if LIBC.setns(file.fileno(), CLONE_NEWNET) != 0:
                result.append(OSError(ctypes.get_errno(), "setns"))
                return
        try:
            result.append(function())
        except Exception as error:  # handed to the caller's thread
            result.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(result[0], Exception):
        raise result[0]
    return result[0]


class Net:
    """Names: near, relay, far; interfaces i0 and o0 on the relay, p0 on each phone's end."""
    NEAR, FAR = ("10.77.0.2", "fd77::2"), ("10.78.0.2", "fd78::2")
    INSIDE, OUTSIDE = ("10.77.0.1", "fd77::1"), ("10.78.0.1", "fd78::1")

    def __init__(self):
        self.names = [f"{part}{os.getpid()}" for part in ("near", "relay", "far")]
        self.near, self.relay, self.far = self.names
        for name in self.names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        self.pair(self.near, "i0", self.NEAR, self.INSIDE)
        self.pair(self.far, "o0", self.FAR, self.OUTSIDE)

    def pair(self, phones, device, theirs, ours):
        ip("link", "add", "p0", "netns", phones, "type", "veth", "peer", "name", device, "netns",
           self.relay)
        for name, link, addresses in ((phones, "p0", theirs), (self.relay, device, ours)):
            ip("-n", name, "addr", "add", addresses[0] + "/24", "dev", link)
            ip("-n", name, "addr", "add", addresses[1] + "/64", "dev", link, "nodad")
            ip("-n", name, "link", "set", link, "up")
        # XDP in veth: checksums whole, and a peer that takes frames.
        self.run(phones, "ethtool", "-K", "p0", "tx", "off", "gro", "on")

    def run(self, name, *words):
        return subprocess.run(["ip", "netns", "exec", name, *words], check=True,
                              capture_output=True, text=True).stdout

    def forget_neighbours(self):
        for name in self.names:
            ip("-n", name, "neigh", "flush", "all")

    def close(self):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
