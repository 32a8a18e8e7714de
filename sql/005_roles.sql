-- Who may do what. Four roles that nobody logs in as; people and programs are made members of them.
--
--   closeloop_writer  writes responses, and nothing else
--   closeloop_daemon  closeloopd and the closeloop command
--   closeloop_pages   reads cases and moves them through case_transition()
--   closeloop_reader  reports: views, never a message's text
--
-- Roles belong to the whole cluster and need CREATEROLE, so they are made on request (roles.sql, `closeloop migrate --roles`).
-- grant_roles() gives the rights to those that exist; `closeloop migrate` calls it after every change of the schema.
--
-- SPDX-License-Identifier: Apache-2.0

CREATE OR REPLACE FUNCTION closeloop.grant_each(role_name text, grants text[]) RETURNS boolean
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	g text;
BEGIN
	IF to_regrole(role_name) IS NULL THEN
		RETURN false;
	END IF;
	EXECUTE format('GRANT USAGE ON SCHEMA closeloop TO %I', role_name);
	FOREACH g IN ARRAY grants LOOP
		EXECUTE format('GRANT %s TO %I', g, role_name);
	END LOOP;
	RETURN true;
END
$$;
COMMENT ON FUNCTION closeloop.grant_each(text, text[]) IS 'Gives a list of rights to a role; false when there is no such role.';

-- PostgreSQL asks for SELECT on what ON CONFLICT DO UPDATE compares and on what it reads from EXCLUDED.
CREATE OR REPLACE FUNCTION closeloop.grant_writer() RETURNS boolean
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	columns text := 'source, source_id, survey, touchpoint, channel, customer_id, customer_name, customer_email,'
		' customer_phone, account, account_name, region, language, nps, csat, ces, ratings, contact_requested, comment,'
		' attributes, responded_at, received_at';
BEGIN
	RETURN closeloop.grant_each('closeloop_writer', ARRAY[
		format('INSERT (%s), UPDATE (%s), SELECT (id, %s) ON closeloop.responses', columns, columns, columns)]);
END
$$;
COMMENT ON FUNCTION closeloop.grant_writer() IS 'closeloop_writer: INSERT … ON CONFLICT (source, source_id) DO UPDATE, and no more.';

CREATE OR REPLACE FUNCTION closeloop.grant_daemon() RETURNS boolean
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT closeloop.grant_each('closeloop_daemon', ARRAY[
		'SELECT ON ALL TABLES IN SCHEMA closeloop',
		'UPDATE (received_at) ON closeloop.responses', -- for row locks
		'INSERT, UPDATE, DELETE ON closeloop.inbox, closeloop.endpoints, closeloop.people, closeloop.absences,'
			' closeloop.owners, closeloop.team_positions, closeloop.rulesets, closeloop.daemons, closeloop.notices',
		'INSERT, UPDATE ON closeloop.cases, closeloop.case_responses, closeloop.messages',
		'INSERT ON closeloop.case_events, closeloop.attempts',
		'USAGE, SELECT ON ALL SEQUENCES IN SCHEMA closeloop',
		'UPDATE ON SEQUENCE closeloop.awake_until',
		'EXECUTE ON FUNCTION closeloop.fold(text), closeloop.wake(), closeloop.is_awake(), closeloop.raise_awake(bigint),'
			' closeloop.settle_replace(text[], float8[]), closeloop.daemon_hold(text), closeloop.daemon_is_alive(closeloop.daemons),'
			' closeloop.score_text(closeloop.responses), closeloop.score_text(closeloop.responses, jsonb),'
			' closeloop.case_actions(), closeloop.is_unresolved(closeloop.case_status),'
			' closeloop.case_transition(bigint, text, text, text, jsonb, int),'
			' closeloop.case_open_by_hand(bigint, text, closeloop.priority, text, text, jsonb)',
		'EXECUTE ON FUNCTION closeloop.promise_due(timestamptz, closeloop.promise, text, text),'
			' closeloop.promise_before(timestamptz, closeloop.promise, text, text),'
			' closeloop.open_time(timestamptz, timestamptz, text, text), closeloop.open_after(timestamptz, interval, text, text),'
			' closeloop.zone_or(text, text), closeloop.zone_is_known(text), closeloop.clocks_replace(jsonb, jsonb), closeloop.clocks_pending(),'
			' closeloop.clocks_worked_off(bigint), closeloop.follow_up_times(timestamptz), closeloop.source_look(),'
			' closeloop.sources_silent(), closeloop.ruleset_at(timestamptz),'
			' closeloop.reload_ask(text), closeloop.reload_look()',
		'EXECUTE ON FUNCTION closeloop.case_assign_all(text, text, text, text), closeloop.case_plans(bigint[]),'
			' closeloop.follow_up_version(jsonb), closeloop.case_opening_clocks(int, text, timestamptz),'
			' closeloop.follow_up_sweep(int), closeloop.follow_up_recompute(bigint, int)',
		'EXECUTE ON FUNCTION closeloop.outcomes_record(bigint[], text[], interval, jsonb),'
			' closeloop.merge_candidates(bigint[], text[], text[], timestamptz[], boolean[], boolean, interval[]),'
			' closeloop.merge_look(bigint[], text[], text[], timestamptz[], boolean, interval[]),' -- for a trial, without locks
			' closeloop.merge_found(bigint, text, closeloop.cases), closeloop.is_shared_id(text, timestamptz, bigint),'
			' closeloop.case_join(bigint, bigint, closeloop.priority, text[], int, jsonb, jsonb),'
			' closeloop.case_recur(bigint, bigint, closeloop.priority, text[], int, jsonb, jsonb),'
			' closeloop.case_cooled(bigint, bigint, closeloop.priority, text[], jsonb),'
			' closeloop.case_amend(bigint, bigint, jsonb, jsonb, jsonb)',
		'EXECUTE ON FUNCTION closeloop.operator_open(text, text, jsonb), closeloop.operator_undelivered(uuid[]),'
			' closeloop.operator_nobody_left(uuid[]), closeloop.operator_look(text[]),'
			' closeloop.operator_claim(boolean, int)',
		'UPDATE (mailed_at) ON closeloop.link_requests', 'INSERT, UPDATE ON closeloop.alert_budgets', 'INSERT, DELETE ON closeloop.mornings',
		'EXECUTE ON FUNCTION closeloop.moment_of(timestamp, text), closeloop.quiet_until(timestamptz, text, int, int),'
			' closeloop.after_quiet(timestamptz, closeloop.alert_limits), closeloop.full_hour_after(timestamptz, text),'
			' closeloop.budget_hour(timestamptz), closeloop.newest(timestamptz[], timestamptz, timestamptz, bigint, int),'
			' closeloop.budget_lock(text[]), closeloop.score_rank(closeloop.responses),'
			' closeloop.budget_take(closeloop.alert_limits[], int[], int[], boolean[], timestamptz),'
			' closeloop.budget_pass(closeloop.alert_limits[], int[], int[], boolean[], timestamptz),'
			' closeloop.digest_soon(text[], timestamptz), closeloop.digest_find(timestamptz),'
			' closeloop.digest_claim(int, timestamptz), closeloop.digest_cancel_stale(text),'
			' closeloop.digest_release_one(closeloop.alert_limits, uuid, timestamptz),'
			' closeloop.digest_release(closeloop.alert_limits[], uuid[], timestamptz), closeloop.digest_disown(text, uuid),'
			' closeloop.digest_postpone(text[], interval), closeloop.digest_now(text[]), closeloop.digest_end_bound(int),'
			' closeloop.digest_lines(uuid, text, int, timestamptz),'
			' closeloop.morning_claim(text[], text[], int[], int, timestamptz),'
			' closeloop.morning_lines(text, text, int, timestamptz)'])
$$;
COMMENT ON FUNCTION closeloop.grant_daemon() IS 'closeloop_daemon: everything closeloopd and the closeloop command do.';

CREATE OR REPLACE FUNCTION closeloop.grant_pages() RETURNS boolean
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT closeloop.grant_each('closeloop_pages', ARRAY[
		'SELECT ON closeloop.instance, closeloop.migrations, closeloop.responses, closeloop.cases, closeloop.case_responses,'
			' closeloop.case_events, closeloop.people, closeloop.absences, closeloop.owners, closeloop.directory_version,'
			' closeloop.case_overview, closeloop.nps_by_touchpoint, closeloop.follow_up_performance,'
			' closeloop.message_overview',
		'EXECUTE ON FUNCTION closeloop.fold(text), closeloop.score_text(closeloop.responses), closeloop.case_actions(),'
			' closeloop.is_unresolved(closeloop.case_status),'
			' closeloop.case_transition(bigint, text, text, text, jsonb, int),'
			' closeloop.case_open_by_hand(bigint, text, closeloop.priority, text, text, jsonb)',
		'EXECUTE ON FUNCTION closeloop.case_assign_all(text, text, text, text), closeloop.case_plans(bigint[]),'
			' closeloop.open_time(timestamptz, timestamptz, text, text), closeloop.follow_up_times(timestamptz)',
		'EXECUTE ON FUNCTION closeloop.page_case(bigint, text, text[], text[], text, text[]), closeloop.page_moment(timestamptz, text),'
			' closeloop.page_keep(bigint, text, text, jsonb),'
			' closeloop.page_act(bigint, text, text, text[], text[], text, jsonb, int, text),'
			' closeloop.page_inbox(text[], jsonb, jsonb, text, int), closeloop.page_done(text[], jsonb, bigint, text, int),'
			' closeloop.page_counts(text, text), closeloop.page_acknowledge(bigint[], text, text[], text[]),'
			' closeloop.page_away(text, date, date, text, text), closeloop.page_back(text),'
			' closeloop.page_link_request(text, bigint), closeloop.api_cases(jsonb, bigint, int, text),'
			' closeloop.api_transition(bigint, text, text, text, jsonb, int, text), closeloop.report(int, text, text[])'])
$$;
COMMENT ON FUNCTION closeloop.grant_pages() IS 'closeloop_pages: reads cases, and moves them only through functions.';

CREATE OR REPLACE FUNCTION closeloop.grant_reader() RETURNS boolean
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT closeloop.grant_each('closeloop_reader', ARRAY[
		'SELECT ON closeloop.case_overview, closeloop.nps_by_touchpoint, closeloop.follow_up_performance,'
			' closeloop.message_overview',
		'EXECUTE ON FUNCTION closeloop.score_text(closeloop.responses), closeloop.is_unresolved(closeloop.case_status),'
			' closeloop.open_time(timestamptz, timestamptz, text, text), closeloop.follow_up_times(timestamptz)'])
$$;
COMMENT ON FUNCTION closeloop.grant_reader() IS 'closeloop_reader: the views.';

CREATE OR REPLACE FUNCTION closeloop.grant_roles() RETURNS int
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT closeloop.grant_writer()::int + closeloop.grant_daemon()::int + closeloop.grant_pages()::int
		+ closeloop.grant_reader()::int
$$;
COMMENT ON FUNCTION closeloop.grant_roles() IS 'Gives their rights to those of the four roles that exist; returns how many do.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA closeloop FROM PUBLIC;
