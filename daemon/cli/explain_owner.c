/*
 * How the owner was found, entry by entry; see explain_read.h.
 *
 * The event that opened the case says it. Events of older versions name only the entry that led to the owner: what the ones before it
 * come to today is shown, and said to be so.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "case/owner.h"
#include "cli/explain_read.h"

#include <string.h>

/* What an entry that wasn't recorded comes to today. */
static int step_today(struct cli *c, const struct target *t, const struct response *r, struct explain_step *ret)
{
	const char *note = NULL;
	int e = 0;

	*ret = (struct explain_step){.target = t->text, .note = "as of today, it was not recorded"};
	if (t->kind == TARGET_LOOKUP)
		ret->value = owner_lookup_value(t, r, c->arena);
	else if (t->kind == TARGET_FROM)
		ret->value = owner_fact(c->arena, r, t->name);
	if ((t->kind == TARGET_LOOKUP || t->kind == TARGET_FROM) && !ret->value)
		ret->why_not = "missing";
	else if (t->kind == TARGET_LOOKUP)
		e = explain_read_owner(c, NULL, t->name, ret->value, "", &note);
	if (!ret->why_not)
		ret->why_not = t->kind != TARGET_LOOKUP                    ? "led to nobody"
			       : note && str_eq(note, "no longer entered") ? "nobody is entered"
			       : note                                      ? note
									   : "nobody is entered";
	return e;
}

static int steps_today(struct cli *c, const struct explained *e, struct explain_step *steps, int *n, int most)
{
	const struct route *route = e->set && e->set->settings ? settings_route(e->set->settings, e->of.route) : NULL;
	int r = 0;

	for (int i = 0; r == 0 && route && i < route->n_owner && *n < most; i++) {
		if (str_eq(route->owner[i].text, e->event.through))
			return 0;
		r = step_today(c, &route->owner[i], &e->row->response, &steps[(*n)++]);
	}
	*n = 0; /* the entry isn't among them: the route is another one than then */
	return r;
}

/* The entry that led to the owner. */
static int last_step(struct cli *c, const struct explained *e, struct explain_step *ret)
{
	const struct explain_event *v = &e->event;

	*ret = (struct explain_step){
		.target = v->through,
		.value = v->value,
		.person = v->owner,
		.instead_of = v->instead_of,
		.all_away = v->all_away,
		.why_not = "nobody who is known: the operators were told",
	};
	if (str_eq(v->through, "recurrence"))
		ret->target =
			v->linked_to ? arena_printf(c->arena, "owner of C-%lld", (long long)v->linked_to) : "earlier case";
	if (strncmp(v->through, "lookup:", 7) != 0 || !v->value)
		return 0;
	return explain_read_owner(c, e, v->through + 7, v->value, v->instead_of ? v->instead_of : v->owner, &ret->note);
}

static int by_hand(struct cli *c, const struct explained *e, struct explain_step **ret, int *ret_n)
{
	*ret = arena_new_obj(c->arena, struct explain_step);
	**ret = (struct explain_step){
		.target = arena_printf(c->arena, "by hand, %s", e->event.actor), .person = e->event.to, .why_not = "nobody"};
	*ret_n = 1;
	return 0;
}

int explain_owner(struct cli *c, const struct explained *e, struct explain_step **ret, int *ret_n)
{
	struct explain_step *tried, *steps;
	int n = 0, r, room;

	*ret_n = 0;
	if (!e->event.there)
		return 0;
	if (e->event.by_hand)
		return by_hand(c, e, ret, ret_n);
	r = explain_read_tried(c, e, &tried, &n);
	if (r)
		return r;
	room = MAX(n, 64);
	steps = arena_new_array(c->arena, struct explain_step, (size_t)room + 1);
	if (n)
		memcpy(steps, tried, sizeof(*steps) * (size_t)n);
	else if (e->event.through && !e->event.tried_known)
		r = steps_today(c, e, steps, &n, room);
	if (r == 0 && e->event.through)
		r = last_step(c, e, &steps[n++]);
	*ret = steps;
	*ret_n = n;
	return r;
}
