/*
 * Mail addresses, URLs, network blocks, connection texts; see value.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define ADDRESS_BYTES_MAX 254 /* RFC 5321 4.5.3.1.3: a path of 256 with its angles */
#define LOCAL_PART_BYTES_MAX 64

static bool domain_valid(const char *s, size_t n)
{
	size_t label = 0;

	if (n == 0 || n > URL_HOST_BYTES_MAX)
		return false;
	for (size_t i = 0; i <= n; i++) {
		if (i == n || s[i] == '.') {
			if (label == 0 || label > 63 || s[i - label] == '-' || s[i - 1] == '-')
				return false;
			label = 0;
		} else if (strchr(LETTERS DIGITS "-", s[i]) && s[i]) {
			label++;
		} else {
			return false;
		}
	}
	return true;
}

bool address_valid(const char *address)
{
	const char *at = strrchr(address, '@');
	size_t local;

	if (!at || strlen(address) > ADDRESS_BYTES_MAX)
		return false;
	local = (size_t)(at - address);
	if (local == 0 || local > LOCAL_PART_BYTES_MAX || address[0] == '.' || at[-1] == '.')
		return false;
	/* RFC 5321 4.1.2 Dot-string of RFC 5322 3.2.3 atext: no quoting, so nothing to escape anywhere. */
	if (strspn(address, LETTERS DIGITS "!#$%&'*+-/=?^_`{|}~.") != local)
		return false;
	for (size_t i = 1; i < local; i++)
		if (address[i] == '.' && address[i - 1] == '.')
			return false;
	return domain_valid(at + 1, strlen(at + 1));
}

int mailbox_parse(const char *text, struct arena *arena, const char **ret_name, const char **ret_address)
{
	const char *open = strrchr(text, '<'), *name = text;
	size_t n;

	*ret_name = NULL;
	if (!open) {
		*ret_address = arena_strdup(arena, text);
		return address_valid(text) ? 0 : -EINVAL;
	}
	n = strlen(open);
	if (open[n - 1] != '>')
		return -EINVAL;
	*ret_address = arena_strndup(arena, open + 1, n - 2);
	if (!address_valid(*ret_address))
		return -EINVAL;
	n = (size_t)(open - name);
	while (n > 0 && name[n - 1] == ' ')
		n--;
	while (n > 0 && *name == ' ') {
		name++;
		n--;
	}
	if (n >= 2 && name[0] == '"' && name[n - 1] == '"') {
		name++;
		n -= 2;
	}
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || strchr("<>\"\\", name[i]))
			return -EINVAL;
	if (n > 0)
		*ret_name = arena_strndup(arena, name, n);
	return 0;
}

static int port_parse(const char *s, size_t n, int *ret)
{
	if (n == 0 || n > 5 || strspn(s, DIGITS) < n)
		return -EINVAL;
	*ret = atoi(s);
	return *ret <= 65535 ? 0 : -EINVAL;
}

/* Host and port from s to end; the port stays untouched when there is none. */
static int authority_parse(const char *s, const char *end, struct url *ret)
{
	const char *host = s, *host_end = end, *colon;
	struct in6_addr six;

	if (s < end && *s == '[') {
		host = s + 1;
		host_end = memchr(s, ']', (size_t)(end - s));
		if (!host_end)
			return -EINVAL;
		colon = host_end + 1;
		ret->ipv6 = true;
	} else {
		colon = memchr(s, ':', (size_t)(end - s));
		if (!colon)
			colon = end;
		host_end = colon;
	}
	if (host_end - host > URL_HOST_BYTES_MAX || host == host_end)
		return -EINVAL;
	memcpy(ret->host, host, (size_t)(host_end - host));
	ret->host[host_end - host] = '\0';
	if (ret->ipv6 ? inet_pton(AF_INET6, ret->host, &six) != 1 : !domain_valid(ret->host, strlen(ret->host)))
		return -EINVAL;
	if (colon == end)
		return 0;
	return *colon == ':' ? port_parse(colon + 1, (size_t)(end - colon) - 1, &ret->port) : -EINVAL;
}

int url_parse(const char *text, struct url *ret)
{
	const char *colon = strstr(text, "://"), *at, *end;
	size_t n = colon ? (size_t)(colon - text) : 0;

	*ret = (struct url){.port = -1};
	for (const char *p = text; *p; p++)
		if (*p <= 0x20 || *p >= 0x7f || strchr("\"<>\\^`{|}", *p))
			return -EINVAL;
	if (n == 0 || n >= sizeof(ret->scheme) || strspn(text, LETTERS) < n)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		ret->scheme[i] = (char)(text[i] | 0x20);
	text = colon + 3;
	end = text + strcspn(text, "/?#");
	ret->path = end;
	ret->fragment = strchr(end, '#') != NULL;
	at = memrchr(text, '@', (size_t)(end - text));
	ret->userinfo = at != NULL;
	return authority_parse(at ? at + 1 : text, end, ret);
}

bool host_is_loopback(const char *host)
{
	struct in6_addr six;
	struct in_addr four;

	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

int listen_parse(const char *text, struct arena *arena, const char **ret_host, int *ret_port)
{
	struct url u = {.port = -1};
	struct in_addr four;

	if (authority_parse(text, text + strlen(text), &u) < 0 || u.port < 0)
		return -EINVAL;
	if (strcasecmp(u.host, "localhost") == 0)
		strcpy(u.host, "127.0.0.1");
	if (!u.ipv6 && inet_pton(AF_INET, u.host, &four) != 1)
		return -EINVAL;
	*ret_host = arena_strdup(arena, u.host);
	*ret_port = u.port;
	return 0;
}

int cidr_check(const char *text, bool single_too)
{
	const char *slash = strchr(text, '/');
	char host[INET6_ADDRSTRLEN];
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct in6_addr address;
	int bits;

	if (n >= sizeof(host) || (!slash && !single_too))
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	bits = inet_pton(AF_INET, host, &address) == 1 ? 32 : inet_pton(AF_INET6, host, &address) == 1 ? 128 : -1;
	if (bits < 0)
		return -EINVAL;
	if (!slash)
		return 0;
	n = strlen(slash + 1);
	return n > 0 && n <= 3 && strspn(slash + 1, DIGITS) == n && atoi(slash + 1) <= bits ? 0 : -EINVAL;
}

/* A word of a connection text that is a key: at the start or behind white space (or ? and & in a URI), before '='. */
static bool conninfo_has(const char *conninfo, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = conninfo; (p = strcasestr(p, key)); p += n) {
		const char *after = p + n + strspn(p + n, " \t");

		if ((p == conninfo || strchr(" \t\n?&;'", p[-1])) && *after == '=')
			return true;
	}
	return false;
}

const char *conninfo_trouble(const char *conninfo)
{
	const char *rest = strstr(conninfo, "://"), *at, *colon;

	if (conninfo_has(conninfo, "password") || conninfo_has(conninfo, "sslpassword"))
		return "a password";
	if (!rest || (strncmp(conninfo, "postgres://", 11) != 0 && strncmp(conninfo, "postgresql://", 13) != 0))
		return NULL;
	rest += 3;
	at = memrchr(rest, '@', strcspn(rest, "/?"));
	colon = at ? memchr(rest, ':', (size_t)(at - rest)) : NULL;
	return colon && colon + 1 < at ? "a password" : NULL;
}
