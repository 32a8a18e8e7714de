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
	-- The daemon's pages ask under SET ROLE closeloop_pages, so that a page can't do what the daemon can.
	IF NOT pg_has_role('closeloop_daemon', 'closeloop_pages', 'MEMBER') THEN
		GRANT closeloop_pages TO closeloop_daemon;
	END IF;
	PERFORM closeloop.grant_roles();
END
$$;
