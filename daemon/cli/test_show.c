/*
 * Rule tests: how a failed one is told. Only what differs, and below it what led there: the conditions of the rules that
 * surprised, the steps of the owner chain.
 *
 *   FAIL gold-first · gold.tests.conf:12
 *     priority   expected urgent
 *                got      high, from field
 *       key-account  no  strategic: attr.plan is 'gold'   false  'silver'
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "cli/explain.h"
#include "cli/test.h"

#include <string.h>

#define KEY_COLUMNS 15 /* "acknowledge_by" and a gap */
#define LABEL_COLUMNS 9

static void put_value(const char *key, const char *label, const char *value, int columns, struct buf *out)
{
	buf_puts(out, "  ");
	text_put_cell(out, key, KEY_COLUMNS, false);
	text_put_cell(out, label, LABEL_COLUMNS, false);
	text_put_clipped(out, value, MAX(columns - 2 - KEY_COLUMNS - LABEL_COLUMNS, 20));
	buf_putc(out, '\n');
}

static void put_trail(const struct test_outcome *o, int columns, struct buf *out)
{
	const struct plan *p = &o->plan;
	struct explain_step *steps = arena_new_array(o->trace.arena, struct explain_step, (size_t)p->n_trail);

	for (int i = 0; i < p->n_trail; i++) {
		const struct owner_found *f = &p->trail[i];

		steps[i] = (struct explain_step){
			.target = f->target->text,
			.value = f->value,
			.person = f->person ? f->person->id : NULL,
			.instead_of = f->instead_of ? f->instead_of->id : NULL,
			.all_away = f->all_away,
			.why_not = f->why_not,
		};
	}
	explain_put_steps(out, "  owner", steps, p->n_trail, columns);
}

void test_put(const struct test_file *f, const struct test_outcome *o, int columns, struct buf *out)
{
	const struct settings *s = o->trace.settings;
	bool *rules = arena_new_array(o->trace.arena, bool, (size_t)s->n_rules);
	bool trail = false, any = false;

	buf_printf(out, "FAIL %s · ", o->test->id);
	escape_terminal(out, o->test->pos.file, strlen(o->test->pos.file));
	buf_printf(out, ":%d\n", o->test->pos.line);
	for (int i = 0; i < o->n_differences; i++) {
		const struct test_difference *d = &o->differences[i];

		put_value(d->key, "expected", d->expected, columns, out);
		put_value("", "got", d->note ? arena_printf(o->trace.arena, "%s, %s", d->got, d->note) : d->got, columns, out);
		trail |= d->trail;
		for (int k = 0; k < s->n_rules && d->rules; k++)
			any |= rules[k] |= d->rules[k];
	}
	if (any)
		trace_put_rules(&o->trace, rules, columns, out);
	if (trail)
		put_trail(o, columns, out);
}

/* ---- JSON ---- */

static void put_member(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, ",\"%s\":", name);
	json_put_string(out, value);
}

static void put_trail_json(const struct plan *p, struct buf *out)
{
	buf_puts(out, ",\"trail\":[");
	for (int i = 0; i < p->n_trail; i++) {
		const struct owner_found *f = &p->trail[i];

		buf_puts(out, i ? ",{\"target\":" : "{\"target\":");
		json_put_string(out, f->target->text);
		put_member(out, "value", f->value);
		put_member(out, "person", f->person ? f->person->id : NULL);
		put_member(out, "instead_of", f->instead_of ? f->instead_of->id : NULL);
		put_member(out, "why_not", f->person ? NULL : f->why_not);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

void test_put_json(const struct test_file *f, const struct test_outcome *o, struct buf *out)
{
	buf_puts(out, "{\"test\":");
	json_put_string(out, o->test->id);
	put_member(out, "file", o->test->pos.file);
	buf_printf(out, ",\"line\":%d,\"passed\":%s,\"differences\":[", o->test->pos.line, o->n_differences ? "false" : "true");
	for (int i = 0; i < o->n_differences; i++) {
		const struct test_difference *d = &o->differences[i];

		buf_puts(out, i ? ",{\"key\":" : "{\"key\":");
		json_put_string(out, d->key);
		put_member(out, "expected", d->expected);
		put_member(out, "got", d->got);
		put_member(out, "note", d->note);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
	if (o->n_differences) {
		buf_putc(out, ',');
		trace_put_json(&o->trace, out);
		put_trail_json(&o->plan, out);
	}
	buf_putc(out, '}');
}
