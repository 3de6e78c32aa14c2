# SPDX-License-Identifier: MIT
"""Child processes: started with a log each, ended by their own pid."""
import os
import shutil
import signal
import subprocess

from .check import Failed, Skip


def need(*programs):
    """The case is skipped where a tool is missing."""
    for program in programs:
        if not shutil.which(program) and not os.path.exists(f"/usr/sbin/{program}"):
            raise Skip(f"{program} is not installed")


class Child:
    def __init__(self, command, log_path, cwd=None, env=None):
        self.command, self.log_path = command, log_path
        self.log = open(log_path, "ab")  # pylint: disable=R1732
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, cwd=cwd, env=env)

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process.poll() is None

    def kill(self, number=signal.SIGKILL):
        if self.running():
            self.process.send_signal(number)

    def wait(self, timeout_s=10):
        """The exit code; a child that does not end is killed, and that is a failure."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed(f"{self.command[0]} did not end within {timeout_s} s") from None

    def stop(self, timeout_s=10):
        """SIGTERM, and the exit code."""
        self.kill(signal.SIGTERM)
        return self.wait(timeout_s)

    def abandon(self):
        """Whatever its state, it is gone afterwards."""
        self.kill()
        self.process.wait()
        self.log.close()

    def output(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()
