/*
 * The way in: links of mails, and the form that mails a fresh one; see inner.h.
 *
 * Opening a link changes nothing but the cookie of who opens it, so scanners may follow it as they like.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "page/inner.h"

#include <stdlib.h>
#include <string.h>

/* ($1 case) → its link_epoch; no row: there is no such case. */
static const struct pg_stmt page_link_epoch = {
	"page_link_epoch",
	"SELECT link_epoch FROM closeloop.cases WHERE id = $1",
	1,
	{PG_INT8},
};

/* ($1 person, or null; $2 case, or null) asks for the mail of a fresh link; too many are passed over. */
static const struct pg_stmt page_link_request = {
	"page_link_request",
	"SELECT closeloop.page_link_request($1, $2)",
	2,
	{PG_TEXT, PG_INT8},
};

/* ---- links ---- */

struct opening {
	struct signed_link link;
	bool alive;
};

/* The part of the path behind "/c/". */
static const char *token_of(const struct visit *v)
{
	return request_path(v->request) + 3;
}

/* false: it was answered, like every other link that doesn't open anything. */
static bool open_link(struct visit *v, enum link_purpose purpose, struct signed_link *ret)
{
	bool guessing = !rate_has(&v->page->bad_links, &v->from, mono_now());

	if (guessing || link_open(visit_settings(v)->http.link_key, purpose, token_of(v), v->now.us / US_PER_S, ret) != 0 ||
	    !visit_take_person(v, ret->person, ret->address)) {
		visit_bad_link(v);
		return false;
	}
	return true;
}

static void on_epoch(struct visit *v, const struct pg_rows *rows)
{
	struct opening *o = v->data;

	o->alive = pg_count(rows) == 1 && pg_get_int4(rows, 0, 0) == o->link.epoch;
}

static void case_link_opened(struct visit *v)
{
	struct opening *o = v->data;

	/* The person may be gone since the question was sent. */
	if (!o->alive || !visit_take_person(v, o->link.person, o->link.address))
		visit_bad_link(v);
	else
		visit_redirect(v, arena_printf(v->arena, "/case/%lld", (long long)o->link.case_id), COOKIE_SIGN_IN);
}

static void case_link(struct visit *v)
{
	struct opening *o = v->data = arena_new_obj(v->arena, struct opening);
	struct pg_params *p = visit_params(v);

	if (!open_link(v, LINK_CASE, &o->link))
		return;
	pg_add_int8(p, o->link.case_id);
	visit_ask(v, &(struct visit_question){
			     .stmt = &page_link_epoch, .params = p, .on_rows = on_epoch, .then = case_link_opened});
}

void door_case_link(void *arg, struct request *r)
{
	visit_begin(arg, r, case_link);
}

static void inbox_link(struct visit *v)
{
	struct signed_link l;

	int64_t case_id = form_number(&v->query, "case", INT64_MAX); /* a line of a digest */

	if (open_link(v, LINK_INBOX, &l))
		visit_redirect(v, case_id > 0 ? arena_printf(v->arena, "/case/%lld", (long long)case_id) : "/inbox",
			       COOKIE_SIGN_IN);
}

void door_inbox_link(void *arg, struct request *r)
{
	visit_begin(arg, r, inbox_link);
}

/* ---- the form ---- */

static void home(struct visit *v)
{
	if (v->person)
		visit_redirect(v, "/inbox", COOKIE_KEEP);
	else
		visit_show(v, HTTP_OK, "door", visit_words(v, "home"));
}

void door_home(void *arg, struct request *r)
{
	visit_begin(arg, r, home);
}

static void sent(struct visit *v)
{
	visit_tell(v, HTTP_OK, "sent");
}

/* The database is asked whether the address is known or not, so that the time tells nothing either. */
static void send_link(struct visit *v)
{
	const struct page_company *c = v->page->o.company;
	const char *address = form_get(&v->form, "email");
	const struct person *p = address ? c->find(v->page->o.arg, address) : NULL;
	struct pg_params *params = visit_params(v);

	pg_add_text(params, p && strchr(address, '@') ? p->id : NULL);
	pg_add_null(params, PG_INT8);
	visit_ask(v, &(struct visit_question){.stmt = &page_link_request, .params = params, .then = sent});
}

void door_send(void *arg, struct request *r)
{
	visit_begin(arg, r, send_link);
}

static void leave(struct visit *v)
{
	struct signed_link l;

	visit_redirect(v, "/", visit_check_form(v, 0, &l) == FORM_OURS ? COOKIE_SIGN_OUT : COOKIE_KEEP);
}

void door_leave(void *arg, struct request *r)
{
	visit_begin(arg, r, leave);
}

/* ---- what else there is ---- */

void door_style(void *arg, struct request *r)
{
	struct buf body = BUF_INIT(SERVER_BODY_BYTES_MAX);
	struct page *p = arg;

	if (strcmp(request_path(r), view_style_path(p->view)) != 0) { /* an older daemon's */
		door_other(arg, r);
		return;
	}
	buf_puts(&body, view_style(p->view));
	request_answer_with(r,
			    &(struct answer){.status = HTTP_OK,
					     .content_type = "text/css; charset=utf-8",
					     .etag = arena_printf(request_arena(r), "\"%s\"", view_style_path(p->view))},
			    &body);
}

static void other(struct visit *v)
{
	visit_tell(v, HTTP_NOT_FOUND, "unknown_page");
}

void door_other(void *arg, struct request *r)
{
	visit_begin(arg, r, other);
}
