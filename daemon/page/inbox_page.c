/*
 * /inbox: a person's cases, worst and nearest due first; several acknowledged at once. /away: their absence and deputy.
 *
 * Everything that is chosen stands in the query, so a list can be kept as a bookmark; the next page begins behind the last line
 * of this one, whatever has moved meanwhile.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "page/case_view.h"
#include "page/inner.h"

#include <stdlib.h>
#include <string.h>

#define LINES_AT_ONCE 30
#define WORDS_BYTES_MAX 200
#define QUERY_BYTES_MAX 4096

/* ($1 owners, $2 filter, $3 after, $4 zone, $5 at most, $6 person) */
static const struct pg_stmt page_inbox_stmt = {
	"page_inbox",
	"SELECT closeloop.page_inbox($1, $2, $3, $4, $5), closeloop.page_counts($6, $4)",
	6,
	{PG_TEXT_ARRAY, PG_JSONB, PG_JSONB, PG_TEXT, PG_INT4, PG_TEXT},
};

/* The same of what is done; $3 is an array of the case before which it goes on. */
static const struct pg_stmt page_done_stmt = {
	"page_done",
	"SELECT closeloop.page_done($1, $2, ($3::jsonb ->> 0)::bigint, $4, $5), closeloop.page_counts($6, $4)",
	6,
	{PG_TEXT_ARRAY, PG_JSONB, PG_JSONB, PG_TEXT, PG_INT4, PG_TEXT},
};

/* ($1 cases, $2 person, $3 people, $4 teams) */
static const struct pg_stmt page_acknowledge_stmt = {
	"page_acknowledge",
	"SELECT closeloop.page_acknowledge($1, $2, $3, $4)",
	4,
	{PG_INT8_ARRAY, PG_TEXT, PG_TEXT_ARRAY, PG_TEXT_ARRAY},
};

/* ($1 person, $2 first day, $3 last day, $4 deputy, $5 zone) */
static const struct pg_stmt page_away_stmt = {
	"page_away",
	"SELECT closeloop.page_away($1, nullif($2, '')::date, nullif($3, '')::date, $4, $5)",
	5,
	{PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT},
};

static const struct pg_stmt page_back_stmt = {"page_back", "SELECT closeloop.page_back($1)", 1, {PG_TEXT}};

static const char *const away_fields[] = {"from", "until", "deputy"};

struct inbox_visit {
	const char *team, *status, *priority, *touchpoint, *words, *after; /* NULL: not chosen */
	bool done;
	json_t *found, *counts;
	int taken; /* so many were acknowledged at once */
};

static void inbox_read(struct visit *v, struct inbox_visit *in)
{
	static const char *const statuses[] = {"open", "acknowledged", "in_progress", "waiting", "done"};
	const char *status = form_get(&v->query, "status"), *priority = form_get(&v->query, "priority");
	const char *touchpoint = form_get(&v->query, "touchpoint"), *words = form_get(&v->query, "q");
	const char *team = form_get(&v->query, "team"), *after = form_get(&v->query, "after");
	enum priority known;

	for (size_t i = 0; status && i < ARRAY_SIZE(statuses); i++)
		if (strcmp(status, statuses[i]) == 0)
			in->status = statuses[i];
	in->done = str_eq(in->status, "done");
	in->priority = priority && priority_parse(priority, &known) == 0 ? priority_name(known) : NULL;
	in->touchpoint = touchpoint && *touchpoint ? touchpoint : NULL;
	in->words = words && *words && strlen(words) <= WORDS_BYTES_MAX ? words : NULL;
	in->team = team && *team ? team : NULL;
	in->after = after && *after ? after : NULL;
}

/* ---- what is asked ---- */

static bool leads(const struct visit *v, const struct team *t)
{
	return str_eq(t->lead, v->person);
}

/* Whose cases: their own; a team that they lead; or "all" that they answer for. */
static void add_owners(struct visit *v, const struct inbox_visit *in, struct pg_params *p)
{
	const struct settings *s = visit_settings(v);
	struct pg_array owners;

	if (in->team && strcmp(in->team, "all") == 0) {
		visit_add_people(v, p);
		return;
	}
	pg_array_init(&owners, v->arena, PG_TEXT);
	for (int i = 0; in->team && i < s->n_teams; i++)
		for (int k = 0; leads(v, &s->teams[i]) && strcmp(s->teams[i].id, in->team) == 0 && k < s->teams[i].members.n;
		     k++)
			pg_array_text(&owners, s->teams[i].members.items[k]);
	if (owners.count == 0)
		pg_array_text(&owners, v->person);
	pg_add_array(p, &owners);
}

static void add_json(struct pg_params *p, json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);

	pg_add_jsonb(p, text);
	free(text);
	json_decref(value);
}

static json_t *filter_of(const struct inbox_visit *in)
{
	json_t *filter = json_object();

	if (in->status && !in->done)
		json_object_set_new(filter, "status", json_string(in->status));
	if (in->priority)
		json_object_set_new(filter, "priority", json_string(in->priority));
	if (in->touchpoint)
		json_object_set_new(filter, "touchpoint", json_string(in->touchpoint));
	if (in->words)
		json_object_set_new(filter, "words", json_string(in->words));
	return filter;
}

/* [rank, due, id] or [id], as the last page gave it; anything else is the beginning. */
static json_t *after_of(const struct inbox_visit *in)
{
	json_t *after = in->after ? json_loads(in->after, 0, NULL) : NULL;
	size_t n = in->done ? 1 : 3;
	const char *due = json_string_value(json_array_get(after, 1));
	bool good = json_array_size(after) == n && json_is_integer(json_array_get(after, n - 1));
	struct wall_time time;

	if (good && !in->done)
		good = json_is_integer(json_array_get(after, 0)) && json_integer_value(json_array_get(after, 0)) >= 0 &&
		       json_integer_value(json_array_get(after, 0)) < PRIORITY_COUNT && due &&
		       (strcmp(due, "infinity") == 0 || wall_parse(due, &time) == 0);
	if (good)
		return after;
	json_decref(after);
	return json_array();
}

/* ---- what is shown ---- */

static json_t *line_view(struct visit *v, const json_t *line)
{
	const json_t *r = json_object_get(line, "response"), *due = json_object_get(line, "due"),
		     *until = json_object_get(line, "until");
	const char *status = json_string_value(json_object_get(line, "status")),
		   *owner = json_string_value(json_object_get(line, "owner"));
	const char *priority = json_string_value(json_object_get(line, "priority"));
	long long id = (long long)json_integer_value(json_object_get(line, "id"));
	json_t *o = json_object();

	json_object_set_new(o, "id", json_integer(id));
	json_object_set_new(o, "case", json_string(arena_printf(v->arena, "C-%lld", id)));
	json_object_set_new(o, "path", json_string(arena_printf(v->arena, "/case/%lld", id)));
	json_object_set_new(o, "priority_id", json_string(priority));
	json_object_set_new(o, "priority", visit_say(v, arena_printf(v->arena, "priority_%s", priority), NULL));
	json_object_set_new(o, "who", view_who(v, r));
	json_object_set_new(o, "score", view_score(v, r));
	json_object_set_new(o, "touchpoint", view_touchpoint(v, json_string_value(json_object_get(r, "touchpoint"))));
	json_object_set_new(o, "asked", json_boolean(json_is_true(json_object_get(r, "contact_requested"))));
	json_object_set(o, "comment", json_object_get(r, "comment"));
	json_object_set_new(o, "status", visit_say(v, arena_printf(v->arena, "status_%s", status), NULL));
	json_object_set_new(o, "open", json_boolean(strcmp(status, "open") == 0));
	json_object_set_new(o, "owner", str_eq(owner, v->person) ? json_null() : json_string(view_name(v, owner)));
	json_object_set_new(o, "late",
			    json_boolean(json_is_object(due) && json_integer_value(json_object_get(due, "left")) < 0 &&
					 !json_is_object(until)));
	json_object_set_new(o, "by", view_moment(v->page->view, v->language, "by", json_is_object(until) ? until : due));
	json_object_set_new(o, "at", view_moment(v->page->view, v->language, "time", json_object_get(line, "at")));
	return o;
}

static void put_option(json_t *list, const char *value, const char *label, const char *chosen)
{
	json_t *o = json_object();

	json_object_set_new(o, "value", json_string(value));
	json_object_set_new(o, "label", json_string(label));
	json_object_set_new(o, "chosen", json_boolean(str_eq(value, chosen)));
	json_array_append_new(list, o);
}

static void put_words(struct visit *v, json_t *list, const char *prefix, const char *name, const char *chosen)
{
	put_option(list, name, view_word(v->page->view, v->language, arena_printf(v->arena, "%s_%s", prefix, name)), chosen);
}

static void put_filters(struct visit *v, json_t *o, const struct inbox_visit *in)
{
	const struct settings *s = visit_settings(v);
	json_t *teams = json_array(), *statuses = json_array(), *priorities = json_array(), *touchpoints = json_array();
	static const char *const status_names[] = {"open", "acknowledged", "in_progress", "waiting", "done"};

	for (size_t i = 0; i < ARRAY_SIZE(status_names); i++)
		put_words(v, statuses, "status", status_names[i], in->status);
	for (int p = PRIORITY_COUNT - 1; p >= 0; p--)
		put_words(v, priorities, "priority", priority_name((enum priority)p), in->priority);
	for (int i = 0; i < s->n_labels; i++)
		if (s->labels[i].kind == LABEL_TOUCHPOINT)
			put_option(touchpoints, s->labels[i].value,
				   settings_label(s, LABEL_TOUCHPOINT, s->labels[i].value, v->language), in->touchpoint);
	for (int i = 0; i < s->n_teams; i++)
		if (leads(v, &s->teams[i]))
			put_option(teams, s->teams[i].id, s->teams[i].id, in->team);
	if (json_array_size(teams) || visit_answers_for_any(v))
		put_words(v, teams, "team", "all", in->team);
	json_object_set_new(o, "has_teams", json_boolean(json_array_size(teams) > 0));
	json_object_set_new(o, "has_touchpoints", json_boolean(json_array_size(touchpoints) > 0));
	json_object_set_new(o, "teams", teams);
	json_object_set_new(o, "statuses", statuses);
	json_object_set_new(o, "priorities", priorities);
	json_object_set_new(o, "touchpoints", touchpoints);
	json_object_set_new(o, "words", in->words ? json_string(in->words) : json_null());
	json_object_set_new(o, "filtered", json_boolean(in->team || in->status || in->priority || in->touchpoint || in->words));
}

static void query_put(struct buf *b, const char *name, const char *value)
{
	if (!value)
		return;
	buf_printf(b, "%c%s=", b->n ? '&' : '?', name);
	form_put_value(b, value);
}

/* "?status=open&after=…": what is chosen, behind after (NULL: from the beginning); ours to free. */
static char *query_of(const struct inbox_visit *in, const char *after)
{
	struct buf b = BUF_INIT(QUERY_BYTES_MAX);

	query_put(&b, "team", in->team);
	query_put(&b, "status", in->status);
	query_put(&b, "priority", in->priority);
	query_put(&b, "touchpoint", in->touchpoint);
	query_put(&b, "q", in->words);
	query_put(&b, "after", after);
	if (b.overflow) /* nobody's list */
		buf_reset(&b);
	return buf_take(&b);
}

/* null: this is the last page. */
static json_t *next_view(const struct inbox_visit *in)
{
	const json_t *next = json_object_get(in->found, "next");
	char *text, *query;
	json_t *o;

	if (!json_is_array(next))
		return json_null();
	text = json_dumps(next, JSON_COMPACT);
	query = query_of(in, text);
	o = json_string(query);
	free(query);
	free(text);
	return o;
}

/* How many the button took on. */
static void put_taken(struct visit *v, json_t *o)
{
	int64_t n = form_number(&v->query, "taken", LINES_AT_ONCE);
	json_t *context;

	if (n < 0)
		return;
	context = json_object();
	json_object_set_new(context, "n", json_integer(n));
	json_object_set_new(o, "taken", visit_say(v, n == 0 ? "taken_none" : n == 1 ? "taken_one" : "taken_n", context));
	json_decref(context);
}

static void put_away(struct visit *v, json_t *o, const json_t *away)
{
	const char *deputy = json_string_value(json_object_get(away, "deputy"));
	const json_t *from = json_object_get(away, "from"), *until = json_object_get(away, "until");
	bool from_day = json_is_true(json_object_get(away, "from_day"));
	bool until_day = json_is_true(json_object_get(away, "until_day"));
	json_t *context;

	if (!json_is_object(away))
		return;
	context = json_object();
	json_object_set_new(context, "from", view_moment(v->page->view, v->language, from_day ? "day" : "time", from));
	json_object_set_new(context, "until", view_moment(v->page->view, v->language, until_day ? "day" : "time", until));
	json_object_set_new(context, "deputy", deputy ? json_string(view_name(v, deputy)) : json_null());
	json_object_set_new(o, "away",
			    visit_say(v, json_is_true(json_object_get(away, "now")) ? "away_now" : "away_later", context));
	json_decref(context);
}

static void show_inbox(struct visit *v)
{
	struct inbox_visit *in = v->data;
	json_t *o = visit_words(v, "inbox"), *lines = json_array(), *line, *context = json_object();
	bool any_open = false;
	char *here;
	size_t i;

	json_array_foreach(json_object_get(in->found, "lines"), i, line)
	{
		json_array_append_new(lines, line_view(v, line));
		any_open |= str_eq(json_string_value(json_object_get(line, "status")), "open");
	}
	json_object_set(context, "n", json_object_get(in->counts, "open"));
	json_object_set(context, "overdue",
			json_integer_value(json_object_get(in->counts, "overdue")) ? json_object_get(in->counts, "overdue")
										   : NULL);
	json_object_set(context, "more", json_object_get(in->counts, "more"));
	json_object_set_new(o, "text", in->team ? json_null() : visit_say(v, "inbox_text", context)); /* it counts their own */
	json_decref(context);
	json_object_set_new(o, "any", json_boolean(json_array_size(lines) > 0));
	json_object_set_new(o, "any_open", json_boolean(any_open));
	json_object_set_new(o, "lines", lines);
	json_object_set_new(o, "next", next_view(in));
	here = query_of(in, in->after);
	json_object_set_new(o, "here", json_string(here));
	free(here);
	put_taken(v, o);
	json_object_set_new(o, "token", json_string(visit_form_token(v, 0)));
	put_filters(v, o, in);
	put_away(v, o, json_object_get(in->counts, "away"));
	view_put_people(v, o, v->person);
	json_object_set_new(o, "refused", json_boolean(form_get(&v->query, "not") != NULL));
	for (size_t k = 0; k < ARRAY_SIZE(away_fields) && form_get(&v->query, "not"); k++)
		if (form_get(&v->query, away_fields[k]))
			json_object_set_new(o, away_fields[k], json_string(form_get(&v->query, away_fields[k])));
	json_decref(in->found);
	json_decref(in->counts);
	visit_show(v, HTTP_OK, "inbox", o);
}

static void on_inbox(struct visit *v, const struct pg_rows *rows)
{
	struct inbox_visit *in = v->data;

	in->found = visit_json(v, rows, 0);
	in->counts = visit_json(v, rows, 1);
}

static void ask_inbox(struct visit *v)
{
	struct inbox_visit *in = v->data = arena_new_obj(v->arena, struct inbox_visit);
	struct pg_params *p = visit_params(v);

	inbox_read(v, in);
	add_owners(v, in, p);
	add_json(p, filter_of(in));
	add_json(p, after_of(in));
	pg_add_text(p, v->zone);
	pg_add_int4(p, LINES_AT_ONCE);
	pg_add_text(p, v->person);
	visit_ask(v, &(struct visit_question){.stmt = in->done ? &page_done_stmt : &page_inbox_stmt,
					      .params = p,
					      .on_rows = on_inbox,
					      .then = show_inbox,
					      .slow = in->words || in->touchpoint});
}

/* ---- what is done ---- */

static void back_to_inbox(struct visit *v)
{
	visit_redirect(v, "/inbox", COOKIE_KEEP);
}

/* Back to the form, with what was typed into it. */
static void away_not_done(struct visit *v)
{
	struct buf b = BUF_INIT(QUERY_BYTES_MAX);

	buf_puts(&b, "?not=away");
	for (size_t i = 0; i < ARRAY_SIZE(away_fields); i++)
		query_put(&b, away_fields[i], form_get(&v->form, away_fields[i]));
	visit_redirect(v, arena_printf(v->arena, "/inbox%s#away", b.overflow ? "?not=away" : buf_str(&b)), COOKIE_KEEP);
	buf_fini(&b);
}

static void refused(struct visit *v, const struct pg_error *error)
{
	away_not_done(v);
}

static void on_acknowledged(struct visit *v, const struct pg_rows *rows)
{
	struct inbox_visit *in = v->data;

	in->taken = pg_get_int4(rows, 0, 0);
}

/* Back to the list as it was chosen. */
static void acknowledged(struct visit *v)
{
	const struct inbox_visit *in = v->data;
	char *query = query_of(in, in->after);

	visit_redirect(v, arena_printf(v->arena, "/inbox%s%ctaken=%d", query, *query ? '&' : '?', in->taken), COOKIE_KEEP);
	free(query);
}

static void acknowledge(struct visit *v)
{
	struct inbox_visit *in = v->data = arena_new_obj(v->arena, struct inbox_visit);
	struct pg_params *p = visit_params(v);
	struct pg_array cases;

	inbox_read(v, in);
	pg_array_init(&cases, v->arena, PG_INT8);
	for (int i = 0; i < v->form.n; i++)
		if (strcmp(v->form.fields[i].name, "case") == 0 && atoll(v->form.fields[i].value) > 0)
			pg_array_int8(&cases, atoll(v->form.fields[i].value));
	pg_add_array(p, &cases);
	pg_add_text(p, v->person);
	visit_add_scope(v, p);
	visit_ask(v, &(struct visit_question){
			     .stmt = &page_acknowledge_stmt, .params = p, .on_rows = on_acknowledged, .then = acknowledged});
}

static bool is_day(const char *text)
{
	struct wall_time time;

	return strlen(text) == 10 && wall_parse_or_day(text, &time) == 0;
}

static void away(struct visit *v)
{
	const char *from = form_get(&v->form, "from"), *until = form_get(&v->form, "until"),
		   *deputy = form_get(&v->form, "deputy");
	const struct person *d = deputy && *deputy ? visit_person_named(v, deputy) : NULL;
	struct pg_params *p = visit_params(v);

	from = from ? from : "";
	until = until ? until : "";
	pg_add_text(p, v->person);
	if (str_eq(form_get(&v->form, "action"), "back")) {
		visit_ask(v, &(struct visit_question){.stmt = &page_back_stmt, .params = p, .then = back_to_inbox});
		return;
	}
	if ((*from && !is_day(from)) || (*until && !is_day(until)) || (deputy && *deputy && !d) ||
	    (d && str_eq(d->id, v->person))) {
		away_not_done(v);
		return;
	}
	pg_add_text(p, from);
	pg_add_text(p, until);
	pg_add_text(p, d ? d->id : NULL);
	pg_add_text(p, v->zone);
	visit_ask(v,
		  &(struct visit_question){.stmt = &page_away_stmt, .params = p, .then = back_to_inbox, .on_refused = refused});
}

/* ---- */

static void post(struct visit *v, visit_fn *fn)
{
	struct signed_link form;

	switch (visit_check_form(v, 0, &form)) {
	case FORM_OURS: fn(v); break;
	case FORM_ENDED: visit_need_person(v); break;
	case FORM_FOREIGN: visit_tell(v, HTTP_FORBIDDEN, "foreign_form"); break;
	}
}

static void inbox_visit(struct visit *v)
{
	if (request_method(v->request) == HTTP_POST)
		post(v, acknowledge);
	else if (visit_need_person(v))
		ask_inbox(v);
}

void inbox_page(void *arg, struct request *r)
{
	visit_begin(arg, r, inbox_visit);
}

static void away_visit(struct visit *v)
{
	post(v, away);
}

void away_page(void *arg, struct request *r)
{
	visit_begin(arg, r, away_visit);
}
