/*
 * A new configuration becomes live: asked for by a signal or over the database, swapped between batches.
 *
 *   SIGHUP ─────────────────────────────▶ flow_reload ──good──▶ next_live ──no batch under way──▶ swap
 *   row of reloads ─NOTIFY or beat─▶ look ─┘    └──bad──▶ the old stays; our row says why
 *
 * Our row of daemons is the answer to whoever asked, so the number of the request is written with what came of it, never before.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"
#include "flow/daemons_store.h"
#include "flow/directory_load.h"
#include "flow/inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- our row ---- */

static int flow_limit(const struct flow *f)
{
	return f->work_ready ? f->intake.limit : f->batch_limit;
}

bool flow_has_news(const struct flow *f)
{
	return !f->listening || !f->told.listening || f->told.limit != flow_limit(f) || f->told.reload != f->reload.settled ||
	       strcmp(f->told.ruleset, f->live->settings->sha256) != 0;
}

void flow_add_seen(struct flow *f, struct pg_batch *b, struct arena *a)
{
	struct pg_params *p = arena_new_obj(a, struct pg_params);
	char host[64] = "";

	gethostname(host, sizeof(host) - 1);
	pg_params_init(p, a);
	pg_add_text(p, f->daemon_id);
	pg_add_text(p, host);
	pg_add_int4(p, (int32_t)getpid());
	pg_add_text(p, CLOSELOOP_VERSION);
	pg_add_text(p, f->live->settings->sha256);
	pg_add_bool(p, f->listening);
	pg_add_int4(p, flow_limit(f));
	if (f->reload.settled > 0)
		pg_add_int8(p, f->reload.settled);
	else
		pg_add_null(p, PG_INT8);
	pg_add_text(p, f->config_error);
	pg_batch_add(b, &daemons_seen, p, NULL, NULL);
	f->told.listening = f->listening;
	f->told.limit = flow_limit(f);
	f->told.reload = f->reload.settled;
	snprintf(f->told.ruleset, sizeof(f->told.ruleset), "%s", f->live->settings->sha256);
}

void flow_add_ruleset(struct flow *f, struct pg_batch *b, struct arena *a)
{
	struct pg_params *p = arena_new_obj(a, struct pg_params);

	pg_params_init(p, a);
	pg_add_text(p, f->live->settings->sha256);
	pg_add_text(p, f->live->settings->text);
	pg_batch_add(b, &rulesets_live, p, NULL, NULL);
}

/* ---- asked over the database ---- */

static void on_look(void *arg, const struct pg_rows *rows)
{
	struct flow *f = arg;
	bool first = f->reload.seen < 0;

	f->reload.seen = pg_count(rows) ? pg_get_int8(rows, 0, 0) : 0;
	snprintf(f->reload.by, sizeof(f->reload.by), "%s", pg_count(rows) ? pg_get_text(rows, 0, 1, NULL) : "");
	/* Of before we started: the file that we read was the file that is meant, unless it was a moment ago. */
	if (first && !(pg_count(rows) && pg_get_bool(rows, 0, 2)))
		f->reload.taken = f->reload.settled = f->reload.seen;
}

void flow_add_reload_look(struct flow *f, struct pg_batch *b)
{
	pg_batch_add(b, &reload_look, NULL, on_look, f);
}

void flow_reload_asked(struct flow *f)
{
	if (f->reload.seen <= f->reload.taken || f->stopping)
		return;
	log_info("reload: asked by %s", f->reload.by);
	flow_reload(f);
}

/* ---- the swap ---- */

static bool live_needs_new_connections(const struct settings *a, const struct settings *b)
{
	return !str_eq(a->conninfo, b->conninfo) || !str_eq(a->listen_conninfo, b->listen_conninfo) ||
	       !str_eq(a->instance, b->instance) || a->http.set != b->http.set || !str_eq(a->http.host, b->http.host) ||
	       a->http.port != b->http.port || !a->http.public_url != !b->http.public_url;
}

static void on_new_directory(void *arg, const struct pg_error *error)
{
	struct flow *f = arg;

	if (error && !error->lost)
		pg_conn_reset(f->work, "the directory could not be read");
	if (!error) {
		f->work_ready = true;
		intake_run_look(&f->intake);
		if (pg_conn_is_up(f->outbox) && !f->courier.up) /* it came up meanwhile */
			courier_up(&f->courier);
		flow_beat(f); /* what was asked while it couldn't be looked for */
	}
}

static void on_swapped(void *arg, const struct pg_error *error)
{
	struct flow *f = arg;

	if (error)
		f->told.ruleset[0] = '\0'; /* the next beat says it */
}

static void flow_swap(struct flow *f)
{
	struct live *old = f->live;
	struct pg_batch *b;

	f->live = TAKE(f->next_live);
	live_gather(f->live, &f->past_stmts);
	f->reload.settled = f->reload.taken;
	if (live_needs_new_connections(old->settings, f->live->settings))
		log_warning(
			"reload: conninfo, instance, http.listen and whether there are pages are read at start only: restart to use the new ones");
	courier_reload(&f->courier);
	log_info("reload: ruleset=%.7s rules=%d", f->live->settings->sha256, f->live->settings->n_rules);
	live_free(old);
	if (!f->work_ready)
		return;
	f->work_ready = false; /* until the directory of the new configuration is there */
	arena_reset(f->arena);
	b = pg_batch_new(f->work);
	flow_add_ruleset(f, b, f->arena);
	flow_add_seen(f, b, f->arena);
	pg_batch_send(b, 0, on_swapped, f);
	directory_load(f->work, f->live, on_new_directory, f);
}

void flow_between_batches(struct flow *f)
{
	if (f->next_live && intake_run_is_idle(&f->intake) && !f->stopping)
		flow_swap(f);
	flow_hear(f);
	flow_progress(f);
}

static void flow_refuse(struct flow *f, struct diag_list *diags)
{
	const char *why = diag_first_error(diags);

	if (diags->errors > 1)
		why = arena_printf(diags->arena, "%s (and %d more)", why, diags->errors - 1);
	free(f->config_error);
	f->config_error = xstrdup(why);
	f->reload.settled = f->reload.taken;
	f->told.ruleset[0] = '\0';
	log_error("reload: the configuration has errors, the old one stays: ruleset=%.7s", f->live->settings->sha256);
	flow_beat(f);
}

static void flow_take(struct flow *f, struct live *live)
{
	free(f->config_error);
	f->config_error = NULL;
	live_free(f->next_live);
	f->next_live = live;
	if (intake_run_is_idle(&f->intake) && (f->work_ready || !pg_conn_is_up(f->work)))
		flow_between_batches(f);
}

/*
 * A file that was emptied, or is just being written, reads as a configuration without rules, by which every unhappy customer
 * would be passed over in silence. Whoever means that says it.
 */
static bool lacks_rules(const struct flow *f, const struct live *live, struct diag_list *diags)
{
	int n = f->live->settings->n_rules;

	if (live->settings->rules_said || n == 0)
		return false;
	diag_add(
		diags, DIAG_ERROR, (struct text_pos){f->options.path, 0},
		"rules: the section is missing, and %d rule%s live; is the file whole? Write rules: { } if no response is to open a case",
		n, n == 1 ? " is" : "s are");
	return true;
}

void flow_reload(struct flow *f)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct mono_time began = mono_now();
	struct live *live;

	if (f->stopping)
		return;
	systemd_reloading();
	live = live_load(f->options.path, diags);
	if (live && lacks_rules(f, live, diags))
		live = live_free(live);
	diag_log(diags, "reload");
	log_info("reload: read ms=%lld errors=%d warnings=%d", (long long)((mono_now().us - began.us) / US_PER_MS),
		 diags->errors, diags->warnings);
	f->stats.reload_ok = live != NULL;
	f->reload.taken = MAX(f->reload.taken, f->reload.seen);
	if (live)
		flow_take(f, live);
	else
		flow_refuse(f, diags);
	systemd_ready(live ? "running" : "running on the OLD configuration: the new one has errors");
}
