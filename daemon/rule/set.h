/*
 * Inside of a compiled rule set. Immutable once ruleset_new() has returned it.
 *
 *   check.c   names and types into the trees         warn.c, polarity.c, never.c   what is right but unwise
 *   emit.c    trees into code                        regex.c           the patterns
 *   run.c     code over a response                   trace.c           the same, told as a tree
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_SET_H
#define RULE_SET_H

#include "rule/code.h"
#include "rule/fact.h"
#include "rule/limits.h"
#include "rule/rule.h"

struct regex;

/* One `when`. */
struct expression {
	struct source source;
	struct node *root;      /* NULL: it has errors */
	int depth;              /* with the named facts in it */
	int code_from, code_to; /* 0 0: not emitted */
	int fact;               /* index of the named fact it belongs to; -1: a rule */
};

struct named_fact {
	const char *name;
	struct expression expression;
	enum { FACT_NEW, FACT_CHECKING, FACT_DONE } state;
	bool may_miss;
	int user; /* while checking: the fact that led to it, or -1 */
};

struct compiled_rule {
	enum rule_kind kind;
	enum priority priority;
	struct expression expression;
};

struct ruleset {
	struct arena *arena;
	struct compiled_rule *rules;
	int n_rules;
	struct named_fact *facts;
	int n_facts;
	const struct attribute_source *attributes; /* copied */
	int n_attributes;
	const struct scale *scales; /* copied */
	int n_scales;

	struct input *inputs;
	int n_inputs, room_inputs;
	bool all_ratings;               /* any rating, all rating */
	struct history_need *histories; /* of inputs that are used */
	int n_histories;
	bool needs_previous;
	const struct zone *zones[RULE_ZONES_MAX]; /* as named in the rules */
	int n_zones;
	const char *timezone;
	const struct zone_files *zone_files; /* while it is made */

	struct instruction *code;
	int n_code, room_code;
	double *numbers;
	int n_numbers, room_numbers;
	struct slice *texts;
	int n_texts, room_texts;
	struct regex **regexes;
	int n_regexes, room_regexes;

	/* While it is made: */
	int checking_depth; /* levels above the node under check, over named facts */
};

/* A growing array of the set: makes room for one more. */
#define SET_GROW(p, n, room)                                                \
	do {                                                                \
		if ((n) == (room)) {                                        \
			(room) = (room) ? (room)*2 : 16;                    \
			(p) = xrealloc((p), (size_t)(room) * sizeof(*(p))); \
		}                                                           \
	} while (0)

/*
 * The test of a number, as the machine, the prover and nobody else understand it.
 * @test: one of the six operators, TEST_IN or TEST_BETWEEN
 */
static inline bool number_holds(enum test test, double x, const double *values, int n)
{
	switch (test) {
	case TEST_EQ: return x == values[0];
	case TEST_NE: return x != values[0];
	case TEST_LT: return x < values[0];
	case TEST_LE: return x <= values[0];
	case TEST_GT: return x > values[0];
	case TEST_GE: return x >= values[0];
	case TEST_BETWEEN: return x >= values[0] && x <= values[1];
	default: break;
	}
	for (int i = 0; i < n; i++)
		if (x == values[i])
			return true;
	return false;
}

/* Of one expression, while it is checked. */
struct checker {
	struct ruleset *rs;
	struct source *src;
	int fact;  /* under check; -1: a rule */
	int depth; /* of the deepest named fact in the test at hand */
};

/* resolve.c: what a name stands for. After a mistake, which is reported, it stands for nothing (REFERENCE_NONE). */
void resolve(struct checker *c, struct operand *o, bool value);
/* "nps", "attr.plan", "'gold'": as written. */
const char *operand_shown(const struct source *src, const struct operand *o);
int input_add(struct ruleset *rs, const struct input *in);
void operand_refer(struct operand *o, enum reference_kind kind, int index, enum value_type type);
extern const char *const rule_type_words[]; /* of enum value_type: "a number" */
void report_too_deep(struct source *src, struct span span);
/* call.c: the same for history.cases(90d), days_since(T), hour(T, 'zone'). */
void resolve_call(struct checker *c, struct operand *o);

/* check.c: resolves names and checks types of one expression; facts it uses are checked first. */
void check_expression(struct ruleset *rs, struct expression *e);
/* Checks a named fact once, for the fact `user` (-1: nobody). */
void check_fact(struct ruleset *rs, int index, int user);

/* warn.c, polarity.c, never.c: after a check without errors. */
void warn_missing(const struct ruleset *rs, struct expression *e);
void warn_polarity(struct ruleset *rs);
void warn_never(struct ruleset *rs);
bool operand_may_miss(const struct ruleset *rs, const struct operand *o);
bool node_may_miss(const struct ruleset *rs, const struct node *node);

/* emit.c: the facts it uses are emitted on the way. */
void emit_expression(struct ruleset *rs, struct expression *e);
/* By length, then by bytes: the order of OP_TEXT's constants. */
int slice_order(const void *a, const void *b);

#endif
