# SPDX-License-Identifier: MIT
"""How a case says that it failed, or that it cannot run here."""
import time


class Failed(Exception):
    """The programs did not do what they should."""


class Skip(Exception):
    """This case cannot run here; the text says why."""


def check(condition, text):
    if not condition:
        raise Failed(text)


def equal(got, wanted, text):
    if got != wanted:
        raise Failed(f"{text}: got {got!r}, wanted {wanted!r}")


def eventually(probe, text, timeout_s=5.0, every_s=0.05):
    """Calls probe until it gives something true, which is returned."""
    end = time.monotonic() + timeout_s
    while True:
        got = probe()
        if got:
            return got
        if time.monotonic() > end:
            raise Failed(f"{text}: not within {timeout_s} s (last: {got!r})")
        time.sleep(every_s)
