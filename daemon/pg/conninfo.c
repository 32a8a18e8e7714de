/*
 * What a conninfo means: its servers after environment and service file, and what we add to it.
 *
 * libpq has no call that merges environment, service file and conninfo without connecting. But it merges first and
 * checks sslmode afterwards: an attempt with an impossible sslmode fails before any I/O, and PQconninfo() tells the
 * rest.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pg/private.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define LIST_BYTES_MAX (64 * 1024)

static const char *option(const PQconninfoOption *options, const char *keyword)
{
	for (const PQconninfoOption *o = options; o && o->keyword; o++)
		if (!strcmp(o->keyword, keyword))
			return o->val ? o->val : "";
	return "";
}

/* Number `index` of a comma-separated list; a list of one counts for all, as libpq does with ports. */
static const char *list_item(struct arena *a, const char *list, int index)
{
	const char *comma;

	if (!strchr(list, ','))
		return list;
	while (index-- > 0 && (comma = strchr(list, ',')))
		list = comma + 1;
	return arena_strndup(a, list, strcspn(list, ","));
}

static int list_length(const char *list)
{
	int n = *list ? 1 : 0;

	for (const char *c = list; *c; c++)
		n += *c == ',';
	return n;
}

/* Lists of different lengths are left to libpq, which explains them. */
static void read_endpoints(struct conninfo *i, const PQconninfoOption *options)
{
	const char *host = arena_strdup(i->arena, option(options, "host"));
	const char *hostaddr = arena_strdup(i->arena, option(options, "hostaddr"));
	const char *port = arena_strdup(i->arena, option(options, "port"));
	int n = list_length(*hostaddr ? hostaddr : host);

	if (*host && *hostaddr && list_length(host) != n)
		return;
	if (n == 0 || (list_length(port) > 1 && list_length(port) != n))
		return;
	i->endpoints = arena_new_array(i->arena, struct endpoint, (size_t)n);
	i->n_endpoints = n;
	for (int k = 0; k < n; k++)
		i->endpoints[k] = (struct endpoint){list_item(i->arena, host, k), list_item(i->arena, hostaddr, k),
						    list_item(i->arena, port, k)};
}

static void add(struct conninfo *i, const char *keyword, const char *value)
{
	assert(i->n_added < CONNINFO_ADDED_MAX - 1);
	i->keywords[i->n_added] = keyword;
	i->values[i->n_added] = value;
	i->n_added++;
}

/* A peer that vanished is noticed within about a minute, instead of the system's two hours. */
static void add_defaults(struct conninfo *i, const PQconninfoOption *options)
{
	static const char *const defaults[][2] = {
		{"keepalives_idle", "30"},     {"keepalives_interval", "10"}, {"keepalives_count", "3"},
		{"tcp_user_timeout", "30000"}, {"connect_timeout", "10"},
	};

	add(i, "dbname", i->text);
	for (size_t k = 0; k < ARRAY_SIZE(defaults); k++)
		if (!*option(options, defaults[k][0]))
			add(i, defaults[k][0], defaults[k][1]);
	add(i, "fallback_application_name", "closeloop");
	add(i, "client_encoding", "UTF8");
}

struct conninfo *conninfo_new(const char *text)
{
	struct arena *arena = arena_new(2048);
	struct conninfo *i = arena_new_obj(arena, struct conninfo);
	const char *keywords[] = {"dbname", "sslmode", NULL};
	const char *values[] = {text, "only to see the options", NULL};
	PQconninfoOption *options;
	PGconn *pg;

	i->arena = arena;
	i->text = arena_strdup(arena, text);
	pg = PQconnectStartParams(keywords, values, 1);
	options = pg ? PQconninfo(pg) : NULL;
	read_endpoints(i, options);
	add_defaults(i, options);
	i->connect_timeout_us = strtoll(option(options, "connect_timeout"), NULL, 10) * US_PER_S;
	PQconninfoFree(options);
	PQfinish(pg);
	return i;
}

struct conninfo *conninfo_free(struct conninfo *i)
{
	if (i)
		arena_free(i->arena);
	return NULL;
}

bool endpoint_needs_lookup(const struct endpoint *e)
{
	struct in6_addr address;

	if (*e->hostaddr || !*e->host || *e->host == '/' || *e->host == '@')
		return false;
	return inet_pton(AF_INET, e->host, &address) != 1 && inet_pton(AF_INET6, e->host, &address) != 1;
}

static const char *join(struct conninfo *i, const struct endpoint *endpoints, int n, int first, size_t member)
{
	struct buf list CLEANUP(buf_fini) = BUF_INIT(LIST_BYTES_MAX);

	for (int k = 0; k < n; k++) {
		if (k)
			buf_putc(&list, ',');
		buf_puts(&list, *(const char *const *)(const void *)((const char *)&endpoints[(first + k) % n] + member));
	}
	return arena_strdup(i->arena, buf_str(&list));
}

void conninfo_use(struct conninfo *i, const struct endpoint *endpoints, int n, int first)
{
	add(i, "host", join(i, endpoints, n, first, offsetof(struct endpoint, host)));
	add(i, "hostaddr", join(i, endpoints, n, first, offsetof(struct endpoint, hostaddr)));
	add(i, "port", join(i, endpoints, n, first, offsetof(struct endpoint, port)));
}

const char *pg_conninfo_check(const char *conninfo, struct arena *a)
{
	PQconninfoOption *options;
	const char *text = NULL;
	char *error = NULL;

	options = PQconninfoParse(conninfo, &error);
	if (!options) {
		text = arena_strndup(a, error ? error : "unreadable", error ? strcspn(error, "\n") : 10);
		PQfreemem(error);
		return text;
	}
	if (*option(options, "password"))
		text = "a password in the conninfo is not accepted: write passfile=FILE, use ~/.pgpass, or "
		       "authenticate by peer or "
		       "certificate";
	PQconninfoFree(options);
	return text;
}
