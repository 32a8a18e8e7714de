/*
 * The whole configuration, typed, checked, immutable.
 *
 * settings_load() reads a libconfig file (DESIGN 5), collects every mistake, and returns one struct with
 * every default filled in and every name resolved to a pointer. Nothing else in the tree sees libconfig.
 * A running daemon swaps the whole struct on SIGHUP or keeps the old one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SETTINGS_SETTINGS_H
#define SETTINGS_SETTINGS_H

#include "base/diag.h"
#include "model/response.h"
#include "model/scale.h"
#include "model/words.h"
#include "rule/rule.h"

#define SETTINGS_FILE_BYTES_MAX (1024 * 1024) /* all files together: libconfig is quadratic */
#define SETTINGS_DEFAULT_PATH "/etc/closeloop/closeloop.conf"
#define DURATION_NONE (-1) /* an empty duration: never */

enum delivery_mode { DELIVER_LIVE, DELIVER_HOLD, DELIVER_REDIRECT };
enum tls_mode { TLS_REQUIRED, TLS_OFF };
enum mail_content { CONTENT_FULL, CONTENT_MINIMAL };
enum webhook_format { WEBHOOK_STANDARD, WEBHOOK_SLACK, WEBHOOK_TEAMS, WEBHOOK_TEMPLATE };
enum team_assign { ASSIGN_LEAST_OPEN, ASSIGN_ROUND_ROBIN };

/* A text per language; NULL where not given. */
struct localized {
	const char *in[LANGUAGE_COUNT];
};
/* The text in a language, else in English, else any; NULL when none is given. */
const char *localized_get(const struct localized *l, enum language language);

struct string_list {
	const char **items;
	int n;
};

/* Keys of a secret file, one a line: the first signs (webhooks: all sign), all verify. Wiped on free. */
struct secret {
	const char *path; /* as written, for messages */
	char **keys;
	int n;
};

/* One of the keys; takes the same time whichever it is. text may be NULL. */
bool secret_holds(const struct secret *s, const char *text);

struct person {
	const char *id, *name, *email, *login;
	enum language language;
	const char *timezone;                 /* IANA name; the global one when not given */
	const struct calendar *calendar;      /* NULL: none */
	const char *reports_to;               /* a person's id, or NULL */
	const char *deputy;                   /* a person's id, or NULL: stands in when an absence names nobody */
	int quiet_from, quiet_to;             /* minutes of the day, -1: none; from > to goes over midnight */
	int morning;                          /* minute of the day, -1: none */
	int alerts_per_hour, urgent_per_hour; /* 0: no limit */
	struct text_pos pos;
};

struct team {
	const char *id;
	struct string_list members; /* ids of people, at least one */
	const char *lead;           /* NULL: none */
	enum team_assign assign;
	struct text_pos pos;
};

struct hours {                   /* one line of a calendar */
	int first_day, last_day; /* 1 = Monday .. 7 */
	int from, to;            /* minutes; to may pass 24:00 (up to 48:00) */
};
struct calendar {
	const char *id;
	const char *timezone; /* IANA name, or "owner" */
	struct hours *hours;
	int n_hours;
	struct string_list holidays; /* YYYY-MM-DD */
	const char *holidays_file;   /* path, or NULL */
};

enum target_kind { TARGET_OWNER, TARGET_MANAGER, TARGET_PERSON, TARGET_TEAM, TARGET_LOOKUP, TARGET_FROM };
#define LOOKUP_DIMENSIONS_MAX 4
/* owner | manager | person:ID | team:NAME | lookup:DIM[+DIM] | from:FACT */
struct target {
	enum target_kind kind;
	const char *text;        /* as written */
	const char *name;        /* person id, team id, the fact of from:, or the whole "DIM+DIM" of lookup: */
	const struct team *team; /* TARGET_TEAM */
	const char *dimensions[LOOKUP_DIMENSIONS_MAX]; /* TARGET_LOOKUP: "touchpoint", "attr.property" */
	int n_dimensions;
};
struct settings;
/* A target that was kept as text (a step of escalation); parts are the arena's. -EINVAL: none; -ENOENT: the team is gone. */
int target_of_text(const struct settings *s, const char *text, struct arena *a, struct target *ret);
enum notify_kind { NOTIFY_EMAIL, NOTIFY_DIGEST, NOTIFY_WEBHOOK };
struct notify {
	enum notify_kind kind;
	const char *text;              /* as written: "email:owner" */
	struct target target;          /* EMAIL, DIGEST */
	const struct webhook *webhook; /* WEBHOOK */
};

struct route {
	const char *id;
	struct target *owner;
	int n_owner; /* at least one; the last is a person or a team */
	struct notify *notify;
	int n_notify;
	struct text_pos pos;
};

enum escalate_when { WHEN_UNACKNOWLEDGED, WHEN_UNRESOLVED };
/* Durations of promises keep their unit, because under a calendar d and w are working days and weeks. */
struct promise {
	int64_t amount; /* -1: none */
	char unit;      /* s m h d w */
};
struct escalate_step {
	const char *id;
	enum escalate_when when;
	struct promise after; /* from opening; none: at the due time */
	struct target to;
};
enum calendar_use { CALENDAR_NONE, CALENDAR_OWNER, CALENDAR_NAMED };
struct follow_up {
	const char *id;
	enum calendar_use calendar_use;
	const struct calendar *calendar; /* CALENDAR_NAMED */
	struct promise acknowledge_within, resolve_within, warn_before, remind_every, close_after, expire_after;
	int remind_at_most;
	struct escalate_step *escalate;
	int n_escalate;
	struct text_pos pos;
};

struct webhook {
	const char *id;
	const char *url;       /* from url or url_file; never logged past the host */
	bool url_is_secret;    /* came from url_file */
	struct secret *secret; /* NULL for slack and teams */
	enum webhook_format format;
	const char *template_path; /* WEBHOOK_TEMPLATE */
	int connections;           /* 1..64 */
	bool include_contact;
	struct string_list allow;  /* CIDR blocks, "10.0.0.0/8" */
	const char *ca_file;       /* absolute path, or NULL */
	struct string_list events; /* "case.*"; empty: all */
	struct text_pos pos;
};
/* The types of DESIGN 6, NULL-terminated. */
extern const char *const webhook_types[];
/* true when the endpoint wants this type ("case.opened"); a trailing * matches the rest. */
bool webhook_wants(const struct webhook *w, const char *type);

struct email_settings {
	bool set;        /* there is an email section */
	const char *url; /* smtp://host:port or smtps://host:port */
	enum tls_mode tls;
	const char *ca_file; /* absolute path, or NULL */
	const char *username;
	struct secret *password; /* NULL: no AUTH */
	int connections;         /* 1..32 */
	const char *from;        /* as written: "Customer Care <care@example.com>" */
	const char *from_name, *from_address, *from_domain;
	const char *reply_to;
	enum mail_content content;
};

struct http_token {
	const char *id;
	struct secret *secret;
	bool may_read, may_transition;
};
struct http_settings {
	bool set;
	const char *host;       /* "127.0.0.1", "::1", "0.0.0.0" */
	int port;               /* 0: any free one (logged) */
	const char *public_url; /* without the final slash; NULL: no pages */
	struct secret *link_key;
	bool tls_in_front; /* somebody else speaks TLS for an address that other machines reach */
	int64_t link_ttl_s;
	struct string_list proxy_peers;
	struct secret *proxy_secret;
	struct http_token *tokens;
	int n_tokens;
};

struct source_settings {
	const char *id;
	int64_t settle_s, max_age_s; /* 0: none */
};
struct attribute_settings {
	const char *name;
	enum attribute_type type;
	bool show;
	struct localized label;
};
enum label_kind { LABEL_TOUCHPOINT, LABEL_ACCOUNT, LABEL_RATING, LABEL_ROOT_CAUSE };
struct label {
	enum label_kind kind;
	const char *value;
	struct localized text;
};
enum merge_by { MERGE_BY_CUSTOMER, MERGE_BY_ACCOUNT };
enum recurrence { RECURRENCE_REOPEN, RECURRENCE_LINK };
struct case_settings {
	int64_t merge_within_s, cooldown_s, outcome_within_s, max_age_s; /* 0: off */
	enum merge_by merge_by;
	enum recurrence recurrence;
	struct string_list anonymous_ids;
	struct string_list root_causes; /* empty: any */
};

struct rule {
	const char *id;
	enum rule_kind kind;
	const char *when;
	enum priority priority;
	const struct route *route;
	const struct follow_up *follow_up;
	struct notify *notify; /* the rule's own, beside its route's */
	int n_notify;
	struct localized advice;
	struct text_pos pos;
};

struct settings {
	struct arena *arena;
	const char *path; /* of the main file */
	const char *text; /* what is kept in `rulesets`: all files joined, without `database` and `http.listen` */
	char sha256[65];  /* of text */

	const char *instance, *timezone, *redirect_to, *templates_dir; /* templates_dir NULL: only the built-in ones */
	enum delivery_mode delivery;
	enum language language;
	int alerts_per_hour, urgent_per_hour;
	struct string_list operators;           /* mail addresses, without "email:" */
	const char *conninfo, *listen_conninfo; /* listen_conninfo NULL: the same */
	struct http_settings http;
	struct email_settings email;
	struct case_settings cases;

	struct webhook *webhooks;
	struct person *people;
	struct team *teams;
	struct calendar *calendars;
	struct follow_up *follow_ups;
	struct route *routes;
	struct source_settings *sources;
	struct attribute_settings *attributes;
	struct scale *scales; /* by name */
	struct label *labels;
	struct rule *rules; /* same order and index as in ruleset */
	int n_webhooks, n_people, n_teams, n_calendars, n_follow_ups, n_routes, n_sources, n_attributes, n_scales, n_labels,
		n_rules;
	bool rules_said; /* there is a section `rules`, be it empty */

	struct ruleset *ruleset;
	const struct follow_up *default_follow_up; /* defaults.follow_up; for cases opened by hand */
};

#define SETTINGS_E_INVALID 1 /* diags hold why */

/*
 * settings_load() - read, check, resolve
 * @path:  the main file; relative paths in it are relative to its folder
 * Return: 0 (diags may hold warnings), SETTINGS_E_INVALID, or a negative errno.
 */
int settings_load(const char *path, struct diag_list *diags, struct settings **ret);
/*
 * settings_load_bare() - the same without secrets, certificates and templates, which needn't be there: for judging on a
 * desk. As with settings_load_text() secrets have no keys and an address in a url_file is unknown, so it must never send.
 */
int settings_load_bare(const char *path, struct diag_list *diags, struct settings **ret);
/*
 * settings_load_text() - a text that `rulesets` kept, compiled as it was when it was live
 * @name: stands for the file in diags and places: "rules 3f9c2a1"; lines count as in the text
 *
 * Rules, owners, routes and people are those of then, and sha256 is the same. What the text only points to isn't read, as it
 * may have changed or gone since: secrets have no keys, an address in a url_file is unknown (URL_UNKNOWN), calendars lack the
 * days of their holidays_file; there is no database section. So it decides as the live one did, but must never send.
 * Return: 0 (diags may hold warnings), or SETTINGS_E_INVALID: this version doesn't understand it any more.
 */
#define URL_UNKNOWN "https://unknown.invalid/"
int settings_load_text(const char *text, const char *name, struct diag_list *diags, struct settings **ret);
/*
 * settings_salvage_conninfo() - database.conninfo of a file that settings_load() refuses, whatever else is wrong with it
 * Return: 0 with "" when it names none; -ENOENT when the file can't be read at all.
 */
int settings_salvage_conninfo(const char *path, struct arena *arena, const char **ret);
struct settings *settings_free(struct settings *s);
void settings_freep(struct settings **s);

/* No customer_id, or one that many share: nothing is known of such a customer. */
bool settings_is_anonymous(const struct settings *s, const char *customer_id);
/* NULL when there is none of that id. */
const struct person *settings_person(const struct settings *s, const char *id);
const struct team *settings_team(const struct settings *s, const char *id);
const struct route *settings_route(const struct settings *s, const char *id);
const struct follow_up *settings_follow_up(const struct settings *s, const char *id);
const struct webhook *settings_webhook(const struct settings *s, const char *id);
const struct calendar *settings_calendar(const struct settings *s, const char *id);
const struct source_settings *settings_source(const struct settings *s, const char *id);
const struct attribute_settings *settings_attribute(const struct settings *s, const char *name);
/* The dimensions that anything looks up in owners: routes, rules, steps of escalation. Returns how many; the list is in the arena. */
int settings_lookups(const struct settings *s, struct arena *a, const char *const **ret);
/* What people call a value in their language; the value itself when there is no label. */
const char *settings_label(const struct settings *s, enum label_kind kind, const char *value, enum language language);

/* "90s 15m 4h 2d 1w" in seconds of wall time; "" is DURATION_NONE with *ret; -EINVAL when it is no duration. */
int duration_parse(const char *text, int64_t *ret_s);
/* Wall seconds of a promise; DURATION_NONE for none. */
int64_t promise_seconds(const struct promise *p);

/* An address we are willing to put in an envelope: RFC 5321 ASCII subset, no control, space, quote or angle, <= 254 bytes. */
bool address_valid(const char *address);

#endif
