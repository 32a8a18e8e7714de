/*
 * Reading a parsed configuration into struct settings by the table.
 *
 * A reader gets an item (one value with its place) and stores it or reports; it goes on after every mistake, so
 * that all are told at once. Names resolve to pointers while reading, because sections come in the order of the table.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SETTINGS_LOAD_H
#define SETTINGS_LOAD_H

#include "settings/settings.h"
#include "settings/source.h"
#include "settings/table.h"

#include <libconfig.h>

#define LOAD_DEPTH_MAX 8
#define HOLIDAYS_MAX 4000 /* from one file */

/* Ids of one kind in order, to find them fast. The id is the first member of every such struct. */
struct id_index {
	const void **items;
	int n;
};
enum id_kind {
	IDS_PEOPLE,
	IDS_TEAMS,
	IDS_CALENDARS,
	IDS_WEBHOOKS,
	IDS_FOLLOW_UPS,
	IDS_ROUTES,
	IDS_SOURCES,
	IDS_ATTRIBUTES,
	IDS_COUNT
};

/* What stands behind a struct settings. */
struct settings_own {
	struct settings s; /* first: offsets of the table count from here */
	struct secret **secrets;
	int n_secrets, room_secrets;
	struct id_index ids[IDS_COUNT];
	const struct label **labels; /* sorted by kind and value */
	struct {
		const struct route *route;
		const struct follow_up *follow_up;
		enum priority priority;
	} defaults;
	struct fact_source *facts;
	int n_facts;
	struct text_pos mail_pos;  /* of the first setting that sends mail */
	const char *mail_path;     /* its name, or NULL */
	struct text_pos *when_pos; /* of each rule's `when` */
};

/* Which of the files that a configuration names are opened. */
enum load_files {
	FILES_ALL,
	FILES_HOLIDAYS, /* what decides; secrets, certificates and templates are left alone */
	FILES_NONE      /* a text that was kept */
};

struct load {
	struct settings_own *own;
	struct settings *s;
	struct arena *arena;
	struct diag_list *diags;
	const struct source *source;
	const char *folder; /* of the main file: relative names in it start here */
	enum load_files files;
	const char *path[LOAD_DEPTH_MAX];
	int depth;
	int64_t holidays_us; /* processor time that went into rules of holidays */
};

/* One value. Of the fields behind setting, those of the key's shape are set. */
struct item {
	const struct key *key;
	const config_setting_t *setting; /* NULL: left out, the fallback is read */
	struct text_pos pos;
	const char *text;
	long long integer;
	double number;
	bool truth;
	const char **texts;
	struct text_pos *text_pos; /* of each of texts */
	int n_texts;
};

/* Fills a root element of any table: a configuration, or a file of tests. */
void load_root(struct load *l, const struct section *root, const config_setting_t *setting, const char *path, void *element);
/* Reads all sections; mistakes are in l->diags. */
void load_settings(struct load *l, const config_setting_t *root);
/* Fills an element that the file does not have with the fallbacks of its keys. */
void load_element_defaults(struct load *l, const struct section *s, void *element);

/* "people.minsu-kim.email: " is put before; pos NULL takes the item's. */
void load_error(struct load *l, const struct item *it, const struct text_pos *pos, const char *fmt, ...) PRINTF(4, 5);
void load_warning(struct load *l, const struct item *it, const struct text_pos *pos, const char *fmt, ...) PRINTF(4, 5);
/* "expected (what the table says), got 'x', did you mean 'y'?" */
void load_unexpected(struct load *l, const struct item *it);
/* The same for one text of a list, with other words than the table's. */
void load_bad_text(struct load *l, const struct item *it, int i, const char *expected);
/* "routes.account.notify" */
const char *load_path(struct load *l, const struct item *it);
/* ", did you mean 'x'?" or "". */
const char *load_guess(struct load *l, const char *word, const void *names, size_t n, size_t stride);
const char *load_guess_id(struct load *l, const char *word, enum id_kind kind);
/* Where a key of the item's group stands; the group's own place when it is left out. */
struct text_pos load_key_pos(struct load *l, const struct item *group, const char *key);
bool load_has(const struct item *group, const char *key);

void load_index(struct load *l, enum id_kind kind, const void *base, int n, size_t bytes);
const void *id_find(const struct settings *s, enum id_kind kind, const char *id);

/* secret.c: adds to the settings what a *_file names; NULL after reporting why not. */
enum secret_kind { SECRET_PASSWORD, SECRET_KEY, SECRET_SIGNING, SECRET_URL };
struct secret *load_secret(struct load *l, const struct item *it, enum secret_kind kind);
void secrets_free(struct settings_own *own);

/* target.c */
bool target_read(struct load *l, const struct item *it, const struct text_pos *pos, const char *text, struct target *ret);
bool notify_read(struct load *l, const struct item *it, const struct text_pos *pos, const char *text, struct notify *ret);
/* Warns when nobody of that id is in the configuration; people may be in the database. */
void person_expected(struct load *l, const struct item *it, const struct text_pos *pos, const char *id);

/* Types, each beside its reader. */
extern const struct type type_text, type_optional, type_word, type_int, type_number, type_bool, type_duration, type_promise,
	type_texts, type_language, type_timezone, type_address, type_localized, type_file, type_folder; /* read_basic.c */
extern const struct type type_instance, type_delivery, type_operators, type_conninfo;                   /* read_basic.c */
extern const struct type type_listen, type_public_url, type_key_file, type_addresses, type_scopes, type_smtp_url,
	type_password_file, type_mailbox, type_webhook_url, type_url_file, type_signing_file, type_format, type_include,
	type_blocks, type_events; /* read_net.c */
extern const struct type type_calendar, type_calendar_zone, type_hours, type_dates, type_person_id, type_login, type_members,
	type_quiet_hours, type_time_of_day;  /* read_people.c */
extern const struct type type_holidays_file; /* holidays.c */
extern const struct type type_follow_up_calendar, type_target, type_targets, type_notifies, type_route, type_follow_up,
	type_facts, type_when, type_scale_side; /* read_rules.c */

/* Hooks of sections, by the file of their types. */
void http_done(struct load *l, const struct item *it, void *http);
void email_done(struct load *l, const struct item *it, void *email);
void webhook_done(struct load *l, const struct item *it, void *webhook);
void webhooks_done(struct load *l, const struct item *it);
void attributes_done(struct load *l, const struct item *it);
void scale_init(struct load *l, void *scale);
void scale_done(struct load *l, const struct item *it, void *scale);
void scales_done(struct load *l, const struct item *it);
void label_done(struct load *l, const struct item *it, void *label);
void labels_done(struct load *l, const struct item *it);
void calendar_init(struct load *l, void *calendar);
void calendar_done(struct load *l, const struct item *it, void *calendar);
void calendars_done(struct load *l, const struct item *it);
void person_init(struct load *l, void *person);
void person_done(struct load *l, const struct item *it, void *person);
void people_done(struct load *l, const struct item *it);
void teams_done(struct load *l, const struct item *it);
void source_init(struct load *l, void *source);
void sources_done(struct load *l, const struct item *it);
void escalate_init(struct load *l, void *step);
void follow_up_done(struct load *l, const struct item *it, void *follow_up);
void follow_ups_done(struct load *l, const struct item *it);
void routes_done(struct load *l, const struct item *it);
void rule_init(struct load *l, void *rule);
void rule_done(struct load *l, const struct item *it, void *rule);
void rules_done(struct load *l, const struct item *it);

#endif
