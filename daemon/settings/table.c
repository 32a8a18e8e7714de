/*
 * Every section and key of the configuration; see table.h, and docs/configuration.md for what they mean.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/table.h"
#include "settings/load.h"

#define AT(owner, field) offsetof(struct owner, field)
#define KEYS(k) .keys = (k), .n_keys = ARRAY_SIZE(k)
#define DAYS(n) (INT64_C(86400) * (n))
#define YEARS(n) DAYS(366 * (n))
#define GROUPS_OF(sec, owner, array) \
	.type = &type_group, .at = AT(owner, array), .count_at = AT(owner, n_##array), .section = &(sec)

static const struct type type_group = {SHAPE_GROUP, "a group { … }", NULL};
static const struct type type_list = {SHAPE_LIST, "a list of groups ( { … }, { … } )", NULL};

static const char *const words_priority[] = {"low", "normal", "high", "urgent", NULL};
static const char *const words_kind[] = {"case", "praise", "note", "ignore", NULL};
static const char *const words_assign[] = {"least-open", "round-robin", NULL};
static const char *const words_tls[] = {"required", "off", NULL};
static const char *const words_content[] = {"full", "minimal", NULL};
static const char *const words_merge_by[] = {"customer", "account", NULL};
static const char *const words_recurrence[] = {"reopen", "link", NULL};
static const char *const words_escalate[] = {"unacknowledged", "unresolved", NULL};
static const char *const words_attribute[] = {"text", "number", "bool", "time", NULL};
static const char *const words_label[] = {"touchpoint", "account", "rating", "root_cause", NULL};
static const char *const words_side[] = {"bad", "good", NULL};
static const char *const reserved_calendars[] = {"owner", NULL};
static const char *const reserved_webhooks[] = {"email", NULL};

static const struct key database_keys[] = {
	{"conninfo", &type_conninfo, AT(settings, conninfo), .fallback = ""},
	{"listen_conninfo", &type_conninfo, AT(settings, listen_conninfo), .otherwise = "as `conninfo`"},
};
static const struct section database = {.name = "database", KEYS(database_keys), .always = true};

static const struct key attribute_keys[] = {
	{"type", &type_word, AT(attribute_settings, type), .required = true, .choices = words_attribute},
	{"show", &type_bool, AT(attribute_settings, show), .fallback = "false"},
	{"label", &type_localized, AT(attribute_settings, label), .otherwise = "the name"},
};
static const struct section attributes = {.name = "attributes",
					  .naming = NAMED_GROUPS,
					  KEYS(attribute_keys),
					  .bytes = sizeof(struct attribute_settings),
					  .max = RESPONSE_ATTRIBUTES_MAX,
					  .pos_at = -1,
					  .short_key = "type",
					  .all_done = attributes_done};

static const struct key scale_keys[] = {
	{"min", &type_number, AT(scale, min), .required = true},
	{"max", &type_number, AT(scale, max), .required = true},
	{"low_is", &type_scale_side, AT(scale, low_is_bad), .fallback = "bad", .choices = words_side},
};
static const struct section scales = {.name = "scales",
				      .naming = NAMED_GROUPS,
				      KEYS(scale_keys),
				      .bytes = sizeof(struct scale),
				      .max = RESPONSE_RATINGS_MAX,
				      .pos_at = -1,
				      .init = scale_init,
				      .done = scale_done,
				      .all_done = scales_done};

static const struct key label_keys[] = {
	{"for", &type_word, AT(label, kind), .required = true, .choices = words_label},
	{"value", &type_text, AT(label, value), .required = true},
	{"en", &type_text, AT(label, text.in[LANGUAGE_EN]), .otherwise = "any of the others"},
	{"ko", &type_text, AT(label, text.in[LANGUAGE_KO]), .otherwise = "`en`, else any"},
	{"de", &type_text, AT(label, text.in[LANGUAGE_DE]), .otherwise = "`en`, else any"},
};
static const struct section labels = {.name = "labels",
				      .naming = NAMED_LIST,
				      KEYS(label_keys),
				      .bytes = sizeof(struct label),
				      .max = 20000,
				      .pos_at = -1,
				      .done = label_done,
				      .all_done = labels_done};

static const struct key calendar_keys[] = {
	{"timezone", &type_calendar_zone, AT(calendar, timezone), .otherwise = "the global `timezone`"},
	{"hours", &type_hours, AT(calendar, hours), .required = true, .count_at = AT(calendar, n_hours)},
	{"holidays", &type_dates, AT(calendar, holidays), .fallback = "[ ]"},
	{"holidays_file", &type_holidays_file, AT(calendar, holidays_file), .otherwise = "none"},
};
static const struct section calendars = {.name = "calendars",
					 .naming = NAMED_GROUPS,
					 KEYS(calendar_keys),
					 .bytes = sizeof(struct calendar),
					 .max = 1000,
					 .pos_at = -1,
					 .reserved = reserved_calendars,
					 .init = calendar_init,
					 .done = calendar_done,
					 .all_done = calendars_done};

static const struct key person_keys[] = {
	{"name", &type_text, AT(person, name), .required = true},
	{"email", &type_address, AT(person, email), .required = true},
	{"language", &type_language, AT(person, language), .otherwise = "the global `language`"},
	{"timezone", &type_timezone, AT(person, timezone), .otherwise = "the global `timezone`"},
	{"calendar", &type_calendar, AT(person, calendar), .otherwise = "none"},
	{"reports_to", &type_person_id, AT(person, reports_to), .otherwise = "nobody"},
	{"deputy", &type_person_id, AT(person, deputy), .otherwise = "nobody"},
	{"login", &type_login, AT(person, login), .otherwise = "none"},
	{"quiet_hours", &type_quiet_hours, AT(person, quiet_from), .otherwise = "none"},
	{"morning", &type_time_of_day, AT(person, morning), .otherwise = "the end of `quiet_hours`"},
	{"alerts_per_hour", &type_int, AT(person, alerts_per_hour), .otherwise = "the global one", .min = 0, .max = 100000},
	{"urgent_per_hour", &type_int, AT(person, urgent_per_hour), .otherwise = "the global one", .min = 0, .max = 100000},
};
static const struct section people = {.name = "people",
				      .naming = NAMED_GROUPS,
				      KEYS(person_keys),
				      .bytes = sizeof(struct person),
				      .max = 10000,
				      .pos_at = AT(person, pos),
				      .init = person_init,
				      .done = person_done,
				      .all_done = people_done};

static const struct key team_keys[] = {
	{"members", &type_members, AT(team, members), .required = true},
	{"lead", &type_person_id, AT(team, lead), .otherwise = "nobody"},
	{"assign", &type_word, AT(team, assign), .fallback = "least-open", .choices = words_assign},
};
static const struct section teams = {.name = "teams",
				     .naming = NAMED_GROUPS,
				     KEYS(team_keys),
				     .bytes = sizeof(struct team),
				     .max = 5000,
				     .pos_at = AT(team, pos),
				     .all_done = teams_done};

static const struct key webhook_keys[] = {
	{"format", &type_format, AT(webhook, format), .fallback = "standard"},
	{"url", &type_webhook_url, AT(webhook, url), .otherwise = "`url_file`"},
	{"url_file", &type_url_file, AT(webhook, url), .otherwise = "`url`"},
	{"secret_file", &type_signing_file, AT(webhook, secret), .otherwise = "none; needed by `standard`"},
	{"connections", &type_int, AT(webhook, connections), .fallback = "4", .min = 1, .max = 64},
	{"include", &type_include, AT(webhook, include_contact), .fallback = "[ ]"},
	{"allow", &type_blocks, AT(webhook, allow), .fallback = "[ ]"},
	{"ca_file", &type_file, AT(webhook, ca_file), .otherwise = "the system's"},
	{"events", &type_events, AT(webhook, events), .otherwise = "all"},
};
static const struct section webhooks = {.name = "webhooks",
					.naming = NAMED_GROUPS,
					KEYS(webhook_keys),
					.bytes = sizeof(struct webhook),
					.max = 1000,
					.pos_at = AT(webhook, pos),
					.reserved = reserved_webhooks,
					.done = webhook_done,
					.all_done = webhooks_done};

static const struct key proxy_keys[] = {
	{"peers", &type_addresses, AT(http_settings, proxy_peers), .required = true},
	{"secret_file", &type_key_file, AT(http_settings, proxy_secret), .required = true},
};
static const struct section proxy = {.name = "http.proxy", KEYS(proxy_keys)};

static const struct key token_keys[] = {
	{"token_file", &type_key_file, AT(http_token, secret), .required = true},
	{"scopes", &type_scopes, 0, .fallback = "[ \"read\" ]"},
};
static const struct section tokens = {.name = "http.tokens",
				      .naming = NAMED_GROUPS,
				      KEYS(token_keys),
				      .bytes = sizeof(struct http_token),
				      .max = 1000,
				      .pos_at = -1};

static const struct key http_keys[] = {
	{"listen", &type_listen, AT(http_settings, host), .fallback = "127.0.0.1:8480"},
	{"public_url", &type_public_url, AT(http_settings, public_url), .otherwise = "no pages"},
	{"link_key_file", &type_key_file, AT(http_settings, link_key), .otherwise = "none; needed by `public_url`"},
	{"link_ttl", &type_duration, AT(http_settings, link_ttl_s), .fallback = "14d", .min = 3600, .max = DAYS(366)},
	{"tls_in_front", &type_bool, AT(http_settings, tls_in_front), .fallback = "false"},
	{"proxy", &type_group, 0, .section = &proxy, .otherwise = "none"},
	{"tokens", GROUPS_OF(tokens, http_settings, tokens), .otherwise = "none"},
};
static const struct section http = {.name = "http", KEYS(http_keys), .done = http_done};

static const struct key email_keys[] = {
	{"url", &type_smtp_url, AT(email_settings, url), .required = true},
	{"tls", &type_word, AT(email_settings, tls), .fallback = "required", .choices = words_tls},
	{"ca_file", &type_file, AT(email_settings, ca_file), .otherwise = "the system's"},
	{"username", &type_optional, AT(email_settings, username), .otherwise = "no login"},
	{"password_file", &type_password_file, AT(email_settings, password), .otherwise = "no login"},
	{"connections", &type_int, AT(email_settings, connections), .fallback = "2", .min = 1, .max = 32},
	{"from", &type_mailbox, AT(email_settings, from), .required = true},
	{"reply_to", &type_address, AT(email_settings, reply_to), .otherwise = "none"},
	{"content", &type_word, AT(email_settings, content), .fallback = "full", .choices = words_content},
};
static const struct section email = {.name = "email", KEYS(email_keys), .done = email_done};

static const struct key case_keys[] = {
	{"merge_within", &type_duration, AT(case_settings, merge_within_s), .fallback = "7d", .max = YEARS(10)},
	{"merge_by", &type_word, AT(case_settings, merge_by), .fallback = "customer", .choices = words_merge_by},
	{"cooldown", &type_duration, AT(case_settings, cooldown_s), .fallback = "0s", .max = YEARS(10)},
	{"recurrence", &type_word, AT(case_settings, recurrence), .fallback = "reopen", .choices = words_recurrence},
	{"outcome_within", &type_duration, AT(case_settings, outcome_within_s), .fallback = "180d", .max = YEARS(10)},
	{"max_age", &type_duration, AT(case_settings, max_age_s), .fallback = "0s", .max = YEARS(100)},
	{"anonymous_ids", &type_texts, AT(case_settings, anonymous_ids), .fallback = "[ \"\", \"0\", \"anonymous\" ]"},
	{"root_causes", &type_texts, AT(case_settings, root_causes), .fallback = "[ ]"},
};
static const struct section cases = {.name = "cases", KEYS(case_keys), .always = true};

static const struct key source_keys[] = {
	{"settle", &type_duration, AT(source_settings, settle_s), .fallback = "0s", .max = DAYS(30)},
	{"max_age", &type_duration, AT(source_settings, max_age_s), .otherwise = "`cases.max_age`", .max = YEARS(100)},
};
static const struct section sources = {.name = "sources",
				       .naming = NAMED_GROUPS,
				       KEYS(source_keys),
				       .bytes = sizeof(struct source_settings),
				       .max = 1000,
				       .pos_at = -1,
				       .init = source_init,
				       .all_done = sources_done};

static const struct key escalate_keys[] = {
	{"when", &type_word, AT(escalate_step, when), .required = true, .choices = words_escalate},
	{"after", &type_promise, AT(escalate_step, after), .fallback = "", .min = 1, .max = YEARS(10)},
	{"to", &type_target, AT(escalate_step, to), .required = true},
};
static const struct section escalate = {.name = "follow_ups.escalate",
					.naming = NAMED_GROUPS,
					KEYS(escalate_keys),
					.bytes = sizeof(struct escalate_step),
					.max = 20,
					.pos_at = -1,
					.init = escalate_init};

static const struct key follow_up_keys[] = {
	{"calendar", &type_follow_up_calendar, AT(follow_up, calendar), .fallback = ""},
	{"acknowledge_within", &type_promise, AT(follow_up, acknowledge_within), .fallback = "4h", .min = 1, .max = YEARS(10)},
	{"resolve_within", &type_promise, AT(follow_up, resolve_within), .fallback = "2d", .min = 1, .max = YEARS(10)},
	{"warn_before", &type_promise, AT(follow_up, warn_before), .fallback = "", .min = 1, .max = YEARS(10)},
	{"remind_every", &type_promise, AT(follow_up, remind_every), .fallback = "", .min = 1, .max = YEARS(10)},
	{"remind_at_most", &type_int, AT(follow_up, remind_at_most), .fallback = "3", .min = 0, .max = 100},
	{"close_after", &type_promise, AT(follow_up, close_after), .fallback = "7d", .min = 1, .max = YEARS(10)},
	{"expire_after", &type_promise, AT(follow_up, expire_after), .fallback = "", .min = 1, .max = YEARS(10)},
	{"escalate", GROUPS_OF(escalate, follow_up, escalate), .otherwise = "none"},
};
static const struct section follow_ups = {.name = "follow_ups",
					  .naming = NAMED_GROUPS,
					  KEYS(follow_up_keys),
					  .bytes = sizeof(struct follow_up),
					  .max = 1000,
					  .spare = 1,
					  .pos_at = AT(follow_up, pos),
					  .done = follow_up_done,
					  .all_done = follow_ups_done};

static const struct key route_keys[] = {
	{"owner", &type_targets, AT(route, owner), .required = true, .count_at = AT(route, n_owner)},
	{"notify", &type_notifies, AT(route, notify), .fallback = "[ \"email:owner\" ]", .count_at = AT(route, n_notify)},
};
static const struct section routes = {.name = "routes",
				      .naming = NAMED_GROUPS,
				      KEYS(route_keys),
				      .bytes = sizeof(struct route),
				      .max = RULES_MAX,
				      .pos_at = AT(route, pos),
				      .all_done = routes_done};

static const struct key default_keys[] = {
	{"route", &type_route, AT(settings_own, defaults.route), .otherwise = "none: every rule names one"},
	{"follow_up", &type_follow_up, AT(settings_own, defaults.follow_up), .fallback = "standard"},
	{"priority", &type_word, AT(settings_own, defaults.priority), .fallback = "normal", .choices = words_priority},
};
static const struct section defaults = {.name = "defaults", KEYS(default_keys), .always = true};

static const struct key rule_keys[] = {
	{"kind", &type_word, AT(rule, kind), .fallback = "case", .choices = words_kind},
	{"when", &type_when, AT(rule, when), .required = true},
	{"priority", &type_word, AT(rule, priority), .otherwise = "`defaults.priority`", .choices = words_priority},
	{"route", &type_route, AT(rule, route), .otherwise = "`defaults.route`"},
	{"follow_up", &type_follow_up, AT(rule, follow_up), .otherwise = "`defaults.follow_up`"},
	{"notify", &type_notifies, AT(rule, notify), .otherwise = "only its route's", .count_at = AT(rule, n_notify)},
	{"advice", &type_localized, AT(rule, advice), .otherwise = "the template's own words"},
};
static const struct section rules = {.name = "rules",
				     .naming = NAMED_GROUPS,
				     KEYS(rule_keys),
				     .bytes = sizeof(struct rule),
				     .max = RULES_MAX,
				     .pos_at = AT(rule, pos),
				     .init = rule_init,
				     .done = rule_done,
				     .all_done = rules_done};

static const struct key root_keys[] = {
	{"instance", &type_instance, AT(settings, instance), .fallback = "default"},
	{"delivery", &type_delivery, AT(settings, delivery), .fallback = "live"},
	{"timezone", &type_timezone, AT(settings, timezone), .fallback = "UTC"},
	{"language", &type_language, AT(settings, language), .fallback = "en"},
	{"alerts_per_hour", &type_int, AT(settings, alerts_per_hour), .fallback = "10", .min = 0, .max = 100000},
	{"urgent_per_hour", &type_int, AT(settings, urgent_per_hour), .fallback = "30", .min = 0, .max = 100000},
	{"operators", &type_operators, AT(settings, operators), .fallback = "[ ]"},
	{"templates_dir", &type_folder, AT(settings, templates_dir), .otherwise = "the built-in templates"},
	{"database", &type_group, 0, .section = &database},
	{"http", &type_group, AT(settings, http), .section = &http, .otherwise = "no pages, no metrics"},
	{"email", &type_group, AT(settings, email), .section = &email, .otherwise = "no mail"},
	{"webhooks", GROUPS_OF(webhooks, settings, webhooks)},
	{"attributes", GROUPS_OF(attributes, settings, attributes)},
	{"scales", GROUPS_OF(scales, settings, scales)},
	{"labels", &type_list, AT(settings, labels), .count_at = AT(settings, n_labels), .section = &labels},
	{"calendars", GROUPS_OF(calendars, settings, calendars)},
	{"people", GROUPS_OF(people, settings, people)},
	{"teams", GROUPS_OF(teams, settings, teams)},
	{"cases", &type_group, AT(settings, cases), .section = &cases},
	{"sources", GROUPS_OF(sources, settings, sources)},
	{"follow_ups", GROUPS_OF(follow_ups, settings, follow_ups)},
	{"routes", GROUPS_OF(routes, settings, routes)},
	{"defaults", &type_group, 0, .section = &defaults},
	{"facts", &type_facts, AT(settings_own, facts), .count_at = AT(settings_own, n_facts)},
	{"rules", GROUPS_OF(rules, settings, rules)},
};
const struct section settings_root = {.name = "", KEYS(root_keys), .always = true};

void key_expected(const struct key *k, struct buf *out)
{
	if (k->choices) {
		for (int i = 0; k->choices[i]; i++)
			buf_printf(out, "%s%s", i == 0 ? "" : k->choices[i + 1] ? ", " : " or ", k->choices[i]);
		return;
	}
	buf_puts(out, k->type->words);
	if (k->type->shape == SHAPE_INTEGER)
		buf_printf(out, " from %lld to %lld", (long long)k->min, (long long)k->max);
}

void sections_visit(const struct section *s, void (*fn)(void *arg, const struct section *s), void *arg)
{
	fn(arg, s);
	for (int i = 0; i < s->n_keys; i++)
		if (s->keys[i].section)
			sections_visit(s->keys[i].section, fn, arg);
}

void settings_sections(void (*fn)(void *arg, const struct section *s), void *arg)
{
	sections_visit(&settings_root, fn, arg);
}
