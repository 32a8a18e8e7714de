/*
 * The rule language: text in, compiled rules out, and what they say of a response.
 *
 *   lex → parse → check → emit          at load, by ruleset_new()
 *   run → decide                        per response, no allocation
 *   trace                               for explain, try and test
 *
 * Pure: no clock, no I/O. A compiled set is immutable and may be used by several threads, each with
 * its own scratch. Logic is three-valued (Kleene); see DESIGN 5, "The `when` language".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_RULE_H
#define RULE_RULE_H

#include "base/diag.h"
#include "model/response.h"
#include "model/scale.h"
#include "model/words.h"

#define RULES_MAX 4000           /* rules in one set */
#define RULE_EXPR_BYTES_MAX 8192 /* length of one `when` */
#define RULE_DEPTH_MAX 64        /* nesting, named facts included */
#define RULE_HISTORY_MAX 32      /* different history.X(D) in one set */

/* What a `when` is written in. Texts are copied by ruleset_new(). */
struct rule_source {
	const char *id; /* "detractor" */
	const char *when;
	struct text_pos pos; /* of the `when` setting */
	enum rule_kind kind;
	enum priority priority;
};

struct fact_source { /* facts: { unhappy = "…"; } */
	const char *name;
	const char *expr;
	struct text_pos pos;
};

struct attribute_source { /* attributes: { plan = "text"; } */
	const char *name;
	enum attribute_type type;
};

/* The zone database, which rule doesn't read itself. */
struct zone_files {
	/* The bytes of a zone's file, in the arena. Return: 0, -ENOENT: no such zone, -ENOTDIR: no database, -EIO: it can't be read. */
	int (*read)(const char *zone, struct arena *arena, const char **ret, size_t *ret_bytes);
	const char *(*nearest)(const char *zone, struct arena *arena); /* of the names there are, or NULL */
};

struct rule_input {
	const struct rule_source *rules;
	int n_rules;
	const struct fact_source *facts;
	int n_facts;
	const struct attribute_source *attributes;
	int n_attributes;
	const struct scale *scales; /* ratings that aren't stars from 1 to 5: they count as such in `any rating` */
	int n_scales;
	const char *timezone;           /* of hour() and weekday() that name none; NULL: UTC */
	const struct zone_files *zones; /* NULL: there is only UTC */
};

struct ruleset;

#define RULE_E_INVALID 1 /* diags hold why; no set was made */

/*
 * ruleset_new() - compile
 * Diagnostics name rule and position ("field: unknown fact 'npss', did you mean 'nps'?") with excerpt and caret.
 * Return: 0, RULE_E_INVALID, or a negative errno.
 */
int ruleset_new(const struct rule_input *in, struct diag_list *diags, struct ruleset **ret);
struct ruleset *ruleset_free(struct ruleset *rs);
void ruleset_freep(struct ruleset **rs);
int ruleset_count(const struct ruleset *rs);

/*
 * What the set asks of the past (model/response.h); whoever hands it a response gathers this, and nothing else, into
 * response->past. One entry per different history.X(D[, account]) of rules that are in use.
 */
/* Returns how many; *ret belongs to the set. At most RULE_HISTORY_MAX. */
int ruleset_history(const struct ruleset *rs, const struct history_need **ret);
/* As it is written in a rule: "history.detractors(90d, account)". */
const char *history_text(const struct history_need *need, struct arena *arena);
/* Any previous.X: the customer's last response before this one, in the same order. */
bool ruleset_needs_previous(const struct ruleset *rs);
/* Whether any rule looks at a column of it ("comment", "ratings", "attributes"): the others need not be fetched. */
bool ruleset_needs_previous_column(const struct ruleset *rs, const char *column);

/* Values of Kleene's logic, in the order false < missing < true, so AND is MIN and OR is MAX. */
enum tri { TRI_FALSE = -1, TRI_MISSING = 0, TRI_TRUE = 1 };

/*
 * Per-thread working memory: match data, folded texts of the response under judgement. Reused for every
 * response; grows to what the largest one needed.
 */
struct rule_scratch;
struct rule_scratch *rule_scratch_new(const struct ruleset *rs);
struct rule_scratch *rule_scratch_free(struct rule_scratch *s);
void rule_scratch_freep(struct rule_scratch **s);

/*
 * What the rules say of one response. `results` has ruleset_count() entries in the order of the file and is owned
 * by the scratch: valid until its next use.
 */
struct verdict {
	const enum tri *results;
	bool ignored; /* an `ignore` rule is true; nothing else counts */
	int winner;   /* index of the matching case rule of the highest priority (ties: the first); -1: no case */
	int n_case;   /* case rules that matched */
	int n_praise, n_note;
	int first_praise; /* -1: none */
	int undecided;    /* rules that came out missing */
	bool over_limit;  /* a regex hit its match limit and counted as missing */
};

/* Never fails; takes no lock; allocates only when a response is larger than any before it. */
void ruleset_judge(const struct ruleset *rs, struct rule_scratch *scratch, const struct response *response,
		   struct verdict *ret);

/* true when a verdict has anything to record: a case, praise or note. */
static inline bool verdict_matched(const struct verdict *v)
{
	return !v->ignored && (v->n_case || v->n_praise || v->n_note);
}

/* A condition as a tree, each leaf with the value it saw. */
struct trace_node {
	enum tri result;
	const char *text;  /* source text of this part: "nps <= 6", or "and", "or", "not", or a named fact "unhappy" */
	const char *value; /* leaves: what was seen: "2", "'silver'", "missing"; NULL for inner nodes */
	const char *note;  /* "no address", "match limit reached"; NULL */
	struct trace_node *children;
	int n_children;
};
struct trace_node *ruleset_trace(const struct ruleset *rs, struct rule_scratch *scratch, int rule,
				 const struct response *response, struct arena *arena);

/* Rules in use look at this column of a response; "ratings" and "attributes" for any of these. Not of the previous one. */
bool ruleset_reads(const struct ruleset *rs, const char *column);

/*
 * ruleset_blame() - which facts were missing where that left a rule undecided
 * After ruleset_judge(), with the same scratch and response. A match limit that was reached is nobody's fault.
 * Return: how many of ret[0..max) are filled, each with the number of a fact, 0 .. ruleset_fact_count() - 1.
 */
int ruleset_blame(const struct ruleset *rs, struct rule_scratch *scratch, int rule, int *ret, int max);
/* The one fact that can leave a rule undecided; -1: there are several, or a match limit may be reached. */
int ruleset_culprit(const struct ruleset *rs, int rule);
int ruleset_fact_count(const struct ruleset *rs);
/* As it is written in rules: "touchpoint", "attr.plan", "ratings". */
const char *ruleset_fact_name(const struct ruleset *rs, int fact);

/*
 * The facts the set looks at, as one JSON object (column names, "rating", "attr"), for case_responses.facts. Only
 * those the rules use; missing ones are left out.
 */
void ruleset_facts_json(const struct ruleset *rs, const struct response *response, struct buf *out);

/*
 * A text that a rule or named fact compares with a column or attribute for equality (= != in is), also with that of the response
 * before. In the order of the file, facts first; one that stands twice is there twice.
 */
struct rule_literal {
	const char *name;    /* of the rule or fact */
	struct text_pos pos; /* of its condition */
	const char *value;   /* "touchpoint"; of an attribute its name alone */
	bool is_attribute;
	const char *text;   /* as written */
	const char *folded; /* as it compares */
};
/* Returns how many; *ret is in the arena. */
int ruleset_literals(const struct ruleset *rs, struct arena *arena, const struct rule_literal **ret);
/*
 * Likewise the names of ratings and attributes that rules ask for: `value` is the column that has them, "ratings" or "attributes",
 * `text` the fact as rules write it, `folded` the name as it is looked up.
 */
int ruleset_names(const struct ruleset *rs, struct arena *arena, const struct rule_literal **ret);

/* NFC, case fold, trim (also inner runs of white space stay): the form in which texts compare. */
void rule_fold(const char *text, struct buf *out);
/* The same with small letters in place of the case fold: the form in which PostgreSQL compares values of owners (closeloop.fold()). */
void rule_lower(const char *text, struct buf *out);

#endif
