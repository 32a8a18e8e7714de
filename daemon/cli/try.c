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
#include "cli/explain_json.h"
#include "cli/trace.h"
#include "cli/try.h"
#include "cli/verbs.h"

#include <string.h>

#define TARGET_COLUMNS 60

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
	struct explain_held held;
	struct buf sent; /* results as JSON objects, with --send-to */
};

static const char *const reasons[] = {
	[REASON_LOOKUP] = "lookup",     [REASON_FROM] = "from",         [REASON_PERSON] = "person",
	[REASON_TEAM] = "team",         [REASON_DEPUTY] = "deputy",     [REASON_FALLBACK] = "fallback",
	[REASON_NOTIFIED] = "notified", [REASON_ASSIGNED] = "assigned",
};

/* ---- text ---- */

/* The steps of the chain as `explain` shows them. */
static int plan_steps(const struct outcome *o, struct explain_step **ret)
{
	const struct plan *p = o->plan;

	*ret = arena_new_array(o->c->arena, struct explain_step, (size_t)p->n_trail + 1);
	for (int i = 0; i < p->n_trail; i++) {
		const struct owner_found *f = &p->trail[i];

		(*ret)[i] = (struct explain_step){
			.target = f->target->text,
			.value = f->value,
			.person = f->person ? f->person->id : NULL,
			.instead_of = f->instead_of ? f->instead_of->id : NULL,
			.all_away = f->all_away,
			.why_not = f->why_not,
		};
	}
	return p->n_trail;
}

static void put_owner(const struct outcome *o, int columns, struct buf *out)
{
	struct explain_step *steps;
	int n = plan_steps(o, &steps);

	explain_put_steps(out, "owner", steps, n, columns);
}

/* Why somebody is told: "lookup account hanbit · owner". */
static const char *told_why(struct arena *a, const struct recipient *r)
{
	const char *const words[] = {reasons[r->reason], r->dimension, r->value};
	const char *why = "";

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i])
			why = arena_printf(a, "%s%s%s", why, *why ? " " : "", words[i]);
	return r->is_owner ? arena_printf(a, "%s · owner", why) : why;
}

static void put_told(const struct outcome *o, int columns, struct buf *out)
{
	struct arena *a = o->c->arena;
	const struct plan *p = o->plan;
	struct explain_sent *told = arena_new_array(a, struct explain_sent, (size_t)(p->n_recipients + p->n_webhooks) + 1);
	int n = 0;

	for (int i = 0; i < p->n_recipients; i++) {
		const struct person *person = p->recipients[i].person;
		const char *to = arena_printf(a, "email %s <%s>", person->id, person->email ? person->email : "no address");

		told[n++] = (struct explain_sent){to, p->recipients[i].asked ? "in a digest" : "", "",
						  told_why(a, &p->recipients[i])};
	}
	for (int i = 0; i < p->n_webhooks; i++)
		told[n++] = (struct explain_sent){arena_printf(a, "webhook %s", p->webhooks[i]->id), "", "",
						  p->kind ? p->kind : ""};
	if (n)
		explain_put_sent(out, "told", told, n, columns);
	else
		explain_put_line(out, "told", "nobody", columns);
}

static void put_due(const struct outcome *o, int columns, struct buf *out)
{
	struct arena *a = o->c->arena;
	const struct follow_up *f = o->plan->rule ? o->plan->rule->follow_up : NULL;
	const struct calendar *of_owner = o->plan->owner.person ? o->plan->owner.person->calendar : NULL;
	const char *parts[3] = {NULL};

	if (o->acknowledge_by)
		parts[0] = arena_printf(a, "acknowledge %s", o->acknowledge_by);
	if (o->resolve_by)
		parts[1] = arena_printf(a, "resolve %s", o->resolve_by);
	if (f && f->calendar_use == CALENDAR_NAMED)
		parts[2] = arena_printf(a, "calendar %s", f->calendar->id);
	else if (f && f->calendar_use == CALENDAR_OWNER)
		parts[2] = of_owner ? arena_printf(a, "calendar %s (owner's)", of_owner->id) : "the owner has no calendar";
	if (parts[0] || parts[1])
		explain_put_line(out, "due", explain_join(a, parts, 3), columns);
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
	int columns = text_terminal_columns();
	const struct plan *p = o->plan;

	buf_printf(&out, "try · rules %.7s · nothing is stored\n", o->trace.settings->sha256);
	trace_put(&o->trace, columns, &out);
	if (p && p->too_old)
		buf_puts(&out, "too old (max_age): noted, nobody is told\n");
	if (p && p->action == PLAN_OPEN)
		put_owner(o, columns, &out);
	explain_put_held(&out, &o->held, columns);
	if (!o->held.own_case)
		explain_put_line(&out, "", "so it opens none of its own; if it did:", columns);
	if (p && (p->action == PLAN_OPEN || p->action == PLAN_PRAISE)) {
		put_due(o, columns, &out);
		put_told(o, columns, &out);
		if (o->mail)
			put_mails(o, &out);
	}
	cli_print(o->c, &out);
}

/* ---- JSON ---- */

static void put_time(struct buf *out, const char *name, struct wall_time t)
{
	char text[WALL_TEXT_BYTES];

	wall_text(t, text);
	/* As PostgreSQL writes it in all the other JSON. */
	text[strcspn(text, "Z")] = '\0';
	if (*text)
		buf_printf(out, ",\"%s\":\"%s+00:00\"", name, text);
	else
		explain_json_text(out, name, NULL);
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
		explain_json_text(out, "kind", m->kind);
		explain_json_text(out, "recipient", m->recipient);
		explain_json_text(out, "address", m->address);
		if (mail && o->mail) {
			explain_json_text(out, "subject", p->mails[i].subject);
			explain_json_text(out, "text", p->mails[i].text);
			explain_json_text(out, "html", p->mails[i].html);
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
	struct explain_step *steps;

	explain_json_text(out, "action", actions[p->action]);
	explain_json_text(out, "priority", opens ? priority_name(p->priority) : NULL);
	explain_json_text(out, "route", p->rule && p->rule->route && opens ? p->rule->route->id : NULL);
	explain_json_text(out, "follow_up", p->rule && p->rule->follow_up && opens ? p->rule->follow_up->id : NULL);
	explain_json_text(out, "owner", p->owner.person ? p->owner.person->id : NULL);
	explain_json_text(out, "team", p->owner.team);
	put_time(out, "acknowledge_due_at", p->acknowledge_due);
	put_time(out, "resolve_due_at", p->resolve_due);
	explain_json_trail(out, steps, plan_steps(o, &steps));
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
	explain_json_held(&json, &o->held);
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
	"SELECT to_char($1 AT TIME ZONE $3, CASE WHEN $1 < now() + interval '6 days' THEN 'Dy HH24:MI' ELSE 'Dy YYYY-MM-DD HH24:MI' END),"
	" to_char($2 AT TIME ZONE $3, CASE WHEN $2 < now() + interval '6 days' THEN 'Dy HH24:MI' ELSE 'Dy YYYY-MM-DD HH24:MI' END)",
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

static int judge(struct cli *c, const struct args *a, struct live *live, struct response *response)
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
	if (r == 0)
		r = try_held(c, &(struct trying){live->settings, live->directory, response, plan}, &o.held);
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

static int with_live(struct cli *c, const struct args *a, struct response *response)
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
