#!/bin/sh
# Every recipe: a configuration without a warning, whose tests pass and leave no rule untested.
# SPDX-License-Identifier: Apache-2.0
set -eu
closeloop=$1 recipes=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -R "$recipes/." "$folder"
cd "$folder"
umask 077
echo https://chat.printer.example/hooks/1 >cx-url
failed=0 n=0

fail() {
	echo "$*" >&2
	failed=1
}

for recipe in *.conf; do
	name=${recipe%.conf}
	case $name in company | *.tests) continue ;; esac
	n=$((n + 1))
	grep -q "(${name}.conf)" README.md || fail "$name: not in README.md"
	if [ ! -f "$name.tests.conf" ]; then
		fail "$name: has no tests"
		continue
	fi
	COLUMNS=120 "$closeloop" -c "$recipe" check >said 2>&1 && grep -q 'nothing to say' said || fail "$name: $(cat said)"
	COLUMNS=120 "$closeloop" -c "$recipe" test "$name.tests.conf" >said 2>&1 || fail "$name: $(cat said)"
	! grep 'no test makes' said || fail "$name: a rule isn't tested"
done
[ "$n" -ge 15 ] || fail "only $n recipes"
echo "$n recipes"
exit $failed
