#!/usr/bin/python3
"""
No writable global or static data in the programs' own objects, but what globals.allow names with a reason.

  globals.py ROOT BUILD

Looks at the sections of the symbols, because nm calls a table of constant pointers (.data.rel.ro) writable. Data of one
thread (.tbss, .tdata) is allowed.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import re
import subprocess
import sys

WRITABLE = re.compile(r"^\.(data|bss)(\.(?!rel\.ro)|$)|^\*COM\*$")
SYMBOL = re.compile(r"^[0-9a-f]+ (.{7}) (\S+)\s+([0-9a-f]+)\s+(?:\.hidden )?(\S+)$")


def read_allowed(path):
    """Each line: FILE SYMBOL reason…; a reason is a must."""
    allowed, mistakes = set(), []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split(None, 2)
        if len(words) < 3:
            mistakes.append(f"{path}:{number}: expected 'FILE SYMBOL reason'")
            continue
        allowed.add((words[0], words[1]))
    return allowed, mistakes


def source_of(build, object_file):
    """daemon/base/libcloseloop-base.a.p/log.c.o → daemon/base/log.c"""
    relative = object_file.relative_to(build)
    folder = pathlib.Path(*[p for p in relative.parts[:-1] if not p.endswith(".p")])
    return str(folder / relative.name.removesuffix(".o"))


def writable_symbols(object_file):
    listing = subprocess.run(["objdump", "-t", str(object_file)], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        match = SYMBOL.match(line)
        if not match:
            continue
        flags, section, size, name = match.groups()
        if "d" in flags or int(size, 16) == 0 or not WRITABLE.match(section):
            continue
        yield re.sub(r"\.\d+$", "", name), section


def main():
    root, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    allowed, mistakes = read_allowed(root / "tests/lint/globals.allow")
    used, objects = set(), sorted((build / "daemon").rglob("*.c.o"))
    for object_file in objects:
        source = source_of(build, object_file)
        for name, section in writable_symbols(object_file):
            if (source, name) in allowed:
                used.add((source, name))
            else:
                mistakes.append(f"{source}: '{name}' is writable global data ({section})")
    if not objects:
        mistakes.append(f"{build}: nothing is built yet")
    for source, name in sorted(allowed - used):
        mistakes.append(f"globals.allow: {source} {name} is not there any more: take the line out")
    print("\n".join(mistakes) or f"{len(objects)} objects without writable globals, {len(used)} allowed")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
