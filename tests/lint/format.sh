#!/bin/sh
# format.sh ROOT   every C file is as .clang-format says. Put it right with: git ls-files '*.[ch]' | xargs clang-format -i
# SPDX-License-Identifier: Apache-2.0
set -eu
cd "$1"
command -v clang-format >/dev/null || {
	echo "clang-format is missing: tests/support/install-packages test" >&2
	exit 77
}
find daemon sql tests -name node_modules -prune -o \( -name '*.c' -o -name '*.h' \) -print0 | xargs -0 clang-format --dry-run -Werror
