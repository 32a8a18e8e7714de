/*
 * Rendering: nodes and a context to text, escaped for the kind of file.
 *
 * The context is a stack of jansson values, the innermost last; a name's first part is looked for from the
 * top down, the rest only inside what was found. Null, false, "" and [] are falsey; 0 is a value.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "template/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct render {
	const struct template *t;
	struct buf *out;
	json_t *stack[TEMPLATE_DEPTH_MAX + 2];
	int n_stack;
	int depth;
	struct buf indent; /* of the stand-alone partials around */
};

static bool control(uint32_t c)
{
	return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c <= 0x9f);
}

/* Text as it is, but for control characters; for mrkdwn with the three characters Slack wants escaped. */
static void put_plain(struct buf *out, const char *s, size_t n, bool mrkdwn)
{
	uint32_t code;
	size_t used;

	for (size_t i = 0; i < n; i += used) {
		used = utf8_next(s + i, n - i, &code);
		if (control(code))
			continue;
		if (mrkdwn && code == '&')
			buf_puts(out, "&amp;");
		else if (mrkdwn && code == '<')
			buf_puts(out, "&lt;");
		else if (mrkdwn && code == '>')
			buf_puts(out, "&gt;");
		else
			utf8_put(out, code);
	}
}

static void put_escaped(struct render *r, const char *s, size_t n)
{
	switch (r->t->options.escape) {
	case ESCAPE_HTML: escape_html(r->out, s, n); break;
	case ESCAPE_JSON: escape_json(r->out, s, n); break;
	case ESCAPE_TEXT: put_plain(r->out, s, n, false); break;
	case ESCAPE_MRKDWN: put_plain(r->out, s, n, true); break;
	}
}

/* The shortest spelling that reads back as the same number. */
static int real_text(double v, char text[32])
{
	int n = 0;

	for (int digits = 15; digits <= 17; digits++) {
		n = snprintf(text, 32, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	return n;
}

static void put_value(struct render *r, json_t *v, bool raw)
{
	char text[32];

	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_STRING:
		if (raw)
			buf_add(r->out, json_string_value(v), json_string_length(v));
		else
			put_escaped(r, json_string_value(v), json_string_length(v));
		return;
	case JSON_INTEGER: buf_put_int(r->out, json_integer_value(v)); return;
	case JSON_REAL: buf_add(r->out, text, (size_t)real_text(json_real_value(v), text)); return;
	case JSON_TRUE: buf_puts(r->out, "true"); return;
	case JSON_FALSE: buf_puts(r->out, "false"); return;
	case JSON_NULL:
	case JSON_OBJECT:
	case JSON_ARRAY: return; /* nothing a reader could use */
	}
}

static json_t *look_up(const struct render *r, const struct name *name)
{
	json_t *v = NULL;

	if (name->n == 0)
		return r->stack[r->n_stack - 1];
	for (int i = r->n_stack - 1; i >= 0 && !v; i--)
		v = json_object_get(r->stack[i], name->part[0]);
	for (int i = 1; i < name->n && v; i++)
		v = json_object_get(v, name->part[i]);
	return v;
}

static bool falsey(const json_t *v)
{
	return !v || json_is_null(v) || json_is_false(v) || (json_is_array(v) && json_array_size(v) == 0) ||
	       (json_is_string(v) && json_string_length(v) == 0);
}

static int render_nodes(struct render *r, const struct node *nodes);

static int render_inside(struct render *r, json_t *value, const struct node *children)
{
	int e;

	r->stack[r->n_stack++] = value;
	e = render_nodes(r, children);
	r->n_stack--;
	return e;
}

static int render_section(struct render *r, const struct node *node)
{
	json_t *v = look_up(r, &node->name);
	json_t *item;
	size_t i;
	int e = 0;

	if (node->kind == NODE_INVERTED)
		return falsey(v) ? render_nodes(r, node->children) : 0;
	if (falsey(v))
		return 0;
	if (!json_is_array(v))
		return render_inside(r, v, node->children);
	json_array_foreach(v, i, item)
	{
		e = render_inside(r, item, node->children);
		if (e != 0)
			break;
	}
	return e;
}

static int render_partial(struct render *r, const struct node *node)
{
	size_t before = r->indent.n;
	struct buf outer;
	int e;

	if (node->indent.p) {
		buf_add(&r->indent, node->indent.p, node->indent.n);
		e = render_nodes(r, node->partial->nodes);
		r->indent.n = before;
		return e;
	}
	/* In the middle of a line: the lines inside keep their own beginning. */
	outer = r->indent;
	r->indent = BUF_INIT(outer.cap_bytes);
	e = render_nodes(r, node->partial->nodes);
	buf_fini(&r->indent);
	r->indent = outer;
	return e;
}

static int render_node(struct render *r, const struct node *node)
{
	if (node->first && r->indent.n > 0)
		buf_add(r->out, r->indent.p, r->indent.n);
	switch (node->kind) {
	case NODE_TEXT: buf_add(r->out, node->text.p, node->text.n); return 0;
	case NODE_ESCAPED: put_value(r, look_up(r, &node->name), false); return 0;
	case NODE_RAW: put_value(r, look_up(r, &node->name), true); return 0;
	case NODE_SECTION:
	case NODE_INVERTED: return render_section(r, node);
	case NODE_PARTIAL: return render_partial(r, node);
	}
	return 0;
}

static int render_nodes(struct render *r, const struct node *nodes)
{
	int e = 0;

	if (r->depth > TEMPLATE_DEPTH_MAX)
		return nodes ? -ELOOP : 0;
	r->depth++;
	for (const struct node *k = nodes; k && e == 0; k = k->next) {
		e = render_node(r, k);
		if (e == 0 && (r->out->overflow || r->indent.overflow))
			e = -EMSGSIZE;
	}
	r->depth--;
	return e;
}

int template_render(const struct template *t, json_t *context, struct buf *out)
{
	struct render r = {.t = t, .out = out, .stack = {context}, .n_stack = 1, .indent = BUF_INIT(4096)};
	int e = render_nodes(&r, t->first->nodes);

	buf_fini(&r.indent);
	return e;
}
