/*
 * `status`: what needs a person first, each with the command that helps; then daemons, inbox, messages, cases, follow-up.
 *
 * One statement per section; column 0 is the section as JSON. Exits 1 when something needs a person.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "cli/rulesets.h"
#include "cli/status.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WATCH_S 2
#define NEED_COLUMNS 17
#define FOLLOW_UP_EVERY 15 /* rounds of --watch; it looks at every case of a month */
#define INBOX_LATE_US (60 * US_PER_S)

/* A text beside its label, broken to the terminal's width; the label is as wide as the indent. */
static void put_wrapped(struct buf *out, const struct buf *label, const char *text, int indent)
{
	struct buf lines CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);

	text_put_wrapped(&lines, text, MAX(text_terminal_columns() - indent, 20), indent);
	buf_add(out, buf_str(label), label->n);
	if (lines.n > (size_t)indent)
		buf_puts(out, buf_str(&lines) + indent);
	else
		buf_putc(out, '\n');
}

void status_need(struct status *s, const char *what, const char *text, const char *command)
{
	struct buf label CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX), *out = &s->needs;

	if (s->c->json) {
		buf_puts(out, s->n_needs ? ",{\"what\":" : "{\"what\":");
		json_put_string(out, what);
		buf_puts(out, ",\"text\":");
		json_put_string(out, text);
		buf_puts(out, ",\"command\":");
		json_put_string(out, command);
		buf_putc(out, '}');
	} else {
		buf_puts(&label, "  ");
		text_put_cell(&label, what, NEED_COLUMNS - 3, false);
		buf_putc(&label, ' ');
		put_wrapped(out, &label, text, NEED_COLUMNS);
		if (command)
			buf_printf(out, "%*s%s\n", NEED_COLUMNS, "", command);
	}
	s->n_needs++;
}

void status_put_member(struct status *s, const char *name, const struct pg_rows *rows, int row)
{
	size_t n;
	const char *json = pg_get_text(rows, row, 0, &n);

	buf_printf(&s->json, ",\"%s\":", name);
	text_put_json(&s->json, json, n);
}

void status_put_array(struct status *s, const char *name, const struct pg_rows *rows)
{
	buf_printf(&s->json, ",\"%s\":[", name);
	for (int i = 0; i < pg_count(rows); i++) {
		size_t n;
		const char *json = pg_get_text(rows, i, 0, &n);

		if (i)
			buf_putc(&s->json, ',');
		text_put_json(&s->json, json, n);
	}
	buf_putc(&s->json, ']');
}

const char *status_duration(struct status *s, int64_t us)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT(64);

	text_put_duration(&b, us);
	return arena_strdup(s->c->arena, buf_str(&b));
}

/* How long ago; "-" for never. */
static const char *since(struct status *s, struct wall_time t)
{
	return wall_is_set(t) ? status_duration(s, s->now.us - t.us) : "-";
}

void status_put_label(struct status *s, const char *label)
{
	text_put_cell(&s->text, label, STATUS_LABEL_COLUMNS, false);
}

/* ---- head ---- */

static const struct pg_stmt sql_head = {
	"cli_status_head",
	"SELECT to_json(j)::text, now(), current_database()::text, pg_is_in_recovery(),"
	" to_char(now() AT TIME ZONE $1, 'Dy YYYY-MM-DD HH24:MI'),"
	" (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = 'closeloop.responses'::regclass AND t.tgenabled <> 'D'"
	"  AND t.tgname IN ('capture_insert', 'capture_update'))::int"
	" FROM (SELECT $2 AS version, i.name AS instance, current_database() AS database, pg_is_in_recovery() AS standby,"
	"  $3 AS delivery, now() AS now, $4 AS ruleset FROM closeloop.instance i) j",
	4,
	{PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT},
};

static const char *delivery_text(struct status *s)
{
	const struct settings *set = s->c->settings;

	if (set->delivery == DELIVER_REDIRECT)
		return arena_printf(s->c->arena, "redirect:%s", set->redirect_to);
	return set->delivery == DELIVER_HOLD ? "hold" : "live";
}

static int status_head(struct status *s)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct cli *c = s->c;
	struct pg_params p;
	const char *json;
	size_t n;
	int r;

	pg_params_init(&p, c->arena);
	pg_add_text(&p, c->settings->timezone);
	pg_add_text(&p, CLOSELOOP_VERSION);
	pg_add_text(&p, delivery_text(s));
	pg_add_text(&p, c->settings->sha256);
	r = cli_run(c, &sql_head, &p, &rows);
	if (r)
		return r;
	if (pg_count(rows) == 0)
		return cli_fail(EXIT_CONFIGURATION, "the database names no instance; run closeloop migrate");
	s->now = pg_get_time(rows, 0, 1);
	/* The object stays open: the sections follow as members. */
	json = pg_get_text(rows, 0, 0, &n);
	text_put_json(&s->json, json, n - 1);
	buf_printf(&s->text, "closeloop %s · %s on %s (%s) · delivery %s · %s %s\n", CLOSELOOP_VERSION, c->settings->instance,
		   pg_get_text(rows, 0, 2, NULL), pg_get_bool(rows, 0, 3) ? "standby" : "primary", delivery_text(s),
		   pg_get_text(rows, 0, 4, NULL), c->settings->timezone);
	if (c->settings->delivery == DELIVER_HOLD)
		status_need(s, "delivery", "hold: alerts are written and nothing is sent",
			    arena_printf(c->arena, "set delivery = \"live\" in %s and reload", c->settings->path));
	if (pg_get_bool(rows, 0, 3))
		status_need(s, "database", "a standby: nothing can be written here", NULL);
	if (pg_get_int4(rows, 0, 5) != 2)
		status_need(s, "capture", "the triggers on closeloop.responses are missing or off: new responses go unseen",
			    "ALTER TABLE closeloop.responses ENABLE TRIGGER ALL, or closeloop migrate");
	return 0;
}

/* ---- daemons ---- */

static const struct pg_stmt sql_daemons = {
	"cli_status_daemons",
	"SELECT to_json(j)::text, d.id, d.started_at, d.seen_at, left(d.ruleset, 7),"
	" to_char(p.since AT TIME ZONE $1, 'DD Mon'), d.listening, d.alive, d.ruleset, d.config_error,"
	" to_char(d.config_error_at AT TIME ZONE $1, 'DD Mon HH24:MI'), to_char(p.since AT TIME ZONE $1, 'DD Mon HH24:MI')"
	" FROM (SELECT *, closeloop.daemon_is_alive(d) AS alive FROM closeloop.daemons d WHERE stopped_at IS NULL) d"
	" LEFT JOIN closeloop.ruleset_periods p ON p.daemon = d.id AND p.until IS NULL, LATERAL (SELECT d.*, p.since AS ruleset_since) j"
	" WHERE d.alive OR d.listening OR d.seen_at > now() - interval '1 day' ORDER BY d.id",
	1,
	{PG_TEXT},
};

static void put_daemon(struct status *s, const struct pg_rows *rows, int i)
{
	const char *id = pg_get_text(rows, i, 1, NULL), *rules = pg_get_text(rows, i, 4, NULL),
		   *rules_since = pg_get_text(rows, i, 5, NULL);
	bool alive = pg_get_bool(rows, i, 7);

	status_put_label(s, i ? "" : "daemons");
	escape_terminal(&s->text, id, strlen(id));
	if (alive)
		buf_printf(&s->text, " up %s", since(s, pg_get_time(rows, i, 2)));
	else if (pg_get_bool(rows, i, 6)) /* when it went nobody has written down */
		buf_printf(&s->text, " is gone, was started %s ago", since(s, pg_get_time(rows, i, 2)));
	else
		buf_printf(&s->text, " last seen %s ago", since(s, pg_get_time(rows, i, 3)));
	if (rules)
		buf_printf(&s->text, ", rules %s%s%s", rules, rules_since ? " since " : "", rules_since ? rules_since : "");
	if (alive)
		buf_puts(&s->text, pg_get_bool(rows, i, 6) ? ", listening" : ", polling");
	if (rules && !str_eq(pg_get_text(rows, i, 8, NULL), s->c->settings->sha256))
		buf_printf(&s->text, " (%s is %.7s)", s->c->settings->path, s->c->settings->sha256);
	buf_putc(&s->text, '\n');
}

/* "fb1:412:1771929000 3f9c2a1 since 24 Feb 09:12 · fb2:97:1772419000 8d21b07 since 02 Mar 10:38" */
static void need_same_rules(struct status *s, const struct pg_rows *rows)
{
	struct buf text CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	const char *one = NULL, *other = NULL;

	buf_puts(&text, "they run different rules: which of them judges a response is chance:");
	for (int i = 0; i < pg_count(rows); i++) {
		const char *runs = pg_get_text(rows, i, 8, NULL), *since_text = pg_get_text(rows, i, 11, NULL);

		if (!pg_get_bool(rows, i, 7) || !runs)
			continue;
		buf_printf(&text, "%s %s %.7s%s%s", one ? " ·" : "", pg_get_text(rows, i, 1, NULL), runs,
			   since_text ? " since " : "", since_text ? since_text : "");
		other = one && !str_eq(one, runs) ? runs : other;
		one = one ? one : runs;
	}
	if (other)
		status_need(
			s, "daemons", buf_str(&text),
			arena_printf(s->c->arena,
				     "closeloop rules diff %.7s %.7s; give all the same configuration, then closeloop reload",
				     one, other));
}

/* What a daemon found when it was to take the file; what the command found in its own, when no daemon has said so. */
static void need_good_file(struct status *s, const struct pg_rows *rows)
{
	struct arena *a = s->c->arena;
	bool said = false;

	for (int i = 0; i < pg_count(rows); i++) {
		const char *error = pg_get_text(rows, i, 9, NULL);

		if (!pg_get_bool(rows, i, 7) || !error)
			continue;
		said = true;
		status_need(s, "rules",
			    arena_printf(a, "on disk are broken since %s: %s; %s keeps %.7s", pg_get_text(rows, i, 10, NULL),
					 error, pg_get_text(rows, i, 1, NULL), pg_get_text(rows, i, 8, NULL)),
			    "closeloop check, and when it is content: closeloop reload");
	}
	if (s->broken && !said)
		status_need(s, "rules",
			    arena_printf(a,
					 "on disk are broken: %s; what runs keeps rules %.7s, what starts anew won't come up",
					 s->broken, s->c->settings->sha256),
			    "closeloop check");
}

static int status_daemons(struct status *s)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_params p;
	int r;

	pg_params_init(&p, s->c->arena);
	pg_add_text(&p, s->c->settings->timezone);
	r = cli_run(s->c, &sql_daemons, &p, &rows);
	if (r)
		return r;
	status_put_array(s, "daemons", rows);
	for (int i = 0; i < pg_count(rows); i++) {
		put_daemon(s, rows, i);
		s->daemon_alive |= pg_get_bool(rows, i, 7);
	}
	if (pg_count(rows) == 0) {
		status_put_label(s, "daemons");
		buf_puts(&s->text, "none\n");
	}
	need_good_file(s, rows);
	need_same_rules(s, rows);
	if (!s->daemon_alive)
		status_need(s, "daemon", "none is running: responses wait, nobody is alerted", "systemctl start closeloopd");
	return 0;
}

/* ---- inbox ---- */

static const struct pg_stmt sql_inbox = {
	"cli_status_inbox",
	"SELECT to_json(j)::text, j.waiting, j.oldest, j.set_aside, j.last_response FROM (SELECT"
	" count(*) FILTER (WHERE set_aside_at IS NULL) AS waiting, count(set_aside_at) AS set_aside,"
	" min(available_at) FILTER (WHERE set_aside_at IS NULL AND (NOT settles OR available_at <= clock_timestamp())) AS oldest,"
	" (SELECT max(received_at) FROM closeloop.responses) AS last_response FROM closeloop.inbox) j",
	0,
	{0},
};

static int status_inbox(struct status *s)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct arena *a = s->c->arena;
	struct wall_time oldest, last;
	int64_t waiting, set_aside;
	int r = cli_run(s->c, &sql_inbox, NULL, &rows);

	if (r)
		return r;
	waiting = pg_get_int8(rows, 0, 1);
	oldest = pg_get_time(rows, 0, 2);
	set_aside = pg_get_int8(rows, 0, 3);
	last = pg_get_time(rows, 0, 4);
	status_put_member(s, "inbox", rows, 0);
	status_put_label(s, "inbox");
	buf_printf(&s->text, "%lld waiting, oldest %s, set aside %lld, last response ", (long long)waiting, since(s, oldest),
		   (long long)set_aside);
	text_put_relative(&s->text, last, s->now);
	buf_putc(&s->text, '\n');
	if (set_aside)
		status_need(s, "inbox",
			    arena_printf(a, "%lld response%s could not be judged and %s set aside", (long long)set_aside,
					 set_aside == 1 ? "" : "s", set_aside == 1 ? "is" : "are"),
			    "closeloop inbox list --set-aside");
	if (wall_is_set(oldest) && s->now.us - oldest.us > INBOX_LATE_US)
		status_need(s, "inbox", arena_printf(a, "%lld wait, the oldest for %s", (long long)waiting, since(s, oldest)),
			    s->daemon_alive ? "journalctl -u closeloopd" : NULL);
	return 0;
}

/* ---- messages ---- */

static const struct pg_stmt sql_messages = {
	"cli_status_messages",
	"SELECT to_json(j)::text, j.name, j.configured, j.sent_today, j.p99_seconds, j.waiting, j.undelivered, j.paused,"
	" j.disabled, j.breaker, j.failures, j.reason, j.updated_at, CASE WHEN j.until > now() THEN 'at ' || to_char(j.until "
	"AT TIME ZONE $2, 'HH24:MI') END, j.oldest, j.held"
	" FROM (SELECT name, ord, true AS configured FROM unnest($1) WITH ORDINALITY w(name, ord)"
	"  UNION SELECT endpoint, 10000, false FROM closeloop.messages WHERE state IN ('queued', 'leased', 'held')"
	"  AND endpoint <> ALL ($1) UNION SELECT name, 10000, name = '*' FROM closeloop.endpoints"
	"  WHERE (paused OR disabled) AND name <> ALL ($1)) w"
	" LEFT JOIN closeloop.endpoints e USING (name), LATERAL (SELECT count(*) AS sent_today,"
	"  percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM sent_at - queued_at)::float8)"
	"   FILTER (WHERE held_for IS NULL) AS p99_seconds"
	"  FROM closeloop.messages m WHERE m.endpoint = w.name AND m.state = 'sent'"
	"  AND m.created_at >= date_trunc('day', now() AT TIME ZONE $2) AT TIME ZONE $2) t, LATERAL ("
	"  SELECT count(*) FILTER (WHERE state <> 'held') AS waiting, count(*) FILTER (WHERE state = 'held') AS held,"
	"  min(created_at) FILTER (WHERE state <> 'held') AS oldest FROM closeloop.messages m WHERE m.endpoint = w.name"
	"  AND m.state IN ('queued', 'leased', 'held')) q, LATERAL ("
	"  SELECT count(*) AS undelivered FROM closeloop.messages m WHERE m.endpoint = w.name"
	"  AND m.state IN ('failed', 'dead') AND NOT m.handed_on) d, LATERAL ("
	"  SELECT w.name, w.configured, t.sent_today, t.p99_seconds, q.waiting, q.held, q.oldest, d.undelivered,"
	"  coalesce(e.paused, false) AS paused, coalesce(e.disabled, false) AS disabled, coalesce(e.breaker, 'closed') AS "
	"breaker,"
	"  coalesce(e.failures, 0) AS failures, e.until,"
	"  regexp_replace(e.reason, '^0 ', '') AS reason, e.updated_at) j ORDER BY w.ord, w.name",
	2,
	{PG_TEXT_ARRAY, PG_TEXT},
};

/* "38 wait, the oldest for 41 min" */
static const char *waiting_text(struct status *s, const struct pg_rows *rows, int i)
{
	int64_t waiting = pg_get_int8(rows, i, 5);
	struct wall_time oldest = pg_get_time(rows, i, 14);

	if (waiting == 0)
		return "nothing waits";
	return arena_printf(s->c->arena, "%lld wait%s%s", (long long)waiting, wall_is_set(oldest) ? ", the oldest for " : "",
			    wall_is_set(oldest) ? since(s, oldest) : "");
}

/* An endpoint that doesn't send, and why. */
static void need_endpoint(struct status *s, const struct pg_rows *rows, int i)
{
	struct arena *a = s->c->arena;
	const char *name = pg_get_text(rows, i, 1, NULL), *reason = pg_get_text(rows, i, 11, NULL),
		   *next = pg_get_text(rows, i, 13, NULL), *why = reason ? arena_printf(a, " (%s)", reason) : "";
	const char *changed = since(s, pg_get_time(rows, i, 12));
	int64_t waiting = pg_get_int8(rows, i, 5), undelivered = pg_get_int8(rows, i, 6);
	bool all = str_eq(name, "*");
	const char *who = all ? "all sending" : name;

	if (pg_get_bool(rows, i, 8))
		status_need(s, who, arena_printf(a, "disabled %s%s, %s", changed, why, waiting_text(s, rows, i)),
			    arena_printf(a, "closeloop endpoint enable %s", name));
	else if (pg_get_bool(rows, i, 7))
		status_need(s, who,
			    all ? arena_printf(a, "paused %s%s", changed, why)
				: arena_printf(a, "paused %s%s, %s", changed, why, waiting_text(s, rows, i)),
			    all ? "closeloop resume" : arena_printf(a, "closeloop resume %s", name));
	else if (!str_eq(pg_get_text(rows, i, 9, NULL), "closed"))
		status_need(s, who,
			    arena_printf(a, "failing, %d times in a row%s, %s, next try %s", (int)pg_get_int4(rows, i, 10), why,
					 waiting_text(s, rows, i), next ? next : "with the next message"),
			    arena_printf(a, "closeloop message list --endpoint %s", name));
	else if (!pg_get_bool(rows, i, 2))
		status_need(s, who,
			    arena_printf(a, "is no endpoint of %s any more, %lld wait for it", s->c->settings->path,
					 (long long)(waiting + pg_get_int8(rows, i, 15))),
			    "closeloop message list --state queued,held");
	if (undelivered)
		status_need(s, who,
			    arena_printf(a, "%lld could not be delivered, and nobody was told instead", (long long)undelivered),
			    arena_printf(a, "closeloop message list --state dead,failed --endpoint %s", name));
}

static void put_seconds(struct buf *out, const char *what, double seconds)
{
	buf_printf(out, seconds < 1 ? "%s%.0f ms" : "%s%.1f s", what, seconds < 1 ? seconds * 1000 : seconds);
}

static void put_endpoint(struct status *s, const struct pg_rows *rows, int i, bool first)
{
	const char *name = pg_get_text(rows, i, 1, NULL);

	if (!first)
		buf_puts(&s->text, " · ");
	escape_terminal(&s->text, str_eq(name, "email") ? "mail" : name, strlen(str_eq(name, "email") ? "mail" : name));
	buf_printf(&s->text, " %lld%s", (long long)pg_get_int8(rows, i, 3), first ? " today" : "");
	if (!pg_is_null(rows, i, 4))
		put_seconds(&s->text, ", p99 ", pg_get_float8(rows, i, 4));
	if (pg_get_int8(rows, i, 5))
		buf_printf(&s->text, ", %lld wait", (long long)pg_get_int8(rows, i, 5));
	if (pg_get_int8(rows, i, 15))
		buf_printf(&s->text, ", %lld held", (long long)pg_get_int8(rows, i, 15));
}

static int status_messages(struct status *s)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	const struct settings *set = s->c->settings;
	int64_t undelivered = 0;
	struct pg_array names;
	struct pg_params p;
	bool first = true;
	int r;

	pg_array_init(&names, s->c->arena, PG_TEXT);
	if (set->email.set)
		pg_array_text(&names, "email");
	for (int i = 0; i < set->n_webhooks; i++)
		pg_array_text(&names, set->webhooks[i].id);
	pg_params_init(&p, s->c->arena);
	pg_add_array(&p, &names);
	pg_add_text(&p, set->timezone);
	r = cli_run(s->c, &sql_messages, &p, &rows);
	if (r)
		return r;
	status_put_array(s, "messages", rows);
	status_put_label(s, "messages");
	for (int i = 0; i < pg_count(rows); i++) {
		undelivered += pg_get_int8(rows, i, 6);
		need_endpoint(s, rows, i);
		if (str_eq(pg_get_text(rows, i, 1, NULL), "*"))
			continue;
		put_endpoint(s, rows, i, first);
		first = false;
	}
	buf_printf(&s->text, "%sundelivered %lld\n", first ? "" : " · ", (long long)undelivered);
	return 0;
}

/* ---- the whole ---- */

static void put_line(struct buf *out, const char *line, size_t n)
{
	struct buf label CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX),
			 text CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	size_t label_n = MIN(n, (size_t)STATUS_LABEL_COLUMNS);

	buf_add(&label, line, label_n);
	buf_add(&text, line + label_n, n - label_n);
	put_wrapped(out, &label, buf_str(&text), STATUS_LABEL_COLUMNS);
}

static void print(struct status *s)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	const char *text = buf_str(&s->text), *text_end = strchr(text, '\n');

	/* The head, the needs, then the sections: whole lines, their labels as wide as status_put_label() makes them. */
	if (s->c->json) {
		buf_puts(&out, buf_str(&s->json));
		buf_puts(&out, ",\"needs_a_person\":[");
		text_put_json(&out, buf_str(&s->needs), s->needs.n);
		buf_puts(&out, "]}\n");
	} else {
		put_line(&out, text, (size_t)(text_end - text));
		if (s->n_needs) {
			buf_puts(&out, "NEEDS A PERSON\n");
			buf_puts(&out, buf_str(&s->needs));
		}
		for (text = text_end + 1; *text; text = text_end + 1) {
			text_end = strchr(text, '\n');
			put_line(&out, text, (size_t)(text_end - text));
		}
	}
	cli_print(s->c, &out);
}

/* kept: text and JSON of the follow-up section; filled when it was empty. */
static int status_once(struct cli *c, const char *broken, bool clear, struct buf kept[2])
{
	static int (*const sections[])(struct status * s) = {status_head,     status_daemons,   status_inbox, status_sources,
							     status_messages, status_incidents, status_cases, status_follow_up};
	struct status s = {
		.c = c,
		.broken = broken,
		.kept = kept,
		.needs = BUF_INIT(CLI_OUTPUT_BYTES_MAX),
		.text = BUF_INIT(CLI_OUTPUT_BYTES_MAX),
		.json = BUF_INIT(CLI_OUTPUT_BYTES_MAX),
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sections) && r == 0; i++)
		r = sections[i](&s);
	if (r == 0) {
		if (clear)
			fputs("\033[H\033[2J", stdout);
		print(&s);
		r = s.n_needs ? EXIT_NO : EXIT_DONE;
	}
	buf_fini(&s.needs);
	buf_fini(&s.text);
	buf_fini(&s.json);
	return r;
}

const struct option status_options[] = {{"--watch", NULL, "again every 2 s, until Ctrl-C"}, {0}};

int status_run(struct cli *c, const struct args *a)
{
	const struct timespec pause = {.tv_sec = WATCH_S};
	bool watch = args_has(a, "--watch");
	struct buf kept[2] = {BUF_INIT(CLI_OUTPUT_BYTES_MAX), BUF_INIT(CLI_OUTPUT_BYTES_MAX)};
	const char *broken;
	int r = cli_db_broken_ok(c, &broken), round = 0;

	if (r)
		return r;
	do {
		if (round++ % FOLLOW_UP_EVERY == 0) {
			buf_reset(&kept[0]);
			buf_reset(&kept[1]);
		}
		r = status_once(c, broken, watch && isatty(STDOUT_FILENO), kept);
		if (watch && (r == EXIT_DONE || r == EXIT_NO) && !c->broken_output)
			nanosleep(&pause, NULL);
	} while (watch && (r == EXIT_DONE || r == EXIT_NO) && !c->broken_output);
	buf_fini(&kept[0]);
	buf_fini(&kept[1]);
	return r;
}
