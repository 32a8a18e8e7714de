/*
 * The judge, second half: who is told, and the rendered messages; see judge.h.
 *
 * One mail per person and case, whichever rules and entries name them; the owner comes first. One message per
 * webhook. A message gets its id here and keeps it over all attempts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/judge.h"
#include "base/escape.h"
#include "base/log.h"
#include "flow/notice.h"
#include "settings/link.h"

#include <string.h>

#define MAIL_BYTES_MAX (24 * 1024 * 1024)
#define OWNERS_AT_ONCE_MAX 32

/* ---- who is told ---- */

static void add_recipient(struct plan *p, const struct recipient *r)
{
	for (int i = 0; i < p->n_recipients; i++)
		if (str_eq(p->recipients[i].person->id, r->person->id) &&
		    str_eq(p->recipients[i].person->email, r->person->email)) {
			p->recipients[i].asked &= r->asked;
			return;
		}
	if (p->n_recipients < PLAN_RECIPIENTS_MAX)
		p->recipients[p->n_recipients++] = *r;
}

/* Somebody without a mail address is replaced: by the deputy, else the manager. */
static void add_reachable(struct judge *j, struct plan *p, struct recipient r)
{
	const struct directory *d = j->live->directory;
	const struct person *missed = r.person;

	if (!missed->email) {
		if (!j->dry)
			log_warning("response %lld: person %s has no mail address", (long long)p->claimed->response.id,
				    missed->id);
		r.person = directory_person(d, missed->deputy);
		if (!r.person || !r.person->email)
			r.person = directory_person(d, missed->reports_to);
		if (!r.person || !r.person->email)
			return;
		r.reason = REASON_FALLBACK;
		r.for_person = missed;
	}
	add_recipient(p, &r);
}

/* Nobody could be found for a case: whoever runs the daemon hears of it, so that the customer is not forgotten. */
static void add_operators(struct judge *j, struct plan *p)
{
	const struct settings *s = j->live->settings;

	if (!j->dry)
		log_error("response %lld: nobody can be told (route %s): the operators are", (long long)p->claimed->response.id,
			  p->rule->route->id);
	for (int i = 0; i < s->operators.n; i++) {
		struct person *operator= arena_new_obj(j->arena, struct person);
		struct recipient r = {.person = operator, .reason = REASON_NOTIFIED };

		*operator=(struct person){.id = "operators",
					  .name = s->operators.items[i],
					  .email = s->operators.items[i],
					  .language = s->language,
					  .timezone = "UTC"};
		add_recipient(p, &r);
	}
}

static void add_webhook(struct plan *p, const struct webhook *w)
{
	for (int i = 0; i < p->n_webhooks; i++)
		if (p->webhooks[i] == w)
			return;
	if (webhook_wants(w, p->kind) && p->n_webhooks < PLAN_WEBHOOKS_MAX)
		p->webhooks[p->n_webhooks++] = w;
}

static struct recipient owner_recipient(const struct owner_found *found)
{
	return (struct recipient){.person = found->person,
				  .reason = owner_reason(found),
				  .dimension = found->dimension,
				  .value = found->team ? found->team : found->value,
				  .for_person = found->instead_of,
				  .is_owner = true};
}

static void notify_person(struct judge *j, struct plan *p, const struct notify *n)
{
	const struct response *response = &p->claimed->response;
	const struct person *owner = p->owner.person;
	const struct person *people[OWNERS_AT_ONCE_MAX];
	struct owner_found found;
	struct recipient r = {.reason = REASON_NOTIFIED, .for_person = owner, .asked = n->kind == NOTIFY_DIGEST};
	int count;

	if (n->target.kind == TARGET_OWNER && owner) {
		r = owner_recipient(&p->owner);
		r.asked = n->kind == NOTIFY_DIGEST;
		add_reachable(j, p, r);
		return;
	}
	if (n->target.kind == TARGET_TEAM) {
		count = owner_everyone(&j->facts, &n->target, response, owner, people, OWNERS_AT_ONCE_MAX);
		for (int i = 0; i < count; i++) {
			r.person = people[i];
			add_reachable(j, p, r);
		}
		return;
	}
	found = owner_of_target(&j->facts, &n->target, response, owner);
	if (!found.person)
		return;
	r.person = found.person;
	r.dimension = found.dimension;
	r.value = found.value;
	if (owner && strcmp(found.person->id, owner->id) == 0)
		r = owner_recipient(&p->owner);
	r.asked = n->kind == NOTIFY_DIGEST;
	add_reachable(j, p, r);
}

static void notify_all(struct judge *j, struct plan *p, const struct notify *n, int count)
{
	for (int i = 0; i < count; i++) {
		if (n[i].kind == NOTIFY_WEBHOOK)
			add_webhook(p, n[i].webhook);
		else if (p->action == PLAN_OPEN) /* praise goes to whom the owner entry names */
			notify_person(j, p, &n[i]);
	}
}

static void praise_recipients(struct judge *j, struct plan *p)
{
	const struct person *people[OWNERS_AT_ONCE_MAX];
	const struct route *route = p->rule->route;
	int count = 0;

	for (int i = 0; i < route->n_owner && count == 0; i++) {
		const struct target *t = &route->owner[i];

		count = owner_everyone(&j->facts, t, &p->claimed->response, NULL, people, OWNERS_AT_ONCE_MAX);
		for (int k = 0; k < count; k++) {
			struct owner_found found = {.target = t, .person = people[k]};
			struct recipient r;

			if (t->kind == TARGET_TEAM)
				found.team = t->team->id;
			else
				found = owner_of_target(&j->facts, t, &p->claimed->response, NULL);
			r = owner_recipient(&found);
			r.person = people[k];
			add_reachable(j, p, r);
		}
	}
}

void judge_recipients(struct judge *j, struct plan *p)
{
	const struct settings *s = j->live->settings;

	p->recipients = arena_alloc(j->arena, sizeof(*p->recipients) * PLAN_RECIPIENTS_MAX);
	p->webhooks = arena_new_array(j->arena, const struct webhook *, (size_t)MAX(s->n_webhooks, 1));
	if (p->action == PLAN_PRAISE)
		praise_recipients(j, p);
	for (int i = 0; i < s->n_rules; i++) {
		const struct rule *r = &s->rules[i];

		if (p->results[i] != TRI_TRUE || r->kind != p->rule->kind)
			continue;
		if (r->route)
			notify_all(j, p, r->route->notify, r->route->n_notify);
		notify_all(j, p, r->notify, r->n_notify);
	}
	if (p->action == PLAN_OPEN && p->n_recipients == 0 && (!p->owner.person || p->n_webhooks == 0))
		add_operators(j, p);
	if (!s->email.set)
		p->n_recipients = 0;
}

/* ---- what they are told ---- */

static const char *stars_label(const struct settings *s, const char *name, enum language language)
{
	return settings_label(s, LABEL_RATING, name, language);
}

static void alert_ratings(struct judge *j, struct alert *a)
{
	const struct settings *s = j->live->settings;
	const struct response *r = a->response;
	struct score *scores = arena_new_array(j->arena, struct score, (size_t)r->n_ratings);

	a->ratings = arena_new_array(j->arena, struct labelled, (size_t)r->n_ratings);
	for (int i = 0; i < r->n_ratings; i++) {
		scores[i] = scale_score(r->ratings[i].name, r->ratings[i].value, STARS_BEST, s->scales, s->n_scales);
		scores[i].is_rating = true;
		a->ratings[i].label = stars_label(s, r->ratings[i].name, a->language);
		a->ratings[i].value = arena_printf(j->arena, "%.15g/%.15g", scores[i].value, scores[i].max);
	}
	a->rating_values = scores;
	a->n_ratings = r->n_ratings;
	a->scales = s->scales;
	a->n_scales = s->n_scales;
}

static void alert_details(struct judge *j, struct alert *a)
{
	const struct settings *s = j->live->settings;

	a->details = arena_new_array(j->arena, struct labelled, (size_t)s->n_attributes);
	for (int i = 0; i < s->n_attributes; i++) {
		const struct attribute_settings *shown = &s->attributes[i];
		const struct attribute *at = response_attribute(a->response, shown->name);
		const char *label = localized_get(&shown->label, a->language);

		if (shown->show && at && at->text && *at->text)
			a->details[a->n_details++] = (struct labelled){label ? label : shown->name, at->text};
	}
}

/* One fact of a lookup as people call it: "Lieferung", not "delivery". */
static const char *fact_in_words(const struct alert *a, const char *fact)
{
	const struct attribute *at;
	bool known;

	if (strcmp(fact, "touchpoint") == 0)
		return a->touchpoint;
	if (strcmp(fact, "account") == 0)
		return a->account;
	if (strncmp(fact, "attr.", 5) != 0)
		return response_text(a->response, fact, &known);
	at = response_attribute(a->response, fact + 5);
	return at ? at->text : NULL;
}

/* "touchpoint+region" found by "delivery+hamburg" reads "Lieferung, hamburg". */
static const char *lookup_in_words(struct judge *j, const struct alert *a, const char *dimension)
{
	char *facts = arena_strdup(j->arena, dimension), *rest = facts, *fact;
	const char *words = NULL;

	while ((fact = strsep(&rest, "+"))) {
		const char *word = fact_in_words(a, fact);

		if (word)
			words = words ? arena_printf(j->arena, "%s, %s", words, word) : word;
	}
	return words;
}

static void alert_reasons(struct judge *j, struct alert *a, const struct plan *p, const struct recipient *to)
{
	a->reason = to->reason;
	a->reason_dimension = to->dimension;
	a->reason_value = to->value;
	if (to->reason == REASON_LOOKUP && to->dimension) {
		const char *words = lookup_in_words(j, a, to->dimension);

		a->reason_dimension = strchr(to->dimension, '+') ? NULL : to->dimension;
		a->reason_value = words ? words : to->value;
	}
	a->for_name = to->for_person ? to->for_person->name : NULL;
	a->is_owner = to->is_owner;
	a->owner_name = p->owner.person ? p->owner.person->name : NULL;
}

/* Who takes over when this person can't: the deputy, the manager, the lead of the team. */
static const char *next_in_line(struct judge *j, const struct plan *p, const struct person *person)
{
	const struct directory *d = j->live->directory;
	const struct team *team = p->owner.team ? settings_team(j->live->settings, p->owner.team) : NULL;
	const char *const ids[] = {person->deputy, person->reports_to, team ? team->lead : NULL};

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		const struct person *next = directory_person(d, ids[i]);

		next = next ? directory_present(d, next, j->now) : NULL;
		if (next && !str_eq(next->id, person->id))
			return next->name;
	}
	return NULL;
}

/* Told where nobody is left; no person, so no digest and no link. */
static bool is_operators(const struct person *p)
{
	return strcmp(p->id, "operators") == 0;
}

static struct alert plan_alert(struct judge *j, const struct plan *p, int i)
{
	const struct settings *s = j->live->settings;
	const struct recipient *to = &p->recipients[i];
	const struct response *r = p->notice ? notice_response(j, p) : &p->claimed->response;
	struct alert a = {
		.kind = p->alert,
		.message_id = uuid_new(),
		.language = to->person->language,
		.instance = s->instance,
		.case_id = p->case_id,
		.priority = p->priority,
		.response = r,
		.person_id = to->person->id,
		.person_name = to->person->name,
		.person_address = to->person->email,
		.responded_at = p->responded[i],
		.acknowledge_due = p->acknowledge_at[i],
		.resolve_due = p->resolve_at[i],
		.advice = p->rule ? localized_get(&p->rule->advice, to->person->language) : NULL,
		.reply_to = s->email.reply_to,
		.minimal = s->email.content == CONTENT_MINIMAL,
	};

	a.touchpoint = r->touchpoint ? settings_label(s, LABEL_TOUCHPOINT, r->touchpoint, a.language) : NULL;
	a.account = r->account_name ? r->account_name
		    : r->account    ? settings_label(s, LABEL_ACCOUNT, r->account, a.language)
				    : NULL;
	alert_ratings(j, &a);
	alert_details(j, &a);
	alert_reasons(j, &a, p, to);
	if (a.is_owner && a.case_id)
		a.next_person = next_in_line(j, p, to->person);
	if (p->has_previous) {
		a.previous.set = response_score(&p->previous, s->scales, s->n_scales, &a.previous.score);
		a.previous.at = p->previous_at[i];
		a.previous.touchpoint =
			p->previous.touchpoint ? settings_label(s, LABEL_TOUCHPOINT, p->previous.touchpoint, a.language) : NULL;
	}
	if (p->notice)
		notice_alert(j, p, i, &a);
	if (a.case_id && !is_operators(to->person))
		a.case_url = link_url(s, to->person, a.case_id, p->notice ? p->notice->facts.link_epoch : 0, j->now, j->arena);
	if (!j->dry && !is_operators(to->person))
		a.inbox_url = link_url(s, to->person, 0, 0, j->now, j->arena);
	if (j->send_to || s->delivery == DELIVER_REDIRECT) {
		a.redirected_from = a.person_address;
		a.person_address = j->send_to ? j->send_to : s->redirect_to;
	}
	return a;
}

static struct outbox_message *plan_message(struct judge *j, struct plan *p, struct uuid id, const struct buf *payload)
{
	struct outbox_message *m = &p->messages[p->n_messages++];

	*m = (struct outbox_message){
		.id = id,
		.case_id = p->case_id,
		.response_id = p->claimed->response.id,
		.kind = p->kind,
		.step = p->step,
		.payload = arena_strndup(j->arena, buf_str(payload), payload->n),
		.payload_bytes = payload->n,
		.queued_at = p->claimed->queued_at,
	};
	return m;
}

/* No words yet: they are made when it leaves, as one line of a digest. */
static void compose_held(struct judge *j, struct plan *p, const struct recipient *to)
{
	const struct settings *s = j->live->settings;
	struct buf nothing = BUF_INIT(1);
	struct outbox_message *m = plan_message(j, p, uuid_new(), &nothing);

	m->endpoint = ENDPOINT_EMAIL;
	m->recipient = to->person->id;
	m->address = s->delivery == DELIVER_REDIRECT ? s->redirect_to : to->person->email;
	m->held_for = to->held_for;
	m->dedup_key = arena_join(j->arena, p->dedup, ":email:", to->person->id);
}

static void compose_mail(struct judge *j, struct plan *p, int i, struct buf *out)
{
	const struct settings *s = j->live->settings;
	const struct recipient *to = &p->recipients[i];
	bool operators = is_operators(to->person); /* nobody's digest */
	struct alert a = plan_alert(j, p, i);
	struct mail_text text CLEANUP(mail_text_fini) = {0};
	struct outbox_message *m;
	bool fallback = false;
	int r;

	buf_reset(out);
	r = mail_render(j->live->templates, s, &a, &text, &fallback);
	if (r == 0)
		r = mail_message(s, &a, &text, j->now, out);
	j->fallbacks += fallback;
	if (r < 0 || out->overflow) {
		log_error("response %lld: no mail to person %s can be made (%d)", (long long)p->claimed->response.id,
			  a.person_id, r);
		return;
	}
	m = plan_message(j, p, a.message_id, out);
	m->endpoint = ENDPOINT_EMAIL;
	m->recipient = a.person_id;
	m->address = a.person_address;
	m->held_for = p->held && !operators ? "due" : NULL;
	m->dedup_key = arena_join(j->arena, p->dedup, ":email:", operators ? to->person->email : a.person_id);
	if (j->dry)
		p->mails[p->n_messages - 1] =
			(struct mail_text){arena_strdup(j->arena, text.subject), arena_strdup(j->arena, text.text),
					   arena_strdup(j->arena, text.html)};
}

static struct case_facts plan_case_facts(struct judge *j, const struct plan *p)
{
	const struct settings *s = j->live->settings;
	const char **rules = arena_new_array(j->arena, const char *, (size_t)MAX(p->n_matched, 1));
	struct case_facts f = {
		.id = p->case_id,
		.response_id = p->claimed->response.id,
		.customer_id = p->claimed->response.customer_id,
		.status = case_status_name(CASE_OPEN),
		.priority = priority_name(p->priority),
		.owner = p->owner.person ? p->owner.person->id : NULL,
		.team = p->owner.team,
		.route = p->rule->route->id,
		.follow_up = p->rule->follow_up ? p->rule->follow_up->id : NULL,
		.opened_at = j->now,
		.acknowledged_at = WALL_NONE,
		.first_action_at = WALL_NONE,
		.contacted_at = WALL_NONE,
		.resolved_at = WALL_NONE,
		.closed_at = WALL_NONE,
		.acknowledge_due_at = p->acknowledge_due,
		.resolve_due_at = p->resolve_due,
		.next_action_at = p->next_action,
		.waiting_until = WALL_NONE,
		.ruleset = s->sha256,
		.version = 1,
	};

	for (int i = 0; i < s->n_rules; i++)
		if (p->results[i] == TRI_TRUE && s->rules[i].kind != RULE_IGNORE)
			rules[f.n_rules++] = s->rules[i].id;
	f.rules = rules;
	return f;
}

/* Chat formats show words, so they need what a mail shows; in the configuration's own language and zone-free. */
static struct alert webhook_alert(struct judge *j, const struct plan *p)
{
	const struct settings *s = j->live->settings;
	const struct response *r = &p->claimed->response;
	struct alert a = {
		.kind = p->alert,
		.language = s->language,
		.instance = s->instance,
		.case_id = p->case_id,
		.priority = p->priority,
		.response = r,
		.owner_name = p->owner.person ? p->owner.person->name : NULL,
		.advice = p->rule ? localized_get(&p->rule->advice, s->language) : NULL,
	};

	a.touchpoint = r->touchpoint ? settings_label(s, LABEL_TOUCHPOINT, r->touchpoint, a.language) : NULL;
	a.account = r->account_name ? r->account_name
		    : r->account    ? settings_label(s, LABEL_ACCOUNT, r->account, a.language)
				    : NULL;
	if (p->n_recipients > 0) {
		a.acknowledge_due = p->acknowledge_at[0];
		a.resolve_due = p->resolve_at[0];
	}
	alert_ratings(j, &a);
	alert_details(j, &a);
	return a;
}

static void compose_webhooks(struct judge *j, struct plan *p, struct buf *out)
{
	const struct settings *s = j->live->settings;
	struct case_facts facts;
	struct alert alert;
	struct webhook_event event = {.type = p->kind, .at = j->now, .response = &p->claimed->response, .alert = &alert};

	if (p->n_webhooks == 0)
		return;
	if (p->action == PLAN_OPEN) {
		facts = plan_case_facts(j, p);
		event.facts = &facts;
	} else if (p->notice) {
		event.type = p->notice->type;
		facts = p->notice->facts;
		event.facts = &facts;
		event.happened = &p->notice->event;
		event.at = p->notice->event.at;
	}
	if (event.facts)
		facts.url = link_case_url(s, facts.id, j->arena);
	alert = webhook_alert(j, p);
	for (int i = 0; i < p->n_webhooks; i++) {
		const struct webhook *w = p->webhooks[i];
		struct outbox_message *m;

		buf_reset(out);
		if (webhook_body(s, w, &event, out) < 0) {
			log_error("response %lld: no body for endpoint %s can be made", (long long)p->claimed->response.id,
				  w->id);
			continue;
		}
		m = plan_message(j, p, uuid_new(), out);
		m->endpoint = w->id;
		m->kind = event.type;
		m->dedup_key = arena_join(j->arena, p->dedup, ":webhook:", w->id);
	}
}

void judge_compose(struct judge *j)
{
	struct buf out = BUF_INIT(MAIL_BYTES_MAX);

	for (int i = 0; i < j->n_plans; i++) {
		struct plan *p = &j->plans[i];

		if (p->n_recipients + p->n_webhooks == 0)
			continue;
		p->messages = arena_new_array(j->arena, struct outbox_message, (size_t)(p->n_recipients + p->n_webhooks));
		if (j->dry)
			p->mails = arena_new_array(j->arena, struct mail_text, (size_t)MAX(p->n_recipients, 1));
		for (int k = 0; k < p->n_recipients; k++)
			if (p->recipients[k].held_for)
				compose_held(j, p, &p->recipients[k]);
			else
				compose_mail(j, p, k, &out);
		compose_webhooks(j, p, &out);
	}
	buf_fini(&out);
}
