#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Two baresip agents that call each other through the SBC for ever, 30 s a call, taking turns.

usage: agents.py FOLDER. Each agent hears the other's tone and keeps what it heard, as a WAV file, in
FOLDER/pbx and FOLDER/carrier (only that of the last call)."""
import glob
import os
import signal
import subprocess
import sys
import time

CALL_S = 30
AGENTS = {  # name: its SIP port, its tone, its RTP ports, the SBC's address on its side
    "pbx": (5066, 440, "40000-40098", "127.0.0.2"),
    "carrier": (5068, 660, "40100-40198", "127.0.0.3"),
}
NUMBERS = {"pbx": "+4930123456", "carrier": "+33155512345"}

CONFIG = """\
net_interface 127.0.0.1
sip_listen 127.0.0.1:{port}
rtp_ports {rtp}
audio_source ausine,{tone}
audio_player aufile,/dev/null
audio_alert aufile,/dev/null
ausrc_srate 48000
ausrc_channels 2
snd_path {folder}
module_path {modules}
module g711.so
module ausine.so
module sndfile.so
module_app account.so
module_app menu.so
"""


def module_path():
    for path in glob.glob("/usr/lib/baresip/modules") + glob.glob("/usr/lib/*/baresip/modules"):
        return path
    sys.exit("agents: baresip's modules are not installed")


def prepare(top, name):
    port, tone, rtp, _ = AGENTS[name]
    folder = os.path.join(top, name)
    os.makedirs(folder, exist_ok=True)
    for old in glob.glob(os.path.join(folder, "dump-*.wav")):
        os.unlink(old)
    with open(os.path.join(folder, "config"), "w", encoding="utf-8") as file:
        file.write(CONFIG.format(port=port, tone=tone, rtp=rtp, folder=folder,
                                 modules=module_path()))
    with open(os.path.join(folder, "accounts"), "w", encoding="utf-8") as file:
        file.write(f"<sip:{NUMBERS[name]}@127.0.0.1:{port}>;regint=0;answermode=auto;"
                   "audio_codecs=PCMA,PCMU\n")
    open(os.path.join(folder, "contacts"), "a", encoding="utf-8").close()
    return folder


def start(folder, seconds, dial=None):
    command = ["baresip", "-4", "-f", folder, "-t", str(seconds)]
    if dial:
        command += ["-e", f"/dial {dial}"]
    with open(os.path.join(folder, "log"), "w", encoding="utf-8") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def main():
    top = sys.argv[1]
    running = []

    def stop(*_):
        """Hangs up; an agent whose BYE nobody answers does not get half a minute for it."""
        for agent in running:
            agent.terminate()
        for agent in running:
            try:
                agent.wait(2)
            except subprocess.TimeoutExpired:
                agent.kill()
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    caller, callee = "pbx", "carrier"
    while True:
        folders = {name: prepare(top, name) for name in AGENTS}
        running[:] = [start(folders[callee], CALL_S + 4)]
        time.sleep(1)
        border = AGENTS[caller][3]
        running.append(start(folders[caller], CALL_S, f"sip:{NUMBERS[callee]}@{border}"))
        print(f"demo: {caller} calls {NUMBERS[callee]}", flush=True)
        for agent in running:
            agent.wait()
        caller, callee = callee, caller


main()
