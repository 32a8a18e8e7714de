/*
 * /reports: results and trends of the last thirteen weeks, and how promises were kept.
 *
 * What adds up a million answers takes seconds, so it has a connection of its own and is kept for a minute: whoever asks meanwhile
 * waits for the same answer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "page/case_view.h"
#include "page/inner.h"

#include "model/scale.h"
#include "report/chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WEEKS 13
#define KEPT_US (60 * US_PER_S)
#define REPORT_TIMEOUT_US (60 * US_PER_S)
#define SVG_BYTES_MAX (256 * 1024)
#define TOUCHPOINTS_MAX 40

/* ($1 weeks, $2 zone, $3 questions with a scale) */
static const struct pg_stmt report_stmt = {
	"report",
	"SELECT closeloop.report($1, $2, $3)",
	3,
	{PG_INT4, PG_TEXT, PG_TEXT_ARRAY},
};

/* ($1 when it was added up, $2 zone) as the reader's clock says it */
static const struct pg_stmt report_at_stmt = {
	"report_at",
	"SELECT closeloop.page_moment($1::timestamptz, $2)",
	2,
	{PG_TEXT, PG_TEXT},
};

struct waiting {
	struct list link;
	struct visit *visit;
};

struct reports {
	struct page *page;
	struct pg_conn *conn;
	struct arena *arena; /* of the question under way */
	struct list waiting;
	bool asking;
	json_t *found; /* the last answer; NULL: none */
	struct mono_time found_at;
};

/* ---- figures in words ---- */

struct kind {
	const char *name; /* of the words: report_nps, report_nps_note */
	double least, most;
	int decimals;
	bool per_cent;
};
static const struct kind kinds[] = {{"nps", -100, 100, 0, false}, {"csat", 0, 100, 0, true}, {"stars", 1, 5, 2, false}};

static int64_t number_of(const json_t *o, const char *key)
{
	return (int64_t)json_number_value(json_object_get(o, key));
}

static struct figure figure_of(const json_t *cell, size_t kind)
{
	switch (kind) {
	case 0: return figure_nps(number_of(cell, "nps_n"), number_of(cell, "promoters"), number_of(cell, "detractors"));
	case 1: return figure_share(number_of(cell, "csat_n"), number_of(cell, "csat_good"));
	default:
		return figure_mean(number_of(cell, "stars_n"), json_number_value(json_object_get(cell, "stars_sum")),
				   json_number_value(json_object_get(cell, "stars_squares")), 1, 5);
	}
}

static json_t *number_said(struct visit *v, double value, int decimals)
{
	char text[NUMBER_BYTES];

	return json_string(language_number(v->language, value, decimals, text));
}

/* A word around a number: "917 answers", "63%". */
static json_t *figure_said(struct visit *v, const char *word, double value)
{
	json_t *context = json_object(), *said;

	json_object_set_new(context, "n", number_said(v, value, 0));
	said = visit_say(v, word, context);
	json_decref(context);
	return said;
}

static json_t *answers_said(struct visit *v, int64_t n)
{
	return figure_said(v, n == 1 ? "answers_one" : "answers_n", (double)n);
}

static json_t *figure_view(struct visit *v, const struct figure *f, const struct kind *k)
{
	struct buf bar = BUF_INIT(4096);
	json_t *o = json_object();
	char low[NUMBER_BYTES], high[NUMBER_BYTES];

	if (f->n <= 0) {
		json_decref(o);
		return json_null();
	}
	chart_put_bar(&bar, f, k->least, k->most);
	json_object_set_new(o, "value",
			    k->per_cent ? figure_said(v, "per_cent", f->value) : number_said(v, f->value, k->decimals));
	json_object_set_new(o, "n", number_said(v, (double)f->n, 0));
	json_object_set_new(o, "answers", answers_said(v, f->n));
	json_object_set_new(o, "of", figure_said(v, "of_n", (double)f->n));
	json_object_set_new(o, "of_rescored", figure_said(v, "of_rescored", (double)f->n));
	json_object_set_new(o, "range",
			    isnan(f->low) ? json_null()
					  : json_sprintf("%s … %s", language_number(v->language, f->low, k->decimals, low),
							 language_number(v->language, f->high, k->decimals, high)));
	json_object_set_new(o, "svg", json_string(buf_str(&bar)));
	buf_fini(&bar);
	return o;
}

static json_t *share_view(struct visit *v, const json_t *o, const char *good, const char *n)
{
	struct figure f = figure_share(number_of(o, n), number_of(o, good));
	json_t *view = figure_view(v, &f, &kinds[1]);

	return view;
}

/* ---- parts of the page ---- */

static const json_t *cell_of(const json_t *answers, const char *kind, const char *key, const char *value)
{
	const json_t *cell;
	size_t i;

	json_array_foreach((json_t *)answers, i,
			   cell) if (str_eq(json_string_value(json_object_get(cell, "kind")), kind) &&
				     (!key || str_eq(json_string_value(json_object_get(cell, key)), value))) return cell;
	return NULL;
}

/* "2026-11-16" as people write a day: "16 Nov". */
static const char *week_label(struct visit *v, const char *day)
{
	json_t *context = json_object(), *said;
	const char *text;
	int month = 0, date = 0;

	if (sscanf(day, "%*d-%d-%d", &month, &date) != 2 || month < 1 || month > 12)
		return day;
	json_object_set_new(context, "day", json_integer(date));
	json_object_set_new(context, "month_number", json_integer(month));
	json_object_set_new(context, "month", visit_say(v, arena_printf(v->arena, "month_%d", month), NULL));
	said = visit_say(v, "short_date", context);
	text = arena_strdup(v->arena, json_string_value(said));
	json_decref(said);
	json_decref(context);
	return text;
}

static json_t *trend_view(struct visit *v, const json_t *found, size_t kind)
{
	const json_t *weeks = json_object_get(found, "weeks"), *answers = json_object_get(found, "answers"), *week;
	const json_t *all = cell_of(answers, "all", NULL, NULL);
	const struct kind *k = &kinds[kind];
	int n = (int)json_array_size(weeks);
	struct figure *points = arena_new_array(v->arena, struct figure, (size_t)MAX(n, 1)), total = figure_of(all, kind);
	const char **labels = arena_new_array(v->arena, const char *, (size_t)MAX(n, 1));
	struct buf svg = BUF_INIT(SVG_BYTES_MAX);
	json_t *o = json_object(), *rows = json_array();
	size_t i;

	json_array_foreach((json_t *)weeks, i, week)
	{
		json_t *row = json_object();

		labels[i] = week_label(v, json_string_value(week));
		points[i] = figure_of(cell_of(answers, "week", "week", json_string_value(week)), kind);
		json_object_set_new(row, "week", json_string(labels[i]));
		json_object_set_new(row, "figure", figure_view(v, &points[i], k));
		json_array_append_new(rows, row);
	}
	json_object_set_new(o, "title", visit_say(v, arena_printf(v->arena, "report_%s", k->name), NULL));
	json_object_set_new(o, "note", visit_say(v, arena_printf(v->arena, "report_%s_note", k->name), NULL));
	json_object_set_new(o, "total", figure_view(v, &total, k));
	chart_put(&svg, &(struct chart){.title = json_string_value(json_object_get(o, "title")),
					.least = k->least,
					.most = k->most,
					.points = points,
					.labels = labels,
					.n = n,
					.language = v->language});
	json_object_set_new(o, "svg", json_string(buf_str(&svg)));
	json_object_set_new(o, "rows", rows);
	buf_fini(&svg);
	return o;
}

static json_t *touchpoints_view(struct visit *v, const json_t *found)
{
	const json_t *answers = json_object_get(found, "answers"), *cell;
	json_t *list = json_array();
	size_t i;

	json_array_foreach((json_t *)answers, i, cell)
	{
		json_t *o, *name;

		if (!str_eq(json_string_value(json_object_get(cell, "kind")), "touchpoint") ||
		    json_array_size(list) == TOUCHPOINTS_MAX)
			continue;
		o = json_object();
		name = view_touchpoint(v, json_string_value(json_object_get(cell, "touchpoint")));
		json_object_set_new(o, "name", json_is_string(name) ? name : visit_say(v, "no_touchpoint", NULL));
		json_object_set_new(o, "n", number_said(v, (double)number_of(cell, "n"), 0));
		json_object_set_new(o, "answers", answers_said(v, number_of(cell, "n")));
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			struct figure f = figure_of(cell, k);

			json_object_set_new(o, kinds[k].name, figure_view(v, &f, &kinds[k]));
		}
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *questions_view(struct visit *v, const json_t *found)
{
	const struct settings *s = visit_settings(v);
	const json_t *q;
	json_t *list = json_array();
	size_t i;

	json_array_foreach(json_object_get((json_t *)found, "questions"), i, q)
	{
		const char *name = json_string_value(json_object_get(q, "name"));
		struct kind k = kinds[2];
		char least[NUMBER_BYTES], most[NUMBER_BYTES];
		const struct scale *scale = scale_find(s->scales, s->n_scales, name);
		struct figure f;
		json_t *o = json_object();

		if (scale) {
			k.least = scale->min;
			k.most = scale->max;
		}
		f = figure_mean(number_of(q, "n"), json_number_value(json_object_get(q, "sum")),
				json_number_value(json_object_get(q, "squares")), k.least, k.most);
		json_object_set_new(o, "name", json_string(settings_label(s, LABEL_RATING, name, v->language)));
		json_object_set_new(o, "figure", figure_view(v, &f, &k));
		json_object_set_new(o, "scale",
				    json_sprintf("%s–%s", language_number(v->language, k.least, -1, least),
						 language_number(v->language, k.most, -1, most)));
		json_array_append_new(list, o);
	}
	return list;
}

static void put_follow_up(struct visit *v, json_t *o, const json_t *f)
{
	json_object_set_new(o, "opened", number_said(v, (double)number_of(f, "opened"), 0));
	json_object_set_new(o, "unresolved", number_said(v, (double)number_of(f, "unresolved"), 0));
	json_object_set_new(o, "acknowledged", share_view(v, f, "acknowledged_in_time", "acknowledged_decided"));
	json_object_set_new(o, "resolved", share_view(v, f, "resolved_in_time", "resolved_decided"));
	json_object_set_new(o, "recovered", share_view(v, f, "recovered", "rescored"));
	json_object_set_new(o, "lost", share_view(v, f, "lost", "rescored"));
	if (json_is_number(json_object_get(f, "first_action")))
		json_object_set_new(o, "first_action", view_span(v->page->view, v->language, number_of(f, "first_action")));
	if (json_is_number(json_object_get(f, "resolve")))
		json_object_set_new(o, "resolve", view_span(v->page->view, v->language, number_of(f, "resolve")));
}

struct reports_visit {
	json_t *found; /* ours, whatever is added up meanwhile */
	json_t *at;
};

static void on_at(struct visit *v, const struct pg_rows *rows)
{
	struct reports_visit *r = v->data;

	r->at = visit_json(v, rows, 0);
}

static void show_at(struct visit *v)
{
	struct reports_visit *r = v->data;
	const json_t *found = r->found;
	json_t *o = visit_words(v, "reports"), *trends = json_array(), *context = json_object(), *list;
	const json_t *all = cell_of(json_object_get(found, "answers"), "all", NULL, NULL);

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct figure f = figure_of(all, k);

		if (f.n > 0)
			json_array_append_new(trends, trend_view(v, found, k));
	}
	json_object_set_new(context, "answers", answers_said(v, number_of(all, "n")));
	json_object_set_new(context, "weeks", json_integer(WEEKS));
	json_object_set_new(context, "at", view_moment(v->page->view, v->language, "time", r->at));
	json_object_set_new(o, "text", visit_say(v, "reports_text", context));
	json_decref(context);
	json_object_set_new(o, "any", json_boolean(number_of(all, "n") > 0));
	json_object_set_new(o, "trends", trends);
	json_object_set_new(o, "touchpoints", touchpoints_view(v, found));
	list = questions_view(v, found);
	json_object_set_new(o, "has_questions", json_boolean(json_array_size(list) > 0));
	json_object_set_new(o, "questions", list);
	put_follow_up(v, o, json_object_get(found, "follow_up"));
	json_object_set_new(o, "wide", json_true());
	json_decref(r->found);
	json_decref(r->at);
	visit_show(v, HTTP_OK, "reports", o);
}

/* What was added up once for all has the time of one zone. */
static void show_reports(struct visit *v, json_t *found)
{
	struct reports_visit *r = v->data = arena_new_obj(v->arena, struct reports_visit);
	struct pg_params *p = visit_params(v);

	r->found = json_incref(found);
	pg_add_text(p, json_string_value(json_object_get(found, "at")));
	pg_add_text(p, v->zone);
	visit_ask(v, &(struct visit_question){.stmt = &report_at_stmt, .params = p, .on_rows = on_at, .then = show_at});
	v->read[v->n_read++] = r->found; /* disposed of with the answer when there is none */
}

/* ---- asking, once for all who wait ---- */

static void on_report(void *arg, const struct pg_rows *rows)
{
	struct reports *r = arg;

	json_decref(r->found);
	r->found = page_json(rows, 0);
	r->found_at = mono_now();
}

static void on_reported(void *arg, const struct pg_error *error)
{
	struct reports *r = arg;

	r->asking = false;
	while (!list_empty(&r->waiting)) {
		struct waiting *w = list_entry(r->waiting.next, struct waiting, link);

		list_remove(&w->link);
		if (error)
			visit_failed(w->visit, error, false);
		else
			show_reports(w->visit, r->found);
	}
}

static void ask_report(struct visit *v, struct reports *r)
{
	const struct settings *s = visit_settings(v);
	struct pg_batch *b;
	struct pg_params *p;
	struct pg_array scaled;

	arena_reset(r->arena);
	p = arena_new_obj(r->arena, struct pg_params);
	pg_array_init(&scaled, r->arena, PG_TEXT);
	for (int i = 0; i < s->n_scales; i++)
		pg_array_text(&scaled, s->scales[i].name);
	pg_params_init(p, r->arena);
	pg_add_int4(p, WEEKS);
	pg_add_text(p, s->timezone);
	pg_add_array(p, &scaled);
	b = pg_batch_new(r->conn);
	pg_batch_add(b, &report_stmt, p, on_report, r);
	r->asking = true;
	pg_batch_send(b, REPORT_TIMEOUT_US, on_reported, r);
}

static void reports_visit(struct visit *v)
{
	struct reports *r = v->page->reports;
	struct waiting *w;

	if (!visit_need_person(v))
		return;
	if (r->found && mono_now().us - r->found_at.us < KEPT_US) {
		show_reports(v, r->found);
		return;
	}
	w = arena_new_obj(v->arena, struct waiting);
	w->visit = v;
	list_init(&w->link);
	list_append(&r->waiting, &w->link);
	if (!r->asking)
		ask_report(v, r);
}

void reports_page(void *arg, struct request *r)
{
	visit_begin(arg, r, reports_visit);
}

struct reports *reports_new(struct page *p, const struct pg_conn_options *conn)
{
	struct reports *r = xcalloc(1, sizeof(*r));

	r->page = p;
	list_init(&r->waiting);
	r->arena = arena_new(0);
	r->conn = pg_conn_new(p->loop, conn);
	return r;
}

bool reports_are_up(const struct reports *r)
{
	return pg_conn_is_up(r->conn);
}

struct reports *reports_free(struct reports *r)
{
	if (!r)
		return NULL;
	pg_conn_free(r->conn); /* whoever waits is answered */
	json_decref(r->found);
	arena_free(r->arena);
	free(r);
	return NULL;
}
