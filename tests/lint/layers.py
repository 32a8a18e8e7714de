#!/usr/bin/python3
"""
Keeps daemon/layers true: which module may include which, and which module is the home of a foreign header.

  layers.py ROOT             checks the tree
  layers.py ROOT --table     prints the table as it was read

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def read_table(path):
    """Returns {module: set of modules}, {foreign header: set of modules}, [mistakes]."""
    allowed, homes, mistakes = {}, {}, []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        module, colon, rest = line.partition(":")
        if not colon or module in allowed:
            mistakes.append(f"{path}:{number}: expected one 'MODULE: MODULES…' for each module")
            continue
        words = rest.split()
        allowed[module] = {w for w in words if not w.startswith("!")}
        for header in (w[1:] for w in words if w.startswith("!")):
            homes.setdefault(header, set()).add(module)
    for module, others in allowed.items():
        for other in sorted(others - set(allowed) - {"sql"}):
            mistakes.append(f"{path}: {module} may include {other}, which has no line of its own")
    return allowed, homes, mistakes


def find_cycle(allowed):
    done, path = set(), []

    def visit(module):
        if module in path:
            return path[path.index(module):] + [module]
        if module in done:
            return None
        path.append(module)
        for other in sorted(allowed.get(module, ())):
            cycle = visit(other)
            if cycle:
                return cycle
        path.pop()
        done.add(module)
        return None

    for module in allowed:
        cycle = visit(module)
        if cycle:
            return cycle
    return None


def module_of(daemon, file):
    relative = file.relative_to(daemon)
    return relative.parts[0]


def check_file(daemon, file, allowed, homes):
    module = module_of(daemon, file)
    if module not in allowed:
        yield f"{file}: no line for '{module}' in daemon/layers"
        return
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quoted, header = match.group(1) == '"', match.group(2)
        if quoted and "/" in header:
            other = header.split("/")[0]
            if other != module and other not in allowed[module]:
                yield f"{file}:{number}: {module} may not include {other} (\"{header}\"): see daemon/layers"
        elif quoted:
            if not (file.parent / header).exists() and module not in ("closeloopd.c",):
                yield f"{file}:{number}: write \"{header}\" with its folder"
        if header in homes and module not in homes[header]:
            where = ", ".join(sorted(homes[header]))
            yield f"{file}:{number}: <{header}> has its home in {where}, not in {module}: see daemon/layers"


def main():
    root = pathlib.Path(sys.argv[1])
    daemon = root / "daemon"
    allowed, homes, mistakes = read_table(daemon / "layers")
    if "--table" in sys.argv:
        for module in allowed:
            print(module, *sorted(allowed[module]), *sorted("!" + h for h in homes if module in homes[h]))
        return 0
    cycle = find_cycle(allowed)
    if cycle:
        mistakes.append("daemon/layers has a cycle: " + " → ".join(cycle))
    files = sorted(f for f in daemon.rglob("*") if f.suffix in (".c", ".h"))
    for file in files:
        mistakes.extend(check_file(daemon, file, allowed, homes))
    print("\n".join(mistakes) or f"{len(files)} files keep to daemon/layers")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
