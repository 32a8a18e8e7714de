/*
 * Who is told of a notice: one mail at most, to whoever must act now, and the webhooks of the case's route and rules.
 *
 *   owner        hand-over, reminder, warning, end of waiting, reopening, outcome
 *   by answer    a further or a changed answer: the owner if it says something new, and whom rules name that it is the first to match
 *   step         escalation: whom it names, else the lead of the team, else the route's last owner, else the operators
 *   next one     a mail that could not be delivered: deputy, manager, then the route's last owner
 *
 * Whoever is away is replaced by the deputy; whoever has no mail address by deputy or manager.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"
#include "flow/notice.h"

#include <string.h>

#define STEP_PEOPLE_MAX 32

/* ---- a mail that could not be delivered ---- */

static bool was_tried(const struct notice *n, const char *person)
{
	if (n->recipient && strcmp(n->recipient, person) == 0)
		return true;
	for (int i = 0; i < n->n_tried; i++)
		if (n->tried[i] && strcmp(n->tried[i], person) == 0)
			return true;
	return false;
}

static const struct person *untried(const struct judge *j, const struct notice *n, const char *id)
{
	const struct person *p = directory_person(j->live->directory, id);

	if (p)
		p = directory_present(j->live->directory, p, j->now);
	return p && p->email && !was_tried(n, p->id) ? p : NULL;
}

/* The last entry of an owner chain is a person or a team, so somebody is always there. */
static const struct person *last_owner(const struct judge *j, const struct notice *n)
{
	const struct route *route = n->facts.route ? settings_route(j->live->settings, n->facts.route) : NULL;
	const struct target *t = route ? &route->owner[route->n_owner - 1] : NULL;
	const struct person *p = NULL;

	if (t && t->kind == TARGET_PERSON)
		return untried(j, n, t->name);
	for (int i = 0; t && t->kind == TARGET_TEAM && !p && i < t->team->members.n; i++)
		p = untried(j, n, t->team->members.items[i]);
	return p;
}

static const struct person *next_person(const struct judge *j, const struct notice *n)
{
	const struct directory *d = j->live->directory;
	const struct person *failed = directory_person(d, n->recipient), *p = NULL;
	const struct absence *away = failed ? directory_absence(d, failed->id, j->now) : NULL;

	if (away && away->deputy)
		p = untried(j, n, away->deputy);
	if (!p && failed && failed->deputy)
		p = untried(j, n, failed->deputy);
	if (!p && failed && failed->reports_to)
		p = untried(j, n, failed->reports_to);
	return p ? p : last_owner(j, n);
}

/* ---- recipients ---- */

/* Somebody without a mail address is told through the deputy or the manager, as at opening. */
static void reach_instead(const struct judge *j, struct recipient *to)
{
	const struct person *missed = to->person;
	const char *const ids[] = {missed->deputy, missed->reports_to};

	for (size_t i = 0; i < ARRAY_SIZE(ids) && !to->person->email; i++) {
		const struct person *p = directory_person(j->live->directory, ids[i]);

		if (!p || !p->email)
			continue;
		to->person = p;
		to->reason = REASON_FALLBACK;
		to->for_person = missed;
	}
}

static void add(const struct judge *j, struct plan *p, struct recipient to)
{
	const struct person *present = directory_present(j->live->directory, to.person, j->now);

	if (present && present != to.person) {
		to.for_person = to.person;
		to.person = present;
		to.reason = REASON_DEPUTY;
	}
	reach_instead(j, &to);
	if (!to.person->email)
		return;
	for (int i = 0; i < p->n_recipients; i++)
		if (p->recipients[i].person == to.person)
			return;
	if (p->n_recipients < PLAN_RECIPIENTS_MAX)
		p->recipients[p->n_recipients++] = to;
}

/* Whom a step or a hand-over names isn't there any more: the last owner of the route, then whoever runs the daemon. */
static void add_last_resort(struct judge *j, struct plan *p, const struct notice *n)
{
	const struct settings *s = j->live->settings;
	const struct person *last = last_owner(j, n);
	struct person *gone;

	if (last) {
		gone = arena_new_obj(j->arena, struct person);
		gone->id = gone->name = n->facts.owner;
		add(j, p, (struct recipient){.person = last, .reason = REASON_FALLBACK, .for_person = gone});
	}
	if (p->n_recipients)
		return;
	log_error("case %lld: nobody who is known can be told (%s): the operators are", (long long)n->facts.id, p->kind);
	for (int i = 0; i < s->operators.n && i < PLAN_RECIPIENTS_MAX; i++) {
		struct person *operators = arena_new_obj(j->arena, struct person);

		*operators = (struct person){.id = "operators",
					     .name = s->operators.items[i],
					     .email = s->operators.items[i],
					     .language = s->language,
					     .timezone = "UTC"};
		p->recipients[p->n_recipients++] = (struct recipient){.person = operators, .reason = REASON_NOTIFIED};
	}
}

static void tell_owner(struct judge *j, struct plan *p, const struct notice *n)
{
	const struct person *owner = directory_person(j->live->directory, n->facts.owner);
	struct recipient to = {.person = owner, .reason = REASON_OWNER, .is_owner = true};

	if (owner && n->kind == NOTICE_ASSIGNED) {
		to.reason = REASON_ASSIGNED;
		to.for_person = directory_find(j->live->directory, n->event.actor);
	}
	if (owner)
		add(j, p, to);
	if (p->n_recipients == 0)
		add_last_resort(j, p, n);
}

static void tell_next(struct judge *j, struct plan *p, const struct notice *n)
{
	const struct person *next = next_person(j, n);

	if (!next) {
		log_error("case %lld: nobody is left who could be told instead of person %s", (long long)n->facts.id,
			  n->recipient);
		return;
	}
	p->recipients[p->n_recipients++] = (struct recipient){.person = next,
							      .reason = REASON_FALLBACK,
							      .for_person = directory_person(j->live->directory, n->recipient),
							      .is_owner = str_eq(n->recipient, n->facts.owner)};
}

static bool has_heard(const struct notice *n, const struct person *p)
{
	for (int i = 0; i < n->n_mailed; i++)
		if (str_eq(n->mailed[i], p->id))
			return true;
	return false;
}

/* ---- escalation ---- */

static bool step_target(const struct judge *j, const char *text, struct arena *a, struct target *ret)
{
	return text && target_of_text(j->live->settings, text, a, ret) == 0;
}

/* Whom the rules name that this answer is the first to match; `owner` is told anyway. */
static void new_targets(const struct judge *j, const struct notice *n, notice_notify_fn *fn, void *arg)
{
	const struct settings *s = j->live->settings;

	for (int k = 0; k < n->n_new_rules; k++)
		for (int i = 0; i < s->n_rules; i++) {
			const struct rule *r = &s->rules[i];

			if (r->kind != RULE_CASE || !str_eq(r->id, n->new_rules[k]))
				continue;
			for (int e = 0; r->route && e < r->route->n_notify; e++)
				if (r->route->notify[e].kind != NOTIFY_WEBHOOK &&
				    r->route->notify[e].target.kind != TARGET_OWNER)
					fn(arg, &r->route->notify[e]);
			for (int e = 0; e < r->n_notify; e++)
				if (r->notify[e].kind != NOTIFY_WEBHOOK && r->notify[e].target.kind != TARGET_OWNER)
					fn(arg, &r->notify[e]);
		}
}

void notice_lookups(const struct judge *j, const struct notice *n, notice_notify_fn *fn, void *arg)
{
	struct notify step = {.kind = NOTIFY_EMAIL};

	if (n->kind == NOTICE_ESCALATED && step_target(j, n->target, j->arena, &step.target))
		fn(arg, arena_memdup(j->arena, &step, sizeof(step)));
	if (n->kind == NOTICE_JOINED || n->kind == NOTICE_AMENDED)
		new_targets(j, n, fn, arg);
}

/* A team hears of it through its lead; one without a lead all together. */
static int step_people(struct judge *j, const struct notice *n, const struct target *t, const struct response *r,
		       const struct person **people)
{
	const struct directory *d = j->live->directory;
	const struct person *owner = directory_person(d, n->facts.owner);
	const struct person *lead = t->kind == TARGET_TEAM ? directory_person(d, t->team->lead) : NULL;

	if (lead) {
		people[0] = lead;
		return 1;
	}
	return owner_everyone(&j->facts, t, r, owner, people, STEP_PEOPLE_MAX);
}

static void tell_step(struct judge *j, struct plan *p, const struct notice *n)
{
	const struct person *people[STEP_PEOPLE_MAX];
	const struct team *team = n->facts.team ? settings_team(j->live->settings, n->facts.team) : NULL;
	const struct person *lead = team ? directory_person(j->live->directory, team->lead) : NULL;
	struct recipient to = {.reason = REASON_STEP, .for_person = directory_person(j->live->directory, n->facts.owner)};
	struct target t;
	int count = 0;

	if (step_target(j, n->target, j->arena, &t)) {
		count = step_people(j, n, &t, &p->claimed->response, people);
		if (t.kind == TARGET_MANAGER)
			to.reason = REASON_MANAGER;
	}
	for (int i = 0; i < count; i++) {
		to.person = people[i];
		to.is_owner = str_eq(people[i]->id, n->facts.owner);
		add(j, p, to);
	}
	if (p->n_recipients == 0 && lead) {
		to.person = lead;
		add(j, p, to);
	}
	if (p->n_recipients == 0)
		add_last_resort(j, p, n);
}

/* ---- a further or a changed answer ---- */

struct telling {
	struct judge *j;
	struct plan *p;
	const struct notice *n;
};

static void tell_named(void *arg, const struct notify *entry)
{
	struct telling *t = arg;
	const struct person *people[STEP_PEOPLE_MAX];
	const struct person *owner = directory_person(t->j->live->directory, t->n->facts.owner);
	int count = owner_everyone(&t->j->facts, &entry->target, &t->p->claimed->response, owner, people, STEP_PEOPLE_MAX);

	for (int i = 0; i < count; i++)
		if (people[i] != owner && (t->n->tell || !has_heard(t->n, people[i])))
			add(t->j, t->p,
			    (struct recipient){.person = people[i],
					       .reason = REASON_NOTIFIED,
					       .for_person = owner,
					       .asked = entry->kind == NOTIFY_DIGEST});
}

/* Who never heard of the case needs not hear that it has gone. */
static void tell_of_answer(struct judge *j, struct plan *p, const struct notice *n)
{
	const struct person *owner = directory_person(j->live->directory, n->facts.owner);
	struct telling t = {j, p, n};

	if (n->tell && (n->status != CASE_DISMISSED || !owner || has_heard(n, owner)))
		tell_owner(j, p, n);
	if (n->stands)
		new_targets(j, n, tell_named, &t);
}

const char *notice_next_person(const struct judge *j, const struct notice *n)
{
	const struct directory *d = j->live->directory;
	const struct person *owner = directory_person(d, n->facts.owner), *next = NULL;
	struct target t;

	if (!step_target(j, n->next_target, j->arena, &t))
		return NULL;
	if (t.kind == TARGET_PERSON)
		next = directory_person(d, t.name);
	else if (t.kind == TARGET_MANAGER)
		next = owner ? directory_person(d, owner->reports_to) : NULL;
	else if (t.kind == TARGET_TEAM)
		next = directory_person(d, t.team->lead);
	else if (t.kind == TARGET_OWNER)
		next = owner;
	if (next)
		next = directory_present(d, next, j->now);
	return next ? next->name : NULL;
}

/* ---- webhooks ---- */

static void add_webhooks(struct plan *p, const struct notice *n, const struct notify *entries, int count)
{
	for (int i = 0; i < count; i++) {
		bool known = entries[i].kind != NOTIFY_WEBHOOK || !webhook_wants(entries[i].webhook, n->type);

		for (int k = 0; k < p->n_webhooks && !known; k++)
			known = p->webhooks[k] == entries[i].webhook;
		if (!known && p->n_webhooks < PLAN_WEBHOOKS_MAX)
			p->webhooks[p->n_webhooks++] = entries[i].webhook;
	}
}

/* As at opening: those of the case's route, and of the rules that matched with their routes. */
static void find_webhooks(struct judge *j, struct plan *p, const struct notice *n)
{
	const struct settings *s = j->live->settings;
	const struct route *route = n->facts.route ? settings_route(s, n->facts.route) : NULL;

	p->webhooks = arena_new_array(j->arena, const struct webhook *, (size_t)MAX(s->n_webhooks, 1));
	if (!n->type)
		return;
	if (route)
		add_webhooks(p, n, route->notify, route->n_notify);
	for (int k = 0; k < n->facts.n_rules; k++)
		for (int i = 0; i < s->n_rules; i++) {
			const struct rule *r = &s->rules[i];

			if (!str_eq(r->id, n->facts.rules[k]))
				continue;
			if (r->route)
				add_webhooks(p, n, r->route->notify, r->route->n_notify);
			add_webhooks(p, n, r->notify, r->n_notify);
		}
}

/* ---- the plan ---- */

static const struct rule *first_rule(const struct settings *s, const struct notice *n)
{
	for (int k = 0; k < n->facts.n_rules; k++)
		for (int i = 0; i < s->n_rules; i++)
			if (s->rules[i].kind == RULE_CASE && s->rules[i].priority == n->priority &&
			    str_eq(s->rules[i].id, n->facts.rules[k]))
				return &s->rules[i];
	return NULL;
}

/* Whether somebody is mailed: not about what is no longer so, nor about what they did themselves. */
static bool is_news(const struct notice *n)
{
	bool by_owner = str_eq(n->event.actor, n->facts.owner);

	switch (n->kind) {
	case NOTICE_UNDELIVERED: return n->stands;
	case NOTICE_ASSIGNED: return n->stands && str_eq(n->to, n->facts.owner) && !by_owner;
	case NOTICE_REMINDER: return n->status == CASE_OPEN;
	case NOTICE_WARNED: return n->stands && n->status != CASE_WAITING;
	case NOTICE_ESCALATED:
		return n->condition == CONDITION_UNACKNOWLEDGED ? n->status == CASE_OPEN
								: n->stands && n->status != CASE_WAITING;
	case NOTICE_WAITED: return n->stands && n->status != CASE_WAITING;
	case NOTICE_REOPENED: return n->stands && !by_owner;
	case NOTICE_AMENDED:
	case NOTICE_JOINED: return n->tell || n->n_new_rules > 0;
	case NOTICE_ANSWERED: return !n->stands; /* opened again by that answer: another mail says so */
	case NOTICE_MOVED: return false;
	}
	return false;
}

static void name_mail(struct judge *j, struct plan *p, const struct notice *n)
{
	static const struct {
		enum alert_kind alert;
		const char *kind;
	} mails[] = {
		[NOTICE_UNDELIVERED] = {ALERT_FORWARDED, "case.opened"},
		[NOTICE_ASSIGNED] = {ALERT_ASSIGNED, "case.assigned"},
		[NOTICE_AMENDED] = {ALERT_AMENDED, "case.amended"},
		[NOTICE_JOINED] = {ALERT_JOINED, "case.amended"},
		[NOTICE_REMINDER] = {ALERT_REMINDER, "case.reminder"},
		[NOTICE_WARNED] = {ALERT_WARNING, "case.reminder"},
		[NOTICE_ESCALATED] = {ALERT_ESCALATED, "case.escalated"},
		[NOTICE_WAITED] = {ALERT_WAITING_OVER, "case.waiting"},
		[NOTICE_REOPENED] = {ALERT_REOPENED, "case.reopened"},
		[NOTICE_ANSWERED] = {ALERT_OUTCOME, "case.outcome"},
		[NOTICE_MOVED] = {ALERT_OPENED, "case.moved"},
	};
	char id[UUID_TEXT_BYTES];

	p->alert = mails[n->kind].alert;
	p->kind = mails[n->kind].kind;
	p->dedup = arena_printf(j->arena, "event:%lld", (long long)n->event.id);
	if (n->kind == NOTICE_UNDELIVERED) {
		p->step = "forwarded";
		p->dedup = arena_printf(j->arena, "message:%s:forwarded", uuid_text(&n->message_id, id));
	} else if (n->kind == NOTICE_ASSIGNED) {
		p->dedup = arena_printf(j->arena, "case:%lld:assigned:%lld", (long long)n->facts.id, (long long)n->event.id);
	} else if (n->kind == NOTICE_REMINDER) {
		p->step = arena_printf(j->arena, "reminder-%d", n->n);
	} else if (n->kind == NOTICE_WARNED) {
		p->step = "warning";
	} else if (n->kind == NOTICE_JOINED) {
		p->step = arena_printf(j->arena, "joined-%d", n->n);
	} else if (n->kind == NOTICE_ESCALATED) {
		p->step = n->step;
	}
}

void notice_plan(struct judge *j, struct notice *n, struct claimed *c)
{
	const struct settings *s = j->live->settings;
	struct plan *p = &j->plans[j->n_plans];

	*p = (struct plan){.claimed = c,
			   .action = PLAN_TELL,
			   .notice = n,
			   .winner = -1,
			   .case_id = n->facts.id,
			   .priority = n->priority,
			   .acknowledge_due = n->status == CASE_OPEN ? n->facts.acknowledge_due_at : WALL_NONE,
			   .resolve_due = n->stands && n->status != CASE_WAITING ? n->facts.resolve_due_at : WALL_NONE,
			   .rule = first_rule(s, n)};
	p->recipients = arena_new_array(j->arena, struct recipient, PLAN_RECIPIENTS_MAX);
	p->owner.person = directory_person(j->live->directory, n->facts.owner);
	p->owner.team = n->facts.team;
	p->held = n->kind == NOTICE_REMINDER || n->kind == NOTICE_WARNED || n->kind == NOTICE_ESCALATED;
	name_mail(j, p, n);
	if (is_news(n) && s->email.set) {
		if (n->kind == NOTICE_UNDELIVERED)
			tell_next(j, p, n);
		else if (n->kind == NOTICE_ESCALATED)
			tell_step(j, p, n);
		else if (n->kind == NOTICE_JOINED || n->kind == NOTICE_AMENDED)
			tell_of_answer(j, p, n);
		else
			tell_owner(j, p, n);
	}
	find_webhooks(j, p, n);
	n->told = p->n_recipients > 0;
	if (p->n_recipients + p->n_webhooks == 0)
		return;
	notice_ask(j, p);
	j->n_plans++;
}
