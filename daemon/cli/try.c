/*
 * `try FACT=VALUE… [--mail] [--send-to ADDR]`: judge an invented response with live rules and owners; stores nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "cli/cli.h"
#include "cli/facts.h"
#include "cli/send.h"
#include "cli/trace.h"
#include "cli/verbs.h"

#include <string.h>

const struct option try_options[] = {
	{"--mail", NULL, "show the mails that would go out"},
	{"--send-to", "ADDR", "send the first of them to this address, now"},
	{0},
};

static void put_text(struct cli *c, const struct trace *trace)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);

	buf_printf(&out, "try · rules %.7s of %s\n", c->settings->sha256, c->settings->path);
	trace_put(trace, text_terminal_columns(), &out);
	cli_print(c, &out);
}

int try_run(struct cli *c, const struct args *a)
{
	struct rule_scratch *scratch CLEANUP(rule_scratch_freep) = NULL;
	struct response response;
	struct trace trace;
	const char *error;
	int r = cli_settings(c);

	if (r)
		return r;
	if (facts_parse(c->settings, c->arena, a->words, a->n_words, wall_now(), &response, &error))
		return cli_fail(EXIT_USAGE_ERROR, "%s", error);
	scratch = rule_scratch_new(c->settings->ruleset);
	trace_init(&trace, c->settings, scratch, &response, c->arena);
	put_text(c, &trace);
	return 0;
}
