# SPDX-License-Identifier: MIT
"""A slot is a range of addresses, 127.77.N.0/24, that one case has for itself while it runs, so that
cases run side by side with the ordinary ports. A lock file keeps two from taking the same."""
import fcntl
import os
import tempfile

SLOTS = 200


class Slot:
    def __init__(self):
        folder = os.path.join(tempfile.gettempdir(), f"sbc-scenario-{os.getuid()}")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        for number in range(1, SLOTS + 1):
            # Kept open: closing gives the slot back, also when the runner is killed.
            file = open(os.path.join(folder, str(number)), "w", encoding="utf-8")  # pylint: disable=R1732
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            self.number, self.lock = number, file
            break
        else:
            raise RuntimeError("no free slot of addresses")
        self.inside = self.ip(1)     # the SBC, towards the PBX; the REST API too
        self.outside = self.ip(2)    # the SBC, towards the carrier
        self.pbx = self.ip(10)
        self.carrier = self.ip(20)
        self.carrier2 = self.ip(21)
        self.stranger = self.ip(30)

    def ip(self, host):
        return f"127.77.{self.number}.{host}"

    def port(self, index):
        """A port of its own on a shared address (::1, 127.0.0.1); index 0 to 49."""
        return 15000 + self.number * 50 + index

    def close(self):
        self.lock.close()
