/*
 * `check --online`: answers beside the scales of their questions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_SCALES_H
#define CLI_SCALES_H

#include "cli/cli.h"

#define SCALES_DAYS 90
#define SCALES_SHOWN_MAX 20

/* A rating whose answers its scale, or stars where it has none, doesn't hold. */
struct scale_notice {
	const char *name; /* "rating q1" */
	const char *text; /* "34 of 4,812 answers are outside its scale from 1 to 10: they go from 0 to 99" */
};
/* Asks c->db, if the rules look at ratings at all. Return: 0 or an exit code, told. */
int scales_check(struct cli *c, const struct scale_notice **ret, int *ret_n);

#endif
