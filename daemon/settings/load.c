/*
 * The walk over the parsed file: find each key of the table, see that its shape is right, give it to its reader.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/load.h"
#include "settings/split.h"
#include "settings/value.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 32 /* of one section */
#define GOT_BYTES_MAX 60

static const char *const shape_words[] = {
	[SHAPE_TEXT] = "a text in double quotes",
	[SHAPE_INTEGER] = "a whole number",
	[SHAPE_NUMBER] = "a number",
	[SHAPE_BOOL] = "true or false",
	[SHAPE_TEXTS] = "a list of texts [ \"…\", \"…\" ]",
	[SHAPE_GROUP] = "a group { … }",
	[SHAPE_LIST] = "a list of groups ( { … }, { … } )",
	[SHAPE_ANY] = "a value",
};

static void load_group(struct load *l, const struct section *s, const struct item *group, void *element);

static struct text_pos setting_pos(const struct load *l, const config_setting_t *s)
{
	return source_pos(l->source, (int)config_setting_source_line(s));
}

const char *load_path(struct load *l, const struct item *it)
{
	struct buf path CLEANUP(buf_fini) = BUF_INIT(4096);

	for (int i = 0; i < l->depth; i++)
		buf_printf(&path, "%s%s", i ? "." : "", l->path[i]);
	if (it && it->key)
		buf_printf(&path, "%s%s", l->depth ? "." : "", it->key->name);
	return arena_strdup(l->arena, buf_str(&path));
}

static void report(struct load *l, enum diag_level level, const struct item *it, struct text_pos pos, const char *text)
{
	const char *path = load_path(l, it);

	diag_add(l->diags, level, pos, "%s%s%s", path, path[0] ? ": " : "", text);
}

void load_error(struct load *l, const struct item *it, const struct text_pos *pos, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(l, DIAG_ERROR, it, pos ? *pos : it->pos, arena_vprintf(l->arena, fmt, ap));
	va_end(ap);
}

void load_warning(struct load *l, const struct item *it, const struct text_pos *pos, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(l, DIAG_WARNING, it, pos ? *pos : it->pos, arena_vprintf(l->arena, fmt, ap));
	va_end(ap);
}

const char *load_guess(struct load *l, const char *word, const void *names, size_t n, size_t stride)
{
	const char *name = diag_nearest(word, names, n, stride);

	return name ? arena_printf(l->arena, ", did you mean '%s'?", name) : "";
}

/* A value as it goes into a message: short, in quotes. */
static const char *quoted(struct load *l, const char *text)
{
	if (strlen(text) <= GOT_BYTES_MAX)
		return arena_printf(l->arena, "'%s'", text);
	return arena_printf(l->arena, "'%.*s…'", GOT_BYTES_MAX, text);
}

void load_unexpected(struct load *l, const struct item *it)
{
	struct buf expected CLEANUP(buf_fini) = BUF_INIT(2048);
	const char *guess = "", *got;
	int n = 0;

	key_expected(it->key, &expected);
	while (it->key->choices && it->key->choices[n])
		n++;
	if (it->key->type->shape == SHAPE_INTEGER)
		got = arena_printf(l->arena, "%lld", it->integer);
	else
		got = quoted(l, it->text ? it->text : "");
	if (it->text && n)
		guess = load_guess(l, it->text, it->key->choices, (size_t)n, sizeof(*it->key->choices));
	load_error(l, it, NULL, "expected %s, got %s%s", buf_str(&expected), got, guess);
}

void load_bad_text(struct load *l, const struct item *it, int i, const char *expected)
{
	load_error(l, it, &it->text_pos[i], "expected %s, got %s", expected, quoted(l, it->texts[i]));
}

bool load_has(const struct item *group, const char *key)
{
	return group->setting && config_setting_get_member(group->setting, key);
}

struct text_pos load_key_pos(struct load *l, const struct item *group, const char *key)
{
	const config_setting_t *s = group->setting ? config_setting_get_member(group->setting, key) : NULL;

	return s ? setting_pos(l, s) : group->pos;
}

/* "[ \"a\", \"b\" ]" of the table → texts */
static void fallback_texts(struct load *l, struct item *it)
{
	const char *p = it->key->fallback, *end;

	it->texts = arena_new_array(l->arena, const char *, strlen(p));
	it->text_pos = arena_new_array(l->arena, struct text_pos, strlen(p));
	for (it->n_texts = 0; (p = strchr(p, '"')); p = end + 1) {
		end = strchr(p + 1, '"');
		it->texts[it->n_texts++] = arena_strndup(l->arena, p + 1, (size_t)(end - p) - 1);
	}
}

static void fallback_read(struct load *l, struct item *it, void *field)
{
	it->text = it->key->fallback;
	switch (it->key->type->shape) {
	case SHAPE_INTEGER: it->integer = strtoll(it->text, NULL, 10); break;
	case SHAPE_NUMBER: it->number = strtod(it->text, NULL); break;
	case SHAPE_BOOL: it->truth = strcmp(it->text, "true") == 0; break;
	case SHAPE_TEXTS: fallback_texts(l, it); break;
	case SHAPE_TEXT:
	case SHAPE_GROUP:
	case SHAPE_LIST:
	case SHAPE_ANY: break;
	}
	it->key->type->read(l, it, field);
}

static bool text_good(struct load *l, const struct item *it, const char *text, struct text_pos pos)
{
	for (const char *p = text; *p; p++) {
		if (((unsigned char)*p >= 0x20 && *p != 0x7f) || *p == '\n' || *p == '\t' || *p == '\r')
			continue;
		load_error(l, it, &pos, "a control character (0x%02x) in a text", (unsigned char)*p);
		return false;
	}
	return true;
}

static bool item_texts(struct load *l, struct item *it)
{
	int n = config_setting_length(it->setting);
	bool good = true;

	it->texts = arena_new_array(l->arena, const char *, n + 1);
	it->text_pos = arena_new_array(l->arena, struct text_pos, n + 1);
	for (int i = 0; i < n; i++) {
		const config_setting_t *s = config_setting_get_elem(it->setting, (unsigned)i);

		it->text_pos[i] = setting_pos(l, s);
		if (config_setting_type(s) != CONFIG_TYPE_STRING) {
			load_error(l, it, &it->text_pos[i], "expected texts in double quotes, entry %d is none", i + 1);
			good = false;
			continue;
		}
		it->texts[i] = arena_strdup(l->arena, config_setting_get_string(s));
		good &= text_good(l, it, it->texts[i], it->text_pos[i]);
	}
	it->n_texts = n;
	return good;
}

static bool item_value(struct load *l, struct item *it, enum shape shape)
{
	const config_setting_t *s = it->setting;
	int type = config_setting_type(s);

	switch (shape) {
	case SHAPE_ANY:
		if (type != CONFIG_TYPE_STRING)
			return true;
		it->text = arena_strdup(l->arena, config_setting_get_string(s));
		return text_good(l, it, it->text, it->pos);
	case SHAPE_TEXT:
		if (type != CONFIG_TYPE_STRING)
			break;
		it->text = arena_strdup(l->arena, config_setting_get_string(s));
		return text_good(l, it, it->text, it->pos);
	case SHAPE_INTEGER:
		if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64)
			break;
		it->integer = type == CONFIG_TYPE_INT ? config_setting_get_int(s) : config_setting_get_int64(s);
		return true;
	case SHAPE_NUMBER:
		if (!config_setting_is_number(s))
			break;
		it->number = type == CONFIG_TYPE_FLOAT ? config_setting_get_float(s)
			     : type == CONFIG_TYPE_INT ? config_setting_get_int(s)
						       : (double)config_setting_get_int64(s);
		return true;
	case SHAPE_BOOL:
		if (type != CONFIG_TYPE_BOOL)
			break;
		it->truth = config_setting_get_bool(s);
		return true;
	case SHAPE_TEXTS:
		if (type == CONFIG_TYPE_ARRAY || type == CONFIG_TYPE_LIST)
			return item_texts(l, it);
		break;
	case SHAPE_GROUP:
		if (type == CONFIG_TYPE_GROUP || split_is(s))
			return true;
		break;
	case SHAPE_LIST:
		if (type == CONFIG_TYPE_LIST || (type == CONFIG_TYPE_ARRAY && config_setting_length(s) == 0))
			return true;
		break;
	}
	load_error(l, it, NULL, "expected %s, got %s", shape_words[shape],
		   type == CONFIG_TYPE_STRING                              ? "a text"
		   : type == CONFIG_TYPE_FLOAT                             ? "a number with a point"
		   : type == CONFIG_TYPE_BOOL                              ? "true or false"
		   : type == CONFIG_TYPE_GROUP                             ? "a group"
		   : type == CONFIG_TYPE_LIST || type == CONFIG_TYPE_ARRAY ? "a list"
									   : "a number");
	return false;
}

/* One element of people, webhooks, …: its id, and a text in place of the group. */
static void load_element(struct load *l, const struct section *s, const struct item *it, void *element)
{
	const char *id = it->setting->name;
	struct item short_form = {.setting = it->setting, .pos = it->pos};

	if (s->pos_at >= 0)
		*(struct text_pos *)(void *)((char *)element + s->pos_at) = it->pos;
	if (s->naming == NAMED_GROUPS) {
		*(const char **)element = arena_strdup(l->arena, id);
		if (!id_valid(id))
			load_error(l, it, NULL, "a name is a letter, then letters, digits, '-' or '_', at most 63");
		for (int i = 0; s->reserved && s->reserved[i]; i++)
			if (strcmp(s->reserved[i], id) == 0)
				load_error(l, it, NULL, "'%s' has a meaning of its own: choose another name", id);
	}
	if (s->short_key && config_setting_type(it->setting) == CONFIG_TYPE_STRING) {
		for (int i = 0; i < s->n_keys; i++)
			if (strcmp(s->keys[i].name, s->short_key) == 0)
				short_form.key = &s->keys[i];
		if (item_value(l, &short_form, SHAPE_TEXT))
			short_form.key->type->read(l, &short_form, (char *)element + short_form.key->at);
	} else if (config_setting_type(it->setting) != CONFIG_TYPE_GROUP) {
		load_error(l, it, NULL, "expected %s", s->short_key ? "a text or a group { … }" : "a group { … }");
	} else {
		load_group(l, s, it, element);
	}
}

static const char *element_name(struct load *l, const config_setting_t *s, int i)
{
	return s->name ? arena_strdup(l->arena, s->name) : arena_printf(l->arena, "%d", i + 1);
}

static void load_elements(struct load *l, const struct item *it, void *base)
{
	const struct section *s = it->key->section;
	int n = it->setting ? config_setting_length(it->setting) : 0;
	char *elements;

	if (n > s->max) {
		load_error(l, it, NULL, "%d entries, at most %d are possible", n, s->max);
		n = 0;
	}
	elements = arena_zalloc(l->arena, s->bytes * (size_t)(n + s->spare) + 1);
	*(void **)(void *)((char *)base + it->key->at) = elements;
	*(int *)(void *)((char *)base + it->key->count_at) = n;
	l->path[l->depth++] = it->key->name;
	for (int i = 0; i < n; i++) {
		const config_setting_t *e = split_member(it->setting, i);
		struct item element = {.setting = e, .pos = setting_pos(l, e)};

		l->path[l->depth++] = element_name(l, e, i);
		load_element(l, s, &element, elements + s->bytes * (size_t)i);
		l->depth--;
	}
	if (s->all_done)
		s->all_done(l, &(struct item){.setting = it->setting, .pos = it->pos});
	l->depth--;
}

static void unknown_key(struct load *l, const struct section *s, const config_setting_t *given)
{
	const char *guess = load_guess(l, given->name, &s->keys[0].name, (size_t)s->n_keys, sizeof(s->keys[0]));
	struct key key = {.name = given->name};
	struct item it = {.key = &key, .setting = given, .pos = setting_pos(l, given)};
	struct buf known CLEANUP(buf_fini) = BUF_INIT(2048);

	if (!guess[0]) {
		buf_puts(&known, ", expected one of ");
		for (int i = 0; i < s->n_keys; i++)
			buf_printf(&known, "%s%s", i ? " " : "", s->keys[i].name);
	}
	load_error(l, &it, NULL, "there is no such setting%s%s", guess, buf_str(&known));
}

/* The settings of a group in the order of the table; NULL where left out. */
static void find_keys(struct load *l, const struct section *s, const config_setting_t *group, const config_setting_t **ret)
{
	int n = group ? config_setting_length(group) : 0;

	for (int i = 0; i < n; i++) {
		const config_setting_t *given = config_setting_get_elem(group, (unsigned)i);
		int k = 0;

		while (k < s->n_keys && strcmp(s->keys[k].name, given->name) != 0)
			k++;
		if (k < s->n_keys)
			ret[k] = given;
		else
			unknown_key(l, s, given);
	}
}

static void missing_key(struct load *l, const struct item *it)
{
	struct buf expected CLEANUP(buf_fini) = BUF_INIT(2048);

	key_expected(it->key, &expected);
	load_error(l, it, NULL, "is missing: expected %s", buf_str(&expected));
}

static void load_key(struct load *l, const struct key *k, const config_setting_t *given, const struct item *group, void *base)
{
	struct item it = {.key = k, .setting = given, .pos = given ? setting_pos(l, given) : group->pos};
	void *field = (char *)base + k->at;

	if (given && !item_value(l, &it, k->type->shape))
		return;
	if (k->section && k->section->naming != NAMED_ONCE) {
		load_elements(l, &it, base);
	} else if (k->section) {
		if (!given && !k->section->always)
			return;
		l->path[l->depth++] = k->name;
		it.key = NULL;
		load_group(l, k->section, &it, field);
		l->depth--;
	} else if (given) {
		k->type->read(l, &it, field);
	} else if (k->required) {
		missing_key(l, &it);
	} else if (k->fallback) {
		fallback_read(l, &it, field);
	}
}

/* The keys of one group, given or left out. */
static void load_group(struct load *l, const struct section *s, const struct item *group, void *element)
{
	const config_setting_t *found[KEYS_MAX] = {NULL};

	if (s->init)
		s->init(l, element);
	find_keys(l, s, group->setting, found);
	for (int i = 0; i < s->n_keys; i++)
		load_key(l, &s->keys[i], found[i], group, element);
	if (s->done)
		s->done(l, group, element);
}

void load_element_defaults(struct load *l, const struct section *s, void *element)
{
	struct item none = {0};

	load_group(l, s, &none, element);
}

void load_root(struct load *l, const struct section *root, const config_setting_t *setting, const char *path, void *element)
{
	struct item file = {.setting = setting, .pos = {path, 0}};

	load_group(l, root, &file, element);
}

void load_settings(struct load *l, const config_setting_t *root)
{
	load_root(l, &settings_root, root, l->s->path, l->own);
}

static int id_order(const void *a, const void *b)
{
	const char *const *x = *(const void *const *)a, *const *y = *(const void *const *)b;

	return strcmp(*x, *y);
}

void load_index(struct load *l, enum id_kind kind, const void *base, int n, size_t bytes)
{
	struct id_index *index = &l->own->ids[kind];

	index->items = arena_new_array(l->arena, const void *, n + 1);
	index->n = n;
	for (int i = 0; i < n; i++)
		index->items[i] = (const char *)base + (size_t)i * bytes;
	if (n > 1)
		qsort(index->items, (size_t)n, sizeof(*index->items), id_order);
}

const void *id_find(const struct settings *s, enum id_kind kind, const char *id)
{
	const struct settings_own *own = container_of(s, struct settings_own, s);
	const struct id_index *index = &own->ids[kind];
	const char *const *key = &id;
	const void *const *found;

	if (!id || index->n == 0)
		return NULL;
	found = bsearch(&key, index->items, (size_t)index->n, sizeof(*index->items), id_order);
	return found ? *found : NULL;
}

const char *load_guess_id(struct load *l, const char *word, enum id_kind kind)
{
	const struct id_index *index = &l->own->ids[kind];
	const char **names = arena_new_array(l->arena, const char *, index->n + 1);

	for (int i = 0; i < index->n; i++)
		names[i] = *(const char *const *)index->items[i];
	return load_guess(l, word, names, (size_t)index->n, sizeof(*names));
}
