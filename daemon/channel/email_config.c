/*
 * What mails go out under; see email.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/email.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static char *copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static bool is_host_name(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= 253 && s[0] != '.' && s[0] != '-' &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-") == n;
}

/* RFC 5321 4.1.1.1: our own full name; where the machine has none, the domain we write as. */
static void own_name(const struct email_settings *s, char *name, size_t bytes)
{
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	if (strchr(host, '.') && is_host_name(host))
		snprintf(name, bytes, "%s", host);
	else if (s->from_domain && is_host_name(s->from_domain))
		snprintf(name, bytes, "%s", s->from_domain);
	else
		snprintf(name, bytes, "%s", is_host_name(host) ? host : "localhost");
}

struct email_config *email_config_new(const struct email_settings *s, const struct channel_patience *patience)
{
	struct buf url = BUF_INIT(4096);
	struct email_config *c = xcalloc(1, sizeof(*c));
	size_t n = strlen(s->url);
	char name[256];

	while (n > 0 && s->url[n - 1] == '/')
		n--;
	own_name(s, name, sizeof(name));
	buf_printf(&url, "%.*s/%s", (int)n, s->url, name);
	atomic_init(&c->refs, 1);
	c->url = buf_take(&url);
	c->implicit_tls = strncasecmp(s->url, "smtps://", 8) == 0;
	c->tls = s->tls;
	c->ca_file = copy(s->ca_file);
	if (s->username && s->password && s->password->n > 0) {
		c->username = xstrdup(s->username);
		c->password = xstrdup(s->password->keys[0]);
	}
	c->from = xstrdup(s->from_address);
	c->patience = *patience;
	return c;
}

struct email_config *email_config_ref(struct email_config *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

struct email_config *email_config_unref(struct email_config *c)
{
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
		return NULL;
	if (c->password)
		explicit_bzero(c->password, strlen(c->password));
	free(c->password);
	free(c->username);
	free(c->ca_file);
	free(c->from);
	free(c->url);
	free(c);
	return NULL;
}

bool email_config_eq(const struct email_config *a, const struct email_config *b)
{
	return str_eq(a->url, b->url) && a->tls == b->tls && str_eq(a->ca_file, b->ca_file) &&
	       str_eq(a->username, b->username) && str_eq(a->password, b->password) && str_eq(a->from, b->from);
}
