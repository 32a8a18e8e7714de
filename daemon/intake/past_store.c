/*
 * SQL of the past; see past_store.h.
 *
 *     SELECT …, crowded, counts…, columns of the answer before…
 *     FROM (the claimed responses) r
 *     LEFT JOIN LATERAL (the customer's latest HISTORY_A_DAY_MOST answers) h
 *     LEFT JOIN LATERAL (as many as HISTORY_MOST, where those of h are not all, nor all of one day) g
 *     LEFT JOIN LATERAL (the one before) q    LEFT JOIN LATERAL (the account's latest HISTORY_MOST) b
 *
 * What is too old for h ends its scan of the index; ids that are nobody's never begin one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "intake/past_store.h"
#include "base/escape.h"
#include "intake/claim_sql.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SQL_BYTES_MAX (64 * 1024)
#define DAY_S INT64_C(86400)
/* Moments before it, which PostgreSQL has, can't go back another ten years. */
#define NOW "greatest(r.responded_at, '0001-01-01 00:00:00+00'::timestamptz)"

const char *const past_columns[] = {
	"source",
	"source_id",
	"survey",
	"touchpoint",
	"channel",
	"customer_id",
	"customer_name",
	"customer_email",
	"customer_phone",
	"account",
	"account_name",
	"region",
	"language",
	"comment",
	"nps",
	"csat",
	"ces",
	"contact_requested",
	"responded_at",
	"received_at",
	"ratings",
	"attributes",
};
static const char *const past_types[] = {
	"text", "text", "text", "text",     "text",     "text",     "text",    "text",        "text",        "text",  "text",
	"text", "text", "text", "smallint", "smallint", "smallint", "boolean", "timestamptz", "timestamptz", "jsonb", "jsonb",
};
const int past_columns_n = ARRAY_SIZE(past_columns);

/* A statement under construction. */
struct writer {
	struct buf out;
	const struct past_wants *wants;
	const char *anonymous; /* the parameter: "$3" */
	bool customer, account;
	int64_t customer_s, account_s; /* how far back */
};

static int64_t need_s(const struct history_need *n)
{
	return n->window_us / US_PER_S;
}

static void writer_init(struct writer *w, const struct past_wants *wants, const char *anonymous)
{
	*w = (struct writer){.out = BUF_INIT(SQL_BYTES_MAX), .wants = wants, .anonymous = anonymous};
	w->customer = wants->previous;
	w->customer_s = DAY_S;
	for (int i = 0; i < wants->n_needs; i++) {
		bool account = wants->needs[i].of == PER_ACCOUNT;
		int64_t *back_s = account ? &w->account_s : &w->customer_s;

		*(account ? &w->account : &w->customer) = true;
		*back_s = MAX(*back_s, need_s(&wants->needs[i]));
	}
}

static void put_since(struct writer *w, int64_t seconds)
{
	buf_printf(&w->out, NOW " - interval '%" PRId64 " seconds'", seconds);
}

/* What stands behind the claim's own columns. */
static void put_columns(struct writer *w)
{
	if (w->customer) {
		buf_printf(&w->out, ", h.n = %d AND h.oldest > ", HISTORY_A_DAY_MOST);
		put_since(w, DAY_S);
	} else {
		buf_puts(&w->out, ", false");
	}
	for (int i = 0; i < w->wants->n_needs; i++) {
		if (w->wants->needs[i].of == PER_ACCOUNT) {
			buf_printf(&w->out, ", CASE WHEN btrim(r.account) <> '' THEN b.n%d END", i);
			continue;
		}
		buf_printf(&w->out, ", CASE WHEN h.n < %d THEN h.n%d WHEN h.oldest <= ", HISTORY_A_DAY_MOST, i);
		put_since(w, DAY_S);
		buf_printf(&w->out, " THEN g.n%d END", i);
	}
	if (!w->wants->previous)
		return;
	buf_puts(&w->out, ", q.id");
	for (int i = 0; i < past_columns_n; i++)
		if (w->wants->columns & UINT32_C(1) << i)
			buf_printf(&w->out, ", q.%s", past_columns[i]);
		else
			buf_printf(&w->out, ", NULL::%s", past_types[i]);
}

static void put_who(struct writer *w)
{
	buf_printf(&w->out, "CASE WHEN btrim(r.customer_id) <> '' AND r.customer_id <> ALL (%s) THEN r.customer_id END",
		   w->anonymous);
}

/*
 * A case is looked up in its index. EXISTS could become a hash of all cases, in a plan made while there were none.
 */
static void put_counts(struct writer *w, int of, int64_t back_s)
{
	static const char *const filters[] = {
		[HISTORY_RESPONSES] = "true",
		[HISTORY_DETRACTORS] = "p.nps <= 6",
		[HISTORY_CASES] = "(SELECT true FROM closeloop.cases k WHERE k.response_id = p.id LIMIT 1)",
	};

	for (int i = 0; i < w->wants->n_needs; i++) {
		const struct history_need *n = &w->wants->needs[i];

		if ((int)n->of != of)
			continue;
		buf_puts(&w->out, ", count(*) FILTER (WHERE ");
		if (need_s(n) < back_s) {
			buf_puts(&w->out, "p.responded_at >= ");
			put_since(w, need_s(n));
			buf_puts(&w->out, " AND ");
		}
		buf_printf(&w->out, "%s) AS n%d", filters[n->what], i);
	}
}

/* FROM the latest of a customer or an account before r. */
static void put_scan(struct writer *w, bool account, int64_t back_s, int most)
{
	buf_printf(&w->out, " FROM (SELECT p.id, p.responded_at, p.nps FROM closeloop.responses p WHERE p.%s = ",
		   account ? "account" : "customer_id");
	if (account)
		buf_puts(&w->out, "r.account");
	else
		put_who(w);
	buf_puts(&w->out, " AND p.responded_at >= ");
	put_since(w, back_s);
	buf_printf(&w->out,
		   " AND (p.responded_at, p.id) < (r.responded_at, r.id)"
		   " ORDER BY p.responded_at DESC LIMIT %d) p",
		   most);
}

static void put_customer(struct writer *w)
{
	buf_puts(&w->out, " LEFT JOIN LATERAL (SELECT count(*) AS n, min(p.responded_at) AS oldest");
	put_counts(w, PER_CUSTOMER, w->customer_s);
	put_scan(w, false, w->customer_s, HISTORY_A_DAY_MOST);
	buf_puts(&w->out, ") h ON true LEFT JOIN LATERAL (SELECT count(*) AS n");
	put_counts(w, PER_CUSTOMER, w->customer_s);
	put_scan(w, false, w->customer_s, HISTORY_MOST);
	buf_printf(&w->out, " WHERE h.n = %d AND h.oldest <= ", HISTORY_A_DAY_MOST);
	put_since(w, DAY_S);
	buf_puts(&w->out, ") g ON true");
}

static void put_previous(struct writer *w)
{
	buf_puts(&w->out, " LEFT JOIN LATERAL (SELECT p.* FROM closeloop.responses p WHERE p.customer_id = ");
	buf_printf(&w->out, "CASE WHEN h.n < %d OR h.oldest <= ", HISTORY_A_DAY_MOST);
	put_since(w, DAY_S);
	buf_puts(&w->out, " THEN ");
	put_who(w);
	buf_puts(&w->out, " END AND p.responded_at > '-infinity' AND (p.responded_at, p.id) < (r.responded_at, r.id)"
			  " ORDER BY p.responded_at DESC, p.id DESC LIMIT 1) q ON true");
}

static void put_sources(struct writer *w)
{
	if (w->customer)
		put_customer(w);
	if (w->wants->previous)
		put_previous(w);
	if (!w->account)
		return;
	buf_puts(&w->out, " LEFT JOIN LATERAL (SELECT count(*) AS n");
	put_counts(w, PER_ACCOUNT, w->account_s);
	put_scan(w, true, w->account_s, HISTORY_MOST);
	buf_puts(&w->out, ") b ON true");
}

/* @last_type: of the parameter more; its number is that of the statement's parameters */
static void stmt_make(struct past_stmts *s, struct pg_stmt *to, const struct pg_stmt *plain, const char *head, const char *from,
		      const char *where)
{
	struct writer w;

	*to = *plain;
	if (s->plain)
		return;
	to->params[to->n_params++] = PG_TEXT_ARRAY;
	writer_init(&w, &s->wants, arena_printf(s->arena, "$%d", to->n_params));
	buf_puts(&w.out, head);
	put_columns(&w);
	buf_puts(&w.out, from);
	put_sources(&w);
	buf_puts(&w.out, where);
	to->name = arena_printf(s->arena, "%s_past", plain->name);
	to->sql = arena_strdup(s->arena, buf_str(&w.out));
	buf_fini(&w.out);
}

/* An invented response isn't stored: it comes after all that are. */
static void stmt_make_at(struct past_stmts *s)
{
	static const struct pg_stmt plain = {"intake", NULL, 4, {PG_TEXT, PG_TEXT, PG_TIMESTAMPTZ, PG_INT8}};

	stmt_make(
		s, &s->at, &plain, "SELECT true",
		" FROM (SELECT $1::text AS customer_id, $2::text AS account, $3::timestamptz AS responded_at, $4::bigint AS id) r",
		"");
}

static bool wants_equal(const struct past_wants *a, const struct past_wants *b)
{
	if (a->n_needs != b->n_needs || a->previous != b->previous || a->columns != b->columns)
		return false;
	for (int i = 0; i < a->n_needs; i++)
		if (a->needs[i].what != b->needs[i].what || a->needs[i].of != b->needs[i].of ||
		    a->needs[i].window_us != b->needs[i].window_us)
			return false;
	return true;
}

const struct past_stmts *past_stmts_get(struct past_stmts **all, const struct past_wants *wants)
{
	struct past_stmts *s = *all;

	while (s && !wants_equal(&s->wants, wants))
		s = s->next;
	if (s)
		return s;
	s = xcalloc(1, sizeof(*s));
	s->arena = arena_new(0);
	s->wants = *wants;
	s->wants.needs = arena_memdup(s->arena, wants->needs, sizeof(*wants->needs) * (size_t)wants->n_needs);
	s->plain = wants->n_needs == 0 && !wants->previous;
	stmt_make(s, &s->claim, &intake_claim, CLAIM_HEAD, CLAIM_FROM, "");
	stmt_make(s, &s->claim_one, &intake_claim_one, CLAIM_ONE_HEAD, CLAIM_ONE_FROM, "");
	stmt_make(s, &s->reread, &intake_reread, REREAD_HEAD, REREAD_FROM, REREAD_WHERE);
	stmt_make_at(s);
	s->next = *all;
	*all = s;
	return s;
}

struct past_stmts *past_stmts_free(struct past_stmts *all)
{
	while (all) {
		struct past_stmts *next = all->next;

		arena_free(all->arena);
		free(all);
		all = next;
	}
	return NULL;
}

void past_add_param(const struct past_stmts *s, struct pg_params *p, const char *const *anonymous_ids, int n)
{
	struct pg_array ids;

	if (s->plain)
		return;
	pg_array_init(&ids, p->arena, PG_TEXT);
	for (int i = 0; i < n; i++)
		pg_array_text(&ids, anonymous_ids[i]);
	pg_add_array(p, &ids);
}

/* ---- reading ---- */

/* NULL: there is none. One that can't be read is none, too: the response under judgement isn't to blame. */
static const struct response *read_previous(const struct past_reader *reader, const struct pg_rows *rows, int row, int first)
{
	struct response *r;

	if (pg_is_null(rows, row, first))
		return NULL;
	r = arena_new_obj(reader->arena, struct response);
	r->id = pg_get_int8(rows, row, first);
	if (intake_read_texts(rows, row, first + 1, reader->arena, r) ||
	    intake_read_rest(rows, row, first + 1 + COLUMN_NPS - COLUMN_FIRST_TEXT, reader->arena, r))
		return NULL;
	return r;
}

static void read_row(const struct past_reader *reader, const struct pg_rows *rows, int row, int first, struct response *r)
{
	const struct past_wants *wants = &reader->stmts->wants;
	struct past *past = arena_new_obj(reader->arena, struct past);
	double *counts = arena_new_array(reader->arena, double, (size_t)wants->n_needs + 1);

	if (str_blank(r->customer_id))
		past->why_missing = "no customer id";
	else if (reader->is_anonymous(reader->settings, r->customer_id))
		past->why_missing = "anonymous id";
	else if (pg_get_bool(rows, row, first))
		past->why_missing = "more than 50 a day";
	for (int i = 0; i < wants->n_needs; i++) {
		bool customer = wants->needs[i].of == PER_CUSTOMER;

		counts[i] = NAN;
		if (!(customer && past->why_missing) && !pg_is_null(rows, row, first + 1 + i))
			counts[i] = (double)pg_get_int8(rows, row, first + 1 + i);
	}
	past->counts = counts;
	if (wants->previous && !past->why_missing)
		past->previous = read_previous(reader, rows, row, first + 1 + wants->n_needs);
	r->past = past;
}

void past_read(const struct past_reader *reader, const struct pg_rows *rows, struct claimed *claimed, int n)
{
	for (int i = 0; i < n && !reader->stmts->plain; i++)
		read_row(reader, rows, claimed[i].row, COLUMN_PAST, &claimed[i].response);
}

void past_read_at(const struct past_reader *reader, const struct pg_rows *rows, struct response *response)
{
	read_row(reader, rows, 0, 1, response);
}
