/*
 * The cases that there really were; see backtest.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/backtest_inner.h"

#include <stdlib.h>
#include <string.h>

#define SQL_BYTES_MAX (16 * 1024)
#define NEVER INT64_MAX

/* Of one that opened again, when it ended first: what came then is played anew. */
#define END_OF_C                                                                          \
	"CASE WHEN c.reopened > 0 THEN (SELECT min(e.at) FROM closeloop.case_events AS e" \
	" WHERE e.case_id = c.id AND e.kind IN ('resolved', 'closed', 'dismissed')) ELSE least(c.resolved_at, c.closed_at) END"

struct reader {
	struct backtest *b;
	struct pg_sync *db;
	int (*on_turn)(void *arg);
	void *arg;
};

static int on_turn(void *arg)
{
	const struct reader *r = arg;

	return r->on_turn(r->arg);
}

static int64_t end_of(const struct pg_field *f)
{
	return f->p ? pg_field_time(f).us : NEVER;
}

/* ---- when real cases ended ---- */

static int on_end(void *arg, struct pg_field *f, int n)
{
	struct backtest *b = ((struct reader *)arg)->b;

	if (b->n_ends == b->room_ends) {
		b->room_ends = MAX(b->room_ends * 2, 1024);
		b->ends = xrealloc(b->ends, sizeof(*b->ends) * (size_t)b->room_ends);
	}
	b->ends[b->n_ends++] = (struct real_end){pg_field_int8(&f[0]), end_of(&f[1])};
	return 0;
}

static int read_ends(struct reader *r, struct pg_error *error)
{
	char since[WALL_TEXT_BYTES], until[WALL_TEXT_BYTES];
	struct buf sql CLEANUP(buf_fini) = BUF_INIT(SQL_BYTES_MAX);
	struct pg_copy copy = {"backtest_ends", NULL, on_end, on_turn, r};
	const struct backtest *b = r->b;

	buf_printf(
		&sql,
		"COPY (SELECT c.response_id, " END_OF_C " FROM closeloop.cases AS c"
		" JOIN closeloop.responses AS r ON r.id = c.response_id WHERE r.responded_at >= '%s' AND r.responded_at < '%s'"
		" ORDER BY c.response_id) TO STDOUT (FORMAT binary)",
		wall_text(b->since, since), wall_text(b->until, until));
	copy.sql = buf_str(&sql);
	return pg_sync_copy(r->db, &copy, error);
}

/* ---- cases from before ---- */

/* A name that lasts. */
static const char *team_of(const struct settings *s, const char *id)
{
	const struct team *team = settings_team(s, id);

	return team ? team->id : NULL;
}

static int on_case(void *arg, struct pg_field *f, int n)
{
	const struct backtest *b = ((struct reader *)arg)->b;
	struct response r = {.customer_id = f[0].p,
			     .account = f[1].p,
			     .nps = f[8].p ? pg_field_int2(&f[8]) : SCORE_MISSING,
			     .csat = SCORE_MISSING,
			     .ces = SCORE_MISSING,
			     .contact_requested = pg_field_bool(&f[7])};
	enum priority priority = PRIORITY_NORMAL;
	struct owner_found owner = {0};
	bool dismissed = f[5].p && strcmp(f[5].p, "dismissed") == 0;

	if (f[6].p)
		priority_parse(f[6].p, &priority);
	for (int i = 0; i < b->n_sides; i++) {
		const struct backtest_side *side = &b->sides[i];
		struct sim_response s = {.at = pg_field_time(&f[2]).us, .end = end_of(&f[3]), .priority = priority};

		s.customer = settings_is_anonymous(side->settings, r.customer_id) ? 0 : sim_key_of(r.customer_id);
		s.account = side->settings->cases.merge_by == MERGE_BY_ACCOUNT ? sim_key_of(merge_key(side->settings, &r))
									       : sim_key(r.account);
		s.owner = &owner;
		owner.person = f[9].p ? directory_person(side->directory, f[9].p) : NULL;
		owner.team = f[10].p ? team_of(side->settings, f[10].p) : NULL;
		s.contact = r.contact_requested;
		s.score = sim_score_of(&r, NULL, 0);
		if (s.customer || s.account)
			sim_cases_seed(side->cases, &s, pg_field_time(&f[4]).us, dismissed);
	}
	return 0;
}

/* One that was noted at a case within its cooldown ('linked') is no answer of it. */
static int read_cases(struct reader *r, struct pg_error *error)
{
	char from[WALL_TEXT_BYTES], since[WALL_TEXT_BYTES];
	struct buf sql CLEANUP(buf_fini) = BUF_INIT(SQL_BYTES_MAX);
	struct pg_copy copy = {"backtest_cases", NULL, on_case, on_turn, r};
	const struct backtest *b = r->b;
	int64_t memory = 0;

	for (int i = 0; i < b->n_sides; i++)
		memory = MAX(memory, sim_cases_memory_us(b->sides[i].cases));
	if (memory == 0)
		return 0;
	wall_text((struct wall_time){b->since.us - memory}, from);
	wall_text(b->since, since);
	buf_printf(&sql,
		   "COPY (SELECT r.customer_id, r.account, r.responded_at, " END_OF_C ","
		   " greatest(r.responded_at, (SELECT max(q.responded_at) FROM closeloop.case_responses AS k"
		   "  JOIN closeloop.responses AS q ON q.id = k.response_id WHERE k.case_id = c.id AND k.relation <> 'linked'"
		   "   AND q.responded_at < '%s')),"
		   " c.status::text, c.priority::text, r.contact_requested, r.nps, c.owner, c.team"
		   " FROM closeloop.cases AS c JOIN closeloop.responses AS r ON r.id = c.response_id"
		   " WHERE r.responded_at < '%s' AND (r.responded_at >= '%s' OR least(c.resolved_at, c.closed_at) >= '%s')"
		   " ORDER BY r.responded_at, r.id) TO STDOUT (FORMAT binary)",
		   since, since, from, from);
	copy.sql = buf_str(&sql);
	return pg_sync_copy(r->db, &copy, error);
}

int backtest_real(struct backtest *b, struct pg_sync *db, int (*on_each_turn)(void *arg), void *arg, struct pg_error *error)
{
	struct reader reader = {b, db, on_each_turn, arg};
	int r = read_ends(&reader, error);

	return r ? r : read_cases(&reader, error);
}
