/*
 * Operators are told: a job of the work connection between two batches.
 *
 *   claim incidents (marked as told: two daemons, one mail) ─▶ local times ─▶ words ─▶ write messages, commit
 *
 * Each is logged at once as well: mail may be what is broken, and then the mail waits in the outbox as any other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"
#include "case/case_store.h"
#include "flow/inner.h"
#include "outbox/operator_store.h"

#include <errno.h>
#include <stdlib.h>

#define MAILS_AN_HOUR 10 /* to each operator; the rest comes in one that counts it */

static const struct pg_stmt stmt_begin = {"begin", "BEGIN", 0, {0}};
static const struct pg_stmt stmt_commit = {"commit", "COMMIT", 0, {0}};
static const struct pg_stmt stmt_rollback = {"rollback", "ROLLBACK", 0, {0}};

struct operators {
	struct flow *flow;
	struct operator_incident *incidents;
	int n_incidents;
	struct local_time *local; /* two for each incident: since, until */
	struct wall_time now;
	int written, fallbacks;
};

static struct arena *operators_arena(struct operators *o)
{
	return o->flow->intake.arena;
}

static const struct settings *operators_settings(const struct operators *o)
{
	return o->flow->live->settings;
}

/* ---- the end of a round ---- */

static void operators_end(struct operators *o)
{
	intake_run_continue(&o->flow->intake, BETWEEN_OPERATORS, false);
}

static void on_rolled_back(void *arg, const struct pg_error *error)
{
	if (!error || !error->lost)
		operators_end(arg);
}

/* Nothing is lost: it is as untold as before, and the next heartbeat looks again. */
static void operators_failed(struct operators *o, const struct pg_error *error)
{
	struct pg_batch *b;

	if (error->lost)
		return; /* intake_run_lost() follows */
	log_error("operators: sqlstate=%s statement=%s %s", error->sqlstate, error->statement, error->message);
	b = pg_batch_new(o->flow->work);
	pg_batch_add(b, &stmt_rollback, NULL, NULL, NULL);
	pg_batch_send(b, 0, on_rolled_back, o);
}

static void log_incident(const struct operator_incident *x)
{
	bool grave = !x->mailed || str_eq(x->subject, ENDPOINT_EMAIL) || x->kind == OPERATOR_NOBODY_LEFT;

	log_line(grave ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "operators: incident=%s subject=%s%s (closeloop status)",
		 operator_kind_name(x->kind), x->subject, x->mailed ? "" : ": no mail is written of it");
}

static void on_committed(void *arg, const struct pg_error *error)
{
	struct operators *o = arg;

	if (error) {
		operators_failed(o, error);
		return;
	}
	for (int i = 0; i < o->n_incidents; i++)
		log_incident(&o->incidents[i]);
	o->flow->stats.operator_mails += (uint64_t)o->written;
	o->flow->stats.fallbacks += (uint64_t)o->fallbacks;
	if (o->written)
		courier_kick(&o->flow->courier);
	operators_end(o);
}

/* ---- words ---- */

static struct operator_news news_of(struct operators *o, int i)
{
	const struct operator_incident *x = &o->incidents[i];
	struct operator_news n = {
		.language = operators_settings(o)->language,
		.instance = operators_settings(o)->instance,
		.kind = x->kind,
		.name = x->subject,
		.address = x->address,
		.since = o->local[2 * i],
		.since_s = MAX((o->now.us - x->since.us) / US_PER_S, 0),
		.failures = x->failures,
		.count = (int)MIN(x->waiting, INT32_MAX),
		.code = x->code,
		.answer = x->answer,
		.usual_s = x->usual_s,
		.trigger_missing = x->trigger_missing,
	};

	if (wall_is_set(x->until) && x->until.us > o->now.us)
		n.until = o->local[2 * i + 1];
	return n;
}

/* Incidents from here on that share a mail. */
static int together(const struct operators *o, int i)
{
	int n = 1;

	if (o->incidents[i].together)
		n = o->n_incidents - i;
	return n;
}

static int operator_compose(struct operators *o, struct operator_news *n, int to, const struct operator_incident *x,
			    struct outbox_message *ret)
{
	const struct settings *s = operators_settings(o);
	struct mail_text text CLEANUP(mail_text_fini) = {0};
	struct buf out CLEANUP(buf_fini) = BUF_INIT(PAYLOAD_BYTES_MAX);
	struct arena *a = operators_arena(o);
	bool fallback = false;
	int r;

	n->message_id = to == 0 ? x->message_id : uuid_new();
	n->to_address = s->operators.items[to];
	n->redirected_from = NULL;
	if (s->delivery == DELIVER_REDIRECT) {
		n->redirected_from = n->to_address;
		n->to_address = s->redirect_to;
	}
	r = operator_render(o->flow->live->templates, s, n, &text, &fallback);
	if (r == 0)
		r = operator_message(s, n, &text, o->now, &out);
	if (r == 0 && out.overflow)
		r = -EMSGSIZE;
	o->fallbacks += fallback;
	*ret = (struct outbox_message){
		.id = n->message_id,
		.kind = "operator",
		.step = operator_kind_name(n->kind),
		.endpoint = ENDPOINT_EMAIL,
		.recipient = "operators",
		.address = n->to_address,
		.payload = arena_strndup(a, buf_str(&out), out.n),
		.payload_bytes = out.n,
		.dedup_key = arena_printf(a, "operator:%lld:%d", (long long)x->id, to),
		.queued_at = WALL_NONE,
	};
	return r;
}

static void operators_write(struct operators *o)
{
	const struct settings *s = operators_settings(o);
	struct arena *a = operators_arena(o);
	struct outbox_message *all =
		arena_new_array(a, struct outbox_message, (size_t)o->n_incidents * (size_t)MAX(s->operators.n, 1));
	struct pg_params *p = arena_new_obj(a, struct pg_params);
	struct pg_batch *b = pg_batch_new(o->flow->work);
	int count;

	for (int i = 0; i < o->n_incidents; i += count) {
		struct operator_news n = news_of(o, i);

		count = together(o, i);
		if (count > 1)
			n = (struct operator_news){
				.language = n.language, .instance = n.instance, .kind = OPERATOR_MORE, .count = count};
		for (int to = 0; to < s->operators.n && o->incidents[i].mailed; to++) {
			int r = operator_compose(o, &n, to, &o->incidents[i], &all[o->written]);

			o->written += r == 0;
			if (r < 0)
				log_error("operators: no mail can be made of incident=%s (%d)", operator_kind_name(n.kind), r);
		}
	}
	if (o->written > 0) {
		outbox_insert_params(p, a, all, o->written, o->flow->daemon_id);
		pg_batch_add(b, &outbox_insert, p, NULL, NULL);
	}
	pg_batch_add(b, &stmt_commit, NULL, NULL, NULL);
	pg_batch_send(b, 0, on_committed, o);
}

/* ---- what is to be told ---- */

static void on_local_rows(void *arg, const struct pg_rows *rows)
{
	struct operators *o = arg;

	o->local = arena_new_array(operators_arena(o), struct local_time, (size_t)pg_count(rows));
	for (int i = 0; i < pg_count(rows); i++)
		o->local[i] = case_local_time(rows, i);
}

static void on_local(void *arg, const struct pg_error *error)
{
	struct operators *o = arg;

	if (error)
		operators_failed(o, error);
	else
		operators_write(o);
}

static void on_incidents(void *arg, const struct pg_rows *rows)
{
	struct operators *o = arg;

	o->n_incidents = operator_claim_read(rows, operators_arena(o), &o->incidents);
}

static void on_now(void *arg, const struct pg_rows *rows)
{
	struct operators *o = arg;

	o->now = pg_get_time(rows, 0, 0);
}

static void on_claimed(void *arg, const struct pg_error *error)
{
	struct operators *o = arg;
	struct pg_array zones, times;
	struct pg_params *p;
	struct pg_batch *b;
	struct arena *a;

	if (error) {
		operators_failed(o, error);
		return;
	}
	a = operators_arena(o);
	b = pg_batch_new(o->flow->work);
	if (o->n_incidents == 0) {
		pg_batch_add(b, &stmt_commit, NULL, NULL, NULL);
		pg_batch_send(b, 0, on_committed, o);
		return;
	}
	pg_array_init(&zones, a, PG_TEXT);
	pg_array_init(&times, a, PG_TIMESTAMPTZ);
	for (int i = 0; i < o->n_incidents; i++) {
		const struct wall_time asked[] = {o->incidents[i].since, o->incidents[i].until};

		for (size_t k = 0; k < ARRAY_SIZE(asked); k++) {
			pg_array_text(&zones, operators_settings(o)->timezone);
			pg_array_time(&times, wall_is_set(asked[k]) ? asked[k] : o->now);
		}
	}
	p = arena_new_obj(a, struct pg_params);
	pg_params_init(p, a);
	pg_add_array(p, &zones);
	pg_add_array(p, &times);
	pg_batch_add(b, &case_local_times, p, on_local_rows, o);
	pg_batch_send(b, 0, on_local, o);
}

void operators_start(struct intake_run *r)
{
	struct operators *o = arena_new_obj(r->arena, struct operators);
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);
	struct pg_batch *b = pg_batch_new(r->flow->work);

	o->flow = r->flow;
	pg_params_init(p, r->arena);
	pg_add_bool(p, operators_settings(o)->email.set && operators_settings(o)->operators.n > 0);
	pg_add_int4(p, MAILS_AN_HOUR);
	pg_batch_add(b, &stmt_begin, NULL, NULL, NULL);
	pg_batch_add(b, &case_now, NULL, on_now, o);
	pg_batch_add(b, &operator_claim, p, on_incidents, o);
	pg_batch_send(b, 0, on_claimed, o);
}

/* ---- with every heartbeat ---- */

static void on_look(void *arg, const struct pg_rows *rows)
{
	struct flow *f = arg;

	if (pg_get_bool(rows, 0, 0))
		intake_run_between(&f->intake, BETWEEN_OPERATORS);
}

void operators_add_look(struct flow *f, struct pg_batch *b, struct arena *a)
{
	const struct settings *s = f->live->settings;
	struct pg_params *p = arena_new_obj(a, struct pg_params);
	struct pg_array names;

	pg_array_init(&names, a, PG_TEXT);
	if (s->email.set)
		pg_array_text(&names, ENDPOINT_EMAIL);
	for (int i = 0; i < s->n_webhooks; i++)
		pg_array_text(&names, s->webhooks[i].id);
	pg_params_init(p, a);
	pg_add_array(p, &names);
	pg_batch_add(b, &operator_look, p, on_look, f);
}
