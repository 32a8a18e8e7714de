/*
 * One survey answer, as decoded from closeloop.responses or written for `try` and `test`.
 *
 * All texts are NUL-terminated UTF-8, live in the arena of the batch, and are NULL when missing
 * (SQL null). Blank text is kept as written; the rule language treats it as missing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_RESPONSE_H
#define MODEL_RESPONSE_H

#include "base/clock.h"

#define SCORE_MISSING (-1)
/* Caps on what one response may bring (a row past them is set aside, never truncated silently). */
#define RESPONSE_TEXT_BYTES_MAX (4 * 1024 * 1024)
#define RESPONSE_RATINGS_MAX 200
#define RESPONSE_ATTRIBUTES_MAX 500

struct rating {
	const char *name;
	double value;
};

enum attribute_type { ATTRIBUTE_TEXT, ATTRIBUTE_NUMBER, ATTRIBUTE_BOOL, ATTRIBUTE_TIME };

/* One scalar of `attributes`; objects and arrays are left out. */
struct attribute {
	const char *name;
	enum attribute_type type; /* TEXT, NUMBER or BOOL as it stands in the JSON */
	const char *text;         /* TEXT, and the JSON spelling of the others */
	double number;
	bool truth;
};

/*
 * A number that rules may ask of what a customer (or an account) said before: responses with responded_at in [t - window, t), t
 * being that of the response under judgement, and with the same t those of a lower id; of an account, and of a customer, at most the
 * latest HISTORY_MOST are looked at. A detractor is nps 0 to 6. Cases count by the response that opened them.
 */
struct history_need {
	enum { HISTORY_RESPONSES, HISTORY_DETRACTORS, HISTORY_CASES } what;
	enum { PER_CUSTOMER, PER_ACCOUNT } of;
	int64_t window_us;
};
#define HISTORY_MOST 1000
/* A customer id with more answers than these in the 24 hours up to one of them isn't a person: what it says is nobody's history. */
#define HISTORY_A_DAY_MOST 50

struct response;

/*
 * What the same customer said before, as far as the live rules ask for it (rule.h: ruleset_history, ruleset_needs_previous).
 */
struct past {
	const struct response *previous; /* the last answer before this one; NULL: none, or not asked for */
	const double *counts;            /* one for each entry of ruleset_history(); NAN: missing. NULL: all are */
	const char *why_missing;         /* "no customer id", "anonymous id", "more than 50 a day"; NULL: nothing is amiss */
};

struct response {
	int64_t id; /* 0: not stored (`try`) */
	const char *source, *source_id;
	const char *survey, *touchpoint, *channel;
	const char *customer_id, *customer_name, *customer_email, *customer_phone;
	const char *account, *account_name, *region, *language;
	int nps, csat, ces; /* SCORE_MISSING */
	const struct rating *ratings;
	int n_ratings;
	bool contact_requested;
	const char *comment;
	const struct attribute *attributes;
	int n_attributes;
	struct wall_time responded_at, received_at;
	const struct past *past; /* NULL: not gathered, everything of it is missing */
};

/* The value of a text column by its column name ("touchpoint"), or NULL; *ret_known says whether there is such a column. */
const char *response_text(const struct response *r, const char *column, bool *ret_known);
const struct attribute *response_attribute(const struct response *r, const char *name);
/* Names of the text columns, NULL-terminated, for messages about unknown ones. */
extern const char *const response_text_columns[];

/*
 * The one score a person is told first: nps of 10, else csat of 5, else ces of 7, else the worst rating, which is the one of the
 * fewest stars (scale.h). @scales: of settings, sorted. false: nothing was scored.
 */
struct score {
	const char *name; /* "nps", "csat", "ces" or a rating's name */
	bool is_rating;
	double value, max;
	double best; /* where low is good: the best answer; else unused */
	bool low_is_good;
};
struct scale;
bool response_score(const struct response *r, const struct scale *scales, int n_scales, struct score *ret);

#endif
