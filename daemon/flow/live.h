/*
 * What is live: one configuration and everything compiled from it. Swapped whole between batches.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_LIVE_H
#define FLOW_LIVE_H

#include "case/directory.h"
#include "channel/render.h"
#include "intake/past_store.h"
#include "settings/settings.h"

/* How long after its opening a case falls due, in microseconds; -1: never. */
struct opening_offsets {
	bool known;
	int64_t acknowledge, resolve, next_action;
};

struct live {
	struct settings *settings;
	struct mail_templates *templates; /* NULL: there is no mail server, so no mail is ever put into words */
	struct rule_scratch *scratch;
	struct directory *directory; /* NULL until it was read from the database */
	int32_t *follow_up_versions; /* as the database knows them, by place in settings->follow_ups; NULL until then */
	/* By place in settings->follow_ups: what PostgreSQL said once, of those that no calendar moves. NULL until then. */
	struct opening_offsets *opening_offsets;
	const struct past_stmts *past; /* how responses are claimed; NULL until live_gather() */
	bool clocks_changed;           /* due times must be computed anew; cleared by who sees to it */
};

/* Takes the settings also when it fails. Return: 0, RENDER_E_INVALID with diags, or a negative errno. */
int live_new(struct settings *s, struct diag_list *diags, struct live **ret);
struct live *live_free(struct live *l);
/* Its statements for what the rules ask of the past, from those that are known; *all must live as long as the connections. */
void live_gather(struct live *l, struct past_stmts **all);
/* To read what they gather into the arena. */
struct past_reader live_past_reader(const struct live *l, struct arena *arena);
/* It may be another database than before (restored, failed over): what was read from it as numbers is read anew. */
void live_forget(struct live *l);
/* Reads a configuration file and compiles it. NULL: it has errors, as diags say. */
struct live *live_load(const char *path, struct diag_list *diags);
/* The same at a start: diagnostics go to the journal or, as people read them, to stderr. */
struct live *live_load_and_tell(const char *path);

#endif
