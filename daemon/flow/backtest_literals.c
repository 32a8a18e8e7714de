/*
 * Which texts of the rules occur in the past, and what stands there instead; see backtest.h.
 *
 * Values are counted as they are written, per column; only one that is new is folded and compared with the rules' texts. A column with thousands
 * of values (names, comments) stops being listed, and of its values only the rules' own are counted from then on.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/backtest_inner.h"

#include <stdlib.h>
#include <string.h>

#define VALUES_MAX 2048 /* different ones that are listed, of one column */
#define SLOTS 8192      /* a power of two, never more than half full */
#define VALUE_BYTES_MAX 200

struct value {
	char *text;
	size_t n;
	int64_t count;
};

struct watched { /* one column, or attribute, that rules compare with texts */
	const char *name;
	bool is_attribute;
	size_t at; /* a column's, in struct response */
	int *literals;
	int n_literals, unseen; /* unseen: of them; 0: it needn't be looked at any more */
	struct value *slots;    /* SLOTS of them */
	int n_values;
	struct buf folded;
};

struct literals {
	const struct rule_literal *all;
	int n;
	bool *seen; /* beside all */
	struct watched *columns;
	int n_columns;
};

static struct watched *watch(struct literals *l, const struct rule_literal *literal)
{
	struct watched *w;

	for (int i = 0; i < l->n_columns; i++)
		if (l->columns[i].is_attribute == literal->is_attribute && strcmp(l->columns[i].name, literal->value) == 0)
			return &l->columns[i];
	l->columns = xrealloc(l->columns, sizeof(*l->columns) * (size_t)(l->n_columns + 1));
	w = &l->columns[l->n_columns++];
	*w = (struct watched){.name = literal->value,
			      .is_attribute = literal->is_attribute,
			      .at = literal->is_attribute ? 0 : backtest_text_offset(literal->value),
			      .slots = xcalloc(SLOTS, sizeof(*w->slots)),
			      .folded = BUF_INIT(RESPONSE_TEXT_BYTES_MAX * 4)};
	return w;
}

struct literals *literals_new(const struct ruleset *rs, struct arena *arena)
{
	struct literals *l = xcalloc(1, sizeof(*l));

	l->n = ruleset_literals(rs, arena, &l->all);
	l->seen = arena_new_array(arena, bool, (size_t)l->n + 1);
	for (int i = 0; i < l->n; i++) {
		struct watched *w = watch(l, &l->all[i]);

		w->literals = xrealloc(w->literals, sizeof(*w->literals) * (size_t)(w->n_literals + 1));
		w->literals[w->n_literals++] = i;
		w->unseen++;
	}
	return l;
}

struct literals *literals_free(struct literals *l)
{
	if (l) {
		for (int i = 0; i < l->n_columns; i++) {
			struct watched *w = &l->columns[i];

			for (int k = 0; k < SLOTS; k++)
				free(w->slots[k].text);
			free(w->slots);
			free(w->literals);
			buf_fini(&w->folded);
		}
		free(l->columns);
		free(l);
	}
	return NULL;
}

bool literals_read(const struct literals *l, const char *column)
{
	bool attribute = strcmp(column, "attributes") == 0;

	for (int i = 0; i < l->n_columns; i++)
		if (attribute ? l->columns[i].is_attribute
			      : !l->columns[i].is_attribute && strcmp(l->columns[i].name, column) == 0)
			return true;
	return false;
}

/* A value that is not in the table: is it one of the rules' texts? All that are equal to it are seen. */
static bool see(struct literals *l, struct watched *w, const char *text)
{
	bool found = false;

	buf_reset(&w->folded);
	rule_fold(text, &w->folded);
	for (int i = 0; i < w->n_literals; i++)
		if (strcmp(l->all[w->literals[i]].folded, buf_str(&w->folded)) == 0) {
			found = true;
			w->unseen -= !l->seen[w->literals[i]];
			l->seen[w->literals[i]] = true;
		}
	return found;
}

static void count(struct literals *l, struct watched *w, const char *text)
{
	uint64_t h = UINT64_C(14695981039346656037);
	struct value *v;
	size_t n = 0;

	for (; text[n] && n <= VALUE_BYTES_MAX; n++)
		h = (h ^ (unsigned char)text[n]) * UINT64_C(1099511628211);
	if (n == 0 || n > VALUE_BYTES_MAX)
		return; /* nobody compares with a text of that length for equality */
	h ^= h >> 32;
	for (h &= SLOTS - 1; (v = &w->slots[h])->text; h = (h + 1) & (SLOTS - 1))
		if (v->n == n && memcmp(v->text, text, n) == 0) {
			v->count++;
			return;
		}
	if (!see(l, w, text) && w->n_values >= VALUES_MAX)
		return;
	if (w->n_values >= 2 * VALUES_MAX)
		return;
	*v = (struct value){.text = xstrdup(text), .n = n, .count = 1};
	w->n_values++;
}

void literals_add(struct literals *l, const struct response *r)
{
	for (int i = 0; i < l->n_columns; i++) {
		struct watched *w = &l->columns[i];
		const struct attribute *a;
		const char *text;

		if (w->unseen == 0)
			continue;
		a = w->is_attribute ? response_attribute(r, w->name) : NULL;
		text = a ? a->text : NULL;
		if (!w->is_attribute && w->at != SIZE_MAX)
			memcpy(&text, (const char *)r + w->at, sizeof(text));
		if (text)
			count(l, w, text);
	}
}

/* ---- at the end ---- */

static const struct value *nearest(const struct watched *w, const char *text, struct arena *arena)
{
	const char **names = arena_new_array(arena, const char *, (size_t)w->n_values + 1);
	const char *name;
	int n = 0;

	for (int i = 0; i < SLOTS; i++)
		if (w->slots[i].text)
			names[n++] = w->slots[i].text;
	name = diag_nearest(text, names, (size_t)n, sizeof(*names));
	for (int i = 0; name && i < SLOTS; i++)
		if (w->slots[i].text == name)
			return &w->slots[i];
	return NULL;
}

int literals_end(struct literals *l, struct arena *arena, const struct backtest_literal **ret)
{
	struct backtest_literal *never = arena_new_array(arena, struct backtest_literal, (size_t)l->n + 1);
	int n = 0;

	for (int i = 0; i < l->n; i++) {
		const struct value *v;

		if (l->seen[i])
			continue;
		v = nearest(watch(l, &l->all[i]), l->all[i].text, arena);
		never[n++] = (struct backtest_literal){.literal = &l->all[i],
						       .nearest = v ? arena_strdup(arena, v->text) : NULL,
						       .nearest_n = v ? v->count : 0};
	}
	*ret = never;
	return n;
}
