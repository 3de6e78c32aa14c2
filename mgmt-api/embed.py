#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes files into C: a table of struct http_file, each with its path, type and ETag.

embed.py OUT.c HEADER SYMBOL PATH=FILE..."""
import hashlib
import os
import sys

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
         ".json": "application/json"}


def octets(data):
    rows = [data[at:at + 16] for at in range(0, len(data), 16)]
    return "\n".join("\t" + " ".join(f"{byte:#04x}," for byte in row) for row in rows)


def main():
    out, header, symbol, *files = sys.argv[1:]
    arrays, table = [], []
    for number, item in enumerate(files):
        path, name = item.split("=", 1)
        with open(name, "rb") as file:
            data = file.read()
        kind = TYPES[os.path.splitext(name)[1]]
        etag = hashlib.sha256(data).hexdigest()[:32]
        # Bytes above 0x7f would not fit a signed char without a word.
        arrays.append(f"static const unsigned char file_{number}[] = {{\n{octets(data)}\n}};\n")
        table.append(f'\t{{ "{path}", "{kind}", "\\"{etag}\\"",\n'
                     f"\t  {{ (const char *)file_{number}, sizeof(file_{number}) }} }},\n")
    with open(out, "w", encoding="ascii") as file:
        file.write(f'#include "{header}"\n\n' + "\n".join(arrays) +
                   f"\nconst struct http_file {symbol}[] = {{\n" + "".join(table) +
                   f"\t{{ NULL, NULL, NULL, {{ NULL, 0 }} }},\n}};\n")


main()
