/*
 * Comparing two outlines; see rules_diff.h.
 *
 * Each outline is put into order by section, element and key, so that every item finds its like by bisection; what came of it is
 * then sorted as a person reads: rules first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/rules_diff.h"
#include "base/escape.h"
#include "cli/text.h"
#include "settings/outline.h"

#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 3 /* of one kind in the short form */
#define ELEMENT_COLUMNS 16
#define KEY_COLUMNS 14
#define VALUE_COLUMNS_MIN 30
#define INDENT (4 + ELEMENT_COLUMNS + KEY_COLUMNS)
#define TEXT_BYTES_MAX (4 * 1024 * 1024)
#define PLACE_GONE 1000000 /* behind whatever is there */

/* Sections in the order of reading, with what one and several of it are called. */
static const struct {
	const char *name, *one, *many;
} sections[] = {
	{"rules", "rule", "rules"},
	{"facts", "fact", "facts"},
	{"routes", "route", "routes"},
	{"defaults", "default", "defaults"},
	{"follow_ups", "follow-up", "follow-ups"},
	{"people", "person", "people"},
	{"teams", "team", "teams"},
	{"calendars", "calendar", "calendars"},
	{"cases", "setting of cases", "settings of cases"},
	{"attributes", "attribute", "attributes"},
	{"scales", "scale", "scales"},
	{"labels", "label", "labels"},
	{"sources", "source", "sources"},
	{"email", "setting of email", "settings of email"},
	{"webhooks", "webhook", "webhooks"},
	{"http", "setting of http", "settings of http"},
	{"", "setting", "settings"},
};

static size_t section_rank(const char *name)
{
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(sections) && strcmp(sections[i].name, name) != 0)
		i++;
	return i;
}

/* ---- comparing ---- */

struct side {
	struct outline o;
	const struct outline_item **sorted;
};

struct comparison {
	struct arena *arena;
	struct side a, b;
	struct rules_diff *out;
};

static int item_order(const void *pa, const void *pb)
{
	const struct outline_item *a = *(const struct outline_item *const *)pa, *b = *(const struct outline_item *const *)pb;
	int r = strcmp(a->section, b->section);

	if (r == 0)
		r = strcmp(a->element, b->element);
	return r ? r : strcmp(a->key, b->key);
}

static void side_read(struct side *s, const struct settings *settings, struct arena *arena)
{
	settings_outline(settings, arena, &s->o);
	s->sorted = arena_new_array(arena, const struct outline_item *, (size_t)s->o.n + 1);
	for (int i = 0; i < s->o.n; i++)
		s->sorted[i] = &s->o.items[i];
	if (s->o.n)
		qsort(s->sorted, (size_t)s->o.n, sizeof(*s->sorted), item_order);
}

static const struct outline_item *side_find(const struct side *s, const char *section, const char *element, const char *key)
{
	const struct outline_item want = {.section = section, .element = element, .key = key}, *wanted = &want;
	const struct outline_item **found =
		s->o.n ? bsearch(&wanted, s->sorted, (size_t)s->o.n, sizeof(*s->sorted), item_order) : NULL;

	return found ? *found : NULL;
}

/* The first item of an element in order, or NULL when the side has no such element. */
static const struct outline_item *side_element(const struct side *s, const struct outline_item *like)
{
	int low = 0, high = s->o.n;

	while (low < high) {
		int mid = (low + high) / 2, r = strcmp(s->sorted[mid]->section, like->section);

		if (r == 0)
			r = strcmp(s->sorted[mid]->element, like->element);
		if (r < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == s->o.n || strcmp(s->sorted[low]->section, like->section) != 0 ||
	    strcmp(s->sorted[low]->element, like->element) != 0)
		return NULL;
	return s->sorted[low];
}

static struct rules_change *change_add(struct comparison *c, enum rules_change_kind kind, const struct outline_item *it)
{
	struct rules_diff *d = c->out;
	struct rules_change *more;

	if (d->n == d->room) {
		d->room = MAX(d->room * 2, 64);
		more = arena_new_array(c->arena, struct rules_change, (size_t)d->room);
		if (d->n)
			memcpy(more, d->items, (size_t)d->n * sizeof(*more));
		d->items = more;
	}
	d->items[d->n] = (struct rules_change){
		.kind = kind,
		.section = it->section,
		.section_title = it->section[0] ? it->section : "settings",
		.element = it->element,
		.key = it->key,
		/* What is gone stands after the rest of its section. */
		.place = it->place + (kind == CHANGE_GONE ? PLACE_GONE : 0),
		.found = d->n,
	};
	return &d->items[d->n++];
}

/* What a key that is left out takes: of "(`defaults.route`)" the default's value. */
static const char *effective(const struct side *s, const struct outline_item *it)
{
	static const char start[] = "(`defaults.";
	const struct outline_item *found;
	char key[32];
	size_t n;

	if (it->given || strncmp(it->value, start, strlen(start)) != 0)
		return it->value;
	n = strcspn(it->value + strlen(start), "`");
	if (n >= sizeof(key))
		return it->value;
	memcpy(key, it->value + strlen(start), n);
	key[n] = '\0';
	found = side_find(s, "defaults", "", key);
	return found ? found->value : it->value;
}

static bool is_word_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

static bool condition_names(const char *when, const char *fact)
{
	size_t n = strlen(fact);
	bool quoted = false;

	for (const char *p = when; *p; p++) {
		quoted ^= *p == '\'';
		if (!quoted && strncmp(p, fact, n) == 0 && !is_word_byte(p[n]) && (p == when || !is_word_byte(p[-1])))
			return true;
	}
	return false;
}

/* Which rules of the new side speak of a fact, themselves or through other facts that do. */
static const char *fact_users(struct comparison *c, const char *fact)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(TEXT_BYTES_MAX);

	for (int i = 0; i < c->b.o.n; i++) {
		const struct outline_item *it = &c->b.o.items[i];
		bool rule = strcmp(it->section, "rules") == 0 && strcmp(it->key, "when") == 0;

		if ((rule || strcmp(it->section, "facts") == 0) && strcmp(it->element, fact) != 0 &&
		    condition_names(it->value, fact))
			buf_printf(&out, "%s%s", out.n ? ", " : "", it->element);
	}
	return out.n ? arena_strdup(c->arena, buf_str(&out)) : NULL;
}

static void compare_item(struct comparison *c, const struct outline_item *now)
{
	const struct outline_item *was = side_find(&c->a, now->section, now->element, now->key);
	struct rules_change *change;

	if (!was) {
		bool element = !side_element(&c->a, now);

		if (!now->given)
			return;
		change = change_add(c, element ? CHANGE_NEW : CHANGE_CHANGED, now);
		change->now = now->value;
		return;
	}
	if (strcmp(was->value, now->value) == 0)
		return;
	if ((was->given || now->given) && strcmp(effective(&c->a, was), effective(&c->b, now)) == 0)
		return;
	change = change_add(c, CHANGE_CHANGED, now);
	change->was = effective(&c->a, was);
	change->now = effective(&c->b, now);
	if (strcmp(now->section, "facts") == 0)
		change->used_by = fact_users(c, now->element);
}

static void compare_gone(struct comparison *c, const struct outline_item *was)
{
	bool element;

	if (!was->given || side_find(&c->b, was->section, was->element, was->key))
		return;
	element = !side_element(&c->b, was);
	change_add(c, element ? CHANGE_GONE : CHANGE_CHANGED, was)->was = was->value;
}

/* ---- the order of rules ---- */

struct place {
	const char *rule;
	int was, now;
	int length, before; /* of the longest run that kept its order and ends here */
};

static int common_rules(struct comparison *c, struct place *places)
{
	int n = 0;

	for (int i = 0; i < c->b.o.n; i++) {
		const struct outline_item *now = &c->b.o.items[i], *was;

		if (strcmp(now->section, "rules") != 0 || strcmp(now->key, "when") != 0)
			continue;
		was = side_find(&c->a, "rules", now->element, "when");
		if (was)
			places[n++] = (struct place){now->element, was->place, now->place, 1, -1};
	}
	return n;
}

/* Those that don't belong to the longest run that kept its order have moved. */
static void compare_order(struct comparison *c)
{
	struct place *places = arena_new_array(c->arena, struct place, (size_t)c->b.o.n + 1);
	int n = common_rules(c, places), best = -1;
	bool *kept = arena_new_array(c->arena, bool, (size_t)n + 1);

	for (int i = 0; i < n; i++) {
		for (int k = 0; k < i; k++)
			if (places[k].was < places[i].was && places[k].length >= places[i].length) {
				places[i].length = places[k].length + 1;
				places[i].before = k;
			}
		if (best < 0 || places[i].length > places[best].length)
			best = i;
	}
	for (int i = best; i >= 0; i = places[i].before)
		kept[i] = true;
	for (int i = 0; i < n; i++) {
		const struct outline_item it = {
			.section = "rules", .element = places[i].rule, .key = "order", .place = places[i].now};

		if (!kept[i])
			change_add(c, CHANGE_MOVED, &it)->now =
				i ? arena_printf(c->arena, "now after %s", places[i - 1].rule) : "now the first";
	}
}

static int change_order(const void *pa, const void *pb)
{
	const struct rules_change *a = pa, *b = pb;
	size_t x = section_rank(a->section), y = section_rank(b->section);

	if (x != y)
		return x < y ? -1 : 1;
	if (a->place != b->place)
		return a->place < b->place ? -1 : 1;
	return (a->found > b->found) - (a->found < b->found);
}

void rules_diff_make(const struct settings *a, const struct settings *b, struct arena *arena, struct rules_diff *ret)
{
	struct comparison c = {.arena = arena, .out = ret};

	*ret = (struct rules_diff){0};
	if (strcmp(a->sha256, b->sha256) == 0)
		return;
	side_read(&c.a, a, arena);
	side_read(&c.b, b, arena);
	for (int i = 0; i < c.b.o.n; i++)
		compare_item(&c, &c.b.o.items[i]);
	for (int i = 0; i < c.a.o.n; i++)
		compare_gone(&c, &c.a.o.items[i]);
	compare_order(&c);
	if (ret->n)
		qsort(ret->items, (size_t)ret->n, sizeof(*ret->items), change_order);
}

/* ---- telling ---- */

static bool same_element(const struct rules_change *a, const struct rules_change *b)
{
	return strcmp(a->section, b->section) == 0 && strcmp(a->element, b->element) == 0;
}

/* Text after a label that is as wide as the indent, broken to the width of the terminal. */
static void put_beside(struct buf *out, const char *text)
{
	struct buf lines CLEANUP(buf_fini) = BUF_INIT(TEXT_BYTES_MAX);

	text_put_wrapped(&lines, text, MAX(text_terminal_columns() - INDENT, VALUE_COLUMNS_MIN), INDENT);
	if (lines.n > INDENT)
		buf_puts(out, buf_str(&lines) + INDENT);
	else
		buf_putc(out, '\n');
}

static void put_values(struct buf *out, const struct rules_change *c)
{
	struct buf line CLEANUP(buf_fini) = BUF_INIT(TEXT_BYTES_MAX);
	int room = MAX(text_terminal_columns() - INDENT, VALUE_COLUMNS_MIN);

	if (!c->was || !c->now) {
		put_beside(out, c->was ? c->was : c->now);
		return;
	}
	if (text_columns(c->was, strlen(c->was)) + text_columns(c->now, strlen(c->now)) + 3 <= room) {
		buf_printf(&line, "%s → %s", c->was, c->now);
		put_beside(out, buf_str(&line));
		return;
	}
	put_beside(out, c->was);
	buf_printf(&line, "→ %s", c->now);
	buf_printf(out, "%*s", INDENT, "");
	put_beside(out, buf_str(&line));
}

static void put_change(struct buf *out, const struct rules_change *c, bool first)
{
	static const char signs[CHANGE_KINDS] = {'+', '-', '~', '~'};

	buf_printf(out, "  %c ", first ? signs[c->kind] : ' ');
	text_put_cell(out, first ? c->element : "", ELEMENT_COLUMNS - 1, false);
	buf_putc(out, ' ');
	text_put_cell(out, c->key, KEY_COLUMNS - 1, false);
	buf_putc(out, ' ');
	put_values(out, c);
	if (c->used_by) {
		buf_printf(out, "%*sused by ", INDENT, "");
		text_put_clipped(out, c->used_by, 200);
		buf_putc(out, '\n');
	}
}

void rules_diff_put(const struct rules_diff *d, struct buf *out)
{
	bool moved = false;

	for (int i = 0; i < d->n; i++) {
		const struct rules_change *c = &d->items[i], *before = i ? c - 1 : NULL;

		if (!before || strcmp(before->section, c->section) != 0)
			buf_printf(out, "%s\n", c->section_title);
		put_change(out, c, !before || !same_element(before, c));
		moved |= c->kind == CHANGE_MOVED;
	}
	if (moved)
		buf_puts(out, "Of matching rules with the same priority the first gives route and follow-up.\n");
}

/* One element counts once, whatever of it changed. */
static void put_counts(struct buf *out, const char *section, const int counts[CHANGE_KINDS])
{
	static const char *const words[CHANGE_KINDS] = {"new", "gone", "changed", "moved"};
	size_t rank = section_rank(section);
	bool named = false;

	for (int i = 0; i < CHANGE_KINDS; i++) {
		if (counts[i] == 0)
			continue;
		if (named)
			buf_printf(out, ", %d %s", counts[i], words[i]);
		else
			buf_printf(out, "%s%d %s %s", out->n ? "; " : "", counts[i],
				   counts[i] == 1 ? sections[rank].one : sections[rank].many, words[i]);
		named = true;
	}
}

void rules_diff_put_count(const struct rules_diff *d, struct buf *out)
{
	struct buf text CLEANUP(buf_fini) = BUF_INIT(TEXT_BYTES_MAX);
	int counts[CHANGE_KINDS] = {0};

	for (int i = 0; i < d->n; i++) {
		const struct rules_change *c = &d->items[i];

		/* Settings without elements count by their keys. */
		if (i == 0 || !c->element[0] || !same_element(c - 1, c))
			counts[c->kind]++;
		if (i + 1 == d->n || strcmp(c->section, c[1].section) != 0) {
			put_counts(&text, c->section, counts);
			memset(counts, 0, sizeof(counts));
		}
	}
	buf_puts(out, buf_str(&text));
}

/* "legal, vip +3 new" of one section and kind. */
static void put_names(const struct rules_diff *d, const char *section, enum rules_change_kind kind, struct buf *out)
{
	static const char *const words[CHANGE_KINDS] = {"new", "gone", "changed", "moved"};
	int n = 0;

	for (int i = 0; i < d->n; i++) {
		const struct rules_change *c = &d->items[i];

		if (strcmp(c->section, section) != 0 || c->kind != kind || (i && c->element[0] && same_element(c - 1, c)))
			continue;
		if (n++ < NAMES_MAX) {
			buf_puts(out, n > 1 ? ", " : out->n ? "; " : "");
			if (n == 1 && strcmp(section, "rules") != 0)
				buf_printf(out, "%s: ", c->section_title);
			buf_puts(out, c->element[0] ? c->element : c->key);
		}
	}
	if (n > NAMES_MAX)
		buf_printf(out, " +%d", n - NAMES_MAX);
	if (n)
		buf_printf(out, " %s", words[kind]);
}

void rules_diff_put_short(const struct rules_diff *d, struct buf *out)
{
	struct buf text CLEANUP(buf_fini) = BUF_INIT(TEXT_BYTES_MAX);

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		for (int kind = 0; kind < CHANGE_KINDS; kind++)
			put_names(d, sections[i].name, (enum rules_change_kind)kind, &text);
	buf_puts(out, buf_str(&text));
}

void rules_diff_put_json(const struct rules_diff *d, struct buf *out)
{
	static const char *const words[CHANGE_KINDS] = {"new", "gone", "changed", "moved"};

	buf_putc(out, '[');
	for (int i = 0; i < d->n; i++) {
		const struct rules_change *c = &d->items[i];

		buf_printf(out, "%s{\"change\":\"%s\",\"section\":", i ? "," : "", words[c->kind]);
		json_put_string(out, c->section_title);
		buf_puts(out, ",\"element\":");
		json_put_string(out, c->element[0] ? c->element : NULL);
		buf_puts(out, ",\"key\":");
		json_put_string(out, c->key[0] ? c->key : NULL);
		buf_puts(out, ",\"was\":");
		json_put_string(out, c->was);
		buf_puts(out, ",\"now\":");
		json_put_string(out, c->now);
		buf_puts(out, ",\"used_by\":");
		json_put_string(out, c->used_by);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}
