/*
 * A case in words; see case_view.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "page/case_view.h"

#include "model/scale.h"

#include <stdlib.h>
#include <string.h>

#define PEOPLE_OFFERED_MAX 300
#define STARS_MAX 10

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* NULL becomes null, or a template would look for the name in what stands around it. */
static void put_text(json_t *o, const char *key, const char *text)
{
	json_object_set_new(o, key, text ? json_string(text) : json_null());
}

/* ---- parts ---- */

/* A customer's word that stands in a line of ours must not turn round what follows it: bidi overrides become blanks. */
static const char *one_line(struct visit *v, const char *text)
{
	char *line = text ? arena_strndup(v->arena, text, strlen(text)) : NULL;

	for (char *p = line; p && (p = strchr(p, '\xe2')); p++)
		if ((p[1] == '\x80' && p[2] >= '\xaa' && p[2] <= '\xae') ||
		    (p[1] == '\x81' && p[2] >= '\xa6' && p[2] <= '\xa9'))
			memset(p, ' ', 3);
	return line;
}

const char *view_name(struct visit *v, const char *id)
{
	const struct person *p = id ? v->page->o.company->person(v->page->o.arg, id) : NULL;

	return p ? p->name : id && strcmp(id, "daemon") == 0 ? "closeloop" : id;
}

json_t *view_who(struct visit *v, const json_t *response)
{
	const char *name = text_of(response, "customer_name"), *account = text_of(response, "account_name");
	const char *id = text_of(response, "customer_id");
	json_t *context = json_object(), *said;

	if (!account && text_of(response, "account"))
		account = settings_label(visit_settings(v), LABEL_ACCOUNT, text_of(response, "account"), v->language);
	put_text(context, "name", one_line(v, name));
	put_text(context, "account", one_line(v, account));
	put_text(context, "customer_id", one_line(v, id));
	said = visit_say(v,
			 name && account ? "who_person_account"
			 : name          ? "who_person"
			 : account       ? "who_account"
			 : id            ? "who_id"
					 : "who_nobody",
			 context);
	json_decref(context);
	return said;
}

/* "2/10"; "5/5 (1 is best)". */
static json_t *score_said(struct visit *v, const struct score *s)
{
	char value[NUMBER_BYTES], most[NUMBER_BYTES];
	json_t *score = json_sprintf("%s/%s", language_number(v->language, s->value, -1, value),
				     language_number(v->language, s->max, -1, most)),
	       *context, *said;

	if (!s->low_is_good)
		return score;
	context = json_object();
	json_object_set_new(context, "score", score);
	json_object_set_new(context, "best", json_string(language_number(v->language, s->best, -1, value)));
	said = visit_say(v, "score_reversed", context);
	json_decref(context);
	return said;
}

static int column_score(const json_t *response, const char *name)
{
	const json_t *value = json_object_get(response, name);

	return json_is_integer(value) ? (int)json_integer_value(value) : SCORE_MISSING;
}

json_t *view_score(struct visit *v, const json_t *response)
{
	const json_t *ratings = json_object_get(response, "ratings"), *value;
	struct rating *list = arena_new_array(v->arena, struct rating, json_object_size(ratings) + 1);
	struct response r = {.nps = column_score(response, "nps"),
			     .csat = column_score(response, "csat"),
			     .ces = column_score(response, "ces"),
			     .ratings = list};
	struct score score;
	const char *name;

	json_object_foreach((json_t *)ratings, name, value) if (json_is_number(value)) list[r.n_ratings++] =
		(struct rating){name, json_number_value(value)};
	if (!response_score(&r, visit_settings(v)->scales, visit_settings(v)->n_scales, &score))
		return json_null();
	return score_said(v, &score);
}

json_t *view_touchpoint(struct visit *v, const char *touchpoint)
{
	if (!touchpoint)
		return json_null();
	return json_string(one_line(v, settings_label(visit_settings(v), LABEL_TOUCHPOINT, touchpoint, v->language)));
}

/* ---- the customer ---- */

/* "★★★★" and "☆": how many of each; a scale that isn't stars has figures only. */
static void put_stars(json_t *o, const struct score *s)
{
	char full[4 * STARS_MAX] = "", empty[4 * STARS_MAX] = "";

	put_text(o, "full", NULL);
	if (s->low_is_good || s->max != STARS_BEST || s->value < 0 || s->value > s->max || s->value != (int)s->value)
		return;
	for (int i = 0; i < STARS_BEST; i++)
		strcat(i < (int)s->value ? full : empty, "★");
	put_text(o, "full", full);
	put_text(o, "empty", empty);
}

static json_t *ratings_view(struct visit *v, const json_t *ratings)
{
	const struct settings *s = visit_settings(v);
	json_t *list = json_array(), *value;
	const char *name;

	json_object_foreach((json_t *)ratings, name, value)
	{
		struct score score;
		json_t *o;

		if (!json_is_number(value))
			continue;
		score = scale_score(name, json_number_value(value), STARS_BEST, s->scales, s->n_scales);
		o = json_object();
		put_text(o, "label", settings_label(s, LABEL_RATING, name, v->language));
		json_object_set_new(o, "value", score_said(v, &score));
		put_stars(o, &score);
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *details_view(struct visit *v, const json_t *attributes)
{
	const struct settings *s = visit_settings(v);
	json_t *list = json_array();

	for (int i = 0; i < s->n_attributes; i++) {
		const struct attribute_settings *a = &s->attributes[i];
		const json_t *value = json_object_get(attributes, a->name);
		const char *label = localized_get(&a->label, v->language);
		char number[NUMBER_BYTES];
		json_t *o;

		if (!a->show || !value || json_is_null(value) || json_is_object(value) || json_is_array(value))
			continue;
		o = json_object();
		put_text(o, "label", label ? label : a->name);
		if (json_is_string(value)) {
			put_text(o, "value", json_string_value(value));
		} else if (json_is_number(value)) {
			put_text(o, "value", language_number(v->language, json_number_value(value), -1, number));
		} else {
			put_text(o, "value", view_word(v->page->view, v->language, json_is_true(value) ? "yes" : "no"));
		}
		json_array_append_new(list, o);
	}
	return list;
}

/* What can be dialled of a number: not the 0 of "+49 (0)30 12", nor what follows a word such as "ext". */
static const char *dial(struct visit *v, const char *phone)
{
	char *out = arena_alloc(v->arena, strlen(phone) + 1), *p = out;

	for (const char *s = phone; *s && !((*s | 0x20) >= 'a' && (*s | 0x20) <= 'z' && p > out); s++)
		if (*out == '+' && p > out && strncmp(s, "(0)", 3) == 0)
			s += 2;
		else if ((*s >= '0' && *s <= '9') || (*s == '+' && p == out))
			*p++ = *s;
	*p = '\0';
	return p - out >= 3 ? out : NULL;
}

static void put_contact(struct visit *v, json_t *o, const json_t *response)
{
	const char *phone = text_of(response, "customer_phone"), *email = text_of(response, "customer_email");

	if (phone && *phone && dial(v, phone)) {
		put_text(o, "phone", phone);
		put_text(o, "phone_link", dial(v, phone));
	}
	if (email && address_valid(email)) {
		put_text(o, "email", email);
		put_text(o, "email_link", email);
	}
	json_object_set_new(o, "contact", json_boolean(json_object_get(o, "phone") || json_object_get(o, "email")));
	json_object_set_new(o, "asked", json_boolean(json_is_true(json_object_get(response, "contact_requested"))));
}

/* An earlier answer, of which the day matters, or another one of this case. */
static json_t *answer_view(struct visit *v, const json_t *r, const char *form)
{
	json_t *o = json_object(), *score = view_score(v, r);
	json_int_t case_id = json_integer_value(json_object_get(r, "case_id"));

	json_object_set_new(o, "at", view_moment(v->page->view, v->language, form, json_object_get(r, "at")));
	json_object_set_new(o, "touchpoint", view_touchpoint(v, text_of(r, "touchpoint")));
	json_object_set_new(o, "score", score);
	put_text(o, "comment", text_of(r, "comment"));
	put_text(o, "case", case_id ? arena_printf(v->arena, "C-%lld", (long long)case_id) : NULL);
	return o;
}

static json_t *answers_view(struct visit *v, const json_t *list, const char *form)
{
	json_t *out = json_array(), *one;
	size_t i;

	json_array_foreach((json_t *)list, i, one) json_array_append_new(out, answer_view(v, one, form));
	return out;
}

/* ---- the clock ---- */

/* The one promise that counts now: to acknowledge, else to resolve. */
static void put_band(struct visit *v, json_t *o, const json_t *c)
{
	const json_t *due = json_object_get(c, "acknowledge_due"), *until = json_object_get(c, "waiting_until");
	const char *status = text_of(c, "status");
	json_t *said, *context = json_object();
	const char *word = "band_acknowledge";
	json_int_t left;

	if (!json_is_object(due)) {
		due = json_object_get(c, "resolve_due");
		word = "band_resolve";
	}
	left = json_integer_value(json_object_get(due, "left"));
	if (json_is_object(until)) {
		word = "band_waiting";
		json_object_set_new(context, "by", view_moment(v->page->view, v->language, "by", until));
	} else if (json_is_object(due)) {
		json_object_set_new(context, "by", view_moment(v->page->view, v->language, "by", due));
		json_object_set_new(context, left < 0 ? "late" : "left", view_span(v->page->view, v->language, left));
		json_object_set_new(o, "late", json_boolean(left < 0));
	} else {
		word = arena_printf(v->arena, "status_%s", status);
	}
	said = visit_say(v, word, context);
	json_object_set_new(o, "band", said);
	json_decref(context);
}

/* Who a step of the escalation tells: a name where there is one. of: whose case it is. */
static json_t *target_said(struct visit *v, const char *target, const char *of)
{
	const struct page_company *c = v->page->o.company;
	const struct person *p = of ? c->person(v->page->o.arg, of) : NULL;
	const char *plain = target ? strchr(target, ':') : NULL;

	if (!target)
		return json_null();
	if (strcmp(target, "manager") != 0)
		return json_string(strncmp(target, "person:", 7) == 0 ? view_name(v, target + 7) : plain ? plain + 1 : target);
	p = p && p->reports_to ? c->person(v->page->o.arg, p->reports_to) : NULL;
	return p ? json_string(p->name) : visit_say(v, "the_manager", NULL);
}

/* ---- what has happened ---- */

static const char *event_word(const struct visit *v, const char *kind, const json_t *details)
{
	const char *word = arena_printf(v->arena, "event_%s", kind);

	if (strcmp(kind, "contacted") == 0)
		return json_is_true(json_object_get(details, "reached")) ? "event_reached" : "event_unreached";
	if (strcmp(kind, "reminded") == 0 && json_is_true(json_object_get(details, "warning")))
		return "event_warned";
	if (json_is_true(json_object_get(details, "waiting_over")))
		return "event_waiting_over";
	return view_has(v->page->view, word) ? word : "event_other";
}

/* Events come newest first: whose case it was at one of them stands in an older one. */
static const char *owner_then(const json_t *events, size_t i)
{
	for (const json_t *e; (e = json_array_get(events, ++i));) {
		const json_t *details = json_object_get(e, "details");

		if (str_eq(text_of(e, "kind"), "assigned") || str_eq(text_of(e, "kind"), "opened"))
			return text_of(details, "to") ? text_of(details, "to") : text_of(details, "owner");
	}
	return NULL;
}

static json_t *event_view(struct visit *v, const json_t *events, size_t i)
{
	const json_t *e = json_array_get(events, i);
	const json_t *details = json_object_get(e, "details");
	const char *to = text_of(details, "to"), *cause = text_of(details, "cause"), *outcome = text_of(details, "outcome");
	json_t *o = json_object(), *context = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)details, key, value) if (json_is_string(value) || json_is_number(value))
		json_object_set(context, key, value);
	put_text(context, "kind", text_of(e, "kind"));
	put_text(context, "to", view_name(v, to));
	json_object_set_new(context, "target", target_said(v, text_of(details, "target"), owner_then(events, i)));
	put_text(context, "cause", cause ? settings_label(visit_settings(v), LABEL_ROOT_CAUSE, cause, v->language) : NULL);
	if (outcome && view_has(v->page->view, arena_printf(v->arena, "outcome_%s", outcome)))
		json_object_set_new(context, "outcome", visit_say(v, arena_printf(v->arena, "outcome_%s", outcome), NULL));
	json_object_set_new(context, "until", view_moment(v->page->view, v->language, "time", json_object_get(e, "until")));
	json_object_set_new(o, "at", view_moment(v->page->view, v->language, "time", json_object_get(e, "at")));
	put_text(o, "actor", view_name(v, text_of(e, "actor")));
	json_object_set_new(o, "what", visit_say(v, event_word(v, text_of(e, "kind"), details), context));
	put_text(o, "note", text_of(e, "note"));
	json_decref(context);
	return o;
}

static json_t *events_view(struct visit *v, const json_t *events)
{
	json_t *out = json_array(), *one;
	size_t i;

	json_array_foreach((json_t *)events, i, one) json_array_append_new(out, event_view(v, events, i));
	return out;
}

/* "Acknowledged 13:28 · Undo", while it can be undone; or why the last press did nothing. */
static void put_notice(struct visit *v, json_t *o, const json_t *found)
{
	static const char *const reasons[] = {"stale", "state", "time", "who"};
	const char *undo = text_of(found, "undo"), *not = form_get(&v->query, "not"), *why = form_get(&v->query, "why");
	json_t *event = event_view(v, json_object_get(found, "events"), 0), *context;

	/* The second of two taps comes too late, and did what was meant. */
	if (not &&why && !(undo && str_eq(why, "stale") && strncmp(undo, not, 4) == 0))
		for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
			if (strcmp(why, reasons[i]) == 0) {
				context = json_object();
				json_object_set(context, "what", json_object_get(event, "what"));
				json_object_set_new(o, "refused",
						    visit_say(v, arena_printf(v->arena, "refused_%s", why), context));
				json_decref(context);
			}
	if (undo)
		json_object_set(o, "undo", event);
	json_decref(event);
}

/* ---- what can be done ---- */

/*
 * What was typed and could not be taken stands in its own form again: typed_assign and so on. Where the case has none of
 * that kind any more, it stands where it can be copied from.
 */
static const json_t *put_typed(json_t *o, const json_t *found, bool unresolved, bool waiting)
{
	static const char *const forms[] = {"resolve", "note", "assign", "wait", "dismiss", "reopen"};
	const json_t *draft = json_object_get(found, "draft");
	const char *action = text_of(draft, "action"), *in = unresolved ? "resolve" : "reopen";

	for (size_t i = 0; action && i < ARRAY_SIZE(forms); i++)
		if (strcmp(action, forms[i]) == 0 && (strcmp(action, "reopen") != 0) == unresolved &&
		    !(waiting && strcmp(action, "wait") == 0))
			in = forms[i];
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		char name[32];

		snprintf(name, sizeof(name), "typed_%s", forms[i]);
		json_object_set(o, name, draft && strcmp(forms[i], in) == 0 ? (json_t *)draft : json_null());
	}
	return strcmp(in, "resolve") == 0 ? draft : NULL;
}

static void put_causes(struct visit *v, json_t *o, const char *chosen)
{
	const struct settings *s = visit_settings(v);
	json_t *list = json_array();

	for (int i = 0; i < s->cases.root_causes.n; i++) {
		const char *cause = s->cases.root_causes.items[i];
		json_t *one = json_object();

		put_text(one, "value", cause);
		put_text(one, "label", settings_label(s, LABEL_ROOT_CAUSE, cause, v->language));
		json_object_set_new(one, "chosen", json_boolean(str_eq(cause, chosen)));
		json_array_append_new(list, one);
	}
	json_object_set_new(o, "any_cause", json_boolean(s->cases.root_causes.n == 0));
	json_object_set_new(o, "causes", list);
}

void view_put_people(struct visit *v, json_t *o, const char *except)
{
	const struct page_company *c = v->page->o.company;
	json_t *list = json_array();

	for (int i = 0; i < c->count(v->page->o.arg) && i < PEOPLE_OFFERED_MAX; i++) {
		const struct person *p = c->at(v->page->o.arg, i);

		if (!str_eq(p->id, except))
			json_array_append_new(list, json_string(p->name));
	}
	json_object_set_new(o, "people", list);
}

static void put_actions(struct visit *v, json_t *o, const json_t *found)
{
	const json_t *c = json_object_get(found, "case");
	const char *status = text_of(c, "status");
	bool unresolved = strcmp(status, "resolved") && strcmp(status, "closed") && strcmp(status, "dismissed");
	bool waiting = strcmp(status, "waiting") == 0;

	json_object_set_new(o, "may_acknowledge", json_boolean(strcmp(status, "open") == 0));
	json_object_set_new(o, "may_contact", json_boolean(unresolved && !waiting && strcmp(status, "open") != 0));
	json_object_set_new(o, "may_start", json_boolean(waiting));
	json_object_set_new(o, "may_resolve", json_boolean(unresolved));
	json_object_set_new(o, "may_wait", json_boolean(unresolved && !waiting));
	json_object_set_new(o, "may_close", json_boolean(strcmp(status, "resolved") == 0));
	json_object_set_new(o, "may_reopen", json_boolean(!unresolved));
	put_causes(v, o, text_of(put_typed(o, found, unresolved, waiting), "cause"));
	view_put_people(v, o, text_of(c, "owner"));
}

/* ---- why, and who is next ---- */

static void put_why(struct visit *v, json_t *o, const json_t *found)
{
	const json_t *events = json_object_get(found, "events"), *next = json_object_get(found, "next"),
		     *c = json_object_get(found, "case");
	const json_t *opened = json_object_get(json_array_get(events, json_array_size(events) - 1), "details");
	const char *owner = text_of(c, "owner"), *value = text_of(opened, "value"), *target = text_of(next, "target");
	const char *account = text_of(json_object_get(found, "response"), "account");
	json_t *context = json_object();

	if (value && str_eq(value, account)) { /* as people call it */
		const char *name = text_of(json_object_get(found, "response"), "account_name");

		value = name ? name : settings_label(visit_settings(v), LABEL_ACCOUNT, account, v->language);
	}
	put_text(context, "owner", view_name(v, owner));
	put_text(context, "value", value);
	put_text(context, "team", text_of(c, "team"));
	json_object_set_new(o, "why",
			    visit_say(v,
				      !str_eq(owner, v->person)                                 ? "why_other"
				      : json_integer_value(json_object_get(c, "handovers")) > 0 ? "why_assigned"
				      : value && str_eq(text_of(opened, "owner"), owner)        ? "why_value"
												: "why_owner",
				      context));
	if (target) {
		json_object_set_new(context, "next", target_said(v, target, owner));
		json_object_set_new(context, "by", view_moment(v->page->view, v->language, "by", json_object_get(next, "at")));
		json_object_set_new(o, "next",
				    visit_say(v,
					      str_eq(text_of(next, "condition"), "unacknowledged") ? "next_unacknowledged"
												   : "next_unresolved",
					      context));
	}
	json_decref(context);
}

/* ---- the whole ---- */

static void put_head(struct visit *v, json_t *o, const json_t *found)
{
	const json_t *c = json_object_get(found, "case"), *r = json_object_get(found, "response");
	const char *priority = text_of(c, "priority"), *status = text_of(c, "status");
	json_t *score = view_score(v, r), *who = view_who(v, r), *before;

	put_text(o, "case", arena_printf(v->arena, "C-%lld", (long long)json_integer_value(json_object_get(c, "id"))));
	put_text(o, "case_path", arena_printf(v->arena, "/case/%lld", (long long)json_integer_value(json_object_get(c, "id"))));
	put_text(o, "title", arena_printf(v->arena, "%s · %s", text_of(o, "case"), json_string_value(who)));
	put_text(o, "priority_id",
		 strcmp(status, "resolved") && strcmp(status, "closed") && strcmp(status, "dismissed") ? priority : "good");
	json_object_set_new(o, "priority", visit_say(v, arena_printf(v->arena, "priority_%s", priority), NULL));
	json_object_set_new(o, "status", visit_say(v, arena_printf(v->arena, "status_%s", status), NULL));
	json_object_set_new(o, "who", who);
	json_object_set_new(o, "score", score);
	json_object_set_new(o, "touchpoint", view_touchpoint(v, text_of(r, "touchpoint")));
	json_object_set_new(o, "answered", view_moment(v->page->view, v->language, "time", json_object_get(r, "at")));
	before = json_array_get(json_object_get(found, "before"), 0);
	if (before)
		json_object_set_new(o, "last_time", answer_view(v, before, "day"));
	put_text(o, "comment", text_of(r, "comment"));
	json_object_set(o, "mine", json_object_get(found, "mine"));
	json_object_set(o, "version", json_object_get(c, "version"));
	json_object_set_new(o, "ping_pong", json_boolean(json_is_true(json_object_get(c, "ping_pong"))));
}

/* "ko-KR" as people call it; what no word is known for stays as it is. */
static const char *language_said(struct visit *v, const char *code)
{
	const char *word = arena_printf(v->arena, "language_%.2s", code);
	bool plain = code[0] && code[1] && (code[2] == '\0' || code[2] == '-' || code[2] == '_');

	return plain && view_has(v->page->view, word) ? view_word(v->page->view, v->language, word) : code;
}

json_t *case_view(struct visit *v, const json_t *found)
{
	const json_t *c = json_object_get(found, "case"), *r = json_object_get(found, "response");
	const char *outcome = text_of(c, "outcome"), *language = text_of(r, "language");
	json_t *o = json_object(), *list;

	put_head(v, o, found);
	put_band(v, o, c);
	put_contact(v, o, r);
	put_actions(v, o, found);
	put_notice(v, o, found);
	put_why(v, o, found);
	put_text(o, "token", visit_form_token(v, json_integer_value(json_object_get(c, "id"))));
	put_text(o, "owner_name", view_name(v, text_of(c, "owner")));
	put_text(o, "resolution", text_of(c, "resolution"));
	if (outcome)
		json_object_set_new(o, "outcome", visit_say(v, arena_printf(v->arena, "outcome_%s", outcome), NULL));
	list = ratings_view(v, json_object_get(r, "ratings"));
	json_object_set_new(o, "has_ratings", json_boolean(json_array_size(list) > 0));
	json_object_set_new(o, "ratings", list);
	json_object_set_new(o, "details", details_view(v, json_object_get(r, "attributes")));
	list = answers_view(v, json_object_get(found, "more"), "time");
	json_object_set_new(o, "has_more", json_boolean(json_array_size(list) > 0));
	json_object_set_new(o, "more", list);
	list = answers_view(v, json_object_get(found, "before"), "day");
	json_object_set_new(o, "has_before", json_boolean(json_array_size(list) > 0));
	json_object_set_new(o, "before", list);
	json_object_set_new(o, "events", events_view(v, json_object_get(found, "events")));
	if (language)
		put_text(o, "spoken", language_said(v, language));
	return o;
}
