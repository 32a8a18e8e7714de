/*
 * /api/v1: cases for programs, so that a CRM or a chat bot can act; docs/openapi.yaml describes it.
 *
 * A program proves itself with one of http.tokens ("Authorization: Bearer …"), each with scopes: read, transition. What it does
 * stands in the history under "api:NAME". There are no cookies here, so no other site can act through a browser.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "page/inner.h"

#include "base/escape.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define JSON_TYPE "application/json"
#define CASES_AT_ONCE 100
#define CASES_AT_ONCE_MAX 1000
#define BODY_DEPTH_NOTE_MAX (16 * 1024)

/* ($1 filter, $2 after, $3 at most, $4 public_url) */
static const struct pg_stmt api_cases_stmt = {
	"api_cases",
	"SELECT closeloop.api_cases($1, $2, $3, $4)",
	4,
	{PG_JSONB, PG_INT8, PG_INT4, PG_TEXT},
};

/* ($1 case, $2 action, $3 actor, $4 note, $5 details, $6 version, $7 public_url) */
static const struct pg_stmt api_transition_stmt = {
	"api_transition",
	"SELECT closeloop.api_transition($1, $2, $3, $4, $5, $6, $7)",
	7,
	{PG_INT8, PG_TEXT, PG_TEXT, PG_TEXT, PG_JSONB, PG_INT4, PG_TEXT},
};

struct call {
	const char *actor; /* "api:crm" */
	int64_t case_id;
	json_t *answer;
};

static void api_answer(struct visit *v, int status, json_t *body)
{
	struct answer a = {.status = status, .content_type = JSON_TYPE, .retry_after_s = status == HTTP_UNAVAILABLE ? 5 : 0};
	struct buf out = BUF_INIT(SERVER_BODY_BYTES_MAX);
	char *text = json_dumps(body, JSON_COMPACT);

	a.authenticate = status == HTTP_UNAUTHORIZED ? "Bearer" : NULL;
	buf_puts(&out, text);
	buf_putc(&out, '\n');
	free(text);
	json_decref(body);
	request_answer_with(v->request, &a, &out);
}

/* {"error": a word for programs, "message": a sentence for people} */
static void api_refuse(struct visit *v, int status, const char *error, const char *message)
{
	json_t *body = json_object();

	json_object_set_new(body, "error", json_string(error));
	json_object_set_new(body, "message", json_string(message));
	api_answer(v, status, body);
}

/* ---- who it is ---- */

/* The token that was sent; NULL: answered. All are compared, so the time tells nothing of which one it is. */
static const struct http_token *api_who(struct visit *v)
{
	const struct http_settings *http = &visit_settings(v)->http;
	const char *sent = request_header(v->request, "Authorization");
	const struct http_token *found = NULL;

	if (!rate_has(&v->page->bad_links, &v->from, mono_now())) {
		api_refuse(v, HTTP_TOO_MANY, "too_many", "too many wrong tokens came from this address; wait a minute");
		return NULL;
	}
	for (int i = 0; sent && strncasecmp(sent, "Bearer ", 7) == 0 && i < http->n_tokens; i++)
		if (secret_holds(http->tokens[i].secret, sent + 7))
			found = &http->tokens[i];
	if (!found) {
		rate_take(&v->page->bad_links, &v->from, mono_now());
		api_refuse(v, HTTP_UNAUTHORIZED, "unauthorized", "send one of http.tokens: Authorization: Bearer TOKEN");
	}
	return found;
}

/* ---- the list ---- */

static void on_answer(struct visit *v, const struct pg_rows *rows)
{
	((struct call *)v->data)->answer = visit_json(v, rows, 0);
}

static void answered(struct visit *v)
{
	struct call *c = v->data;

	if (json_is_object(c->answer))
		api_answer(v, HTTP_OK, c->answer);
	else
		api_refuse(v, HTTP_NOT_FOUND, "not_found", "there is no such case");
}

/* false: answered. */
static bool put_filter(struct visit *v, json_t *filter, const char *name, bool (*known)(const char *))
{
	const char *value = form_get(&v->query, name);

	if (!value)
		return true;
	if (known && !known(value)) {
		api_refuse(v, HTTP_BAD_REQUEST, "bad_request", arena_printf(v->arena, "unknown %s", name));
		return false;
	}
	json_object_set_new(filter, name, json_string(value));
	return true;
}

static bool known_status(const char *word)
{
	enum case_status status;

	return strcmp(word, "unresolved") == 0 || case_status_parse(word, &status) == 0;
}

static bool known_priority(const char *word)
{
	enum priority priority;

	return priority_parse(word, &priority) == 0;
}

static void list_cases(struct visit *v)
{
	int64_t after = form_number(&v->query, "after", INT64_MAX), most = form_number(&v->query, "limit", CASES_AT_ONCE_MAX);
	struct pg_params *p = visit_params(v);
	json_t *filter = json_object();
	char *text;

	if ((form_get(&v->query, "after") && after < 0) || (form_get(&v->query, "limit") && most < 1)) {
		json_decref(filter);
		api_refuse(v, HTTP_BAD_REQUEST, "bad_request",
			   "after is the `next` of an earlier answer, limit a number from 1 to 1000");
		return;
	}
	if (!put_filter(v, filter, "status", known_status) || !put_filter(v, filter, "priority", known_priority) ||
	    !put_filter(v, filter, "owner", NULL) || !put_filter(v, filter, "customer_id", NULL)) {
		json_decref(filter);
		return;
	}
	text = json_dumps(filter, JSON_COMPACT);
	json_decref(filter);
	pg_add_jsonb(p, text);
	free(text);
	pg_add_int8(p, MAX(after, 0));
	pg_add_int4(p, (int32_t)(most > 0 ? most : CASES_AT_ONCE));
	pg_add_text(p, visit_settings(v)->http.public_url);
	v->data = arena_new_obj(v->arena, struct call);
	visit_ask(v, &(struct visit_question){.stmt = &api_cases_stmt,
					      .params = p,
					      .on_rows = on_answer,
					      .then = answered,
					      .plain = true,
					      .slow = true});
}

static void cases_visit(struct visit *v)
{
	const struct http_token *token = api_who(v);

	if (!token)
		return;
	if (!token->may_read)
		api_refuse(v, HTTP_FORBIDDEN, "forbidden", "this token has no scope \"read\"");
	else
		list_cases(v);
}

void api_cases(void *arg, struct request *r)
{
	visit_begin_call(arg, r, cases_visit);
}

/* ---- one action ---- */

static void refused(struct visit *v, const struct pg_error *error)
{
	bool stale = strcmp(error->sqlstate, "CL001") == 0, unknown = strcmp(error->sqlstate, "CL003") == 0;
	json_t *body = json_object();

	json_object_set_new(body, "error", json_string(stale ? "stale" : unknown ? "not_found" : "not_allowed"));
	json_object_set_new(body, "message", json_string(error->message));
	if (*error->hint)
		json_object_set_new(body, "hint", json_string(error->hint));
	api_answer(v, unknown ? HTTP_NOT_FOUND : HTTP_CONFLICT, body);
}

/* What is wrong with a body; NULL: nothing. */
static const char *body_fault(const json_t *body)
{
	const json_t *note = json_object_get(body, "note"), *details = json_object_get(body, "details");
	const json_t *version = json_object_get(body, "version");
	const char *key;
	json_t *value;

	if (!json_is_object(body))
		return "the body must be a JSON object: {\"action\": \"acknowledge\"}";
	json_object_foreach((json_t *)body, key,
			    value) if (strcmp(key, "action") && strcmp(key, "note") && strcmp(key, "details") &&
				       strcmp(key, "version")) return "the body has only action, note, details, version";
	if (!case_action_known(json_string_value(json_object_get(body, "action"))))
		return "action is one of acknowledge, start, contacted, wait, resolve, close, dismiss, reopen, assign, note, undo";
	if (note && !json_is_null(note) && (!json_is_string(note) || json_string_length(note) > BODY_DEPTH_NOTE_MAX))
		return "note must be a text of at most 16 kB";
	if (details && !json_is_null(details) && !json_is_object(details))
		return "details must be an object";
	if (version && !json_is_null(version) &&
	    (!json_is_integer(version) || json_integer_value(version) < 0 || json_integer_value(version) > INT32_MAX))
		return "version must be the number that the case had when it was looked at";
	return NULL;
}

static void transition(struct visit *v, struct call *c, const json_t *body)
{
	const json_t *details = json_object_get(body, "details"), *version = json_object_get(body, "version");
	const char *to = json_string_value(json_object_get(details, "to"));
	struct pg_params *p = visit_params(v);
	char *text;

	if (str_eq(json_string_value(json_object_get(body, "action")), "assign") && to &&
	    !v->page->o.company->person(v->page->o.arg, to)) {
		api_refuse(v, HTTP_BAD_REQUEST, "bad_request", "details.to is nobody who is known here");
		return;
	}
	text = json_is_object(details) ? json_dumps(details, JSON_COMPACT) : strdup("{}");
	pg_add_int8(p, c->case_id);
	pg_add_text(p, json_string_value(json_object_get(body, "action")));
	pg_add_text(p, c->actor);
	pg_add_text(p, json_string_value(json_object_get(body, "note")));
	pg_add_jsonb(p, text);
	free(text);
	if (json_is_integer(version))
		pg_add_int4(p, (int32_t)json_integer_value(version));
	else
		pg_add_null(p, PG_INT4);
	pg_add_text(p, visit_settings(v)->http.public_url);
	visit_ask(v, &(struct visit_question){.stmt = &api_transition_stmt,
					      .params = p,
					      .on_rows = on_answer,
					      .then = answered,
					      .on_refused = refused,
					      .plain = true});
}

static void transition_visit(struct visit *v)
{
	const struct http_token *token = api_who(v);
	struct call *c = v->data = arena_new_obj(v->arena, struct call);
	const char *type = request_header(v->request, "Content-Type"), *text, *fault;
	json_t *body;
	size_t n;

	if (!token)
		return;
	if (!token->may_transition) {
		api_refuse(v, HTTP_FORBIDDEN, "forbidden", "this token has no scope \"transition\"");
		return;
	}
	c->actor = arena_printf(v->arena, "api:%s", token->id);
	c->case_id = visit_case(v, "/api/v1/cases/", "/transition");
	if (c->case_id < 0) {
		api_refuse(v, HTTP_NOT_FOUND, "not_found", "there is POST /api/v1/cases/ID/transition");
		return;
	}
	text = request_body(v->request, &n);
	body = type && strncasecmp(type, JSON_TYPE, strlen(JSON_TYPE)) == 0 ? json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL)
									    : NULL;
	fault = body ? body_fault(body) : "send JSON (Content-Type: application/json), each key once";
	if (fault)
		api_refuse(v, HTTP_BAD_REQUEST, "bad_request", fault);
	else
		transition(v, c, body);
	json_decref(body);
}

void api_transition(void *arg, struct request *r)
{
	visit_begin_call(arg, r, transition_visit);
}
