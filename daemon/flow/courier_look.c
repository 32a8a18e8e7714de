/*
 * The courier looks for what is due: claims it, and learns when to look again; see courier.c.
 *
 * Each endpoint is looked for from a time on before which nothing was left (its low-water mark), and once a second from the first
 * message. Whatever its look finds due and can't claim is `left`: a result there asks for the next look.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/courier_look.h"

#include "flow/endpoints.h"

#define COURIER_POLL_US (15 * US_PER_S)    /* an idle look of the intake comes first: courier_poll() */
#define COURIER_RESCAN_US US_PER_S         /* at least so often, and before sleeping, all that is due is looked for */
#define COURIER_AGAIN_US (250 * US_PER_MS) /* what is due and can't be claimed is looked for again */
#define COURIER_LATE_US US_PER_S           /* what commits later than this after it was written waits for that */

void courier_look_in(struct courier *c, int64_t us)
{
	int64_t at = mono_now().us + us + US_PER_MS;

	if (at < c->look_at.us) {
		c->look_at.us = at;
		c->polling = false;
	}
}

/* ---- answers ---- */

static void on_endpoint_rows(void *arg, const struct pg_rows *rows)
{
	struct courier *c = arg;

	endpoints_read(c, rows, c->told != c->told_then);
}

static void on_claimed(void *arg, const struct pg_rows *rows)
{
	struct courier *c = arg;

	c->taken = arena_new_array(c->arena, struct delivery *, (size_t)pg_count(rows));
	c->claimed = 0;
	for (int i = 0; i < pg_count(rows); i++)
		if (outbox_is_leased(rows, i)) {
			c->taken[c->claimed] = outbox_read(rows, i);
			courier_endpoint(c, c->taken[c->claimed++]->endpoint)->reserved++;
		}
}

/*
 * What is due already and yet wasn't claimed waits for a result of ours, which asks for the next look, or for an earlier message of its
 * case that another daemon has.
 */
static void on_next(void *arg, const struct pg_rows *rows)
{
	struct courier *c = arg;
	double in_s = pg_is_null(rows, 0, 0) ? 1e9 : MAX(pg_get_float8(rows, 0, 0), 0);
	int64_t in_us = in_s > 3600 ? COURIER_POLL_US : (int64_t)(in_s * (double)US_PER_S) + US_PER_MS;
	int64_t scanned_us = mono_now().us - c->scanned.us, probe_us = endpoints_probe_in_us(c);
	const char *const *due;
	int n_due = pg_get_text_array(rows, 0, 2, c->arena, &due);

	for (int i = 0; i < n_due; i++)
		courier_endpoint(c, due[i])->left = true;
	for (int i = 0; i < c->n_endpoints; i++) {
		struct courier_endpoint *e = &c->endpoints[i];

		if (e->looked && !e->left)
			e->low_water.us = MAX(e->low_water.us, pg_get_time(rows, 0, 1).us - COURIER_LATE_US);
	}
	if (n_due)
		in_us = MIN(in_us, COURIER_AGAIN_US);
	in_us = MIN(in_us, MAX(probe_us, COURIER_AGAIN_US));
	if (!c->scanning)
		in_us = MIN(in_us, MAX(COURIER_RESCAN_US - scanned_us, COURIER_AGAIN_US));
	c->polling = in_us >= COURIER_POLL_US;
	c->look_at.us = mono_now().us + MIN(in_us, COURIER_POLL_US);
}

bool courier_has_more(const struct courier *c)
{
	for (int i = 0; i < c->n_endpoints; i++)
		if (c->endpoints[i].left && endpoint_room(c, &c->endpoints[i]) > 0)
			return true;
	return false;
}

/* ---- questions ---- */

/* One that is full isn't looked for: a result there is, and asks. */
static bool courier_looks_for(const struct courier *c, const struct courier_endpoint *e, int room)
{
	return endpoint_may_send(c, e) && !endpoint_is_shut(c, e) && (room > 0 || e->in_flight == 0);
}

/* Once a second what one looks for begins with the first message, for each endpoint that is looked for then or next; see outbox_claim. */
static void courier_begin_scan(struct courier *c)
{
	c->scanning = mono_now().us - c->scanned.us >= COURIER_RESCAN_US;
	if (!c->scanning)
		return;
	c->scanned = mono_now();
	for (int i = 0; i < c->n_endpoints; i++)
		c->endpoints[i].scan = true;
}

/* For a statement that looks for messages: the endpoints, from when on of each, and of which leases that are over too. */
struct sought {
	struct pg_array names, since, leases;
};

static void sought_init(struct sought *s, struct arena *a)
{
	pg_array_init(&s->names, a, PG_TEXT);
	pg_array_init(&s->since, a, PG_TIMESTAMPTZ);
	pg_array_init(&s->leases, a, PG_BOOL);
}

static void sought_add(struct sought *s, const struct courier_endpoint *e)
{
	pg_array_text(&s->names, e->name);
	pg_array_time(&s->since, e->low_water);
	pg_array_bool(&s->leases, e->scan);
}

static int claim_size(const struct courier_endpoint *e, int room)
{
	return MIN(room, MAX(COURIER_ROUND_LEAST, 3 * e->in_flight));
}

static void add_claim(struct courier *c, struct pg_batch *b)
{
	struct pg_params *p = arena_new_obj(c->arena, struct pg_params), *q = arena_new_obj(c->arena, struct pg_params);
	struct sought claim, next;
	struct pg_array rooms;

	courier_begin_scan(c);
	sought_init(&claim, c->arena);
	sought_init(&next, c->arena);
	pg_array_init(&rooms, c->arena, PG_INT4);
	for (int i = 0; i < c->n_endpoints; i++) {
		struct courier_endpoint *e = &c->endpoints[i];
		int room = endpoint_room(c, e);

		e->looked = courier_looks_for(c, e, room);
		e->left = !e->looked && e->in_flight > 0;
		if (!e->looked)
			continue;
		if (e->scan)
			e->low_water.us = INT64_MIN + 1; /* -infinity */
		sought_add(&next, e);
		if (room > 0) {
			sought_add(&claim, e);
			pg_array_int4(&rooms, claim_size(e, room));
		}
		e->scan = false;
	}
	if (claim.names.count) {
		pg_params_init(p, c->arena);
		pg_add_array(p, &claim.names);
		pg_add_array(p, &rooms);
		pg_add_text(p, c->flow->daemon_id);
		pg_add_array(p, &claim.since);
		pg_add_array(p, &claim.leases);
		pg_batch_add(b, &outbox_claim, p, on_claimed, c);
	}
	pg_params_init(q, c->arena);
	pg_add_array(q, &next.names);
	pg_add_array(q, &next.since);
	pg_add_array(q, &next.leases);
	pg_batch_add(b, &outbox_next, q, on_next, c);
}

void courier_add_look(struct courier *c, struct pg_batch *b)
{
	c->asked = c->polling = false;
	c->told_then = c->told;
	pg_batch_add(b, &outbox_endpoints, NULL, on_endpoint_rows, c);
	endpoints_add_probes(c, b);
	add_claim(c, b);
}
