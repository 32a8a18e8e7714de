/*
 * Who is responsible: an owner chain is walked until somebody is found.
 *
 * Pure. What the chain may need from the database (rows of `owners`, open cases per member, round-robin positions) was
 * fetched for the whole batch before and is handed in as struct owner_facts. Absent people are replaced by their
 * deputy; with everyone away the entry's first person is told all the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CASE_OWNER_H
#define CASE_OWNER_H

#include "case/directory.h"
#include "model/alert.h"
#include "model/response.h"

/* One (dimension, value) that the batch asks the owners table for, and its answer. */
struct owner_lookup {
	const char *dimension; /* "touchpoint+region" */
	const char *value;     /* "installation+seoul" */
	const char *person;    /* NULL: no such row */
};

/* Open cases of a person; counted on as the batch assigns. */
struct owner_load {
	const char *person;
	int open_cases;
};

struct owner_position { /* round-robin */
	const char *team;
	int64_t position; /* whose turn is next: member position % members; counts up */
	bool moved;
};

/* Answers a lookup where the owners are in memory: a person, or NULL: nobody is entered. */
typedef const char *owner_find_fn(void *arg, const char *dimension, const char *value);

struct owner_facts {
	const struct directory *directory;
	struct wall_time now;
	struct arena *arena;
	struct owner_lookup *lookups; /* sorted by dimension, value */
	int n_lookups;
	owner_find_fn *find; /* instead of lookups; NULL */
	void *find_arg;
	struct owner_load *loads;
	int n_loads;
	struct owner_position *positions;
	int n_positions;
};

/* The text of a fact by its name in rules, a column or attr.X, without white space around it; NULL: missing. */
const char *owner_fact(struct arena *arena, const struct response *r, const char *name);
/* The value a lookup target asks for: "installation+seoul", or NULL when one of its facts is missing. */
const char *owner_lookup_value(const struct target *t, const struct response *r, struct arena *a);
void owner_lookups_sort(struct owner_lookup *l, int n);
/* In sorted lookups; NULL when it wasn't asked for. */
struct owner_lookup *owner_lookup_find(struct owner_lookup *l, int n, const char *dimension, const char *value);

/* What a target came to; for alerts and explain. */
struct owner_found {
	const struct target *target;
	const struct person *person;     /* who is told; NULL: this target resolves to nobody */
	const struct person *instead_of; /* the absent one `person` stands in for; NULL: nobody */
	bool all_away;                   /* the person is away too, but nobody else is there */
	const char *dimension, *value;   /* what it was found by */
	const char *why_not;             /* person NULL: "missing", "no row", "unknown person", for people to read */
	const char *team;
};

/* One target. owner may be NULL (unknown yet); choosing from a team counts on loads and positions. */
struct owner_found owner_of_target(struct owner_facts *f, const struct target *t, const struct response *r,
				   const struct person *owner);

/* The first target of a route's owner chain that resolves. trail (may be NULL) takes every step tried, *n_trail of them. */
struct owner_found owner_resolve(struct owner_facts *f, const struct route *route, const struct response *r,
				 struct owner_found *trail, int *n_trail);

/*
 * Everyone a target names, present or replaced, without choosing: a team is all its members. Used for praise
 * and for `email:team:X`. Returns how many were written to people[0..max).
 */
int owner_everyone(struct owner_facts *f, const struct target *t, const struct response *r, const struct person *owner,
		   const struct person **people, int max);

/* As the recipient is told: lookup, from, person, team, deputy. */
enum alert_reason owner_reason(const struct owner_found *found);

#endif
