/*
 * Drives the real channel for tests: commands in, results out, one JSON object a line.
 *
 *   {"settings": {"patience": {…}, "email": {…}, "webhooks": {"NAME": {…}}}}   starts it, or reloads
 *   {"submit": {"endpoint": …, "recipient": …, "payload": …, "case": …, "id": …, "n": …, "quiet": true}}
 *   {"room": "NAME"}   {"stop": GRACE_MS}   {"mark": ANYTHING}
 *
 * Each delivery answers {"result": {…}}; quiet ones are counted, n of them kept going as the endpoint has room, and
 * answer {"done": n, "seconds": …, "outcomes": {…}} once. When stdin ends, so does the channel.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/channel.h"

#include "base/arena.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WEBHOOKS_MAX 32
#define LINE_BYTES_MAX (64 * 1024 * 1024)

struct flood {
	json_t *what; /* NULL: none */
	int left, under_way, done, total;
	int outcomes[DELIVERY_OUTCOME_COUNT];
	struct mono_time began;
};

struct probe {
	struct loop *loop;
	struct arena *arena;
	struct channel *channel;
	struct channel_patience patience;
	ev_io input;
	struct buf line;
	struct flood flood;
};

static void say(json_t *o)
{
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(o);
}

static const char *text_of(struct probe *p, json_t *o, const char *name)
{
	return arena_strdup(p->arena, json_string_value(json_object_get(o, name)));
}

static int int_of(json_t *o, const char *name, int otherwise)
{
	json_t *v = json_object_get(o, name);

	return json_is_integer(v) ? (int)json_integer_value(v) : otherwise;
}

static struct string_list list_of(struct probe *p, json_t *array)
{
	struct string_list l = {.n = (int)json_array_size(array)};

	l.items = arena_new_array(p->arena, const char *, (size_t)l.n + 1);
	for (int i = 0; i < l.n; i++)
		l.items[i] = arena_strdup(p->arena, json_string_value(json_array_get(array, (size_t)i)));
	return l;
}

static struct secret *secret_of(struct probe *p, json_t *array)
{
	struct secret *s;

	if (json_array_size(array) == 0)
		return NULL;
	s = arena_new_obj(p->arena, struct secret);
	s->n = (int)json_array_size(array);
	s->keys = arena_new_array(p->arena, char *, (size_t)s->n);
	for (int i = 0; i < s->n; i++)
		s->keys[i] = arena_strdup(p->arena, json_string_value(json_array_get(array, (size_t)i)));
	return s;
}

static void read_email(struct probe *p, json_t *o, struct email_settings *e)
{
	const char *tls = json_string_value(json_object_get(o, "tls"));

	if (!o)
		return;
	e->set = true;
	e->url = text_of(p, o, "url");
	e->tls = tls && strcmp(tls, "off") == 0 ? TLS_OFF : TLS_REQUIRED;
	e->ca_file = text_of(p, o, "ca_file");
	e->username = text_of(p, o, "username");
	e->password = secret_of(p, json_object_get(o, "password"));
	e->connections = int_of(o, "connections", 1);
	e->from_address = text_of(p, o, "from");
	e->from_domain = "care.test.invalid";
}

static void read_webhook(struct probe *p, const char *name, json_t *o, struct webhook *w)
{
	const char *format = json_string_value(json_object_get(o, "format"));

	w->id = arena_strdup(p->arena, name);
	w->url = text_of(p, o, "url");
	w->secret = secret_of(p, json_object_get(o, "keys"));
	w->format = format && strcmp(format, "slack") == 0 ? WEBHOOK_SLACK : WEBHOOK_STANDARD;
	w->connections = int_of(o, "connections", 2);
	w->allow = list_of(p, json_object_get(o, "allow"));
	w->ca_file = text_of(p, o, "ca_file");
}

static void read_patience(json_t *o, struct channel_patience *t)
{
	t->connect_ms = int_of(o, "connect_ms", t->connect_ms);
	t->webhook_ms = int_of(o, "webhook_ms", t->webhook_ms);
	t->mail_reply_ms = int_of(o, "mail_reply_ms", t->mail_reply_ms);
	t->mail_answer_ms = int_of(o, "mail_answer_ms", t->mail_answer_ms);
	t->mail_idle_ms = int_of(o, "mail_idle_ms", t->mail_idle_ms);
}

static void flood_pump(struct probe *p);

static void on_result(void *arg, struct delivery_result *r)
{
	struct probe *p = arg;
	struct delivery *d = r->delivery;
	char id[UUID_TEXT_BYTES];

	if (p->flood.what && d->attempt == 0) {
		p->flood.outcomes[r->outcome]++;
		p->flood.under_way--;
		p->flood.done++;
		delivery_result_free(r);
		flood_pump(p);
		return;
	}
	say(json_pack("{s:{s:s,s:s,s:s?,s:I,s:s,s:i,s:i,s:I,s:s,s:s}}", "result", "id", uuid_text(&d->id, id), "endpoint",
		      d->endpoint, "recipient", d->recipient, "case", (json_int_t)d->case_id, "outcome",
		      delivery_outcome_name(r->outcome), "code", r->code, "duration_ms", (int)r->duration_ms, "retry_after_s",
		      (json_int_t)r->retry_after_s, "error", r->error, "answer", r->answer));
	delivery_result_free(r);
}

static void submit(struct probe *p, json_t *o, bool quiet)
{
	const char *id = json_string_value(json_object_get(o, "id"));
	const char *endpoint = json_string_value(json_object_get(o, "endpoint"));
	const char *recipient = json_string_value(json_object_get(o, "recipient"));
	json_t *payload = json_object_get(o, "payload");
	struct uuid u = uuid_new();
	struct delivery *d;

	assert(endpoint && json_is_string(payload));
	if (id && uuid_parse(id, &u) < 0)
		fprintf(stderr, "channel-probe: '%s' is no uuid\n", id);
	d = delivery_new(&u, endpoint, recipient, json_string_value(payload), json_string_length(payload));
	d->case_id = int_of(o, "case", 0);
	d->attempt = quiet ? 0 : 1;
	channel_submit(p->channel, d);
}

static void flood_end(struct probe *p)
{
	struct flood *f = &p->flood;
	json_t *outcomes = json_object();

	for (int i = 0; i < DELIVERY_OUTCOME_COUNT; i++)
		if (f->outcomes[i])
			json_object_set_new(outcomes, delivery_outcome_name((enum delivery_outcome)i),
					    json_integer(f->outcomes[i]));
	say(json_pack("{s:i,s:f,s:o}", "done", f->done, "seconds", (double)(mono_now().us - f->began.us) / (double)US_PER_S,
		      "outcomes", outcomes));
	json_decref(f->what);
	*f = (struct flood){0};
}

static void flood_pump(struct probe *p)
{
	struct flood *f = &p->flood;
	int room = channel_room(p->channel, json_string_value(json_object_get(f->what, "endpoint")));

	for (; f->left > 0 && room > 0; room--) {
		f->left--;
		f->under_way++;
		submit(p, f->what, true);
	}
	if (f->done == f->total)
		flood_end(p);
}

static void command_settings(struct probe *p, json_t *o)
{
	struct webhook webhooks[WEBHOOKS_MAX] = {0};
	struct settings s = {.webhooks = webhooks};
	const char *name;
	json_t *w;

	read_email(p, json_object_get(o, "email"), &s.email);
	json_object_foreach(json_object_get(o, "webhooks"), name, w) read_webhook(p, name, w, &webhooks[s.n_webhooks++]);
	if (p->channel) {
		channel_reload(p->channel, &s);
		return;
	}
	read_patience(json_object_get(o, "patience"), &p->patience);
	p->channel = channel_new_patient(p->loop, &s, &p->patience, on_result, p);
	assert(p->channel);
}

static void command(struct probe *p, json_t *o)
{
	json_t *v;

	if ((v = json_object_get(o, "settings"))) {
		command_settings(p, v);
	} else if ((v = json_object_get(o, "submit"))) {
		if (!json_is_true(json_object_get(v, "quiet"))) {
			submit(p, v, false);
			return;
		}
		p->flood = (struct flood){
			.what = json_incref(v), .left = int_of(v, "n", 1), .total = int_of(v, "n", 1), .began = mono_now()};
		flood_pump(p);
	} else if ((v = json_object_get(o, "room"))) {
		say(json_pack("{s:i}", "room", channel_room(p->channel, json_string_value(v))));
	} else if ((v = json_object_get(o, "stop"))) {
		channel_stop(p->channel, json_integer_value(v) * US_PER_MS);
	} else if ((v = json_object_get(o, "mark"))) {
		say(json_pack("{s:O}", "mark", v));
	}
}

static void on_input(struct ev_loop *ev, ev_io *w, int revents)
{
	struct probe *p = container_of(w, struct probe, input);
	char bytes[64 * 1024];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

	if (n <= 0) {
		if (n < 0 && errno == EAGAIN)
			return;
		ev_io_stop(ev, w);
		loop_stop(p->loop);
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		json_error_t error;
		json_t *o;

		buf_putc(&p->line, bytes[i]);
		if (bytes[i] != '\n')
			continue;
		o = json_loadb(buf_str(&p->line), p->line.n, JSON_ALLOW_NUL, &error);
		buf_reset(&p->line);
		if (!o)
			fprintf(stderr, "channel-probe: %s\n", error.text);
		else
			command(p, o);
		json_decref(o);
	}
}

int main(void)
{
	struct probe p = {.loop = loop_new(),
			  .arena = arena_new(0),
			  .patience = channel_patience_default,
			  .line = BUF_INIT(LINE_BYTES_MAX)};

	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	ev_io_init(&p.input, on_input, STDIN_FILENO, EV_READ);
	ev_io_start(loop_ev(p.loop), &p.input);
	loop_run(p.loop);
	channel_free(p.channel);
	json_decref(p.flood.what);
	buf_fini(&p.line);
	arena_free(p.arena);
	loop_free(p.loop);
	return 0;
}
