/*
 * Words and options of one command line; see args.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/args.h"
#include "base/diag.h"
#include "cli/text.h"

#include <assert.h>
#include <string.h>

#define PREFIX_MIN 3 /* bytes of a name that are enough to guess it */
#define NAMES_MAX 128

const struct option args_global_options[] = {
	{"-c", "FILE", "the configuration (default: $CLOSELOOP_CONFIG, else /etc/closeloop/closeloop.conf)"},
	{"--json", NULL, "one JSON object or array instead of text"},
	{"--as", "PERSON", "who acts (default: the person whose login is the Unix user)"},
	{"--help", NULL, "how a verb is used"},
	{"--version", NULL, "the version"},
	{0},
};

struct parser {
	struct arena *arena;
	const struct verb *const *groups;
	struct args *args;
	const char **words;
	int n_words;
	bool options_ended;
	const char *error;
};

/* The only name that goes on as the word begins; NULL: none, or several. */
static const char *begins_with(const char *word, const void *names, size_t n, size_t stride)
{
	size_t length = strlen(word);
	const char *found = NULL;

	for (size_t i = 0; i < n && length >= PREFIX_MIN; i++) {
		const char *name = *(const char *const *)((const char *)names + i * stride);

		if (!name || strncmp(name, word, length) != 0)
			continue;
		if (found)
			return NULL;
		found = name;
	}
	return found;
}

const char *did_you_mean(struct arena *arena, const char *word, const void *names, size_t n, size_t stride)
{
	const char *nearest = diag_nearest(word, names, n, stride);

	if (!nearest)
		nearest = begins_with(word, names, n, stride);
	return nearest ? arena_printf(arena, ", did you mean '%s'?", nearest) : "";
}

static int fail(struct parser *p, const char *what, const char *word, const char *hint)
{
	p->error = arena_printf(p->arena, "%s '%s'%s", what, word, hint);
	return ARGS_E_USAGE;
}

const struct verb *verb_find(const struct verb *const *groups, const char *group, const char *name)
{
	for (; *groups; groups++)
		for (const struct verb *v = *groups; v->group; v++)
			if (str_eq(v->group, group) && (!name || str_eq(v->name, name)))
				return v;
	return NULL;
}

/* Names of groups, or of the verbs in one group. */
static const char *nearest_verb(struct arena *arena, const struct verb *const *groups, const char *group, const char *word)
{
	const char *names[NAMES_MAX];
	size_t n = 0;

	for (; *groups; groups++)
		for (const struct verb *v = *groups; v->group && n < NAMES_MAX; v++)
			if (!group || (str_eq(v->group, group) && v->name))
				names[n++] = group ? v->name : v->group;
	return did_you_mean(arena, word, names, n, sizeof(names[0]));
}

static const struct option *option_find(const struct option *options, const char *name, size_t n)
{
	for (; options && options->name; options++)
		if (strlen(options->name) == n && memcmp(options->name, name, n) == 0)
			return options;
	return NULL;
}

static int unknown_option(struct parser *p, const struct option *options, const char *word, size_t n)
{
	const char *names[NAMES_MAX], *text = arena_strndup(p->arena, word, n);
	size_t count = 0;

	for (const struct option *o = options; o && o->name; o++)
		names[count++] = o->name;
	for (const struct option *o = args_global_options; o->name; o++)
		names[count++] = o->name;
	return fail(p, "unknown option", text, did_you_mean(p->arena, text, names, count, sizeof(names[0])));
}

static int option_global(struct parser *p, const struct option *o, const char *value)
{
	struct args *a = p->args;

	if (str_eq(o->name, "-c"))
		a->config = value;
	else if (str_eq(o->name, "--as"))
		a->as = value;
	else if (str_eq(o->name, "--json"))
		a->json = true;
	else if (str_eq(o->name, "--help"))
		a->help = true;
	else
		a->version = true;
	return 0;
}

/*
 * One option at argv[*at]. Before the verb is known (options == NULL, global_only) only global options
 * are taken; a verb's options come after the verb.
 */
static int option_take(struct parser *p, const struct option *options, int argc, char **argv, int *at)
{
	const char *word = argv[*at], *equals = strchr(word, '='), *value = NULL;
	size_t n = equals && word[1] == '-' ? (size_t)(equals - word) : strlen(word);
	const struct option *global = option_find(args_global_options, word, n), *o;

	if (str_eq(word, "-h"))
		global = option_find(args_global_options, "--help", strlen("--help"));
	/* A verb's own option goes before a global one of the same name (--version N). */
	o = option_find(options, word, n);
	if (o)
		global = NULL;
	else
		o = global;
	if (!o)
		return unknown_option(p, options, word, n);
	if (n < strlen(word)) {
		if (!o->value)
			return fail(p, "takes no value:", arena_strndup(p->arena, word, n), "");
		value = word + n + 1;
	} else if (o->value) {
		if (*at + 1 >= argc) {
			p->error = arena_printf(p->arena, "%s needs a value: %s %s", o->name, o->name, o->value);
			return ARGS_E_USAGE;
		}
		value = argv[++*at];
	}
	if (global)
		return option_global(p, o, value);
	if (p->args->n_given == ARGS_OPTIONS_MAX)
		return fail(p, "too many options at", word, "");
	p->args->given[p->args->n_given].option = o;
	p->args->given[p->args->n_given++].value = value;
	return 0;
}

/* Finds the verb in the first one or two words; *ret_skip words belong to it. */
static int verb_take(struct parser *p, const char *const *words, int n, int *ret_skip)
{
	const struct verb *v = n > 0 ? verb_find(p->groups, words[0], NULL) : NULL;

	*ret_skip = 0;
	if (n == 0)
		return 0;
	if (!v)
		return fail(p, "unknown verb", words[0], nearest_verb(p->arena, p->groups, NULL, words[0]));
	*ret_skip = 1;
	if (v->name) {
		if (n == 1) {
			p->args->verb = NULL;
			p->error = arena_printf(p->arena, "%s what? See: closeloop help %s", words[0], words[0]);
			return ARGS_E_USAGE;
		}
		v = verb_find(p->groups, words[0], words[1]);
		if (!v)
			return fail(p, "unknown verb", arena_printf(p->arena, "%s %s", words[0], words[1]),
				    nearest_verb(p->arena, p->groups, words[0], words[1]));
		*ret_skip = 2;
	}
	p->args->verb = v;
	return 0;
}

/* The verb's name may stand behind global options: words are collected until there are enough for it. */
static int verb_look(struct parser *p, int *verb_words)
{
	const struct verb *v;
	int skip, r;

	if (p->args->verb)
		return 0;
	v = p->n_words > 0 ? verb_find(p->groups, p->words[0], NULL) : NULL;
	if (v && v->name && p->n_words == 1)
		return 0;
	r = verb_take(p, p->words, p->n_words, &skip);
	*verb_words = skip;
	return r;
}

static int words_check(struct parser *p)
{
	const struct verb *v = p->args->verb;
	int n = p->args->n_words;
	const char *name = v->name ? arena_printf(p->arena, "%s %s", v->group, v->name) : v->group;

	if (n < v->min_words)
		p->error = arena_printf(p->arena, "something is missing: closeloop %s %s", name, v->words ? v->words : "");
	else if (n > v->max_words)
		return fail(p, arena_printf(p->arena, "%s: one word too many:", name), p->args->words[v->max_words],
			    v->words && strstr(v->words, "TEXT") ? "; put the text in quotes" : "");
	return p->error ? ARGS_E_USAGE : 0;
}

int args_parse(struct arena *arena, const struct verb *const *groups, int argc, char **argv, struct args *ret,
	       const char **ret_error)
{
	struct parser p = {.arena = arena, .groups = groups, .args = ret};
	int verb_words = 0, r = 0;

	memset(ret, 0, sizeof(*ret));
	p.words = arena_new_array(arena, const char *, (size_t)argc + 1);
	for (int i = 1; i < argc && r == 0; i++) {
		if (!p.options_ended && str_eq(argv[i], "--")) {
			p.options_ended = true;
		} else if (!p.options_ended && argv[i][0] == '-' && argv[i][1]) {
			r = option_take(&p, ret->verb ? ret->verb->options : NULL, argc, argv, &i);
		} else {
			p.words[p.n_words++] = argv[i];
			r = verb_look(&p, &verb_words);
		}
	}
	if (r == 0 && !ret->verb && p.n_words > 0 && !ret->help && !ret->version)
		r = verb_take(&p, p.words, p.n_words, &verb_words);
	ret->words = p.words + verb_words;
	ret->n_words = p.n_words - verb_words;
	if (r == 0 && ret->verb && !ret->help && !ret->version)
		r = words_check(&p);
	*ret_error = p.error;
	return r;
}

const char *args_get(const struct args *a, const char *option)
{
	const struct option *known = option_find(a->verb->options, option, strlen(option));

	assert(known);
	for (int i = a->n_given; i-- > 0;)
		if (a->given[i].option == known)
			return known->value ? a->given[i].value : "";
	return NULL;
}

bool args_has(const struct args *a, const char *option)
{
	return args_get(a, option) != NULL;
}

/* ---- help ---- */

static void put_usage(const struct verb *v, struct buf *out)
{
	buf_puts(out, v->group);
	if (v->name)
		buf_printf(out, " %s", v->name);
	if (v->words)
		buf_printf(out, " %s", v->words);
}

static void put_padded(struct buf *out, const char *text, int columns)
{
	buf_puts(out, text);
	for (int n = text_columns(text, strlen(text)); n < columns; n++)
		buf_putc(out, ' ');
}

static void put_options(const struct option *o, struct buf *out)
{
	for (; o && o->name; o++) {
		struct buf b = BUF_INIT(64);

		buf_printf(&b, "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
		buf_puts(out, "  ");
		put_padded(out, buf_str(&b), 20);
		buf_printf(out, " %s\n", o->help);
		buf_fini(&b);
	}
}

void args_help_verb(const struct verb *v, struct buf *out)
{
	buf_puts(out, "closeloop ");
	put_usage(v, out);
	buf_printf(out, "\n\n%s\n", v->help ? v->help : "");
	if (v->options && v->options->name) {
		buf_puts(out, "\n");
		put_options(v->options, out);
	}
}

static void put_line(const struct verb *v, struct buf *out)
{
	struct buf b = BUF_INIT(256);

	put_usage(v, &b);
	buf_puts(out, "  ");
	put_padded(out, buf_str(&b), 30);
	buf_printf(out, " %s\n", v->help);
	buf_fini(&b);
}

void args_help_group(const struct verb *const *groups, const char *group, struct buf *out)
{
	for (; *groups; groups++)
		for (const struct verb *v = *groups; v->group; v++)
			if (v->help && str_eq(v->group, group))
				put_line(v, out);
	buf_printf(out, "\ncloseloop help %s VERB shows the options of one.\n", group);
}

void args_help_all(const struct verb *const *groups, struct buf *out)
{
	buf_puts(out, "closeloop [-c FILE] [--json] [--as PERSON] VERB\n");
	for (; *groups; groups++) {
		buf_putc(out, '\n');
		for (const struct verb *v = *groups; v->group; v++)
			if (v->help)
				put_line(v, out);
	}
	buf_puts(out, "\n");
	put_options(args_global_options, out);
	buf_puts(out, "\nExit codes: 0 done, 1 the answer is no, 64 usage, 65 bad data, 69 unavailable, 77 not permitted,\n"
		      "78 configuration or schema. Cases are written C-812 or 812.\n");
}
