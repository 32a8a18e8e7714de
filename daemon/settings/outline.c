/*
 * The walk over a configuration's text by the table of settings; see outline.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/outline.h"
#include "settings/load.h"
#include "settings/split.h"

#include <stdio.h>
#include <string.h>

#define VALUE_BYTES_MAX (256 * 1024)
#define PATH_BYTES_MAX 1024

struct walk {
	struct arena *arena;
	struct outline *out;
	const char *section, *element;
	int place;
};

static void put(struct walk *w, const char *key, const char *value, bool given)
{
	struct outline *o = w->out;

	if (o->n == o->room) {
		struct outline_item *more = arena_new_array(w->arena, struct outline_item, (size_t)MAX(o->room * 2, 256));

		if (o->n)
			memcpy(more, o->items, (size_t)o->n * sizeof(*more));
		o->items = more;
		o->room = MAX(o->room * 2, 256);
	}
	o->items[o->n++] = (struct outline_item){w->section, w->element, key, value, given, w->place};
}

/* ---- values ---- */

/* Blanks and line ends between the words of a condition mean nothing; within 'quotes' they do. */
static void put_condition(struct buf *out, const char *text)
{
	bool quoted = false, blank = false;
	size_t from = out->n;

	for (const char *p = text; *p; p++) {
		if (!quoted && strchr(" \t\r\n", *p)) {
			blank = true;
			continue;
		}
		if (blank && out->n > from && *p != ')' && out->p[out->n - 1] != '(')
			buf_putc(out, ' ');
		blank = false;
		quoted ^= *p == '\'';
		buf_putc(out, *p);
	}
}

/* "60s" and "1m" are one duration. Promises aren't: under a calendar 1d is a working day. */
static void put_duration(struct buf *out, const char *text)
{
	static const struct {
		int64_t seconds;
		char unit;
	} units[] = {{604800, 'w'}, {86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	int64_t s;

	if (duration_parse(text, &s) < 0 || s <= 0) {
		buf_puts(out, text);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (s % units[i].seconds == 0) {
			buf_printf(out, "%lld%c", (long long)(s / units[i].seconds), units[i].unit);
			return;
		}
}

static void put_text(struct buf *out, const struct key *k, const char *text)
{
	if (k && k->type == &type_when)
		put_condition(out, text);
	else if (k && k->type == &type_duration)
		put_duration(out, text);
	else
		buf_puts(out, text);
}

static void put_value(struct buf *out, const struct key *k, const config_setting_t *s)
{
	int n = config_setting_length(s);

	switch (config_setting_type(s)) {
	case CONFIG_TYPE_STRING:
		put_text(out, k, config_setting_get_string(s));
		if (!k && !config_setting_get_string(s)[0]) /* within a list */
			buf_puts(out, "''");
		break;
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64: buf_printf(out, "%lld", config_setting_get_int64(s)); break;
	case CONFIG_TYPE_FLOAT: buf_printf(out, "%.15g", config_setting_get_float(s)); break;
	case CONFIG_TYPE_BOOL: buf_puts(out, config_setting_get_bool(s) ? "true" : "false"); break;
	case CONFIG_TYPE_GROUP:
	case CONFIG_TYPE_LIST:
	case CONFIG_TYPE_ARRAY:
		for (int i = 0; i < n; i++) {
			const config_setting_t *e = config_setting_get_elem(s, (unsigned)i);

			buf_puts(out, i ? ", " : "");
			if (e->name)
				buf_printf(out, "%s: ", e->name);
			put_value(out, NULL, e);
		}
		if (n == 0)
			buf_puts(out, "none");
		break;
	default: break;
	}
}

/* "[ \"email:owner\" ]" of the table, as put_value() writes a list. */
static const char *fallback_value(struct walk *w, const struct key *k)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(VALUE_BYTES_MAX);
	const char *p = k->fallback, *end;

	if (!p)
		return arena_printf(w->arena, "(%s)", k->otherwise ? k->otherwise : "none");
	if (!*p)
		return "none";
	if (k->type->shape != SHAPE_TEXTS) {
		put_text(&out, k, p);
		return arena_strdup(w->arena, buf_str(&out));
	}
	for (; (p = strchr(p, '"')); p = end + 1) {
		end = strchr(p + 1, '"');
		buf_puts(&out, out.n ? ", " : "");
		buf_add(&out, p + 1, (size_t)(end - p) - 1);
		buf_puts(&out, end == p + 1 ? "''" : "");
	}
	return out.n ? arena_strdup(w->arena, buf_str(&out)) : "none";
}

/* ---- the walk ---- */

static void walk_group(struct walk *w, const struct section *s, const config_setting_t *group, const char *path);

static const config_setting_t *member(const config_setting_t *group, const char *name)
{
	return group && config_setting_type(group) == CONFIG_TYPE_GROUP ? config_setting_get_member(group, name) : NULL;
}

/* What names a group of a list: its required keys, which for labels are `for` and `value`. */
static const char *list_element(struct walk *w, const struct section *s, const config_setting_t *e)
{
	struct buf name CLEANUP(buf_fini) = BUF_INIT(VALUE_BYTES_MAX);

	for (int i = 0; i < s->n_keys; i++) {
		const config_setting_t *v = s->keys[i].required ? member(e, s->keys[i].name) : NULL;

		if (!v)
			continue;
		buf_puts(&name, name.n ? " '" : "");
		put_value(&name, NULL, v);
		buf_puts(&name, strchr(buf_str(&name), '\'') ? "'" : "");
	}
	return arena_strdup(w->arena, buf_str(&name));
}

/* The groups of an array below the top: "escalate.boss." before their keys. */
static void walk_nested(struct walk *w, const struct section *s, const config_setting_t *groups, const char *path)
{
	for (int i = 0; groups && i < config_setting_length(groups); i++) {
		const config_setting_t *e = config_setting_get_elem(groups, (unsigned)i);

		walk_group(w, s, e, arena_printf(w->arena, "%s%s.", path, e->name ? e->name : ""));
	}
}

static void walk_key(struct walk *w, const struct key *k, const config_setting_t *given, const char *path)
{
	const char *name = arena_printf(w->arena, "%s%s", path, k->name);
	struct buf value CLEANUP(buf_fini) = BUF_INIT(VALUE_BYTES_MAX);

	if (k->section && k->section->naming == NAMED_ONCE) {
		if (given || k->section->always)
			walk_group(w, k->section, given, arena_printf(w->arena, "%s.", name));
		return;
	}
	if (k->section) {
		walk_nested(w, k->section, given, arena_printf(w->arena, "%s.", name));
		return;
	}
	if (!given) {
		put(w, name, fallback_value(w, k), false);
		return;
	}
	put_value(&value, k, given);
	put(w, name, value.n ? arena_strdup(w->arena, buf_str(&value)) : "none", true);
}

static void walk_group(struct walk *w, const struct section *s, const config_setting_t *group, const char *path)
{
	bool is_short = group && s->short_key && config_setting_type(group) == CONFIG_TYPE_STRING;

	for (int i = 0; i < s->n_keys; i++) {
		const struct key *k = &s->keys[i];

		walk_key(w, k, is_short ? (strcmp(k->name, s->short_key) == 0 ? group : NULL) : member(group, k->name), path);
	}
}

/* facts: { NAME = "condition"; } */
static void walk_facts(struct walk *w, const config_setting_t *facts)
{
	for (int i = 0; facts && i < config_setting_length(facts); i++) {
		const config_setting_t *e = config_setting_get_elem(facts, (unsigned)i);
		struct buf value CLEANUP(buf_fini) = BUF_INIT(VALUE_BYTES_MAX);

		w->element = arena_strdup(w->arena, e->name);
		w->place = i;
		if (config_setting_get_string(e))
			put_condition(&value, config_setting_get_string(e));
		put(w, "", arena_strdup(w->arena, buf_str(&value)), true);
	}
}

static void walk_elements(struct walk *w, const struct section *s, const config_setting_t *groups)
{
	for (int i = 0; groups && i < config_setting_length(groups); i++) {
		const config_setting_t *e = split_member(groups, i);

		w->element = s->naming == NAMED_LIST ? list_element(w, s, e) : arena_strdup(w->arena, e->name);
		w->place = i;
		walk_group(w, s, e, "");
	}
}

static void walk_root(struct walk *w, const config_setting_t *root)
{
	for (int i = 0; i < settings_root.n_keys; i++) {
		const struct key *k = &settings_root.keys[i];
		const config_setting_t *given = member(root, k->name);

		w->section = k->section || k->type == &type_facts ? k->name : "";
		w->element = "";
		w->place = 0;
		if (strcmp(k->name, "database") == 0)
			continue;
		if (k->type == &type_facts)
			walk_facts(w, given);
		else if (!k->section)
			walk_key(w, k, given, "");
		else if (k->section->naming != NAMED_ONCE)
			walk_elements(w, k->section, given);
		else if (given || k->section->always)
			walk_group(w, k->section, given, "");
	}
}

void settings_outline(const struct settings *s, struct arena *arena, struct outline *ret)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct walk w = {.arena = arena, .out = ret};
	struct source src;
	config_t config;

	*ret = (struct outline){0};
	config_init(&config);
	if (source_of_text(&src, s->path, s->text, arena, diags) && split_read(&config, &src))
		walk_root(&w, config_root_setting(&config));
	config_destroy(&config);
	source_fini(&src);
}
