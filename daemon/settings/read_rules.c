/*
 * Readers and cross checks of follow_ups, routes, facts, rules and sources; compiles the rules in the end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/load.h"
#include "settings/value.h"

#include <string.h>

void source_init(struct load *l, void *element)
{
	((struct source_settings *)element)->max_age_s = l->s->cases.max_age_s;
}

void sources_done(struct load *l, const struct item *it)
{
	load_index(l, IDS_SOURCES, l->s->sources, l->s->n_sources, sizeof(*l->s->sources));
}

static void read_follow_up_calendar(struct load *l, const struct item *it, void *field)
{
	struct follow_up *f = container_of(field, struct follow_up, calendar);

	if (!it->text[0]) {
		f->calendar_use = CALENDAR_NONE;
	} else if (strcmp(it->text, "owner") == 0) {
		f->calendar_use = CALENDAR_OWNER;
	} else {
		f->calendar_use = CALENDAR_NAMED;
		type_calendar.read(l, it, field);
	}
}
const struct type type_follow_up_calendar = {SHAPE_TEXT, "owner, the name of a calendar, or empty for none",
					     read_follow_up_calendar};

static void read_target(struct load *l, const struct item *it, void *field)
{
	if (target_read(l, it, &it->pos, it->text, field) && !l->own->mail_path) {
		l->own->mail_path = load_path(l, it);
		l->own->mail_pos = it->pos;
	}
}
const struct type type_target = {SHAPE_TEXT, "owner, manager, person:ID, team:NAME, lookup:FACT[+FACT] or from:FACT",
				 read_target};

void escalate_init(struct load *l, void *element)
{
	((struct escalate_step *)element)->when = (enum escalate_when) - 1;
}

static bool promise_over(const struct promise *a, const struct promise *b)
{
	/* A promise that could not be read has no unit. */
	return a->unit && b->unit && a->amount >= 0 && b->amount >= 0 && promise_seconds(a) > promise_seconds(b);
}

void follow_up_done(struct load *l, const struct item *it, void *element)
{
	struct follow_up *f = element;
	const config_setting_t *steps = it->setting ? config_setting_get_member(it->setting, "escalate") : NULL;
	struct text_pos pos = load_key_pos(l, it, "acknowledge_within");

	if (promise_over(&f->acknowledge_within, &f->resolve_within))
		load_warning(l, it, &pos, "acknowledge_within is longer than resolve_within");
	pos = load_key_pos(l, it, "warn_before");
	if (promise_over(&f->warn_before, &f->resolve_within))
		load_warning(l, it, &pos, "warn_before is longer than resolve_within: it would warn at once");
	pos = load_key_pos(l, it, "expire_after");
	if (promise_over(&f->resolve_within, &f->expire_after))
		load_warning(l, it, &pos, "expire_after is shorter than resolve_within: cases expire before they are due");
	for (int i = 0; i < f->n_escalate; i++) {
		const struct escalate_step *step = &f->escalate[i];
		const struct promise *due = step->when == WHEN_UNACKNOWLEDGED ? &f->acknowledge_within
					    : step->when == WHEN_UNRESOLVED   ? &f->resolve_within
									      : NULL; /* could not be read */

		pos = source_pos(l->source, (int)config_setting_source_line(config_setting_get_elem(steps, (unsigned)i)));
		if (due && step->after.amount < 0 && due->amount < 0)
			load_error(l, it, &pos, "escalate.%s: there is no due time to wait for: give it `after`", step->id);
	}
}

/* Something to promise on the first day: the built-in follow-up, unless there is one of its name. */
void follow_ups_done(struct load *l, const struct item *it)
{
	struct settings *s = l->s;

	load_index(l, IDS_FOLLOW_UPS, s->follow_ups, s->n_follow_ups, sizeof(*s->follow_ups));
	if (settings_follow_up(s, "standard"))
		return;
	s->follow_ups[s->n_follow_ups].id = "standard";
	for (int i = 0; i < settings_root.n_keys; i++)
		if (strcmp(settings_root.keys[i].name, "follow_ups") == 0)
			load_element_defaults(l, settings_root.keys[i].section, &s->follow_ups[s->n_follow_ups]);
	s->n_follow_ups++;
	load_index(l, IDS_FOLLOW_UPS, s->follow_ups, s->n_follow_ups, sizeof(*s->follow_ups));
}

static void read_targets(struct load *l, const struct item *it, void *field)
{
	struct route *r = container_of(field, struct route, owner);
	const struct target *last;

	r->owner = arena_new_array(l->arena, struct target, it->n_texts + 1);
	r->n_owner = it->n_texts;
	if (it->n_texts == 0) {
		load_error(l, it, NULL, "expected at least one, the last a person or a team");
		return;
	}
	for (int i = 0; i < it->n_texts; i++) {
		struct target *t = &r->owner[i];

		if (target_read(l, it, &it->text_pos[i], it->texts[i], t) &&
		    (t->kind == TARGET_OWNER || t->kind == TARGET_MANAGER))
			load_error(l, it, &it->text_pos[i], "'%s' can't say who the owner is: it is known only afterwards",
				   t->text);
	}
	last = &r->owner[r->n_owner - 1];
	if (last->kind == TARGET_LOOKUP || last->kind == TARGET_FROM)
		load_error(l, it, &it->text_pos[r->n_owner - 1],
			   "the last entry must be person:ID or team:NAME, so that nobody is left without an owner, got '%s'",
			   last->text);
}
const struct type type_targets = {SHAPE_TEXTS,
				  "a list of person:ID, team:NAME, lookup:FACT[+FACT] or from:FACT, the last a person or team",
				  read_targets};

static void read_notifies(struct load *l, const struct item *it, void *field)
{
	struct notify *list = arena_new_array(l->arena, struct notify, it->n_texts + 1);

	for (int i = 0; i < it->n_texts; i++) {
		notify_read(l, it, it->setting ? &it->text_pos[i] : &it->pos, it->texts[i], &list[i]);
		for (int j = 0; j < i; j++)
			if (strcmp(it->texts[i], it->texts[j]) == 0) {
				load_warning(l, it, &it->text_pos[i], "'%s' is named twice", it->texts[i]);
				break;
			}
	}
	*(struct notify **)field = list;
	*(int *)(void *)((char *)field - it->key->at + it->key->count_at) = it->n_texts;
}
const struct type type_notifies = {SHAPE_TEXTS, "a list of email:TARGET, digest:TARGET or webhook:NAME", read_notifies};

void routes_done(struct load *l, const struct item *it)
{
	load_index(l, IDS_ROUTES, l->s->routes, l->s->n_routes, sizeof(*l->s->routes));
}

/* An unknown name points at these, so that one mistake is told once and not at every rule that inherits it. */
static const struct route no_route;
static const struct follow_up no_follow_up;

static void read_route(struct load *l, const struct item *it, void *field)
{
	const struct route *r = settings_route(l->s, it->text);

	if (!r)
		load_error(l, it, NULL, "unknown route '%s'%s", it->text, load_guess_id(l, it->text, IDS_ROUTES));
	*(const struct route **)field = r ? r : &no_route;
}
const struct type type_route = {SHAPE_TEXT, "the name of a route", read_route};

static void read_follow_up(struct load *l, const struct item *it, void *field)
{
	const struct follow_up *f = settings_follow_up(l->s, it->text);

	if (!f)
		load_error(l, it, NULL, "unknown follow_up '%s'%s", it->text, load_guess_id(l, it->text, IDS_FOLLOW_UPS));
	*(const struct follow_up **)field = f ? f : &no_follow_up;
}
const struct type type_follow_up = {SHAPE_TEXT, "the name of a follow_up", read_follow_up};

static void read_facts(struct load *l, const struct item *it, void *field)
{
	struct settings_own *own = container_of(field, struct settings_own, facts);
	int n = config_setting_length(it->setting);

	own->facts = arena_new_array(l->arena, struct fact_source, n + 1);
	for (int i = 0; i < n; i++) {
		const config_setting_t *s = config_setting_get_elem(it->setting, (unsigned)i);
		struct text_pos pos = source_pos(l->source, (int)config_setting_source_line(s));

		if (!id_valid(s->name))
			load_error(l, it, &pos, "'%s': a name is a letter, then letters, digits, '-' or '_', at most 63",
				   s->name);
		if (config_setting_type(s) != CONFIG_TYPE_STRING) {
			load_error(l, it, &pos, "%s: expected a condition in double quotes", s->name);
			continue;
		}
		own->facts[own->n_facts++] = (struct fact_source){arena_strdup(l->arena, s->name),
								  arena_strdup(l->arena, config_setting_get_string(s)), pos};
	}
}
const struct type type_facts = {SHAPE_GROUP, "a group of NAME = \"condition\"", read_facts};

static void read_when(struct load *l, const struct item *it, void *field)
{
	struct rule *rule = container_of(field, struct rule, when);

	if (!l->own->when_pos)
		l->own->when_pos = arena_new_array(l->arena, struct text_pos, l->s->n_rules);
	l->own->when_pos[rule - l->s->rules] = it->pos;
	if (it->text[strspn(it->text, " \t\r\n")])
		rule->when = it->text;
	else
		load_error(l, it, NULL, "expected a condition such as \"nps <= 6\"");
}
const struct type type_when = {SHAPE_TEXT, "a condition such as nps <= 6", read_when};

void rule_init(struct load *l, void *element)
{
	((struct rule *)element)->priority = l->own->defaults.priority;
}

void rule_done(struct load *l, const struct item *it, void *element)
{
	static const struct {
		const char *key;
		bool praise; /* has a meaning for praise too */
	} case_keys[] = {{"priority", false}, {"follow_up", false}, {"route", true}, {"notify", true}, {"advice", true}};
	struct rule *rule = element;
	bool is_case = rule->kind == RULE_CASE, is_praise = rule->kind == RULE_PRAISE;

	for (size_t i = 0; i < ARRAY_SIZE(case_keys) && !is_case; i++) {
		struct text_pos pos = load_key_pos(l, it, case_keys[i].key);

		if (load_has(it, case_keys[i].key) && !(is_praise && case_keys[i].praise))
			load_warning(l, it, &pos, "%s has no effect on a rule of kind %s", case_keys[i].key,
				     rule_kind_name(rule->kind));
	}
	if (!is_case && !is_praise)
		return;
	if (!rule->route)
		rule->route = l->own->defaults.route;
	if (!rule->follow_up && is_case)
		rule->follow_up = l->own->defaults.follow_up;
	if (!rule->route)
		load_error(l, it, NULL, "route is missing, and defaults has none");
}

static void rules_compile(struct load *l)
{
	struct settings_own *own = l->own;
	struct rule_input in = {.n_attributes = l->s->n_attributes,
				.facts = own->facts,
				.n_facts = own->n_facts,
				.timezone = l->s->timezone,
				.zones = &settings_zone_files};
	struct attribute_source *attributes = arena_new_array(l->arena, struct attribute_source, l->s->n_attributes + 1);
	struct rule_source *sources = arena_new_array(l->arena, struct rule_source, l->s->n_rules + 1);

	l->s->default_follow_up = own->defaults.follow_up;
	for (int i = 0; i < l->s->n_attributes; i++)
		attributes[i] = (struct attribute_source){l->s->attributes[i].name, l->s->attributes[i].type};
	for (int i = 0; i < l->s->n_rules; i++) {
		const struct rule *r = &l->s->rules[i];

		if (r->when) /* else there is an error already, and the others are still checked */
			sources[in.n_rules++] = (struct rule_source){r->id, r->when, own->when_pos[i], r->kind, r->priority};
	}
	in.rules = sources;
	in.attributes = attributes;
	in.scales = l->s->scales;
	in.n_scales = l->s->n_scales;
	if (ruleset_new(&in, l->diags, &l->s->ruleset) != 0)
		l->s->ruleset = NULL;
}

void rules_done(struct load *l, const struct item *it)
{
	struct settings *s = l->s;

	s->rules_said = it->setting != NULL;
	if (s->n_rules == 0 && l->diags->errors == 0)
		load_warning(l, it, s->rules_said ? NULL : &(struct text_pos){s->path, 0},
			     "there are no rules: no response will open a case%s",
			     s->rules_said
				     ? ""
				     : "; where rules are live a reload refuses that, unless rules: { } says that it is meant");
	if (l->own->mail_path && !s->email.set && s->delivery != DELIVER_HOLD)
		load_error(l, NULL, &l->own->mail_pos, "%s sends mail, but there is no email section", l->own->mail_path);
	rules_compile(l);
}
