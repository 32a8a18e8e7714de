/*
 * Groups of responses → who would be told → rows; see coverage.h.
 *
 * One map from texts to numbers keeps what was seen: each row by everything that its groups share, and each account and each person of
 * a row. Memory grows with the rows and the accounts, not with the responses.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/coverage.h"
#include "base/escape.h"
#include "rule/possible.h"

#include <stdlib.h>
#include <string.h>

#define FACTS_MAX 64
#define KEY_BYTES_MAX (64 * 1024)
#define MAP_ROOM_FIRST 1024 /* a power of two */
#define UNIT '\x1f'         /* between the parts of a key */

/* Texts seen, each with a number. */
struct map {
	struct entry {
		const char *key; /* NULL: free */
		uint32_t hash;
		int value;
	} * slots;
	size_t room, n;
};

struct fact {
	const char *name;
	size_t at;             /* of the column in struct response */
	const char *attribute; /* or its name, without "attr." */
};

struct coverage {
	const struct settings *settings;
	const struct directory *directory;
	struct wall_time now;
	struct rehearsal *rehearsal;
	struct possible *possible;
	struct arena *kept, *scratch; /* for good; for one group */
	struct fact facts[FACTS_MAX];
	const char *names[FACTS_MAX];
	int n_facts;
	int *leaders; /* one case rule for each route */
	int n_leaders;
	struct map map;
	struct buf key;
	struct coverage_row *rows;
	int n_rows, room_rows;
	int64_t responses, worst[COVERAGE_CLASSES];
	/* The group at hand. */
	struct response response;
	struct attribute attributes[FACTS_MAX];
	enum tri *results;
};

/* ---- the map ---- */

static uint32_t text_hash(const char *s, size_t n)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)s[i]) * 16777619u;
	return h;
}

static struct entry *map_slot(const struct map *m, const char *key, uint32_t hash)
{
	size_t i = hash & (m->room - 1);

	while (m->slots[i].key && (m->slots[i].hash != hash || strcmp(m->slots[i].key, key) != 0))
		i = (i + 1) & (m->room - 1);
	return &m->slots[i];
}

static void map_grow(struct map *m)
{
	struct map bigger = {.room = m->room ? 2 * m->room : MAP_ROOM_FIRST, .n = m->n};

	bigger.slots = xcalloc(bigger.room, sizeof(*bigger.slots));
	for (size_t i = 0; i < m->room; i++)
		if (m->slots[i].key)
			*map_slot(&bigger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
	free(m->slots);
	*m = bigger;
}

/* The entry of a key; *ret_new: it is new, and its value is the caller's to set. */
static struct entry *map_at(struct coverage *c, const char *key, size_t n, bool *ret_new)
{
	uint32_t hash = text_hash(key, n);
	struct entry *e;

	if (2 * (c->map.n + 1) > c->map.room)
		map_grow(&c->map);
	e = map_slot(&c->map, key, hash);
	*ret_new = !e->key;
	if (!e->key) {
		*e = (struct entry){arena_strndup(c->kept, key, n), hash, 0};
		c->map.n++;
	}
	return e;
}

/* ---- the facts ---- */

#define COLUMN(name)                                   \
	{                                              \
#name, offsetof(struct response, name) \
	}
static const struct {
	const char *name;
	size_t at;
} columns[] = {
	COLUMN(touchpoint),     COLUMN(account),      COLUMN(language),    COLUMN(source),        COLUMN(source_id),
	COLUMN(survey),         COLUMN(channel),      COLUMN(customer_id), COLUMN(customer_name), COLUMN(customer_email),
	COLUMN(customer_phone), COLUMN(account_name), COLUMN(region),      COLUMN(comment),
};
/* Of those, what rules may go by that has few values. */
static const char *const ruled_columns[] = {"source", "survey", "channel", "region"};

static void fact_add(struct coverage *c, const char *name)
{
	struct fact f = {.name = name};

	for (int i = 0; i < c->n_facts; i++)
		if (strcmp(c->facts[i].name, name) == 0)
			return;
	if (c->n_facts == FACTS_MAX)
		return;
	if (strncmp(name, "attr.", 5) == 0)
		f.attribute = name + 5;
	for (size_t i = 0; !f.attribute && i < ARRAY_SIZE(columns); i++)
		if (strcmp(columns[i].name, name) == 0) {
			f.at = columns[i].at;
			break;
		}
	c->names[c->n_facts] = name;
	c->facts[c->n_facts++] = f;
}

static void facts_of_target(struct coverage *c, const struct target *t)
{
	if (t->kind == TARGET_FROM)
		fact_add(c, t->name);
	for (int i = 0; t->kind == TARGET_LOOKUP && i < t->n_dimensions; i++)
		fact_add(c, t->dimensions[i]);
}

static void facts_of_notify(struct coverage *c, const struct notify *n, int count)
{
	for (int i = 0; i < count; i++)
		if (n[i].kind != NOTIFY_WEBHOOK)
			facts_of_target(c, &n[i].target);
}

static void facts_of_route(struct coverage *c, const struct route *r)
{
	for (int i = 0; i < r->n_owner; i++)
		facts_of_target(c, &r->owner[i]);
	facts_of_notify(c, r->notify, r->n_notify);
}

static void facts_read(struct coverage *c)
{
	const struct settings *s = c->settings;

	fact_add(c, "touchpoint");
	fact_add(c, "account");
	fact_add(c, "language");
	for (int i = 0; i < s->n_rules; i++)
		if (s->rules[i].kind == RULE_CASE && s->rules[i].route)
			facts_of_route(c, s->rules[i].route);
	for (int i = 0; i < c->n_leaders; i++)
		facts_of_notify(c, s->rules[c->leaders[i]].notify, s->rules[c->leaders[i]].n_notify);
	for (size_t i = 0; i < ARRAY_SIZE(ruled_columns); i++)
		if (ruleset_reads(s->ruleset, ruled_columns[i]))
			fact_add(c, ruled_columns[i]);
}

const char *const *coverage_facts(const struct coverage *c, int *ret_n)
{
	*ret_n = c->n_facts;
	return c->names;
}

static void group_read(struct coverage *c, const char *const *values)
{
	int n = 0;

	c->response = (struct response){.source = "direct",
					.nps = SCORE_MISSING,
					.csat = SCORE_MISSING,
					.ces = SCORE_MISSING,
					.responded_at = c->now,
					.received_at = c->now,
					.attributes = c->attributes};
	for (int i = 0; i < c->n_facts; i++) {
		const struct fact *f = &c->facts[i];
		const char *value = str_blank(values[i]) ? NULL : values[i];

		if (!f->attribute)
			*(const char **)(void *)((char *)&c->response + f->at) = value;
		else if (value)
			c->attributes[n++] = (struct attribute){.name = f->attribute, .type = ATTRIBUTE_TEXT, .text = value};
	}
	c->response.n_attributes = n;
}

/* ---- rows ---- */

/* A group's answer under one route; texts live as long as the group. */
struct answer {
	enum coverage_class class;
	const char *route, *through, *why;
	const char *told[PLAN_RECIPIENTS_MAX];
	int n_told;
};

static void key_add(struct coverage *c, const char *part)
{
	buf_puts(&c->key, part ? part : "\x1e");
	buf_putc(&c->key, UNIT);
}

static const char *keep(struct coverage *c, const char *text)
{
	return text ? arena_strdup(c->kept, text) : NULL;
}

static struct coverage_row *row_at(struct coverage *c, const struct answer *a, int *ret_row)
{
	const struct response *r = &c->response;
	struct entry *e;
	bool new;

	buf_reset(&c->key);
	buf_printf(&c->key, "row %d%c", a->class, UNIT);
	key_add(c, r->touchpoint);
	key_add(c, r->language);
	key_add(c, a->route);
	key_add(c, a->through);
	key_add(c, a->why);
	e = map_at(c, buf_str(&c->key), c->key.n, &new);
	if (new) {
		if (c->n_rows == c->room_rows) {
			c->room_rows = c->room_rows ? 2 * c->room_rows : 64;
			c->rows = xrealloc(c->rows, (size_t)c->room_rows * sizeof(*c->rows));
		}
		e->value = c->n_rows;
		c->rows[c->n_rows++] = (struct coverage_row){.class = a->class,
							     .touchpoint = keep(c, r->touchpoint),
							     .language = keep(c, r->language),
							     .route = keep(c, a->route),
							     .through = keep(c, a->through),
							     .why = keep(c, a->why)};
	}
	*ret_row = e->value;
	return &c->rows[e->value];
}

/* @kind: 'a' accounts, 't' told */
static void name_add(struct coverage *c, struct coverage_names *names, int row, char kind, const char *name)
{
	bool new;

	buf_reset(&c->key);
	buf_printf(&c->key, "%c %d%c", kind, row, UNIT);
	buf_puts(&c->key, name);
	map_at(c, buf_str(&c->key), c->key.n, &new);
	if (!new)
		return;
	if (names->n < COVERAGE_NAMES_MAX)
		names->items[names->n] = arena_strdup(c->kept, name);
	names->n++;
}

static void answer_add(struct coverage *c, const struct answer *a, int64_t responses)
{
	int number;
	struct coverage_row *row = row_at(c, a, &number);

	row->responses += responses;
	if (c->response.account)
		name_add(c, &row->accounts, number, 'a', c->response.account);
	else
		row->no_account = true;
	for (int i = 0; i < a->n_told; i++)
		name_add(c, &row->told, number, 't', a->told[i]);
}

/* ---- who would be told ---- */

static bool is_present(const struct coverage *c, const struct person *p)
{
	return directory_person(c->directory, p->id) && !directory_absence(c->directory, p->id, c->now);
}

static const char *why_owner_away(struct coverage *c, const struct owner_found *o)
{
	const struct absence *a = directory_absence(c->directory, o->person->id, c->now);
	bool deputy = (a && a->deputy) || o->person->deputy;

	if (o->team)
		return arena_printf(c->scratch, "everybody of team:%s is away", o->team);
	return arena_printf(c->scratch, deputy ? "%s away, the deputy too" : "%s away, no deputy", o->person->id);
}

static const char *why_nobody(struct coverage *c, const struct plan *p, const struct rule *rule)
{
	const struct owner_found *last = p->n_trail ? &p->trail[p->n_trail - 1] : NULL;

	if (!c->settings->email.set)
		return "no email section: nobody gets mail";
	if (!p->owner.person)
		return arena_printf(c->scratch, "%s: %s", last ? last->target->text : rule->route->id,
				    last && last->why_not ? last->why_not : "nobody");
	if (p->owner.all_away)
		return why_owner_away(c, &p->owner);
	if (p->n_recipients == 0 && !p->owner.person->email)
		return arena_printf(c->scratch, "%s has no mail address", p->owner.person->id);
	return arena_printf(c->scratch, "%s is owner, and route %s tells nobody who is there", p->owner.person->id,
			    rule->route->id);
}

static bool route_mails(const struct rule *rule)
{
	for (int i = 0; i < rule->route->n_notify; i++)
		if (rule->route->notify[i].kind != NOTIFY_WEBHOOK)
			return true;
	for (int i = 0; i < rule->n_notify; i++)
		if (rule->notify[i].kind != NOTIFY_WEBHOOK)
			return true;
	return false;
}

/* A step of the owner chain that failed by a mistake, not because nothing was entered. */
static const char *why_not_earlier(const struct plan *p)
{
	for (int i = 0; i + 1 < p->n_trail; i++) {
		const char *why = p->trail[i].why_not;

		if (why && strcmp(why, "missing") != 0 && strcmp(why, "nobody is entered") != 0)
			return why;
	}
	return NULL;
}

static void told_of_recipients(struct coverage *c, const struct plan *p, struct answer *a)
{
	bool owner = false;

	for (int i = 0; i < p->n_recipients && !owner; i++)
		owner = p->recipients[i].is_owner && is_present(c, p->recipients[i].person);
	if (owner) {
		a->told[a->n_told++] = p->owner.team ? arena_printf(c->scratch, "team:%s", p->owner.team) : p->owner.person->id;
		a->through = p->owner.instead_of ? arena_printf(c->scratch, "%s, deputy", p->owner.target->text)
						 : p->owner.target->text;
		return;
	}
	for (int i = 0; i < p->n_recipients; i++)
		if (is_present(c, p->recipients[i].person))
			a->told[a->n_told++] = p->recipients[i].person->id;
	a->through = "notify, not as owner";
}

static void answer_of(struct coverage *c, const struct rule *rule, const struct plan *p, struct answer *a)
{
	const struct route *route = rule->route;

	a->route = route->id;
	told_of_recipients(c, p, a);
	if (a->n_told == 0 && p->n_webhooks && !route_mails(rule)) {
		a->told[a->n_told++] = arena_printf(c->scratch, "webhook:%s", p->webhooks[0]->id);
		a->through = "webhook";
	}
	if (a->n_told == 0) {
		a->class = COVERAGE_NOBODY;
		a->through = NULL;
		a->why = why_nobody(c, p, rule);
	} else if (route->n_owner > 1 && p->owner.target == &route->owner[route->n_owner - 1]) {
		a->class = COVERAGE_FALLBACK;
		a->why = why_not_earlier(p);
	}
}

static bool route_is_possible(struct coverage *c, const struct route *route)
{
	const struct settings *s = c->settings;

	for (int i = 0; i < s->n_rules; i++)
		if (s->rules[i].kind == RULE_CASE && s->rules[i].route == route && possible_may_match(c->possible, i))
			return true;
	return false;
}

static bool is_ignored(struct coverage *c)
{
	for (int i = 0; i < c->settings->n_rules; i++)
		if (c->settings->rules[i].kind == RULE_IGNORE && possible_must_match(c->possible, i))
			return true;
	return false;
}

static struct answer answer_by(struct coverage *c, int leader)
{
	struct answer a = {.class = COVERAGE_TOLD};
	struct verdict v = {.results = c->results, .winner = leader, .n_case = 1, .first_praise = -1};
	struct plan plan;

	c->results[leader] = TRI_TRUE;
	rehearse_plan(c->rehearsal, &c->response, &v, c->now, c->scratch, &plan);
	c->results[leader] = TRI_FALSE;
	answer_of(c, &c->settings->rules[leader], &plan, &a);
	return a;
}

void coverage_add(struct coverage *c, const char *const *values, int64_t responses)
{
	enum coverage_class worst = COVERAGE_TOLD;
	bool any = false;

	arena_reset(c->scratch);
	group_read(c, values);
	possible_begin(c->possible, &c->response);
	c->responses += responses;
	if (is_ignored(c)) {
		c->worst[COVERAGE_IGNORED] += responses;
		answer_add(c, &(struct answer){.class = COVERAGE_IGNORED}, responses);
		return;
	}
	for (int i = 0; i < c->n_leaders; i++) {
		struct answer a;

		if (!route_is_possible(c, c->settings->rules[c->leaders[i]].route))
			continue;
		any = true;
		a = answer_by(c, c->leaders[i]);
		answer_add(c, &a, responses);
		worst = MAX(worst, a.class);
	}
	if (!any) {
		worst = COVERAGE_NO_RULE;
		answer_add(c, &(struct answer){.class = COVERAGE_NO_RULE}, responses);
	}
	c->worst[worst] += responses;
}

/* ---- beginning and end ---- */

/* The rule with the fewest recipients of its own speaks for its route. */
static void leaders_find(struct coverage *c)
{
	const struct settings *s = c->settings;

	c->leaders = arena_new_array(c->kept, int, (size_t)s->n_rules + 1);
	for (int i = 0; i < s->n_rules; i++) {
		const struct rule *r = &s->rules[i];
		int k = 0;

		if (r->kind != RULE_CASE || !r->route)
			continue;
		while (k < c->n_leaders && s->rules[c->leaders[k]].route != r->route)
			k++;
		if (k == c->n_leaders)
			c->leaders[c->n_leaders++] = i;
		else if (r->n_notify < s->rules[c->leaders[k]].n_notify)
			c->leaders[k] = i;
	}
}

struct coverage *coverage_new(const struct settings *s, const struct directory *d, const struct rehearsal_owner *owners,
			      int n_owners, struct wall_time now)
{
	struct coverage *c = xcalloc(1, sizeof(*c));

	c->settings = s;
	c->directory = d;
	c->now = now;
	c->kept = arena_new(0);
	c->scratch = arena_new(0);
	c->key = BUF_INIT(KEY_BYTES_MAX);
	c->rehearsal = rehearsal_new(s, d, owners, n_owners);
	c->results = arena_new_array(c->kept, enum tri, (size_t)s->n_rules + 1);
	for (int i = 0; i < s->n_rules; i++)
		c->results[i] = TRI_FALSE;
	leaders_find(c);
	facts_read(c);
	c->possible = possible_new(s->ruleset, c->names, c->n_facts);
	return c;
}

struct coverage *coverage_free(struct coverage *c)
{
	if (c) {
		possible_free(c->possible);
		rehearsal_free(c->rehearsal);
		arena_free(c->kept);
		arena_free(c->scratch);
		buf_fini(&c->key);
		free(c->map.slots);
		free(c->rows);
		free(c);
	}
	return NULL;
}

void coverage_freep(struct coverage **c)
{
	*c = coverage_free(*c);
}

static int text_order(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

static int row_order(const void *pa, const void *pb)
{
	const struct coverage_row *a = pa, *b = pb;
	int r = (a->responses < b->responses) - (a->responses > b->responses);

	if (r == 0)
		r = text_order(a->touchpoint, b->touchpoint);
	if (r == 0)
		r = text_order(a->language, b->language);
	if (r == 0)
		r = text_order(a->route, b->route);
	return r ? r : text_order(a->through, b->through);
}

void coverage_report(struct coverage *c, struct coverage_report *ret)
{
	if (c->n_rows)
		qsort(c->rows, (size_t)c->n_rows, sizeof(*c->rows), row_order);
	*ret = (struct coverage_report){
		.rows = c->rows, .n_rows = c->n_rows, .n_routes = c->n_leaders, .responses = c->responses};
	memcpy(ret->worst, c->worst, sizeof(ret->worst));
}
