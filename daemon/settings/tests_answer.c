/*
 * Files of tests: what a customer answered, and what was before; see tests.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/tests_inner.h"
#include "base/escape.h"
#include "settings/value.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define NAMES_BYTES_MAX 4096
#define PREVIOUS_AGO_S (30 * 86400) /* when a test doesn't say when `previous` was */

static struct text_pos pos_of(const struct load *l, const config_setting_t *s)
{
	return source_pos(l->source, (int)config_setting_source_line(s));
}

/* An error about one setting of a group that has no table: "tests.x.response.attributes.plan: …". */
static void member_error(struct load *l, const struct item *it, const config_setting_t *e, const char *fmt, ...) PRINTF(4, 5);
static void member_error(struct load *l, const struct item *it, const config_setting_t *e, const char *fmt, ...)
{
	const char *name = e->name ? e->name : "";
	struct key key = {.name = arena_printf(l->arena, "%s%s%s", it->key->name, *name ? "." : "", name)};
	struct item member = {.key = &key, .pos = pos_of(l, e)};
	va_list ap;

	va_start(ap, fmt);
	load_error(l, &member, NULL, "%s", arena_vprintf(l->arena, fmt, ap));
	va_end(ap);
}

static bool member_number(const config_setting_t *e, double *ret)
{
	if (!config_setting_is_number(e))
		return false;
	*ret = config_setting_type(e) == CONFIG_TYPE_FLOAT ? config_setting_get_float(e)
	       : config_setting_type(e) == CONFIG_TYPE_INT ? config_setting_get_int(e)
							   : (double)config_setting_get_int64(e);
	return isfinite(*ret);
}

/* ---- answers ---- */

static void read_raw(struct load *l, const struct item *it, void *field)
{
	*(const char **)field = it->text;
}
const struct type type_raw = {SHAPE_TEXT, "a text", read_raw};

static void read_moment(struct load *l, const struct item *it, void *field)
{
	if (wall_parse(it->text, field) < 0)
		load_unexpected(l, it);
}
const struct type type_moment = {SHAPE_TEXT, "a time with its zone such as 2027-03-02T10:00:00+09:00", read_moment};

static void read_ago(struct load *l, const struct item *it, void *field)
{
	if (duration_parse(it->text, &tests_of(l)->previous_ago_s) < 0 || tests_of(l)->previous_ago_s < 0)
		load_unexpected(l, it);
}
const struct type type_ago = {SHAPE_TEXT, "a duration such as 4h, 12d or 3w", read_ago};

/* One of { delivery = 1; } or of ( { name = "설치 속도"; value = 1; } ). */
static bool rating_read(struct load *l, const struct item *it, const config_setting_t *e, struct rating *ret)
{
	const config_setting_t *value = e;

	*ret = (struct rating){.name = e->name};
	if (!e->name) {
		const char *name = NULL;

		value = config_setting_type(e) == CONFIG_TYPE_GROUP ? config_setting_get_member(e, "value") : NULL;
		if (!value || config_setting_length(e) != 2 || !config_setting_lookup_string(e, "name", &name)) {
			member_error(l, it, e, "expected { name = \"…\"; value = 1; }");
			return false;
		}
		ret->name = name;
	}
	ret->name = arena_strdup(l->arena, ret->name);
	if (!member_number(value, &ret->value)) {
		member_error(l, it, e, "expected a number");
		return false;
	}
	return true;
}

static void read_ratings(struct load *l, const struct item *it, void *field)
{
	struct response *r = container_of(field, struct response, ratings);
	int type = config_setting_type(it->setting), n = config_setting_length(it->setting);
	struct rating *ratings;

	if (type != CONFIG_TYPE_GROUP && type != CONFIG_TYPE_LIST) {
		load_unexpected(l, it);
		return;
	}
	if (n > RESPONSE_RATINGS_MAX) {
		load_error(l, it, NULL, "%d ratings, at most %d are possible", n, RESPONSE_RATINGS_MAX);
		return;
	}
	ratings = arena_new_array(l->arena, struct rating, (size_t)n);
	for (int i = 0; i < n; i++)
		if (rating_read(l, it, config_setting_get_elem(it->setting, (unsigned)i), &ratings[r->n_ratings]))
			r->n_ratings++;
	r->ratings = ratings;
}
const struct type type_ratings = {SHAPE_ANY, "a group { delivery = 4; } or a list ( { name = \"…\"; value = 4; } )",
				  read_ratings};

/* As it would stand in the JSON of a row, but only as it is declared. */
static bool attribute_read(struct load *l, const struct item *it, const config_setting_t *e, struct attribute *ret)
{
	const struct attribute_settings *declared = settings_attribute(l->s, e->name);
	int type = config_setting_type(e);
	struct wall_time time;

	if (!declared) {
		member_error(l, it, e, "is not declared in attributes%s", load_guess_id(l, e->name, IDS_ATTRIBUTES));
		return false;
	}
	*ret = (struct attribute){.name = declared->name, .type = declared->type};
	switch (declared->type) {
	case ATTRIBUTE_TEXT:
	case ATTRIBUTE_TIME:
		if (type != CONFIG_TYPE_STRING) {
			member_error(l, it, e, "is a %s: write it in double quotes",
				     declared->type == ATTRIBUTE_TIME ? "time" : "text");
			return false;
		}
		ret->type = ATTRIBUTE_TEXT;
		ret->text = arena_strdup(l->arena, config_setting_get_string(e));
		if (declared->type == ATTRIBUTE_TEXT || wall_parse_or_day(ret->text, &time) == 0)
			return true;
		member_error(l, it, e, "expected %s, or a day such as 2027-03-02", type_moment.words);
		return false;
	case ATTRIBUTE_NUMBER:
		if (!member_number(e, &ret->number)) {
			member_error(l, it, e, "expected a number");
			return false;
		}
		ret->text = arena_printf(l->arena, "%.15g", ret->number);
		return true;
	case ATTRIBUTE_BOOL:
		if (type != CONFIG_TYPE_BOOL) {
			member_error(l, it, e, "expected true or false");
			return false;
		}
		ret->truth = config_setting_get_bool(e);
		ret->text = ret->truth ? "true" : "false";
		return true;
	}
	return false;
}

static void read_attributes(struct load *l, const struct item *it, void *field)
{
	struct response *r = container_of(field, struct response, attributes);
	int n = config_setting_length(it->setting); /* names differ and are declared: not more than there may be */
	struct attribute *attributes = arena_new_array(l->arena, struct attribute, (size_t)n);

	for (int i = 0; i < n && r->n_attributes < RESPONSE_ATTRIBUTES_MAX; i++)
		if (attribute_read(l, it, config_setting_get_elem(it->setting, (unsigned)i), &attributes[r->n_attributes]))
			r->n_attributes++;
	r->attributes = attributes;
}
const struct type type_attribute_values = {SHAPE_GROUP, "a group { … }", read_attributes};

void answer_init(struct load *l, void *element)
{
	*(struct response *)element = (struct response){
		.source = "test",
		.nps = SCORE_MISSING,
		.csat = SCORE_MISSING,
		.ces = SCORE_MISSING,
		.responded_at = WALL_NONE,
		.received_at = WALL_NONE,
	};
}

/* ---- history ---- */

static const char *const counted[] = {
	[HISTORY_RESPONSES] = "responses", [HISTORY_DETRACTORS] = "detractors", [HISTORY_CASES] = "cases"};

/* "detractors_90d_account" */
static const char *need_name(struct arena *a, const struct history_need *n)
{
	static const struct {
		int64_t seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	int64_t s = n->window_us / US_PER_S;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (s % units[i].seconds == 0)
			return arena_printf(a, "%s_%lld%c%s", counted[n->what], (long long)(s / units[i].seconds),
					    units[i].unit, n->of == PER_ACCOUNT ? "_account" : "");
	return "";
}

static int need_parse(struct arena *a, const char *name, struct history_need *ret)
{
	char *rest = arena_strdup(a, name), *what = strsep(&rest, "_"), *window = strsep(&rest, "_");
	int64_t seconds;

	*ret = (struct history_need){.of = rest ? PER_ACCOUNT : PER_CUSTOMER};
	if (!window || duration_parse(window, &seconds) < 0 || seconds <= 0 || (rest && strcmp(rest, "account") != 0))
		return -EINVAL;
	ret->window_us = seconds * US_PER_S;
	for (size_t i = 0; i < ARRAY_SIZE(counted); i++)
		if (strcmp(counted[i], what) == 0) {
			ret->what = (unsigned)i;
			return 0;
		}
	return -EINVAL;
}

static int need_place(const struct settings *s, const struct history_need *need)
{
	const struct history_need *needs;
	int n = ruleset_history(s->ruleset, &needs);

	for (int i = 0; i < n; i++)
		if (needs[i].what == need->what && needs[i].of == need->of && needs[i].window_us == need->window_us)
			return i;
	return -1;
}

/* "the rules ask for detractors_90d, responses_1d" */
static const char *needs_words(struct load *l)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT(NAMES_BYTES_MAX);
	const struct history_need *needs;
	int n = ruleset_history(l->s->ruleset, &needs);

	if (n == 0)
		return "no rule asks for history";
	buf_puts(&b, "the rules ask for ");
	for (int i = 0; i < n; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", need_name(l->arena, &needs[i]));
	return arena_strdup(l->arena, buf_str(&b));
}

static void history_read(struct load *l, const struct item *it, const config_setting_t *e)
{
	struct rule_test *t = tests_of(l)->test;
	struct test_history *h = &t->history[t->n_history];

	*h = (struct test_history){.name = arena_strdup(l->arena, e->name)};
	if (need_parse(l->arena, h->name, &h->need) < 0) {
		member_error(l, it, e, "expected a name such as detractors_90d or responses_30d_account; %s", needs_words(l));
		return;
	}
	h->place = need_place(l->s, &h->need);
	if (h->place < 0)
		member_error(l, it, e, "nobody would look at it: %s", needs_words(l));
	else if (!member_number(e, &h->count) || h->count < 0 || h->count != floor(h->count))
		member_error(l, it, e, "expected a whole number from 0");
	else
		t->n_history++;
}

static void read_history(struct load *l, const struct item *it, void *field)
{
	struct rule_test *t = tests_of(l)->test;
	int n = config_setting_length(it->setting);

	t->history = arena_new_array(l->arena, struct test_history, (size_t)n);
	for (int i = 0; i < n; i++)
		history_read(l, it, config_setting_get_elem(it->setting, (unsigned)i));
}
const struct type type_history = {SHAPE_GROUP, "a group { … }", read_history};

/* ---- a test ---- */

void test_init(struct load *l, void *element)
{
	struct rule_test *t = element;

	tests_of(l)->test = t;
	tests_of(l)->previous_ago_s = -1;
	t->at = tests_of(l)->file->at;
	answer_init(l, &t->response);
	answer_init(l, &t->previous);
}

static bool same_text(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* Who the customer is and where: the same as now where `previous` doesn't say. */
static void previous_inherit(struct rule_test *t)
{
	static const size_t texts[] = {
		offsetof(struct response, customer_id),    offsetof(struct response, customer_name),
		offsetof(struct response, customer_email), offsetof(struct response, customer_phone),
		offsetof(struct response, account),        offsetof(struct response, account_name),
		offsetof(struct response, region),         offsetof(struct response, language),
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const char **text = (const char **)(void *)((char *)&t->previous + texts[i]);

		if (!*text)
			*text = *(const char *const *)(const void *)((const char *)&t->response + texts[i]);
	}
}

static void previous_time(struct load *l, const struct item *it, struct rule_test *t)
{
	int64_t ago_s = tests_of(l)->previous_ago_s;
	struct text_pos pos = load_key_pos(l, it, "previous");

	if (wall_is_set(t->previous.responded_at) && ago_s >= 0)
		load_error(l, it, &pos, "previous: responded_at and ago say the same: leave one out");
	if (!wall_is_set(t->previous.responded_at))
		t->previous.responded_at.us = t->response.responded_at.us - (ago_s < 0 ? PREVIOUS_AGO_S : ago_s) * US_PER_S;
	if (t->previous.responded_at.us > t->response.responded_at.us)
		load_error(l, it, &pos, "previous: is later than the response");
	t->previous.received_at = t->previous.responded_at;
}

/* What `previous` alone says of a count. */
static double implied_count(const struct rule_test *t, const struct history_need *need)
{
	const struct response *p = &t->previous;

	if (!t->has_previous || need->what == HISTORY_CASES ||
	    p->responded_at.us < t->response.responded_at.us - need->window_us ||
	    (need->what == HISTORY_DETRACTORS && (p->nps == SCORE_MISSING || p->nps > 6)))
		return 0;
	return need->of == PER_CUSTOMER || same_text(p->account, t->response.account);
}

/* A count of the account says nothing of who the customer is. */
static bool says_of_customer(const struct rule_test *t)
{
	for (int i = 0; i < t->n_history; i++)
		if (t->history[i].need.of == PER_CUSTOMER)
			return true;
	return false;
}

static void test_past(struct load *l, struct rule_test *t)
{
	const struct response *r = &t->response;
	const struct history_need *needs;
	int n = ruleset_history(l->s->ruleset, &needs);
	bool shared = !str_blank(r->customer_id) && settings_is_anonymous(l->s, r->customer_id);
	bool known = !shared && (t->has_previous || says_of_customer(t) || !str_blank(r->customer_id));
	bool has_account = r->account && r->account[strspn(r->account, " ")];
	double *counts = arena_new_array(l->arena, double, (size_t)n);
	struct past *past = arena_new_obj(l->arena, struct past);

	for (int i = 0; i < n; i++)
		counts[i] = (needs[i].of == PER_ACCOUNT ? has_account : known) ? implied_count(t, &needs[i]) : NAN;
	for (int i = 0; i < t->n_history; i++)
		if (known || t->history[i].need.of == PER_ACCOUNT)
			counts[t->history[i].place] = t->history[i].count;
	*past = (struct past){
		.previous = t->has_previous && known ? &t->previous : NULL,
		.counts = counts,
		.why_missing = known    ? NULL
			       : shared ? "anonymous id"
					: "no customer id",
	};
	t->response.past = past;
}

void test_done(struct load *l, const struct item *it, void *element)
{
	struct rule_test *t = element;

	if (!load_has(it, "response"))
		load_error(l, it, NULL, "response is missing: what did the customer answer?");
	if (!load_has(it, "expect"))
		load_error(l, it, NULL, "expect is missing: what is to come of it?");
	if (!wall_is_set(t->response.responded_at))
		t->response.responded_at = t->at;
	if (!wall_is_set(t->response.received_at))
		t->response.received_at = t->response.responded_at;
	t->has_previous = load_has(it, "previous");
	if (t->has_previous) {
		previous_inherit(t);
		previous_time(l, it, t);
	}
	test_past(l, t);
	test_people_check(l, t->people, t->n_people);
	tests_of(l)->test = NULL;
}
