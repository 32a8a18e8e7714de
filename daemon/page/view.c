/*
 * Templates and words of the pages; see view.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "page/view.h"

#include "base/log.h"
#include "template/embedded.h"
#include "template/words.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAME_BYTES_MAX 64
#define WORDS_MAX 600
#define ERRORS_BYTES_MAX 4096

extern const struct embedded page_builtin[];

struct named_template {
	const char *file; /* "case.html" */
	struct template *template;
};

struct view {
	struct named_template *templates;
	int n_templates;
	char **names; /* of the words: those of the English file */
	int n_names;
	struct words *words[LANGUAGE_COUNT];
	json_t *all[LANGUAGE_COUNT]; /* the words as an object */
	char style_path[40];
};

static const char *builtin(const char *file)
{
	for (const struct embedded *e = page_builtin; e->name; e++)
		if (strcmp(e->name, file) == 0)
			return e->text;
	return NULL;
}

static void view_wrong(struct diag_list *diags, const char *what)
{
	struct buf out = BUF_INIT(ERRORS_BYTES_MAX);

	diag_print(diags, &out);
	log_error("page %s: %s", what, buf_str(&out));
	abort();
}

/* ---- words ---- */

/* The names of the English file, which the other languages must have too. */
static void view_names(struct view *v)
{
	const char *text = builtin("words.en.txt");

	v->names = xcalloc(WORDS_MAX, sizeof(*v->names));
	while (text && *text) {
		size_t line = strcspn(text, "\n"), n = strcspn(text, " \t=\n");

		if (n > 0 && *text != '#' && v->n_names < WORDS_MAX) {
			v->names[v->n_names] = xcalloc(n + 1, 1);
			memcpy(v->names[v->n_names++], text, n);
		}
		text += line + (text[line] == '\n');
	}
}

static void view_words(struct view *v, enum language language)
{
	struct diag_list *diags = diag_list_new();
	struct words *w = v->words[language] = words_new((const char *const *)v->names, v->n_names, NULL);
	char file[NAME_BYTES_MAX];
	const char *missing;

	snprintf(file, sizeof(file), "words.%s.txt", language_name(language));
	if (words_add(w, file, builtin(file), diags) != 0)
		view_wrong(diags, file);
	missing = words_missing(w);
	if (missing) {
		diag_add(diags, DIAG_ERROR, (struct text_pos){.file = file}, "'%s' is missing", missing);
		view_wrong(diags, file);
	}
	v->all[language] = words_object(w, "");
	diag_list_free(diags);
}

static int word_of(const struct view *v, const char *word)
{
	int i = words_find(v->words[LANGUAGE_EN], word);

	if (i < 0) {
		log_error("page: there is no word '%s'", word);
		abort();
	}
	return i;
}

bool view_has(const struct view *v, const char *word)
{
	return words_find(v->words[LANGUAGE_EN], word) >= 0;
}

json_t *view_say(const struct view *v, enum language language, const char *word, json_t *context)
{
	return words_say(v->words[language], word_of(v, word), context);
}

const char *view_word(const struct view *v, enum language language, const char *word)
{
	return json_string_value(json_object_get(v->all[language], v->names[word_of(v, word)]));
}

/* ---- times ---- */

/* "2026-11-22T12:27:10.5", a clock on a wall: the days since 1970, and its parts. */
static int64_t clock_read(const json_t *clock, struct tm *ret)
{
	const char *text = json_string_value(clock);
	struct tm day = {0};

	*ret = (struct tm){0};
	if (!text || sscanf(text, "%d-%d-%dT%d:%d", &day.tm_year, &day.tm_mon, &day.tm_mday, &ret->tm_hour, &ret->tm_min) != 5)
		return 0;
	day.tm_year -= 1900;
	day.tm_mon -= 1;
	ret->tm_year = day.tm_year;
	ret->tm_mon = day.tm_mon;
	ret->tm_mday = day.tm_mday;
	return (int64_t)timegm(&day) / (24 * 3600); /* at midnight: nothing is left over, before 1970 either */
}

json_t *view_moment(const struct view *v, enum language language, const char *form, const json_t *moment)
{
	struct tm at, now;
	int64_t day = clock_read(json_object_get(moment, "clock"), &at);
	int64_t days = day - clock_read(json_object_get(moment, "now"), &now);
	const char *when = days == 0 ? "today" : days == 1 ? "tomorrow" : days == -1 ? "yesterday" : "other";
	char name[NAME_BYTES_MAX], clock[16];
	json_t *context, *said;

	if (!json_is_object(moment))
		return json_null();
	if (days > 180 || days < -180)
		when = "far";
	context = json_object();
	snprintf(clock, sizeof(clock), "%02d:%02d", at.tm_hour, at.tm_min);
	json_object_set_new(context, "clock", json_string(clock));
	json_object_set_new(context, "day", json_integer(at.tm_mday));
	json_object_set_new(context, "year", json_integer(at.tm_year + 1900));
	snprintf(name, sizeof(name), "month_%d", at.tm_mon + 1);
	json_object_set_new(context, "month", view_say(v, language, name, NULL));
	json_object_set_new(context, "month_number", json_integer(at.tm_mon + 1));
	snprintf(name, sizeof(name), "weekday_%d", (int)((day % 7 + 10) % 7) + 1); /* 1 January 1970 was a Thursday */
	json_object_set_new(context, "weekday", view_say(v, language, name, NULL));
	snprintf(name, sizeof(name), "%s_%s", form, when);
	said = view_say(v, language, name, context);
	json_decref(context);
	return said;
}

json_t *view_span(const struct view *v, enum language language, int64_t seconds)
{
	int64_t s = seconds < 0 ? -seconds : seconds, minutes = (s + 59) / 60;
	json_t *context = json_object(), *said;
	const char *word;

	if (minutes < 60)
		word = "span_minutes";
	else if (minutes < 24 * 60)
		word = minutes % 60 ? "span_hours_minutes" : "span_hours";
	else
		word = minutes / 60 % 24 ? "span_days_hours" : "span_days";
	json_object_set_new(context, "days", json_integer(minutes / (24 * 60)));
	json_object_set_new(context, "one", json_boolean(minutes / (24 * 60) == 1));
	json_object_set_new(context, "hours", json_integer(minutes < 24 * 60 ? minutes / 60 : minutes / 60 % 24));
	json_object_set_new(context, "minutes", json_integer(minutes % 60));
	said = view_say(v, language, word, context);
	json_decref(context);
	return said;
}

/* ---- templates ---- */

/* {{>head}} is head.html. */
static int view_partial(void *arg, const char *name, const char **ret_text)
{
	char file[NAME_BYTES_MAX];

	snprintf(file, sizeof(file), "%s.html", name);
	*ret_text = builtin(file);
	return *ret_text ? 0 : -ENOENT;
}

static void view_templates(struct view *v)
{
	static const char *const trusted[] = {"svg", NULL}; /* made by report/chart.c, which escapes */
	static const struct template_options options = {.escape = ESCAPE_HTML, .trusted = trusted, .partial = view_partial};
	struct diag_list *diags = diag_list_new();
	int n = 0;

	for (const struct embedded *e = page_builtin; e->name; e++)
		n++;
	v->templates = xcalloc((size_t)n, sizeof(*v->templates));
	for (const struct embedded *e = page_builtin; e->name; e++) {
		struct named_template *t = &v->templates[v->n_templates];
		size_t length = strlen(e->name);

		if (length < 5 || strcmp(e->name + length - 5, ".html") != 0)
			continue;
		t->file = e->name;
		if (template_new(e->name, e->text, &options, diags, &t->template) != 0)
			view_wrong(diags, e->name);
		v->n_templates++;
	}
	diag_list_free(diags);
}

void view_render(const struct view *v, const char *name, enum language language, json_t *context, struct buf *out)
{
	char file[NAME_BYTES_MAX];

	json_object_set_new(context, "lang", json_string(language_name(language)));
	json_object_set(context, "w", v->all[language]);
	json_object_set_new(context, "style", json_string(v->style_path));
	snprintf(file, sizeof(file), "%s.html", name);
	for (int i = 0; i < v->n_templates; i++)
		if (strcmp(v->templates[i].file, file) == 0) {
			template_render(v->templates[i].template, context, out);
			return;
		}
	log_error("page: there is no template '%s'", file);
	abort();
}

const char *view_style_path(const struct view *v)
{
	return v->style_path;
}

const char *view_style(const struct view *v)
{
	return builtin("page.css");
}

struct view *view_new(void)
{
	struct view *v = xcalloc(1, sizeof(*v));
	unsigned char digest[SHA256_DIGEST_LENGTH];
	const char *style = builtin("page.css");

	SHA256((const unsigned char *)style, strlen(style), digest);
	snprintf(v->style_path, sizeof(v->style_path), "/style/%02x%02x%02x%02x.css", digest[0], digest[1], digest[2],
		 digest[3]);
	view_names(v);
	for (int l = 0; l < LANGUAGE_COUNT; l++)
		view_words(v, (enum language)l);
	view_templates(v);
	return v;
}

struct view *view_free(struct view *v)
{
	if (!v)
		return NULL;
	for (int i = 0; i < v->n_templates; i++)
		template_free(v->templates[i].template);
	free(v->templates);
	for (int l = 0; l < LANGUAGE_COUNT; l++) {
		words_free(v->words[l]);
		json_decref(v->all[l]);
	}
	for (int i = 0; i < v->n_names; i++)
		free(v->names[i]);
	free(v->names);
	free(v);
	return NULL;
}
