/*
 * Finding and compiling rule sets that were live; see rulesets.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/rulesets.h"
#include "cli/schema.h"

#include <string.h>

static const struct pg_stmt sql_live = {
	"cli_ruleset_live",
	"SELECT sha256, text FROM closeloop.rulesets WHERE sha256 = coalesce((SELECT d.ruleset FROM closeloop.daemons AS d"
	"  WHERE d.ruleset IS NOT NULL AND closeloop.daemon_is_alive(d) GROUP BY d.ruleset"
	"  ORDER BY count(*) DESC, max(d.seen_at) DESC LIMIT 1), closeloop.ruleset_at(clock_timestamp()))",
	0,
	{0},
};
static const struct pg_stmt sql_by_sha = {
	"cli_ruleset_by_sha",
	"SELECT sha256, text FROM closeloop.rulesets WHERE starts_with(sha256, $1) ORDER BY sha256 LIMIT 3",
	1,
	{PG_TEXT},
};

static void ruleset_of_row(struct cli *c, const struct pg_rows *rows, struct cli_ruleset *ret)
{
	size_t n;
	const char *text = pg_get_text(rows, 0, 1, &n);

	ret->sha256 = arena_strdup(c->arena, pg_get_text(rows, 0, 0, NULL));
	ret->text = arena_strndup(c->arena, text, n);
	ret->name = arena_printf(c->arena, "rules %.7s", ret->sha256);
}

static int find_live(struct cli *c, struct cli_ruleset *ret)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(c, &sql_live, NULL, &rows);

	if (r)
		return r;
	if (pg_count(rows) == 0)
		return cli_fail(EXIT_NO, "no rules were ever live here: closeloopd has not run on this database yet");
	ruleset_of_row(c, rows, ret);
	return 0;
}

bool cli_ruleset_is_file(const char *word)
{
	size_t n = strlen(word);

	return strchr(word, '/') || (n > 5 && strcmp(word + n - 5, ".conf") == 0);
}

int cli_ruleset_find(struct cli *c, const char *word, struct cli_ruleset *ret)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	char *lower = arena_strdup(c->arena, word);
	struct pg_params p;
	int r;

	if (str_eq(word, "live"))
		return find_live(c, ret);
	for (char *at = lower; *at; at++)
		*at |= *at >= 'A' && *at <= 'F' ? 0x20 : 0;
	if (strspn(lower, "0123456789abcdef") != strlen(lower) || strlen(lower) < RULESET_PREFIX_MIN || strlen(lower) > 64)
		return cli_fail(EXIT_USAGE_ERROR,
				"'%s': expected \"live\", or at least %d digits of a set that closeloop rules list shows", word,
				RULESET_PREFIX_MIN);
	pg_params_init(&p, c->arena);
	pg_add_text(&p, lower);
	r = cli_run(c, &sql_by_sha, &p, &rows);
	if (r)
		return r;
	if (pg_count(rows) == 0)
		return cli_fail(EXIT_NO, "no rules %s were ever live here; see: closeloop rules list", word);
	if (pg_count(rows) > 1)
		return cli_fail(EXIT_NO, "several sets begin with %s: %.12s, %.12s%s; write more digits", word,
				pg_get_text(rows, 0, 0, NULL), pg_get_text(rows, 1, 0, NULL), pg_count(rows) > 2 ? ", …" : "");
	ruleset_of_row(c, rows, ret);
	return 0;
}

int cli_ruleset_load(struct cli *c, const struct cli_ruleset *set, struct settings **ret)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();

	if (settings_load_text(set->text, set->name, diags, ret) == 0)
		return 0;
	cli_print_diags(diags);
	return cli_fail(EXIT_CONFIGURATION, "%s was live under an earlier version, and this one doesn't understand it",
			set->name);
}

/* ---- a broken file ---- */

/* Settings of which only the way to the database counts. */
static int open_salvaged(struct cli *c, struct diag_list *diags)
{
	struct settings *s CLEANUP(settings_freep) = NULL;
	const char *conninfo;

	if (settings_salvage_conninfo(c->config_path, c->arena, &conninfo) < 0 ||
	    settings_load_text("", c->config_path, diags, &s))
		return EXIT_CONFIGURATION;
	s->conninfo = arena_strdup(s->arena, conninfo);
	c->settings = TAKE(s);
	return cli_db_any_schema(c);
}

/* The live set in place of the file. */
static int take_live(struct cli *c)
{
	struct settings *s CLEANUP(settings_freep) = NULL;
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct cli_ruleset set;
	struct pg_error error = {0};

	if (pg_sync_run(c->db, &sql_live, NULL, &rows, &error) < 0 || pg_count(rows) == 0)
		return EXIT_CONFIGURATION;
	ruleset_of_row(c, rows, &set);
	if (settings_load_text(set.text, set.name, diags, &s))
		return EXIT_CONFIGURATION;
	s->path = arena_strdup(s->arena, c->config_path);
	s->conninfo = arena_strdup(s->arena, c->settings->conninfo);
	settings_free(c->settings);
	c->settings = TAKE(s);
	return cli_schema_check(c);
}

int cli_db_broken_ok(struct cli *c, const char **ret_broken)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new(), *more CLEANUP(diag_list_freep) = diag_list_new();
	int r;

	*ret_broken = NULL;
	if (c->settings || settings_load_bare(c->config_path, diags, &c->settings) != SETTINGS_E_INVALID)
		return cli_db(c);
	c->settings = NULL;
	r = open_salvaged(c, more);
	if (r == 0)
		r = take_live(c);
	if (r) {
		cli_print_diags(diags);
		return cli_fail((enum exit_code)r, "the configuration has %d error%s: see closeloop check", diags->errors,
				diags->errors == 1 ? "" : "s");
	}
	*ret_broken = arena_strdup(c->arena, diag_first_error(diags));
	if (diags->errors > 1)
		*ret_broken = arena_printf(c->arena, "%s (and %d more)", *ret_broken, diags->errors - 1);
	return 0;
}
