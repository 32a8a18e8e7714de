#!/bin/bash
# The systemd units are right and closed: no mistake in them, exposure at most 1.5 (bare daemons have 9.2).
#   units.sh BUILD
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
build=$1

if ! command -v systemd-analyze >/dev/null; then
	echo "no systemd-analyze here"
	exit 77
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for unit in closeloopd.service closeloopd@.service; do
	# verify wants the program to exist: take the one that was built.
	name=${unit/@/@one}
	sed "s|[^ =]*/bin/closeloopd|$build/daemon/closeloopd|" "$build/systemd/$unit" >"$dir/$name"
	said=$(SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$dir/$name" 2>&1) || {
		printf '%s: %s\n' "$unit" "$said"
		exit 1
	}
	if grep -F "$name" <<<"$said"; then exit 1; fi
	systemd-analyze security --offline=true --threshold=15 --no-pager "$dir/$name" >"$dir/said" 2>&1 || {
		tail -n 3 "$dir/said"
		exit 1
	}
	tail -n 1 "$dir/said"
done
grep -q '^ExecStart=.* -c /etc/closeloop/%i/closeloop.conf$' "$build/systemd/closeloopd@.service"
grep -q '^LoadCredential=secret:/etc/closeloop/%i/credentials$' "$build/systemd/closeloopd@.service"
