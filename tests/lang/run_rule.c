/*
 * Runs the rule cases of tests/lang/rule (format: tests/lang/README.md).
 *
 *     run_rule FILE.cases…
 *
 * A block is a `when:`, a `trace:` or a group of `rule` lines with the indented lines below it. It is compiled once;
 * its diagnostics must be exactly those listed, and every other line is one response and what must come of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "rule/rule.h"
#include "settings/value.h"
#include "support/response_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 4000
#define SOURCES_MAX 64
#define OUT_BYTES_MAX (1024 * 1024)

struct runner {
	struct arena *arena; /* of the file */
	const char *file;
	char *lines[LINES_MAX];
	int n_lines;

	struct attribute_source attributes[SOURCES_MAX];
	struct fact_source facts[SOURCES_MAX];
	struct rule_source rules[SOURCES_MAX];
	struct scale scales[SOURCES_MAX];
	int n_attributes, n_facts, n_rules, n_scales;
	bool is_group; /* `rule` lines, not one `when` */

	struct diag_list *diags;
	struct ruleset *set;
	struct rule_scratch *scratch;
	int next_diag;
	int cases, passed, failed;
};

static void fail(struct runner *t, int line, const char *expected, const char *got)
{
	printf("%s:%d: FAILED\n  expected: %s\n  got:      %s\n", t->file, line + 1, expected, got);
	t->failed++;
}

static void compare(struct runner *t, int line, const char *expected, const char *got)
{
	if (strcmp(expected, got) == 0)
		t->passed++;
	else
		fail(t, line, expected, got);
}

static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t");
	n = strlen(s);
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		s[--n] = '\0';
	return s;
}

static char *after(const char *line, const char *word)
{
	size_t n = strlen(word);

	return strncmp(line, word, n) == 0 ? (char *)(uintptr_t)(line + n) : NULL;
}

static int characters(const char *s, int bytes)
{
	int n = 0;

	for (int i = 0; i < bytes && s[i]; i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
	return n;
}

/* "error at 1-4: unknown fact …"; the rule's own name is left out, a fact's is shown. */
static const char *diag_line(struct runner *t, const struct diag *d)
{
	const char *text = d->text, *level = d->level == DIAG_ERROR ? "error" : "warning", *where = "";

	if (after(text, "rule: "))
		text += strlen("rule: ");
	if (d->excerpt) {
		int from = characters(d->excerpt, d->column) + 1;
		int to = from + MAX(characters(d->excerpt + d->column, d->length), 1) - 1;

		where = to > from ? arena_printf(t->arena, " at %d-%d", from, to) : arena_printf(t->arena, " at %d", from);
	}
	return arena_printf(t->arena, "%s%s: %s", level, where, text);
}

/* One expected diagnostic and the lines that belong to it. */
static int check_diag(struct runner *t, int line, int end)
{
	const struct diag *d = t->next_diag < t->diags->n ? &t->diags->items[t->next_diag++] : NULL;
	const char *hint = NULL, *excerpt = NULL, *on_line = NULL;
	int first = line, place = t->rules[0].pos.line;

	for (line++; line < end; line++) {
		char *text = trim(t->lines[line]);

		if (after(text, "hint: "))
			hint = after(text, "hint: ");
		else if (after(text, "excerpt: "))
			excerpt = after(text, "excerpt: ");
		else if (after(text, "line: "))
			on_line = after(text, "line: ");
		else
			break;
	}
	if (!d) {
		fail(t, first, trim(t->lines[first]), "nothing was reported");
		return line;
	}
	if (on_line)
		place = first + 1 + atoi(on_line);
	if (strcmp(trim(t->lines[first]), diag_line(t, d)) != 0)
		fail(t, first, trim(t->lines[first]), diag_line(t, d));
	else if (!str_eq(hint, d->hint))
		fail(t, first, hint ? hint : "no hint", d->hint ? d->hint : "no hint");
	else if (excerpt && !str_eq(excerpt, d->excerpt))
		fail(t, first, excerpt, d->excerpt ? d->excerpt : "no excerpt");
	else if (!t->is_group && d->pos.line != place)
		fail(t, first, arena_printf(t->arena, "on line %d", place), arena_printf(t->arena, "on line %d", d->pos.line));
	else
		t->passed++;
	return line;
}

static const char *verdict_text(struct runner *t, const struct verdict *v)
{
	struct buf out = BUF_INIT(OUT_BYTES_MAX);
	const char *text;

	buf_printf(&out, "%s", v->ignored ? "ignored" : v->winner >= 0 ? t->rules[v->winner].id : "no case");
	if (v->n_case)
		buf_printf(&out, ", cases %d", v->n_case);
	if (v->n_praise)
		buf_printf(&out, ", praise %d first %s", v->n_praise, t->rules[v->first_praise].id);
	if (v->n_note)
		buf_printf(&out, ", notes %d", v->n_note);
	if (v->undecided)
		buf_printf(&out, ", undecided %d", v->undecided);
	if (v->over_limit)
		buf_puts(&out, ", over limit");
	if (verdict_matched(v) != (v->n_case + v->n_praise + v->n_note > 0))
		buf_puts(&out, ", verdict_matched() is wrong");
	text = arena_strdup(t->arena, buf_str(&out));
	buf_fini(&out);
	return text;
}

/* A response, with what the rules ask of the past; NULL: it is in *ret. */
static const char *read_response(struct runner *t, const char *text, struct response *ret)
{
	const char *problem = response_from_text(t->arena, text, ret);

	return problem ? problem : response_text_counts(t->arena, t->set, ret);
}

/* A response and its arrow: "nps = 2 -> true" */
static void check_judged(struct runner *t, int line, const char *facts, const char *expected)
{
	static const char *const words[] = {"false", "missing", "true"};
	struct response r;
	struct verdict v;
	const char *problem = read_response(t, facts, &r);

	if (problem) {
		fail(t, line, "a response", problem);
		return;
	}
	ruleset_judge(t->set, t->scratch, &r, &v);
	if (t->is_group)
		compare(t, line, expected, verdict_text(t, &v));
	else
		compare(t, line, expected,
			arena_printf(t->arena, "%s%s", words[(int)v.results[0] + 1], v.over_limit ? ", over limit" : ""));
}

/* "nps = 2 => {…}" */
static void check_json(struct runner *t, int line, const char *facts, const char *expected)
{
	struct buf out = BUF_INIT(OUT_BYTES_MAX);
	struct response r;
	const char *problem = read_response(t, facts, &r);

	if (problem) {
		fail(t, line, "a response", problem);
		return;
	}
	ruleset_facts_json(t->set, &r, &out);
	compare(t, line, expected, buf_str(&out));
	buf_fini(&out);
}

static void trace_lines(const struct trace_node *node, int level, struct buf *out)
{
	static const char *const words[] = {"false", "missing", "true"};

	buf_printf(out, "%-8s %*s%s", words[(int)node->result + 1], level * 2, "", node->text);
	if (node->value)
		buf_printf(out, " · %s", node->value);
	if (node->note)
		buf_printf(out, " (%s)", node->note);
	buf_putc(out, '\n');
	for (int i = 0; i < node->n_children; i++)
		trace_lines(&node->children[i], level + 1, out);
}

/* "given nps = 2" and the tree below it. */
static int check_trace(struct runner *t, int line, int end)
{
	struct buf out = BUF_INIT(OUT_BYTES_MAX), expected = BUF_INIT(OUT_BYTES_MAX);
	const char *facts = after(trim(t->lines[line]), "given");
	struct response r;
	const char *problem = read_response(t, facts, &r);
	int first = line;

	for (line++; line < end && after(trim(t->lines[line]), "| "); line++)
		buf_printf(&expected, "%s\n", after(trim(t->lines[line]), "| "));
	if (problem) {
		fail(t, first, "a response", problem);
	} else {
		trace_lines(ruleset_trace(t->set, t->scratch, 0, &r, t->arena), 0, &out);
		if (strcmp(buf_str(&expected), buf_str(&out)) == 0)
			t->passed++;
		else
			fail(t, first, arena_printf(t->arena, "\n%s", buf_str(&expected)),
			     arena_printf(t->arena, "\n%s", buf_str(&out)));
	}
	buf_fini(&out);
	buf_fini(&expected);
	return line;
}

/* Where the arrow stands that belongs to the line, not to a text in it: the last one. */
static char *last_arrow(char *text, const char *arrow)
{
	char *found = NULL;

	for (char *p = strstr(text, arrow); p; p = strstr(p + 1, arrow))
		found = p;
	return found;
}

static int check_line(struct runner *t, int line, int end)
{
	char *text = trim(t->lines[line]), *arrow;

	if (after(text, "error") || after(text, "warning"))
		return check_diag(t, line, end);
	if (!t->set) {
		fail(t, line, "a rule that compiles", "it has errors");
		return line + 1;
	}
	if (after(text, "given"))
		return check_trace(t, line, end);
	arrow = last_arrow(text, "-> ");
	if (arrow) {
		check_judged(t, line, trim(arena_strndup(t->arena, text, (size_t)(arrow - text))), trim(arrow + 3));
		return line + 1;
	}
	arrow = last_arrow(text, "=> ");
	if (arrow)
		check_json(t, line, trim(arena_strndup(t->arena, text, (size_t)(arrow - text))), trim(arrow + 3));
	else
		fail(t, line, "a diagnostic, or RESPONSE -> RESULT", text);
	return line + 1;
}

static bool is_blank(const char *line)
{
	const char *p = line + strspn(line, " \t");

	return *p == '\0' || *p == '#';
}

/* The indented lines [from, end) below the rules read so far. */
static void run_block(struct runner *t, int from, int end)
{
	struct rule_input in = {.rules = t->rules,
				.n_rules = t->n_rules,
				.facts = t->facts,
				.n_facts = t->n_facts,
				.attributes = t->attributes,
				.n_attributes = t->n_attributes,
				.scales = t->scales,
				.n_scales = t->n_scales,
				.timezone = "Asia/Seoul",
				.zones = &settings_zone_files};
	int r;

	t->cases++;
	t->diags = diag_list_new();
	t->next_diag = 0;
	r = ruleset_new(&in, t->diags, &t->set);
	if ((r == 0) != (t->diags->errors == 0) || (r == 0) != (t->set != NULL))
		fail(t, from, "errors and the return value agree", "they don't");
	if (t->set)
		t->scratch = rule_scratch_new(t->set);
	for (int line = from; line < end;)
		line = is_blank(t->lines[line]) ? line + 1 : check_line(t, line, end);
	while (t->next_diag < t->diags->n)
		fail(t, from, "nothing more reported", diag_line(t, &t->diags->items[t->next_diag++]));
	rule_scratch_freep(&t->scratch);
	ruleset_freep(&t->set);
	diag_list_freep(&t->diags);
	t->n_rules = 0;
}

static bool read_attribute(struct runner *t, const char *text)
{
	static const char *const types[] = {"text", "number", "bool", "time"};
	char name[64], type[16];

	if (sscanf(text, "%63s %15s", name, type) != 2 || t->n_attributes == SOURCES_MAX)
		return false;
	for (int i = 0; i < (int)ARRAY_SIZE(types); i++)
		if (strcmp(types[i], type) == 0) {
			t->attributes[t->n_attributes++] =
				(struct attribute_source){arena_strdup(t->arena, name), (enum attribute_type)i};
			return true;
		}
	return false;
}

/* "q1 1 10 good": its ends, and what low is. */
static bool read_scale(struct runner *t, const char *text)
{
	char name[64], side[8];
	struct scale scale;

	if (t->n_scales == SOURCES_MAX || sscanf(text, "%63s %lf %lf %7s", name, &scale.min, &scale.max, side) != 4 ||
	    (strcmp(side, "good") != 0 && strcmp(side, "bad") != 0))
		return false;
	scale.name = arena_strdup(t->arena, name);
	scale.low_is_bad = strcmp(side, "bad") == 0;
	t->scales[t->n_scales++] = scale;
	return true;
}

static bool read_fact(struct runner *t, char *text, int line)
{
	char *colon = strchr(text, ':');

	if (!colon || t->n_facts == SOURCES_MAX)
		return false;
	*colon = '\0';
	t->facts[t->n_facts++] =
		(struct fact_source){trim(text), text_unescape(t->arena, trim(colon + 1)), {t->file, line + 1}};
	return true;
}

/* "NAME KIND [PRIORITY]: expression" */
static bool read_rule(struct runner *t, char *text, int line)
{
	char *colon = strchr(text, ':'), name[64], kind[16], priority[16] = "normal";
	struct rule_source rule = {.pos = {t->file, line + 1}};

	if (!colon || t->n_rules == SOURCES_MAX)
		return false;
	*colon = '\0';
	if (sscanf(text, "%63s %15s %15s", name, kind, priority) < 2 || rule_kind_parse(kind, &rule.kind) < 0 ||
	    priority_parse(priority, &rule.priority) < 0)
		return false;
	rule.id = arena_strdup(t->arena, name);
	rule.when = text_unescape(t->arena, trim(colon + 1));
	t->rules[t->n_rules++] = rule;
	t->is_group = true;
	return true;
}

static bool read_when(struct runner *t, const char *text, int line)
{
	text += strspn(text, " ");
	t->rules[0] =
		(struct rule_source){"rule", text_unescape(t->arena, text), {t->file, line + 1}, RULE_CASE, PRIORITY_NORMAL};
	t->n_rules = 1;
	t->is_group = false;
	return true;
}

static bool read_line(struct runner *t, int line)
{
	char *text = t->lines[line];

	if (strcmp(text, "reset") == 0) {
		t->n_attributes = t->n_facts = t->n_scales = 0;
		return true;
	}
	if (after(text, "attribute "))
		return read_attribute(t, after(text, "attribute "));
	if (after(text, "scale "))
		return read_scale(t, after(text, "scale "));
	if (after(text, "fact "))
		return read_fact(t, after(text, "fact "), line);
	if (after(text, "rule "))
		return read_rule(t, after(text, "rule "), line);
	if (after(text, "when:") || after(text, "trace:"))
		return read_when(t, strchr(text, ':') + 1, line);
	return false;
}

static void run_lines(struct runner *t)
{
	int line = 0;

	while (line < t->n_lines) {
		int end = line + 1;

		if (is_blank(t->lines[line])) {
			line++;
			continue;
		}
		if (!read_line(t, line))
			fail(t, line, "attribute, scale, fact, when, trace, rule or reset", t->lines[line]);
		while (end < t->n_lines && (t->lines[end][0] == ' ' || t->lines[end][0] == '\t' || is_blank(t->lines[end])))
			end++;
		while (is_blank(t->lines[end - 1]))
			end--;
		if (end > line + 1 || (t->n_rules == 1 && !t->is_group))
			run_block(t, line + 1, end);
		line = end;
	}
}

static bool read_file(struct runner *t, const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	if (!f) {
		perror(path);
		return false;
	}
	while ((n = getline(&line, &room, f)) >= 0 && t->n_lines < LINES_MAX) {
		if (n > 0 && line[n - 1] == '\n')
			line[--n] = '\0';
		t->lines[t->n_lines++] = arena_strdup(t->arena, line);
	}
	free(line);
	fclose(f);
	return true;
}

int main(int argc, char **argv)
{
	int cases = 0, passed = 0, failed = argc < 2;

	for (int i = 1; i < argc; i++) {
		struct runner *t = xcalloc(1, sizeof(*t));

		t->arena = arena_new(0);
		t->file = argv[i];
		if (read_file(t, argv[i]))
			run_lines(t);
		else
			t->failed++;
		cases += t->cases;
		passed += t->passed;
		failed += t->failed;
		arena_free(t->arena);
		free(t);
	}
	printf("%d conditions and rule sets: %d checks passed, %d failed\n", cases, passed, failed);
	return failed > 0 || passed == 0;
}
