/*
 * The closeloop command: arguments → verb → exit code.
 *
 * Verbs stand in tables, one per file (verbs.h); this file knows none of them but help.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"
#include "cli/cli.h"
#include "cli/verbs.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#define HELP_BYTES_MAX (64 * 1024)

static int help_group(struct cli *c, const char *group)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(HELP_BYTES_MAX);
	const struct verb *v = verb_find(c->groups, group, NULL);

	if (v->name)
		args_help_group(c->groups, group, &out);
	else
		args_help_verb(v, &out);
	cli_print(c, &out);
	return EXIT_DONE;
}

static int help_run(struct cli *c, const struct args *a)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(HELP_BYTES_MAX);
	const struct verb *v;

	if (a->n_words == 0) {
		args_help_all(c->groups, &out);
		cli_print(c, &out);
		return EXIT_DONE;
	}
	if (!verb_find(c->groups, a->words[0], NULL))
		return cli_fail(EXIT_USAGE_ERROR, "unknown verb '%s'; see: closeloop help", a->words[0]);
	if (a->n_words == 1)
		return help_group(c, a->words[0]);
	v = verb_find(c->groups, a->words[0], a->words[1]);
	if (!v)
		return cli_fail(EXIT_USAGE_ERROR, "unknown verb '%s %s'; see: closeloop help %s", a->words[0], a->words[1],
				a->words[0]);
	args_help_verb(v, &out);
	cli_print(c, &out);
	return EXIT_DONE;
}

const struct verb help_verbs[] = {
	{"help", NULL, "[VERB]", "how a verb is used", NULL, 0, 2, help_run, NULL},
	{0},
};

static const struct verb *const groups[] = {
	setup_verbs,    rules_verbs, case_verbs,   action_verbs, response_verbs, message_verbs,
	endpoint_verbs, owner_verbs, person_verbs, help_verbs,   NULL,
};

/* --help and --version, wherever they stand. */
static int run_global(struct cli *c, const struct args *a)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(HELP_BYTES_MAX);

	if (a->version)
		buf_printf(&out, "closeloop %s\n", CLOSELOOP_VERSION);
	else if (a->verb)
		args_help_verb(a->verb, &out);
	else if (a->n_words > 0 && verb_find(c->groups, a->words[0], NULL))
		return help_group(c, a->words[0]);
	else
		args_help_all(c->groups, &out);
	cli_print(c, &out);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct arena *arena CLEANUP(arena_freep) = arena_new(0);
	const char *error;
	struct args a;
	struct cli c;
	int r;

	setlocale(LC_CTYPE, "C.UTF-8");
	log_set_level(LOG_LEVEL_ERROR); /* a person reads stderr */
	if (args_parse(arena, groups, argc, argv, &a, &error))
		return cli_fail(EXIT_USAGE_ERROR, "%s", error);
	cli_init(&c, &a, groups, arena);
	if (a.help || a.version) {
		r = run_global(&c, &a);
	} else if (!a.verb) {
		struct buf out CLEANUP(buf_fini) = BUF_INIT(HELP_BYTES_MAX);

		args_help_all(groups, &out);
		fputs(buf_str(&out), stderr);
		r = EXIT_USAGE_ERROR;
	} else {
		r = a.verb->run(&c, &a);
	}
	if (r == EXIT_DONE && c.broken_output)
		r = cli_fail(EXIT_INTERNAL, "the output could not be written");
	cli_fini(&c);
	return r;
}
