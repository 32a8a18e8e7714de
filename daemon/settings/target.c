/*
 * Who is told: owner | manager | person:ID | team:NAME | lookup:DIM[+DIM] | from:FACT, and email: digest: webhook:.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/load.h"
#include "settings/value.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define TARGET_WORDS "owner, manager, person:ID, team:NAME, lookup:FACT[+FACT] or from:FACT"

static const char *after_prefix(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

void person_expected(struct load *l, const struct item *it, const struct text_pos *pos, const char *id)
{
	const char *guess;

	if (!l->own->ids[IDS_PEOPLE].items)
		return; /* the people themselves are being read: people_done() looks again */
	if (!id_valid(id)) {
		load_error(l, it, pos, "expected the id of a person, got '%s'", id);
		return;
	}
	if (settings_person(l->s, id))
		return;
	guess = load_guess_id(l, id, IDS_PEOPLE);
	load_warning(l, it, pos, "'%s' is not among people here, so the database must have it%s", id, guess);
}

/* A text column of a response, or a declared attribute. */
static bool fact_check(struct load *l, const struct item *it, const struct text_pos *pos, const char *fact, bool text_only)
{
	const char *name = after_prefix(fact, "attr.");
	const struct attribute_settings *a;
	bool known;
	int n = 0;

	if (name) {
		a = settings_attribute(l->s, name);
		if (!a)
			load_error(l, it, pos, "attribute '%s' is not declared in attributes%s", name,
				   load_guess_id(l, name, IDS_ATTRIBUTES));
		else if (text_only && a->type != ATTRIBUTE_TEXT)
			load_error(l, it, pos, "attribute '%s' is no text, so it can't name a person", name);
		return a != NULL;
	}
	response_text(&(struct response){0}, fact, &known);
	if (known)
		return true;
	while (response_text_columns[n])
		n++;
	load_error(l, it, pos, "unknown fact '%s'%s", fact,
		   load_guess(l, fact, response_text_columns, (size_t)n, sizeof(*response_text_columns)));
	return false;
}

static bool lookup_read(struct load *l, const struct item *it, const struct text_pos *pos, struct target *t)
{
	char *rest = arena_strdup(l->arena, t->name), *part;
	bool good = true;

	while ((part = strsep(&rest, "+"))) {
		if (t->n_dimensions == LOOKUP_DIMENSIONS_MAX) {
			load_error(l, it, pos, "'%s': a lookup takes at most %d facts", t->text, LOOKUP_DIMENSIONS_MAX);
			return false;
		}
		good &= fact_check(l, it, pos, part, false);
		t->dimensions[t->n_dimensions++] = part;
	}
	return good;
}

/* What may have been meant by a text that is no target. */
static const char *target_guess(struct load *l, const char *text)
{
	static const char *const words[] = {"owner", "manager", "person", "team", "lookup", "from"};
	char *word = arena_strndup(l->arena, text, strcspn(text, ":"));

	for (int i = 0; i < l->s->n_people; i++)
		if (l->s->people[i].email && strcasecmp(l->s->people[i].email, text) == 0)
			return arena_printf(l->arena, ", did you mean 'person:%s'?", l->s->people[i].id);
	if (settings_person(l->s, text))
		return arena_printf(l->arena, ", did you mean 'person:%s'?", text);
	if (settings_team(l->s, text))
		return arena_printf(l->arena, ", did you mean 'team:%s'?", text);
	return load_guess(l, word, words, ARRAY_SIZE(words), sizeof(*words));
}

bool target_read(struct load *l, const struct item *it, const struct text_pos *pos, const char *text, struct target *ret)
{
	*ret = (struct target){.kind = TARGET_OWNER, .text = text};
	if (strcmp(text, "owner") == 0)
		return true;
	if (strcmp(text, "manager") == 0) {
		ret->kind = TARGET_MANAGER;
		return true;
	}
	if ((ret->name = after_prefix(text, "person:"))) {
		ret->kind = TARGET_PERSON;
		person_expected(l, it, pos, ret->name);
		return true;
	}
	if ((ret->name = after_prefix(text, "team:"))) {
		ret->kind = TARGET_TEAM;
		ret->team = settings_team(l->s, ret->name);
		if (!ret->team)
			load_error(l, it, pos, "unknown team '%s'%s", ret->name, load_guess_id(l, ret->name, IDS_TEAMS));
		return ret->team != NULL;
	}
	if ((ret->name = after_prefix(text, "lookup:"))) {
		ret->kind = TARGET_LOOKUP;
		return lookup_read(l, it, pos, ret);
	}
	if ((ret->name = after_prefix(text, "from:"))) {
		ret->kind = TARGET_FROM;
		return fact_check(l, it, pos, ret->name, true);
	}
	load_error(l, it, pos, "expected " TARGET_WORDS ", got '%s'%s", text, target_guess(l, text));
	return false;
}

/* Checked when it was read from a file; but the team or fact may have gone from the configuration since. */
int target_of_text(const struct settings *s, const char *text, struct arena *a, struct target *ret)
{
	char *rest, *part;

	*ret = (struct target){.kind = TARGET_OWNER, .text = text};
	if (strcmp(text, "owner") == 0)
		return 0;
	if (strcmp(text, "manager") == 0) {
		ret->kind = TARGET_MANAGER;
	} else if ((ret->name = after_prefix(text, "person:"))) {
		ret->kind = TARGET_PERSON;
	} else if ((ret->name = after_prefix(text, "team:"))) {
		ret->kind = TARGET_TEAM;
		ret->team = settings_team(s, ret->name);
		return ret->team ? 0 : -ENOENT;
	} else if ((ret->name = after_prefix(text, "from:"))) {
		ret->kind = TARGET_FROM;
	} else if ((ret->name = after_prefix(text, "lookup:"))) {
		ret->kind = TARGET_LOOKUP;
		rest = arena_strdup(a, ret->name);
		while ((part = strsep(&rest, "+")) && ret->n_dimensions < LOOKUP_DIMENSIONS_MAX)
			ret->dimensions[ret->n_dimensions++] = part;
	} else {
		return -EINVAL;
	}
	return 0;
}

bool notify_read(struct load *l, const struct item *it, const struct text_pos *pos, const char *text, struct notify *ret)
{
	static const char *const words[] = {"email", "digest", "webhook"};
	const char *rest;

	*ret = (struct notify){.text = text};
	if ((rest = after_prefix(text, "webhook:"))) {
		ret->kind = NOTIFY_WEBHOOK;
		ret->webhook = settings_webhook(l->s, rest);
		if (!ret->webhook)
			load_error(l, it, pos, "unknown webhook '%s'%s", rest, load_guess_id(l, rest, IDS_WEBHOOKS));
		return ret->webhook != NULL;
	}
	if ((rest = after_prefix(text, "email:")))
		ret->kind = NOTIFY_EMAIL;
	else if ((rest = after_prefix(text, "digest:")))
		ret->kind = NOTIFY_DIGEST;
	if (rest) {
		if (!l->own->mail_path) {
			l->own->mail_path = load_path(l, it);
			l->own->mail_pos = *pos;
		}
		return target_read(l, it, pos, rest, &ret->target);
	}
	load_error(l, it, pos, "expected email:TARGET, digest:TARGET or webhook:NAME, got '%s'%s", text,
		   load_guess(l, arena_strndup(l->arena, text, strcspn(text, ":")), words, ARRAY_SIZE(words), sizeof(*words)));
	return false;
}
