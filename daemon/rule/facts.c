/*
 * What a rule set looked at, as JSON; see ruleset_facts_json() in rule.h.
 *
 * Values are those the rules judged: an attribute in its declared type, a text as it was written.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "rule/number.h"
#include "rule/set.h"

#include <string.h>

struct writer {
	struct buf *out;
	struct folder names;
	const struct response *response;
};

static void put_name(struct writer *w, bool *first, const char *name)
{
	if (!*first)
		buf_putc(w->out, ',');
	*first = false;
	json_put_string(w->out, name);
	buf_putc(w->out, ':');
}

static void put_number(struct writer *w, bool *first, const char *name, double x)
{
	char text[NUMBER_TEXT_BYTES];

	put_name(w, first, name);
	buf_puts(w->out, number_text(x, text));
}

static void put_input(struct writer *w, bool *first, const struct input *in)
{
	char time_text[WALL_TEXT_BYTES];
	struct wall_time time;
	const char *text;
	double number;
	bool truth;

	if (in->type == TYPE_NUMBER && input_number(in, w->response, &w->names, &number)) {
		put_number(w, first, in->name, number);
	} else if (in->type == TYPE_BOOL && input_truth(in, w->response, &truth)) {
		put_name(w, first, in->name);
		buf_puts(w->out, truth ? "true" : "false");
	} else if (in->type == TYPE_TEXT && input_text(in, w->response, &text) && text_trim(text, strlen(text)).n > 0) {
		put_name(w, first, in->name);
		json_put_string(w->out, text);
	} else if (in->type == TYPE_TIME && input_time(in, w->response, &time)) {
		put_name(w, first, in->name);
		json_put_string(w->out, wall_text(time, time_text));
	}
}

/* Opens "name":{; group_end() takes it back when nothing came in. */
struct group_mark {
	size_t before;
	bool first;
};

static struct group_mark group_begin(struct writer *w, bool *first, const char *name)
{
	struct group_mark mark = {w->out->n, *first};

	put_name(w, first, name);
	buf_putc(w->out, '{');
	return mark;
}

static void group_end(struct writer *w, bool *first, struct group_mark mark, bool empty)
{
	buf_putc(w->out, '}');
	if (empty && !w->out->overflow) {
		w->out->n = mark.before;
		*first = mark.first;
	}
}

/* "rating":{…} and "attr":{…}, of the response or of the one before. */
static void put_group(struct writer *w, bool *first, const struct ruleset *rs, enum input_source source, const char *name,
		      bool previous)
{
	struct group_mark mark = group_begin(w, first, name);
	bool empty = true;

	if (source == INPUT_RATING && rs->all_ratings && !previous)
		for (int i = 0; i < w->response->n_ratings; i++)
			put_number(w, &empty, w->response->ratings[i].name, w->response->ratings[i].value);
	else
		for (int i = 0; i < rs->n_inputs; i++)
			if (rs->inputs[i].used && rs->inputs[i].source == source && rs->inputs[i].previous == previous)
				put_input(w, &empty, &rs->inputs[i]);
	group_end(w, first, mark, empty);
}

/* Columns in their order, ratings, attributes. */
static void put_response(struct writer *w, bool *first, const struct ruleset *rs, bool previous)
{
	for (int c = 0; c < rule_columns_n; c++)
		for (int i = 0; i < rs->n_inputs; i++)
			if (rs->inputs[i].used && rs->inputs[i].column == &rule_columns[c] &&
			    rs->inputs[i].previous == previous)
				put_input(w, first, &rs->inputs[i]);
	put_group(w, first, rs, INPUT_RATING, "rating", previous);
	put_group(w, first, rs, INPUT_ATTRIBUTE, "attr", previous);
}

void ruleset_facts_json(const struct ruleset *rs, const struct response *response, struct buf *out)
{
	struct writer w = {.out = out, .response = response};
	bool first = true, empty = true;
	struct group_mark mark;

	buf_putc(out, '{');
	put_response(&w, &first, rs, false);
	if (rs->needs_previous) {
		mark = group_begin(&w, &first, "previous");
		put_response(&w, &empty, rs, true);
		group_end(&w, &first, mark, empty);
	}
	if (rs->n_histories)
		put_group(&w, &first, rs, INPUT_HISTORY, "history", false);
	for (int i = 0; i < rs->n_inputs; i++)
		if (rs->inputs[i].used && rs->inputs[i].of)
			put_input(&w, &first, &rs->inputs[i]);
	buf_putc(out, '}');
	folder_fini(&w.names);
}
