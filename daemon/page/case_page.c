/*
 * /case/ID: one case, and what a manager does with it.
 *
 * GET shows it. POST takes one action from a form and leads back to the page, so that reloading never repeats it. What the
 * form said of the case's version goes along: whoever looks at an old picture is shown the new one first, and what they had
 * written is kept.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "page/inner.h"

#include "page/case_view.h"

#include <stdlib.h>
#include <string.h>

#define NOTE_BYTES_MAX (16 * 1024)
#define FIELD_BYTES_MAX 1000 /* of a name, a time, a cause */

/* ($1 case, $2 person, $3 people, $4 teams, $5 zone, $6 anonymous ids) */
static const struct pg_stmt page_case_stmt = {
	"page_case",
	"SELECT closeloop.page_case($1, $2, $3, $4, $5, $6)",
	6,
	{PG_INT8, PG_TEXT, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT, PG_TEXT_ARRAY},
};

/* ($1 case, $2 action, $3 person, $4 people, $5 teams, $6 note, $7 details, $8 version, $9 zone) */
static const struct pg_stmt page_act_stmt = {
	"page_act",
	"SELECT (closeloop.page_act($1, $2, $3, $4, $5, $6, $7, $8, $9)).id",
	9,
	{PG_INT8, PG_TEXT, PG_TEXT, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT, PG_JSONB, PG_INT4, PG_TEXT},
};

/* ($1 case, $2 person, $3 note, $4 other fields) keeps what was typed. */
static const struct pg_stmt page_keep_stmt = {
	"page_keep",
	"SELECT closeloop.page_keep($1, $2, $3, $4)",
	4,
	{PG_INT8, PG_TEXT, PG_TEXT, PG_JSONB},
};

/* ($1 case, $2 person, $3 note, $4 other fields) the same, and a fresh link to the case. */
static const struct pg_stmt page_keep_and_mail_stmt = {
	"page_keep_and_mail",
	"SELECT closeloop.page_keep($1, $2, $3, $4), closeloop.page_link_request($2, $1)",
	4,
	{PG_INT8, PG_TEXT, PG_TEXT, PG_JSONB},
};

struct case_visit {
	int64_t id;
	json_t *found; /* NULL: no such case for this person */
	const char *action;
	const char *why; /* it was not done: the word refused_WHY */
};

static const char *case_address(struct visit *v, const char *rest)
{
	const struct case_visit *c = v->data;

	return arena_printf(v->arena, "/case/%lld%s", (long long)c->id, rest);
}

/* ---- GET ---- */

static void on_case(struct visit *v, const struct pg_rows *rows)
{
	struct case_visit *c = v->data;

	c->found = visit_json(v, rows, 0);
}

static void show_case(struct visit *v)
{
	struct case_visit *c = v->data;

	if (!json_is_object(c->found)) {
		json_decref(c->found);
		visit_tell(v, HTTP_NOT_FOUND, "unknown_page");
		return;
	}
	visit_show(v, HTTP_OK, "case", case_view(v, c->found));
	json_decref(c->found);
}

static void ask_case(struct visit *v)
{
	const struct string_list *anonymous = &visit_settings(v)->cases.anonymous_ids;
	struct case_visit *c = v->data;
	struct pg_params *p = visit_params(v);
	struct pg_array ids;

	pg_array_init(&ids, v->arena, PG_TEXT);
	for (int i = 0; i < anonymous->n; i++)
		pg_array_text(&ids, anonymous->items[i]);
	pg_add_int8(p, c->id);
	pg_add_text(p, v->person);
	visit_add_scope(v, p);
	pg_add_text(p, v->zone);
	pg_add_array(p, &ids);
	visit_ask(v, &(struct visit_question){.stmt = &page_case_stmt, .params = p, .on_rows = on_case, .then = show_case});
}

/* ---- POST ---- */

static void acted(struct visit *v)
{
	visit_redirect(v, case_address(v, ""), COOKIE_KEEP);
}

static void kept(struct visit *v)
{
	const struct case_visit *c = v->data;

	visit_redirect(v, case_address(v, arena_printf(v->arena, "?not=%s&why=%s", c->action, c->why)), COOKIE_KEEP);
}

/* What was typed, and into which form: it is shown there again. */
static struct pg_params *typed(struct visit *v, int64_t case_id, const char *person)
{
	static const char *const fields[] = {"to", "until", "cause"};
	const char *note = form_get(&v->form, "note"), *action = form_get(&v->form, "action");
	struct pg_params *p = visit_params(v);
	json_t *form = json_object();
	char *text;

	if (case_action_known(action))
		json_object_set_new(form, "action", json_string(action));
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const char *value = form_get(&v->form, fields[i]);

		if (value && *value && strlen(value) <= FIELD_BYTES_MAX)
			json_object_set_new(form, fields[i], json_string(value));
	}
	text = json_dumps(form, JSON_COMPACT);
	json_decref(form);
	pg_add_int8(p, case_id);
	pg_add_text(p, person);
	pg_add_text(p, note ? note : "");
	pg_add_jsonb(p, text);
	free(text);
	return p;
}

/* The page as it is, with what was typed, and why nothing was done. */
static void not_done(struct visit *v, const char *why)
{
	struct case_visit *c = v->data;

	c->why = why;
	visit_ask(v, &(struct visit_question){.stmt = &page_keep_stmt, .params = typed(v, c->id, v->person), .then = kept});
}

static void refused(struct visit *v, const struct pg_error *error)
{
	const struct case_visit *c = v->data;

	if (strcmp(error->sqlstate, "CL003") == 0)
		visit_tell(v, HTTP_NOT_FOUND, "unknown_page");
	else
		not_done(v, strcmp(error->sqlstate, "CL001") == 0 ? "stale"
			    : strcmp(c->action, "wait") == 0      ? "time"
								  : "state");
}

static void kept_and_mailed(struct visit *v)
{
	visit_show(v, HTTP_FORBIDDEN, "tell", visit_words(v, "ended_kept"));
}

/* The session has ended since the form was shown: what was typed is kept for the person that the form was made for. */
static void keep(struct visit *v, const struct signed_link *form)
{
	visit_ask(v, &(struct visit_question){.stmt = &page_keep_and_mail_stmt,
					      .params = typed(v, form->case_id, form->person),
					      .then = kept_and_mailed});
}

/* What the action needs beside a note. NULL: it isn't there, or no sense can be made of it. */
static json_t *action_details(struct visit *v, const char *action)
{
	const struct form *f = &v->form;
	json_t *d = json_object();

	if (strcmp(action, "contacted") == 0) {
		const char *how = form_get(f, "how"), *reached = form_get(f, "reached");

		json_object_set_new(d, "how", json_string(how ? how : "phone"));
		json_object_set_new(d, "reached", json_boolean(str_eq(reached, "true")));
	} else if (strcmp(action, "wait") == 0) {
		json_object_set_new(d, "until_local", json_string(form_get(f, "until")));
	} else if (strcmp(action, "resolve") == 0) {
		const char *cause = form_get(f, "cause");

		if (cause && *cause)
			json_object_set_new(d, "cause", json_string(cause));
	} else if (strcmp(action, "assign") == 0) {
		const char *to = form_get(f, "to");
		const struct person *p = to ? visit_person_named(v, to) : NULL;

		if (!p) {
			json_decref(d);
			return NULL;
		}
		json_object_set_new(d, "to", json_string(p->id));
	}
	return d;
}

bool case_action_known(const char *action)
{
	static const char *const actions[] = {"acknowledge", "start",  "contacted", "wait", "resolve", "close",
					      "dismiss",     "reopen", "assign",    "note", "undo"};

	for (size_t i = 0; action && i < ARRAY_SIZE(actions); i++)
		if (strcmp(action, actions[i]) == 0)
			return true;
	return false;
}

static void act(struct visit *v)
{
	const char *note = form_get(&v->form, "note");
	int64_t version = form_number(&v->form, "version", INT32_MAX);
	struct case_visit *c = v->data;
	struct pg_params *p = visit_params(v);
	json_t *details;
	char *text;

	c->action = form_get(&v->form, "action");
	if (!case_action_known(c->action) || (note && strlen(note) > NOTE_BYTES_MAX)) {
		visit_tell(v, HTTP_BAD_REQUEST, "bad_request");
		return;
	}
	details = action_details(v, c->action);
	if (!details) {
		not_done(v, "who");
		return;
	}
	text = json_dumps(details, JSON_COMPACT);
	json_decref(details);
	pg_add_int8(p, c->id);
	pg_add_text(p, c->action);
	pg_add_text(p, v->person);
	visit_add_scope(v, p);
	pg_add_text(p, note && *note ? note : NULL);
	pg_add_jsonb(p, text);
	free(text);
	if (version < 0)
		pg_add_null(p, PG_INT4);
	else
		pg_add_int4(p, (int32_t)version);
	pg_add_text(p, v->zone);
	visit_ask(v, &(struct visit_question){.stmt = &page_act_stmt, .params = p, .then = acted, .on_refused = refused});
}

static void post_case(struct visit *v)
{
	const struct case_visit *c = v->data;
	struct signed_link form;

	switch (visit_check_form(v, c->id, &form)) {
	case FORM_OURS: act(v); break;
	case FORM_ENDED: keep(v, &form); break;
	case FORM_FOREIGN: visit_tell(v, HTTP_FORBIDDEN, "foreign_form"); break;
	}
}

/* ---- */

static void case_visit(struct visit *v)
{
	struct case_visit *c = v->data = arena_new_obj(v->arena, struct case_visit);

	c->id = visit_case(v, "/case/", "");
	if (c->id < 0)
		visit_tell(v, HTTP_NOT_FOUND, "unknown_page");
	else if (request_method(v->request) == HTTP_POST)
		post_case(v);
	else if (visit_need_person(v))
		ask_case(v);
}

void case_page(void *arg, struct request *r)
{
	visit_begin(arg, r, case_visit);
}
