/*
 * A configuration and what is compiled from it; see live.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/live.h"

#include "base/log.h"
#include "pg/pg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void live_forget(struct live *l)
{
	free(l->follow_up_versions);
	l->follow_up_versions = NULL;
	free(l->opening_offsets);
	l->opening_offsets = NULL;
}

void live_gather(struct live *l, struct past_stmts **all)
{
	const struct ruleset *rules = l->settings->ruleset;
	struct past_wants wants = {.previous = ruleset_needs_previous(rules)};

	wants.n_needs = ruleset_history(rules, &wants.needs);
	for (int i = 0; i < past_columns_n; i++)
		if (ruleset_needs_previous_column(rules, past_columns[i]))
			wants.columns |= UINT32_C(1) << i;
	l->past = past_stmts_get(all, &wants);
}

static bool is_anonymous(const void *settings, const char *customer_id)
{
	return settings_is_anonymous(settings, customer_id);
}

struct past_reader live_past_reader(const struct live *l, struct arena *arena)
{
	return (struct past_reader){l->past, is_anonymous, l->settings, arena};
}

struct live *live_free(struct live *l)
{
	if (l) {
		directory_free(l->directory);
		live_forget(l);
		rule_scratch_free(l->scratch);
		mail_templates_free(l->templates);
		settings_free(l->settings);
		free(l);
	}
	return NULL;
}

int live_new(struct settings *s, struct diag_list *diags, struct live **ret)
{
	struct live *l = xcalloc(1, sizeof(*l));
	int r = 0;

	l->settings = s;
	if (s->email.set)
		r = mail_templates_new(s, diags, &l->templates);
	if (r == 0)
		r = webhook_templates_check(s, diags);
	if (r) {
		live_free(l);
		return r;
	}
	l->scratch = rule_scratch_new(s->ruleset);
	*ret = l;
	return 0;
}

struct live *live_load(const char *path, struct diag_list *diags)
{
	struct settings *settings CLEANUP(settings_freep) = NULL;
	struct live *live = NULL;
	const char *why;
	int r = settings_load(path, diags, &settings);

	if (r == 0 && (why = pg_conninfo_check(settings->conninfo, diags->arena)))
		diag_add(diags, DIAG_ERROR, (struct text_pos){path, 0}, "database.conninfo: %s", why);
	if (r == 0 && diags->errors == 0)
		r = live_new(TAKE(settings), diags, &live);
	if (r < 0)
		diag_add(diags, DIAG_ERROR, (struct text_pos){path, 0}, "%s", strerror(-r));
	return live;
}

struct live *live_load_and_tell(const char *path)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct buf text CLEANUP(buf_fini) = BUF_INIT(1024 * 1024);
	struct live *live = live_load(path, diags);

	if (log_is_journal()) {
		diag_log(diags, "configuration");
	} else {
		diag_print(diags, &text);
		fputs(buf_str(&text), stderr);
	}
	return live;
}
