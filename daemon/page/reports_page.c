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
	const char *unit; /* behind the figure */
};
static const struct kind kinds[] = {{"nps", -100, 100, 0, ""}, {"csat", 0, 100, 0, " %"}, {"stars", 1, 5, 2, ""}};

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

static json_t *figure_view(struct visit *v, const struct figure *f, const struct kind *k)
{
	struct buf bar = BUF_INIT(4096);
	json_t *o = json_object();

	if (f->n <= 0) {
		json_decref(o);
		return json_null();
	}
	chart_put_bar(&bar, f, k->least, k->most);
	json_object_set_new(o, "value", json_string(arena_printf(v->arena, "%.*f", k->decimals, f->value + 0.0)));
	json_object_set_new(o, "unit", json_string(k->unit));
	json_object_set_new(o, "n", json_integer(f->n));
	json_object_set_new(
		o, "range",
		isnan(f->low) ? json_null()
			      : json_string(arena_printf(v->arena, "%.*f … %.*f", k->decimals, f->low, k->decimals, f->high)));
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
					.decimals = k->decimals > 0 ? 1 : 0});
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
		json_object_set(o, "n", json_object_get(cell, "n"));
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
		struct kind k = {"stars", 1, 5, 2, ""};
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
		json_object_set_new(o, "scale", json_string(arena_printf(v->arena, "%.15g–%.15g", k.least, k.most)));
		json_array_append_new(list, o);
	}
	return list;
}

static void put_follow_up(struct visit *v, json_t *o, const json_t *f)
{
	json_object_set(o, "opened", json_object_get(f, "opened"));
	json_object_set(o, "unresolved", json_object_get(f, "unresolved"));
	json_object_set_new(o, "acknowledged", share_view(v, f, "acknowledged_in_time", "acknowledged_decided"));
	json_object_set_new(o, "resolved", share_view(v, f, "resolved_in_time", "resolved_decided"));
	json_object_set_new(o, "recovered", share_view(v, f, "recovered", "rescored"));
	json_object_set_new(o, "lost", share_view(v, f, "lost", "rescored"));
	if (json_is_number(json_object_get(f, "first_action")))
		json_object_set_new(o, "first_action", view_span(v->page->view, v->language, number_of(f, "first_action")));
	if (json_is_number(json_object_get(f, "resolve")))
		json_object_set_new(o, "resolve", view_span(v->page->view, v->language, number_of(f, "resolve")));
}

static void show_reports(struct visit *v, const json_t *found)
{
	json_t *o = visit_words(v, "reports"), *trends = json_array(), *context = json_object(), *list;
	const json_t *all = cell_of(json_object_get(found, "answers"), "all", NULL, NULL);

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct figure f = figure_of(all, k);

		if (f.n > 0)
			json_array_append_new(trends, trend_view(v, found, k));
	}
	json_object_set_new(context, "n", json_integer(number_of(all, "n")));
	json_object_set_new(context, "weeks", json_integer(WEEKS));
	json_object_set_new(context, "at", view_moment(v->page->view, v->language, "time", json_object_get(found, "at")));
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
	visit_show(v, HTTP_OK, "reports", o);
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
