/*
 * Texts of the configuration → values: times, addresses, URLs, blocks of addresses. Pure, but for the zone files.
 *
 * Every function returns 0 or -EINVAL; durations and addresses of mail are declared in settings.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SETTINGS_VALUE_H
#define SETTINGS_VALUE_H

#include "base/arena.h"
#include "settings/settings.h"

#define URL_HOST_BYTES_MAX 253

/* [A-Za-z][A-Za-z0-9_-]*, at most 63 bytes */
bool id_valid(const char *id);

/* "4h" → 4 and 'h'; "" → no promise */
int promise_parse(const char *text, struct promise *ret);
/* "08:30" → 510; "24:00" is 1440 */
int time_of_day_parse(const char *text, int *ret_minute);
/* "20:00-08:00", both ends different */
int quiet_hours_parse(const char *text, int *ret_from, int *ret_to);
/*
 * "Mon-Fri 09:00-18:00", "Sat 10:00-14:00", "Fri 22:00-06:00" or "Fri 22:00-30:00" (into the next day, up to 48:00), days in
 * English, any case.
 * A week that wraps ("Sun-Thu") takes two entries; *ret_n is 1 or 2.
 */
int hours_parse(const char *text, struct hours ret[2], int *ret_n);
/* YYYY-MM-DD, a day that exists */
int date_parse(const char *text);
/* "10.0.0.0/8", "fd00::/8"; without a slash only when single_too. */
int cidr_check(const char *text, bool single_too);

struct url {
	char scheme[16];
	char host[URL_HOST_BYTES_MAX + 1]; /* without brackets */
	bool ipv6;                         /* host stood in brackets */
	int port;                          /* -1: none given */
	const char *path;                  /* in text: "/hooks?x=1" or "" */
	bool userinfo, fragment;
};
int url_parse(const char *text, struct url *ret);
/* A literal of a loopback address, or localhost. */
bool host_is_loopback(const char *host);
/* "127.0.0.1:8480", "[::1]:0", "localhost:80" (127.0.0.1) */
int listen_parse(const char *text, struct arena *arena, const char **ret_host, int *ret_port);

/* "Customer Care <care@example.com>" or a bare address; the name is NULL when there is none. */
int mailbox_parse(const char *text, struct arena *arena, const char **ret_name, const char **ret_address);

#define ZONE_FOLDER "/usr/share/zoneinfo"
/* The form of an IANA name, and, where the system has a zone database, that it is in it. */
int timezone_check(const char *name);
/* The nearest name of the zone database, or NULL. */
const char *timezone_nearest(const char *name, struct arena *arena);
/* The same, for rules that ask for the hour somewhere. */
extern const struct zone_files settings_zone_files;

/* What is wrong with a libpq connection text (a password in it), as words, or NULL. */
const char *conninfo_trouble(const char *conninfo);

#endif
