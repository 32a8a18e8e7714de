/*
 * Fresh links are mailed: a job of the work connection between two batches.
 *
 *   claim requests (marked as mailed) ─▶ words ─▶ write messages, commit
 *
 * Whoever asks waits in front of a page, so the mail passes no budget and no quiet hours.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"
#include "case/case_store.h"
#include "flow/inner.h"
#include "outbox/link_store.h"
#include "settings/link.h"

#include <errno.h>

#define LINKS_AT_ONCE 50
#define SECONDS_A_DAY 86400

static const struct pg_stmt stmt_begin = {"begin", "BEGIN", 0, {0}};
static const struct pg_stmt stmt_commit = {"commit", "COMMIT", 0, {0}};
static const struct pg_stmt stmt_rollback = {"rollback", "ROLLBACK", 0, {0}};

struct links {
	struct flow *flow;
	struct link_request *requests;
	int n_requests;
	struct wall_time now;
	int written, fallbacks;
};

static void links_end(struct links *l)
{
	intake_run_continue(&l->flow->intake, BETWEEN_LINKS, l->n_requests == LINKS_AT_ONCE);
}

static void on_rolled_back(void *arg, const struct pg_error *error)
{
	struct links *l = arg;

	l->n_requests = 0;
	if (!error || !error->lost)
		links_end(l);
}

/* Nothing is lost: they wait as before, and the next look finds them. */
static void links_failed(struct links *l, const struct pg_error *error)
{
	struct pg_batch *b;

	if (error->lost)
		return; /* intake_run_lost() follows */
	log_error("links: sqlstate=%s statement=%s %s", error->sqlstate, error->statement, error->message);
	b = pg_batch_new(l->flow->work);
	pg_batch_add(b, &stmt_rollback, NULL, NULL, NULL);
	pg_batch_send(b, 0, on_rolled_back, l);
}

static void on_committed(void *arg, const struct pg_error *error)
{
	struct links *l = arg;

	if (error) {
		links_failed(l, error);
		return;
	}
	l->flow->stats.fallbacks += (uint64_t)l->fallbacks;
	if (l->written)
		courier_kick(&l->flow->courier);
	links_end(l);
}

static int link_compose(struct links *l, const struct link_request *x, struct outbox_message *ret)
{
	const struct settings *s = l->flow->live->settings;
	const struct person *p = directory_person(l->flow->live->directory, x->person);
	struct mail_text text CLEANUP(mail_text_fini) = {0};
	struct buf out CLEANUP(buf_fini) = BUF_INIT(PAYLOAD_BYTES_MAX);
	struct arena *a = l->flow->intake.arena;
	struct link_mail mail;
	bool fallback = false;
	int r;

	if (!p || !p->email || !s->email.set)
		return -ENOENT; /* gone since they asked */
	mail = (struct link_mail){
		.message_id = uuid_new(),
		.language = p->language,
		.instance = s->instance,
		.person_name = p->name,
		.person_address = s->delivery == DELIVER_REDIRECT ? s->redirect_to : p->email,
		.case_id = x->case_id,
		.url = link_url(s, p, x->case_id, x->epoch, l->now, a),
		.ttl_days = (int)MAX(s->http.link_ttl_s / SECONDS_A_DAY, 1),
		.reply_to = s->email.reply_to,
		.redirected_from = s->delivery == DELIVER_REDIRECT ? p->email : NULL,
	};
	r = mail.url ? link_render(l->flow->live->templates, s, &mail, &text, &fallback) : -ENOENT;
	if (r == 0)
		r = link_message(s, &mail, &text, l->now, &out);
	if (r == 0 && out.overflow)
		r = -EMSGSIZE;
	l->fallbacks += fallback;
	*ret = (struct outbox_message){
		.id = mail.message_id,
		.kind = "link",
		.endpoint = ENDPOINT_EMAIL,
		.recipient = p->id,
		.address = mail.person_address,
		.payload = arena_strndup(a, buf_str(&out), out.n),
		.payload_bytes = out.n,
		.dedup_key = arena_printf(a, "link:%lld", (long long)x->id),
		.queued_at = WALL_NONE,
	};
	return r;
}

static void on_now(void *arg, const struct pg_rows *rows)
{
	((struct links *)arg)->now = pg_get_time(rows, 0, 0);
}

static void on_requests(void *arg, const struct pg_rows *rows)
{
	struct links *l = arg;

	l->n_requests = link_claim_read(rows, l->flow->intake.arena, &l->requests);
}

static void on_claimed(void *arg, const struct pg_error *error)
{
	struct links *l = arg;
	struct outbox_message *all;
	struct pg_params *p;
	struct pg_batch *b;
	struct arena *a;

	if (error) {
		links_failed(l, error);
		return;
	}
	a = l->flow->intake.arena;
	all = arena_new_array(a, struct outbox_message, (size_t)MAX(l->n_requests, 1));
	for (int i = 0; i < l->n_requests; i++) {
		int r = link_compose(l, &l->requests[i], &all[l->written]);

		l->written += r == 0;
		if (r < 0)
			log_warning("links: no mail to person %s can be made (%d)", l->requests[i].person, r);
	}
	b = pg_batch_new(l->flow->work);
	if (l->written) {
		p = arena_new_obj(a, struct pg_params);
		outbox_insert_params(p, a, all, l->written, l->flow->daemon_id);
		pg_batch_add(b, &outbox_insert, p, NULL, NULL);
	}
	pg_batch_add(b, &stmt_commit, NULL, NULL, NULL);
	pg_batch_send(b, 0, on_committed, l);
}

void links_start(struct intake_run *r)
{
	struct links *l = arena_new_obj(r->arena, struct links);
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);
	struct pg_batch *b = pg_batch_new(r->flow->work);

	l->flow = r->flow;
	pg_params_init(p, r->arena);
	pg_add_int4(p, LINKS_AT_ONCE);
	pg_batch_add(b, &stmt_begin, NULL, NULL, NULL);
	pg_batch_add(b, &case_now, NULL, on_now, l);
	pg_batch_add(b, &link_claim, p, on_requests, l);
	pg_batch_send(b, 0, on_claimed, l);
}
