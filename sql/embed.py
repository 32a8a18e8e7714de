#!/usr/bin/python3
"""
Writes the migrations and roles.sql as C source, to be built into the programs (migrations.h).

  embed.py OUTPUT.c FILE.sql…

A migration is NUMBER_NAME.sql, the numbers going up from 001 without a gap; a file without a number is roles.sql.

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import pathlib
import re
import sys

ESCAPES = {ord('"'): '\\"', ord("\\"): "\\\\", ord("\t"): "\\t"}


def c_string(text):
    lines = text.encode("utf-8").split(b"\n")
    ends = ["\\n"] * (len(lines) - 1) + [""]
    quoted = ['"' + "".join(ESCAPES.get(b, chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in line) + end + '"'
              for line, end in zip(lines, ends)]
    return "\n\t".join(q for q in quoted if q != '""') or '""'


def main(output, files):
    migrations, roles = [], None
    for path in map(pathlib.Path, files):
        text = path.read_text(encoding="utf-8")
        numbered = re.fullmatch(r"(\d{3})_[a-z0-9_]+", path.stem)
        if path.stem == "roles":
            roles = text
        elif not numbered:
            sys.exit(f"{path}: a migration is called NNN_name.sql")
        else:
            migrations.append((int(numbered.group(1)), path.stem, text))
    migrations.sort()
    if [number for number, _, _ in migrations] != list(range(1, len(migrations) + 1)):
        sys.exit("embed.py: the numbers of the migrations must go up from 001 without a gap")
    if roles is None:
        sys.exit("embed.py: roles.sql is missing")
    with open(output, "w", encoding="ascii") as out:
        out.write('/* Made by sql/embed.py. */\n#include "sql/migrations.h"\n\n')
        out.write("const struct sql_migration sql_migrations[] = {\n")
        for number, name, text in migrations:
            sha256 = hashlib.sha256(text.encode("utf-8")).hexdigest()
            out.write(f'{{{number}, "{name}", "{sha256}",\n\t{c_string(text)}}},\n')
        out.write(f"}};\nconst int sql_migrations_n = {len(migrations)};\n")
        out.write(f"const char sql_roles[] =\n\t{c_string(roles)};\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
