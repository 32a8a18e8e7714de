/*
 * `try FACT=VALUE… [--mail] [--send-to ADDR]`: judge an invented response with live rules and owners; stores nothing.
 *
 *   words → response → trace of the rules (here) + plan of the judge (flow/try.h) → text or JSON → mails sent, if asked
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "cli/cli.h"
#include "cli/facts.h"
#include "cli/send.h"
#include "cli/trace.h"
#include "cli/verbs.h"
#include "flow/try.h"

#include <string.h>

#define TARGET_COLUMNS 60
#define TARGET_BYTES_MAX 4096

const struct option try_options[] = {
	{"--mail", NULL, "show the mails that would go out"},
	{"--send-to", "ADDR", "send these mails to this address, now"},
	{0},
};

struct outcome {
	struct cli *c;
	struct trace trace;
	const struct plan *plan;                 /* NULL: no rule matched */
	bool mail;                               /* --mail */
	const char *acknowledge_by, *resolve_by; /* local, for people; NULL */
	struct buf sent;                         /* results as JSON objects, with --send-to */
};

static const char *const reasons[] = {
	[REASON_LOOKUP] = "lookup",     [REASON_FROM] = "from",         [REASON_PERSON] = "person",
	[REASON_TEAM] = "team",         [REASON_DEPUTY] = "deputy",     [REASON_FALLBACK] = "fallback",
	[REASON_NOTIFIED] = "notified", [REASON_ASSIGNED] = "assigned",
};

/* ---- text ---- */

static void put_target(struct buf *out, const struct owner_found *f)
{
	buf_puts(out, f->target->text);
	if (f->value)
		buf_printf(out, " '%s'", f->value);
}

static void put_found(struct buf *out, const struct owner_found *f, int columns)
{
	struct buf target CLEANUP(buf_fini) = BUF_INIT(TARGET_BYTES_MAX);

	put_target(&target, f);
	text_put_cell(out, buf_str(&target), columns, false);
	buf_putc(out, ' ');
	if (!f->person) {
		text_put_clipped(out, f->why_not ? f->why_not : "nobody", TARGET_COLUMNS);
	} else {
		buf_puts(out, f->person->id);
		if (f->instead_of)
			buf_printf(out, ", instead of %s, who is away", f->instead_of->id);
		if (f->all_away)
			buf_puts(out, ", who is away, and everybody who could stand in");
	}
	buf_putc(out, '\n');
}

static void put_owner(const struct outcome *o, struct buf *out)
{
	const struct plan *p = o->plan;

	int columns = 0;

	for (int i = 0; i < p->n_trail; i++) {
		struct buf target CLEANUP(buf_fini) = BUF_INIT(TARGET_BYTES_MAX);

		put_target(&target, &p->trail[i]);
		columns = MAX(columns, text_columns(buf_str(&target), target.n));
	}
	for (int i = 0; i < p->n_trail; i++) {
		text_put_cell(out, i ? "" : "owner", 9, false);
		put_found(out, &p->trail[i], MIN(columns, TARGET_COLUMNS));
	}
}

static void put_told(const struct outcome *o, struct buf *out)
{
	const struct plan *p = o->plan;
	bool first = true;

	for (int i = 0; i < p->n_recipients; i++, first = false) {
		const struct recipient *r = &p->recipients[i];

		text_put_cell(out, first ? "told" : "", 9, false);
		buf_printf(out, "email %s <%s> · ", r->person->id, r->person->email ? r->person->email : "no address");
		buf_puts(out, reasons[r->reason]);
		if (r->dimension || r->value) {
			buf_putc(out, ' ');
			text_put_clipped(out, r->dimension ? r->dimension : "", TARGET_COLUMNS);
			buf_puts(out, r->dimension && r->value ? " " : "");
			text_put_clipped(out, r->value ? r->value : "", TARGET_COLUMNS);
		}
		buf_puts(out, r->is_owner ? " · owner\n" : "\n");
	}
	for (int i = 0; i < p->n_webhooks; i++, first = false) {
		text_put_cell(out, first ? "told" : "", 9, false);
		buf_printf(out, "webhook %s %s\n", p->webhooks[i]->id, p->kind ? p->kind : "");
	}
	if (first)
		buf_puts(out, "told     nobody\n");
}

static void put_due(const struct outcome *o, struct buf *out)
{
	if (!o->acknowledge_by && !o->resolve_by)
		return;
	buf_puts(out, "due      ");
	if (o->acknowledge_by)
		buf_printf(out, "acknowledge %s%s", o->acknowledge_by, o->resolve_by ? " · " : "");
	if (o->resolve_by)
		buf_printf(out, "resolve %s", o->resolve_by);
	buf_putc(out, '\n');
}

static void put_mails(const struct outcome *o, struct buf *out)
{
	const struct plan *p = o->plan;

	for (int i = 0; i < p->n_messages; i++) {
		const struct outbox_message *m = &p->messages[i];

		if (!str_eq(m->endpoint, ENDPOINT_EMAIL))
			continue;
		buf_puts(out, "\nTo: ");
		escape_terminal(out, m->address, strlen(m->address));
		buf_puts(out, "\nSubject: ");
		escape_terminal(out, p->mails[i].subject, strlen(p->mails[i].subject));
		buf_puts(out, "\n\n");
		text_put_wrapped(out, p->mails[i].text, INT32_MAX, 0);
	}
}

static void put_text(const struct outcome *o)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	const struct plan *p = o->plan;

	buf_printf(&out, "try · rules %.7s · nothing is stored\n", o->trace.settings->sha256);
	trace_put(&o->trace, text_terminal_columns(), &out);
	if (p && p->too_old)
		buf_puts(&out, "too old (max_age): noted, nobody is told\n");
	if (p && (p->action == PLAN_OPEN || p->action == PLAN_PRAISE)) {
		put_owner(o, &out);
		put_due(o, &out);
		put_told(o, &out);
		if (o->mail)
			put_mails(o, &out);
	}
	cli_print(o->c, &out);
}

/* ---- JSON ---- */

static void put_string(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, ",\"%s\":", name);
	json_put_string(out, value);
}

static void put_time(struct buf *out, const char *name, struct wall_time t)
{
	char text[WALL_TEXT_BYTES];

	wall_text(t, text);
	/* As PostgreSQL writes it in all the other JSON. */
	text[strcspn(text, "Z")] = '\0';
	if (*text)
		buf_printf(out, ",\"%s\":\"%s+00:00\"", name, text);
	else
		put_string(out, name, NULL);
}

static void put_trail_json(const struct plan *p, struct buf *out)
{
	buf_puts(out, ",\"trail\":[");
	for (int i = 0; i < p->n_trail; i++) {
		const struct owner_found *f = &p->trail[i];

		buf_puts(out, i ? ",{\"target\":" : "{\"target\":");
		json_put_string(out, f->target->text);
		put_string(out, "value", f->value);
		put_string(out, "person", f->person ? f->person->id : NULL);
		put_string(out, "instead_of", f->instead_of ? f->instead_of->id : NULL);
		put_string(out, "why_not", f->person ? NULL : f->why_not);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

static void put_messages_json(const struct outcome *o, struct buf *out)
{
	const struct plan *p = o->plan;

	buf_puts(out, ",\"messages\":[");
	for (int i = 0; i < p->n_messages; i++) {
		const struct outbox_message *m = &p->messages[i];
		bool mail = str_eq(m->endpoint, ENDPOINT_EMAIL);

		buf_puts(out, i ? ",{\"endpoint\":" : "{\"endpoint\":");
		json_put_string(out, m->endpoint);
		put_string(out, "kind", m->kind);
		put_string(out, "recipient", m->recipient);
		put_string(out, "address", m->address);
		if (mail && o->mail) {
			put_string(out, "subject", p->mails[i].subject);
			put_string(out, "text", p->mails[i].text);
			put_string(out, "html", p->mails[i].html);
		}
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

static void put_plan_json(const struct outcome *o, struct buf *out)
{
	static const char *const actions[] = {
		[PLAN_NOTHING] = "nothing", [PLAN_OPEN] = "open",     [PLAN_PRAISE] = "praise", [PLAN_NOTE] = "note",
		[PLAN_AMEND] = "amend",     [PLAN_RETURN] = "return", [PLAN_TELL] = "tell",
	};
	const struct plan *p = o->plan;
	bool opens = p->action == PLAN_OPEN;

	put_string(out, "action", actions[p->action]);
	put_string(out, "priority", opens ? priority_name(p->priority) : NULL);
	put_string(out, "route", p->rule && p->rule->route && opens ? p->rule->route->id : NULL);
	put_string(out, "follow_up", p->rule && p->rule->follow_up && opens ? p->rule->follow_up->id : NULL);
	put_string(out, "owner", p->owner.person ? p->owner.person->id : NULL);
	put_string(out, "team", p->owner.team);
	put_time(out, "acknowledge_due_at", p->acknowledge_due);
	put_time(out, "resolve_due_at", p->resolve_due);
	put_trail_json(p, out);
	put_messages_json(o, out);
}

static void put_json(const struct outcome *o)
{
	struct buf json CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX),
			out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);

	buf_puts(&json, "{\"ruleset\":");
	json_put_string(&json, o->trace.settings->sha256);
	buf_putc(&json, ',');
	trace_put_json(&o->trace, &json);
	if (o->plan)
		put_plan_json(o, &json);
	else
		buf_puts(&json, ",\"action\":\"nothing\",\"owner\":null,\"trail\":[],\"messages\":[]");
	if (o->sent.n)
		buf_printf(&json, ",\"sent\":[%s]", buf_str(&o->sent));
	buf_putc(&json, '}');
	text_put_json(&out, buf_str(&json), json.n);
	buf_putc(&out, '\n');
	cli_print(o->c, &out);
}

/* ---- the whole ---- */

static const struct pg_stmt sql_due = {
	"cli_try_due",
	"SELECT to_char($1 AT TIME ZONE $3, 'Dy YYYY-MM-DD HH24:MI'), to_char($2 AT TIME ZONE $3, 'Dy YYYY-MM-DD HH24:MI')",
	3,
	{PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_TEXT},
};

static int local_dues(struct outcome *o)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct cli *c = o->c;
	struct pg_params p;
	int r;

	if (!o->plan || o->plan->action != PLAN_OPEN)
		return 0;
	pg_params_init(&p, c->arena);
	pg_add_time(&p, o->plan->acknowledge_due);
	pg_add_time(&p, o->plan->resolve_due);
	pg_add_text(&p, o->trace.settings->timezone);
	r = cli_run(c, &sql_due, &p, &rows);
	if (r)
		return r;
	o->acknowledge_by = arena_strdup(c->arena, pg_get_text(rows, 0, 0, NULL));
	o->resolve_by = arena_strdup(c->arena, pg_get_text(rows, 0, 1, NULL));
	return 0;
}

static int send_mail(struct outcome *o, const struct outbox_message *m)
{
	struct delivery_result *result = NULL;
	struct cli *c = o->c;
	int r = cli_send(c, delivery_new(&m->id, ENDPOINT_EMAIL, m->address, m->payload, m->payload_bytes), &result);

	if (r)
		return r;
	if (c->json) {
		if (o->sent.n)
			buf_putc(&o->sent, ',');
		cli_put_result(&o->sent, result, m->address);
		r = cli_result_code(result);
	} else {
		r = cli_send_told(c, result, m->address);
	}
	delivery_result_free(result);
	return r;
}

/* Sends the plan's mails; they are addressed to the one address already. */
static int send_mails(struct outcome *o)
{
	int n = 0, worst = EXIT_DONE;

	for (int i = 0; o->plan && i < o->plan->n_messages; i++) {
		int r;

		if (!str_eq(o->plan->messages[i].endpoint, ENDPOINT_EMAIL))
			continue;
		n++;
		r = send_mail(o, &o->plan->messages[i]);
		worst = MAX(worst, r);
	}
	return n ? worst : cli_fail(EXIT_NO, "no mail would go out: nothing was sent");
}

static int judge(struct cli *c, const struct args *a, struct live *live, const struct response *response)
{
	const char *send_to = args_get(a, "--send-to");
	struct trial trial = {.live = live, .response = response, .send_to = send_to, .arena = c->arena};
	struct outcome o = {.c = c, .mail = args_has(a, "--mail"), .sent = BUF_INIT(CLI_OUTPUT_BYTES_MAX)};
	struct pg_error error = {0};
	struct plan *plan = NULL;
	int r;

	if (try_run(&trial, &plan, &error) < 0)
		return cli_sql_error(&error);
	o.plan = plan;
	trace_init(&o.trace, live->settings, live->scratch, response, c->arena);
	r = local_dues(&o);
	if (r)
		return r;
	if (!c->json)
		put_text(&o);
	if (send_to)
		r = send_mails(&o);
	if (c->json)
		put_json(&o);
	buf_fini(&o.sent);
	return r;
}

static int with_live(struct cli *c, const struct args *a, const struct response *response)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct settings *settings = c->settings;
	struct live *live = NULL;
	int r;

	/* live owns the settings from here on; c->settings stays as the name they are known by until it goes. */
	if (live_new(settings, diags, &live)) {
		c->settings = NULL;
		cli_print_diags(diags);
		return cli_fail(EXIT_CONFIGURATION, "a template can't be used: see closeloop check");
	}
	r = judge(c, a, live, response);
	c->settings = NULL;
	live_free(live);
	return r;
}

int try_verb(struct cli *c, const struct args *a)
{
	const char *send_to = args_get(a, "--send-to"), *address;
	struct response response = {.responded_at = wall_now()};
	const char *error;
	int r = cli_settings(c);

	if (r)
		return r;
	if (facts_parse(c->settings, c->arena, a->words, a->n_words, &response, &error))
		return cli_fail(EXIT_USAGE_ERROR, "%s", error);
	if (send_to)
		r = cli_send_address(c, send_to, &address);
	if (r == 0)
		r = cli_db(c);
	return r ? r : with_live(c, a, &response);
}
