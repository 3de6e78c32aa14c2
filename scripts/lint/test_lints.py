#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The lints' own test: each must refuse a small tree with one violation, name its file and line, and
accept the same tree once that is put right."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
HEAD = "/* SPDX-License-Identifier: MIT */\n"
ONCE = HEAD + "#pragma once\n"
LONG = HEAD + "int f(void)\n{\n" + "\tx();\n" * 100 + "}\n"

# lint, file, its bad text, the line that must be named, its good text
CASES = [
    ("rooms", "sbc/sip/a.c", '#include "sbc/txn/txn.h"\n', 1, '#include "lib/base/err.h"\n'),
    ("rooms", "sbc/sip/a.c", '\n#include "sbc/sdp/sdp.h"\n', 2, '#include "sbc/sip/sip_priv.h"\n'),
    ("rooms", "sbc/call/a.c", '#include "sbc/sip/sip_priv.h"\n', 1, '#include "sbc/sip/sip.h"\n'),
    ("rooms", "sbc/call/a.c", '#include "media-relay/rtp/rtp.h"\n', 1, '#include "lib/ctl/ctl.h"\n'),
    ("rooms", "lib/base/a.c", '#include "sbc/sip/sip.h"\n', 1, '#include "lib/base/wire.h"\n'),
    ("rooms", "lib/log/a.c", '#include "lib/stats/stats.h"\n', 1, '#include "lib/base/wire.h"\n'),
    ("rooms", "media-relay/rtp/a.c", '#include "media-relay/session/session.h"\n', 1,
     '// #include "media-relay/session/session.h"\n'),
    ("rooms", "mgmt-api/store/a.c", "#include <jansson.h>\n", 1, "#include <sqlite3.h>\n"),
    ("rooms", "sbc/newroom/a.c", "int x;\n", 1, None),
    ("rooms", "sbc/call/a.c", '#include "sip.h"\n', 1, '#include "sbc/sip/sip.h"\n'),
    ("lengths", "sbc/sip/a.c", LONG, 2, LONG.replace("int f", "/* lint: long because x */\nint f")),
    ("lengths", "sbc/sip/a.c", "\n" * 801, 1, "\n" * 800),
    ("lengths", "sbc/sip/sip.h", "\n" * 201, 1, "\n" * 200),
    ("banned", "sbc/core/a.c", "void f(void)\n{\n\tstrcpy(a, b);\n}\n", 3,
     'void f(void)\n{\n\t/* strcpy(a, b) */ g("strcpy(");\n}\n'),
    ("banned", "sbc/core/a.c", "\tp = malloc(3);\n", 1,
     "/* lint: owns storage because it lives as long as the program */\n\tp = malloc(3);\n"),
    ("banned", "sbc/txn/a.c", "\tsendto(fd);\n", 1, "\teffect->sendto(fd);\n"),
    ("banned", "sbc/txn/a.c", "/* lint: owns storage because x */\n\tfree(p);\n", 2, "\n"),
    ("banned", "media-relay/rtp/a.c", "\tclock_gettime(a, b);\n", 1, "\trtp_clock_gettime(a, b);\n"),
    ("headers", "sbc/sip/sip.h", ONCE + "uint32_t f(void);\n", 1,
     ONCE + "#include <stdint.h>\nuint32_t f(void);\n"),
    ("headers", "sbc/sip/sip.h", HEAD + "struct a { int b; };\n", 1, ONCE + "struct a { int b; };\n"),
    ("spdx", "scripts/tool", "#!/bin/sh\n", 1, "#!/bin/sh\n# SPDX-License-Identifier: MIT\n"),
    ("spdx", "sbc/sip/a.c", "int x;\n", 1, HEAD),
]


def run(lint, path, text):
    with tempfile.TemporaryDirectory() as top:
        full = os.path.join(top, path)
        os.makedirs(os.path.dirname(full))
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
        return subprocess.run([sys.executable, os.path.join(HERE, lint + ".py"), top],
                              capture_output=True, text=True, check=False)


def main():
    print(f"1..{len(CASES)}")
    failed = 0
    for number, (lint, path, bad, line, good) in enumerate(CASES, 1):
        refused = run(lint, path, bad)
        ok = refused.returncode == 1 and f"{path}:{line}:" in refused.stdout
        if ok and good is not None:
            accepted = run(lint, path, good)
            ok = accepted.returncode == 0
            refused.stdout += accepted.stdout
        failed += not ok
        print(f"{'ok' if ok else 'not ok'} {number} - {lint} {path}")
        if not ok:
            print("# " + (refused.stdout + refused.stderr).replace("\n", "\n# "))
    sys.exit(1 if failed else 0)


main()
