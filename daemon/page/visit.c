/*
 * Who is asking, and the answer; see inner.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "page/inner.h"

#include "base/log.h"

#include <errno.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COOKIE_SECURE "__Host-closeloop"
#define COOKIE_PLAIN "closeloop"
#define PROXY_SECRET_HEADER "X-Proxy-Secret"
#define RATE_RETRY_S 5
#define REPORTS_MAX 16
#define FORWARDED_BYTES_MAX 1000
#define YIELD_US US_PER_MS
#define YIELDS_MAX 3
#define CONFLICTS_MAX 4                     /* times the same is asked that is in somebody's way; a deadlock takes a second */
#define SESSION_REMEMBER_S (14 * 24 * 3600) /* a session that has ended is still told from none: its note is kept */

const struct settings *visit_settings(const struct visit *v)
{
	return v->page->o.company->settings(v->page->o.arg);
}

/* The browser speaks TLS, with us or with a proxy. */
static bool visit_secure(const struct visit *v)
{
	return strncmp(visit_settings(v)->http.public_url, "https://", 8) == 0;
}

json_t *visit_say(struct visit *v, const char *word, json_t *context)
{
	return view_say(v->page->view, v->language, word, context);
}

/* ---- where it comes from ---- */

/* As the configuration says now: a peer that was taken out of it is none any more. */
static bool is_peer(const struct visit *v, const struct address *a)
{
	const struct string_list *peers = &visit_settings(v)->http.proxy_peers;
	struct cidr block;

	for (int i = 0; i < peers->n; i++)
		if (cidr_parse(peers->items[i], &block) == 0 && cidr_holds(&block, a))
			return true;
	return false;
}

/* The last address of X-Forwarded-For that isn't a proxy of ours: what stands before it anybody may have written. */
static void visit_from(struct visit *v)
{
	const char *forwarded;
	char *list, *one;

	if (!request_peer(v->request, &v->from) || !is_peer(v, &v->from))
		return;
	v->from_proxy = secret_holds(visit_settings(v)->http.proxy_secret, request_header_all(v->request, PROXY_SECRET_HEADER));
	/* A proxy may write a line of its own below that of the client. */
	forwarded = request_header_all(v->request, "X-Forwarded-For");
	if (!forwarded || strlen(forwarded) > FORWARDED_BYTES_MAX)
		return;
	list = arena_strdup(v->arena, forwarded);
	while ((one = strrchr(list, ',')) || *list) {
		struct address a;
		char *text = one ? one + 1 : list;

		text += strspn(text, " \t");
		text[strcspn(text, " \t")] = '\0';
		if (!address_of_text(text, &a))
			return;
		v->from = a;
		if (!one || !is_peer(v, &a))
			return;
		*one = '\0';
	}
}

/* ---- who it is ---- */

static bool visit_is(struct visit *v, const struct person *p)
{
	const struct page_company *c = v->page->o.company;

	if (!p)
		return false;
	v->person = arena_strdup(v->arena, p->id);
	v->name = arena_strdup(v->arena, p->name);
	v->email = arena_strdup(v->arena, p->email);
	v->zone = arena_strdup(v->arena, c->zone(v->page->o.arg, p));
	v->language = p->language;
	return true;
}

bool visit_take_person(struct visit *v, const char *id, const uint8_t address[LINK_ADDRESS_BYTES])
{
	const struct person *p = v->page->o.company->person(v->page->o.arg, id);
	uint8_t now[LINK_ADDRESS_BYTES];

	if (!p)
		return false;
	link_address_hash(p->email, now);
	return memcmp(now, address, LINK_ADDRESS_BYTES) == 0 && visit_is(v, p);
}

static void visit_session(struct visit *v)
{
	const char *cookie = request_cookie(v->request, visit_secure(v) ? COOKIE_SECURE : COOKIE_PLAIN);
	struct signed_link l;
	int r;

	if (!cookie)
		return;
	r = link_open(visit_settings(v)->http.link_key, LINK_SESSION, cookie, v->now.us / US_PER_S, &l);
	if (r == -EBADMSG || !visit_take_person(v, l.person, l.address))
		return;
	v->session_ended = r == -ETIME;
	if (v->session_ended)
		v->person = NULL; /* their language stays */
}

/* The proxy's word counts only with its secret; without it the header is nobody's, and said twice it is nobody's either. */
static void visit_proxy(struct visit *v)
{
	const char *login = v->from_proxy ? request_header_all(v->request, "X-Remote-User") : NULL;

	v->by_proxy = login && *login && visit_is(v, v->page->o.company->by_login(v->page->o.arg, login));
}

/* The first language of Accept-Language that we speak; the browser puts the one it likes best first. */
static enum language visit_language(const struct visit *v)
{
	const char *accept = request_header(v->request, "Accept-Language");
	enum language language = visit_settings(v)->language;

	while (accept && *accept) {
		char word[16];
		size_t n = strcspn(accept, ",;- \t");

		snprintf(word, sizeof(word), "%.*s", (int)MIN(n, sizeof(word) - 1), accept);
		if (n > 0 && language_parse(word, &language) == 0)
			break;
		accept += strcspn(accept, ",");
		accept += strspn(accept, ", \t");
	}
	return language;
}

/* ---- a visit begins ---- */

static void visit_plain(struct visit *v, int status, const char *json)
{
	struct answer a = {.status = status, .content_type = "application/json"};
	struct buf body = BUF_INIT(1024);

	a.retry_after_s = status == HTTP_UNAVAILABLE ? RATE_RETRY_S : 0;
	buf_puts(&body, json);
	request_answer_with(v->request, &a, &body);
}

static struct visit *visit_new(struct page *p, struct request *r)
{
	struct visit *v = arena_new_obj(request_arena(r), struct visit);

	v->page = p;
	v->request = r;
	v->arena = request_arena(r);
	v->now = wall_now();
	v->language = visit_language(v);
	return v;
}

static bool is_form(const struct request *r)
{
	const char *type = request_header(r, "Content-Type");

	return type && strncasecmp(type, "application/x-www-form-urlencoded", 33) == 0 && strchr("; \t", type[33]);
}

/* false: it was answered. */
static bool visit_read(struct visit *v)
{
	const char *query = request_query(v->request);
	const char *body;
	size_t n;

	if (form_parse(query, strlen(query), v->arena, &v->query) < 0) {
		visit_tell(v, HTTP_BAD_REQUEST, "bad_request");
		return false;
	}
	if (request_method(v->request) != HTTP_POST)
		return true;
	body = request_body(v->request, &n);
	if (!is_form(v->request) || form_parse(body, n, v->arena, &v->form) < 0) {
		visit_tell(v, HTTP_BAD_REQUEST, "bad_request");
		return false;
	}
	return true;
}

void visit_begin(struct page *p, struct request *r, visit_fn *fn)
{
	struct visit *v = visit_new(p, r);

	visit_from(v);
	if (!rate_take(&p->requests, &v->from, mono_now())) {
		visit_show_with(v, &(struct answer){.status = HTTP_TOO_MANY, .retry_after_s = RATE_RETRY_S}, "tell",
				visit_words(v, "too_many"));
		return;
	}
	if (!p->o.company->is_known(p->o.arg)) {
		visit_show_with(v, &(struct answer){.status = HTTP_UNAVAILABLE, .retry_after_s = 1}, "tell",
				visit_words(v, "unavailable"));
		return;
	}
	if (!visit_settings(v)->http.public_url) { /* a reload has taken the pages away */
		visit_tell(v, HTTP_NOT_FOUND, "unknown_page");
		return;
	}
	visit_session(v);
	if (!v->person)
		visit_proxy(v);
	if (visit_read(v))
		fn(v);
}

void visit_begin_call(struct page *p, struct request *r, visit_fn *fn)
{
	struct visit *v = visit_new(p, r);
	const char *query = request_query(r);

	visit_from(v);
	if (form_parse(query, strlen(query), v->arena, &v->query) < 0)
		visit_plain(v, HTTP_BAD_REQUEST, "{\"error\":\"bad_request\",\"message\":\"the query can't be read\"}\n");
	else
		fn(v);
}

bool visit_need_person(struct visit *v)
{
	if (v->person)
		return true;
	visit_show(v, HTTP_FORBIDDEN, "door", visit_words(v, v->session_ended ? "ended" : "home"));
	return false;
}

/* ---- the answer ---- */

json_t *visit_words(struct visit *v, const char *name)
{
	json_t *context = json_object();

	json_object_set_new(context, "title", visit_say(v, arena_printf(v->arena, "%s_title", name), NULL));
	json_object_set_new(context, "text", visit_say(v, arena_printf(v->arena, "%s_text", name), NULL));
	return context;
}

void visit_show_with(struct visit *v, const struct answer *a, const char *template, json_t *context)
{
	struct buf body = BUF_INIT(SERVER_BODY_BYTES_MAX);

	if (v->person) {
		json_object_set_new(context, "person_name", json_string(v->name));
		if (!v->by_proxy)
			json_object_set_new(context, "leave_token", json_string(visit_form_token(v, 0)));
	}
	view_render(v->page->view, template, v->language, context, &body);
	json_decref(context);
	request_answer_with(v->request, a, &body);
}

void visit_show(struct visit *v, int status, const char *template, json_t *context)
{
	visit_show_with(v, &(struct answer){.status = status}, template, context);
}

void visit_tell(struct visit *v, int status, const char *name)
{
	visit_show(v, status, "tell", visit_words(v, name));
}

void visit_bad_link(struct visit *v)
{
	rate_take(&v->page->bad_links, &v->from, mono_now());
	v->person = NULL; /* nothing on it tells whose link it might have been */
	v->language = visit_language(v);
	visit_show(v, HTTP_NOT_FOUND, "door", visit_words(v, "bad_link"));
}

static const char *visit_cookie(struct visit *v, const char *value, int max_age_s)
{
	return arena_printf(v->arena, "%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax%s",
			    visit_secure(v) ? COOKIE_SECURE : COOKIE_PLAIN, value, max_age_s,
			    visit_secure(v) ? "; Secure" : "");
}

/* A signed text about the person of the visit. */
static const char *visit_sign(struct visit *v, enum link_purpose purpose, int64_t case_id, int64_t ttl_s)
{
	struct signed_link l = {.purpose = purpose, .case_id = case_id, .ends_s = v->now.us / US_PER_S + ttl_s};
	char text[LINK_TEXT_BYTES];

	snprintf(l.person, sizeof(l.person), "%s", v->person);
	link_address_hash(v->email, l.address);
	return link_sign(visit_settings(v)->http.link_key, &l, text) < 0 ? NULL : arena_strdup(v->arena, text);
}

void visit_redirect(struct visit *v, const char *path, enum visit_cookie_do cookie)
{
	struct answer a = {.status = HTTP_SEE_OTHER, .location = path};

	if (cookie == COOKIE_SIGN_IN)
		a.cookie = visit_cookie(v, visit_sign(v, LINK_SESSION, 0, SESSION_TTL_S), SESSION_TTL_S + SESSION_REMEMBER_S);
	else if (cookie == COOKIE_SIGN_OUT)
		a.cookie = visit_cookie(v, "", 0);
	request_answer_with(v->request, &a, NULL);
}

/* ---- forms ---- */

const char *visit_form_token(struct visit *v, int64_t case_id)
{
	return visit_sign(v, LINK_FORM, case_id, visit_settings(v)->http.link_ttl_s);
}

/* Browsers say where a form stood. One that says nothing still needs the token. */
static bool visit_same_site(struct visit *v)
{
	const char *origin = request_header(v->request, "Origin"), *site = request_header(v->request, "Sec-Fetch-Site");
	const char *own = visit_settings(v)->http.public_url;
	const char *path;
	size_t n;

	if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
		return false;
	if (!origin)
		return true;
	path = strchr(strstr(own, "://") + 3, '/');
	n = path ? (size_t)(path - own) : strlen(own);
	return strlen(origin) == n && strncasecmp(origin, own, n) == 0;
}

enum form_check visit_check_form(struct visit *v, int64_t case_id, struct signed_link *ret)
{
	const char *token = form_get(&v->form, "token");

	if (!visit_same_site(v))
		return FORM_FOREIGN;
	if (!token || link_open(visit_settings(v)->http.link_key, LINK_FORM, token, v->now.us / US_PER_S, ret) != 0 ||
	    ret->case_id != case_id)
		return FORM_FOREIGN;
	if (!v->person)
		return FORM_ENDED;
	return strcmp(ret->person, v->person) == 0 ? FORM_OURS : FORM_FOREIGN;
}

/* ---- the database ---- */

struct asked {
	struct list link; /* page->waiting */
	struct visit *visit;
	struct visit_question question;
	int conflicts;
};

static void ask_now(struct asked *a);
static void page_next(struct page *p);

static void asked_rows(void *arg, const struct pg_rows *rows)
{
	struct asked *a = arg;

	if (a->question.on_rows)
		a->question.on_rows(a->visit, rows);
}

void visit_failed(struct visit *v, const struct pg_error *error, bool plain)
{
	bool server = pg_error_is_server(error) || pg_error_is_conflict(error);
	struct answer a = {.status = server ? HTTP_UNAVAILABLE : HTTP_FAILED, .retry_after_s = server ? RATE_RETRY_S : 0};

	log_error("page statement=%s sqlstate=%s error=\"%s\"", error->statement, error->sqlstate, error->message);
	if (plain)
		visit_plain(v, a.status,
			    server ? "{\"error\":\"unavailable\",\"message\":\"the database can't be reached; try again\"}\n"
				   : "{\"error\":\"failed\",\"message\":\"that did not work; nothing was changed\"}\n");
	else
		visit_show_with(v, &a, "tell", visit_words(v, server ? "unavailable" : "failed"));
}

static void asked_done(void *arg, const struct pg_error *error)
{
	struct asked *a = arg;
	struct page *p = a->visit->page;
	bool slow = a->question.slow;

	for (int i = 0; error && i < a->visit->n_read; i++) /* rows came, and then the end of the connection */
		json_decref(a->visit->read[i]);
	if (error && pg_error_is_conflict(error) && ++a->conflicts < CONFLICTS_MAX) { /* nothing of it was done: once more */
		a->visit->n_read = 0;
		ask_now(a);
		return;
	}
	if (!error)
		a->question.then(a->visit);
	else if (strncmp(error->sqlstate, "CL", 2) == 0 && a->question.on_refused)
		a->question.on_refused(a->visit, error);
	else
		visit_failed(a->visit, error, a->question.plain);
	if (slow)
		return;
	p->asking = false;
	page_next(p);
}

static void ask_now(struct asked *a)
{
	bool slow = a->question.slow;
	struct pg_batch *b = pg_batch_new(slow ? a->visit->page->slow : a->visit->page->conn);

	pg_batch_add(b, a->question.stmt, a->question.params, asked_rows, a);
	pg_batch_send(b, slow ? SLOW_QUERY_TIMEOUT_US : PAGE_QUERY_TIMEOUT_US, asked_done, a);
}

/*
 * Twenty people who look at once must not stand before an alert: their pages are made one after the other, and each gives
 * way to an alert that is under way. Not for long: under a flood of alerts there are pages too.
 */
static void page_next(struct page *p)
{
	if (p->asking || p->closing || list_empty(&p->waiting) || deadline_is_armed(&p->turn))
		return;
	if (p->yielded < YIELDS_MAX && p->o.is_pressed && p->o.is_pressed(p->o.arg)) {
		p->yielded++;
		deadline_arm(&p->turn, YIELD_US);
		return;
	}
	p->yielded = 0;
	p->asking = true;
	ask_now(list_entry(list_pop(&p->waiting), struct asked, link));
}

void visit_on_turn(struct deadline *d)
{
	page_next(container_of(d, struct page, turn));
}

void visit_give_up(struct page *p)
{
	struct pg_error closing = {.message = "closing", .lost = true};
	struct list *item;

	while ((item = list_pop(&p->waiting))) {
		struct asked *a = list_entry(item, struct asked, link);

		snprintf(closing.statement, sizeof(closing.statement), "%s", a->question.stmt->name);
		asked_done(a, &closing);
	}
}

void visit_ask(struct visit *v, const struct visit_question *q)
{
	struct asked *a = arena_new_obj(v->arena, struct asked);

	v->n_read = 0;
	*a = (struct asked){.visit = v, .question = *q};
	if (q->slow) {
		ask_now(a);
		return;
	}
	list_append(&v->page->waiting, &a->link);
	page_next(v->page);
}

struct pg_params *visit_params(struct visit *v)
{
	struct pg_params *p = arena_new_obj(v->arena, struct pg_params);

	pg_params_init(p, v->arena);
	return p;
}

json_t *page_json(const struct pg_rows *rows, int column)
{
	size_t n;
	const char *text = pg_count(rows) ? pg_get_text(rows, 0, column, &n) : NULL;

	return text ? json_loadb(text, n, JSON_DECODE_ANY, NULL) : NULL;
}

json_t *visit_json(struct visit *v, const struct pg_rows *rows, int column)
{
	json_t *value = page_json(rows, column);

	assert(v->n_read < (int)ARRAY_SIZE(v->read));
	v->read[v->n_read++] = value;
	return value;
}

/* ---- what they may see ---- */

/* Reports to them, over any number of steps (REPORTS_MAX ends a circle), or is in a team that they lead. */
static bool is_answered_for(const struct visit *v, const struct person *p)
{
	const struct page_company *c = v->page->o.company;
	const struct settings *s = visit_settings(v);

	for (int i = 0; i < s->n_teams; i++)
		for (int k = 0; str_eq(s->teams[i].lead, v->person) && k < s->teams[i].members.n; k++)
			if (strcmp(s->teams[i].members.items[k], p->id) == 0)
				return true;
	for (int i = 0; p && p->reports_to && i < REPORTS_MAX; i++) {
		if (strcmp(p->reports_to, v->person) == 0)
			return true;
		p = c->person(v->page->o.arg, p->reports_to);
	}
	return false;
}

void visit_add_scope(struct visit *v, struct pg_params *p)
{
	const struct settings *s = visit_settings(v);
	struct pg_array teams;

	visit_add_people(v, p);
	pg_array_init(&teams, v->arena, PG_TEXT);
	for (int i = 0; i < s->n_teams; i++) {
		bool member = str_eq(s->teams[i].lead, v->person);

		for (int k = 0; k < s->teams[i].members.n; k++)
			member |= strcmp(s->teams[i].members.items[k], v->person) == 0;
		if (member)
			pg_array_text(&teams, s->teams[i].id);
	}
	pg_add_array(p, &teams);
}

void visit_add_people(struct visit *v, struct pg_params *p)
{
	const struct page_company *c = v->page->o.company;
	struct pg_array people;

	pg_array_init(&people, v->arena, PG_TEXT);
	pg_array_text(&people, v->person);
	for (int i = 0; i < c->count(v->page->o.arg); i++)
		if (strcmp(c->at(v->page->o.arg, i)->id, v->person) && is_answered_for(v, c->at(v->page->o.arg, i)))
			pg_array_text(&people, c->at(v->page->o.arg, i)->id);
	pg_add_array(p, &people);
}

bool visit_answers_for_any(const struct visit *v)
{
	const struct page_company *c = v->page->o.company;

	for (int i = 0; i < c->count(v->page->o.arg); i++)
		if (strcmp(c->at(v->page->o.arg, i)->id, v->person) && is_answered_for(v, c->at(v->page->o.arg, i)))
			return true;
	return false;
}

const struct person *visit_person_named(struct visit *v, const char *text)
{
	const struct page_company *c = v->page->o.company;
	const struct person *found = c->find(v->page->o.arg, text);

	for (int i = 0; !found && i < c->count(v->page->o.arg); i++)
		if (strcmp(c->at(v->page->o.arg, i)->name, text) == 0)
			found = c->at(v->page->o.arg, i);
	if (found || !*text)
		return found;
	for (int i = 0; i < c->count(v->page->o.arg); i++) {
		const struct person *p = c->at(v->page->o.arg, i);

		if (!strcasestr(p->name, text) && !strcasestr(p->id, text))
			continue;
		if (found)
			return NULL;
		found = p;
	}
	return found;
}

int64_t visit_case(const struct visit *v, const char *before, const char *after)
{
	const char *number = request_path(v->request) + strlen(before);
	size_t digits = strspn(number, "0123456789");

	return digits > 0 && digits <= 18 && *number != '0' && strcmp(number + digits, after) == 0 ? atoll(number) : -1;
}
