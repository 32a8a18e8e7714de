/*
 * `reload`: every daemon on this database reads its configuration anew, and says what came of it.
 *
 * A row asks, rows of daemons answer (sql/014_rulesets.sql): no signal, so it works from any machine that reaches the database.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "cli/rulesets.h"
#include "cli/verbs.h"

#include <string.h>
#include <time.h>

#define WAIT_S_MAX 600
#define LOOK_EVERY_MS 50

static const struct pg_stmt sql_ask = {"cli_reload_ask", "SELECT closeloop.reload_ask($1)", 1, {PG_TEXT}};
static const struct pg_stmt sql_before = {
	"cli_reload_before",
	"SELECT d.id, d.ruleset, clock_timestamp() FROM closeloop.daemons AS d WHERE closeloop.daemon_is_alive(d) ORDER BY d.id",
	0,
	{0},
};
/* Those that were there when they were asked, and those that came since. */
static const struct pg_stmt sql_look = {
	"cli_reload_look",
	"SELECT d.id, d.ruleset, coalesce(d.reload_id >= $1, false), d.config_error, d.config_error_at,"
	" closeloop.daemon_is_alive(d), d.seen_at, d.listening"
	" FROM closeloop.daemons AS d WHERE d.id = ANY ($2) OR closeloop.daemon_is_alive(d) ORDER BY d.id",
	2,
	{PG_INT8, PG_TEXT_ARRAY},
};

struct reload {
	struct cli *c;
	int64_t request;
	struct pg_rows *before, *after;
	int waiting; /* daemons that have not answered */
};

static const char *ruleset_before(const struct reload *r, const char *daemon)
{
	for (int i = 0; i < pg_count(r->before); i++)
		if (str_eq(pg_get_text(r->before, i, 0, NULL), daemon))
			return pg_get_text(r->before, i, 1, NULL);
	return NULL;
}

enum answer { ANSWER_NONE, ANSWER_GONE, ANSWER_KEEPS, ANSWER_TAKEN, ANSWER_SAME };

static enum answer answer_of(const struct reload *r, int i)
{
	const char *before = ruleset_before(r, pg_get_text(r->after, i, 0, NULL));

	if (!pg_get_bool(r->after, i, 2))
		return pg_get_bool(r->after, i, 5) ? ANSWER_NONE : ANSWER_GONE;
	if (pg_get_text(r->after, i, 3, NULL))
		return ANSWER_KEEPS;
	return before && str_eq(before, pg_get_text(r->after, i, 1, NULL)) ? ANSWER_SAME : ANSWER_TAKEN;
}

static int look(struct reload *r)
{
	struct pg_params p;
	struct pg_array ids;
	int code;

	pg_params_init(&p, r->c->arena);
	pg_add_int8(&p, r->request);
	pg_array_init(&ids, r->c->arena, PG_TEXT);
	for (int i = 0; i < pg_count(r->before); i++)
		pg_array_text(&ids, pg_get_text(r->before, i, 0, NULL));
	pg_add_array(&p, &ids);
	pg_rows_freep(&r->after);
	code = cli_run(r->c, &sql_look, &p, &r->after);
	r->waiting = 0;
	for (int i = 0; code == 0 && i < pg_count(r->after); i++)
		r->waiting += answer_of(r, i) == ANSWER_NONE;
	return code;
}

static int wait_for_answers(struct reload *r, int64_t most_s)
{
	const struct timespec pause = {.tv_nsec = LOOK_EVERY_MS * 1000000L};
	struct mono_time until = {mono_now().us + most_s * US_PER_S};
	int code = look(r);

	while (code == 0 && r->waiting > 0 && mono_now().us < until.us) {
		nanosleep(&pause, NULL);
		code = look(r);
	}
	return code;
}

static void put_answer(const struct reload *r, int i, int64_t waited_s, struct buf *out)
{
	const char *id = pg_get_text(r->after, i, 0, NULL), *now = pg_get_text(r->after, i, 1, NULL),
		   *before = ruleset_before(r, id), *error = pg_get_text(r->after, i, 3, NULL);

	text_put_cell(out, id, 26, false);
	buf_putc(out, ' ');
	switch (answer_of(r, i)) {
	case ANSWER_NONE:
		buf_printf(out, "no answer in %lld s; runs %.7s%s", (long long)waited_s, now ? now : "nothing",
			   pg_get_bool(r->after, i, 7) ? "" : ", polls every 15 s");
		break;
	case ANSWER_GONE: buf_puts(out, "has ended meanwhile"); break;
	case ANSWER_KEEPS:
		buf_printf(out, "keeps %.7s: ", now);
		text_put_clipped(out, error, 2000);
		break;
	case ANSWER_TAKEN: buf_printf(out, "%.7s → %.7s", before ? before : "new", now); break;
	case ANSWER_SAME: buf_printf(out, "%.7s, as before", now); break;
	}
	buf_putc(out, '\n');
}

static void put_json(const struct reload *r, struct buf *out)
{
	static const char *const words[] = {"no answer", "gone", "kept", "taken", "same"};

	buf_printf(out, "{\"request\":%lld,\"daemons\":[", (long long)r->request);
	for (int i = 0; i < pg_count(r->after); i++) {
		const char *id = pg_get_text(r->after, i, 0, NULL);

		buf_puts(out, i ? ",{\"id\":" : "{\"id\":");
		json_put_string(out, id);
		buf_printf(out, ",\"answer\":\"%s\",\"before\":", words[answer_of(r, i)]);
		json_put_string(out, ruleset_before(r, id));
		buf_puts(out, ",\"ruleset\":");
		json_put_string(out, pg_get_text(r->after, i, 1, NULL));
		buf_puts(out, ",\"config_error\":");
		json_put_string(out, pg_get_text(r->after, i, 3, NULL));
		buf_putc(out, '}');
	}
	buf_puts(out, "]}");
}

/* 1 when anybody didn't take the file, or took another than the rest. */
static int verdict(const struct reload *r, struct buf *out)
{
	const char *first = NULL;
	bool differ = false, good = true;

	for (int i = 0; i < pg_count(r->after); i++) {
		enum answer answer = answer_of(r, i);
		const char *now = pg_get_text(r->after, i, 1, NULL);

		good &= answer != ANSWER_NONE && answer != ANSWER_KEEPS;
		if (answer == ANSWER_GONE || !now)
			continue;
		differ |= first && !str_eq(first, now);
		first = now;
	}
	if (differ)
		buf_puts(out, "They run different rules now: which of them judges a response is chance. Give each the same "
			      "configuration, then reload again.\n");
	return good && !differ ? EXIT_DONE : EXIT_NO;
}

static int report(const struct reload *r, int64_t waited_s)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX), last CLEANUP(buf_fini) = BUF_INIT(1024),
		       json CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	int code = verdict(r, &last);

	if (r->c->json) {
		put_json(r, &json);
		text_put_json(&out, buf_str(&json), json.n);
		buf_putc(&out, '\n');
	} else {
		for (int i = 0; i < pg_count(r->after); i++)
			put_answer(r, i, waited_s, &out);
		buf_puts(&out, buf_str(&last));
	}
	cli_print(r->c, &out);
	return code;
}

static int reload_all(struct reload *r, int64_t wait_s)
{
	struct pg_rows *asked CLEANUP(pg_rows_freep) = NULL;
	struct pg_params p;
	int code = cli_run(r->c, &sql_before, NULL, &r->before);

	if (code)
		return code;
	if (pg_count(r->before) == 0)
		return cli_fail(EXIT_NO,
				"no daemon is running on this database; one that starts reads the configuration anyway");
	pg_params_init(&p, r->c->arena);
	pg_add_text(&p, r->c->actor);
	code = cli_run(r->c, &sql_ask, &p, &asked);
	if (code)
		return code;
	r->request = pg_get_int8(asked, 0, 0);
	code = wait_for_answers(r, wait_s);
	return code ? code : report(r, wait_s);
}

const struct option reload_options[] = {{"--wait", "SECONDS", "wait so long for the answers (30)"}, {0}};

int reload_run(struct cli *c, const struct args *a)
{
	struct reload r = {.c = c};
	const char *broken;
	int64_t wait_s = 30;
	int code = cli_number("--wait", args_get(a, "--wait"), WAIT_S_MAX, &wait_s);

	if (code == 0)
		code = cli_db_broken_ok(c, &broken);
	if (code == 0)
		code = cli_actor(c);
	if (code == 0)
		code = reload_all(&r, wait_s);
	pg_rows_freep(&r.before);
	pg_rows_freep(&r.after);
	return code;
}
