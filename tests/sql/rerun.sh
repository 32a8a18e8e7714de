#!/bin/bash
# Every migration may be run again, alone or all together, and then changes nothing: neither the schema nor the data.
#
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -z "${CLOSELOOP_RERUN:-}" ]; then
	CLOSELOOP_RERUN=1 exec "$here/../support/with-postgres" --migrated "$0"
fi
sql=$here/../../sql
psql=(psql -X -q -v ON_ERROR_STOP=1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() { # what, command…
	local what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "not ok: $what"
	fi
}
dump() { # newer pg_dump puts a random word into \restrict lines
	pg_dump --no-comments | grep -v '^\\\(un\)\?restrict ' || true
	psql -XAtc "SELECT p.oid::regprocedure, md5(prosrc), proacl, proconfig, obj_description(p.oid) FROM pg_proc p
		WHERE pronamespace = 'closeloop'::regnamespace ORDER BY 1"
}
same() { dump >"$work/after" && diff -u "$work/before" "$work/after"; }

"${psql[@]}" -f "$sql/roles.sql"
"${psql[@]}" <<-'END'
	INSERT INTO closeloop.responses (source_id, customer_id, nps) VALUES ('1', 'k', 2), ('2', 'k', 3);
	INSERT INTO closeloop.people (id, name) VALUES ('minsu', 'Minsu');
	INSERT INTO closeloop.owners (dimension, value, person) VALUES ('account', 'Hanbit', 'minsu');
	SELECT closeloop.raise_awake(1) \g /dev/null
	SELECT FROM closeloop.case_open_by_hand(1, 'jiwoo', 'high', 'minsu') \g /dev/null
	SELECT FROM closeloop.case_transition(1, 'resolve', 'minsu') \g /dev/null
END
dump >"$work/before"
check "the dump holds the schema" grep -q 'CREATE TRIGGER capture_update' "$work/before"

export PGOPTIONS='-c client_min_messages=warning'
for file in "$sql"/[0-9]*.sql "$sql"/roles.sql; do
	check "$(basename "$file") runs again" "${psql[@]}" -1 -f "$file"
	check "$(basename "$file") changes nothing" same
done
for file in "$sql"/[0-9]*.sql; do
	check "$(basename "$file") runs after the others" "${psql[@]}" -1 -f "$file"
done
check "all again change nothing" same

# Cases of before there were versions keep their promises.
"${psql[@]}" <<-'END'
	SELECT FROM closeloop.case_open_by_hand(2, 'jiwoo', 'high', 'minsu') \g /dev/null
	ALTER TABLE closeloop.cases ADD acknowledge_within interval, ADD resolve_within interval;
	UPDATE closeloop.cases SET acknowledge_within = '90 seconds', resolve_within = '2 days';
END
check "007_follow_up.sql brings the promises of before" "${psql[@]}" -1 -f "$sql/007_follow_up.sql"
check "as versions" test "$("${psql[@]}" -Atc "SELECT c.id, v.acknowledge_within, v.resolve_within FROM closeloop.cases AS c
	LEFT JOIN closeloop.follow_up_versions AS v ON v.id = c.follow_up_version ORDER BY c.id" | tr '\n' ' ')" = '1|| 2|90s|172800s '
check "and then changes nothing" "${psql[@]}" -1 -f "$sql/007_follow_up.sql"

# Incidents of before, when a failing endpoint was called paused, end as all others do.
"${psql[@]}" <<-'END'
	ALTER TABLE closeloop.operator_news DROP CONSTRAINT operator_news_kind_check,
		ADD CONSTRAINT operator_news_kind_check CHECK (kind IN ('endpoint_paused', 'credentials'));
	INSERT INTO closeloop.operator_news (kind, subject) VALUES ('endpoint_paused', 'crm');
END
check "012_operators.sql takes the incidents of before" "${psql[@]}" -1 -f "$sql/012_operators.sql"
check "under their name of now" test "$("${psql[@]}" -Atc "SELECT kind FROM closeloop.operator_news")" = endpoint_failing

# Into an empty database of the same cluster, and there without the roles' being new.
createdb -T template0 -E UTF8 --locale=C.UTF-8 again
for file in "$sql"/[0-9]*.sql "$sql"/roles.sql; do
	check "$(basename "$file") runs in a second database" "${psql[@]}" -1 -d again -f "$file"
done
# What a dump holds can be restored: no function or index depends on the search_path of who made it.
pg_dump -Fc closeloop >"$work/closeloop.dump"
createdb -T template0 -E UTF8 --locale=C.UTF-8 restored
check "a dump can be restored" pg_restore --exit-on-error -d restored "$work/closeloop.dump"
check "a restored database is the same" bash -c "diff <(pg_dump closeloop | grep -v restrict) <(pg_dump restored | grep -v restrict)"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
