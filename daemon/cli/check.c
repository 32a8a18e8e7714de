/*
 * `check [--online]`: the whole configuration, every template rendered; with --online also who and what it names.
 *
 * Nothing is changed anywhere. Mistakes go to stderr, the verdict of a good file to stdout; with --json everything is
 * one object on stdout.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "channel/render.h"
#include "cli/cli.h"
#include "cli/literals.h"
#include "cli/reach.h"
#include "cli/scales.h"
#include "cli/schema.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#define REACH_US (5 * US_PER_S)

const struct option check_options[] = {
	{"--online", NULL, "also try database, mail server and webhooks; people, texts and answers nobody expects"},
	{0},
};

struct check {
	struct cli *c;
	struct diag_list *diags;
	struct buf online; /* text lines, or JSON objects with commas */
	int n_online;
	int code; /* worst exit code of the online part */
};

/* ---- online ---- */

static void tell(struct check *k, const char *name, const char *wrong, const char *text, int code)
{
	struct buf *out = &k->online;

	if (k->c->json) {
		buf_puts(out, k->n_online ? ",{\"name\":" : "{\"name\":");
		json_put_string(out, name);
		buf_printf(out, ",\"ok\":%s,\"text\":", wrong ? "false" : "true");
		json_put_string(out, wrong ? wrong : text);
		buf_putc(out, '}');
	} else if (wrong) {
		cli_error("%s: %s", name, wrong);
	} else {
		text_put_cell(out, name, 12, false);
		buf_puts(out, " ok: ");
		escape_terminal(out, text, strlen(text));
		buf_putc(out, '\n');
	}
	k->n_online++;
	if (wrong)
		k->code = MAX(k->code, code);
}

static void check_url(struct check *k, const char *name, const char *url)
{
	struct arena *a = k->c->arena;
	struct reach_target target;
	const char *why = NULL;

	if (reach_parse(url, &target) < 0)
		return;
	reach(&target, REACH_US, a, &why);
	tell(k, name, why, arena_printf(a, "%s port %s answers", target.host, target.port), EXIT_UNAVAILABLE);
}

static const struct pg_stmt sql_unknown = {
	"cli_check_unknown",
	"SELECT person, what, n FROM ("
	" SELECT person, 'owners' AS what, count(*) AS n FROM closeloop.owners GROUP BY 1"
	" UNION ALL SELECT owner, 'cases', count(*) FROM closeloop.cases"
	"  WHERE status IN ('open', 'acknowledged', 'in_progress', 'waiting') GROUP BY 1"
	" UNION ALL SELECT person, 'absences', count(*) FROM closeloop.absences WHERE ends_at IS NULL OR ends_at > now() GROUP "
	"BY 1"
	" UNION ALL SELECT deputy, 'absences', count(*) FROM closeloop.absences WHERE ends_at IS NULL OR ends_at > now() GROUP "
	"BY 1"
	" UNION ALL SELECT reports_to, 'people (reports_to)', count(*) FROM closeloop.people GROUP BY 1"
	" UNION ALL SELECT deputy, 'people (deputy)', count(*) FROM closeloop.people GROUP BY 1) x"
	" WHERE person IS NOT NULL AND person <> ALL ($1) ORDER BY person, what",
	1,
	{PG_TEXT_ARRAY},
};
static const struct pg_stmt sql_clash = {
	"cli_check_clash",
	"SELECT id FROM closeloop.people WHERE id = ANY ($1) ORDER BY id",
	1,
	{PG_TEXT_ARRAY},
};
static const struct pg_stmt sql_live = {
	"cli_check_live",
	"SELECT DISTINCT ruleset FROM closeloop.daemons d WHERE ruleset IS NOT NULL AND closeloop.daemon_is_alive(d)",
	0,
	{0},
};

/* Somebody who was removed and still owns cases is not told of them; others are a typing mistake more often. */
static const char *unknown_text(struct arena *a, const char *id, const char *what, int64_t n, const char *hint)
{
	const char *s = n == 1 ? "" : "s";

	if (str_eq(what, "cases"))
		return arena_printf(
			a, "'%s', whom nobody knows%s, owns %lld open case%s: closeloop case assign --from %s --to PERSON", id,
			hint, (long long)n, s, id);
	if (str_eq(what, "owners"))
		return arena_printf(
			a, "'%s', whom nobody knows%s, stands in %lld row%s of owners: closeloop owner list --person %s", id,
			hint, (long long)n, s, id);
	return arena_printf(a, "'%s', whom nobody knows%s, is named by %lld of %s", id, hint, (long long)n, what);
}

/* Whom the database names and nobody knows; who stands in both places. */
static int check_people(struct check *k)
{
	struct pg_rows *unknown CLEANUP(pg_rows_freep) = NULL, *clash CLEANUP(pg_rows_freep) = NULL;
	struct cli *c = k->c;
	const struct cli_person *people;
	struct pg_array all, configured;
	struct pg_params p, q;
	int n, r = cli_people(c, &people, &n);

	if (r)
		return r;
	pg_array_init(&all, c->arena, PG_TEXT);
	pg_array_init(&configured, c->arena, PG_TEXT);
	for (int i = 0; i < n; i++) {
		pg_array_text(&all, people[i].id);
		if (people[i].in_config)
			pg_array_text(&configured, people[i].id);
	}
	pg_params_init(&p, c->arena);
	pg_add_array(&p, &all);
	pg_params_init(&q, c->arena);
	pg_add_array(&q, &configured);
	r = cli_run(c, &sql_unknown, &p, &unknown);
	if (r == 0)
		r = cli_run(c, &sql_clash, &q, &clash);
	if (r)
		return r;
	for (int i = 0; i < pg_count(unknown); i++) {
		const char *id = pg_get_text(unknown, i, 0, NULL);

		tell(k, "people",
		     unknown_text(c->arena, id, pg_get_text(unknown, i, 1, NULL), pg_get_int8(unknown, i, 2),
				  did_you_mean(c->arena, id, people, (size_t)n, sizeof(*people))),
		     NULL, EXIT_NO);
	}
	for (int i = 0; i < pg_count(clash); i++)
		tell(k, "people",
		     arena_printf(c->arena, "'%s' is in the configuration and in the database: the configuration wins",
				  pg_get_text(clash, i, 0, NULL)),
		     NULL, EXIT_CONFIGURATION);
	if (!pg_count(unknown) && !pg_count(clash))
		tell(k, "people", NULL, arena_printf(c->arena, "%d known, and nobody else is named", n), 0);
	return 0;
}

static int check_live(struct check *k)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(k->c, &sql_live, NULL, &rows);

	for (int i = 0; r == 0 && i < pg_count(rows); i++) {
		const char *live = pg_get_text(rows, i, 0, NULL);

		tell(k, "daemon", NULL,
		     str_eq(live, k->c->settings->sha256)
			     ? "runs this configuration"
			     : arena_printf(k->c->arena, "runs another configuration, rules %.7s, until it is reloaded", live),
		     0);
	}
	return r;
}

/* Something to look at that is no mistake: at the place of the rule. */
static void tell_notice(struct check *k, const struct literal_notice *n)
{
	const struct text_pos *pos = &n->literal->pos;
	struct buf *out = &k->online;

	if (k->c->json) {
		buf_puts(out, k->n_online ? ",{\"name\":" : "{\"name\":");
		json_put_string(out, n->names);
		buf_puts(out, ",\"ok\":true,\"text\":");
		json_put_string(out, n->text);
		buf_puts(out, ",\"file\":");
		json_put_string(out, pos->file);
		buf_printf(out, ",\"line\":%d,\"column\":", pos->line);
		json_put_string(out, n->column);
		buf_puts(out, ",\"literal\":");
		json_put_string(out, n->literal->text);
		buf_puts(out, ",\"nearest\":");
		json_put_string(out, n->nearest);
		if (n->nearest)
			buf_printf(out, ",\"nearest_responses\":%lld}", (long long)n->nearest_n);
		else
			buf_puts(out, ",\"nearest_responses\":null}");
	} else {
		const char *text = arena_printf(k->c->arena, "%s:%d: notice: %s: %s", pos->file, pos->line, n->names, n->text);

		escape_terminal(out, text, strlen(text));
		buf_putc(out, '\n');
	}
	k->n_online++;
}

/* Answers that a scale doesn't hold: the scale is wrong, or something else was sent. */
static int check_scales(struct check *k)
{
	const struct scale_notice *notices;
	int n, r = scales_check(k->c, &notices, &n);

	for (int i = 0; r == 0 && i < n; i++) {
		const char *text = arena_printf(k->c->arena, "notice: %s: %s", notices[i].name, notices[i].text);

		if (k->c->json) {
			tell(k, notices[i].name, NULL, notices[i].text, 0);
			continue;
		}
		escape_terminal(&k->online, text, strlen(text));
		buf_putc(&k->online, '\n');
	}
	return r;
}

/* Texts in rules that no answer has: most are typing mistakes, some are yet to come. */
static int check_literals(struct check *k)
{
	struct arena *a = k->c->arena;
	struct literals_found found;
	int r = literals_check(k->c, &found), n = found.n_literals - found.n_unseen;

	for (int i = 0; r == 0 && i < found.n_notices; i++)
		tell_notice(k, &found.notices[i]);
	if (r || found.n_literals == 0)
		return r;
	tell(k, "texts", NULL,
	     found.no_responses
		     ? arena_printf(a, "no response in the last %d days to compare those of rules with", LITERALS_DAYS)
		     : arena_printf(a, "%d of %d in rules occurred in the last %d days", n, found.n_literals, LITERALS_DAYS),
	     0);
	return 0;
}

static int check_database(struct check *k)
{
	struct cli *c = k->c;
	const char *why = NULL;
	int r = cli_db_any_schema(c);

	if (r == 0)
		r = cli_schema_why(c, &why);
	if (r) {
		k->code = MAX(k->code, r);
		return 0;
	}
	tell(k, "database", why, arena_printf(c->arena, "instance %s, schema fits", c->settings->instance), EXIT_CONFIGURATION);
	if (why)
		return 0;
	r = check_live(k);
	if (r == 0)
		r = check_people(k);
	if (r == 0)
		r = check_literals(k);
	return r ? r : check_scales(k);
}

static int check_online(struct check *k)
{
	const struct settings *s = k->c->settings;
	int r = check_database(k);

	if (s->email.set)
		check_url(k, "email", s->email.url);
	for (int i = 0; i < s->n_webhooks; i++)
		check_url(k, s->webhooks[i].id, s->webhooks[i].url);
	return r;
}

/* ---- the file ---- */

static void put_diag_json(struct buf *out, const struct diag *d)
{
	buf_printf(out, "{\"level\":\"%s\",\"file\":", d->level == DIAG_ERROR ? "error" : "warning");
	json_put_string(out, d->pos.file);
	if (d->pos.line)
		buf_printf(out, ",\"line\":%d,\"text\":", d->pos.line);
	else
		buf_puts(out, ",\"line\":null,\"text\":");
	json_put_string(out, d->text);
	buf_puts(out, ",\"excerpt\":");
	json_put_string(out, d->excerpt);
	if (d->excerpt)
		buf_printf(out, ",\"column\":%d,\"length\":%d,\"hint\":", d->column, d->length);
	else
		buf_puts(out, ",\"column\":null,\"length\":null,\"hint\":");
	json_put_string(out, d->hint);
	buf_putc(out, '}');
}

static void print_json(struct check *k)
{
	struct buf json CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX),
			out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct cli *c = k->c;

	buf_puts(&json, "{\"file\":");
	json_put_string(&json, c->config_path);
	buf_printf(&json, ",\"errors\":%d,\"warnings\":%d,\"ruleset\":", k->diags->errors, k->diags->warnings);
	json_put_string(&json, c->settings ? c->settings->sha256 : NULL);
	buf_puts(&json, ",\"diagnostics\":[");
	for (int i = 0; i < k->diags->n; i++) {
		if (i)
			buf_putc(&json, ',');
		put_diag_json(&json, &k->diags->items[i]);
	}
	buf_printf(&json, "],\"online\":[%s]}", buf_str(&k->online));
	text_put_json(&out, buf_str(&json), json.n);
	buf_putc(&out, '\n');
	cli_print(c, &out);
}

static void put_count(struct buf *out, int n, const char *what)
{
	buf_printf(out, "%d %s%s", n, what, n == 1 ? "" : "s");
}

static void print_text(struct check *k)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct cli *c = k->c;

	cli_print_diags(k->diags);
	if (k->diags->errors) {
		put_count(&out, k->diags->errors, "error");
		buf_puts(&out, ", ");
		put_count(&out, k->diags->warnings, "warning");
		fprintf(stderr, "%s. Nothing changed; a running daemon keeps its rules.\n", buf_str(&out));
		return;
	}
	buf_printf(&out, "%s: ", c->config_path);
	put_count(&out, c->settings->n_rules, "rule");
	buf_puts(&out, ", ");
	buf_printf(&out, "%d %s", c->settings->n_people, c->settings->n_people == 1 ? "person" : "people");
	buf_printf(&out, ", every template renders; ");
	if (k->diags->warnings)
		put_count(&out, k->diags->warnings, "warning");
	else
		buf_puts(&out, "nothing to say");
	buf_printf(&out, ". Rules %.7s.\n", c->settings->sha256);
	buf_puts(&out, buf_str(&k->online));
	cli_print(c, &out);
}

static int load(struct check *k)
{
	struct mail_templates *templates CLEANUP(mail_templates_freep) = NULL;
	struct cli *c = k->c;
	const char *why;
	int r = settings_load(c->config_path, k->diags, &c->settings);

	if (r == 0 && (why = pg_conninfo_check(c->settings->conninfo, c->arena)))
		diag_add(k->diags, DIAG_ERROR, (struct text_pos){c->config_path, 0}, "database.conninfo: %s", why);
	if (r) {
		c->settings = NULL;
		if (r < 0)
			return cli_fail(EXIT_CONFIGURATION, "%s: %s", c->config_path, strerror(-r));
		return EXIT_CONFIGURATION;
	}
	r = mail_templates_new(c->settings, k->diags, &templates);
	if (r == 0)
		r = webhook_templates_check(c->settings, k->diags);
	return r || k->diags->errors ? EXIT_CONFIGURATION : 0;
}

int check_run(struct cli *c, const struct args *a)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct check k = {.c = c, .diags = diags, .online = BUF_INIT(CLI_OUTPUT_BYTES_MAX)};
	int r = load(&k), online = 0;

	if (r == 0 && args_has(a, "--online"))
		online = check_online(&k);
	if (r == 0 || diags->errors) {
		if (c->json)
			print_json(&k);
		else
			print_text(&k);
	}
	buf_fini(&k.online);
	return r ? r : online ? online : k.code;
}
