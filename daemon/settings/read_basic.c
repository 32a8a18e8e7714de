/*
 * Readers of plain values: texts, numbers, words, times, files; and the global settings, attributes, scales, labels.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/load.h"
#include "base/escape.h"
#include "settings/value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void read_text(struct load *l, const struct item *it, void *field)
{
	if (str_blank(it->text))
		load_error(l, it, NULL, "must not be empty");
	*(const char **)field = it->text;
}
const struct type type_text = {SHAPE_TEXT, "a text", read_text};

static void read_optional(struct load *l, const struct item *it, void *field)
{
	*(const char **)field = it->text[0] ? it->text : NULL;
}
const struct type type_optional = {SHAPE_TEXT, "a text, empty for none", read_optional};

/* Enums of settings.h and words.h stand in the order of their words. */
static void read_word(struct load *l, const struct item *it, void *field)
{
	for (int i = 0; it->key->choices[i]; i++)
		if (strcmp(it->key->choices[i], it->text) == 0) {
			*(unsigned *)field = (unsigned)i;
			return;
		}
	load_unexpected(l, it);
}
_Static_assert(sizeof(enum priority) == sizeof(unsigned), "read_word writes enums");
const struct type type_word = {SHAPE_TEXT, "a word", read_word};

static void read_scale_side(struct load *l, const struct item *it, void *field)
{
	unsigned side = 0;

	read_word(l, it, &side);
	*(bool *)field = side == 0;
}
const struct type type_scale_side = {SHAPE_TEXT, "a word", read_scale_side};

static void read_int(struct load *l, const struct item *it, void *field)
{
	if (it->integer < it->key->min || it->integer > it->key->max)
		load_unexpected(l, it);
	*(int *)field = (int)it->integer;
}
const struct type type_int = {SHAPE_INTEGER, "a whole number", read_int};

static void read_number(struct load *l, const struct item *it, void *field)
{
	*(double *)field = it->number;
}
const struct type type_number = {SHAPE_NUMBER, "a number", read_number};

static void read_bool(struct load *l, const struct item *it, void *field)
{
	*(bool *)field = it->truth;
}
const struct type type_bool = {SHAPE_BOOL, "true or false", read_bool};

/* A number of seconds as a person would write it. */
static const char *duration_words(struct load *l, int64_t s)
{
	static const struct {
		int seconds;
		char unit;
	} units[] = {{7 * 86400, 'w'}, {86400, 'd'}, {3600, 'h'}, {60, 'm'}};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (s && s % units[i].seconds == 0)
			return arena_printf(l->arena, "%lld%c", (long long)s / units[i].seconds, units[i].unit);
	return arena_printf(l->arena, "%llds", (long long)s);
}

static bool duration_in_range(struct load *l, const struct item *it, int64_t s)
{
	if (s >= it->key->min && s <= it->key->max)
		return true;
	load_error(l, it, NULL, "expected a duration from %s to %s, got '%s'", duration_words(l, it->key->min),
		   duration_words(l, it->key->max), it->text);
	return false;
}

static void read_duration(struct load *l, const struct item *it, void *field)
{
	int64_t s = 0;

	if (duration_parse(it->text, &s) < 0 || s == DURATION_NONE)
		load_unexpected(l, it);
	else if (duration_in_range(l, it, s))
		*(int64_t *)field = s;
}
const struct type type_duration = {SHAPE_TEXT, "a duration such as 90s, 15m, 4h, 2d or 1w", read_duration};

static void read_promise(struct load *l, const struct item *it, void *field)
{
	struct promise p;

	if (promise_parse(it->text, &p) < 0)
		load_unexpected(l, it);
	else if (p.amount < 0 || duration_in_range(l, it, promise_seconds(&p)))
		*(struct promise *)field = p;
}
const struct type type_promise = {SHAPE_TEXT, "a duration such as 90s, 15m, 4h, 2d or 1w, empty for none", read_promise};

static void read_texts(struct load *l, const struct item *it, void *field)
{
	*(struct string_list *)field = (struct string_list){it->texts, it->n_texts};
}
const struct type type_texts = {SHAPE_TEXTS, "a list of texts", read_texts};

static void read_language(struct load *l, const struct item *it, void *field)
{
	if (language_parse(it->text, field) < 0)
		load_unexpected(l, it);
}
const struct type type_language = {SHAPE_TEXT, "en, ko or de", read_language};

static void read_timezone(struct load *l, const struct item *it, void *field)
{
	const char *near;

	*(const char **)field = it->text;
	if (timezone_check(it->text) == 0)
		return;
	near = timezone_nearest(it->text, l->arena);
	load_error(l, it, NULL, "expected a time zone such as Asia/Seoul, got '%s'%s", it->text,
		   near ? arena_printf(l->arena, ", did you mean '%s'?", near) : "");
}
const struct type type_timezone = {SHAPE_TEXT, "a time zone such as Asia/Seoul", read_timezone};

static void read_address(struct load *l, const struct item *it, void *field)
{
	if (!address_valid(it->text))
		load_unexpected(l, it);
	*(const char **)field = it->text;
}
const struct type type_address = {SHAPE_TEXT, "a mail address such as care@example.com", read_address};

static void localized_key(struct load *l, const struct item *it, const config_setting_t *s, struct localized *ret)
{
	struct text_pos pos = source_pos(l->source, (int)config_setting_source_line(s));
	enum language language;
	const char *text;

	if (strlen(s->name) != 2 || language_parse(s->name, &language) < 0) {
		load_error(l, it, &pos, "expected en, ko or de, got '%s'", s->name);
		return;
	}
	text = config_setting_type(s) == CONFIG_TYPE_STRING ? config_setting_get_string(s) : "";
	if (str_blank(text))
		load_error(l, it, &pos, "expected a text for '%s'", s->name);
	ret->in[language] = arena_strdup(l->arena, text);
}

/* { en = "…"; ko = "…"; }, or one text in the global language */
static void read_localized(struct load *l, const struct item *it, void *field)
{
	struct localized *ret = field;

	if (it->text) {
		if (str_blank(it->text))
			load_error(l, it, NULL, "must not be empty");
		ret->in[l->s->language] = it->text;
		return;
	}
	if (config_setting_type(it->setting) != CONFIG_TYPE_GROUP) {
		load_error(l, it, NULL, "expected %s", it->key->type->words);
		return;
	}
	for (int i = 0; i < config_setting_length(it->setting); i++)
		localized_key(l, it, config_setting_get_elem(it->setting, (unsigned)i), ret);
	if (config_setting_length(it->setting) == 0)
		load_error(l, it, NULL, "expected at least one of en, ko, de");
}
const struct type type_localized = {SHAPE_ANY, "a text, or a group { en = \"…\"; ko = \"…\"; de = \"…\"; }", read_localized};

/* A path relative to the configuration; checked to be there, since a typo would show only when it is needed. */
static void read_path(struct load *l, const struct item *it, void *field, bool folder)
{
	const char *path;
	struct stat st;

	if (!it->text[0])
		return;
	path = path_join(l->arena, l->folder, it->text);
	*(const char **)field = path;
	if (l->files != FILES_ALL)
		return;
	if (stat(path, &st) < 0)
		load_error(l, it, NULL, "'%s' %s", path, errno == ENOENT ? "does not exist" : strerror(errno));
	else if (folder ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
		load_error(l, it, NULL, "'%s' is no %s", path, folder ? "folder" : "ordinary file");
	else if (access(path, folder ? R_OK | X_OK : R_OK) < 0)
		load_error(l, it, NULL, "'%s' can't be read: %s", path, strerror(errno));
}

static void read_file(struct load *l, const struct item *it, void *field)
{
	read_path(l, it, field, false);
}
const struct type type_file = {SHAPE_TEXT, "a file, empty for none", read_file};

static void read_folder(struct load *l, const struct item *it, void *field)
{
	read_path(l, it, field, true);
}
const struct type type_folder = {SHAPE_TEXT, "a folder, empty for none", read_folder};

static void read_instance(struct load *l, const struct item *it, void *field)
{
	if (!id_valid(it->text))
		load_unexpected(l, it);
	*(const char **)field = it->text;
}
const struct type type_instance = {SHAPE_TEXT, "a name: a letter, then letters, digits, '-' or '_', at most 63", read_instance};

static void read_delivery(struct load *l, const struct item *it, void *field)
{
	static const char *const words[] = {"live", "hold", "redirect:"};

	if (strcmp(it->text, "live") == 0) {
		l->s->delivery = DELIVER_LIVE;
	} else if (strcmp(it->text, "hold") == 0) {
		l->s->delivery = DELIVER_HOLD;
	} else if (strncmp(it->text, "redirect:", 9) == 0) {
		l->s->delivery = DELIVER_REDIRECT;
		l->s->redirect_to = it->text + 9;
		if (!address_valid(l->s->redirect_to))
			load_error(l, it, NULL, "expected redirect: and a mail address, got '%s'", it->text);
	} else {
		load_error(l, it, NULL, "expected %s, got '%s'%s", it->key->type->words, it->text,
			   load_guess(l, it->text, words, ARRAY_SIZE(words), sizeof(*words)));
	}
}
const struct type type_delivery = {SHAPE_TEXT, "live, hold or redirect:ADDRESS", read_delivery};

static void read_operators(struct load *l, const struct item *it, void *field)
{
	struct string_list *list = field;

	list->items = arena_new_array(l->arena, const char *, it->n_texts + 1);
	for (int i = 0; i < it->n_texts; i++) {
		if (strncmp(it->texts[i], "email:", 6) == 0 && address_valid(it->texts[i] + 6))
			list->items[list->n++] = it->texts[i] + 6;
		else
			load_bad_text(l, it, i, "email: and a mail address, as in email:ops@example.com");
	}
}
const struct type type_operators = {SHAPE_TEXTS, "a list of email:ADDRESS", read_operators};

static void read_conninfo(struct load *l, const struct item *it, void *field)
{
	const char *trouble = conninfo_trouble(it->text);
	const char **own = field;

	if (trouble)
		load_error(l, it, NULL, "must not hold %s: put it into ~/.pgpass, a passfile or a service file", trouble);
	*own = own == &l->s->listen_conninfo && !it->text[0] ? NULL : it->text;
}
const struct type type_conninfo = {SHAPE_TEXT, "a libpq connection text", read_conninfo};

void attributes_done(struct load *l, const struct item *it)
{
	load_index(l, IDS_ATTRIBUTES, l->s->attributes, l->s->n_attributes, sizeof(*l->s->attributes));
}

void scale_init(struct load *l, void *element)
{
	struct scale *s = element;

	s->min = NAN;
	s->max = NAN;
}

void scale_done(struct load *l, const struct item *it, void *element)
{
	struct scale *s = element;

	if (s->min >= s->max) { /* false where one of them could not be read */
		struct text_pos pos = load_key_pos(l, it, "max");

		load_error(l, it, &pos, "max must be above min");
	}
}

void scales_done(struct load *l, const struct item *it)
{
	scales_sort(l->s->scales, l->s->n_scales);
}

void label_done(struct load *l, const struct item *it, void *element)
{
	struct label *label = element;

	if (!localized_get(&label->text, LANGUAGE_EN))
		load_error(l, it, NULL, "expected at least one of en, ko, de");
}

static int label_order(const void *a, const void *b)
{
	const struct label *x = *(const struct label *const *)a, *y = *(const struct label *const *)b;

	return x->kind != y->kind ? (x->kind > y->kind) - (x->kind < y->kind) : strcmp(x->value, y->value);
}

void labels_done(struct load *l, const struct item *it)
{
	struct settings_own *own = l->own;

	own->labels = arena_new_array(l->arena, const struct label *, l->s->n_labels + 1);
	for (int i = 0; i < l->s->n_labels; i++) {
		own->labels[i] = &l->s->labels[i];
		if (!l->s->labels[i].value)
			l->s->labels[i].value = "";
	}
	if (l->s->n_labels > 1)
		qsort(own->labels, (size_t)l->s->n_labels, sizeof(*own->labels), label_order);
	for (int i = 1; i < l->s->n_labels; i++)
		if (own->labels[i]->value[0] && label_order(&own->labels[i - 1], &own->labels[i]) == 0)
			load_error(l, it, NULL, "'%s' has two labels of the same kind", own->labels[i]->value);
}

const char *settings_label(const struct settings *s, enum label_kind kind, const char *value, enum language language)
{
	const struct settings_own *own = container_of(s, struct settings_own, s);
	const struct label sought = {.kind = kind, .value = value ? value : ""}, *key = &sought;
	const struct label **found = NULL;

	if (value && s->n_labels)
		found = bsearch(&key, own->labels, (size_t)s->n_labels, sizeof(*own->labels), label_order);
	return found ? localized_get(&(*found)->text, language) : value;
}
