/*
 * Random rules and responses, and a plain walk over the trees that the rules were written from.
 *
 * rule_world.c makes expressions as trees and prints them, rule_answers.c makes responses and what the walk is told of them,
 * rule_walk.c judges. The walk knows the language from DESIGN 5 alone and shares no code with the evaluator: its logic is a table, its texts
 * are classes of spellings that must compare as equal, its clock counts days.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UNIT_RULE_WORLD_H
#define UNIT_RULE_WORLD_H

#include "rule/rule.h"

#define VALUES_MAX 4
#define FACTS 4

enum truth { F, M, T }; /* the walk's own, on purpose not enum tri */

enum operand {
	NPS,
	CSAT,
	RATING_A,
	RATING_B,
	RATING_Q, /* 1 to 10 */
	RATING_G, /* 1 to 5, 1 is best */
	ATTR_N,
	PREV_NPS,
	PREV_RATING_Q,
	PREV_ATTR_N,
	RESPONSES_30D,
	DETRACTORS_90D,
	CASES_2W_ACCOUNT,
	DAYS,
	DAYS_PREV,
	HOUR,
	HOUR_PREV,
	WEEKDAY,
	TOUCHPOINT,
	REGION,
	ATTR_T,
	PREV_TOUCHPOINT,
	PREV_ATTR_T,
	CONTACT,
	ATTR_B,
	PREV_CONTACT,
	ATTR_W,
	PREV_TIME,
	OPERANDS
};
enum kind { NUMBER, TEXT, BOOL, TIME };

struct operand_def {
	const char *name;
	enum kind kind;
	bool previous; /* there only when there is an answer before */
};
extern const struct operand_def operands[OPERANDS];
extern const struct scale world_scales[];
extern const int world_scales_n;
extern const struct attribute_source world_attributes[];
extern const int world_attributes_n;

/* Spellings of one class compare as equal, those of different classes don't. */
#define CLASSES 4
#define SPELLINGS 4
extern const char *const spellings[CLASSES][SPELLINGS];
#define NEEDLES 6
#define PATTERNS 5
struct part { /* of a text, and the classes that have it in them */
	const char *text;
	bool in[CLASSES];
};
extern const struct part needles[NEEDLES], patterns[PATTERNS];

enum op { EQ, NE, LT, LE, GT, GE, IN, BETWEEN, IS, IS_NOT, MISSING, PRESENT, CONTAINS, MATCHES, BARE };

struct expr {
	enum { AND, OR, NOT, CONSTANT, TEST, PAIR, RATINGS, FACT } kind;
	struct expr *children[VALUES_MAX];
	int n; /* children; values */
	enum op op;
	int operand, other; /* other: PAIR's right; FACT's number */
	bool any, truth;
	double values[VALUES_MAX];
	int classes[VALUES_MAX]; /* of texts; of needles or patterns: their index */
	int from, to;            /* bytes of the text that it was printed as, with its parentheses */
};

struct world {
	struct arena *arena;
	unsigned seed;
	struct expr *facts[FACTS];
	int n_facts; /* that may be used already */
};

int pick(struct world *w, int n);
/* A number that this operand is or is compared with. */
double pick_value(struct world *w, int operand);
/* A condition of any shape, and its tree. */
const char *world_rule(struct world *w, struct expr **ret);
/* One test, or a few. */
const char *world_small_rule(struct world *w, struct expr **ret);
/* Several tests of one or two operands: often none of their values passes them all. OPERANDS: the ratings together. */
const char *world_tight_rule(struct world *w, int operand, int other, struct expr **ret);

/* The walk's view of a response. */
struct model {
	bool there[OPERANDS];
	double number[OPERANDS]; /* numbers; bools as 0 and 1 */
	int class[OPERANDS];
	int64_t responded_us, previous_us, w_us;
};

struct answer {
	struct response response, previous;
	struct past past;
	double counts[RULE_HISTORY_MAX];
	struct model model;
};
/* @rs: says in which order counts are wanted. */
void world_answer(struct world *w, const struct ruleset *rs, struct answer *ret);

enum truth walk(const struct world *w, const struct expr *e, const struct model *m);
/* The clock on a wall: 0..23, 1..7 (Monday first). */
enum wall_zone { ZONE_UTC, ZONE_SEOUL, ZONE_BERLIN };
int walk_hour(int64_t us, enum wall_zone zone);
int walk_weekday(int64_t us, enum wall_zone zone);

#endif
