-- The four roles and their rights; needs CREATEROLE. Run by `closeloop migrate --roles`, as often as wanted.
--
-- SPDX-License-Identifier: Apache-2.0

DO $$
DECLARE
	r text;
BEGIN
	FOREACH r IN ARRAY ARRAY['closeloop_writer', 'closeloop_daemon', 'closeloop_pages', 'closeloop_reader'] LOOP
		IF to_regrole(r) IS NULL THEN
			EXECUTE format('CREATE ROLE %I NOLOGIN', r);
		END IF;
	END LOOP;
	PERFORM closeloop.grant_roles();
END
$$;
