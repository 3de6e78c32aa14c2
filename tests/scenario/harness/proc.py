# SPDX-License-Identifier: MIT
"""Child processes: started with a log each, ended by their own pid."""
import ctypes
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


PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """A runner that is killed leaves nobody behind who would hold its addresses."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    def __init__(self, command, log_path, cwd=None, env=None, pass_fds=(),
                 stdin=subprocess.DEVNULL):
        self.command, self.log_path = command, log_path
        self.log = open(log_path, "ab")  # pylint: disable=R1732
        self.process = subprocess.Popen(command, stdin=stdin, stdout=self.log,
                                        stderr=self.log, cwd=cwd, env=env, pass_fds=pass_fds,
                                        start_new_session=True, preexec_fn=die_with_parent)

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
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()

    def output(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()


class Server(Child):
    """A program with children of its own, such as Kamailio: asked first, so that it ends them too."""

    def abandon(self):
        try:
            self.stop(5)
        except Failed:
            pass
        super().abandon()
