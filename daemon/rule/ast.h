/*
 * The tree of one expression, as the parser makes it and the checker completes it.
 *
 * Inner nodes join conditions; every leaf is one test of one operand. The tree is kept beside the code,
 * because a trace follows it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_AST_H
#define RULE_AST_H

#include "rule/source.h"

enum value_type { TYPE_NUMBER, TYPE_TEXT, TYPE_BOOL, TYPE_TIME, TYPE_DURATION };

enum operand_kind {
	OPERAND_NUMBER,
	OPERAND_TEXT,
	OPERAND_BOOL,
	OPERAND_DURATION,
	OPERAND_NAME, /* nps, attr.plan, rating['…'], previous.nps */
	OPERAND_CALL  /* history.detractors(90d) */
};

enum reference_kind { REFERENCE_NONE, REFERENCE_INPUT, REFERENCE_FACT };

struct operand {
	enum operand_kind kind;
	struct span span;
	double number;      /* NUMBER; DURATION in seconds */
	const char *text;   /* TEXT */
	bool truth;         /* BOOL */
	const char *name;   /* NAME, CALL: "nps", "attr" */
	const char *member; /* "plan"; NULL when there is none */
	bool quoted_member; /* in brackets */
	const char *sub;    /* previous.rating.SUB, previous.attr.SUB; NULL */
	bool quoted_sub;
	struct operand *arguments; /* CALL */
	int n_arguments;
	/* By the checker: */
	enum reference_kind reference; /* NAME: what it stands for; NONE when that failed */
	enum value_type type;
	int index; /* of the input or the named fact */
};

/* The first six are in the order of the lexer's operators. */
enum test {
	TEST_EQ,
	TEST_NE,
	TEST_LT,
	TEST_LE,
	TEST_GT,
	TEST_GE,
	TEST_IN,
	TEST_BETWEEN,
	TEST_CONTAINS,
	TEST_MATCHES,
	TEST_IS,
	TEST_IS_NOT,
	TEST_MISSING,
	TEST_PRESENT,
	TEST_TRUE /* the bare operand */
};

enum quantifier { QUANTIFIER_NONE, QUANTIFIER_ANY, QUANTIFIER_ALL };

enum node_kind { NODE_AND, NODE_OR, NODE_NOT, NODE_CONSTANT, NODE_TEST };

struct node {
	enum node_kind kind;
	struct span span;
	struct node *first, *next; /* children of AND, OR, NOT; sibling */
	int n_children;
	bool truth; /* CONSTANT */

	/* TEST: */
	enum quantifier quantifier; /* then `left` is unused: the ratings */
	enum test test;
	struct span test_span; /* of the operator */
	struct operand left;
	struct operand *right; /* values it is compared with */
	int n_right;

	int code_from, code_to; /* by the emitter */
};

#define for_each_child(it, parent) for (struct node *it = (parent)->first; it; it = it->next)

/* How it is written. */
static inline const char *quantifier_hint(enum quantifier q)
{
	return q == QUANTIFIER_ALL ? "write: all rating >= 4" : "write: any rating <= 2";
}

static inline bool operand_is_literal(const struct operand *o)
{
	return o->kind < OPERAND_NAME;
}

#endif
