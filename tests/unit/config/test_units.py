#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""systemd accepts the units (their programs replaced by stubs, since nothing is installed yet), and
finds each of them well shut in. Usage: test_units.py TARGET SERVICE..."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

EXPOSURE_MAX = 25  # tenths; systemd calls anything under 50 fine


def analyze(*arguments):
    done = subprocess.run(["systemd-analyze", *arguments], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def stub(folder, unit):
    """A copy of the unit whose programs exist."""
    text = unit.read_text(encoding="utf-8")
    for path in re.findall(r"^Exec\w+=(/\S+)", text, flags=re.M):
        program = folder / pathlib.Path(path).name
        program.write_text("#!/bin/sh\n", encoding="utf-8")
        program.chmod(0o755)
        text = text.replace(path + " ", f"{program} ")
    copy = folder / unit.name
    copy.write_text(text, encoding="utf-8")
    return copy


def main():
    if not shutil.which("systemd-analyze"):
        print("skipped: there is no systemd-analyze")
        return 77
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        units = [stub(folder, pathlib.Path(path)) for path in sys.argv[1:]]
        code, output = analyze("verify", "--man=no", *map(str, units))
        # An unknown key is only a warning to systemd. Other units of this machine are not our matter.
        ours = [line for line in output.splitlines() if any(u.name in line for u in units)]
        print("\n".join(ours + [f"verify: {code}"]))
        failed |= bool(ours)
        for unit in units[1:]:
            code, output = analyze("security", "--offline=yes", f"--threshold={EXPOSURE_MAX}",
                                   str(unit))
            print(output.splitlines()[-1] if output else f"{unit.name}: no answer")
            failed |= code != 0
    return int(failed)


if __name__ == "__main__":
    os.environ["SYSTEMD_COLORS"] = "0"
    sys.exit(main())
