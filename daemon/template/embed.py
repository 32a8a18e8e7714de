#!/usr/bin/env python3
"""Files as C: embed.py OUT.c SYMBOL FILE... writes
`const struct embedded SYMBOL[]` (template/embedded.h), one entry a file by its name, ended by an empty one.

SPDX-License-Identifier: Apache-2.0
"""

import pathlib
import sys


def literal(line: bytes) -> str:
    """One line as a C string; three-digit octal can't run into what follows."""
    out = []
    for byte in line:
        char = chr(byte)
        if char in '"\\?':
            out.append("\\" + char)
        elif 0x20 <= byte < 0x7F:
            out.append(char)
        else:
            out.append("\\%03o" % byte)
    return '"' + "".join(out) + '"'


def main() -> None:
    out, symbol, *files = sys.argv[1:]
    parts = ['/* Made by embed.py. */\n#include "template/embedded.h"\n']
    parts.append("extern const struct embedded %s[];\nconst struct embedded %s[] = {\n" % (symbol, symbol))
    for name in sorted(files, key=lambda f: pathlib.Path(f).name):
        data = pathlib.Path(name).read_bytes()
        data.decode("utf-8")
        if b"\0" in data:
            sys.exit("%s: a text file has no NUL in it" % name)
        parts.append("{%s,\n" % literal(pathlib.Path(name).name.encode()))
        parts.extend(literal(line) + "\n" for line in data.splitlines(keepends=True) or [b""])
        parts.append("},\n")
    parts.append("{NULL, NULL}};\n")
    pathlib.Path(out).write_text("".join(parts), encoding="ascii")


if __name__ == "__main__":
    main()
