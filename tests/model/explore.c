/*
 * Breadth first over a hash table; see explore.h. Backwards over the recorded steps to see what can't reach the end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATES_MAX (16u * 1000 * 1000)
#define STUCK "I1: from here the end can no longer be reached"

struct node {
	uint32_t parent; /* itself: a start */
	int who;
	const char *step;
};

struct edge {
	uint32_t from, to;
};

struct explore {
	const struct explore_model *model;
	unsigned char *states;
	struct node *nodes;
	uint32_t n, room;
	uint32_t *slots; /* index + 1 */
	uint32_t n_slots;
	struct edge *edges;
	size_t n_edges, edges_room;
	uint32_t at; /* the state whose steps are being taken */
	bool starting;
};

static void *grown(void *old, size_t count, size_t bytes)
{
	void *p = realloc(old, count * bytes);

	if (!p) {
		fprintf(stderr, "explore: out of memory\n");
		exit(2);
	}
	return p;
}

static const void *state_at(const struct explore *e, uint32_t i)
{
	return e->states + (size_t)i * e->model->state_bytes;
}

static uint32_t *slot_of(const struct explore *e, const void *state)
{
	const unsigned char *s = state;
	uint64_t h = UINT64_C(14695981039346656037);
	uint32_t i;

	for (size_t k = 0; k < e->model->state_bytes; k++)
		h = (h ^ s[k]) * UINT64_C(1099511628211);
	for (i = (uint32_t)(h ^ (h >> 32)) & (e->n_slots - 1); e->slots[i]; i = (i + 1) & (e->n_slots - 1))
		if (memcmp(state_at(e, e->slots[i] - 1), state, e->model->state_bytes) == 0)
			break;
	return &e->slots[i];
}

static void make_room(struct explore *e)
{
	if (e->n == e->room) {
		e->room = e->room ? e->room * 2 : 4096;
		e->states = grown(e->states, e->room, e->model->state_bytes);
		e->nodes = grown(e->nodes, e->room, sizeof(*e->nodes));
	}
	if (e->n * 2 >= e->n_slots) {
		e->n_slots = e->n_slots ? e->n_slots * 2 : 16384;
		free(e->slots);
		e->slots = grown(NULL, e->n_slots, sizeof(*e->slots));
		memset(e->slots, 0, e->n_slots * sizeof(*e->slots));
		for (uint32_t i = 0; i < e->n; i++)
			*slot_of(e, state_at(e, i)) = i + 1;
	}
}

void explore_to(struct explore *e, const void *state, const char *step, int who)
{
	uint32_t *slot;

	make_room(e);
	slot = slot_of(e, state);
	if (!*slot) {
		if (e->n == STATES_MAX) {
			fprintf(stderr, "explore: more than %u states\n", STATES_MAX);
			exit(2);
		}
		memcpy(e->states + (size_t)e->n * e->model->state_bytes, state, e->model->state_bytes);
		e->nodes[e->n] = (struct node){e->starting ? e->n : e->at, who, step};
		*slot = ++e->n;
	}
	if (e->starting)
		return;
	if (e->n_edges == e->edges_room) {
		e->edges_room = e->edges_room ? e->edges_room * 2 : 16384;
		e->edges = grown(e->edges, e->edges_room, sizeof(*e->edges));
	}
	e->edges[e->n_edges++] = (struct edge){e->at, *slot - 1};
}

static void print_trace(const struct explore *e, uint32_t i)
{
	char text[512];
	uint32_t *way = NULL;
	int n = 0;

	for (uint32_t k = i;; k = e->nodes[k].parent) {
		way = grown(way, (size_t)n + 1, sizeof(*way));
		way[n++] = k;
		if (e->nodes[k].parent == k)
			break;
	}
	for (int k = n - 1; k >= 0; k--) {
		const char *step = e->nodes[way[k]].step, *hole = strstr(step, "%d");

		e->model->print(state_at(e, way[k]), text, sizeof(text));
		printf("  %2d. %.*s", n - 1 - k, hole ? (int)(hole - step) : (int)strlen(step), step);
		if (hole)
			printf("%d%s", e->nodes[way[k]].who, hole + 2);
		printf("\n      %s\n", text);
	}
	free(way);
}

/* The first state from which no done state can be reached; n: there is none. */
static uint32_t first_stuck(const struct explore *e)
{
	uint32_t *first = calloc((size_t)e->n + 2, sizeof(*first)), *from = grown(NULL, e->n_edges + 1, sizeof(*from));
	uint32_t *queue = grown(NULL, e->n, sizeof(*queue)), head = 0, tail = 0, i;
	unsigned char *good = calloc(e->n, 1);

	if (!first || !good)
		exit(2);
	for (size_t k = 0; k < e->n_edges; k++)
		first[e->edges[k].to + 2]++;
	for (i = 2; i < e->n + 2; i++)
		first[i] += first[i - 1];
	for (size_t k = 0; k < e->n_edges; k++)
		from[first[e->edges[k].to + 1]++] = e->edges[k].from;
	for (i = 0; i < e->n; i++)
		if (e->model->done(state_at(e, i)))
			good[queue[tail++] = i] = 1;
	while (head < tail) {
		uint32_t to = queue[head++];

		for (uint32_t k = first[to]; k < first[to + 1]; k++)
			if (!good[from[k]])
				good[queue[tail++] = from[k]] = 1;
	}
	for (i = 0; i < e->n && good[i]; i++)
		;
	free(first);
	free(from);
	free(queue);
	free(good);
	return i;
}

/* NULL: all is well. *ret_at: where it broke. */
static const char *explore_all(struct explore *e, uint32_t *ret_at)
{
	e->starting = true;
	e->model->start(e);
	e->starting = false;
	for (e->at = 0; e->at < e->n; e->at++) {
		unsigned char state[256]; /* the table moves as it grows */
		const char *wrong;

		memcpy(state, state_at(e, e->at), e->model->state_bytes);
		wrong = e->model->wrong(state);
		if (wrong) {
			*ret_at = e->at;
			return wrong;
		}
		e->model->next(e, state);
	}
	*ret_at = first_stuck(e);
	return *ret_at < e->n ? STUCK : NULL;
}

int explore_main(const struct explore_model *m, int argc, char **argv)
{
	const char *expected = argc == 3 && strcmp(argv[1], "--expect") == 0 ? argv[2] : NULL, *wrong;
	struct explore e = {.model = m};
	uint32_t at = 0;
	int r;

	if ((argc > 1 && !expected) || m->state_bytes > 256) {
		fprintf(stderr, "%s takes --expect PROMISE or nothing\n", m->name);
		return 64;
	}
	wrong = explore_all(&e, &at);
	printf("%s: %u states, %zu steps\n", m->name, e.n, e.n_edges);
	if (wrong) {
		printf("%s\n", wrong);
		print_trace(&e, at);
	}
	if (expected) {
		r = !wrong || strncmp(wrong, expected, strlen(expected)) != 0;
		printf("%s\n", r ? "and not the broken promise that was expected" : "as this mutation should");
	} else {
		r = wrong != NULL;
	}
	free(e.states);
	free(e.nodes);
	free(e.slots);
	free(e.edges);
	return r;
}
