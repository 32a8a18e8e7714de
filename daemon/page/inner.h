/*
 * The pages from inside.
 *
 *   door.c     links, the form that mails a fresh one, the stylesheet       visit.c   who is asking, and the answer
 *   case_page.c, inbox_page.c, reports_page.c   one page each                api.c     the same for programs
 *
 * A request becomes a visit, which lives until it is answered. A visit never keeps a pointer into the settings or the
 * directory over a round trip to the database: a reload may come in between. It copies what it needs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PAGE_INNER_H
#define PAGE_INNER_H

#include "page/page.h"
#include "page/rate.h"
#include "page/server.h"
#include "page/view.h"
#include "pg/pg.h"
#include "settings/link.h"

enum {
	HTTP_OK = 200,
	HTTP_SEE_OTHER = 303,
	HTTP_BAD_REQUEST = 400,
	HTTP_UNAUTHORIZED = 401,
	HTTP_FORBIDDEN = 403,
	HTTP_NOT_FOUND = 404,
	HTTP_CONFLICT = 409,
	HTTP_TOO_MANY = 429,
	HTTP_FAILED = 500,
	HTTP_UNAVAILABLE = 503,
};

#define SESSION_TTL_S (12 * 3600)
#define PAGE_QUERY_TIMEOUT_US (10 * US_PER_S)
#define SLOW_QUERY_TIMEOUT_US (30 * US_PER_S)

struct page {
	struct loop *loop;
	struct page_options o;
	struct server *server;
	struct view *view;    /* NULL: no pages, only health and metrics */
	struct pg_conn *conn; /* of the pages; NULL: no pages */
	struct pg_conn *slow; /* of searches and lists for programs, which may take seconds: no page waits for them */
	struct list waiting;  /* questions of pages: one at a time is asked and its answer put into HTML */
	bool asking, closing;
	struct deadline turn;    /* until when the next gives way to alerts */
	int yielded;             /* how often it did */
	struct rate requests;    /* per address */
	struct rate bad_links;   /* per address */
	struct reports *reports; /* NULL: no pages */
	struct mono_time begun;
	bool were_up; /* the connections, once */
};

struct visit {
	struct page *page;
	struct request *request;
	struct arena *arena; /* the request's */
	enum language language;
	struct wall_time now;
	struct address from; /* the client's, through http.proxy.peers */
	bool from_proxy;     /* a peer of http.proxy, with its secret */

	/* Who it is, from the session or the proxy; person NULL: nobody we know. Copies. */
	const char *person, *name, *email, *zone;
	bool session_ended; /* there was one of ours */
	bool by_proxy;

	struct form query, form;
	void *data; /* of the page */

	json_t *read[2]; /* of the question under way: not to be lost with it */
	int n_read;
};

typedef void visit_fn(struct visit *v);

/* ---- visit.c ---- */

/*
 * Begins a visit: limits, who it is, fields of query and form. When something of that is wrong it is answered here and
 * nothing else happens; else fn goes on.
 */
void visit_begin(struct page *p, struct request *r, visit_fn *fn);
/* The same for a program: no person, no form, errors in JSON. */
void visit_begin_call(struct page *p, struct request *r, visit_fn *fn);
/* false: nobody we know; they were shown the way in. */
bool visit_need_person(struct visit *v);
/* Who they are from now on in this visit; false: there is no such person any more, or with another address. */
bool visit_take_person(struct visit *v, const char *id, const uint8_t address[LINK_ADDRESS_BYTES]);

const struct settings *visit_settings(const struct visit *v);
json_t *visit_say(struct visit *v, const char *word, json_t *context);

/* One template with its context (taken), ended by it. */
void visit_show(struct visit *v, int status, const char *template, json_t *context);
void visit_show_with(struct visit *v, const struct answer *a, const char *template, json_t *context);
/* To another page of ours, e.g. "/case/812". */
enum visit_cookie_do { COOKIE_KEEP, COOKIE_SIGN_IN, COOKIE_SIGN_OUT };
void visit_redirect(struct visit *v, const char *path, enum visit_cookie_do cookie);
/* The same page for each link that doesn't open anything, whatever is wrong with it. */
void visit_bad_link(struct visit *v);
/* A context with a heading and a sentence: the words NAME_title and NAME_text. */
json_t *visit_words(struct visit *v, const char *name);
/* A page of just that. */
void visit_tell(struct visit *v, int status, const char *name);

/* The hidden field of a form: who may send it, about which case, until when. */
const char *visit_form_token(struct visit *v, int64_t case_id);
/*
 * A POST is taken only with a token of a form that this person was shown (about this case, 0: about none), and not from
 * another site. *ret is the token's when it isn't FORM_FOREIGN.
 */
enum form_check {
	FORM_OURS,
	FORM_ENDED,   /* it was shown by us, but the session has ended since */
	FORM_FOREIGN, /* another site, another person, another case, or no token of ours */
};
enum form_check visit_check_form(struct visit *v, int64_t case_id, struct signed_link *ret);

/*
 * Asks the database; then fn goes on with v, the rows having been taken by on_rows. An error is answered here (503; or
 * CL001, CL002, CL003 go to on_refused when that is given).
 */
typedef void visit_refused_fn(struct visit *v, const struct pg_error *error);
struct visit_question {
	const struct pg_stmt *stmt;
	const struct pg_params *params;
	void (*on_rows)(struct visit *v, const struct pg_rows *rows);
	visit_fn *then;
	visit_refused_fn *on_refused;
	bool plain; /* for a program: an error is answered in JSON */
	bool slow;  /* may take seconds */
};
void visit_ask(struct visit *v, const struct visit_question *q);
/* The turn of the next page that waits for one; and the end of all that do. */
void visit_on_turn(struct deadline *d);
void visit_give_up(struct page *p);
/* The number that stands between two parts of the path, which begins with the first; -1: none, or no case has such a number. */
int64_t visit_case(const struct visit *v, const char *before, const char *after);
/* What an error of the database looks like; plain: in JSON. */
void visit_failed(struct visit *v, const struct pg_error *error, bool plain);
struct pg_params *visit_params(struct visit *v);
/* Adds two parameters: the people and the teams this person answers for, whose cases they may see. */
void visit_add_scope(struct visit *v, struct pg_params *p);
/* One parameter: themselves and the people they answer for. */
void visit_add_people(struct visit *v, struct pg_params *p);
bool visit_answers_for_any(const struct visit *v);
/* Who a form names: by id, address, name, or a part of one name only; NULL: nobody, or several. */
const struct person *visit_person_named(struct visit *v, const char *text);
/* The first row's jsonb as a value of our own, of which `then` disposes; NULL: null, or not to be had. */
json_t *visit_json(struct visit *v, const struct pg_rows *rows, int column);
json_t *page_json(const struct pg_rows *rows, int column);

/* ---- door.c ---- */

request_fn door_home, door_send, door_case_link, door_inbox_link, door_leave, door_style, door_other;

/* ---- the pages ---- */

request_fn case_page, inbox_page, away_page, reports_page, api_cases, api_transition;

struct reports *reports_new(struct page *p, const struct pg_conn_options *conn);
bool reports_are_up(const struct reports *r);
struct reports *reports_free(struct reports *r);

/* Is it one of DESIGN 4? NULL: no. */
bool case_action_known(const char *action);

#endif
