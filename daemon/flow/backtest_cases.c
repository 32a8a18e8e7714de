/*
 * Cases of a backtest: does a response open one, join one, come back to one? See backtest.h.
 *
 * merge_decide() decides, as in the daemon; here are the cases that it chooses from. Nobody works in the past, so the end of a case is
 * assumed: when the real case that the same response opened was resolved, else when its follow_up promises to. A case is forgotten when nothing
 * can come back to it any more. Customers are known by a hash of 64 bits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/backtest_inner.h"

#include "base/escape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CASES_FIRST 1024
#define LATER_US INT64_C(20000) /* 2.7 years fit */
#define ENDS_ALIKE 8
#define STANDING_MOST 20 /* as many as the daemon looks at */
#define NEVER INT64_MAX
#define LOW_LEVEL (SIM_BEST * 6 / 10) /* closeloop.is_worse() */

struct sim_case {
	uint64_t customer;      /* 0: none */
	int64_t opened, end;    /* us; end NEVER: not resolved */
	uint32_t later;         /* when its last response was given, after the opening, in LATER_US; rounded down */
	int32_t of_customer;    /* the next older one in the same slot; -1: none */
	struct sim_score worst; /* of its responses */
	uint16_t holder;
	int8_t priority;
	bool dismissed : 1; /* nothing comes back to it */
	bool contact : 1;   /* was asked for */
};

/* Beside it, where accounts matter. */
struct sim_account {
	uint64_t account; /* 0: none */
	int32_t of_account;
};

struct sim_holder { /* whose cases are */
	const struct person *person;
	const char *team; /* that it was found through; NULL */
};
#define HOLDERS_MAX UINT16_MAX

struct sim_end { /* cases of somebody are done then: their load falls */
	int64_t at;
	int *load;
	int n;
};

struct sim_cases {
	const struct case_settings *settings;
	struct rehearsal *rehearsal;
	bool by_account;   /* cases are found by their account, too */
	int64_t window_us; /* of the longest history.cases() */
	struct sim_case *cases;
	struct sim_account *of_accounts; /* NULL: nobody asks */
	int32_t n, room;
	int32_t *customers, *accounts; /* slots: the newest case */
	int32_t n_slots;               /* of each; a power of two */
	struct sim_holder *holders;
	int n_holders, room_holders;
	struct sim_end *ends; /* a heap: the earliest first */
	int n_ends, room_ends;
};

/* ---- the table ---- */

static int32_t *slot_of(const struct sim_cases *s, int32_t *slots, uint64_t key)
{
	return &slots[(key ^ key >> 32) & (uint64_t)(s->n_slots - 1)];
}

static void link_case(struct sim_cases *s, int32_t i)
{
	int32_t *slot = slot_of(s, s->customers, s->cases[i].customer);

	s->cases[i].of_customer = *slot;
	*slot = i;
	if (!s->of_accounts)
		return;
	slot = slot_of(s, s->accounts, s->of_accounts[i].account);
	s->of_accounts[i].of_account = *slot;
	*slot = i;
}

static void set_room(struct sim_cases *s, int32_t room)
{
	s->room = room;
	s->cases = xrealloc(s->cases, sizeof(*s->cases) * (size_t)room);
	while (s->n_slots < room)
		s->n_slots = MAX(s->n_slots * 2, CASES_FIRST);
	s->customers = xrealloc(s->customers, sizeof(*s->customers) * (size_t)s->n_slots);
	memset(s->customers, 0xff, sizeof(*s->customers) * (size_t)s->n_slots);
	if (!s->by_account)
		return;
	s->of_accounts = xrealloc(s->of_accounts, sizeof(*s->of_accounts) * (size_t)room);
	s->accounts = xrealloc(s->accounts, sizeof(*s->accounts) * (size_t)s->n_slots);
	memset(s->accounts, 0xff, sizeof(*s->accounts) * (size_t)s->n_slots);
}

static int64_t last_of(const struct sim_case *c)
{
	return c->opened + c->later * LATER_US;
}

static void set_last(struct sim_case *c, int64_t at)
{
	int64_t later = (at - c->opened) / LATER_US;

	if (later > c->later)
		c->later = (uint32_t)MIN(later, UINT32_MAX);
}

/* Nothing can come back to it from now on. */
static bool is_over(const struct sim_cases *s, const struct sim_case *c, int64_t now)
{
	const struct case_settings *set = s->settings;

	return (c->end <= now || last_of(c) + LATER_US + set->merge_within_s * US_PER_S < now) &&
	       (c->end == NEVER || c->dismissed || c->end + set->outcome_within_s * US_PER_S < now) &&
	       c->opened + set->cooldown_s * US_PER_S < now && c->opened + s->window_us < now;
}

/* Forgets what is over; grows when that wasn't enough. */
static void make_room(struct sim_cases *s, int64_t now)
{
	int32_t kept = 0;

	for (int32_t i = 0; i < s->n; i++) {
		if (is_over(s, &s->cases[i], now))
			continue;
		if (s->of_accounts)
			s->of_accounts[kept] = s->of_accounts[i];
		s->cases[kept++] = s->cases[i];
	}
	s->n = kept;
	set_room(s, s->n > s->room / 4 * 3 ? s->room / 4 * 5 : s->room);
	for (int32_t i = 0; i < s->n; i++)
		link_case(s, i);
}

struct sim_cases *sim_cases_new(const struct settings *settings, struct rehearsal *rehearsal)
{
	struct sim_cases *s = xcalloc(1, sizeof(*s));
	const struct history_need *needs;
	int n = ruleset_history(settings->ruleset, &needs);

	s->settings = &settings->cases;
	s->rehearsal = rehearsal;
	for (int i = 0; i < n; i++)
		if (needs[i].what == HISTORY_CASES) {
			s->window_us = MAX(s->window_us, needs[i].window_us);
			s->by_account |= needs[i].of == PER_ACCOUNT;
		}
	s->by_account |= s->settings->merge_by == MERGE_BY_ACCOUNT;
	set_room(s, CASES_FIRST);
	make_room(s, 0);
	return s;
}

struct sim_cases *sim_cases_free(struct sim_cases *s)
{
	if (s) {
		free(s->cases);
		free(s->of_accounts);
		free(s->customers);
		free(s->accounts);
		free(s->holders);
		free(s->ends);
		free(s);
	}
	return NULL;
}

int64_t sim_cases_memory_us(const struct sim_cases *s)
{
	int64_t longest_s = MAX(MAX(s->settings->merge_within_s, s->settings->outcome_within_s), s->settings->cooldown_s);

	return MAX(longest_s * US_PER_S, s->window_us);
}

uint64_t sim_key_of(const char *text)
{
	return text ? (uint64_t)case_customer_key(text) | 1 : 0;
}

uint64_t sim_key(const char *text)
{
	return str_blank(text) ? 0 : sim_key_of(text);
}

static struct sim_score score_of(int question, double level)
{
	return (struct sim_score){(uint8_t)question, (uint16_t)lround(MIN(MAX(level, 0), 1) * SIM_BEST)};
}

/* As closeloop.score_levels(): from 0, the worst, to 1. */
struct sim_score sim_score_of(const struct response *r, const struct scale *scales, int n_scales)
{
	double sum = 0;

	if (r->nps != SCORE_MISSING)
		return score_of(1, (double)r->nps / 10);
	if (r->csat != SCORE_MISSING)
		return score_of(2, (double)(r->csat - 1) / 4);
	if (r->ces != SCORE_MISSING)
		return score_of(3, (double)(r->ces - 1) / 6);
	for (int i = 0; i < r->n_ratings; i++)
		sum += rating_stars(&r->ratings[i], scales, n_scales);
	return r->n_ratings ? score_of(4, (sum / r->n_ratings - 1) / 4) : (struct sim_score){0};
}

/* ---- whose they are ---- */

/* The newest first: most cases of a while go to few people. Past the most there are, the last is everybody else. */
static uint16_t holder_of(struct sim_cases *s, const struct person *person, const char *team)
{
	for (int i = 0; i < s->n_holders; i++)
		if (s->holders[i].person == person && str_eq(s->holders[i].team, team))
			return (uint16_t)i;
	if (s->n_holders == s->room_holders) {
		s->room_holders = MAX(s->room_holders * 2, 32);
		s->holders = xrealloc(s->holders, sizeof(*s->holders) * (size_t)s->room_holders);
	}
	if (s->n_holders == HOLDERS_MAX)
		return HOLDERS_MAX - 1;
	s->holders[s->n_holders] = (struct sim_holder){person, team};
	return (uint16_t)s->n_holders++;
}

/* ---- loads ---- */

static void add_end(struct sim_cases *s, int64_t at, int *load)
{
	int i;

	/* Of a storm that came at one moment: the last ones lie at the end. */
	for (i = s->n_ends - 1; i >= MAX(s->n_ends - ENDS_ALIKE, 0); i--)
		if (s->ends[i].at == at && s->ends[i].load == load) {
			s->ends[i].n++;
			return;
		}
	i = s->n_ends++;
	if (s->n_ends > s->room_ends) {
		s->room_ends = MAX(s->room_ends / 4 * 5, 256);
		s->ends = xrealloc(s->ends, sizeof(*s->ends) * (size_t)s->room_ends);
	}
	for (; i > 0 && s->ends[(i - 1) / 2].at > at; i = (i - 1) / 2)
		s->ends[i] = s->ends[(i - 1) / 2];
	s->ends[i] = (struct sim_end){at, load, 1};
}

static void take_first_end(struct sim_cases *s)
{
	const struct sim_end last = s->ends[--s->n_ends];
	int i = 0;

	for (int child; (child = 2 * i + 1) < s->n_ends; i = child) {
		child += child + 1 < s->n_ends && s->ends[child + 1].at < s->ends[child].at;
		if (s->ends[child].at >= last.at)
			break;
		s->ends[i] = s->ends[child];
	}
	s->ends[i] = last;
}

/* It counts among somebody's open cases from now until its end. */
static void count_load(struct sim_cases *s, const struct person *owner, int64_t end, bool counted)
{
	int *load = owner ? rehearsal_load(s->rehearsal, owner->id) : NULL;

	if (!load)
		return;
	*load += !counted;
	if (end != NEVER)
		add_end(s, end, load);
}

static void uncount(struct sim_cases *s, const struct person *owner)
{
	int *load = owner ? rehearsal_load(s->rehearsal, owner->id) : NULL;

	if (load)
		--*load;
}

void sim_cases_until(struct sim_cases *s, int64_t now)
{
	while (s->n_ends && s->ends[0].at <= now) {
		*s->ends[0].load -= s->ends[0].n;
		take_first_end(s);
	}
}

/* ---- what a response comes to ---- */

static void add_case(struct sim_cases *s, const struct sim_case *c, uint64_t account, int64_t now)
{
	if (s->n == s->room)
		make_room(s, now);
	s->cases[s->n] = *c;
	if (s->of_accounts)
		s->of_accounts[s->n] = (struct sim_account){account, -1};
	link_case(s, s->n);
	s->n++;
}

/* Those of a key, the newest first; i: where to look, -1 at the end. */
static int32_t find_key(const struct sim_cases *s, int32_t i, uint64_t key, bool account)
{
	while (i >= 0 && (account ? s->of_accounts[i].account : s->cases[i].customer) != key)
		i = account ? s->of_accounts[i].of_account : s->cases[i].of_customer;
	return i;
}

static int32_t first_of(const struct sim_cases *s, uint64_t key, bool account)
{
	return key ? find_key(s, *slot_of(s, account ? s->accounts : s->customers, key), key, account) : -1;
}

static int32_t next_of(const struct sim_cases *s, int32_t i, uint64_t key, bool account)
{
	return find_key(s, account ? s->of_accounts[i].of_account : s->cases[i].of_customer, key, account);
}

static struct merge_case seen(const struct sim_cases *s, int32_t i, enum merge_what what)
{
	const struct sim_case *c = &s->cases[i];
	const struct sim_holder *h = &s->holders[c->holder];
	const char *owner = h->person ? h->person->id : NULL;

	return (struct merge_case){.what = what,
				   .id = i + 1,
				   .owner = owner,
				   .first_owner = owner,
				   .team = h->team,
				   .priority = (enum priority)c->priority,
				   .opened_at = {c->opened},
				   .last_response_at = {last_of(c)}};
}

/* As closeloop.merge_look(). */
static int gather(const struct sim_cases *s, const struct sim_response *r, struct merge_case *ret)
{
	const struct case_settings *set = s->settings;
	bool account = set->merge_by == MERGE_BY_ACCOUNT;
	uint64_t key = account ? r->account : r->customer;
	int32_t solved = -1;
	bool cooling = set->cooldown_s > 0;
	int n = 0;

	for (int32_t i = first_of(s, key, account); i >= 0; i = next_of(s, i, key, account)) {
		const struct sim_case *c = &s->cases[i];

		if (cooling && c->opened > r->at - set->cooldown_s * US_PER_S) {
			ret[n++] = seen(s, i, MERGE_RECENT);
			cooling = false; /* the newest one is the first */
		}
		if (set->merge_within_s > 0 && c->end > r->at && n <= STANDING_MOST)
			ret[n++] = seen(s, i, MERGE_STANDS);
	}
	for (int32_t i = first_of(s, r->customer, false); i >= 0; i = next_of(s, i, r->customer, false)) {
		const struct sim_case *c = &s->cases[i];

		if (!c->dismissed && c->end < r->at && c->end >= r->at - set->outcome_within_s * US_PER_S &&
		    (solved < 0 || c->end > s->cases[solved].end))
			solved = i;
	}
	if (solved >= 0)
		ret[n++] = seen(s, solved, MERGE_SOLVED);
	return n;
}

/* closeloop.is_worse() */
static bool is_worse(const struct sim_score *was, const struct sim_score *now)
{
	if (!now->question)
		return false;
	return was->question ? now->level < was->level : now->level <= LOW_LEVEL;
}

/* The owner hears of it again only when something got worse. */
static enum sim_effect join(struct sim_case *c, const struct sim_response *r)
{
	bool worse = is_worse(&c->worst, &r->score);
	bool tell = worse || r->priority > (enum priority)c->priority || (r->contact && !c->contact);

	set_last(c, r->at);
	c->priority = (int8_t)MAX((int)c->priority, (int)r->priority);
	c->contact |= r->contact;
	if (worse)
		c->worst = r->score;
	return tell ? SIM_JOINED_WORSE : SIM_JOINED;
}

static enum sim_effect reopen(struct sim_cases *s, struct sim_case *c, const struct sim_response *r)
{
	set_last(c, r->at);
	c->end = r->promised;
	c->priority = (int8_t)MAX((int)c->priority, (int)r->priority);
	c->contact |= r->contact;
	c->worst = r->score;
	count_load(s, s->holders[c->holder].person, c->end, false);
	return SIM_REOPENED;
}

static void open_case(struct sim_cases *s, const struct sim_response *r, const struct sim_holder *h)
{
	const struct sim_case fresh = {.customer = r->customer,
				       .opened = r->at,
				       .end = r->end,
				       .holder = holder_of(s, h->person, h->team),
				       .worst = r->score,
				       .priority = (int8_t)r->priority,
				       .contact = r->contact};

	if (r->customer || r->account)
		add_case(s, &fresh, r->account, r->at);
}

enum sim_effect sim_cases_take(struct sim_cases *s, const struct sim_response *r, const struct person **ret_owner,
			       const char **ret_team)
{
	struct merge_case cases[STANDING_MOST + 3];
	const struct merge_ask ask = {.cases = cases,
				      .n = gather(s, r, cases),
				      .now = {r->at},
				      .responded_at = {r->at},
				      .owner = r->owner,
				      .priority = r->priority,
				      .contact_requested = r->contact};
	const struct merge_answer a = merge_decide(s->settings, &ask);
	struct sim_case *to = a.to ? &s->cases[a.to->id - 1] : NULL;
	struct sim_holder h = {r->owner->person, r->owner->team};
	bool theirs = true;

	if (a.action != MERGE_OPEN || a.takes_owner) {
		theirs = a.action == MERGE_OPEN && s->holders[to->holder].person == h.person;
		h = s->holders[to->holder].person || a.action != MERGE_OPEN ? s->holders[to->holder] : h;
	}
	*ret_owner = h.person;
	*ret_team = h.team;
	if (a.action != MERGE_OPEN)
		rehearse_undo(s->rehearsal);
	switch (a.action) {
	case MERGE_JOIN: return join(to, r);
	case MERGE_REOPEN: return reopen(s, to, r);
	case MERGE_COOL: return SIM_COOLED;
	case MERGE_OPEN: break;
	}
	if (a.takes_owner && !theirs)
		uncount(s, r->owner->person);
	count_load(s, h.person, r->end, !a.takes_owner || theirs);
	open_case(s, r, &h);
	return SIM_OPENED;
}

void sim_cases_seed(struct sim_cases *s, const struct sim_response *r, int64_t last_us, bool dismissed)
{
	struct sim_case c = {.customer = r->customer,
			     .opened = r->at,
			     .end = r->end,
			     .holder = holder_of(s, r->owner->person, r->owner->team),
			     .worst = r->score,
			     .priority = (int8_t)r->priority,
			     .dismissed = dismissed,
			     .contact = r->contact};

	set_last(&c, last_us);
	if (c.end > last_us)
		count_load(s, r->owner->person, c.end, false);
	add_case(s, &c, r->account, r->at);
}

double sim_cases_count(const struct sim_cases *s, uint64_t key, bool account, int64_t from_us)
{
	int64_t n = 0;

	for (int32_t i = first_of(s, key, account); i >= 0; i = next_of(s, i, key, account))
		n += s->cases[i].opened >= from_us;
	return (double)MIN(n, HISTORY_MOST);
}
