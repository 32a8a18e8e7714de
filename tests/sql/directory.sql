-- Who is responsible: how values are compared, and how daemons learn of a change.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
SELECT no_plan();

SELECT is(closeloop.fold(v), want, 'fold ' || quote_literal(v)) FROM (VALUES
	('Hanbit', 'hanbit'), ('  Hanbit'||E'\t\n', 'hanbit'), ('한빛정밀', '한빛정밀'), (normalize('한빛정밀', NFD), '한빛정밀'),
	('ÄÖÜ', 'äöü'), (E'A\u0308', 'ä'), (E'\u00a0x\u3000', 'x'), ('a  b', 'a  b'), ('', ''), (NULL, NULL)) AS x (v, want);
INSERT INTO closeloop.owners (dimension, value, person) VALUES ('account', 'Hanbit', 'minsu');
SELECT throws_ok(format('INSERT INTO closeloop.owners (dimension, value, person) VALUES (%L, %L, %L)', d, v, 'x'), '23505', NULL, 'the same: ' || d || ' ' || quote_literal(v))
	FROM (VALUES ('account', 'Hanbit'), ('account', 'HANBIT'), ('account', ' hanbit ')) AS x (d, v);
SELECT lives_ok($$INSERT INTO closeloop.owners (dimension, value, person) VALUES ('region', 'Hanbit', 'x'), ('account', 'Hanbit 2', 'x')$$, 'others are not');
SELECT throws_ok($$INSERT INTO closeloop.owners (dimension, value, person) VALUES ('account', ' ', 'x')$$, '23514', NULL, 'nobody owns nothing');

INSERT INTO closeloop.owners (dimension, value, person) SELECT 'account', 'a' || i, 'minsu' FROM generate_series(1, 5000) AS i;
ANALYZE closeloop.owners;
CREATE FUNCTION pg_temp.plan(q text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN ' || q; END $$;
SELECT ok(bool_or(p LIKE '%owners_key%'), 'a look-up by folded value uses the index')
	FROM pg_temp.plan($$SELECT person FROM closeloop.owners WHERE dimension = 'account' AND closeloop.fold(value) = closeloop.fold('A77')$$) AS p;

CREATE FUNCTION pg_temp.changed(sql text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	was bigint := (SELECT last_value FROM closeloop.directory_version);
BEGIN
	EXECUTE sql;
	RETURN (SELECT last_value FROM closeloop.directory_version) > was;
END
$$;
SELECT ok(pg_temp.changed(sql), 'noticed: ' || sql) FROM unnest(ARRAY[
	'INSERT INTO closeloop.people (id, name) VALUES (''a'', ''A''), (''b'', ''B'')', 'UPDATE closeloop.people SET email = ''a@example.com''',
	'INSERT INTO closeloop.absences (person) VALUES (''a'')', 'UPDATE closeloop.absences SET deputy = ''b''', 'DELETE FROM closeloop.absences',
	'DELETE FROM closeloop.people', 'TRUNCATE closeloop.people, closeloop.absences']) AS sql;

-- A reader sees the new number exactly when it sees the new rows: not before the commit.
SELECT dblink_connect('w', format('host=%s port=%s dbname=%s user=postgres', current_setting('unix_socket_directories'), current_setting('port'), current_database()));
SELECT last_value AS before FROM closeloop.directory_version \gset
SELECT dblink_exec('w', 'BEGIN');
SELECT dblink_exec('w', 'INSERT INTO closeloop.people (id, name) VALUES (''c'', ''C'')');
SELECT is(last_value, :before::bigint, 'not while the change is under way') FROM closeloop.directory_version;
SELECT dblink_exec('w', 'COMMIT');
SELECT is(last_value, :before::bigint + 1, 'but with it') FROM closeloop.directory_version;
SELECT * FROM finish();
