/*
 * Calls: history.cases(90d, account), days_since(T), hour(T, 'zone'). Their arguments are known when rules are loaded, so
 * each becomes one input, like a column.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/set.h"

#include <errno.h>
#include <math.h>
#include <string.h>

struct call {
	struct checker *c;
	struct operand *o;
	const struct function_def *fn;
};

static const char *write_hint(const struct call *k)
{
	return arena_printf(k->c->src->arena, "write: %s", k->fn->use);
}

static bool arguments_expected(const struct call *k, int least, int most, const char *what)
{
	struct source *src = k->c->src;

	if (k->o->n_arguments < least)
		source_error(src, k->o->span, write_hint(k), "'%s' needs %s in parentheses", k->fn->name, what);
	else if (k->o->n_arguments > most)
		source_error(src, k->o->arguments[most].span, write_hint(k), "'%s' takes no more than %s", k->fn->name,
			     most == 1 ? what : "two things");
	return k->o->n_arguments >= least && k->o->n_arguments <= most;
}

/* ---- history.X(D[, account]) ---- */

const char *history_text(const struct history_need *need, struct arena *arena)
{
	static const char *const words[] = {"responses", "detractors", "cases"};
	static const struct {
		int seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	int64_t seconds = need->window_us / US_PER_S;
	size_t i = 0;

	while (seconds % units[i].seconds)
		i++;
	return arena_printf(arena, "history.%s(%lld%c%s)", words[need->what], (long long)(seconds / units[i].seconds),
			    units[i].unit, need->of == PER_ACCOUNT ? ", account" : "");
}

static bool window_read(const struct call *k, const struct operand *d, int64_t *ret_s)
{
	struct source *src = k->c->src;
	const char *hint = write_hint(k);

	if (d->kind == OPERAND_NUMBER)
		hint = arena_printf(src->arena, "write: %.*sd", SPAN_ARG(src, d->span));
	else if (d->kind == OPERAND_TEXT)
		hint = "durations stand without quotes: 90d, 4w, 12h";
	if (d->kind != OPERAND_DURATION) {
		source_error(src, d->span, hint, "expected a duration, not %s", operand_shown(src, d));
		return false;
	}
	if (d->number < 1 || d->number > (double)RULE_WINDOW_S_MAX) {
		source_error(src, d->span, NULL, "history goes back from 1s to %lldd", (long long)(RULE_WINDOW_S_MAX / 86400));
		return false;
	}
	*ret_s = llround(d->number);
	return true;
}

/* The second one: whose history. */
static bool whose_read(const struct call *k, bool *ret_account)
{
	const struct operand *o = &k->o->arguments[1];
	const char *name = strrchr(k->fn->name, '.') + 1;
	struct source *src = k->c->src;

	*ret_account = k->o->n_arguments == 2;
	if (!*ret_account || (o->kind == OPERAND_NAME && !o->member && strcmp(o->name, "account") == 0))
		return true;
	source_error(src, o->span,
		     arena_printf(src->arena, "history.%s(90d) is the customer's, history.%s(90d, account) the account's", name,
				  name),
		     "expected account, not %s", operand_shown(src, o));
	return false;
}

static int history_inputs(const struct ruleset *rs)
{
	int n = 0;

	for (int i = 0; i < rs->n_inputs; i++)
		n += rs->inputs[i].source == INPUT_HISTORY;
	return n;
}

static void resolve_history(const struct call *k)
{
	struct ruleset *rs = k->c->rs;
	struct input in = {.source = INPUT_HISTORY, .type = TYPE_NUMBER};
	int64_t window_s;
	bool account;
	int before = history_inputs(rs), index;

	if (!arguments_expected(k, 1, 2, "a duration") || !window_read(k, &k->o->arguments[0], &window_s) ||
	    !whose_read(k, &account))
		return;
	in.need = (struct history_need){k->fn->what, account ? PER_ACCOUNT : PER_CUSTOMER, window_s * US_PER_S};
	in.shown = history_text(&in.need, rs->arena);
	in.name = strchr(in.shown, '.') + 1;
	index = input_add(rs, &in);
	if (history_inputs(rs) > RULE_HISTORY_MAX && before == RULE_HISTORY_MAX)
		source_error(k->c->src, k->o->span, "use the same duration in several rules",
			     "more than %d different counts of history in one set", RULE_HISTORY_MAX);
	else
		operand_refer(k->o, REFERENCE_INPUT, index, TYPE_NUMBER);
}

/* ---- days_since(T), hour(T[, 'zone']), weekday(T[, 'zone']) ---- */

/* NULL after a report. */
static const struct input *time_read(const struct call *k)
{
	static const char hint[] = "times are responded_at, received_at, previous.responded_at and attributes of type time";
	struct operand *t = &k->o->arguments[0];
	struct source *src = k->c->src;

	if (operand_is_literal(t)) {
		source_error(src, t->span, hint, "'%s' needs a time, %s is %s", k->fn->name, operand_shown(src, t),
			     rule_type_words[t->type]);
		return NULL;
	}
	resolve(k->c, t, false);
	if (t->reference == REFERENCE_NONE)
		return NULL;
	if (t->reference == REFERENCE_FACT || t->type != TYPE_TIME) {
		source_error(src, t->span, hint, "'%s' needs a time, %s is %s", k->fn->name, operand_shown(src, t),
			     rule_type_words[t->type]);
		return NULL;
	}
	return &k->c->rs->inputs[t->index];
}

static void report_zone(const struct call *k, struct span span, const char *name, int r)
{
	struct source *src = k->c->src;
	const char *near = r == -ENOENT && k->c->rs->zone_files ? k->c->rs->zone_files->nearest(name, src->arena) : NULL;

	if (near)
		source_error(src, span, NULL, "unknown time zone '%s', did you mean '%s'?", name, near);
	else if (r == -ENOTDIR)
		source_error(src, span, "install Debian's package tzdata",
			     "'%s' is not known: this machine has no zone database", name);
	else if (r == -EIO)
		source_error(src, span, "reinstall Debian's package tzdata", "the file of time zone '%s' can't be read", name);
	else
		source_error(src, span, "write a name of the zone database, such as 'Asia/Seoul'", "unknown time zone '%s'",
			     name);
}

/* Each zone is read once for all rules. NULL after a report. */
static const struct zone *zone_find(const struct call *k, struct span span, const char *name)
{
	struct ruleset *rs = k->c->rs;
	struct zone *z = NULL;
	const char *bytes;
	size_t n;
	int r;

	for (int i = 0; i < rs->n_zones; i++)
		if (strcmp(rs->zones[i]->name, name) == 0)
			return rs->zones[i];
	if (strcmp(name, zone_utc.name) == 0)
		return &zone_utc;
	if (rs->n_zones == RULE_ZONES_MAX) {
		source_error(k->c->src, span, NULL, "more than %d time zones in one set", RULE_ZONES_MAX);
		return NULL;
	}
	r = rs->zone_files ? rs->zone_files->read(name, rs->arena, &bytes, &n) : -ENOENT;
	if (r == 0)
		r = zone_decode(name, bytes, n, rs->arena, &z);
	if (r < 0)
		report_zone(k, span, name, r);
	else
		rs->zones[rs->n_zones++] = z;
	return z;
}

static const struct zone *zone_read(const struct call *k)
{
	const struct operand *o = &k->o->arguments[1];

	if (k->o->n_arguments < 2)
		return zone_find(k, k->o->span, k->c->rs->timezone);
	if (o->kind == OPERAND_TEXT)
		return zone_find(k, o->span, o->text);
	source_error(k->c->src, o->span, write_hint(k), "expected a time zone in single quotes, not %s",
		     operand_shown(k->c->src, o));
	return NULL;
}

static void resolve_time(const struct call *k)
{
	struct ruleset *rs = k->c->rs;
	struct input in = {.source = k->fn->source, .type = TYPE_NUMBER};
	bool has_zone = in.source != INPUT_DAYS;
	const struct input *of;

	if (!arguments_expected(k, 1, has_zone ? 2 : 1, "a time"))
		return;
	of = time_read(k);
	if (!of)
		return;
	in.of = arena_memdup(rs->arena, of, sizeof(*of));
	in.always = of->always;
	in.zone = has_zone ? zone_read(k) : NULL;
	if (has_zone && !in.zone)
		return;
	if (k->o->n_arguments == 2)
		in.name = arena_printf(rs->arena, "%s(%s, '%s')", k->fn->name, of->shown, in.zone->name);
	else
		in.name = arena_printf(rs->arena, "%s(%s)", k->fn->name, of->shown);
	in.shown = in.name;
	if (!has_zone && !of->previous && of->column && strcmp(of->name, "responded_at") == 0)
		source_warn(k->c->src, k->o->span, "it counts the days from a time to responded_at", "this is always 0");
	operand_refer(k->o, REFERENCE_INPUT, input_add(rs, &in), TYPE_NUMBER);
}

/* ---- any of them ---- */

static void unknown_function(struct checker *c, const struct operand *o, const char *name)
{
	const char *near = diag_nearest(name, &rule_functions[0].name, (size_t)rule_functions_n, sizeof(rule_functions[0]));
	bool fact = false;

	for (int i = 0; !o->member && i < c->rs->n_facts; i++)
		fact |= strcmp(c->rs->facts[i].name, name) == 0;
	if (!o->member && (fact || column_find(name)))
		source_error(c->src, o->span, arena_printf(c->src->arena, "write: %s", name), "'%s' takes no parentheses",
			     name);
	else if (near)
		source_error(c->src, o->span, NULL, "unknown function '%s', did you mean '%s'?", name, near);
	else if (strcmp(o->name, "history") == 0)
		source_error(c->src, o->span, "there are history.detractors(90d), history.responses(90d), history.cases(90d)",
			     "unknown function '%s'", name);
	else
		source_error(c->src, o->span, NULL, "unknown function '%s'", name);
}

void resolve_call(struct checker *c, struct operand *o)
{
	const char *name = o->member ? arena_printf(c->src->arena, "%s.%s", o->name, o->member) : o->name;
	struct call k = {c, o, o->sub ? NULL : function_find(name)};

	if (!k.fn)
		unknown_function(c, o, name);
	else if (k.fn->source == INPUT_HISTORY)
		resolve_history(&k);
	else
		resolve_time(&k);
}
