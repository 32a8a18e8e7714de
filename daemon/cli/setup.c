/*
 * The table of the verbs that set closeloop up and look after it; and `migrate`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli.h"
#include "cli/migrate.h"
#include "cli/verbs.h"

static const struct option migrate_options[] = {
	{"--dry-run", NULL, "print what would be run, change nothing"},
	{"--roles", NULL, "create the roles too, and print how to grant them"},
	{"--adopt", "NAME", "take a copied database over under this name; cancels what was queued"},
	{0},
};

static int migrate(struct cli *c, const struct args *a)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(MIGRATE_OUTPUT_BYTES_MAX);
	struct migrate_options options = {
		.dry_run = args_has(a, "--dry-run"),
		.roles = args_has(a, "--roles"),
		.adopt = args_get(a, "--adopt"),
	};
	int r = cli_db_any_schema(c);

	if (r)
		return r;
	options.instance = c->settings->instance;
	r = migrate_run(c->db, &options, &out);
	cli_print(c, &out);
	return r;
}

const struct verb setup_verbs[] = {
	{"check", NULL, NULL, "the whole configuration, every template rendered", check_options, 0, 0, check_run, NULL},
	{"migrate", NULL, NULL, "create or update the schema", migrate_options, 0, 0, migrate, NULL},
	{"coverage", NULL, NULL, "who would be told of which touchpoint, account and language; exits 1 when nobody",
	 coverage_options, 0, 0, coverage_run, NULL},
	{"reload", NULL, NULL, "every daemon reads its configuration anew, and says what came of it", reload_options, 0, 0,
	 reload_run, NULL},
	{"status", NULL, NULL, "what needs a person, then daemons, inbox, messages, cases", status_options, 0, 0, status_run,
	 NULL},
	{"test", NULL, "FILE…", "rule tests: invented responses and what is to come of them", rule_test_options, 1, WORDS_ANY,
	 rule_test_run, NULL},
	{"try", NULL, "FACT=VALUE…", "judge an invented response; stores nothing", try_options, 1, WORDS_ANY, try_verb, NULL},
	{"explain", NULL, "RESPONSE|C-CASE|SOURCE:ID", "why an answer led to what it led to", explain_options, 1, 1,
	 explain_run, NULL},
	{"backtest", NULL, NULL, "the rules of this configuration over past responses, against the live ones", backtest_options,
	 0, 0, backtest_verb, NULL},
	{0},
};
