/*
 * `message list|show|retry|cancel`: what was sent, what waits, and the dead letters.
 *
 * A payload holds a customer's words and is shown only when asked for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli.h"
#include "cli/verbs.h"

#include <string.h>

#define LIMIT_DEFAULT 50
#define LABEL_COLUMNS 12

/* Columns of messages without the payload. */
#define MESSAGE_COLUMNS                                                                                            \
	"m.id, m.seq, m.case_id, m.response_id, m.kind, m.step, m.channel, m.endpoint, m.recipient, m.address,"    \
	" m.dedup_key, m.state, m.attempt, m.next_at, m.lease_until, m.fence, m.daemon, m.digest_id, m.queued_at," \
	" m.created_at, m.sent_at, m.last_code, m.last_error, m.handed_on, m.held_for"

#define KIND "regexp_replace(m.kind, '^case[.]|[.]received$', '')"
static const struct pg_stmt sql_messages = {
	"cli_messages",
	"SELECT to_json(j)::text, now(), m.id::text, 'C-' || m.case_id, " KIND ", m.endpoint, coalesce(m.recipient, m.address),"
	" m.state::text, m.attempt::text, m.created_at, CASE WHEN m.state IN ('queued', 'held') THEN m.next_at END,"
	" concat_ws(' ', m.last_code::text, m.last_error)"
	" FROM (SELECT * FROM closeloop.messages m WHERE ($1::text IS NULL OR m.endpoint = $1) AND ($2::text IS NULL OR "
	"m.state::text = ANY(string_to_array($2, ',')))"
	" AND ($3::bigint IS NULL OR m.case_id = $3) ORDER BY m.created_at DESC, m.seq DESC LIMIT $4) m,"
	" LATERAL (SELECT " MESSAGE_COLUMNS ") j ORDER BY m.created_at DESC, m.seq DESC",
	4,
	{PG_TEXT, PG_TEXT, PG_INT8, PG_INT8},
};
static const struct column message_columns[] = {
	{"ID", CELL_TEXT, 0},
	{"CASE", CELL_TEXT, 0},
	{"KIND", CELL_TEXT, 20},
	{"ENDPOINT", CELL_TEXT, 16},
	{"RECIPIENT", CELL_TEXT, 24},
	{"STATE", CELL_TEXT, 0},
	{"TRIES", CELL_RIGHT, 0},
	{"MADE", CELL_AGO, 0},
	{"NEXT", CELL_AGO, 0},
	{"ANSWER", CELL_TEXT, 0},
	{0},
};
/* What a held mail waits for: a digest that is on its way, or the time at which this person's are looked at. */
#define HELD_WHY                                                                                          \
	"CASE WHEN m.digest_id IS NOT NULL THEN 'in a digest on its way' ELSE CASE m.held_for"            \
	" WHEN 'budget' THEN 'over budget' WHEN 'quiet' THEN 'quiet hours' WHEN 'digest' THEN 'asked for" \
	" as a digest' WHEN 'due' THEN 'falls due with others' ELSE 'held' END END"
static const struct pg_stmt sql_held = {
	"cli_messages_held",
	"SELECT to_json(j)::text, now(), 'C-' || m.case_id, " KIND ", m.recipient, " HELD_WHY ","
	" b.digest_at, m.created_at, m.id::text"
	" FROM (SELECT * FROM closeloop.messages m WHERE m.state = 'held' AND ($1::text IS NULL OR m.recipient = $1)"
	"  AND ($2::bigint IS NULL OR m.case_id = $2) ORDER BY m.recipient, m.seq LIMIT $3) m"
	" LEFT JOIN closeloop.alert_budgets b ON b.person = m.recipient AND m.digest_id IS NULL,"
	" LATERAL (SELECT " MESSAGE_COLUMNS ", b.digest_at AS leaves_at) j ORDER BY m.recipient, m.seq",
	3,
	{PG_TEXT, PG_INT8, PG_INT8},
};
static const struct column held_columns[] = {
	{"CASE", CELL_TEXT, 0},  {"KIND", CELL_TEXT, 12}, {"FOR", CELL_TEXT, 20}, {"WAITS", CELL_TEXT, 24},
	{"LEAVES", CELL_AGO, 0}, {"MADE", CELL_AGO, 0},   {"ID", CELL_TEXT, 0},   {0},
};
static const struct option list_options[] = {
	{"--endpoint", "NAME", "only this one's: email, or a webhook"},
	{"--state", "STATE", "queued held leased sent failed dead cancelled; several with commas"},
	{"--case", "CASE", "only this case's"},
	{"--held", NULL, "mails kept back: for whom, why, and when they leave"},
	{"--person", "PERSON", "with --held: only those for this person"},
	{"--limit", "N", "at most so many (default 50)"},
	{0},
};

static int states_check(struct cli *c, const char *states)
{
	const char *names[MESSAGE_STATE_COUNT];

	for (int i = 0; i < MESSAGE_STATE_COUNT; i++)
		names[i] = message_state_name((enum message_state)i);
	for (const char *s = states; s && *s;) {
		size_t n = strcspn(s, ",");
		const char *word = arena_strndup(c->arena, s, n);
		enum message_state state;

		if (message_state_parse(word, &state) < 0)
			return cli_fail(EXIT_USAGE_ERROR, "--state: unknown state '%s'%s", word,
					did_you_mean(c->arena, word, names, MESSAGE_STATE_COUNT, sizeof(names[0])));
		s += n + (s[n] == ',');
	}
	return 0;
}

static int held_list(struct cli *c, const struct args *a)
{
	struct listing list = {&sql_held, held_columns, "nothing is held", LIMIT_DEFAULT};
	const char *of_case = args_get(a, "--case"), *person = args_get(a, "--person");
	struct pg_params p;
	int64_t case_id = 0;
	int r = cli_number("--limit", args_get(a, "--limit"), LIST_LIMIT_MAX, &list.limit);

	if (r == 0 && (args_get(a, "--state") || args_get(a, "--endpoint")))
		r = cli_fail(EXIT_USAGE_ERROR, "message list --held takes no --state and no --endpoint: only mails are held");
	if (r == 0 && of_case)
		r = cli_case_id(of_case, &case_id);
	if (r == 0)
		r = cli_db(c);
	if (r == 0 && person)
		r = cli_person_warn(c, "--person", person);
	if (r)
		return r;
	pg_params_init(&p, c->arena);
	pg_add_text(&p, person);
	if (of_case)
		pg_add_int8(&p, case_id);
	else
		pg_add_null(&p, PG_INT8);
	pg_add_int8(&p, list.limit + 1);
	return cli_list(c, &list, &p);
}

static int message_list(struct cli *c, const struct args *a)
{
	struct listing list = {&sql_messages, message_columns, "no messages", LIMIT_DEFAULT};
	const char *of_case = args_get(a, "--case");
	struct pg_params p;
	int64_t case_id = 0;
	int r = cli_number("--limit", args_get(a, "--limit"), LIST_LIMIT_MAX, &list.limit);

	if (args_has(a, "--held"))
		return held_list(c, a);
	if (r == 0 && args_get(a, "--person"))
		r = cli_fail(EXIT_USAGE_ERROR, "message list --person goes with --held");
	if (r == 0)
		r = states_check(c, args_get(a, "--state"));
	if (r == 0 && of_case)
		r = cli_case_id(of_case, &case_id);
	if (r == 0)
		r = cli_db(c);
	if (r == 0 && args_get(a, "--endpoint"))
		r = cli_endpoint_known(c, args_get(a, "--endpoint"), false);
	if (r)
		return r;
	pg_params_init(&p, c->arena);
	pg_add_text(&p, args_get(a, "--endpoint"));
	pg_add_text(&p, args_get(a, "--state"));
	if (of_case)
		pg_add_int8(&p, case_id);
	else
		pg_add_null(&p, PG_INT8);
	pg_add_int8(&p, list.limit + 1);
	return cli_list(c, &list, &p);
}

/* ---- show ---- */

static const struct pg_stmt sql_show = {
	"cli_message_show",
	"SELECT to_json(j)::text FROM closeloop.messages m, LATERAL (SELECT " MESSAGE_COLUMNS ", m.payload,"
	" (SELECT coalesce(json_agg(t ORDER BY t.id), '[]') FROM closeloop.attempts t WHERE t.message_id = m.id) AS attempts) j"
	" WHERE m.id = $1",
	1,
	{PG_UUID},
};
static const struct pg_stmt sql_payload = {
	"cli_message_payload",
	"SELECT payload FROM closeloop.messages WHERE id = $1",
	1,
	{PG_UUID},
};
static const struct pg_stmt sql_lines = {
	"cli_message_lines",
	"SELECT l.label, l.value FROM closeloop.messages m, LATERAL (VALUES"
	" ('message', m.id::text),"
	" ('what', concat_ws(' ', m.kind, m.step)),"
	" ('case', 'C-' || m.case_id),"
	" ('response', m.response_id::text),"
	" ('to', concat_ws(' ', m.endpoint, m.recipient, m.address)),"
	" ('state', concat_ws(', ', m.state::text, CASE WHEN m.handed_on THEN 'the next person was told instead' END,"
	"  CASE WHEN m.state = 'held' THEN concat_ws(', ', " HELD_WHY ", CASE WHEN m.digest_id IS NULL THEN (SELECT 'leaves '"
	"   || to_char(b.digest_at AT TIME ZONE $2, 'YYYY-MM-DD HH24:MI:SS') FROM closeloop.alert_budgets b"
	"   WHERE b.person = m.recipient) END) END)),"
	" ('digest', CASE WHEN m.state <> 'held' THEN 'left as a line of message ' || m.digest_id END),"
	" ('made', to_char(m.created_at AT TIME ZONE $2, 'YYYY-MM-DD HH24:MI:SS')),"
	" ('sent', to_char(m.sent_at AT TIME ZONE $2, 'YYYY-MM-DD HH24:MI:SS')),"
	" ('next try', CASE WHEN m.state = 'queued' THEN to_char(m.next_at AT TIME ZONE $2, 'YYYY-MM-DD HH24:MI:SS') END),"
	" ('last answer', concat_ws(' ', m.last_code::text, m.last_error)),"
	" ('size', octet_length(m.payload) || ' bytes')"
	") l(label, value) WHERE m.id = $1",
	2,
	{PG_UUID, PG_TEXT},
};
static const struct pg_stmt sql_attempts = {
	"cli_message_attempts",
	"SELECT to_json(t)::text, now(), to_char(t.at AT TIME ZONE $2, 'YYYY-MM-DD HH24:MI:SS'), t.outcome, t.code::text,"
	" t.duration_ms || ' ms', concat_ws(' ', t.error, t.answer)"
	" FROM closeloop.attempts t WHERE t.message_id = $1 ORDER BY t.id",
	2,
	{PG_UUID, PG_TEXT},
};
static const struct column attempt_columns[] = {
	{"TRIED", CELL_TEXT, 0}, {"OUTCOME", CELL_TEXT, 0}, {"CODE", CELL_RIGHT, 0},
	{"TOOK", CELL_RIGHT, 0}, {"ANSWER", CELL_TEXT, 0},  {0},
};
static const struct option show_options[] = {{"--payload", NULL, "only the bytes that leave (a customer's words)"}, {0}};

static int cli_message_id(const char *word, struct uuid *ret)
{
	if (uuid_parse(word, ret) < 0)
		return cli_fail(EXIT_USAGE_ERROR, "'%s' is no message: take the id from closeloop message list", word);
	return 0;
}

static int show_payload(struct cli *c, const struct pg_params *id, const char *word)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(c, &sql_payload, id, &rows);

	if (r)
		return r;
	if (pg_count(rows) == 0)
		return cli_fail(EXIT_NO, "unknown message '%s'", word);
	text_put_wrapped(&out, pg_get_text(rows, 0, 0, NULL), INT32_MAX, 0);
	cli_print(c, &out);
	return 0;
}

static int show_text(struct cli *c, const struct pg_params *id_and_zone, const char *word)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct pg_rows *lines CLEANUP(pg_rows_freep) = NULL, *tries CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(c, &sql_lines, id_and_zone, &lines);

	if (r == 0)
		r = cli_run(c, &sql_attempts, id_and_zone, &tries);
	if (r)
		return r;
	if (pg_count(lines) == 0)
		return cli_fail(EXIT_NO, "unknown message '%s'", word);
	cli_put_lines(&out, lines, 0, pg_count(lines), LABEL_COLUMNS);
	if (pg_count(tries)) {
		buf_putc(&out, '\n');
		cli_put_table(&out, tries, pg_count(tries), attempt_columns);
	}
	cli_print(c, &out);
	return 0;
}

static int message_show(struct cli *c, const struct args *a)
{
	struct pg_params id, id_and_zone;
	struct uuid uuid;
	int r = cli_message_id(a->words[0], &uuid);

	if (r == 0)
		r = cli_db(c);
	if (r)
		return r;
	pg_params_init(&id, c->arena);
	pg_add_uuid(&id, &uuid);
	if (args_has(a, "--payload"))
		return show_payload(c, &id, a->words[0]);
	if (c->json)
		return cli_show_json(c, &sql_show, &id, arena_printf(c->arena, "unknown message '%s'", a->words[0]));
	pg_params_init(&id_and_zone, c->arena);
	pg_add_uuid(&id_and_zone, &uuid);
	pg_add_text(&id_and_zone, c->settings->timezone);
	return show_text(c, &id_and_zone, a->words[0]);
}

/* ---- retry, cancel ---- */

/*
 * A final state goes back to the queue with its tries forgotten; the id and the body stay, so a receiver that got
 * it after all sees the same message. What was held without words leaves in a digest.
 */
static const struct pg_stmt sql_retry = {
	"cli_message_retry",
	"WITH back AS (UPDATE closeloop.messages m SET state = CASE m.payload WHEN '' THEN 'held' ELSE 'queued' END"
	"::closeloop.message_state, digest_id = NULL, attempt = 0, next_at = clock_timestamp(),"
	" lease_until = NULL, fence = fence + 1, daemon = NULL"
	" WHERE (m.id = ANY($1) AND m.state IN ('failed', 'dead', 'queued', 'held'))"
	" OR ($2 AND m.state = 'dead' AND ($3::text IS NULL OR m.endpoint = $3)) RETURNING " MESSAGE_COLUMNS ")"
	" SELECT to_json(b)::text, b.seq,"
	" CASE b.state WHEN 'held' THEN closeloop.digest_now(ARRAY[b.recipient]) ELSE closeloop.wake() END::text"
	" FROM back b ORDER BY b.seq",
	3,
	{PG_UUID_ARRAY, PG_BOOL, PG_TEXT},
};
static const struct pg_stmt sql_cancel = {
	"cli_message_cancel",
	"WITH gone AS (UPDATE closeloop.messages m SET state = 'cancelled', lease_until = NULL, fence = fence + 1"
	" WHERE m.id = ANY($1) AND m.state IN ('queued', 'held', 'failed', 'dead') RETURNING " MESSAGE_COLUMNS ")"
	" SELECT to_json(g)::text, g.seq FROM gone g ORDER BY g.seq",
	1,
	{PG_UUID_ARRAY},
};
static const struct pg_stmt sql_states = {
	"cli_message_states",
	"SELECT w.id::text, m.state::text FROM unnest($1) w(id) LEFT JOIN closeloop.messages m USING (id)",
	1,
	{PG_UUID_ARRAY},
};
static const struct option retry_options[] = {
	{"--dead", NULL, "all dead letters"},
	{"--endpoint", "NAME", "with --dead: only this one's"},
	{0},
};

static int ids_parse(struct cli *c, const struct args *a, struct pg_array *ret)
{
	int r = 0;

	pg_array_init(ret, c->arena, PG_UUID);
	for (int i = 0; i < a->n_words && r == 0; i++) {
		struct uuid id;

		r = cli_message_id(a->words[i], &id);
		if (r == 0)
			pg_array_uuid(ret, &id);
	}
	return r;
}

/* Says of each named message that wasn't touched why, before it is touched. Return: 0 when all of them may be. */
static int states_allow(struct cli *c, struct pg_array *ids, const char *verb, const char *refused)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_params p;
	int r;

	pg_params_init(&p, c->arena);
	pg_add_array(&p, ids);
	r = cli_run(c, &sql_states, &p, &rows);
	for (int i = 0; r == 0 && i < pg_count(rows); i++) {
		const char *id = pg_get_text(rows, i, 0, NULL), *state = pg_get_text(rows, i, 1, NULL);

		if (!state)
			r = cli_fail(EXIT_NO, "unknown message '%s'", id);
		else if (strstr(refused, state))
			r = cli_fail(EXIT_NO, "%s is %s: nothing to %s", id, state, verb);
	}
	return r;
}

static int message_retry(struct cli *c, const struct args *a)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	bool dead = args_has(a, "--dead");
	const char *endpoint = args_get(a, "--endpoint");
	struct pg_array ids;
	struct pg_params p;
	int r;

	if (dead == (a->n_words > 0) || (endpoint && !dead))
		return cli_fail(EXIT_USAGE_ERROR, "message retry takes ids from message list, or --dead [--endpoint NAME]");
	r = ids_parse(c, a, &ids);
	if (r == 0)
		r = cli_db(c);
	if (r == 0 && endpoint)
		r = cli_endpoint_known(c, endpoint, false);
	if (r == 0 && !dead)
		r = states_allow(c, &ids, "retry", "sent leased cancelled");
	if (r)
		return r;
	pg_params_init(&p, c->arena);
	pg_add_array(&p, &ids);
	pg_add_bool(&p, dead);
	pg_add_text(&p, endpoint);
	r = cli_run(c, &sql_retry, &p, &rows);
	return r ? r : cli_print_changed(c, rows, "queued again");
}

static int message_cancel(struct cli *c, const struct args *a)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_array ids;
	struct pg_params p;
	int r = ids_parse(c, a, &ids);

	if (r == 0)
		r = cli_db(c);
	if (r == 0)
		r = states_allow(c, &ids, "cancel", "sent leased cancelled");
	if (r)
		return r;
	pg_params_init(&p, c->arena);
	pg_add_array(&p, &ids);
	r = cli_run(c, &sql_cancel, &p, &rows);
	return r ? r : cli_print_changed(c, rows, "cancelled");
}

const struct verb message_verbs[] = {
	{"message", "list", NULL, "deliveries, newest first", list_options, 0, 0, message_list, NULL},
	{"message", "show", "ID", "one delivery with its attempts", show_options, 1, 1, message_show, NULL},
	{"message", "retry", "[ID…]", "try again now", retry_options, 0, WORDS_ANY, message_retry, NULL},
	{"message", "cancel", "ID…", "never send it", NULL, 1, WORDS_ANY, message_cancel, NULL},
	{0},
};
