/*
 * The courier: leases due messages, hands them to the channel, settles what comes back.
 *
 *   kick ─▶ [settle results + endpoint states, states? claim] ─▶ channel ─▶ result ─▶ wake …
 *
 * One round is under way at a time, one transaction, so that it waits for the disk once; whatever happens meanwhile asks for
 * another one. It claims only if something may be due that the last look didn't see (courier_look.c): most messages come leased from
 * the intake.
 * A result is kept until the settle that carries it was committed, so a lost connection costs nothing but time; after a round that
 * failed the next one only settles. Leases of what is in the channel are renewed every 10 s. Messages committed as leased by the
 * intake come in through courier_send() without a claim.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/exit.h"
#include "base/log.h"
#include "flow/courier_look.h"
#include "flow/endpoints.h"
#include "outbox/backoff.h"
#include "outbox/operator_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COURIER_ARENA_BYTES (64 * 1024)
#define COURIER_LOOK_US (11 * US_PER_S)   /* the third of those, while who writes messages tells us */
#define COURIER_GATHER_US (5 * US_PER_MS) /* results that come close together are settled together */
#define COURIER_SETTLE_MOST 512           /* results in one statement */
#define COURIER_RECLAIM_US (3 * US_PER_S)

struct flight {
	struct list link; /* of courier.flights */
	struct uuid id;
	int32_t fence, attempt;
	struct wall_time first_try_at;
	struct mono_time sent;
	struct courier_endpoint *endpoint;
};

struct landed { /* a result on its way to the settle */
	struct list link;
	struct delivery_result *result;
	struct outbox_settlement settlement;
};

static void courier_round(struct courier *c);
static void courier_wake(struct courier *c);

/* ---- into the channel ---- */

static void courier_fly(struct courier *c, struct courier_endpoint *e, struct delivery *d)
{
	const struct settings *s = c->flow->live->settings;
	struct flight *f = xcalloc(1, sizeof(*f));

	if (s->delivery == DELIVER_REDIRECT && d->recipient) { /* also what was rendered before the redirect */
		free(d->recipient);
		d->recipient = xstrdup(s->redirect_to);
	}

	f->id = d->id;
	f->fence = d->fence;
	f->attempt = d->attempt;
	f->first_try_at = wall_is_set(d->first_try_at) ? d->first_try_at : wall_now();
	f->sent = mono_now();
	f->endpoint = e;
	d->tag = f;
	list_append(&c->flights, &f->link);
	e->in_flight++;
	if (!deadline_is_armed(&c->renew))
		deadline_arm(&c->renew, LEASE_RENEW_US);
	channel_submit(c->channel, d);
}

void courier_send(struct courier *c, const struct outbox_message *m)
{
	struct courier_endpoint *e = courier_endpoint(c, m->endpoint);
	struct delivery *d = delivery_new(&m->id, m->endpoint, m->address, m->payload, m->payload_bytes);

	d->fence = 1;
	d->attempt = 1;
	d->case_id = m->case_id;
	d->created_at = m->queued_at;
	d->first_try_at = WALL_NONE;
	e->reserved--;
	courier_fly(c, e, d);
}

/* ---- what comes back ---- */

static void log_result(const struct delivery_result *r, const struct outbox_settlement *s)
{
	char id[UUID_TEXT_BYTES];

	log_line(r->outcome == DELIVERY_SENT || r->outcome == DELIVERY_RELEASED ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
		 "message %s: endpoint=%s attempt=%d outcome=%s code=%d duration_ms=%d becomes=%s %s", uuid_text(&s->id, id),
		 r->delivery->endpoint, r->delivery->attempt, delivery_outcome_name(r->outcome), r->code, r->duration_ms,
		 message_state_name(s->state), r->error);
}

static void on_result(void *arg, struct delivery_result *r)
{
	struct courier *c = arg;
	struct flight *f = r->delivery->tag;
	bool mail = strcmp(r->delivery->endpoint, ENDPOINT_EMAIL) == 0;
	struct verdict_of_attempt v;
	struct landed *l;

	list_remove(&f->link);
	f->endpoint->in_flight--;
	v = backoff_after(r, mail, f->attempt, wall_now().us - f->first_try_at.us, (double)(random() % 1000) / 1000);
	l = xcalloc(1, sizeof(*l));
	l->result = r;
	l->settlement = (struct outbox_settlement){
		.id = f->id, .fence = f->fence, .state = v.state, .counts = v.counts, .delay_us = v.delay_us, .result = r};
	endpoint_note(f->endpoint, r, mail);
	stats_message(&c->flow->stats, r, v.state);
	log_result(r, &l->settlement);
	free(f);
	list_append(&c->results, &l->link);
	c->n_results++;
	courier_wake(c);
	flow_progress(c->flow);
}

/* ---- a round ---- */

static void landed_free_all(struct list *l)
{
	struct list *it;

	while ((it = list_pop(l))) {
		struct landed *x = list_entry(it, struct landed, link);

		delivery_result_free(x->result);
		free(x);
	}
}

/* What receivers said is the only part of a result that PostgreSQL may not take. */
static void courier_forget_words(struct courier *c)
{
	list_for_each(it, &c->settling) {
		struct delivery_result *r = list_entry(it, struct landed, link)->result;

		r->error[0] = r->answer[0] = '\0';
	}
	for (int i = 0; i < c->n_endpoints; i++)
		c->endpoints[i].reason[0] = '\0';
}

static bool landed_is_undeliverable(const struct landed *l)
{
	return l->settlement.state == MESSAGE_FAILED || l->settlement.state == MESSAGE_DEAD;
}

static void courier_settled(struct courier *c, const struct pg_error *error)
{
	bool undeliverable = false, incident = endpoints_settled(c, !error);

	if (error) { /* back to the head of the line, in their order */
		struct list *it;

		c->unsettled = true;
		if (intake_blames_rows(error) && strcmp(error->statement, outbox_claim.name) != 0)
			courier_forget_words(c);
		while ((it = c->settling.prev) != &c->settling) {
			list_remove(it);
			list_prepend(&c->results, it);
			c->n_results++;
		}
		if (!error->lost)
			log_error("settling: sqlstate=%s statement=%s %s", error->sqlstate, error->statement, error->message);
		return;
	}
	list_for_each(it, &c->settling) {
		const struct landed *l = list_entry(it, struct landed, link);

		undeliverable |= landed_is_undeliverable(l); /* a mail that will not arrive has left a notice */
		if (l->settlement.state == MESSAGE_QUEUED)
			courier_look_in(c, l->settlement.delay_us);
	}
	landed_free_all(&c->settling);
	c->again |= c->unsettled;
	c->asked |= c->unsettled;
	c->unsettled = false;
	if (undeliverable)
		intake_run_between(&c->flow->intake, BETWEEN_NOTICES);
	if (undeliverable || incident)
		intake_run_between(&c->flow->intake, BETWEEN_OPERATORS);
	flow_progress(c->flow);
}

/* Those that will not arrive begin incidents, if they become so by this settle. */
static void add_undelivered(struct courier *c, struct pg_batch *b, const struct outbox_settlement *all, int n)
{
	struct pg_params *p;
	struct pg_array ids;

	pg_array_init(&ids, c->arena, PG_UUID);
	for (int i = 0; i < n; i++)
		if (all[i].state == MESSAGE_FAILED || all[i].state == MESSAGE_DEAD)
			pg_array_uuid(&ids, &all[i].id);
	if (ids.count == 0)
		return;
	p = arena_new_obj(c->arena, struct pg_params);
	pg_params_init(p, c->arena);
	pg_add_array(p, &ids);
	pg_batch_add(b, &operator_undelivered, p, NULL, NULL);
}

/*
 * Where more is due than there is room for, a round may be as large as what the connections still have to do, so that they don't run
 * dry behind it: as many results are settled, and three times as much claimed. Fixed sizes were either too small for a slow disk, and
 * results piled up, or too large for a start.
 */
static int courier_in_flight(const struct courier *c)
{
	int n = 0;

	for (int i = 0; i < c->n_endpoints; i++)
		n += c->endpoints[i].in_flight;
	return n;
}

/* What is due there waits for such a result: for its room, or for its being settled. */
static bool landed_is_waited_for(struct courier *c, const struct landed *l)
{
	const struct courier_endpoint *e = courier_endpoint(c, l->result->delivery->endpoint);

	return e && e->left;
}

static void add_settle(struct courier *c, struct pg_batch *b)
{
	bool left = endpoints_have_left(c);
	int most = left ? MIN(COURIER_SETTLE_MOST, MAX(COURIER_ROUND_LEAST, courier_in_flight(c))) : COURIER_ROUND_LEAST;
	struct outbox_settlement *all = arena_new_array(c->arena, struct outbox_settlement, (size_t)most);
	struct pg_params *p = arena_new_obj(c->arena, struct pg_params);
	struct list *it;
	int n = 0;

	while (n < most && (it = list_pop(&c->results))) {
		const struct landed *l = list_entry(it, struct landed, link);

		all[n++] = l->settlement;
		c->asked |= left && landed_is_waited_for(c, l);
		list_append(&c->settling, it);
	}
	c->n_results -= n;
	outbox_settle_params(p, c->arena, all, n);
	pg_batch_add(b, &outbox_settle, p, NULL, NULL);
	c->asked |= endpoints_add_news(c, b);
	add_undelivered(c, b, all, n);
}

/* Everything whose lease is ours: in the channel, or with a result that isn't settled. fences may be NULL. */
static void courier_leases(struct courier *c, struct pg_array *ids, struct pg_array *fences)
{
	struct list *const landed[] = {&c->results, &c->settling};

	list_for_each(it, &c->flights) {
		const struct flight *f = list_entry(it, struct flight, link);

		pg_array_uuid(ids, &f->id);
		if (fences)
			pg_array_int4(fences, f->fence);
	}
	for (size_t i = 0; i < ARRAY_SIZE(landed); i++)
		list_for_each(it, landed[i]) {
			const struct outbox_settlement *s = &list_entry(it, struct landed, link)->settlement;

			pg_array_uuid(ids, &s->id);
			if (fences)
				pg_array_int4(fences, s->fence);
		}
}

/* A commit is under way whose messages are leased already and in nobody's hands yet: not lost, so not reclaimed (tests/model). */
static bool courier_has_reserved(const struct courier *c)
{
	for (int i = 0; i < c->n_endpoints; i++)
		if (c->endpoints[i].reserved > 0)
			return true;
	return false;
}

static void send_reclaim(struct courier *c)
{
	struct pg_params *p = arena_new_obj(c->arena, struct pg_params);
	struct pg_batch *b = pg_batch_new(c->flow->outbox);
	struct pg_array ids;

	pg_array_init(&ids, c->arena, PG_UUID);
	courier_leases(c, &ids, NULL);
	pg_params_init(p, c->arena);
	pg_add_text(p, c->flow->daemon_id);
	pg_add_array(p, &ids);
	pg_add_float8(p, (double)(mono_now().us - c->up_at.us) / (double)US_PER_S);
	pg_batch_add(b, &outbox_reclaim, p, NULL, NULL);
	pg_batch_send(b, 0, NULL, NULL);
	c->reclaim = false;
}

/*
 * Its lease ran out in our hands (the database was away, its clock jumped) and was taken anew, but it is on its way, or its result
 * waits for the settle: no second copy, and what comes of it counts under the new lease.
 */
static bool courier_has(struct courier *c, const struct delivery *d)
{
	list_for_each(it, &c->flights) {
		struct flight *f = list_entry(it, struct flight, link);

		if (uuid_eq(&f->id, &d->id)) {
			f->fence = d->fence;
			f->attempt = d->attempt;
			return true;
		}
	}
	list_for_each(it, &c->results) {
		struct outbox_settlement *s = &list_entry(it, struct landed, link)->settlement;

		if (uuid_eq(&s->id, &d->id)) {
			s->fence = d->fence;
			return true;
		}
	}
	return false;
}

/* Only what was committed leaves; what wasn't is still queued. */
static void courier_take(struct courier *c, bool committed)
{
	for (int i = 0; i < c->claimed; i++) {
		struct courier_endpoint *e = courier_endpoint(c, c->taken[i]->endpoint);

		e->reserved--;
		if (committed && !(c->taken[i]->fence > 1 && courier_has(c, c->taken[i]))) {
			if (c->taken[i]->fence == 2)
				intake_left_early(&c->flow->intake, &c->taken[i]->id);
			courier_fly(c, e, c->taken[i]);
		} else {
			delivery_free(c->taken[i]);
		}
	}
	if (!committed)
		c->claimed = 0;
}

static void on_round_done(void *arg, const struct pg_error *error)
{
	struct courier *c = arg;
	bool settling = !list_empty(&c->settling);

	if (settling)
		courier_settled(c, error);
	c->busy = false;
	courier_take(c, !error);
	if (error && error->lost)
		return; /* courier_lost() follows */
	if (error && !settling)
		log_warning("outbox: sqlstate=%s statement=%s %s", error->sqlstate, error->statement, error->message);
	if (error || c->unsettled) {
		c->again = false;
		c->asked = true;
		c->scanned.us = 0; /* what the look has seen may not be so */
		deadline_arm(&c->due, US_PER_S << MIN(c->failures, 2));
		c->failures++;
		return;
	}
	c->failures = 0;
	c->asked |= c->claimed > 0 && courier_has_more(c);
	if (!c->stopping)
		deadline_arm(&c->due, mono_until_us(c->look_at));
	if (c->claimed > 0 || c->again || c->n_results > 0)
		courier_wake(c);
	flow_progress(c->flow);
}

static void courier_round(struct courier *c)
{
	struct pg_batch *b = pg_batch_new(c->flow->outbox);
	bool settles = c->n_results > 0, looks;

	c->busy = true;
	c->again = c->gathering = false;
	c->claimed = 0;
	c->asked |= mono_now().us >= c->look_at.us;
	arena_reset(c->arena);
	deadline_disarm(&c->due);
	if (c->reclaim && !courier_has_reserved(c)) {
		send_reclaim(c);
		c->asked = true;
	}
	if (settles)
		add_settle(c, b);
	looks = c->asked && !c->stopping && !c->unsettled;
	if (looks)
		courier_add_look(c, b);
	if (settles || looks) {
		pg_batch_send(b, 0, on_round_done, c);
	} else {
		pg_batch_free(b);
		on_round_done(c, NULL);
	}
}

/* ---- timers ---- */

static void on_due(struct deadline *d)
{
	struct courier *c = container_of(d, struct courier, due);

	if (!c->up)
		return;
	if (c->busy)
		c->again = true;
	else
		courier_round(c);
}

/* By now every answer that was under way when the connection came up is here: what is leased and unknown was lost. */
static void on_reclaim(struct deadline *d)
{
	struct courier *c = container_of(d, struct courier, reclaim_later);

	c->reclaim = c->up;
	courier_kick(c);
}

static void send_renewal(struct courier *c)
{
	struct arena *a = c->renew_arena;
	struct pg_params *p;
	struct pg_array ids, fences;
	struct pg_batch *b;

	arena_reset(a);
	p = arena_new_obj(a, struct pg_params);
	pg_array_init(&ids, a, PG_UUID);
	pg_array_init(&fences, a, PG_INT4);
	courier_leases(c, &ids, &fences);
	if (ids.count == 0)
		return;
	pg_params_init(p, a);
	pg_add_array(p, &ids);
	pg_add_array(p, &fences);
	b = pg_batch_new(c->flow->outbox);
	pg_batch_add(b, &outbox_renew, p, NULL, NULL);
	pg_batch_send(b, 0, NULL, NULL);
}

static void on_renew(struct deadline *d)
{
	struct courier *c = container_of(d, struct courier, renew);

	if (list_empty(&c->flights) && list_empty(&c->results) && list_empty(&c->settling))
		return;
	deadline_arm(&c->renew, LEASE_RENEW_US);
	if (c->up)
		send_renewal(c);
}

/* ---- from outside ---- */

void courier_poll(struct courier *c)
{
	bool fresh = c->flow->listening && mono_now().us - c->scanned.us < COURIER_LOOK_US;

	if (c->up && c->polling && !c->busy && !fresh) {
		c->asked = true;
		courier_round(c);
	}
}

/* A round in the next milliseconds: results that come close together share it. */
static void courier_gather(struct courier *c)
{
	if (!c->up)
		return;
	if (c->busy)
		c->again = true;
	else if (!c->gathering)
		deadline_arm(&c->due, COURIER_GATHER_US);
	c->gathering = !c->busy;
}

/* Results soon: something was sent just now. What has been under way for longer, to a receiver that hangs perhaps, isn't waited for. */
static bool courier_expects(const struct courier *c)
{
	return !list_empty(&c->flights) &&
	       mono_now().us - list_entry(c->flights.prev, struct flight, link)->sent.us < COURIER_GATHER_US;
}

static void courier_wake(struct courier *c)
{
	if (c->up && !c->busy && (c->n_results == 0 || c->n_results >= COURIER_ROUND_LEAST || !courier_expects(c))) {
		deadline_arm(&c->due, 0);
		c->gathering = true;
	} else {
		courier_gather(c);
	}
}

void courier_hint(struct courier *c)
{
	c->asked = true;
	courier_gather(c);
}

void courier_kick(struct courier *c)
{
	c->asked = true;
	courier_wake(c);
}

static void endpoints_add(struct courier *c, const char *name)
{
	struct courier_endpoint *e = courier_endpoint(c, name);

	if (!e) {
		e = &c->endpoints[c->n_endpoints++];
		*e = (struct courier_endpoint){.name = xstrdup(name), .scan = true};
	}
	e->known = true;
}

/* Flights point into the array, so endpoints that left the configuration stay, unknown, until the end. */
void courier_reload(struct courier *c)
{
	const struct settings *s = c->flow->live->settings;
	struct courier_endpoint *bigger = xcalloc((size_t)(c->n_endpoints + s->n_webhooks + 1), sizeof(*bigger));
	struct courier_endpoint *old = c->endpoints;

	memcpy(bigger, old, sizeof(*old) * (size_t)c->n_endpoints);
	list_for_each(it, &c->flights) {
		struct flight *f = list_entry(it, struct flight, link);

		f->endpoint = bigger + (f->endpoint - old);
	}
	c->endpoints = bigger;
	free(old);
	for (int i = 0; i < c->n_endpoints; i++)
		c->endpoints[i].known = false;
	if (s->email.set)
		endpoints_add(c, ENDPOINT_EMAIL);
	for (int i = 0; i < s->n_webhooks; i++)
		endpoints_add(c, s->webhooks[i].id);
	if (c->channel)
		channel_reload(c->channel, s);
	courier_kick(c);
}

void courier_init(struct courier *c, struct flow *f)
{
	*c = (struct courier){.flow = f, .endpoints = xcalloc(1, sizeof(struct courier_endpoint))};
	list_init(&c->flights);
	list_init(&c->results);
	list_init(&c->settling);
	srandom((unsigned)getpid() ^ (unsigned)mono_now().us); /* each daemon has jitter of its own */
	c->arena = arena_new(COURIER_ARENA_BYTES);
	c->renew_arena = arena_new(0);
	deadline_init(&c->due, f->loop, "messages due", on_due);
	deadline_init(&c->renew, f->loop, "renew leases", on_renew);
	deadline_init(&c->reclaim_later, f->loop, "reclaim leases", on_reclaim);
	courier_reload(c);
	c->channel = channel_new(f->loop, f->live->settings, on_result, c);
	if (!c->channel) {
		log_error("no thread can be had for delivery");
		exit(EXIT_INTERNAL);
	}
}

void courier_fini(struct courier *c)
{
	struct list *it;

	deadline_disarm(&c->due);
	deadline_disarm(&c->renew);
	deadline_disarm(&c->reclaim_later);
	c->channel = channel_free(c->channel);
	while ((it = list_pop(&c->flights)))
		free(list_entry(it, struct flight, link));
	landed_free_all(&c->results);
	landed_free_all(&c->settling);
	for (int i = 0; i < c->n_endpoints; i++)
		free(c->endpoints[i].name);
	free(c->endpoints);
	c->endpoints = NULL;
	c->n_endpoints = 0;
	c->arena = arena_free(c->arena);
	c->renew_arena = arena_free(c->renew_arena);
}

void courier_up(struct courier *c)
{
	c->up = true;
	c->up_at = mono_now();
	c->scanned.us = 0;
	send_renewal(c); /* what ran out meanwhile and nobody took is ours again, before anything is claimed (tests/model) */
	deadline_arm(&c->reclaim_later, COURIER_RECLAIM_US);
	courier_kick(c);
}

void courier_lost(struct courier *c)
{
	c->up = false;
	c->busy = c->gathering = false;
	deadline_disarm(&c->due);
	flow_progress(c->flow);
}

void courier_stop(struct courier *c, int64_t grace_us)
{
	c->stopping = true;
	channel_stop(c->channel, grace_us);
	courier_kick(c);
}

bool courier_is_idle(const struct courier *c)
{
	return !c->busy && c->n_results == 0 && list_empty(&c->settling) && list_empty(&c->flights);
}
