/*
 * The models speak of real statements: each condition that a model's step stands for is in the statement it names. Who changes
 * one of these looks at the model first, then here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "case/case_store.h"
#include "intake/intake_store.h"
#include "outbox/backoff.h"
#include "outbox/outbox_store.h"
#include "sql/migrations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define HAS(stmt, ...)                                                                        \
	do {                                                                                  \
		const char *const parts_[] = {__VA_ARGS__};                                   \
		for (size_t i_ = 0; i_ < ARRAY_SIZE(parts_); i_++)                            \
			if (!strstr((stmt).sql, parts_[i_]))                                  \
				fail_msg("%s: the model needs: %s", (stmt).name, parts_[i_]); \
	} while (0)

static void outbox(void **state)
{
	HAS(outbox_insert, "(CASE WHEN leased THEN 'leased'", "leased::int, leased::int", "ON CONFLICT (dedup_key) DO NOTHING");
	HAS(outbox_insert_new, "(CASE WHEN leased THEN 'leased'", "leased::int, leased::int");
	HAS(outbox_insert_one, "(CASE WHEN $12 THEN 'leased'", "$12::int, $12::int");
	HAS(outbox_claim, "fence = m.fence + 1", "WHEN m.fence > 0 AND m.kind NOT IN", "THEN 'cancelled' ELSE 'leased' END",
	    "daemon = $3", "q.state IN ('queued', 'leased')", "q.next_at <= clock_timestamp()", "b.seq < q.seq AND b.state",
	    "FOR UPDATE OF q SKIP LOCKED");
	HAS(outbox_settle, "(m.state = 'leased' AND m.fence = r.fence)",
	    "(r.state = 'sent' AND m.state NOT IN ('sent', 'failed', 'dead', 'cancelled'))",
	    "c.status IN ('resolved', 'closed', 'dismissed')", "THEN 'cancelled'");
	HAS(outbox_renew, "m.fence = r.fence AND m.state = 'leased'", "next_at = clock_timestamp() + interval '30 seconds'");
	HAS(outbox_reclaim, "state = 'leased' AND daemon = $1 AND id <> ALL ($2)",
	    "lease_until < clock_timestamp() + interval '30 seconds' - make_interval(secs => $3)");
}

static void a_lease_outlives_two_renewals_that_are_lost(void **state)
{
	assert_true(LEASE_US >= 3 * LEASE_RENEW_US);
}

static void intake(void **state)
{
	HAS(intake_claim, "tries = 0 AND set_aside_at IS NULL", "available_at <= clock_timestamp()", "CASE WHEN c.changed THEN",
	    "ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED");
	HAS(intake_done, "DELETE FROM closeloop.inbox");
	HAS(intake_claim_one, "WHERE id = $1 AND set_aside_at IS NULL");
	HAS(intake_pick_head, "tries = tries + 1", "CASE WHEN tries >= 3", "tries = 0", "FOR UPDATE SKIP LOCKED",
	    "available_at = clock_timestamp() + interval", "available_at <= clock_timestamp()");
	HAS(intake_pick_tried, "tries > 0", "available_at <= clock_timestamp()");
	HAS(intake_blame, "CASE WHEN $3 AND tries >= 3");
	HAS(intake_return, "INSERT INTO closeloop.inbox (response_id, changed, available_at)",
	    "NOT EXISTS (SELECT FROM closeloop.inbox i WHERE i.response_id = changed.id AND i.set_aside_at IS NULL"
	    "  FOR KEY SHARE SKIP LOCKED)");
	HAS(intake_promise, "closeloop.raise_awake(");
}

static void cases(void **state)
{
	HAS(case_lock_customer, "pg_advisory_xact_lock");
	HAS(case_lock_customers, "pg_advisory_xact_lock", "ORDER BY k");
	HAS(case_lock_one, "pg_advisory_xact_lock($1), (SELECT r.xmin", "FOR NO KEY UPDATE SKIP LOCKED");
	HAS(case_look_one, "FROM closeloop.case_responses", "FROM closeloop.cases");
	HAS(case_lock_responses, "xmin", "ORDER BY id FOR NO KEY UPDATE SKIP LOCKED");
	HAS(case_judged, "FROM closeloop.case_responses");
	HAS(case_record_stmt, "ON CONFLICT (response_id) DO UPDATE", "WHERE c.case_id IS NULL");
	HAS(case_open_stmt, "ON CONFLICT (response_id) DO UPDATE", "WHERE c.case_id IS NULL");
}

/* The function of a migration, up to its comment. */
static struct pg_stmt function(const char *name)
{
	for (int i = 0; i < sql_migrations_n; i++) {
		const char *text = strstr(sql_migrations[i].text, name);

		if (text)
			return (struct pg_stmt){.name = name, .sql = text};
	}
	fail_msg("no migration has %s", name);
	return (struct pg_stmt){0};
}

static void assert_order(const struct pg_stmt *stmt, const char *const *parts, size_t n)
{
	const char *at = stmt->sql;

	for (size_t i = 0; i < n; i++) {
		const char *found = strstr(at, parts[i]);

		if (!found)
			fail_msg("%s: the model needs, in this order: %s", stmt->name, parts[i]);
		at = found;
	}
}

static void merging(void **state)
{
	/* Whoever finds no case by the first question locks nothing: behind the customer's lock nobody can have opened one. */
	static const char *const looks_twice[] = {
		"merge_candidates(",          "q.repeated OR EXISTS (SELECT FROM closeloop.cases",
		"IF places IS NULL THEN",     "ORDER BY c.id FOR NO KEY UPDATE",
		"RETURN QUERY SELECT * FROM", "merge_look(",
		"m.case_id = ANY (locked)"};
	static const char *const keeps[] = {"case_kept_why(", "c.status <> 'open'",
					    "k.response_id <> case_kept_why.response_id", "e.actor <> 'daemon'",
					    "expected_version IS DISTINCT FROM c.version"};
	static const char *const rides_along[] = {"closeloop.capture_update()", "i.settles",
						  "i.set_aside_at IS NULL FOR KEY SHARE SKIP LOCKED"};
	struct pg_stmt f = function("FUNCTION closeloop.merge_candidates(");

	assert_order(&f, looks_twice, ARRAY_SIZE(looks_twice));
	f = function("FUNCTION closeloop.case_kept_why(");
	assert_order(&f, keeps, ARRAY_SIZE(keeps));
	f = function("FUNCTION closeloop.capture_update()");
	assert_order(&f, rides_along, ARRAY_SIZE(rides_along));
	HAS(case_merge_stmt, "closeloop.merge_candidates(");
	HAS(case_join_stmt, "ORDER BY q.n");
	HAS(case_amend_stmt, "ORDER BY q.case_id");
	HAS(case_open_stmt, "INSERT INTO closeloop.cases (id, response_id");
	HAS(case_open_one_stmt, "INSERT INTO closeloop.cases (id, response_id");
	HAS(case_now_and_ids, "nextval('closeloop.cases_id_seq')");
	HAS(case_look_one, "nextval('closeloop.cases_id_seq')");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outbox),  cmocka_unit_test(a_lease_outlives_two_renewals_that_are_lost),
		cmocka_unit_test(intake),  cmocka_unit_test(cases),
		cmocka_unit_test(merging),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
