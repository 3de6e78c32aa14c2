# SPDX-License-Identifier: MIT
"""A case: a function with a name, and what it is handed: addresses, a folder, and things that are
cleaned up after it in whatever way it ends."""
import os
import shutil
import socket
import tempfile
import time
import traceback

from .check import Failed, Skip
from .rtp import MediaPeer
from .sbc import Sbc
from .sip import Endpoint
from .slots import Slot

CASES = []


def case(name, slow=False, short=False):
    """slow: over 20 s, left out with SBC_SKIP_SLOW. short: also run with the sanitizers' builds."""
    def register(function):
        CASES.append((name, function, slow, short))
        return function
    return register


class Case:
    def __init__(self, name):
        self.name, self.slot, self.things = name, Slot(), []
        self.folder = tempfile.mkdtemp(prefix="sbc-")  # short: paths of sockets are limited
        self.sbc_instance = None

    def own(self, thing):
        """Something with close() or abandon(), called at the end, last first."""
        self.things.append(thing)
        return thing

    def sbc(self, change=None, ready=True, **more):
        """The three daemons. change(document) edits the document before the start."""
        instance = Sbc(self.slot, self.folder, change, **more)
        self.own(instance)
        self.sbc_instance = instance
        return instance.start(ready)

    def endpoint(self, ip, port=5060, transport="udp", lenient=False):
        return self.own(Endpoint(ip, port, transport, lenient))

    def peers(self, transport="udp"):
        """(pbx, carrier)"""
        return (self.endpoint(self.slot.pbx, transport=transport),
                self.endpoint(self.slot.carrier, transport=transport))

    def media(self, ip, port):
        return self.own(MediaPeer(ip, port))

    @staticmethod
    def wait_bound(ip, port, udp, timeout_s=5):
        """Until somebody holds this port: SIPp says nothing when it is ready."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as s:
                try:
                    s.bind((ip, port))
                except OSError:
                    return
            time.sleep(0.02)
        raise Failed(f"nobody took {ip}:{port}")

    def cleanup(self, keep):
        for thing in reversed(self.things):
            try:
                (getattr(thing, "abandon", None) or thing.close)()
            except OSError:
                pass
        self.slot.close()
        if keep:
            return self.folder
        shutil.rmtree(self.folder, ignore_errors=True)
        return None


def run_case(name, function, keep_always=False):
    """("ok" | "failed" | "skip", text)"""
    self = Case(name)
    result, text = "ok", ""
    try:
        function(self)
        if self.sbc_instance:
            self.sbc_instance.finish()
    except Skip as skip:
        result, text = "skip", str(skip)
    except Failed as failed:
        where = traceback.extract_tb(failed.__traceback__)
        lines = [f"{os.path.basename(f.filename)}:{f.lineno}" for f in where if "cases" in f.filename]
        result, text = "failed", f"({' < '.join(reversed(lines))}) {failed}"
    except Exception:  # pylint: disable=W0718
        result, text = "failed", traceback.format_exc()
    kept = self.cleanup(result == "failed" or keep_always)
    if kept:
        text += f"\nlogs and configuration: {kept}"
    return result, text
