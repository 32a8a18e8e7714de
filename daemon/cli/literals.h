/*
 * `check --online`: the texts that rules compare with, and the names of ratings and attributes that they ask for, beside those that
 * occurred.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_LITERALS_H
#define CLI_LITERALS_H

#include "cli/cli.h"
#include "rule/rule.h"

#define LITERALS_DAYS 90

/* One text or name that never occurred. */
struct literal_notice {
	const struct rule_literal *literal;
	const char *names;   /* of all rules and facts that have it: "field, key-account" */
	const char *column;  /* "touchpoint", "attr.plan"; of a name "ratings" or "attributes" */
	const char *nearest; /* the value most like it; NULL: none is */
	int64_t nearest_n;   /* responses that have it */
	const char *text;    /* "'instalation' never occurs in touchpoint; nearest 'installation' (1,204 responses)" */
};

struct literals_found {
	int n_literals;    /* different texts */
	int n_unseen;      /* of these */
	bool no_responses; /* there is nothing to compare them with */
	struct literal_notice *notices;
	int n_notices;
};

/* Asks c->db. Return: 0 or an exit code, told. */
int literals_check(struct cli *c, struct literals_found *ret);

#endif
