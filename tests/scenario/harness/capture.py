# SPDX-License-Identifier: MIT
"""What went over the loopback, judged by tshark: a dissector that nobody here wrote."""
import os
import subprocess
import time

from .check import Failed, Skip, check
from .proc import Child, need


class Capture:
    """Captures the slot's addresses; other traffic of the machine is not seen."""

    def __init__(self, folder, capture_filter):
        need("tcpdump", "tshark")
        self.path = os.path.join(folder, "capture.pcap")
        self.child = Child(["tcpdump", "-i", "lo", "-U", "--immediate-mode", "-s", "0", "-B", "16384", "-Z",
                            os.environ.get("USER", "root"), "-w", self.path, capture_filter],
                           os.path.join(folder, "tcpdump.log"))
        for _ in range(100):
            if "listening on" in self.child.output():
                return
            if not self.child.running():
                break
            time.sleep(0.05)
        self.child.abandon()
        raise Skip("tcpdump cannot capture here: " + self.child.output().strip()[-200:])

    def stop(self):
        time.sleep(0.3)
        self.child.stop()

    def fields(self, display_filter, *names, decode=()):
        """A row for each packet that the filter takes."""
        command = ["tshark", "-n", "-r", self.path, "-Y", display_filter, "-T", "fields"]
        for name in names:
            command += ["-e", name]
        for rule in decode:
            command += ["-d", rule]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode not in (0, 14):
            raise Failed(f"tshark: {done.stderr}")
        return [line.split("\t") for line in done.stdout.splitlines() if line.strip()]

    def judge(self, source=None, at_least=1):
        """No malformed packet, no expert error; source: only what the SBC's addresses sent."""
        sent_by = "" if not source else "(" + " || ".join(f"ip.src == {a}" for a in source) + ") && "
        everything = self.fields(f"{sent_by}sip", "frame.number")
        check(len(everything) >= at_least, f"only {len(everything)} SIP messages captured")
        bad = self.fields(f"{sent_by}(_ws.malformed || _ws.expert.severity >= 8388608)",
                          "frame.number", "ip.src", "_ws.col.Info", "_ws.expert.message")
        check(not bad, f"tshark finds fault with {bad[:5]}")

    def abandon(self):
        self.child.abandon()
