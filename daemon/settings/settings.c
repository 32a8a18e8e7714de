/*
 * Loading: read, check the grammar, let libconfig parse, fill the struct by the table, keep the text; see settings.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/settings.h"
#include "base/escape.h"
#include "settings/load.h"
#include "settings/source.h"
#include "settings/split.h"
#include "settings/syntax.h"

#include <libconfig.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings *settings_free(struct settings *s)
{
	struct settings_own *own;

	if (!s)
		return NULL;
	own = container_of(s, struct settings_own, s);
	secrets_free(own);
	ruleset_free(s->ruleset);
	arena_free(s->arena);
	free(own);
	return NULL;
}

void settings_freep(struct settings **s)
{
	*s = settings_free(*s);
}

static struct settings *settings_new(const char *path)
{
	struct settings_own *own = xcalloc(1, sizeof(*own));

	own->s.arena = arena_new(64 * 1024);
	own->s.path = arena_strdup(own->s.arena, path);
	return &own->s;
}

static void hex(const unsigned char *bytes, size_t n, char *ret)
{
	for (size_t i = 0; i < n; i++)
		sprintf(ret + 2 * i, "%02x", bytes[i]);
}

/* What `rulesets` keeps: where the database is and where this host listens is no part of the rules. */
static void keep_text(struct settings *s, const struct source *src, const struct text_spans *local)
{
	const char *text = buf_str(&src->text);
	unsigned char digest[EVP_MAX_MD_SIZE];
	char *kept = arena_alloc(s->arena, src->text.n + 1);
	unsigned digest_n = 0;
	size_t n = 0, from = 0;

	for (int i = 0; i < local->n; i++) {
		memcpy(kept + n, text + from, local->items[i].from - from);
		n += local->items[i].from - from;
		from = local->items[i].to;
	}
	memcpy(kept + n, text + from, src->text.n - from);
	n += src->text.n - from;
	kept[n] = '\0';
	s->text = kept;
	EVP_Digest(kept, n, digest, &digest_n, EVP_sha256(), NULL);
	hex(digest, MIN(digest_n, (sizeof(s->sha256) - 1) / 2), s->sha256);
}

/* libconfig's own complaint about a text that syntax_check() let pass. */
static void parser_error(const struct source *src, const config_t *config, struct diag_list *diags)
{
	int line = config_error_line(config);
	struct diag *d = diag_add(diags, DIAG_ERROR, source_pos(src, line), "%s", config_error_text(config));

	diag_excerpt(diags, d, source_line(src, line, diags->arena), 0, 1, NULL);
}

static void settings_read(struct settings *s, const struct source *src, enum load_files files, struct diag_list *diags)
{
	struct load l = {.own = container_of(s, struct settings_own, s),
			 .s = s,
			 .arena = s->arena,
			 .diags = diags,
			 .source = src,
			 .folder = path_folder(s->arena, s->path),
			 .files = files};
	struct text_spans local;
	config_t config;

	if (!syntax_check(src, diags, &local))
		return;
	config_init(&config);
	if (split_read(&config, src)) {
		load_settings(&l, config_root_setting(&config));
		keep_text(s, src, &local);
	} else {
		parser_error(src, &config, diags);
	}
	config_destroy(&config);
}

static int load_file(const char *path, enum load_files files, struct diag_list *diags, struct settings **ret)
{
	struct settings *s CLEANUP(settings_freep) = settings_new(path);
	int before = diags->errors;
	struct source src;

	if (source_read(&src, path, s->arena, diags))
		settings_read(s, &src, files, diags);
	source_fini(&src);
	if (diags->errors > before)
		return SETTINGS_E_INVALID;
	*ret = TAKE(s);
	return 0;
}

int settings_load(const char *path, struct diag_list *diags, struct settings **ret)
{
	return load_file(path, FILES_ALL, diags, ret);
}

int settings_load_bare(const char *path, struct diag_list *diags, struct settings **ret)
{
	return load_file(path, FILES_HOLIDAYS, diags, ret);
}

int settings_load_text(const char *text, const char *name, struct diag_list *diags, struct settings **ret)
{
	struct settings *s CLEANUP(settings_freep) = settings_new(name);
	int before = diags->errors;
	struct source src;

	if (source_of_text(&src, name, text, s->arena, diags))
		settings_read(s, &src, FILES_NONE, diags);
	source_fini(&src);
	if (diags->errors > before)
		return SETTINGS_E_INVALID;
	*ret = TAKE(s);
	return 0;
}

const char *localized_get(const struct localized *l, enum language language)
{
	if (l->in[language])
		return l->in[language];
	if (l->in[LANGUAGE_EN])
		return l->in[LANGUAGE_EN];
	for (int i = 0; i < LANGUAGE_COUNT; i++)
		if (l->in[i])
			return l->in[i];
	return NULL;
}

bool settings_is_anonymous(const struct settings *s, const char *customer_id)
{
	if (str_blank(customer_id))
		return true;
	for (int i = 0; i < s->cases.anonymous_ids.n; i++)
		if (strcmp(s->cases.anonymous_ids.items[i], customer_id) == 0)
			return true;
	return false;
}

const struct person *settings_person(const struct settings *s, const char *id)
{
	return id_find(s, IDS_PEOPLE, id);
}

const struct team *settings_team(const struct settings *s, const char *id)
{
	return id_find(s, IDS_TEAMS, id);
}

const struct route *settings_route(const struct settings *s, const char *id)
{
	return id_find(s, IDS_ROUTES, id);
}

const struct follow_up *settings_follow_up(const struct settings *s, const char *id)
{
	return id_find(s, IDS_FOLLOW_UPS, id);
}

const struct webhook *settings_webhook(const struct settings *s, const char *id)
{
	return id_find(s, IDS_WEBHOOKS, id);
}

const struct calendar *settings_calendar(const struct settings *s, const char *id)
{
	return id ? id_find(s, IDS_CALENDARS, id) : NULL;
}

const struct source_settings *settings_source(const struct settings *s, const char *id)
{
	return id_find(s, IDS_SOURCES, id);
}

const struct attribute_settings *settings_attribute(const struct settings *s, const char *name)
{
	return id_find(s, IDS_ATTRIBUTES, name);
}

struct lookups {
	const char **names; /* NULL: only count */
	int n;
};

static void lookup_add(struct lookups *l, const struct target *t)
{
	if (t->kind != TARGET_LOOKUP)
		return;
	for (int i = 0; l->names && i < l->n; i++)
		if (strcmp(l->names[i], t->name) == 0)
			return;
	if (l->names)
		l->names[l->n] = t->name;
	l->n++;
}

static void lookups_add_notify(struct lookups *l, const struct notify *notify, int n)
{
	for (int i = 0; i < n; i++)
		if (notify[i].kind != NOTIFY_WEBHOOK)
			lookup_add(l, &notify[i].target);
}

static void lookups_gather(struct lookups *l, const struct settings *s)
{
	l->n = 0;
	for (int i = 0; i < s->n_routes; i++) {
		for (int k = 0; k < s->routes[i].n_owner; k++)
			lookup_add(l, &s->routes[i].owner[k]);
		lookups_add_notify(l, s->routes[i].notify, s->routes[i].n_notify);
	}
	for (int i = 0; i < s->n_rules; i++)
		lookups_add_notify(l, s->rules[i].notify, s->rules[i].n_notify);
	for (int i = 0; i < s->n_follow_ups; i++)
		for (int k = 0; k < s->follow_ups[i].n_escalate; k++)
			lookup_add(l, &s->follow_ups[i].escalate[k].to);
}

int settings_lookups(const struct settings *s, struct arena *a, const char *const **ret)
{
	struct lookups l = {0};

	lookups_gather(&l, s);
	l.names = arena_new_array(a, const char *, (size_t)l.n + 1);
	lookups_gather(&l, s);
	*ret = l.names;
	return l.n;
}
