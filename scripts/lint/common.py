# SPDX-License-Identifier: MIT
"""What the lints share: the project's files, C text without comments and strings, and complaints as
file:line with what would be right."""
import os
import re
import sys

SKIP_DIRS = {".git", "__pycache__", "node_modules", "corpus", "vectors"}


class Lint:
    """Collects complaints; `done` prints them and gives the exit code."""

    def __init__(self, name):
        self.name, self.count = name, 0

    def complain(self, path, line, what, right):
        self.count += 1
        print(f"{path}:{line}: {self.name}: {what}; right would be: {right}")

    def done(self, note=""):
        print(f"{self.name}: {self.count} complaints{note}")
        sys.exit(1 if self.count else 0)


def root():
    """The tree to look at: the first argument, or the project that holds this script."""
    if len(sys.argv) > 1:
        return os.path.abspath(sys.argv[1])
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def walk(top, suffixes, under=None):
    """Paths, relative to top, of files that end in one of the suffixes, sorted."""
    found = []
    for start in under or [""]:
        for folder, dirs, names in os.walk(os.path.join(top, start)):
            dirs[:] = [d for d in dirs if d not in SKIP_DIRS and not d.startswith("build")]
            for name in names:
                if name.endswith(tuple(suffixes)):
                    found.append(os.path.relpath(os.path.join(folder, name), top))
    return sorted(found)


def read(top, path):
    with open(os.path.join(top, path), encoding="utf-8", errors="replace") as file:
        return file.read()


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_only(text):
    """The text with comments and literals blanked; every line keeps its number."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    return TOKEN.sub(blank, text)
