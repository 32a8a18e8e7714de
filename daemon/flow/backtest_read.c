/*
 * The responses of the past, one at a time; see backtest.h.
 *
 * Asked for are the columns that either set of rules reads, those that its owners are found by, and few more: a comment that no rule
 * looks at stays where it is. Texts aren't copied, they lie in the row that has come; JSON is taken apart when somebody asks for it.
 * The times in the SQL are written by us, names of columns are from the table below: nothing in it comes from outside.
 *
 * What the rules ask of the past, PostgreSQL works out with window functions: nothing is kept of a customer here. Of equal times the lower id
 * counts as the earlier. Only cases (history.cases) are counted by whoever plays them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/backtest_inner.h"
#include "intake/decode.h"

#include <errno.h>
#include <string.h>

#define SQL_BYTES_MAX (64 * 1024)
#define RATINGS_BYTES_SURE \
	(RESPONSE_RATINGS_MAX * 7) /* so many bytes can't be more ratings than a response may have: "a": 1, */

enum field_kind { FIELD_ID, FIELD_TEXT, FIELD_SCORE, FIELD_BOOL, FIELD_TIME, FIELD_RATINGS, FIELD_ATTRIBUTES };

struct field {
	const char *column;
	enum field_kind kind;
	size_t at; /* in struct response */
	bool always;
};

static const struct field fields[] = {
#define FIELD(c, kind, always)                                 \
	{                                                      \
#c, kind, offsetof(struct response, c), always \
	}
	FIELD(id, FIELD_ID, true),
	FIELD(responded_at, FIELD_TIME, true),
	FIELD(nps, FIELD_SCORE, true),
	FIELD(ratings, FIELD_RATINGS, true),
	FIELD(customer_id, FIELD_TEXT, true),
	FIELD(csat, FIELD_SCORE, false),
	FIELD(ces, FIELD_SCORE, false),
	FIELD(contact_requested, FIELD_BOOL, false),
	FIELD(received_at, FIELD_TIME, false),
	FIELD(source, FIELD_TEXT, false),
	FIELD(source_id, FIELD_TEXT, false),
	FIELD(survey, FIELD_TEXT, false),
	FIELD(touchpoint, FIELD_TEXT, false),
	FIELD(channel, FIELD_TEXT, false),
	FIELD(customer_name, FIELD_TEXT, false),
	FIELD(customer_email, FIELD_TEXT, false),
	FIELD(customer_phone, FIELD_TEXT, false),
	FIELD(account, FIELD_TEXT, false),
	FIELD(account_name, FIELD_TEXT, false),
	FIELD(region, FIELD_TEXT, false),
	FIELD(language, FIELD_TEXT, false),
	FIELD(comment, FIELD_TEXT, false),
	FIELD(attributes, FIELD_ATTRIBUTES, false),
#undef FIELD
};

size_t backtest_text_offset(const char *column)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].kind == FIELD_TEXT && strcmp(fields[i].column, column) == 0)
			return fields[i].at;
	return SIZE_MAX;
}

struct reader {
	struct backtest *b;
	const struct field *columns[ARRAY_SIZE(fields)];
	int n_columns;
	const struct field *before[ARRAY_SIZE(fields)]; /* of the previous response; the first is its id */
	int n_before;
	double counted[2 * RULE_HISTORY_MAX];
	struct response previous;
	bool ratings_now; /* a rule reads them: of every response */
	int (*on_turn)(void *arg);
	void *arg;
};

/* ---- what is needed ---- */

static bool target_reads(const struct target *t, const char *column)
{
	bool attribute = strcmp(column, "attributes") == 0;

	if (t->kind == TARGET_FROM)
		return attribute ? strncmp(t->name, "attr.", 5) == 0 : strcmp(t->name, column) == 0;
	for (int i = 0; t->kind == TARGET_LOOKUP && i < t->n_dimensions; i++)
		if (attribute ? strncmp(t->dimensions[i], "attr.", 5) == 0 : strcmp(t->dimensions[i], column) == 0)
			return true;
	return false;
}

static bool notify_reads(const struct notify *n, int count, const char *column)
{
	for (int i = 0; i < count; i++)
		if (n[i].kind != NOTIFY_WEBHOOK && target_reads(&n[i].target, column))
			return true;
	return false;
}

/* Whom a response goes to depends on it. */
static bool owners_read(const struct settings *s, const char *column)
{
	for (int i = 0; i < s->n_routes; i++) {
		const struct route *route = &s->routes[i];

		for (int k = 0; k < route->n_owner; k++)
			if (target_reads(&route->owner[k], column))
				return true;
		if (notify_reads(route->notify, route->n_notify, column))
			return true;
	}
	for (int i = 0; i < s->n_rules; i++)
		if (notify_reads(s->rules[i].notify, s->rules[i].n_notify, column))
			return true;
	return false;
}

static bool set_reads(const struct settings *s, const char *column)
{
	return ruleset_reads(s->ruleset, column) || owners_read(s, column);
}

/* Cases of an account, and counts of what it said. */
static bool accounts_matter(const struct backtest_side *side)
{
	bool matter = side->settings->cases.merge_by == MERGE_BY_ACCOUNT;

	for (int i = 0; i < side->n_needs; i++)
		matter |= side->needs[i].of == PER_ACCOUNT;
	return matter;
}

static void choose_columns(struct reader *r)
{
	const struct backtest *b = r->b;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const char *column = fields[i].column;
		bool needed = fields[i].always || literals_read(b->literals, column), before = fields[i].kind == FIELD_ID;

		for (int k = 0; k < b->n_sides; k++) {
			const struct backtest_side *side = &b->sides[k];

			needed |=
				set_reads(side->settings, column) || (strcmp(column, "account") == 0 && accounts_matter(side));
			before |= ruleset_needs_previous_column(side->settings->ruleset, column);
			r->ratings_now |= fields[i].kind == FIELD_RATINGS && ruleset_reads(side->settings->ruleset, "ratings");
		}
		if (needed)
			r->columns[r->n_columns++] = &fields[i];
		if (b->needs_previous && before)
			r->before[r->n_before++] = &fields[i];
	}
}

/* ---- the statement ---- */

/*
 * Those with the same time and a higher id are no earlier ones: the window has them, so they are taken off again. Both windows move on
 * with the row, so PostgreSQL counts each row in and out once.
 */
static void put_count_of(struct buf *sql, const struct history_need *need)
{
	const char *key = need->of == PER_ACCOUNT ? "account" : "customer_id";
	const char *which = need->what == HISTORY_DETRACTORS ? " FILTER (WHERE nps <= 6)" : "";

	buf_printf(
		sql,
		", (count(*)%s OVER (PARTITION BY %s ORDER BY responded_at"
		"  RANGE BETWEEN interval '%lld microseconds' PRECEDING AND CURRENT ROW)"
		" - count(*)%s OVER (PARTITION BY %s, responded_at ORDER BY id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING))",
		which, key, (long long)need->window_us, which, key);
}

/* The one before it in the window; of the first one, the last before that. */
static void put_previous_of(struct buf *sql, const char *from)
{
	buf_printf(sql,
		   ", coalesce(lag(id) OVER (PARTITION BY customer_id ORDER BY responded_at, id),"
		   " (SELECT q.id FROM closeloop.responses AS q WHERE q.customer_id = w.customer_id AND q.responded_at < '%s'"
		   "  ORDER BY q.responded_at DESC, q.id DESC LIMIT 1)) AS previous",
		   from);
}

static void put_with_past(const struct reader *r, struct buf *sql)
{
	char from[WALL_TEXT_BYTES], begin[WALL_TEXT_BYTES], until[WALL_TEXT_BYTES];
	const struct backtest *b = r->b;
	int64_t longest = 0;

	for (int i = 0; i < b->n_needs; i++)
		longest = MAX(longest, b->needs[i].window_us);
	wall_text(backtest_from(b), from);
	wall_text((struct wall_time){b->since.us - MAX(longest, CROWD_US)}, begin);
	for (int i = 0; i < r->n_columns; i++)
		buf_printf(sql, "%sh.%s", i ? ", " : "", r->columns[i]->column);
	for (int i = 0; i < b->n_needs; i++)
		buf_printf(sql, ", h.n%d", i);
	for (int i = 0; i < r->n_before; i++)
		buf_printf(sql, ", p.%s", r->before[i]->column);
	buf_puts(sql, " FROM (SELECT *");
	for (int i = 0; i < b->n_needs; i++) {
		put_count_of(sql, &b->needs[i]);
		buf_printf(sql, " AS n%d", i);
	}
	if (b->needs_previous)
		put_previous_of(sql, begin);
	buf_printf(sql, " FROM closeloop.responses AS w WHERE responded_at >= '%s' AND responded_at < '%s') AS h", begin,
		   wall_text(b->until, until));
	if (b->needs_previous)
		buf_puts(sql, " LEFT JOIN closeloop.responses AS p ON p.id = h.previous");
	buf_printf(sql, " WHERE h.responded_at >= '%s' ORDER BY h.responded_at, h.id", from);
}

static void put_range(struct buf *sql, struct wall_time from, struct wall_time until)
{
	char from_text[WALL_TEXT_BYTES], until_text[WALL_TEXT_BYTES];

	buf_printf(sql, " FROM closeloop.responses WHERE responded_at >= '%s' AND responded_at < '%s'",
		   wall_text(from, from_text), wall_text(until, until_text));
}

/* ---- a row ---- */

static int score_of(const struct pg_field *f)
{
	return f->p ? pg_field_int2(f) : SCORE_MISSING;
}

/* false: the daemon would set it aside. */
static bool read_field(struct reader *r, const struct field *column, const struct pg_field *f, struct backtest_response *ret)
{
	void *at = (char *)&ret->response + column->at;
	const char *json, *why = NULL;
	size_t n;

	switch (column->kind) {
	case FIELD_ID: *(int64_t *)at = pg_field_int8(f); break;
	case FIELD_SCORE: *(int *)at = score_of(f); break;
	case FIELD_BOOL: *(bool *)at = pg_field_bool(f); break;
	case FIELD_TIME: *(struct wall_time *)at = pg_field_time(f); break;
	case FIELD_TEXT: *(const char **)at = f->p; return f->n <= RESPONSE_TEXT_BYTES_MAX;
	case FIELD_RATINGS:
		ret->ratings_json = pg_field_json(f, &ret->ratings_bytes);
		if (r->ratings_now || ret->ratings_bytes > RATINGS_BYTES_SURE)
			return backtest_ratings(r->b, ret);
		break;
	case FIELD_ATTRIBUTES:
		json = pg_field_json(f, &n);
		return decode_attributes(json, n, r->b->scratch, &ret->response, &why) == 0;
	}
	return true;
}

static const struct response nothing = {
	.source = "", .nps = SCORE_MISSING, .csat = SCORE_MISSING, .ces = SCORE_MISSING, .received_at = WALL_NONE};

static bool read_fields(struct reader *r, const struct field *const *columns, int n, const struct pg_field *f,
			struct backtest_response *ret)
{
	bool readable = true;

	ret->response = nothing;
	ret->ratings_json = NULL;
	for (int i = 0; i < n && readable; i++)
		readable = read_field(r, columns[i], &f[i], ret);
	return readable;
}

/* One that can't be read is none. */
static const struct response *read_previous(struct reader *r, const struct pg_field *f)
{
	struct backtest_response previous;

	if (r->n_before == 0 || !f[0].p || !read_fields(r, r->before, r->n_before, f, &previous) ||
	    !backtest_ratings(r->b, &previous))
		return NULL;
	r->previous = previous.response;
	return &r->previous;
}

static int on_row(void *arg, struct pg_field *f, int n)
{
	struct reader *r = arg;
	struct backtest_response response;

	if (n != r->n_columns + r->b->n_needs + r->n_before)
		return -EIO;
	if (arena_used(r->b->scratch))
		arena_reset(r->b->scratch);
	if (!read_fields(r, r->columns, r->n_columns, f, &response)) {
		r->b->unreadable++;
		return 0;
	}
	for (int i = 0; i < r->b->n_needs; i++)
		r->counted[i] = (double)pg_field_int8(&f[r->n_columns + i]);
	response.counted = r->counted;
	response.previous = read_previous(r, f + r->n_columns + r->b->n_needs);
	backtest_add(r->b, &response);
	return 0;
}

static int on_turn(void *arg)
{
	const struct reader *r = arg;

	return r->on_turn(r->arg);
}

int backtest_read(struct backtest *b, struct pg_sync *db, int (*on_each_turn)(void *arg), void *arg, struct pg_error *error)
{
	struct buf sql CLEANUP(buf_fini) = BUF_INIT(SQL_BYTES_MAX);
	struct reader r = {.b = b, .on_turn = on_each_turn, .arg = arg};
	struct pg_copy copy = {"backtest", NULL, on_row, on_turn, &r};

	choose_columns(&r);
	buf_puts(&sql, "COPY (SELECT ");
	if (b->n_needs || b->needs_previous) {
		put_with_past(&r, &sql);
	} else {
		for (int i = 0; i < r.n_columns; i++)
			buf_printf(&sql, "%s%s", i ? ", " : "", r.columns[i]->column);
		put_range(&sql, backtest_from(b), b->until);
		buf_puts(&sql, " ORDER BY responded_at, id");
	}
	buf_puts(&sql, ") TO STDOUT (FORMAT binary)");
	copy.sql = buf_str(&sql);
	return pg_sync_copy(db, &copy, error);
}

int backtest_count(const struct backtest *b, struct pg_sync *db, int64_t *ret, struct pg_error *error)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct buf sql CLEANUP(buf_fini) = BUF_INIT(SQL_BYTES_MAX);
	struct pg_stmt stmt = {"backtest_count", NULL, 0, {0}};
	int r;

	buf_puts(&sql, "SELECT count(*)");
	put_range(&sql, b->since, b->until);
	stmt.sql = buf_str(&sql);
	r = pg_sync_run(db, &stmt, NULL, &rows, error);
	if (r == 0)
		*ret = pg_get_int8(rows, 0, 0);
	return r;
}
