/*
 * What the database knows of one answer and of its case. Look-ups by index only: it is as fast with a million answers.
 *
 * Never reads messages.payload. Times come as text in the session's time zone, because PostgreSQL has the zones.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_EXPLAIN_READ_H
#define CLI_EXPLAIN_READ_H

#include "cli/cli.h"
#include "cli/explain.h"
#include "cli/explain_facts.h"
#include "intake/intake_store.h"

/* A rule set, loaded. settings NULL: it can't be, and `why` says so. */
struct explain_set {
	const char *sha256;
	struct settings *settings;
	struct rule_scratch *scratch;
	const char *why;
	bool borrowed; /* settings are the configuration's */
};
#define EXPLAIN_SETS_MAX 64
struct past_stmts;
struct explain_sets {
	struct cli *c;
	struct past_stmts *past; /* known to the connection */
	struct explain_set sets[EXPLAIN_SETS_MAX];
	int n;
};
/* By its sha256; the configuration's own when sha256 is NULL. 0 or an exit code. */
int explain_set(struct explain_sets *sets, const char *sha256, struct explain_set **ret);
void explain_sets_fini(struct explain_sets *sets);

/* A row of the inbox: it isn't judged (again) yet. */
struct explain_inbox {
	int64_t id;            /* 0: none */
	bool set_aside, early; /* early: its time hasn't come */
	int tries;
	const char *available, *since, *error;
};

/* The event that tells of the judgement: "opened", "joined", … */
struct explain_event {
	bool there;
	const char *kind, *at, *actor, *note;
	const char *owner, *through, *value, *instead_of, *to;
	bool by_hand, all_away, tried_known;
	int64_t linked_to;
	const char *budget;                 /* as recorded; NULL: not */
	const char *not_joined, *met_owner; /* why a case that it met was not joined, and whose that is; NULL: it met none */
	int64_t met_case;
};

struct explain_case {
	int64_t id;   /* 0: none */
	bool opener;  /* the answer opened it */
	bool amended; /* the answer was changed, and judged again */
	const char *status, *priority, *owner, *team, *route, *follow_up;
	const char *acknowledge_due, *resolve_due, *waiting_until, *calendar, *owner_calendar, *ended;
	int handovers, reopened;
};

struct explained {
	int64_t id;
	struct claimed *row; /* as it is now */
	const char *received, *score;
	bool judged; /* there is a record: case_responses */
	const char *relation, *rules, *facts, *ruleset, *at, *row_version;
	struct wall_time judged_at;
	/* By the record, else by the daemons' periods; NULL: none ever was. */
	const char *ruleset_then, *ruleset_now;
	bool live_now; /* a daemon judges by ruleset_then */
	bool changed;  /* the row was written since */
	struct explain_inbox inbox;
	struct explain_case of;
	struct explain_event event;

	/* By explain_judge(): */
	struct explain_set *set;
	struct response seen;
	struct trace trace;   /* settings NULL: there is none */
	const char *no_trace; /* why */
	struct fact_change *changes;
	int n_changes;
};

/* A statement ($1 case, $2 response, $3 whether it opened the case). 0 or an exit code. */
int explain_ask(struct cli *c, const struct explained *e, const struct pg_stmt *stmt, struct pg_rows **ret);

/* 0, an exit code, or EXPLAIN_E_UNKNOWN: there is no such answer. */
#define EXPLAIN_E_UNKNOWN (-1)
int explain_read(struct cli *c, int64_t id, struct explained *ret);

/* The steps of the owner chain as they were recorded; none for events of an older version. */
int explain_read_tried(struct cli *c, const struct explained *e, struct explain_step **ret, int *ret_n);
/* "imported 2027-02-20", or what the owners table says now instead; NULL: nothing to say. */
int explain_read_owner(struct cli *c, const struct explained *e, const char *dimension, const char *value, const char *person,
		       const char **ret_note);

/* What was sent about it, in order; at most most + 1. */
int explain_read_sent(struct cli *c, const struct explained *e, int most, struct explain_sent **ret, int *ret_n);
/* Who was held for what: "minsu-kim" for the reason given, joined by commas; NULL: nobody. */
int explain_read_waits(struct cli *c, const struct explained *e, const char *reason, const char **ret);

/* What happened to the case afterwards, as far as it explains why things are otherwise now. */
struct explain_later {
	const char *at, *text;
};
int explain_read_later(struct cli *c, const struct explained *e, struct explain_later **ret, int *ret_n);

/* explain_judge.c: loads the rule set of then and judges what was seen then; or says in no_trace why it can't. 0 or an exit code. */
int explain_judge(struct explain_sets *sets, struct explained *e);
/* explain_owner.c: how the owner was found: as it was recorded, else as far as it can be told today. */
int explain_owner(struct cli *c, const struct explained *e, struct explain_step **ret, int *ret_n);

/* explain_held.c: what could have held it, and what did. */
int explain_held(struct cli *c, const struct explained *e, struct explain_held *ret);

/* Every part as JSON text. */
struct explain_json {
	const char *record, *inbox, *of, *events, *messages;
};
int explain_read_json(struct cli *c, const struct explained *e, struct explain_json *ret);

#endif
