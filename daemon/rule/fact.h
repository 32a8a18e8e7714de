/*
 * What a rule may ask about: columns of the response, groups (rating.X, attr.X, …) and functions.
 *
 * One table each. A new column, group or function is a line here, a loader below, and its words in check.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_FACT_H
#define RULE_FACT_H

#include "model/response.h"
#include "rule/ast.h"
#include "rule/fold.h"
#include "rule/zone.h"

/* Where a value comes from. */
enum input_source {
	INPUT_SCORE, /* int column, SCORE_MISSING */
	INPUT_TEXT,
	INPUT_BOOL,
	INPUT_TIME,
	INPUT_RATING,    /* by name */
	INPUT_ATTRIBUTE, /* by name, read as its declared type */
	INPUT_HISTORY,   /* of response->past */
	INPUT_DAYS,      /* from a time to responded_at */
	INPUT_HOUR,      /* of a time in a zone */
	INPUT_WEEKDAY
};

struct column_def {
	const char *name;
	enum input_source source;
	enum value_type type;
	size_t at;                /* in struct response */
	double min, max;          /* SCORE */
	bool always;              /* never missing */
	const char *missing_note; /* for people, where it says more than "missing" */
};
extern const struct column_def rule_columns[];
extern const int rule_columns_n;
const struct column_def *column_find(const char *name);

enum group { GROUP_RATING, GROUP_ATTRIBUTE, GROUP_PREVIOUS, GROUP_HISTORY };

struct group_def {
	const char *name;
	enum group group;
	const char *use; /* how it is written */
};
extern const struct group_def rule_groups[];
extern const int rule_groups_n;
const struct group_def *group_find(const char *name);

struct function_def {
	const char *name; /* "history.cases" */
	enum input_source source;
	int what;        /* HISTORY: of struct history_need */
	const char *use; /* how it is written */
};
extern const struct function_def rule_functions[];
extern const int rule_functions_n;
const struct function_def *function_find(const char *name);

/* Words that name a fact elsewhere: "email" for customer_email; NULL when there is none. */
const char *fact_synonym(const char *word);

/* One fact that a rule set looks at. */
struct input {
	enum input_source source;
	enum value_type type;
	bool previous;                   /* of the customer's last answer before this one */
	const struct column_def *column; /* SCORE, TEXT, BOOL, TIME */
	const char *name;                /* of the column, rating or attribute; of a function with what it is asked */
	const char *folded;              /* RATING: the name in comparable form when it isn't ASCII, or NULL */
	const char *shown;               /* "attr.plan", "rating['설치 속도']", "previous.nps", "history.cases(90d)" */
	const struct input *of;          /* DAYS, HOUR, WEEKDAY: the time */
	const struct zone *zone;         /* HOUR, WEEKDAY */
	struct history_need need;        /* HISTORY */
	int count;                       /* HISTORY: its place in ruleset_history(), once that is known */
	bool always;
	bool used; /* by a rule, not only by a named fact that no rule uses */
};

/* A value as it stands in the response; false: missing. Blank text counts as there: that is the reader's affair. */
bool input_number(const struct input *in, const struct response *r, struct folder *names, double *ret);
bool input_truth(const struct input *in, const struct response *r, bool *ret);
bool input_text(const struct input *in, const struct response *r, const char **ret);
bool input_time(const struct input *in, const struct response *r, struct wall_time *ret);

/* Why a missing one is, for people ("no customer id", "no earlier response"); NULL where "missing" says it all. */
const char *input_missing_note(const struct input *in, const struct response *r);

#endif
