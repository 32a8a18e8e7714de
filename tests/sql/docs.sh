#!/bin/bash
# The SQL that docs/database.md and the README show is run as it stands there, by the roles it is meant for.
#
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -z "${CLOSELOOP_DOCS:-}" ]; then
	CLOSELOOP_DOCS=1 exec "$here/../support/with-postgres" --migrated "$0"
fi
root=$here/../..
psql=(psql -X -q -v ON_ERROR_STOP=1)
passed=0 failed=0

# The statements of the ```sql blocks of a file that match, each run in turn by a role.
run_as() { # role, file, pattern, how many there must be at least
	local role=$1 file=$2 pattern=$3 least=$4 statement n=0
	while IFS= read -r -d '' statement; do
		n=$((n + 1))
		if printf 'SET ROLE %s;\n%s\n' "$role" "$statement" | "${psql[@]}" >/dev/null; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
			printf 'not ok: %s: %s\n' "$file" "$statement"
		fi
	done < <(sed -n '/^```sql$/,/^```$/p' "$root/$file" | sed '/^```/d' |
		awk -v pattern="$pattern" '{ text = text $0 "\n" } /;[ \t]*(--.*)?$/ { if (text ~ pattern) printf "%s%c", text, 0; text = "" }')
	if [ "$n" -lt "$least" ]; then
		failed=$((failed + 1))
		echo "not ok: $file shows $n statements like '$pattern', $least were expected"
	fi
}
check() { # what, query that gives t
	if [ "$("${psql[@]}" -At -c "$2")" = t ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "not ok: $1"
	fi
}

"${psql[@]}" -f "$root/sql/roles.sql"
run_as closeloop_writer docs/database.md 'INSERT INTO' 2
check "sent twice, stored once" "SELECT count(*) = 1 FROM closeloop.responses WHERE source_id = 'order-88211'"
check "the second time counts" "SELECT nps = 3 FROM closeloop.responses WHERE source_id = 'order-88211'"
run_as closeloop_writer README.md 'INSERT INTO' 2

"${psql[@]}" -c "INSERT INTO closeloop.cases (id, response_id, owner, version)
	SELECT 812, id, 'minsu-kim', 4 FROM closeloop.responses WHERE source_id = 'order-88211'"
run_as closeloop_pages docs/database.md 'case_transition' 4
check "all four actions were done" "SELECT status = 'resolved' AND version = 8 FROM closeloop.cases WHERE id = 812"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
