/*
 * Texts and names of rules that never occur, and the nearest that did; see literals.h.
 *
 * One statement counts the values of all columns that rules compare with texts: a branch for each, which PostgreSQL scans in
 * parallel. Of a column with very many values only the most frequent come back, and those that a rule names.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/literals.h"

#include "base/escape.h"
#include "rule/fold.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS_BYTES_MAX (256 * 1024)
#define VALUES_MAX 50000     /* of one column */
#define NEAREST_CODES_MAX 64 /* longer texts have no nearest one */
#define FREQUENT_SHOWN 3
#define COUNT_BYTES_MAX 64
#define VALUE_SHOWN_BYTES_MAX 60

struct value {
	const char *text, *folded;
	int64_t n;
};

struct place {            /* a column or attribute, or the names that stand in one of the columns "ratings" and "attributes" */
	const char *name; /* of the column or attribute alone */
	bool is_attribute, of_names;
	struct value *values; /* the most frequent first */
	int n_values;
};

struct search {
	struct cli *c;
	const struct rule_literal *literals; /* and behind them the names */
	int n_literals, n_names;
	struct place *places;
	int n_places;
	struct literals_found *found;
};

static struct place *place_of(const struct search *s, const struct rule_literal *l)
{
	for (int i = 0; i < s->n_places; i++)
		if (s->places[i].is_attribute == l->is_attribute && str_eq(s->places[i].name, l->value))
			return &s->places[i];
	return NULL;
}

static const char *place_text(const struct search *s, const struct place *p)
{
	return p->is_attribute ? arena_printf(s->c->arena, "attr.%s", p->name) : p->name;
}

/* ---- what occurred ---- */

/* Its own branch for each place. $1 most values, $2 folded literals, $3 names of attributes, $4 days. Columns come from the fact table. */
static const char *statement(const struct search *s)
{
	struct buf sql = BUF_INIT(COLUMNS_BYTES_MAX);
	const char *text;
	int attribute = 0;

	buf_puts(&sql, "SELECT place, v, n FROM (");
	for (int i = 0; i < s->n_places; i++) {
		const struct place *p = &s->places[i];
		const char *value = p->is_attribute
					    ? arena_printf(s->c->arena, "r.attributes ->> ($3::text[])[%d]", ++attribute)
					    : arena_printf(s->c->arena, "r.%s", p->name);

		if (p->of_names) {
			buf_printf(
				&sql,
				"%s(SELECT %d AS place, v, n FROM (SELECT k AS v, count(*) AS n,"
				" row_number() OVER (ORDER BY count(*) DESC) AS rank"
				" FROM closeloop.responses AS r CROSS JOIN LATERAL jsonb_object_keys(r.%s) AS k"
				" WHERE r.responded_at >= now() - make_interval(days => $4) AND r.%s <> '{}' GROUP BY 1) AS g"
				" WHERE rank <= $1 OR v = ANY ($2))",
				i ? " UNION ALL " : "", i, p->name, p->name);
			continue;
		}
		buf_printf(
			&sql,
			"%s(SELECT %d AS place, v, n FROM (SELECT %s AS v, count(*) AS n,"
			" row_number() OVER (ORDER BY count(*) DESC) AS rank"
			" FROM closeloop.responses AS r WHERE r.responded_at >= now() - make_interval(days => $4) GROUP BY 1) AS g"
			" WHERE v IS NOT NULL AND (rank <= $1 OR replace(lower(normalize(btrim(v, E' \\t\\n\\r'), NFC)), 'ß', 'ss')"
			" = ANY ($2)))",
			i ? " UNION ALL " : "", i, value);
	}
	buf_puts(&sql, ") AS given ORDER BY place, n DESC, v COLLATE \"C\"");
	text = arena_strdup(s->c->arena, buf_str(&sql));
	buf_fini(&sql);
	return text;
}

static const char *folded_text(struct arena *arena, const char *text)
{
	struct buf folded = BUF_INIT(RESPONSE_TEXT_BYTES_MAX * 4u);
	const char *copy;

	rule_fold(text, &folded);
	copy = arena_strndup(arena, buf_str(&folded), folded.n);
	buf_fini(&folded);
	return copy;
}

static void take_values(struct search *s, const struct pg_rows *rows)
{
	struct arena *a = s->c->arena;
	int n = pg_count(rows);

	for (int i = 0; i < n;) {
		struct place *p = &s->places[pg_get_int4(rows, i, 0)];
		int end = i;

		while (end < n && pg_get_int4(rows, end, 0) == p - s->places)
			end++;
		p->values = arena_new_array(a, struct value, (size_t)(end - i));
		for (; i < end; i++) {
			struct value v = {.text = pg_get_text(rows, i, 1, NULL), .n = pg_get_int8(rows, i, 2)};

			/* Names are looked up as they stand; other letters as they compare. */
			v.folded = p->of_names && text_is_ascii(v.text) ? v.text : folded_text(a, v.text);
			if (v.folded[0]) /* blank text is missing */
				p->values[p->n_values++] = v;
		}
	}
}

static int ask_values(struct search *s, struct pg_rows **ret)
{
	struct pg_stmt stmt = {"cli_check_literals", statement(s), 4, {PG_INT4, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_INT4}};
	struct pg_array folded, attributes;
	struct pg_params p;

	pg_array_init(&folded, s->c->arena, PG_TEXT);
	pg_array_init(&attributes, s->c->arena, PG_TEXT);
	for (int i = 0; i < s->n_literals + s->n_names; i++)
		pg_array_text(&folded, s->literals[i].folded);
	for (int i = 0; i < s->n_places; i++)
		if (s->places[i].is_attribute)
			pg_array_text(&attributes, s->places[i].name);
	pg_params_init(&p, s->c->arena);
	pg_add_int4(&p, VALUES_MAX);
	pg_add_array(&p, &folded);
	pg_add_array(&p, &attributes);
	pg_add_int4(&p, LITERALS_DAYS);
	return cli_run(s->c, &stmt, &p, ret);
}

static const struct pg_stmt sql_any_response = {
	"cli_check_any_response",
	"SELECT EXISTS (SELECT FROM closeloop.responses WHERE responded_at >= now() - make_interval(days => $1))",
	1,
	{PG_INT4},
};

static int any_response(struct cli *c, bool *ret)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_params p;
	int r;

	pg_params_init(&p, c->arena);
	pg_add_int4(&p, LITERALS_DAYS);
	r = cli_run(c, &sql_any_response, &p, &rows);
	if (r == 0)
		*ret = pg_get_bool(rows, 0, 0);
	return r;
}

/* ---- the nearest ---- */

/* Characters to compare: a Hangul syllable is the two or three letters that were typed. 0: too long. */
static int text_codes(const char *text, uint32_t codes[NEAREST_CODES_MAX])
{
	size_t n = strlen(text);
	uint32_t code;
	int k = 0;

	while (n > 0) {
		size_t bytes = utf8_next(text, n, &code);

		if (k + 3 > NEAREST_CODES_MAX)
			return 0;
		if (code >= 0xac00 && code <= 0xd7a3) {
			code -= 0xac00;
			codes[k++] = 0x1100 + code / 588;
			codes[k++] = 0x1161 + code / 28 % 21;
			if (code % 28)
				codes[k++] = 0x11a7 + code % 28;
		} else {
			codes[k++] = code;
		}
		text += bytes;
		n -= bytes;
	}
	return k;
}

/* Letters put in, left out, exchanged, or two that changed places. */
static int distance(const uint32_t *a, int n, const uint32_t *b, int m)
{
	int rows[3][NEAREST_CODES_MAX + 1], *before = rows[0], *above = rows[1], *row = rows[2];

	for (int j = 0; j <= m; j++)
		above[j] = j;
	for (int i = 1; i <= n; i++) {
		int *unused = before;

		row[0] = i;
		for (int j = 1; j <= m; j++) {
			row[j] = MIN(MIN(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = MIN(row[j], before[j - 2] + 1);
		}
		before = above;
		above = row;
		row = unused;
	}
	return above[m];
}

/* A third of it may differ. Values are in order of frequency, so of equally near ones the most frequent is taken. */
static const struct value *nearest_value(const struct place *p, const char *folded)
{
	uint32_t wanted[NEAREST_CODES_MAX], codes[NEAREST_CODES_MAX];
	int n = text_codes(folded, wanted), best = n;
	const struct value *found = NULL;

	for (int i = 0; n && i < p->n_values; i++) {
		int m = text_codes(p->values[i].folded, codes), d;

		if (m == 0 || abs(m - n) >= best)
			continue;
		d = distance(wanted, n, codes, m);
		if (d < best && d * 3 <= MAX(MAX(n, m), 3)) {
			best = d;
			found = &p->values[i];
		}
	}
	return found;
}

/* ---- telling ---- */

/* "1,204 responses" */
static const char *responses_text(struct arena *a, int64_t n)
{
	struct buf text CLEANUP(buf_fini) = BUF_INIT(COUNT_BYTES_MAX);

	text_put_count(&text, n);
	return arena_printf(a, "%s response%s", buf_str(&text), n == 1 ? "" : "s");
}

static const char *quoted(struct arena *a, const char *text)
{
	size_t n = strlen(text), shown = utf8_clip(text, n, VALUE_SHOWN_BYTES_MAX);

	return arena_printf(a, "'%.*s%s'", (int)shown, text, shown < n ? "…" : "");
}

/* With other spellings of it. */
static int64_t occurrences(const struct place *p, const char *folded)
{
	int64_t n = 0;

	for (int i = 0; i < p->n_values; i++)
		if (str_eq(p->values[i].folded, folded))
			n += p->values[i].n;
	return n;
}

static const char *frequent_text(struct arena *a, const struct place *p)
{
	const char *text = "most frequent";

	for (int i = 0; i < MIN(p->n_values, FREQUENT_SHOWN); i++)
		text = arena_printf(a, "%s%s %s (%s)", text, i ? "," : "", quoted(a, p->values[i].text),
				    responses_text(a, p->values[i].n));
	return text;
}

/* Of an attribute that nobody has: is one spelt otherwise? "" or ", but 'Plan' (12 responses)" */
static const char *other_spelling(const struct search *s, const struct place *p)
{
	const struct rule_literal keys = {.value = "attributes"};
	const struct place *names = p->is_attribute ? place_of(s, &keys) : NULL;
	const struct value *near = names ? nearest_value(names, p->name) : NULL;

	return near ? arena_printf(s->c->arena, ", but %s (%s)", quoted(s->c->arena, near->text),
				   responses_text(s->c->arena, near->n))
		    : "";
}

/* "nearest 'installation' (1,204 responses)", or what there is instead. */
static const char *instead_text(struct search *s, const struct place *p, const char *folded, struct literal_notice *ret)
{
	struct arena *a = s->c->arena;
	const struct value *near = nearest_value(p, folded);

	ret->nearest = near ? near->text : NULL;
	ret->nearest_n = near ? occurrences(p, near->folded) : 0;
	if (near)
		return arena_printf(a, "nearest %s (%s)", quoted(a, near->text), responses_text(a, ret->nearest_n));
	if (p->n_values == 0)
		return arena_printf(a, "no response of the last %d days has one%s", LITERALS_DAYS, other_spelling(s, p));
	return frequent_text(a, p);
}

static void report(struct search *s, const struct place *p, const struct rule_literal *l, const char *names)
{
	struct arena *a = s->c->arena;
	struct literal_notice *n = &s->found->notices[s->found->n_notices++];
	const char *instead;

	*n = (struct literal_notice){.literal = l, .names = names, .column = place_text(s, p)};
	instead = instead_text(s, p, l->folded, n);
	n->text = p->of_names ? arena_printf(a, "%s never occurs; %s", l->text, instead)
			      : arena_printf(a, "%s never occurs in %s; %s", quoted(a, l->text), n->column, instead);
}

static bool same_literal(const struct rule_literal *a, const struct rule_literal *b)
{
	return a->is_attribute == b->is_attribute && str_eq(a->value, b->value) && str_eq(a->folded, b->folded);
}

/* All who name it; NULL when it was looked at already. */
static const char *names_of(const struct search *s, int index)
{
	const struct rule_literal *l = &s->literals[index];
	int end = index < s->n_literals ? s->n_literals : s->n_literals + s->n_names;
	const char *names = l->name, *last = l->name;

	for (int i = index < s->n_literals ? 0 : s->n_literals; i < index; i++)
		if (same_literal(&s->literals[i], l))
			return NULL;
	for (int i = index + 1; i < end; i++)
		if (same_literal(&s->literals[i], l) && !str_eq(s->literals[i].name, last))
			names = arena_printf(s->c->arena, "%s, %s", names, last = s->literals[i].name);
	return names;
}

static void add_place(struct search *s, const struct rule_literal *l, bool of_names)
{
	if (!place_of(s, l))
		s->places[s->n_places++] =
			(struct place){.name = l->value, .is_attribute = l->is_attribute, .of_names = of_names};
}

/* An attribute whose texts are compared: that no response has it is said of those. */
static bool has_texts(const struct search *s, const struct rule_literal *name)
{
	for (int i = 0; i < s->n_literals; i++)
		if (s->literals[i].is_attribute && str_eq(s->literals[i].value, name->folded))
			return str_eq(name->value, "attributes");
	return false;
}

static void collect(struct search *s)
{
	struct arena *a = s->c->arena;
	const struct ruleset *rs = s->c->settings->ruleset;
	const struct rule_literal *texts, *names;
	struct rule_literal *all;

	s->n_literals = ruleset_literals(rs, a, &texts);
	s->n_names = ruleset_names(rs, a, &names);
	all = arena_new_array(a, struct rule_literal, (size_t)(s->n_literals + s->n_names) + 1);
	for (int i = 0; i < s->n_literals; i++)
		all[i] = texts[i];
	for (int i = 0; i < s->n_names; i++)
		all[s->n_literals + i] = names[i];
	s->literals = all;
	s->places = arena_new_array(a, struct place, (size_t)(s->n_literals + s->n_names) + 1);
	for (int i = 0; i < s->n_literals + s->n_names; i++)
		add_place(s, &all[i], i >= s->n_literals);
}

static void compare(struct search *s)
{
	struct literals_found *ret = s->found;

	for (int i = 0; i < s->n_literals + s->n_names; i++) {
		const struct rule_literal *l = &s->literals[i];
		const struct place *p = place_of(s, l);
		const char *names = names_of(s, i);
		bool unseen = !ret->no_responses && occurrences(p, l->folded) == 0;

		if (!names || (i >= s->n_literals && has_texts(s, l)))
			continue;
		ret->n_literals += i < s->n_literals;
		ret->n_unseen += i < s->n_literals && unseen;
		if (unseen)
			report(s, p, l, names);
	}
	/* The texts that notices point to live in rows. */
	for (int i = 0; i < ret->n_notices; i++)
		ret->notices[i].nearest = arena_strdup(s->c->arena, ret->notices[i].nearest);
}

int literals_check(struct cli *c, struct literals_found *ret)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct search s = {.c = c, .found = ret};
	bool any = true;
	int r;

	*ret = (struct literals_found){0};
	collect(&s);
	if (s.n_places == 0)
		return 0;
	r = ask_values(&s, &rows);
	if (r == 0 && pg_count(rows) == 0)
		r = any_response(c, &any);
	if (r)
		return r;
	take_values(&s, rows);
	ret->no_responses = !any;
	ret->notices = arena_new_array(c->arena, struct literal_notice, (size_t)(s.n_literals + s.n_names));
	compare(&s);
	return 0;
}
