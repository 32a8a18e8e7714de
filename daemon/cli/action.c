/*
 * The actions on a case (DESIGN 4): case ack, start, contacted, wait, resolve, close, dismiss, reopen, assign, note, undo.
 *
 * What is allowed is decided by closeloop.case_transition(), the same function that pages and API use; here words
 * become its arguments, and names are checked against configuration and people.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli.h"
#include "cli/verbs.h"
#include "base/escape.h"

#include <string.h>

#define DETAILS_BYTES_MAX 4096

#define OPTION_NOTE                                  \
	{                                            \
		"--note", "TEXT", "what to remember" \
	}
#define OPTION_VERSION                                                        \
	{                                                                     \
		"--version", "N", "only if the case is still at this version" \
	}

static const struct option plain_options[] = {OPTION_NOTE, OPTION_VERSION, {0}};
static const struct option contacted_options[] = {
	{"--how", "HOW", "phone, mail or visit"},
	{"--reached", "YES", "yes or no: was the customer reached?"},
	OPTION_NOTE,
	OPTION_VERSION,
	{0},
};
static const struct option wait_options[] = {
	{"--until", "TIME", "2027-03-02 (9:00), 2027-03-02T10:00, +2d: when it comes back"},
	OPTION_NOTE,
	OPTION_VERSION,
	{0},
};
static const struct option resolve_options[] = {
	{"--cause", "CAUSE", "the root cause, one of cases.root_causes"},
	OPTION_NOTE,
	OPTION_VERSION,
	{0},
};
static const struct option dismiss_options[] = {
	{"--reason", "TEXT", "why there is nothing to do"},
	OPTION_NOTE,
	OPTION_VERSION,
	{0},
};
static const struct option assign_options[] = {
	{"--to", "PERSON", "who takes it"},
	{"--from", "PERSON", "without a case: everything unresolved of this person"},
	OPTION_NOTE,
	OPTION_VERSION,
	{0},
};

/* What an action was told: its note and details. */
struct told {
	const char *note;
	struct buf details;
};

static void put_detail(struct buf *details, const char *name, const char *value)
{
	buf_puts(details, details->n ? "," : "{");
	json_put_string(details, name);
	buf_putc(details, ':');
	json_put_string(details, value);
}

static int tell_contacted(struct cli *c, const struct args *a, struct told *t)
{
	static const char *const ways[] = {"phone", "mail", "visit"};
	const char *how = args_get(a, "--how"), *reached = args_get(a, "--reached");
	bool known = false;

	if (!how || !reached)
		return cli_fail(EXIT_USAGE_ERROR, "case contacted needs --how phone|mail|visit and --reached yes|no");
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		known = known || str_eq(how, ways[i]);
	if (!known)
		return cli_fail(EXIT_USAGE_ERROR, "--how: '%s' is none of phone, mail, visit%s", how,
				did_you_mean(c->arena, how, ways, ARRAY_SIZE(ways), sizeof(ways[0])));
	if (!str_eq(reached, "yes") && !str_eq(reached, "no"))
		return cli_fail(EXIT_USAGE_ERROR, "--reached: '%s' is neither yes nor no", reached);
	put_detail(&t->details, "how", how);
	buf_printf(&t->details, ",\"reached\":%s", str_eq(reached, "yes") ? "true" : "false");
	return 0;
}

static int tell_wait(struct cli *c, const struct args *a, struct told *t)
{
	char text[WALL_TEXT_BYTES];
	struct wall_time until;
	int r;

	if (!args_get(a, "--until"))
		return cli_fail(EXIT_USAGE_ERROR, "case wait needs --until 2027-03-02, 2027-03-02T10:00 or +2d");
	r = cli_when(c, "--until", args_get(a, "--until"), 1, "09:00", &until);
	if (r == 0)
		put_detail(&t->details, "until", wall_text(until, text));
	return r;
}

static int tell_resolve(struct cli *c, const struct args *a, struct told *t)
{
	const struct string_list *causes;
	const char *cause = args_get(a, "--cause");
	bool known;
	int r = cli_settings(c);

	if (r || !cause)
		return r;
	causes = &c->settings->cases.root_causes;
	known = causes->n == 0;
	for (int i = 0; i < causes->n; i++)
		known = known || str_eq(causes->items[i], cause);
	if (!known)
		return cli_fail(EXIT_NO, "--cause: '%s' is none of cases.root_causes%s", cause,
				did_you_mean(c->arena, cause, causes->items, (size_t)causes->n, sizeof(causes->items[0])));
	put_detail(&t->details, "cause", cause);
	return 0;
}

static int tell_dismiss(struct cli *c, const struct args *a, struct told *t)
{
	if (args_get(a, "--reason"))
		t->note = args_get(a, "--reason");
	if (!t->note || !t->note[strspn(t->note, " \t\n")])
		return cli_fail(EXIT_USAGE_ERROR, "case dismiss needs --reason TEXT");
	return 0;
}

static int tell_assign(struct cli *c, const struct args *a, struct told *t)
{
	const char *to = args_get(a, "--to");
	int r;

	if (!to)
		return cli_fail(EXIT_USAGE_ERROR, "case assign needs --to PERSON");
	r = cli_db(c);
	if (r == 0)
		r = cli_person_known(c, to);
	if (r == 0)
		put_detail(&t->details, "to", to);
	return r;
}

static int tell_note(struct cli *c, const struct args *a, struct told *t)
{
	if (a->n_words > 1)
		t->note = a->words[1];
	if (!t->note || !t->note[strspn(t->note, " \t\n")])
		return cli_fail(EXIT_USAGE_ERROR, "case note needs a text: case note C-812 \"called twice\"");
	return 0;
}

static const struct action {
	const char *name;
	const char *done;                                                 /* "C-812 …" */
	int (*tell)(struct cli *c, const struct args *a, struct told *t); /* NULL: nothing but the note */
} actions[] = {
	{"acknowledge", "acknowledged", NULL},
	{"start", "in progress", NULL},
	{"contacted", "contact recorded", tell_contacted},
	{"wait", "waiting", tell_wait},
	{"resolve", "resolved", tell_resolve},
	{"close", "closed", NULL},
	{"dismiss", "dismissed", tell_dismiss},
	{"reopen", "open again", NULL},
	{"assign", "handed over", tell_assign},
	{"note", "noted", tell_note},
	{"undo", "undone", NULL},
};

static const struct action *action_find(const char *name)
{
	const struct action *action = actions;

	while (!str_eq(action->name, name))
		action++;
	return action;
}

static const struct pg_stmt sql_transition = {
	"cli_transition",
	"SELECT to_json(t)::text, replace(t.status::text, '_', ' '), t.owner, t.version, t.acknowledged_by, t.acknowledged_at, now(),"
	" to_char(t.waiting_until AT TIME ZONE $7, 'Dy YYYY-MM-DD HH24:MI')"
	" FROM closeloop.case_transition($1, $2, $3, $4, $5, $6) t",
	7,
	{PG_INT8, PG_TEXT, PG_TEXT, PG_TEXT, PG_JSONB, PG_INT4, PG_TEXT},
};
static const struct pg_stmt sql_assign_all = {
	"cli_assign_all",
	"SELECT coalesce(array_agg(id), '{}') FROM closeloop.case_assign_all($1, $2, $3, $4) id",
	4,
	{PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT},
};
static const struct pg_stmt sql_assigned = {
	"cli_assigned",
	"SELECT to_json(c)::text FROM closeloop.cases c WHERE id = ANY ($1) ORDER BY id",
	1,
	{PG_INT8_ARRAY},
};

static const char *told_details(struct told *t)
{
	if (t->details.n == 0)
		buf_putc(&t->details, '{');
	buf_putc(&t->details, '}');
	return buf_str(&t->details);
}

/* "C-812 acknowledged, version 3", or who was quicker. */
static void put_done(struct cli *c, struct buf *out, const struct action *action, int64_t id, const struct pg_rows *rows)
{
	const char *owner = pg_get_text(rows, 0, 2, NULL), *by = pg_get_text(rows, 0, 4, NULL);
	struct wall_time acknowledged = pg_get_time(rows, 0, 5), now = pg_get_time(rows, 0, 6);

	buf_printf(out, "C-%lld ", (long long)id);
	/* Of two at the same moment the later one may have begun first: then only the name tells. */
	if (str_eq(action->name, "acknowledge") && (acknowledged.us < now.us || !str_eq(by, c->actor))) {
		buf_puts(out, "already acknowledged by ");
		escape_terminal(out, by ? by : "somebody", strlen(by ? by : "somebody"));
		buf_putc(out, ' ');
		if (now.us - acknowledged.us < US_PER_S)
			buf_puts(out, "just now");
		else
			text_put_relative(out, acknowledged, now);
		buf_putc(out, '\n');
		return;
	}
	buf_puts(out, action->done);
	if (str_eq(action->name, "assign") && owner) {
		buf_puts(out, " to ");
		escape_terminal(out, owner, strlen(owner));
	}
	if (str_eq(action->name, "wait"))
		buf_printf(out, " until %s", pg_get_text(rows, 0, 7, NULL));
	buf_printf(out, ", version %d", (int)pg_get_int4(rows, 0, 3));
	if (str_eq(action->name, "note"))
		buf_putc(out, '\n');
	else if (str_eq(action->name, "undo"))
		buf_printf(out, ", now %s\n", pg_get_text(rows, 0, 1, NULL));
	else
		buf_printf(out, " (closeloop case undo C-%lld takes it back for 10 minutes)\n", (long long)id);
}

static int assign_all(struct cli *c, const struct args *a, struct told *t)
{
	struct pg_rows *moved CLEANUP(pg_rows_freep) = NULL, *rows CLEANUP(pg_rows_freep) = NULL;
	const char *from = args_get(a, "--from");
	const int64_t *ids;
	struct pg_array all;
	struct pg_params p;
	int r, n;

	if (a->n_words || args_get(a, "--version"))
		return cli_fail(EXIT_USAGE_ERROR, "case assign --from moves everything of a person: no case and no --version");
	if (str_eq(from, args_get(a, "--to")))
		return cli_fail(EXIT_USAGE_ERROR, "case assign: --from and --to are the same person");
	pg_params_init(&p, c->arena);
	pg_add_text(&p, from);
	pg_add_text(&p, args_get(a, "--to"));
	pg_add_text(&p, c->actor);
	pg_add_text(&p, t->note);
	r = cli_run(c, &sql_assign_all, &p, &moved);
	if (r)
		return r;
	n = pg_get_int8_array(moved, 0, 0, c->arena, &ids);
	pg_array_init(&all, c->arena, PG_INT8);
	for (int i = 0; i < n; i++)
		pg_array_int8(&all, ids[i]);
	pg_params_init(&p, c->arena);
	pg_add_array(&p, &all);
	r = cli_run(c, &sql_assigned, &p, &rows);
	if (r == 0 && n == 0)
		r = cli_person_warn(c, "--from", from);
	return r ? r : cli_print_changed(c, rows, arena_printf(c->arena, "handed over to %s", args_get(a, "--to")));
}

static int transition(struct cli *c, const struct args *a, const struct action *action, struct told *t)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int64_t id, version = 0;
	struct pg_params p;
	int r = cli_case_id(a->words[0], &id);

	if (r == 0)
		r = cli_number("--version", args_get(a, "--version"), INT32_MAX, &version);
	if (r)
		return r;
	pg_params_init(&p, c->arena);
	pg_add_int8(&p, id);
	pg_add_text(&p, action->name);
	pg_add_text(&p, c->actor);
	pg_add_text(&p, t->note);
	pg_add_jsonb(&p, told_details(t));
	if (version)
		pg_add_int4(&p, (int32_t)version);
	else
		pg_add_null(&p, PG_INT4);
	pg_add_text(&p, c->settings->timezone);
	r = cli_run(c, &sql_transition, &p, &rows);
	if (r)
		return r;
	if (c->json)
		cli_put_json(rows, &out);
	else
		put_done(c, &out, action, id, rows);
	cli_print(c, &out);
	return 0;
}

static int told_run(struct cli *c, const struct args *a, const struct action *action, struct told *t)
{
	bool all = str_eq(action->name, "assign") && args_get(a, "--from");
	int64_t id;
	int r;

	if (!all && a->n_words == 0)
		return cli_fail(EXIT_USAGE_ERROR, "which case? closeloop case assign C-812 --to PERSON");
	/* The words first, so that a typing mistake is told without a database. */
	r = all ? 0 : cli_case_id(a->words[0], &id);
	if (r == 0 && action->tell)
		r = action->tell(c, a, t);
	if (r == 0)
		r = cli_actor(c);
	if (r)
		return r;
	return all ? assign_all(c, a, t) : transition(c, a, action, t);
}

static int action_run(struct cli *c, const struct args *a)
{
	struct told t = {.note = args_get(a, "--note"), .details = BUF_INIT(DETAILS_BYTES_MAX)};
	int r = told_run(c, a, action_find(a->verb->action), &t);

	buf_fini(&t.details);
	return r;
}

#define ACTION(name, words, help, options, min, max, action)                     \
	{                                                                        \
		"case", name, words, help, options, min, max, action_run, action \
	}

const struct verb action_verbs[] = {
	ACTION("ack", "CASE", "I'm on it: stops the reminders", plain_options, 1, 1, "acknowledge"),
	ACTION("acknowledge", "CASE", NULL, plain_options, 1, 1, "acknowledge"),
	ACTION("start", "CASE", "work on it has begun", plain_options, 1, 1, "start"),
	ACTION("contacted", "CASE", "the customer was called, written to or visited", contacted_options, 1, 1, "contacted"),
	ACTION("wait", "CASE", "comes back at a time", wait_options, 1, 1, "wait"),
	ACTION("resolve", "CASE", "solved, with cause and note", resolve_options, 1, 1, "resolve"),
	ACTION("close", "CASE", "closed for good", plain_options, 1, 1, "close"),
	ACTION("dismiss", "CASE", "nothing to do, with the reason", dismiss_options, 1, 1, "dismiss"),
	ACTION("reopen", "CASE", "open again, with new clocks", plain_options, 1, 1, "reopen"),
	ACTION("assign", "[CASE]", "hand over one case, or all of a person", assign_options, 0, 1, "assign"),
	ACTION("note", "CASE [TEXT]", "write something down", plain_options, 1, 2, "note"),
	ACTION("undo", "CASE", "take back your own last action, within 10 minutes", plain_options, 1, 1, "undo"),
	{0},
};
