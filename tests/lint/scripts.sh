#!/bin/bash
# Every shell and Python script of the tree at least parses; shellcheck too, where it is installed.
#   scripts.sh ROOT
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$1"

failed=0 shell=() python=()
while IFS= read -r -d '' file; do
	[ -f "$file" ] || continue
	first=$(head -c 60 "$file" | head -n 1 | tr -d '\0')
	case $first in
	'#!'*bash* | '#!/bin/sh'*) shell+=("$file") ;;
	'#!'*python*) python+=("$file") ;;
	*) case $file in *.py) python+=("$file") ;; esac ;;
	esac
done < <(git ls-files -z --cached --others --exclude-standard 2>/dev/null || find . -type f -not -path './build*' -print0)

for file in "${shell[@]}"; do
	bash -n "$file" || failed=1
done
/usr/bin/python3 - "${python[@]}" <<'PY' || failed=1
import ast, sys
failed = 0
for name in sys.argv[1:]:
    try:
        ast.parse(open(name, encoding="utf-8").read(), name)
    except SyntaxError as e:
        print(f"{name}:{e.lineno}: {e.msg}")
        failed = 1
sys.exit(failed)
PY
if command -v shellcheck >/dev/null; then
	shellcheck -S warning "${shell[@]}" || failed=1
fi
echo "${#shell[@]} shell and ${#python[@]} Python scripts read"
exit $failed
