/*
 * Groups become lists of groups with one member each; see split.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/split.h"
#include "settings/load.h"
#include "settings/token.h"

#include <assert.h>
#include <string.h>

#define SPLIT_BYTES_MAX (8 * 1024 * 1024) /* three bytes more for each name, which has at least six with its value */

static const char split_mark; /* as a hook it says which lists were groups; never looked into */

/* Of a top-level name: the place in the table, if it is a section of named groups; else -1. */
static int split_key(const struct token *t)
{
	for (int i = 0; i < settings_root.n_keys; i++) {
		const struct key *k = &settings_root.keys[i];

		if (k->section && k->section->naming == NAMED_GROUPS && strlen(k->name) == t->n &&
		    memcmp(k->name, t->at, t->n) == 0)
			return i;
	}
	return -1;
}

struct splitter {
	const char *from; /* of the source, not copied yet */
	struct buf out;
	int depth, members;
	int key;        /* of the last top-level name; -1: isn't split */
	bool within;    /* its group */
	uint64_t split; /* one bit for each key of the table */
};

static void copy_to(struct splitter *p, const char *to)
{
	buf_add(&p->out, p->from, (size_t)(to - p->from));
	p->from = to;
}

/* @replace: bytes of the source that are left out */
static void insert(struct splitter *p, const char *at, const char *text, size_t replace)
{
	copy_to(p, at);
	buf_puts(&p->out, text);
	p->from += replace;
}

static void take(struct splitter *p, const struct token *t)
{
	if (token_is(t, '{') || token_is(t, '[') || token_is(t, '(')) {
		if (p->depth++ == 0 && t->mark == '{' && p->key >= 0) {
			p->within = true;
			p->members = 0;
			p->split |= UINT64_C(1) << p->key;
			insert(p, t->at, "(", 1);
		}
	} else if (token_is(t, '}') || token_is(t, ']') || token_is(t, ')')) {
		if (--p->depth == 0 && p->within) {
			insert(p, t->at, p->members ? "})" : ")", 1);
			p->within = false;
		}
	} else if (t->kind == TOKEN_NAME) {
		if (p->depth == 0)
			p->key = split_key(t);
		else if (p->depth == 1 && p->within)
			insert(p, t->at, p->members++ ? "},{" : "{", 0);
	}
}

bool split_read(config_t *config, const struct source *src)
{
	struct splitter p = {.from = buf_str(&src->text), .out = BUF_INIT(SPLIT_BYTES_MAX), .key = -1};
	struct tokens lx;
	struct token t;
	bool good;

	assert(settings_root.n_keys <= 64);
	tokens_init(&lx, p.from, src->text.n);
	for (tokens_next(&lx, &t); t.kind != TOKEN_END; tokens_next(&lx, &t))
		take(&p, &t);
	copy_to(&p, buf_str(&src->text) + src->text.n);
	good = !p.out.overflow && config_read_string(config, buf_str(&p.out));
	for (int i = 0; good && i < settings_root.n_keys; i++)
		if (p.split & UINT64_C(1) << i)
			config_setting_set_hook(
				config_setting_get_member(config_root_setting(config), settings_root.keys[i].name),
				(void *)(uintptr_t)&split_mark);
	buf_fini(&p.out);
	return good;
}

bool split_is(const config_setting_t *s)
{
	return config_setting_get_hook(s) == &split_mark;
}

const config_setting_t *split_member(const config_setting_t *s, int i)
{
	const config_setting_t *e = config_setting_get_elem(s, (unsigned)i);

	return split_is(s) ? config_setting_get_elem(e, 0) : e;
}
