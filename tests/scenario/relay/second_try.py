# SPDX-License-Identifier: MIT
"""With SBC_SECOND_TRY a case that failed, but not by a program of ours that broke, is tried once more: cases
wait for real time on machines that others use, too. The summary names each."""
import os

# What no second try makes good.
BROKEN = ("Sanitizer", "runtime error", "exit code", "broken invariant")


def allowed(wrong):
    return bool(os.environ.get("SBC_SECOND_TRY")) and not any(word in wrong for word in BROKEN)


def reason(text):
    """The line of a traceback, with what came after it, that says what happened."""
    lines = [line for line in text.splitlines() if line.strip()]
    ends = [at + 1 for at, line in enumerate(lines) if line.startswith("    ")]
    return lines[min(ends[-1], len(lines) - 1)] if ends else lines[0]


def tried(name, attempt):
    """attempt() returns what went wrong, or None, and a note; so does this."""
    wrong, note = attempt()
    if not wrong or not allowed(wrong):
        return wrong, note
    again, note = attempt()
    if again:
        return wrong + "\nsecond try:\n" + again, note
    print(f"# second try: {name}: {reason(wrong)}")
    return None, note
