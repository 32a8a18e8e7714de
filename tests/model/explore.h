/*
 * Walks every state a model can get into, breadth first, so the way to a mistake is a shortest one.
 *
 * A model is a struct of bytes and a function that names what may happen next; whatever may happen in any order is tried in
 * every order. Two things are checked: nothing wrong is ever reached, and from every state that is reached the end can still
 * be reached (nobody is forgotten, nothing is stuck).
 *
 *   MODEL                     0 when all is well; prints how many states were explored
 *   MODEL --expect I2         0 when the model breaks just this promise: how a mutation proves that it would be noticed
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_EXPLORE_H
#define MODEL_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct explore;

struct explore_model {
	const char *name;
	size_t state_bytes; /* plain bytes, no padding: states are compared with memcmp() */
	/* Calls explore_to() for each state to begin with. */
	void (*start)(struct explore *e);
	/* Calls explore_to() for everything that may happen next. */
	void (*next)(struct explore *e, const void *state);
	/* NULL, or the broken promise, "I2: …". */
	const char *(*wrong)(const void *state);
	/* Nothing is left to be done. */
	bool (*done)(const void *state);
	/* One line about a state, for a trace. */
	void (*print)(const void *state, char *text, size_t bytes);
};

/* The text of a step is kept as it is given; %d in it is replaced by who when the step is printed. */
void explore_to(struct explore *e, const void *state, const char *step, int who);

/* Takes --expect WORD. Returns the exit status. */
int explore_main(const struct explore_model *m, int argc, char **argv);

#endif
