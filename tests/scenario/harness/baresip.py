# SPDX-License-Identifier: MIT
"""baresip as a user agent with a voice: it sends a tone, records what it hears, and the tone's
frequency is found again in the recording. It sends media from 127.0.0.1 whatever it was bound to, so
it lives there, on ports of the slot's own."""
import array
import glob
import os
import wave

from tone import power

from .check import Skip, check
from .proc import Child, need

CONFIG = """\
net_interface 127.0.0.1
sip_listen 127.0.0.1:{port}
rtp_ports {rtp}-{rtp_end}
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
{security}module_app account.so
module_app menu.so
"""


class Baresip(Child):
    """secure: how its media is keyed: srtp (SDES, offered under RTP/AVP), srtp-mand (SDES under
    RTP/SAVP), dtls_srtp; None: plain. ice: it gathers candidates and checks them."""

    def __init__(self, top, name, port, rtp, tone, seconds, dial=None, codecs="PCMU,PCMA",
                 secure=None, ice=False):
        need("baresip")
        modules = glob.glob("/usr/lib/baresip/modules") + glob.glob("/usr/lib/*/baresip/modules")
        if not modules:
            raise Skip("baresip's modules are not installed")
        self.folder = os.path.join(top, name)
        os.makedirs(self.folder)
        self._write("config", CONFIG.format(port=port, rtp=rtp, rtp_end=rtp + 8, tone=tone,
                                            folder=self.folder, modules=modules[0],
                                            security="module srtp.so\nmodule dtls_srtp.so\n"
                                                     "module ice.so\n" if secure or ice else ""))
        self._write("accounts", f"<sip:{name}@127.0.0.1:{port}>;regint=0;answermode=auto;"
                    f"audio_codecs={codecs}" + (f";mediaenc={secure}" if secure else "")
                    + (";medianat=ice" if ice else "") + "\n")
        self._write("contacts", "")
        command = ["baresip", "-4", "-s", "-f", self.folder, "-t", str(seconds)]
        if dial:
            command += ["-e", f"/dial {dial}"]
        super().__init__(command, os.path.join(self.folder, "log"))

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def heard(self):
        """(samples, rate) of the recording of what came in."""
        files = glob.glob(os.path.join(self.folder, "dump-*-dec.wav"))
        check(files, f"{self.folder}: nothing was recorded")
        with wave.open(max(files, key=os.path.getsize)) as file:
            check(file.getsampwidth() == 2, "a recording of 16 bits")
            samples = array.array("h", file.readframes(file.getnframes()))
            return samples[::file.getnchannels()], file.getframerate()


def check_tone(agent, wanted, others):
    samples, rate = agent.heard()
    check(len(samples) > rate, f"{agent.folder} heard only {len(samples) / rate:.2f} s")
    middle = samples[len(samples) // 2:][:rate // 2]
    share = power(middle, rate, wanted)
    check(share > 0.8, f"{agent.folder}: {wanted} Hz has {share:.2f} of the energy, wanted > 0.8")
    for other in others:
        check(power(middle, rate, other) < 0.05, f"{agent.folder} also hears {other} Hz")
