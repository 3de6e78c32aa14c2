# SPDX-License-Identifier: MIT
"""linphone as a user agent with a voice: a second stack that knows nothing of the first. It plays a
tone from a file and records what it hears. Driven through the console of linphonec."""
import array
import math
import os
import subprocess
import wave

from tone import power

from .check import check
from .proc import Child, need

RC = """\
[sip]
sip_port={port}
sip_tcp_port=-1
sip_tls_port=-1
media_encryption={encryption}
guess_hostname=0
contact="{name}" <sip:{name}@127.0.0.1:{port}>
register_only_when_network_is_up=0
srtp_crypto_suites={suites}
[rtp]
audio_rtp_port={rtp}
[net]
mtu=1300
[sound]
media_encryption_mandatory={mandatory}
[audio_codec_0]
mime=PCMU
rate=8000
channels=1
enabled=1
[audio_codec_1]
mime=PCMA
rate=8000
channels=1
enabled=1
[audio_codec_2]
mime=opus
rate=48000
channels=2
enabled=0
[audio_codec_3]
mime=speex
rate=16000
channels=1
enabled=0
[audio_codec_4]
mime=speex
rate=8000
channels=1
enabled=0
[audio_codec_5]
mime=G729
rate=8000
channels=1
enabled=0
"""


def write_tone(path, hertz, seconds=30, rate=8000):
    samples = array.array("h", (int(16000 * math.sin(2 * math.pi * hertz * i / rate))
                                for i in range(rate * seconds)))
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())


class Linphone(Child):
    """suites: RFC 4568 names, separated by commas; empty: no encryption."""

    def __init__(self, top, name, port, rtp, tone, suites=""):
        need("linphonec")
        self.folder = os.path.join(top, name)
        for folder in ("linphone", ".local/share/linphone"):
            os.makedirs(os.path.join(self.folder, folder))
        with open(os.path.join(self.folder, "rc"), "w", encoding="utf-8") as file:
            file.write(RC.format(name=name, port=port, rtp=rtp, suites=suites,
                                 encryption="srtp" if suites else "none",
                                 mandatory=1 if suites else 0))
        self.voice, self.record = (os.path.join(self.folder, n) for n in ("tone.wav", "heard.wav"))
        write_tone(self.voice, tone)
        super().__init__(["linphonec", "-c", "rc", "-d", "6", "-l", "debug.log"],
                         os.path.join(self.folder, "log"), cwd=self.folder,
                         env={**os.environ, "HOME": self.folder, "XDG_CONFIG_HOME": self.folder,
                              "XDG_DATA_HOME": self.folder}, stdin=subprocess.PIPE)
        self.say("soundcard use files", f"play {self.voice}", f"record {self.record}")

    def say(self, *commands):
        self.process.stdin.write("".join(f"{command}\n" for command in commands).encode())
        self.process.stdin.flush()

    def heard(self):
        with wave.open(self.record) as file:
            check(file.getsampwidth() == 2, "a recording of 16 bits")
            samples = array.array("h", file.readframes(file.getnframes()))
            return samples[::file.getnchannels()], file.getframerate()


def check_heard(agent, wanted, other):
    """Somewhere in what it heard there is half a second of this tone and of nothing else."""
    samples, rate = agent.heard()
    half = rate // 2
    shares = [power(samples[at:at + half], rate, wanted) for at in range(0, len(samples) - half, half)]
    check(shares and max(shares) > 0.8, f"{agent.folder}: {wanted} Hz has at most "
          f"{max(shares, default=0):.2f} of the energy in {len(samples) / rate:.1f} s")
    best = shares.index(max(shares)) * half
    check(power(samples[best:best + half], rate, other) < 0.05, f"{agent.folder} also hears {other} Hz")
