/*
 * Files of tests: who there is, and what is to come of an answer; see tests.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/tests_inner.h"

#include <string.h>

/* ---- people and owners ---- */

static const struct test_person *person_in(const struct test_person *people, int n, const char *id)
{
	for (int i = 0; i < n; i++)
		if (people[i].person.id && strcmp(people[i].id, id) == 0) /* those behind the one being read are blank */
			return &people[i];
	return NULL;
}

bool tests_know_person(const struct settings *s, const struct test_file *f, const struct rule_test *test, const char *id)
{
	return settings_person(s, id) || person_in(f->people, f->n_people, id) ||
	       (test && person_in(test->people, test->n_people, id));
}

static void person_known(struct load *l, const struct item *it, const struct text_pos *pos, const char *id)
{
	const struct tests_load *tl = tests_of(l);
	const struct test_file *f = tl->file;
	const char **names, *guess;
	int n = 0;

	if (tests_know_person(l->s, f, tl->test, id))
		return;
	names = arena_new_array(l->arena, const char *, (size_t)(l->s->n_people + f->n_people));
	for (int i = 0; i < l->s->n_people; i++)
		names[n++] = l->s->people[i].id;
	for (int i = 0; i < f->n_people; i++)
		if (f->people[i].person.id)
			names[n++] = f->people[i].id;
	guess = load_guess(l, id, names, (size_t)n, sizeof(*names));
	load_error(l, it, pos, "nobody knows '%s'%s", id,
		   *guess ? guess : "; somebody whom only the database has goes into people with an email");
}

static void read_known_person(struct load *l, const struct item *it, void *field)
{
	*(const char **)field = it->text;
	person_known(l, it, NULL, it->text);
}
const struct type type_known_person = {SHAPE_TEXT, "the id of a person", read_known_person};

void test_person_init(struct load *l, void *element)
{
	struct test_person *p = element;

	p->person = (struct person){.language = l->s->language,
				    .timezone = l->s->timezone,
				    .quiet_from = -1,
				    .quiet_to = -1,
				    .morning = -1,
				    .alerts_per_hour = l->s->alerts_per_hour,
				    .urgent_per_hour = l->s->urgent_per_hour};
}

/* With an address it is somebody whom only the database knows. */
void test_person_done(struct load *l, const struct item *it, void *element)
{
	struct test_person *p = element;
	bool configured = settings_person(l->s, p->id);

	p->person.deputy = p->deputy;
	if (configured && (p->person.email || p->person.reports_to))
		load_error(l, it, NULL,
			   "'%s' is among the people of the configuration, which wins: leave out email and reports_to", p->id);
	else if (!configured && p->person.email)
		p->person.id = p->person.name = p->id;
	else if (!configured)
		person_known(l, it, &p->pos, p->id);
}

/* Deputies and managers may stand behind those whom they are named by. */
void test_people_check(struct load *l, const struct test_person *people, int n)
{
	for (int i = 0; i < n; i++) {
		const struct test_person *p = &people[i];
		struct key key = {.name = arena_printf(l->arena, "people.%s", p->id)};
		struct item it = {.key = &key, .pos = p->pos};

		if (p->deputy)
			person_known(l, &it, NULL, p->deputy);
		if (p->person.reports_to)
			person_known(l, &it, NULL, p->person.reports_to);
	}
}

static void read_dimension(struct load *l, const struct item *it, void *field)
{
	const char *const *names;
	int n = settings_lookups(l->s, l->arena, &names);

	*(const char **)field = it->text;
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], it->text) == 0)
			return;
	load_error(l, it, NULL, "no route or rule has 'lookup:%s'%s", it->text,
		   load_guess(l, it->text, names, (size_t)n, sizeof(*names)));
}
const struct type type_dimension = {SHAPE_TEXT, "what a route looks up, such as account", read_dimension};

static void read_owners_file(struct load *l, const struct item *it, void *field)
{
	if (!it->text[0])
		load_error(l, it, NULL, "must not be empty");
	*(const char **)field = path_join(l->arena, l->folder, it->text);
	tests_of(l)->file->owners_file_pos = it->pos;
}
const struct type type_owners_file = {SHAPE_TEXT, "the name of a CSV file", read_owners_file};

/* ---- what is expected ---- */

static void rule_names_check(struct load *l, const struct item *it)
{
	const struct settings *s = l->s;

	for (int i = 0; i < it->n_texts; i++) {
		int k = 0;

		while (k < s->n_rules && strcmp(s->rules[k].id, it->texts[i]) != 0)
			k++;
		if (k == s->n_rules)
			load_error(l, it, &it->text_pos[i], "there is no rule '%s'%s", it->texts[i],
				   load_guess(l, it->texts[i], s->rules, (size_t)s->n_rules, sizeof(*s->rules)));
	}
}

static void read_rules(struct load *l, const struct item *it, void *field)
{
	struct test_expect *e = &tests_of(l)->test->expect;

	*(struct string_list *)field = (struct string_list){it->texts, it->n_texts};
	*(field == &e->rules ? &e->has_rules : &e->has_undecided) = true;
	rule_names_check(l, it);
}
const struct type type_rules = {SHAPE_TEXTS, "a list of rules", read_rules};

static void told_check(struct load *l, const struct item *it, int i)
{
	static const char *const channels[] = {"email", "digest", "webhook"};
	const char *text = it->texts[i], *colon = strchr(text, ':');

	if (!colon) {
		load_bad_text(l, it, i, "email:PERSON, digest:PERSON or webhook:NAME");
	} else if (strncmp(text, "webhook:", 8) == 0) {
		if (!settings_webhook(l->s, colon + 1))
			load_error(l, it, &it->text_pos[i], "unknown webhook '%s'%s", colon + 1,
				   load_guess_id(l, colon + 1, IDS_WEBHOOKS));
	} else if (strncmp(text, "email:", 6) != 0 && strncmp(text, "digest:", 7) != 0) {
		load_error(l, it, &it->text_pos[i], "expected email:PERSON, digest:PERSON or webhook:NAME, got '%s'%s", text,
			   load_guess(l, arena_strndup(l->arena, text, (size_t)(colon - text)), channels, ARRAY_SIZE(channels),
				      sizeof(*channels)));
	} else if (strcmp(text, "email:operators") != 0) {
		person_known(l, it, &it->text_pos[i], colon + 1);
	}
}

static void read_told(struct load *l, const struct item *it, void *field)
{
	*(struct string_list *)field = (struct string_list){it->texts, it->n_texts};
	tests_of(l)->test->expect.has_notify = true;
	for (int i = 0; i < it->n_texts; i++)
		told_check(l, it, i);
}
const struct type type_told = {SHAPE_TEXTS, "a list such as [ \"email:minsu-kim\", \"webhook:cx\" ]", read_told};

static void read_choice(struct load *l, const struct item *it, void *field)
{
	for (int i = 0; it->key->choices[i]; i++)
		if (strcmp(it->key->choices[i], it->text) == 0) {
			*(const char **)field = it->key->choices[i];
			return;
		}
	load_unexpected(l, it);
}
const struct type type_choice = {SHAPE_TEXT, "a word", read_choice};

static void read_known_team(struct load *l, const struct item *it, void *field)
{
	*(const char **)field = it->text;
	if (!settings_team(l->s, it->text))
		load_error(l, it, NULL, "there is no team '%s'%s", it->text, load_guess_id(l, it->text, IDS_TEAMS));
}
const struct type type_known_team = {SHAPE_TEXT, "the name of a team", read_known_team};

static void read_known_route(struct load *l, const struct item *it, void *field)
{
	*(const char **)field = it->text;
	if (!settings_route(l->s, it->text))
		load_error(l, it, NULL, "there is no route '%s'%s", it->text, load_guess_id(l, it->text, IDS_ROUTES));
}
const struct type type_known_route = {SHAPE_TEXT, "the name of a route", read_known_route};

static void read_known_follow_up(struct load *l, const struct item *it, void *field)
{
	*(const char **)field = it->text;
	if (!settings_follow_up(l->s, it->text))
		load_error(l, it, NULL, "there is no follow_up '%s'%s", it->text, load_guess_id(l, it->text, IDS_FOLLOW_UPS));
}
const struct type type_known_follow_up = {SHAPE_TEXT, "the name of a follow_up", read_known_follow_up};

/* "" is: none is promised. */
static void read_due(struct load *l, const struct item *it, void *field)
{
	struct test_expect *e = &tests_of(l)->test->expect;

	*(field == &e->acknowledge_by ? &e->has_acknowledge_by : &e->has_resolve_by) = true;
	if (it->text[0] && wall_parse(it->text, field) < 0)
		load_unexpected(l, it);
}
const struct type type_due = {SHAPE_TEXT, "a time with its zone such as 2027-03-02T14:40:00+09:00, empty for none", read_due};

void expect_init(struct load *l, void *element)
{
	*(struct test_expect *)element = (struct test_expect){.acknowledge_by = WALL_NONE, .resolve_by = WALL_NONE};
}

void expect_done(struct load *l, const struct item *it, void *element)
{
	if (config_setting_length(it->setting) == 0)
		load_error(l, it, NULL, "says nothing: expected at least one of rules, kind, priority, owner, notify …");
}
