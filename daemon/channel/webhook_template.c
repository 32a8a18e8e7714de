/*
 * Bodies from a template file of the operator's own; see webhook_formats.h.
 *
 * The context is the standard body with its `data` opened up: {{type}} {{timestamp}} {{case.owner}} {{response.nps}},
 * {{event.kind}}, and the words of chat messages: {{title}} {{news}} {{note}} {{command}} {{url}}. The file ends in .json, so what is put in is
 * escaped for strings; what comes out must be JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/webhook_formats.h"

#include "model/message.h"
#include "template/template.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int file_read(const char *path, struct buf *out)
{
	char bytes[16 * 1024];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int r;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		buf_add(out, bytes, (size_t)n);
	r = n < 0 ? -errno : out->overflow ? -EFBIG : 0;
	close(fd);
	return r;
}

static void decref(json_t **j)
{
	json_decref(*j);
}

static void set_text(json_t *o, const char *name, const char *value)
{
	if (value)
		json_object_set_new(o, name, json_string(value));
}

static json_t *template_context(const struct body_parts *p)
{
	struct buf text CLEANUP(buf_fini) = BUF_INIT(PAYLOAD_BYTES_MAX);
	struct chat_text t CLEANUP(chat_text_fini);
	json_t *context;

	body_standard(p, &text);
	context = text.overflow ? NULL : json_loadb(buf_str(&text), text.n, 0, NULL);
	chat_text_init(&t, p);
	if (!context)
		return NULL;
	json_object_update(context, json_object_get(context, "data"));
	json_object_del(context, "data");
	set_text(context, "title", t.title);
	set_text(context, "news", t.news);
	set_text(context, "note", t.note);
	set_text(context, "command", t.command);
	set_text(context, "url", t.url);
	return context;
}

int body_template(const struct body_parts *p, struct diag_list *diags, struct buf *out)
{
	static const struct template_options options = {.escape = ESCAPE_JSON};
	struct diag_list *own CLEANUP(diag_list_freep) = NULL;
	struct template *compiled CLEANUP(template_freep) = NULL;
	struct buf text CLEANUP(buf_fini) = BUF_INIT(TEMPLATE_BYTES_MAX), body CLEANUP(buf_fini) = BUF_INIT(PAYLOAD_BYTES_MAX);
	json_t *context CLEANUP(decref) = NULL, *made CLEANUP(decref) = NULL;
	const char *path = p->webhook->template_path;
	json_error_t error;
	int r = file_read(path, &text);

	if (!diags)
		diags = own = diag_list_new();
	if (r < 0) {
		diag_add(diags, DIAG_ERROR, (struct text_pos){path, 0}, "can't be read: %s", strerror(-r));
		return r;
	}
	r = template_new(path, buf_str(&text), &options, diags, &compiled);
	if (r != 0)
		return r < 0 ? r : -EINVAL;
	context = template_context(p);
	if (!context)
		return -EMSGSIZE;
	r = template_render(compiled, context, &body);
	if (r < 0)
		return r;
	made = json_loadb(buf_str(&body), body.n, 0, &error);
	if (!made) {
		diag_add(diags, DIAG_ERROR, (struct text_pos){path, error.line}, "what it makes is no JSON: %s", error.text);
		return -EINVAL;
	}
	buf_add(out, buf_str(&body), body.n);
	return out->overflow ? -EMSGSIZE : 0;
}

static int template_check(const struct settings *s, const struct webhook *w, struct diag_list *diags)
{
	static const char *const rules[] = {"sample"};
	static const struct rating ratings[] = {{"delivery", 1}};
	struct wall_time at = {INT64_C(1800000000) * US_PER_S};
	struct case_facts facts = {.id = 1,
				   .response_id = 1,
				   .customer_id = "sample",
				   .status = "open",
				   .priority = "high",
				   .owner = "sample",
				   .route = "sample",
				   .rules = rules,
				   .n_rules = 1,
				   .opened_at = at};
	struct response response = {.id = 1,
				    .source = "sample",
				    .survey = "sample",
				    .touchpoint = "sample",
				    .account = "sample",
				    .nps = 2,
				    .csat = SCORE_MISSING,
				    .ces = SCORE_MISSING,
				    .ratings = ratings,
				    .n_ratings = 1,
				    .comment = "\"quoted\"\nsecond line",
				    .responded_at = at,
				    .received_at = at};
	struct event_facts happened = {.id = 1, .at = at, .actor = "sample", .kind = "opened", .to_status = "open"};
	struct webhook_event event = {
		.type = "case.opened", .at = at, .facts = &facts, .response = &response, .happened = &happened};
	struct body_parts p = {s, w, &event};
	struct buf body CLEANUP(buf_fini) = BUF_INIT(PAYLOAD_BYTES_MAX);
	int before = diags->errors, r = body_template(&p, diags, &body);

	if (r < 0 && diags->errors == before)
		diag_add(diags, DIAG_ERROR, (struct text_pos){w->template_path, 0}, "can't be rendered: %s", strerror(-r));
	return r;
}

int webhook_templates_check(const struct settings *s, struct diag_list *diags)
{
	int r = 0;

	for (int i = 0; i < s->n_webhooks; i++)
		if (s->webhooks[i].format == WEBHOOK_TEMPLATE && template_check(s, &s->webhooks[i], diags) < 0)
			r = RENDER_E_INVALID;
	return r;
}
