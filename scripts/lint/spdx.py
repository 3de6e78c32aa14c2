#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each source and script opens with its licence: `SPDX-License-Identifier: MIT` in its first lines."""
import os

from common import Lint, read, root, walk

SUFFIXES = (".c", ".h", ".def", ".py", ".sh", ".js", ".css", ".html", ".xml", ".cfg", ".service",
            "meson.build", "meson_options.txt")


def is_script(top, path):
    """A file without a suffix that starts with #!."""
    if "." in os.path.basename(path):
        return False
    with open(os.path.join(top, path), "rb") as file:
        return file.read(2) == b"#!"


def main():
    lint = Lint("spdx")
    top = root()
    count = 0
    for path in walk(top, ("",)):
        if path.endswith(SUFFIXES) or is_script(top, path):
            count += 1
            if "SPDX-License-Identifier: MIT" not in "\n".join(read(top, path).splitlines()[:6]):
                lint.complain(path, 1, "no licence line", "SPDX-License-Identifier: MIT at the top")
    lint.done(f"; {count} files")


main()
