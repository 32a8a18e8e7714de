/*
 * All mail templates of a configuration, and an alert's texts from them.
 *
 * Per language there are ten: alert, praise, digest, operator and link, each as .txt and .html. A file is looked for as alert.ko.html and
 * alert.html in templates_dir, then built in; so are the partials. Words come from words.ko.txt. Everything is
 * compiled, rendered once with sample data, and then only read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/render.h"

#include "channel/mail_context.h"
#include "channel/mail_files.h"
#include "channel/mail_sample.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 160
#define MAIL_PART_BYTES_MAX (3 * 1024 * 1024)

enum mail_form { FORM_TEXT, FORM_HTML, FORM_COUNT };
enum mail_topic { TOPIC_ALERT, TOPIC_PRAISE, TOPIC_DIGEST, TOPIC_OPERATOR, TOPIC_LINK, TOPIC_COUNT };

static const char *const form_endings[] = {"txt", "html"};
static const char *const topic_names[] = {"alert", "praise", "digest", "operator", "link"};

/* What a reader needs at least, if the real template fails: who, how bad, which case, what to do. */
static const char alert_fallback[] = "{{#redirect}}\n{{redirect}}\n{{/redirect}}\n{{#news}}\n{{news}}\n{{/news}}\n"
				     "{{band}} · {{who}}{{#score_line}} · {{score_line}}{{/score_line}}"
				     "{{#touchpoint}} · {{touchpoint}}{{/touchpoint}}{{#case}} · {{case}}{{/case}}\n"
				     "{{#due}}\n{{due}}\n{{/due}}\n{{#command_owner}}\n{{command_owner}}\n{{/command_owner}}\n"
				     "{{#command_show}}\n{{command_show}}\n{{/command_show}}\n"
				     "{{#case_url}}\n{{case_url}}\n{{/case_url}}\n";
static const char *const fallbacks[] = {
	[TOPIC_ALERT] = alert_fallback,
	[TOPIC_PRAISE] = alert_fallback,
	[TOPIC_DIGEST] =
		"{{#redirect}}\n{{redirect}}\n{{/redirect}}\n{{title}}\n{{#lines}}\n{{score_padded}} {{who}}{{#what}} · "
		"{{what}}{{/what}}{{#due}} · {{due}}{{/due}}{{#case}} · {{case}}{{/case}}{{#case_url}} "
		"{{case_url}}{{/case_url}}\n{{/lines}}\n{{#more}}\n{{more}}\n{{/more}}\n",
	[TOPIC_OPERATOR] = "{{#redirect}}\n{{redirect}}\n{{/redirect}}\n{{title}}\n{{what}}\n{{do}}\n{{#commands}}\n"
			   "{{.}}\n{{/commands}}\n",
	[TOPIC_LINK] = "{{#redirect}}\n{{redirect}}\n{{/redirect}}\n{{title}}\n{{link_url}}\n",
};

struct mail_templates {
	struct mail_words *words[LANGUAGE_COUNT];
	struct template *templates[LANGUAGE_COUNT][TOPIC_COUNT][FORM_COUNT];
};

/* One file being looked for; texts read for partials live until the template is compiled. */
struct finder {
	const char *dir;
	enum language language;
	const char *ending;
	struct diag_list *diags;
	struct arena *arena;
	int r;
};

/* The text of NAME.LANG.ENDING or NAME.ENDING, ours last. */
static int find(struct finder *f, const char *name, const char **ret_text, const char **ret_path)
{
	char with[NAME_BYTES], without[NAME_BYTES];
	CLEANUP(freep) char *text = NULL, *path = NULL;
	int r;

	if (strchr(name, '/') || strlen(name) > 100)
		return -ENOENT;
	snprintf(with, sizeof(with), "%s.%s.%s", name, language_name(f->language), f->ending);
	snprintf(without, sizeof(without), "%s.%s", name, f->ending);
	r = mail_files_read(f->dir, with, f->diags, &text, &path);
	if (r == -ENOENT)
		r = mail_files_read(f->dir, without, f->diags, &text, &path);
	if (r == -ENOENT) {
		*ret_text = mail_files_builtin(without);
		*ret_path = arena_printf(f->arena, "(built-in)/%s", without);
		return *ret_text ? 0 : -ENOENT;
	}
	if (r != 0) {
		f->r = r;
		return r;
	}
	*ret_text = arena_strdup(f->arena, text);
	*ret_path = arena_strdup(f->arena, path);
	return 0;
}

static int find_partial(void *arg, const char *name, const char **ret_text)
{
	struct finder *f = arg;
	const char *path;

	if (find(f, name, ret_text, &path) == 0)
		return 0;
	if (f->r == 0) {
		diag_add(f->diags, DIAG_ERROR, (struct text_pos){.file = f->dir}, "there is no partial '%s.%s'", name,
			 f->ending);
		f->r = RENDER_E_INVALID;
	}
	return -ENOENT;
}

static int load_template(const struct settings *s, enum language language, enum mail_topic topic, enum mail_form form,
			 struct diag_list *diags, struct template **ret)
{
	CLEANUP(arena_freep) struct arena *arena = arena_new(0);
	struct finder f = {
		.dir = s->templates_dir,
		.language = language,
		.ending = form_endings[form],
		.diags = diags,
		.arena = arena,
	};
	struct template_options options = {
		.escape = form == FORM_HTML ? ESCAPE_HTML : ESCAPE_TEXT, .partial = find_partial, .partial_arg = &f};
	const char *text, *path;
	int r;

	r = find(&f, topic_names[topic], &text, &path);
	if (r != 0)
		return r;
	r = template_new(path, text, &options, diags, ret);
	if (r == 0)
		mail_context_check(*ret, (struct text_pos){.file = path}, diags);
	return r > 0 ? RENDER_E_INVALID : r < 0 ? r : f.r;
}

static int load_words(const struct settings *s, enum language language, struct diag_list *diags, struct mail_words **ret)
{
	CLEANUP(freep) char *text = NULL, *path = NULL;
	struct mail_words *w = *ret = mail_words_new(language);
	char name[NAME_BYTES];
	const char *missing;
	int r;

	snprintf(name, sizeof(name), "words.%s.txt", language_name(language));
	r = mail_words_add(w, name, mail_files_builtin(name), diags);
	if (r != 0)
		return r;
	r = mail_files_read(s->templates_dir, name, diags, &text, &path);
	if (r == 0)
		r = mail_words_add(w, path, text, diags);
	else if (r == -ENOENT)
		r = 0;
	missing = mail_words_finish(w);
	if (missing) {
		diag_add(diags, DIAG_ERROR, (struct text_pos){.file = name}, "the word '%s' is missing", missing);
		return RENDER_E_INVALID;
	}
	return r;
}

/* The text of one template, malloc'd; a negative errno when it doesn't render or comes out empty. */
static int render_one(const struct template *t, json_t *context, char **ret)
{
	struct buf out = BUF_INIT(MAIL_PART_BYTES_MAX);
	int r = template_render(t, context, &out);

	if (r == 0 && out.n == 0)
		r = -ENODATA;
	if (r == 0)
		*ret = buf_take(&out);
	buf_fini(&out);
	return r;
}

static int try_context(const struct mail_templates *t, const struct settings *s, enum language language, enum mail_topic topic,
		       json_t *context, struct diag_list *diags)
{
	int bad = 0;

	for (int form = 0; form < FORM_COUNT; form++) {
		CLEANUP(freep) char *text = NULL;
		int r = render_one(t->templates[language][topic][form], context, &text);

		if (r == 0)
			continue;
		diag_add(diags, DIAG_ERROR, (struct text_pos){.file = s->templates_dir}, "%s.%s (%s) can't be rendered: %s",
			 topic_names[topic], form_endings[form], language_name(language),
			 r == -ELOOP     ? "its sections or partials go round for ever"
			 : r == -ENODATA ? "nothing comes out"
					 : strerror(-r));
		bad++;
	}
	json_decref(context);
	return bad;
}

static enum mail_topic alert_topic(const struct alert *a)
{
	return a->kind == ALERT_PRAISE ? TOPIC_PRAISE : TOPIC_ALERT;
}

/* Every template with sample data, so that a mistake shows when the file is loaded and not in the night. */
static int try_samples(const struct mail_templates *t, const struct settings *s, enum language l, struct diag_list *diags)
{
	const struct mail_words *w = t->words[l];
	int bad = 0;

	for (int i = 0; i < MAIL_SAMPLE_COUNT && !bad; i++) {
		struct mail_sample data;

		mail_sample_fill(&data, (enum mail_sample_kind)i, l);
		bad += try_context(t, s, l, alert_topic(&data.alert), mail_context(w, &data.alert), diags);
	}
	for (int why = 0; why <= DIGEST_MORNING && !bad; why++) {
		struct digest_sample data;

		digest_sample_fill(&data, (enum digest_why)why, l);
		bad += try_context(t, s, l, TOPIC_DIGEST, mail_digest_context(w, &data.digest), diags);
	}
	for (int kind = 0; kind < OPERATOR_KIND_COUNT && !bad; kind++) {
		struct operator_news news;

		operator_sample_fill(&news, (enum operator_kind)kind, l);
		bad += try_context(t, s, l, TOPIC_OPERATOR, mail_operator_context(w, &news), diags);
	}
	if (!bad) {
		struct link_mail link;

		link_sample_fill(&link, l);
		bad += try_context(t, s, l, TOPIC_LINK, mail_link_context(w, &link), diags);
	}
	return bad ? RENDER_E_INVALID : 0;
}

int mail_templates_new(const struct settings *s, struct diag_list *diags, struct mail_templates **ret)
{
	CLEANUP(mail_templates_freep) struct mail_templates *t = xcalloc(1, sizeof(*t));
	int r = 0, one;

	for (int l = 0; l < LANGUAGE_COUNT; l++) {
		one = load_words(s, (enum language)l, diags, &t->words[l]);
		for (int topic = 0; topic < TOPIC_COUNT; topic++)
			for (int form = 0; form < FORM_COUNT; form++) {
				int e = load_template(s, (enum language)l, (enum mail_topic)topic, (enum mail_form)form, diags,
						      &t->templates[l][topic][form]);

				one = one ? one : e;
			}
		if (one == 0)
			one = try_samples(t, s, (enum language)l, diags);
		r = r ? r : one;
	}
	if (r == 0)
		*ret = TAKE(t);
	return r;
}

struct mail_templates *mail_templates_free(struct mail_templates *t)
{
	if (!t)
		return NULL;
	for (int l = 0; l < LANGUAGE_COUNT; l++) {
		mail_words_free(t->words[l]);
		for (int i = 0; i < TOPIC_COUNT * FORM_COUNT; i++)
			template_free(t->templates[l][i / FORM_COUNT][i % FORM_COUNT]);
	}
	free(t);
	return NULL;
}

void mail_templates_freep(struct mail_templates **t)
{
	*t = mail_templates_free(*t);
}

void mail_text_fini(struct mail_text *m)
{
	free(m->subject);
	free(m->text);
	free(m->html);
	*m = (struct mail_text){0};
}

static char *plain_text(enum mail_topic topic, json_t *context)
{
	const struct template_options options = {.escape = ESCAPE_TEXT};
	CLEANUP(diag_list_freep) struct diag_list *diags = diag_list_new();
	CLEANUP(template_freep) struct template *t = NULL;
	struct buf out = BUF_INIT(64 * 1024);

	if (template_new("fallback", fallbacks[topic], &options, diags, &t) == 0)
		template_render(t, context, &out);
	return buf_take(&out);
}

/* Takes the context over. */
static void render_texts(const struct mail_templates *t, enum language language, enum mail_topic topic, json_t *context,
			 struct mail_text *ret, bool *ret_fallback)
{
	struct template *const *forms = t->templates[language][topic];
	int r;

	*ret = (struct mail_text){.subject = xstrdup(json_string_value(json_object_get(context, "subject")))};
	r = render_one(forms[FORM_TEXT], context, &ret->text);
	if (r == 0)
		r = render_one(forms[FORM_HTML], context, &ret->html);
	*ret_fallback = r != 0;
	if (r != 0) {
		free(ret->text);
		free(ret->html);
		ret->html = NULL;
		ret->text = plain_text(topic, context);
	}
	json_decref(context);
}

int mail_render(const struct mail_templates *t, UNUSED const struct settings *s, const struct alert *alert,
		struct mail_text *ret, bool *ret_fallback)
{
	render_texts(t, alert->language, alert_topic(alert), mail_context(t->words[alert->language], alert), ret, ret_fallback);
	return 0;
}

int digest_render(const struct mail_templates *t, UNUSED const struct settings *s, const struct digest *digest,
		  struct mail_text *ret, bool *ret_fallback)
{
	render_texts(t, digest->language, TOPIC_DIGEST, mail_digest_context(t->words[digest->language], digest), ret,
		     ret_fallback);
	return 0;
}

int operator_render(const struct mail_templates *t, UNUSED const struct settings *s, const struct operator_news *news,
		    struct mail_text *ret, bool *ret_fallback)
{
	render_texts(t, news->language, TOPIC_OPERATOR, mail_operator_context(t->words[news->language], news), ret,
		     ret_fallback);
	return 0;
}

int link_render(const struct mail_templates *t, UNUSED const struct settings *s, const struct link_mail *link,
		struct mail_text *ret, bool *ret_fallback)
{
	render_texts(t, link->language, TOPIC_LINK, mail_link_context(t->words[link->language], link), ret, ret_fallback);
	return 0;
}
