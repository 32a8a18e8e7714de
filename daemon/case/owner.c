/*
 * Walking owner chains; see owner.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "case/owner.h"

#include "base/escape.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* As it compares in rules: a value of several parts has no white space around any of them. NULL: blank. */
static const char *trimmed(struct arena *a, const char *text)
{
	size_t n = utf8_trim(&text, strlen(text));

	return n == 0 ? NULL : text[n] ? arena_strndup(a, text, n) : text;
}

const char *owner_fact(struct arena *arena, const struct response *r, const char *name)
{
	const struct attribute *at;
	const char *text = NULL;
	bool known;

	if (strncmp(name, "attr.", 5) == 0) {
		at = response_attribute(r, name + 5);
		text = at ? at->text : NULL;
	} else {
		text = response_text(r, name, &known);
	}
	return text ? trimmed(arena, text) : NULL;
}

const char *owner_lookup_value(const struct target *t, const struct response *r, struct arena *a)
{
	const char *value = NULL;

	for (int i = 0; i < t->n_dimensions; i++) {
		const char *part = owner_fact(a, r, t->dimensions[i]);

		if (!part)
			return NULL;
		value = value ? arena_printf(a, "%s+%s", value, part) : part;
	}
	return value;
}

static int lookup_order(const void *pa, const void *pb)
{
	const struct owner_lookup *a = pa, *b = pb;
	int r = strcmp(a->dimension, b->dimension);

	return r ? r : strcmp(a->value, b->value);
}

void owner_lookups_sort(struct owner_lookup *l, int n)
{
	if (n) /* qsort takes no NULL, not even for nothing */
		qsort(l, (size_t)n, sizeof(*l), lookup_order);
}

struct owner_lookup *owner_lookup_find(struct owner_lookup *l, int n, const char *dimension, const char *value)
{
	const struct owner_lookup key = {dimension, value, NULL};

	return n ? bsearch(&key, l, (size_t)n, sizeof(key), lookup_order) : NULL;
}

static const char *owner_lookup_person(const struct owner_facts *f, const char *dimension, const char *value)
{
	const struct owner_lookup *found;

	if (f->find)
		return f->find(f->find_arg, dimension, value);
	found = owner_lookup_find(f->lookups, f->n_lookups, dimension, value);
	return found ? found->person : NULL;
}

static int *owner_load_of(struct owner_facts *f, const char *person)
{
	for (int i = 0; i < f->n_loads; i++)
		if (strcmp(f->loads[i].person, person) == 0)
			return &f->loads[i].open_cases;
	return NULL;
}

static struct owner_position *owner_position_of(struct owner_facts *f, const char *team)
{
	for (int i = 0; i < f->n_positions; i++)
		if (strcmp(f->positions[i].team, team) == 0)
			return &f->positions[i];
	return NULL;
}

/* The person, or whoever stands in. With everyone along the chain away it stays the person. */
static void found_set_person(const struct owner_facts *f, struct owner_found *found, const struct person *p)
{
	const struct person *present = directory_present(f->directory, p, f->now);

	found->all_away = !present;
	found->person = present ? present : p;
	found->instead_of = present && present != p ? p : NULL;
}

static void found_by_id(const struct owner_facts *f, struct owner_found *found, const char *id)
{
	const struct person *p = directory_find(f->directory, id);

	if (p)
		found_set_person(f, found, p);
	else
		found->why_not = arena_printf(f->arena, "'%s' is no known person", id);
}

static const struct person *team_member(const struct owner_facts *f, const struct team *team, int i)
{
	return directory_person(f->directory, team->members.items[i]);
}

static bool member_present(const struct owner_facts *f, const struct person *p)
{
	return p && !directory_absence(f->directory, p->id, f->now);
}

static const struct person *team_least_open(const struct owner_facts *f, const struct team *team)
{
	const struct person *best = NULL;
	int least = INT_MAX;

	for (int i = 0; i < team->members.n; i++) {
		const struct person *p = team_member(f, team, i);
		const int *load = p ? owner_load_of((struct owner_facts *)f, p->id) : NULL;

		if (member_present(f, p) && (load ? *load : 0) < least) {
			least = load ? *load : 0;
			best = p;
		}
	}
	return best;
}

static const struct person *team_round_robin(struct owner_facts *f, const struct team *team)
{
	struct owner_position *position = owner_position_of(f, team->id);
	int64_t next = position ? position->position : 0;

	for (int i = 0; i < team->members.n; i++) {
		const struct person *p = team_member(f, team, (int)((next + i) % team->members.n));

		if (!member_present(f, p))
			continue;
		if (position) {
			position->position = next + i + 1;
			position->moved = true;
		}
		return p;
	}
	return NULL;
}

static void found_by_team(struct owner_facts *f, struct owner_found *found, const struct team *team)
{
	const struct person *p;

	found->team = team->id;
	p = team->assign == ASSIGN_ROUND_ROBIN ? team_round_robin(f, team) : team_least_open(f, team);
	if (p) {
		found->person = p;
		return;
	}
	for (int i = 0; !p && i < team->members.n; i++)
		p = team_member(f, team, i);
	if (p)
		found_set_person(f, found, p);
	else
		found->why_not = "no member is known";
}

static void found_by_lookup(struct owner_facts *f, struct owner_found *found, const struct target *t, const struct response *r)
{
	const char *person;

	found->dimension = t->name;
	found->value = owner_lookup_value(t, r, f->arena);
	if (!found->value) {
		found->why_not = "missing";
		return;
	}
	person = owner_lookup_person(f, t->name, found->value);
	if (person)
		found_by_id(f, found, person);
	else
		found->why_not = "nobody is entered";
}

struct owner_found owner_of_target(struct owner_facts *f, const struct target *t, const struct response *r,
				   const struct person *owner)
{
	struct owner_found found = {.target = t};

	switch (t->kind) {
	case TARGET_OWNER: found.person = owner; break;
	case TARGET_MANAGER:
		if (owner && owner->reports_to)
			found_by_id(f, &found, owner->reports_to);
		else
			found.why_not = "the owner reports to nobody";
		break;
	case TARGET_PERSON: found_by_id(f, &found, t->name); break;
	case TARGET_TEAM: found_by_team(f, &found, t->team); break;
	case TARGET_LOOKUP: found_by_lookup(f, &found, t, r); break;
	case TARGET_FROM:
		found.dimension = t->name;
		found.value = owner_fact(f->arena, r, t->name);
		if (found.value)
			found_by_id(f, &found, found.value);
		else
			found.why_not = "missing";
		break;
	}
	return found;
}

struct owner_found owner_resolve(struct owner_facts *f, const struct route *route, const struct response *r,
				 struct owner_found *trail, int *n_trail)
{
	struct owner_found found = {0};
	int n = 0, *load;

	for (int i = 0; i < route->n_owner && !found.person; i++) {
		found = owner_of_target(f, &route->owner[i], r, NULL);
		if (trail)
			trail[n++] = found;
	}
	if (n_trail)
		*n_trail = n;
	load = found.person ? owner_load_of(f, found.person->id) : NULL;
	if (load)
		(*load)++;
	return found;
}

static int people_add(const struct person **people, int n, int max, const struct person *p)
{
	for (int i = 0; i < n; i++)
		if (people[i] == p)
			return n;
	if (n < max)
		people[n++] = p;
	return n;
}

int owner_everyone(struct owner_facts *f, const struct target *t, const struct response *r, const struct person *owner,
		   const struct person **people, int max)
{
	struct owner_found found;
	int n = 0;

	if (t->kind != TARGET_TEAM) {
		found = owner_of_target(f, t, r, owner);
		return found.person ? people_add(people, 0, max, found.person) : 0;
	}
	for (int i = 0; i < t->team->members.n; i++)
		if (member_present(f, team_member(f, t->team, i)))
			n = people_add(people, n, max, team_member(f, t->team, i));
	for (int i = 0; n == 0 && i < t->team->members.n; i++)
		if (team_member(f, t->team, i))
			n = people_add(people, n, max, team_member(f, t->team, i));
	return n;
}

enum alert_reason owner_reason(const struct owner_found *found)
{
	static const enum alert_reason reasons[] = {
		[TARGET_OWNER] = REASON_PERSON, [TARGET_MANAGER] = REASON_NOTIFIED, [TARGET_PERSON] = REASON_PERSON,
		[TARGET_TEAM] = REASON_TEAM,    [TARGET_LOOKUP] = REASON_LOOKUP,    [TARGET_FROM] = REASON_FROM,
	};

	return found->instead_of ? REASON_DEPUTY : reasons[found->target->kind];
}
