#!/usr/bin/python3
"""
The shape of the tree: sizes, licence lines, and what must not get into it.

  shape.py ROOT

Files to 800 lines, C functions to 70 lines and 6 parameters (x_on_y callbacks: as the library wants), an SPDX line in every
source, no clock and no side effect in MIN and MAX, a final newline, no conflict marks, no paths of one machine, no hosts of package registries.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import re
import subprocess
import sys

LINES_MAX, FUNCTION_LINES_MAX, PARAMETERS_MAX = 800, 70, 6
SOURCES = (".c", ".h", ".sql", ".py", ".sh", ".mjs")
# In two parts, so that this file doesn't find itself.
FORBIDDEN = [re.compile(a + b) for a, b in (
    (r"<<<<<<", r"< |^>>>>>>> "),
    (r"(?<![\w.])/wo", r"rk/(main|shared)\b"),
    (r"(?<![\w.])/ro", r"ot/\."),
    (r"registry\.npm", r"js\.org"),
    (r"deb\.deb", r"ian\.org"),
    (r"\bpypi\.", r"org"),
)]


# MIN and MAX read an argument twice: a clock moves on in between, and what counts would count twice.
READ_TWICE = re.compile(r"\bM(?:IN|AX)\((?:[^()]|\([^()]*\))*?(?:_now\(|\+\+|--)")


def tracked(root):
    listing = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             capture_output=True, check=False)
    if listing.returncode == 0:
        return [root / name.decode() for name in listing.stdout.split(b"\0") if name and (root / name.decode()).is_file()]
    return [f for f in root.rglob("*") if f.is_file() and ".git" not in f.parts and "node_modules" not in f.parts
            and not any(p.startswith("build") for p in f.relative_to(root).parts[:1])]


def parameters(head):
    """How many parameters the function head ending in ')' has."""
    head = head[:head.rfind(")")]
    depth, start = 1, None
    for i in range(len(head) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(head[i], 0)
        if depth == 0:
            start = i + 1
            break
    if start is None or head[start:].strip() in ("", "void"):
        return 0
    depth = count = 0
    for c in head[start:]:
        depth += {"(": 1, ")": -1}.get(c, 0)
        count += c == "," and depth == 0
    return count + 1 - head.rstrip().endswith("...")


def check_functions(name, lines):
    start, head = None, []
    for number, line in enumerate(lines, 1):
        if line == "{" and start is None:
            start = number
            text = " ".join(head)
            if text.rstrip().endswith(")") and "_on_" not in text and parameters(text) > PARAMETERS_MAX:
                yield f"{name}:{number}: {parameters(text)} parameters (at most {PARAMETERS_MAX})"
        elif line.startswith("}") and start is not None:
            if number - start - 1 > FUNCTION_LINES_MAX:
                yield f"{name}:{start}: a function of {number - start - 1} lines (at most {FUNCTION_LINES_MAX})"
            start, head = None, []
        elif start is None:
            if not line or line.startswith(("#", "/", " *", "}")) or line.endswith((";", "*/")):
                head = []
            else:
                head.append(line)


def check(root, file):
    name = str(file.relative_to(root))
    try:
        text = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return  # data: pictures, a fuzz corpus
    if "\0" in text or name.startswith(("tests/fuzz/corpus", "tests/lang/")):
        return
    lines = text.split("\n")
    source = file.suffix in SOURCES
    if source and len(lines) - 1 > LINES_MAX:
        yield f"{name}: {len(lines) - 1} lines (at most {LINES_MAX})"
    if (source or text.startswith("#!")) and "SPDX-License-Identifier: Apache-2.0" not in "\n".join(lines[:40]):
        yield f"{name}: no SPDX line"
    if text and not text.endswith("\n"):
        yield f"{name}: no newline at the end"
    if file.suffix == ".c":
        yield from check_functions(name, lines)
    if file.suffix in (".c", ".h"):
        yield from (f"{name}:{text.count(chr(10), 0, m.start()) + 1}: a clock or a side effect in MIN or MAX" for m in READ_TWICE.finditer(text))
    for number, line in enumerate(lines, 1):
        for pattern in FORBIDDEN:
            if pattern.search(line):
                yield f"{name}:{number}: '{pattern.search(line).group(0).strip()}' doesn't belong into the tree"


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    files = tracked(root)
    mistakes = [m for f in files for m in check(root, f)]
    print("\n".join(mistakes) or f"{len(files)} files in shape")
    return 1 if mistakes or not files else 0


if __name__ == "__main__":
    sys.exit(main())
