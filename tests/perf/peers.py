# SPDX-License-Identifier: MIT
"""What is measured: our programs, and those that users know, in the same place: requests for any user
at slot.inside:5060 go on to slot.carrier:5060. Each gives the processes whose CPU counts, by role."""
import os
import re
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scenario"))

from harness.proc import Child, Server  # noqa: E402  pylint: disable=C0413
from harness.rtpengine import Ng  # noqa: E402  pylint: disable=C0413
from harness.sbc import Sbc  # noqa: E402  pylint: disable=C0413

MODULES = ("/usr/lib/x86_64-linux-gnu/kamailio/modules", "/usr/lib/aarch64-linux-gnu/kamailio/modules",
           "/usr/lib/kamailio/modules")
KAMAILIO = """\
#!KAMAILIO
debug=0
log_stderror=yes
children=2
auto_aliases=no
disable_tcp=yes
dns=no
rev_dns=no
listen=udp:{inside}:5060
mpath="{mpath}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "topoh.so"
modparam("topoh", "mask_key", "a key of the benchmark")
modparam("topoh", "mask_ip", "127.0.0.8")
{load}
request_route {{
	if (!mf_process_maxfwd_header("10")) exit;
	if (is_method("CANCEL")) {{
		if (t_check_trans()) t_relay();
		exit;
	}}
	if (has_totag()) {{
		if (loose_route()) {{
			{bye}
			t_relay();
		}} else if (is_method("ACK") && t_check_trans()) {{
			t_relay();
		}}
		exit;
	}}
	t_check_trans();
	record_route();
	{offer}
	$rd = "{carrier}";
	$rp = "5060";
	t_relay();
}}
{reply}
"""
ANCHOR = {
    "load": 'loadmodule "rtpengine.so"\nmodparam("rtpengine", "rtpengine_sock", "udp:127.0.0.1:{ng}")',
    "bye": 'if (is_method("BYE")) rtpengine_delete();',
    "offer": 'rtpengine_offer("replace-origin replace-session-connection");\n\tt_on_reply("ANSWER");',
    "reply": 'onreply_route[ANSWER] {\n\tif (has_body("application/sdp"))\n'
             '\t\trtpengine_answer("replace-origin replace-session-connection");\n}',
}


def wait_udp(ip, port, child):
    """Until somebody holds the port."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((ip, port))
            except OSError:
                return
        if not child.running():
            break
        time.sleep(0.1)
    raise RuntimeError(f"{child.command[0]} did not come up: {child.output()[-800:]}")


def tree(pid):
    """The process and its children, theirs too."""
    found = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                for child in file.read().split():
                    found += tree(int(child))
    except OSError:
        pass
    return found


class Ours:
    """The three daemons. Roles: sbcd, relay; mgmt-apid is there and counts for itself."""

    def __init__(self, slot, folder, workers=1, wide=True, relay_workers=1):
        def change(document):
            document["log"]["level"] = "warning"
            document["relay"] = {"workers": relay_workers}
            document["limits"] = {"calls": 100000}
            for realm in document["provisioning"]["realms"]:
                realm["media"].update(port_min=10000, port_max=64999 if wide else 19999)
            for trunk in document["provisioning"]["trunks"]:
                trunk["media"] = {"timeout_s": 0}
        self.name = f"sbcd, {workers} worker" + ("s" if workers > 1 else "")
        self.sbc = Sbc(slot, folder, change, workers=workers)
        self.sbc.start()

    def roles(self):
        children = self.sbc.children
        return {"sbcd": [children["sbcd"].pid], "relay": [children["media-relayd"].pid],
                "mgmt": [children["mgmt-apid"].pid]}

    def stop(self):
        self.sbc.abandon()


class Rtpengine:
    """rtpengine in userspace, by itself or behind Kamailio."""

    def __init__(self, slot, folder, threads=1):
        self.name = "rtpengine 10.5"
        self.ng = slot.port(40)
        self.ip = slot.ip(3)
        self.child = Child(["rtpengine", "--foreground", "--log-stderr", "--log-level=3", "--table=-1",
                            f"--interface={self.ip}", f"--listen-ng=127.0.0.1:{self.ng}",
                            "--port-min=10000", "--port-max=64999", f"--num-threads={threads}",
                            "--delete-delay=0", "--timeout=3600", "--silent-timeout=3600"],
                           os.path.join(folder, "rtpengine.log"))
        wait_udp("127.0.0.1", self.ng, self.child)

    def roles(self):
        return {"relay": tree(self.child.pid)}

    def stop(self):
        self.child.stop()
        self.child.abandon()


class Kamailio:
    """topoh hides topology the way a proxy can; -x fm is the allocator that suits it."""

    def __init__(self, slot, folder, anchored=False):
        self.name = "Kamailio topoh" + (" + rtpengine" if anchored else "")
        self.rtpengine = Rtpengine(slot, folder, threads=2) if anchored else None
        parts = dict(ANCHOR) if anchored else dict.fromkeys(ANCHOR, "")
        if anchored:
            parts["load"] = parts["load"].format(ng=self.rtpengine.ng)
        path = os.path.join(folder, "kamailio.cfg")
        mpath = next((m for m in MODULES if os.path.isdir(m)), MODULES[-1])
        with open(path, "w", encoding="utf-8") as file:
            file.write(KAMAILIO.format(inside=slot.inside, carrier=slot.carrier, mpath=mpath, **parts))
        self.child = Server(["kamailio", "-DD", "-E", "-f", path, "-x", "fm", "-m", "2048", "-M", "16",
                            "-b", "4194304", "-Y", folder, "-w", folder],
                           os.path.join(folder, "kamailio.log"))
        wait_udp(slot.inside, 5060, self.child)
        time.sleep(1)

    def roles(self):
        roles = {"kamailio": tree(self.child.pid)}
        if self.rtpengine:
            roles.update(self.rtpengine.roles())
        return roles

    def stop(self):
        self.child.stop()
        self.child.abandon()
        if self.rtpengine:
            self.rtpengine.stop()


class NgClient(Ng):
    def ask(self, command, **fields):
        """The media port in the SDP that comes back."""
        return int(re.search(rb"m=audio (\d+)", super().ask(command, **fields)).group(1))
