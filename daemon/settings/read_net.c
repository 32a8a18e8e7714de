/*
 * Readers of what goes over the network: http, email, webhooks.
 *
 * Plain text (http://, tls = "off") is for this machine only: a loopback literal or localhost permits itself, a name
 * that merely resolves there does not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/load.h"
#include "settings/value.h"

#include <stdlib.h>
#include <string.h>

#define SMTP_PORT 25
#define SUBMISSION_PORT 587  /* RFC 6409 */
#define SUBMISSIONS_PORT 465 /* RFC 8314 */

/* DESIGN 6. */
const char *const webhook_types[] = {"case.opened",       "case.amended",
				     "case.acknowledged", "case.reminder",
				     "case.escalated",    "case.assigned",
				     "case.resolved",     "case.closed",
				     "case.reopened",     "case.dismissed",
				     "case.outcome",      "praise.received",
				     "report.published",  NULL};

static void read_listen(struct load *l, const struct item *it, void *field)
{
	struct http_settings *http = container_of(field, struct http_settings, host);

	if (listen_parse(it->text, l->arena, &http->host, &http->port) < 0)
		load_unexpected(l, it);
}
const struct type type_listen = {SHAPE_TEXT, "ADDRESS:PORT such as 127.0.0.1:8480 or [::1]:8480", read_listen};

/* An http or https URL that may go over the wire; reports what is wrong. */
static bool web_url(struct load *l, const struct item *it, const char *text, struct url *u)
{
	if (url_parse(text, u) < 0 || (strcmp(u->scheme, "http") != 0 && strcmp(u->scheme, "https") != 0))
		load_error(l, it, NULL, "expected a URL such as https://crm.example.com/hooks");
	else if (u->userinfo)
		load_error(l, it, NULL, "a URL must not hold a user or password");
	else if (u->fragment)
		load_error(l, it, NULL, "a URL with a '#' part can't be called");
	else if (strcmp(u->scheme, "http") == 0 && !host_is_loopback(u->host))
		load_error(l, it, NULL, "http:// is for this machine only (127.0.0.1, [::1], localhost): use https://");
	else
		return true;
	return false;
}

static void read_public_url(struct load *l, const struct item *it, void *field)
{
	size_t n = strlen(it->text);
	struct url u;

	if (!it->text[0] || !web_url(l, it, it->text, &u))
		return;
	if (strchr(it->text, '?'))
		load_error(l, it, NULL, "expected the address of the pages, without a '?' part");
	else if (u.path[0] && strcmp(u.path, "/") != 0)
		load_error(l, it, NULL, "the pages need a host name of their own: expected nothing behind it, got '%s'",
			   u.path);
	while (n > 0 && it->text[n - 1] == '/')
		n--;
	*(const char **)field = arena_strndup(l->arena, it->text, n);
}
const struct type type_public_url = {SHAPE_TEXT, "a URL such as https://feedback.example.com", read_public_url};

static void read_secret(struct load *l, const struct item *it, void *field, enum secret_kind kind)
{
	if (it->text[0])
		*(struct secret **)field = load_secret(l, it, kind);
	else
		load_error(l, it, NULL, "expected the name of a file");
}

static void read_key_file(struct load *l, const struct item *it, void *field)
{
	read_secret(l, it, field, SECRET_KEY);
}
const struct type type_key_file = {SHAPE_TEXT, "a file with one key per line", read_key_file};

static void read_signing_file(struct load *l, const struct item *it, void *field)
{
	read_secret(l, it, field, SECRET_SIGNING);
}
const struct type type_signing_file = {SHAPE_TEXT, "a file with one whsec_… key per line", read_signing_file};

static void read_password_file(struct load *l, const struct item *it, void *field)
{
	read_secret(l, it, field, SECRET_PASSWORD);
}
const struct type type_password_file = {SHAPE_TEXT, "a file with the password", read_password_file};

static void cidr_list(struct load *l, const struct item *it, struct string_list *list, bool single_too)
{
	for (int i = 0; i < it->n_texts; i++)
		if (cidr_check(it->texts[i], single_too) < 0)
			load_bad_text(l, it, i,
				      single_too ? "an address or block such as 127.0.0.1 or 10.0.0.0/8"
						 : "a block such as 10.0.0.0/8 or fd00::/8");
	*list = (struct string_list){it->texts, it->n_texts};
}

static void read_addresses(struct load *l, const struct item *it, void *field)
{
	if (it->n_texts == 0)
		load_error(l, it, NULL, "expected at least one address");
	cidr_list(l, it, field, true);
}
const struct type type_addresses = {SHAPE_TEXTS, "a list of addresses or blocks", read_addresses};

static void read_blocks(struct load *l, const struct item *it, void *field)
{
	cidr_list(l, it, field, false);
}
const struct type type_blocks = {SHAPE_TEXTS, "a list of blocks such as 10.0.0.0/8", read_blocks};

static void read_scopes(struct load *l, const struct item *it, void *element)
{
	struct http_token *token = element;

	for (int i = 0; i < it->n_texts; i++) {
		if (strcmp(it->texts[i], "read") == 0)
			token->may_read = true;
		else if (strcmp(it->texts[i], "transition") == 0)
			token->may_transition = true;
		else
			load_bad_text(l, it, i, "read or transition");
	}
	if (it->n_texts == 0)
		load_error(l, it, NULL, "expected at least one of read, transition");
}
const struct type type_scopes = {SHAPE_TEXTS, "a list of read, transition", read_scopes};

void http_done(struct load *l, const struct item *it, void *element)
{
	struct http_settings *http = element;

	http->set = true;
	if (http->public_url && !load_has(it, "link_key_file"))
		load_error(l, it, NULL, "public_url needs link_key_file: links in mails are signed with it");
	if ((http->public_url || http->n_tokens > 0) && http->host && !host_is_loopback(http->host) && !http->tls_in_front)
		load_error(
			l, it, NULL,
			"listen is open to other machines and speaks no TLS: let it listen on 127.0.0.1 behind a proxy that does, or say "
			"tls_in_front = true if one stands in front of it");
	for (int i = 0; i < http->n_tokens; i++)
		for (int j = 0; j < i; j++)
			if (http->tokens[i].secret && http->tokens[j].secret && http->tokens[j].secret->n > 0 &&
			    http->tokens[i].secret->n > 0 &&
			    strcmp(http->tokens[i].secret->keys[0], http->tokens[j].secret->keys[0]) == 0)
				load_error(l, it, NULL, "tokens %s and %s have the same key", http->tokens[j].id,
					   http->tokens[i].id);
}

/* smtp://host[:port] → with its port; no user, no path (libcurl would greet with it). */
static void read_smtp_url(struct load *l, const struct item *it, void *field)
{
	bool secure;
	struct url u;

	if (url_parse(it->text, &u) < 0 || (strcmp(u.scheme, "smtp") != 0 && strcmp(u.scheme, "smtps") != 0)) {
		load_unexpected(l, it);
		return;
	}
	secure = strcmp(u.scheme, "smtps") == 0;
	if (u.userinfo)
		load_error(l, it, NULL, "a URL must not hold a user or password: use username and password_file");
	else if (u.path[0] && strcmp(u.path, "/") != 0)
		load_error(l, it, NULL, "expected only host and port, got '%s' behind them", u.path);
	if (u.port == 0)
		load_error(l, it, NULL, "0 is no port");
	if (u.port < 0)
		u.port = secure ? SUBMISSIONS_PORT : host_is_loopback(u.host) ? SMTP_PORT : SUBMISSION_PORT;
	*(const char **)field =
		arena_printf(l->arena, "%s://%s%s%s:%d", u.scheme, u.ipv6 ? "[" : "", u.host, u.ipv6 ? "]" : "", u.port);
}
const struct type type_smtp_url = {SHAPE_TEXT, "a mail server such as smtp://mail.example.com:587", read_smtp_url};

static void read_mailbox(struct load *l, const struct item *it, void *field)
{
	struct email_settings *e = container_of(field, struct email_settings, from);

	e->from = it->text;
	if (mailbox_parse(it->text, l->arena, &e->from_name, &e->from_address) < 0) {
		load_unexpected(l, it);
		return;
	}
	e->from_domain = strrchr(e->from_address, '@') + 1;
}
const struct type type_mailbox = {SHAPE_TEXT, "a sender such as Customer Care <care@example.com>", read_mailbox};

void email_done(struct load *l, const struct item *it, void *element)
{
	struct email_settings *e = element;
	struct text_pos pos = load_key_pos(l, it, "tls");
	struct url u = {.port = -1};

	e->set = true;
	if (e->url && url_parse(e->url, &u) == 0 && e->tls == TLS_OFF) {
		if (strcmp(u.scheme, "smtps") == 0)
			load_error(l, it, &pos, "tls = \"off\" and smtps:// contradict each other");
		else if (!host_is_loopback(u.host))
			load_error(l, it, &pos,
				   "tls = \"off\" is for this machine only (127.0.0.1, [::1], localhost), not for '%s'",
				   u.host);
	}
	pos = load_key_pos(l, it, "username");
	if (e->username && !load_has(it, "password_file"))
		load_error(l, it, &pos, "username needs password_file");
	pos = load_key_pos(l, it, "password_file");
	if (!e->username && e->password)
		load_error(l, it, &pos, "password_file needs username");
}

static void read_webhook_url(struct load *l, const struct item *it, void *field)
{
	struct webhook *w = container_of(field, struct webhook, url);
	struct url u;

	w->url = it->text;
	if (web_url(l, it, it->text, &u) && (w->format == WEBHOOK_SLACK || w->format == WEBHOOK_TEAMS))
		load_warning(l, it, NULL, "whoever knows this address can post there: better put it into a file, as url_file");
}
const struct type type_webhook_url = {SHAPE_TEXT, "a URL such as https://crm.example.com/hooks", read_webhook_url};

static void read_url_file(struct load *l, const struct item *it, void *field)
{
	struct webhook *w = container_of(field, struct webhook, url);
	struct secret *s = NULL;
	struct url u;

	if (w->url)
		load_error(l, it, NULL, "give either url or url_file");
	read_secret(l, it, &s, SECRET_URL);
	if (s && s->n == 0) {
		w->url = URL_UNKNOWN;
		w->url_is_secret = true;
	} else if (s && web_url(l, it, s->keys[0], &u)) {
		w->url = s->keys[0];
		w->url_is_secret = true;
	}
}
const struct type type_url_file = {SHAPE_TEXT, "a file with the URL", read_url_file};

static void read_format(struct load *l, const struct item *it, void *field)
{
	static const char *const words[] = {"standard", "slack", "teams", "template FILE"};
	struct webhook *w = container_of(field, struct webhook, format);
	struct item file = *it;

	for (int i = 0; i < WEBHOOK_TEMPLATE; i++)
		if (strcmp(it->text, words[i]) == 0) {
			w->format = (enum webhook_format)i;
			return;
		}
	if (strncmp(it->text, "template ", 9) == 0 && it->text[9]) {
		w->format = WEBHOOK_TEMPLATE;
		file.text = it->text + 9;
		type_file.read(l, &file, &w->template_path);
		return;
	}
	load_error(l, it, NULL, "expected %s, got '%s'%s", it->key->type->words, it->text,
		   load_guess(l, it->text, words, ARRAY_SIZE(words), sizeof(*words)));
}
const struct type type_format = {SHAPE_TEXT, "standard, slack, teams or template FILE", read_format};

static void read_include(struct load *l, const struct item *it, void *field)
{
	for (int i = 0; i < it->n_texts; i++) {
		if (strcmp(it->texts[i], "contact") == 0)
			*(bool *)field = true;
		else
			load_bad_text(l, it, i, "contact");
	}
}
const struct type type_include = {SHAPE_TEXTS, "a list that may hold contact", read_include};

static bool event_matches(const char *pattern, const char *type)
{
	size_t n = strlen(pattern);

	if (n > 0 && pattern[n - 1] == '*')
		return strncmp(pattern, type, n - 1) == 0;
	return strcmp(pattern, type) == 0;
}

bool webhook_wants(const struct webhook *w, const char *type)
{
	for (int i = 0; i < w->events.n; i++)
		if (event_matches(w->events.items[i], type))
			return true;
	return w->events.n == 0;
}

static void read_events(struct load *l, const struct item *it, void *field)
{
	*(struct string_list *)field = (struct string_list){it->texts, it->n_texts};
	for (int i = 0; i < it->n_texts; i++) {
		int known = 0;

		for (int t = 0; webhook_types[t]; t++)
			known += event_matches(it->texts[i], webhook_types[t]);
		if (!known)
			load_error(l, it, &it->text_pos[i], "there is no event '%s'%s", it->texts[i],
				   load_guess(l, it->texts[i], webhook_types, ARRAY_SIZE(webhook_types) - 1, sizeof(char *)));
	}
}
const struct type type_events = {SHAPE_TEXTS, "a list of events such as case.opened or case.*", read_events};

void webhook_done(struct load *l, const struct item *it, void *element)
{
	struct webhook *w = element;
	struct text_pos pos = load_key_pos(l, it, "secret_file");

	if (!load_has(it, "url") && !load_has(it, "url_file"))
		load_error(l, it, NULL, "url is missing (or url_file, when the address itself is a secret)");
	if (w->format == WEBHOOK_STANDARD && !load_has(it, "secret_file"))
		load_error(l, it, NULL, "secret_file is missing: format standard signs what it sends");
	if ((w->format == WEBHOOK_SLACK || w->format == WEBHOOK_TEAMS) && load_has(it, "secret_file")) {
		load_warning(l, it, &pos, "secret_file is not used: format slack and teams can't sign");
		w->secret = NULL;
	}
}

void webhooks_done(struct load *l, const struct item *it)
{
	load_index(l, IDS_WEBHOOKS, l->s->webhooks, l->s->n_webhooks, sizeof(*l->s->webhooks));
}
