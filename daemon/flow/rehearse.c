/*
 * The judge without a database; see rehearse.h.
 *
 * Owners are sorted by dimension and folded value once; a lookup folds its value into one buffer that is kept.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/rehearse.h"
#include "flow/judge.h"

#include <stdlib.h>
#include <string.h>

#define FOLDED_BYTES_MAX (2 * RESPONSE_TEXT_BYTES_MAX)

struct entry {
	const char *dimension, *folded, *person;
	int place; /* in the caller's array */
};

struct rehearsal {
	struct arena *arena;
	struct live live; /* settings, directory and scratch only */
	struct entry *entries;
	int n_entries;
	struct owner_load *loads; /* of everybody in a least-open team */
	int n_loads;
	struct owner_position *positions; /* of every round-robin team */
	int n_positions;
	struct owner_load *loads_before; /* the last plan */
	struct owner_position *positions_before;
	struct buf folded;
};

static int entry_order(const struct entry *a, const struct entry *b)
{
	int r = strcmp(a->dimension, b->dimension);

	return r ? r : strcmp(a->folded, b->folded);
}

static int entry_sort(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;
	int r = entry_order(a, b);

	return r ? r : a->place - b->place;
}

static void take_owners(struct rehearsal *r, const struct rehearsal_owner *owners, int n)
{
	int kept = 0;

	r->entries = arena_new_array(r->arena, struct entry, (size_t)MAX(n, 1));
	for (int i = 0; i < n; i++) {
		buf_reset(&r->folded);
		rule_lower(owners[i].value, &r->folded);
		r->entries[i] = (struct entry){arena_strdup(r->arena, owners[i].dimension),
					       arena_strndup(r->arena, buf_str(&r->folded), r->folded.n),
					       arena_strdup(r->arena, owners[i].person), i};
	}
	if (n > 1)
		qsort(r->entries, (size_t)n, sizeof(*r->entries), entry_sort);
	for (int i = 0; i < n; i++)
		if (i == 0 || entry_order(&r->entries[i], &r->entries[kept - 1]) != 0)
			r->entries[kept++] = r->entries[i];
	r->n_entries = kept;
}

static const char *find_owner(void *arg, const char *dimension, const char *value)
{
	struct rehearsal *r = arg;
	int low = 0, high = r->n_entries - 1;
	struct entry key;

	buf_reset(&r->folded);
	rule_lower(value, &r->folded);
	key = (struct entry){dimension, buf_str(&r->folded), NULL, 0};
	while (low <= high) {
		int middle = low + (high - low) / 2;
		int order = entry_order(&key, &r->entries[middle]);

		if (order == 0)
			return r->entries[middle].person;
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return NULL;
}

int *rehearsal_load(struct rehearsal *r, const char *person)
{
	for (int i = 0; i < r->n_loads; i++)
		if (strcmp(r->loads[i].person, person) == 0)
			return &r->loads[i].open_cases;
	return NULL;
}

static void take_teams(struct rehearsal *r)
{
	const struct settings *s = r->live.settings;
	size_t members = 0;

	for (int i = 0; i < s->n_teams; i++)
		members += (size_t)s->teams[i].members.n;
	r->loads = arena_new_array(r->arena, struct owner_load, members + 1);
	r->positions = arena_new_array(r->arena, struct owner_position, (size_t)s->n_teams + 1);
	r->loads_before = arena_new_array(r->arena, struct owner_load, members + 1);
	r->positions_before = arena_new_array(r->arena, struct owner_position, (size_t)s->n_teams + 1);
	for (int i = 0; i < s->n_teams; i++) {
		const struct team *team = &s->teams[i];

		if (team->assign == ASSIGN_ROUND_ROBIN) {
			r->positions[r->n_positions++] = (struct owner_position){.team = team->id};
			continue;
		}
		for (int m = 0; m < team->members.n; m++)
			if (!rehearsal_load(r, team->members.items[m]))
				r->loads[r->n_loads++] = (struct owner_load){team->members.items[m], 0};
	}
}

void rehearse_undo(struct rehearsal *r)
{
	memcpy(r->loads, r->loads_before, sizeof(*r->loads) * (size_t)r->n_loads);
	memcpy(r->positions, r->positions_before, sizeof(*r->positions) * (size_t)r->n_positions);
}

void rehearsal_restart(struct rehearsal *r)
{
	for (int i = 0; i < r->n_loads; i++)
		r->loads[i].open_cases = 0;
	for (int i = 0; i < r->n_positions; i++)
		r->positions[i] = (struct owner_position){.team = r->positions[i].team};
}

struct rehearsal *rehearsal_new(const struct settings *s, const struct directory *d, const struct rehearsal_owner *owners,
				int n_owners)
{
	struct rehearsal *r = xcalloc(1, sizeof(*r));

	r->arena = arena_new(0);
	r->folded = BUF_INIT(FOLDED_BYTES_MAX);
	/* The judge's structs point to what the daemon swaps; nothing is changed through them here. */
	r->live.settings = (struct settings *)s;
	r->live.directory = (struct directory *)d;
	r->live.scratch = rule_scratch_new(s->ruleset);
	take_owners(r, owners, n_owners);
	take_teams(r);
	return r;
}

struct rehearsal *rehearsal_free(struct rehearsal *r)
{
	if (r) {
		rule_scratch_free(r->live.scratch);
		buf_fini(&r->folded);
		arena_free(r->arena);
		free(r);
	}
	return NULL;
}

void rehearsal_freep(struct rehearsal **r)
{
	*r = rehearsal_free(*r);
}

void rehearse_verdict(struct rehearsal *r, const struct response *response, struct verdict *ret)
{
	ruleset_judge(r->live.settings->ruleset, r->live.scratch, response, ret);
}

void rehearse_plan(struct rehearsal *r, const struct response *response, const struct verdict *v, struct wall_time at,
		   struct arena *arena, struct plan *ret)
{
	struct judge j = {.live = &r->live, .arena = arena, .dry = true, .now = at};
	struct claimed *claimed;

	*ret = (struct plan){.winner = -1};
	if (!verdict_matched(v))
		return;
	claimed = arena_new_obj(arena, struct claimed);
	*claimed = (struct claimed){.response = *response, .queued_at = WALL_NONE, .row_version = ""};
	j.facts = (struct owner_facts){
		.directory = r->live.directory,
		.now = at,
		.arena = arena,
		.find = find_owner,
		.find_arg = r,
		.loads = r->loads,
		.n_loads = r->n_loads,
		.positions = r->positions,
		.n_positions = r->n_positions,
	};
	*ret = (struct plan){
		.claimed = claimed, .acknowledge_due = WALL_NONE, .resolve_due = WALL_NONE, .next_action = WALL_NONE};
	memcpy(r->loads_before, r->loads, sizeof(*r->loads) * (size_t)r->n_loads);
	memcpy(r->positions_before, r->positions, sizeof(*r->positions) * (size_t)r->n_positions);
	judge_decide(&j, v, ret);
	judge_own(&j, ret);
	judge_address(&j, ret);
}

void rehearse(struct rehearsal *r, const struct response *response, struct wall_time at, struct arena *arena, struct plan *ret,
	      struct verdict *ret_verdict)
{
	struct verdict v;

	rehearse_verdict(r, response, &v);
	rehearse_plan(r, response, &v, at, arena, ret);
	if (ret_verdict)
		*ret_verdict = v;
}
