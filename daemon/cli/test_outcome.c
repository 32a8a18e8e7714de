/*
 * Rule tests: what comes of one (flow/rehearse.h), and where it differs from what is expected.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/import.h"
#include "cli/test.h"

#include <string.h>

#define LIST_BYTES_MAX (256 * 1024)

enum owner_column { DIMENSION, VALUE, PERSON };
static const char *const owner_columns[] = {"dimension", "value", "person", NULL};

/* ---- people and owners ---- */

static int read_owners_file(struct test_bench *b, struct import *in)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	const struct text_pos *pos = &b->file->owners_file_pos;
	int r;

	*in = (struct import){
		.columns = owner_columns,
		.n_columns = 3,
		.n_keys = 2,
		.required = 1u << DIMENSION | 1u << VALUE | 1u << PERSON,
	};
	if (!b->file->owners_file)
		return 0;
	r = import_read(b->c, b->file->owners_file, in, diags);
	if (diags->n)
		cli_print_diags(diags);
	if (r)
		cli_error("%s:%d: owners_file can't be used", pos->file, pos->line);
	return r;
}

static int put_owners(struct rehearsal_owner *to, int n, const struct test_owner *owners, int n_owners)
{
	for (int i = 0; i < n_owners; i++)
		to[n++] = (struct rehearsal_owner){owners[i].dimension, owners[i].value, owners[i].person};
	return n;
}

int test_bench_init(struct test_bench *b, struct cli *c, const struct test_file *file)
{
	struct import in;
	int r;

	*b = (struct test_bench){.c = c, .file = file, .scratch = rule_scratch_new(c->settings->ruleset)};
	r = read_owners_file(b, &in);
	if (r)
		return r;
	b->owners = arena_new_array(file->arena, struct rehearsal_owner, (size_t)(file->n_owners + in.n_rows));
	b->n_owners = put_owners(b->owners, 0, file->owners, file->n_owners);
	for (int i = 0; i < in.n_rows; i++) {
		const char **cells = in.rows[i].cells;

		b->owners[b->n_owners++] = (struct rehearsal_owner){cells[DIMENSION], cells[VALUE], cells[PERSON]};
	}
	return 0;
}

static void rehearsal_end(struct test_bench *b)
{
	b->rehearsal = rehearsal_free(b->rehearsal);
	b->directory = directory_free(b->directory);
}

void test_bench_fini(struct test_bench *b)
{
	rehearsal_end(b);
	b->scratch = rule_scratch_free(b->scratch);
}

/* A test's own people stand before those of the file. */
static const struct test_person *person_of(const struct test_file *f, const struct rule_test *t, int i)
{
	return i < t->n_people ? &t->people[i] : &f->people[i - t->n_people];
}

static bool person_is_first(const struct test_file *f, const struct rule_test *t, int at)
{
	for (int i = 0; i < at; i++)
		if (strcmp(person_of(f, t, i)->id, person_of(f, t, at)->id) == 0)
			return false;
	return true;
}

static void make_directory(struct test_bench *b, const struct rule_test *t)
{
	const struct test_file *f = b->file;
	int room = t->n_people + f->n_people, n_people = 0, n_away = 0;
	struct person *people = arena_new_array(f->arena, struct person, (size_t)room);
	struct absence *away = arena_new_array(f->arena, struct absence, (size_t)room);

	for (int i = 0; i < room; i++) {
		const struct test_person *p = person_of(f, t, i);
		bool known = false;

		for (int k = 0; k < n_people && p->person.id; k++)
			known |= strcmp(people[k].id, p->id) == 0;
		if (p->person.id && !known)
			people[n_people++] = p->person;
		if (p->away && person_is_first(f, t, i))
			away[n_away++] = (struct absence){p->id, {INT64_MIN}, WALL_NONE, p->deputy};
	}
	b->directory = directory_make(b->c->settings, people, n_people, away, n_away);
}

static void make_rehearsal(struct test_bench *b, const struct rule_test *t)
{
	const struct test_file *f = b->file;
	struct rehearsal_owner *owners = b->owners;
	int n = b->n_owners;

	if (t->n_owners) {
		owners = arena_new_array(f->arena, struct rehearsal_owner, (size_t)(t->n_owners + b->n_owners));
		n = put_owners(owners, 0, t->owners, t->n_owners);
		for (int i = 0; i < b->n_owners; i++)
			owners[n++] = b->owners[i];
	}
	make_directory(b, t);
	b->rehearsal = rehearsal_new(b->c->settings, b->directory, owners, n);
}

/* Everything is as at the start, however the tests before it went. */
static void prepare(struct test_bench *b, const struct rule_test *t)
{
	const struct rule_test *whose = t->n_owners || t->n_people ? t : NULL;

	if (!b->rehearsal || whose || b->rehearsed) {
		rehearsal_end(b);
		make_rehearsal(b, t);
		b->rehearsed = whose;
	}
	rehearsal_restart(b->rehearsal);
	for (int i = t->n_people + b->file->n_people - 1; i >= 0; i--) {
		const struct test_person *p = person_of(b->file, t, i);
		int *load = rehearsal_load(b->rehearsal, p->id);

		if (load)
			*load = p->open_cases;
	}
}

/* ---- lists ---- */

static bool has(const struct string_list *l, const char *text)
{
	for (int i = 0; i < l->n; i++)
		if (strcmp(l->items[i], text) == 0)
			return true;
	return false;
}

static bool same_set(const struct string_list *a, const struct string_list *b)
{
	for (int i = 0; i < a->n; i++)
		if (!has(b, a->items[i]))
			return false;
	for (int i = 0; i < b->n; i++)
		if (!has(a, b->items[i]))
			return false;
	return true;
}

static const char *list_words(struct arena *a, const struct string_list *l)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT(LIST_BYTES_MAX);

	for (int i = 0; i < l->n; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", l->items[i]);
	return l->n ? arena_strdup(a, buf_str(&b)) : "none";
}

/* ---- differences ---- */

static struct test_difference *differ(struct test_outcome *o, const char *key, const char *expected, const char *got)
{
	struct test_difference *d = &o->differences[o->n_differences++];

	*d = (struct test_difference){.key = key, .expected = expected, .got = got};
	return d;
}

/* The rules that came out one way: with ignore only those that ignore, because nothing else counts then. */
static void rules_that(const struct test_outcome *o, enum tri result, struct string_list *ret)
{
	const struct settings *s = o->trace.settings;
	const struct verdict *v = &o->trace.verdict;

	*ret = (struct string_list){arena_new_array(o->trace.arena, const char *, (size_t)s->n_rules), 0};
	for (int i = 0; i < s->n_rules; i++) {
		bool counts = result != TRI_TRUE || v->ignored == (s->rules[i].kind == RULE_IGNORE);

		if (v->results[i] == result && counts)
			ret->items[ret->n++] = s->rules[i].id;
	}
}

static void compare_rules(struct test_outcome *o, const char *key, enum tri result, const struct string_list *expected)
{
	const struct settings *s = o->trace.settings;
	struct arena *a = o->trace.arena;
	struct string_list got;
	bool *surprising;

	rules_that(o, result, &got);
	if (same_set(expected, &got))
		return;
	surprising = arena_new_array(a, bool, (size_t)s->n_rules);
	for (int i = 0; i < s->n_rules; i++)
		surprising[i] = has(expected, s->rules[i].id) != has(&got, s->rules[i].id);
	differ(o, key, list_words(a, expected), list_words(a, &got))->rules = surprising;
}

static const char *kind_of(const struct test_outcome *o)
{
	if (o->trace.verdict.ignored)
		return "ignore";
	switch (o->plan.action) {
	case PLAN_OPEN: return "case";
	case PLAN_PRAISE: return "praise";
	case PLAN_NOTE: return "note";
	case PLAN_NOTHING:
	case PLAN_AMEND:
	case PLAN_JOIN:
	case PLAN_RECUR:
	case PLAN_COOL:
	case PLAN_RETURN:
	case PLAN_TELL: break;
	}
	return "none";
}

/* Of what the leading rule decides. */
static void compare_led(struct test_outcome *o, const char *key, const char *expected, const char *got)
{
	struct test_difference *d;
	bool *led;

	if (!expected || str_eq(expected, got))
		return;
	led = arena_new_array(o->trace.arena, bool, (size_t)o->trace.settings->n_rules);
	if (o->plan.rule)
		led[o->plan.rule - o->trace.settings->rules] = true;
	d = differ(o, key, expected, got ? got : "none");
	d->rules = led;
	if (got && o->plan.rule)
		d->note = arena_printf(o->trace.arena, "from %s%s", o->plan.rule->id,
				       o->plan.too_old ? ", too old for more than a note (max_age)" : "");
}

static void compare_owner(struct test_outcome *o)
{
	const struct test_expect *e = &o->test->expect;
	const struct owner_found *found = &o->plan.owner;
	const char *got = found->person ? found->person->id : NULL;

	if (e->owner && !str_eq(e->owner, got)) {
		struct test_difference *d = differ(o, "owner", e->owner, got ? got : "none");

		d->trail = true;
		if (found->instead_of)
			d->note = arena_printf(o->trace.arena, "instead of %s, who is away", found->instead_of->id);
	}
	if (e->team && !str_eq(e->team, found->team))
		differ(o, "team", e->team, found->team ? found->team : "none")->trail = true;
}

static void compare_notify(struct test_outcome *o)
{
	const struct test_expect *e = &o->test->expect;
	const struct plan *p = &o->plan;
	struct arena *a = o->trace.arena;
	struct string_list got = {arena_new_array(a, const char *, (size_t)(p->n_recipients + p->n_webhooks)), 0};

	for (int i = 0; i < p->n_recipients; i++) {
		const struct recipient *r = &p->recipients[i];

		got.items[got.n++] = arena_printf(a, "%s:%s", r->asked ? "digest" : "email", r->person->id);
	}
	for (int i = 0; i < p->n_webhooks; i++)
		got.items[got.n++] = arena_printf(a, "webhook:%s", p->webhooks[i]->id);
	if (e->has_notify && !same_set(&e->notify, &got))
		differ(o, "notify", list_words(a, &e->notify), list_words(a, &got))->trail = true;
}

static const char *time_words(struct arena *a, struct wall_time t)
{
	char text[WALL_TEXT_BYTES];

	return wall_is_set(t) ? arena_strdup(a, wall_text(t, text)) : "none";
}

static void compare_due(struct test_outcome *o, const char *key, struct wall_time expected, struct wall_time got)
{
	if (expected.us != got.us)
		differ(o, key, time_words(o->trace.arena, expected), time_words(o->trace.arena, got));
}

static void compare(struct test_outcome *o)
{
	const struct test_expect *e = &o->test->expect;
	const struct plan *p = &o->plan;
	bool opens = p->action == PLAN_OPEN;

	if (e->has_rules)
		compare_rules(o, "rules", TRI_TRUE, &e->rules);
	if (e->has_undecided)
		compare_rules(o, "undecided", TRI_MISSING, &e->undecided);
	compare_led(o, "kind", e->kind, kind_of(o));
	compare_led(o, "priority", e->priority, opens ? priority_name(p->priority) : NULL);
	compare_led(o, "route", e->route, opens ? p->rule->route->id : NULL);
	compare_led(o, "follow_up", e->follow_up, opens && p->rule->follow_up ? p->rule->follow_up->id : NULL);
	compare_owner(o);
	compare_notify(o);
	if (e->has_acknowledge_by)
		compare_due(o, "acknowledge_by", e->acknowledge_by, o->acknowledge_due);
	if (e->has_resolve_by)
		compare_due(o, "resolve_by", e->resolve_by, o->resolve_due);
}

int test_outcome(struct test_bench *b, const struct rule_test *t, struct arena *arena, struct test_outcome *ret)
{
	int r = 0;

	prepare(b, t);
	*ret = (struct test_outcome){.test = t, .acknowledge_due = WALL_NONE, .resolve_due = WALL_NONE};
	rehearse(b->rehearsal, &t->response, t->at, arena, &ret->plan, NULL);
	trace_init(&ret->trace, b->c->settings, b->scratch, &t->response, arena);
	if (t->expect.has_acknowledge_by || t->expect.has_resolve_by)
		r = test_due(b, ret);
	if (r == 0)
		compare(ret);
	return r;
}
