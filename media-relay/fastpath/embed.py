#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""embed.py OBJECT SOURCE: the object's bytes as a C array, for fastpath_priv.h."""
import sys

with open(sys.argv[1], "rb") as file:
    data = file.read()
with open(sys.argv[2], "w", encoding="ascii") as source:
    source.write('/* Made from relay.bpf.c by embed.py. */\n'
                 '#include "media-relay/fastpath/fastpath_priv.h"\n\n'
                 "const unsigned char fastpath_object[] = {\n")
    for at in range(0, len(data), 16):
        source.write("\t" + " ".join(f"0x{byte:02x}," for byte in data[at:at + 16]) + "\n")
    source.write(f"}};\nconst size_t fastpath_object_bytes = {len(data)};\n")
