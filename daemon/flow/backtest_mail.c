/*
 * Mails of a backtest: who gets how many a day, what budgets and quiet hours hold back, what leaves in digests. See backtest.h.
 *
 * The same accounts as in sql/008_budget.sql, a person each, kept in memory: budget_take() is take(), digest_release_one() is release(). What is
 * held always leaves in a digest, since its words are written when it leaves. Reminders and escalations aren't counted: nobody acknowledges in the past.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/backtest_inner.h"
#include "settings/value.h"

#include <stdlib.h>
#include <string.h>

#define HOUR_US (3600 * US_PER_S)
#define DAY_S 86400
#define NEVER INT64_MAX
#define PEOPLE_FIRST 64
#define GAP_S (4 * 3600) /* no clock is moved by more */
#define LOOK_AGAIN_US (30 * US_PER_S)

enum held_for { HELD_BUDGET, HELD_QUIET, HELD_ASKED };

struct held { /* mails of one moment that wait for the same */
	int64_t at;
	enum held_for why;
	bool urgent;
	int n;
};

/* The newest times, as many as the limit needs. */
struct times {
	int64_t *at;
	int n, room;
};

struct account {
	const struct person *person;
	const struct zone *zone;
	struct times left, urgent;
	bool spent, urgent_spent;
	int64_t digest_at, digested_at; /* NEVER; INT64_MIN: not yet */
	struct held *held;
	int n_held, room_held;
};

/* One line of the report: a person, or a team whose members are chosen. */
struct owner {
	const char *id; /* "minsu-kim", "team:cx" */
	int64_t alerts;
	int64_t day; /* of the count; since 1970, in the configured zone */
	int today, peak;
	int64_t over_day; /* the last day that something was held over budget */
	int over;
	int64_t *over_days;
};

struct sim_mail {
	const struct settings *settings;
	struct arena *arena;
	const struct zone *zone; /* of days */
	const struct zone *zones[64];
	int n_zones;
	struct account **slots; /* by the person's address, a power of two */
	int n_slots, n_accounts;
	struct owner *owners;
	int n_owners, room_owners;
	int64_t next; /* the earliest digest_at */
	int64_t mails, digested;
};

/* ---- zones ---- */

static const struct zone *zone_named(struct sim_mail *m, const char *name)
{
	struct zone *z = NULL;
	const char *bytes;
	size_t n;

	for (int i = 0; i < m->n_zones; i++)
		if (strcmp(m->zones[i]->name, name) == 0)
			return m->zones[i];
	if (m->n_zones == (int)ARRAY_SIZE(m->zones) || strcmp(name, zone_utc.name) == 0 ||
	    settings_zone_files.read(name, m->arena, &bytes, &n) < 0 || zone_decode(name, bytes, n, m->arena, &z) < 0)
		return &zone_utc;
	return m->zones[m->n_zones++] = z;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int64_t local_s(const struct zone *z, int64_t us)
{
	int64_t s = floor_div(us, US_PER_S);

	return s + zone_offset(z, s);
}

/* When the clock on the wall shows this; where it is skipped, the end of the gap. */
static int64_t moment_of(const struct zone *z, int64_t local)
{
	int64_t low = local - zone_offset(z, local) - GAP_S, high = low + 2 * GAP_S;

	/* Local time jumps at most once in these hours; the first moment that shows as much or more. */
	while (low < high) {
		int64_t middle = low + (high - low) / 2;

		if (middle + zone_offset(z, middle) >= local)
			high = middle;
		else
			low = middle + 1;
	}
	return low * US_PER_S;
}

/* The end of the quiet hours that a moment lies in; NEVER: it lies in none. */
static int64_t quiet_until(const struct account *a, int64_t us)
{
	int from = a->person->quiet_from, to = a->person->quiet_to, minute;
	int64_t local, day;

	if (from < 0 || from == to)
		return NEVER;
	local = local_s(a->zone, us);
	day = floor_div(local, DAY_S);
	minute = (int)((local - day * DAY_S) / 60);
	if (from < to) {
		if (minute < from || minute >= to)
			return NEVER;
	} else if (minute >= from) {
		day++;
	} else if (minute >= to) {
		return NEVER;
	}
	return moment_of(a->zone, day * DAY_S + to * 60);
}

static int64_t after_quiet(const struct account *a, int64_t us)
{
	int64_t until = quiet_until(a, us);

	return until == NEVER ? us : until;
}

static int64_t full_hour_after(const struct account *a, int64_t us)
{
	return moment_of(a->zone, (floor_div(local_s(a->zone, us), 3600) + 1) * 3600);
}

/* ---- accounts ---- */

static struct account **slot_of(const struct sim_mail *m, const struct person *p)
{
	size_t i = ((uintptr_t)p >> 4) * 31 & (size_t)(m->n_slots - 1);

	while (m->slots[i] && m->slots[i]->person != p)
		i = (i + 1) & (size_t)(m->n_slots - 1);
	return &m->slots[i];
}

static void more_slots(struct sim_mail *m)
{
	struct account **old = m->slots;
	int n = m->n_slots;

	m->n_slots = MAX(n * 2, PEOPLE_FIRST);
	m->slots = xcalloc((size_t)m->n_slots, sizeof(struct account *));
	for (int i = 0; i < n; i++)
		if (old[i])
			*slot_of(m, old[i]->person) = old[i];
	free(old);
}

static struct account *account_of(struct sim_mail *m, const struct person *p)
{
	struct account **slot = slot_of(m, p);

	if (*slot)
		return *slot;
	if (m->n_accounts >= m->n_slots / 2) {
		more_slots(m);
		slot = slot_of(m, p);
	}
	m->n_accounts++;
	*slot = xcalloc(1, sizeof(**slot));
	**slot =
		(struct account){.person = p, .zone = zone_named(m, p->timezone), .digest_at = NEVER, .digested_at = INT64_MIN};
	return *slot;
}

static void times_since(struct times *t, int64_t since)
{
	int gone = 0;

	while (gone < t->n && t->at[gone] <= since)
		gone++;
	if (gone == 0)
		return;
	t->n -= gone;
	memmove(t->at, t->at + gone, sizeof(*t->at) * (size_t)t->n);
}

static void times_add(struct times *t, int64_t at, int limit)
{
	if (limit <= 0)
		return;
	if (t->n >= limit) {
		memmove(t->at, t->at + 1, sizeof(*t->at) * (size_t)(t->n - 1));
		t->n--;
	}
	if (t->n == t->room) {
		t->room = MAX(t->room * 2, 8);
		t->at = xrealloc(t->at, sizeof(*t->at) * (size_t)t->room);
	}
	t->at[t->n++] = at;
}

static void hold(struct account *a, int64_t at, enum held_for why, bool urgent)
{
	struct held *last = a->n_held ? &a->held[a->n_held - 1] : NULL;

	if (last && last->at == at && last->why == why && last->urgent == urgent) {
		last->n++;
		return;
	}
	if (a->n_held == a->room_held) {
		a->room_held = MAX(a->room_held * 2, 8);
		a->held = xrealloc(a->held, sizeof(*a->held) * (size_t)a->room_held);
	}
	a->held[a->n_held++] = (struct held){at, why, urgent, 1};
}

static void digest_by(struct sim_mail *m, struct account *a, int64_t at)
{
	a->digest_at = MIN(a->digest_at, at);
	m->next = MIN(m->next, a->digest_at);
}

/* budget_take() of one mail; true: it is held over budget. */
static bool take(struct sim_mail *m, struct account *a, const struct sim_letter *l)
{
	const struct person *p = a->person;
	bool urgent = l->urgent && !l->asked;
	int64_t quiet;

	times_since(&a->left, l->at - HOUR_US);
	times_since(&a->urgent, l->at - HOUR_US);
	quiet = quiet_until(a, l->at);
	if (l->asked) {
		hold(a, l->at, HELD_ASKED, l->urgent);
		digest_by(m, a, after_quiet(a, full_hour_after(a, l->at)));
	} else if (urgent && p->urgent_per_hour > 0 && (a->urgent_spent || a->urgent.n >= p->urgent_per_hour)) {
		hold(a, l->at, HELD_BUDGET, true);
		a->urgent_spent = true;
		digest_by(m, a, (a->urgent.n ? a->urgent.at[0] : l->at) + HOUR_US);
		return true;
	} else if (!urgent && quiet != NEVER) {
		hold(a, l->at, HELD_QUIET, false);
		digest_by(m, a, quiet);
	} else if (!urgent && p->alerts_per_hour > 0 && (a->spent || a->left.n >= p->alerts_per_hour)) {
		hold(a, l->at, HELD_BUDGET, false);
		a->spent = true;
		digest_by(m, a, after_quiet(a, (a->left.n ? a->left.at[0] : l->at) + HOUR_US));
		return true;
	} else {
		times_add(&a->left, l->at, p->alerts_per_hour);
		if (urgent)
			times_add(&a->urgent, l->at, p->urgent_per_hour);
	}
	return false;
}

/* ---- digests ---- */

struct rooms { /* when there is room again */
	int64_t normal, urgent;
};

static int64_t look_at(const struct account *a, const struct held *h, const struct rooms *room, int64_t now)
{
	int64_t late = MAX(h->at, a->digested_at) + HOUR_US, at;

	if (h->why == HELD_ASKED)
		at = after_quiet(a, MAX(full_hour_after(a, h->at), MIN(room->normal, late)));
	else if (h->urgent)
		at = room->urgent;
	else
		at = after_quiet(a, MIN(room->normal, late));
	return MAX(at, now + LOOK_AGAIN_US);
}

static bool somebody_waits_long(const struct account *a, int64_t now)
{
	if (a->digested_at != INT64_MIN && a->digested_at > now - HOUR_US)
		return false;
	for (int i = 0; i < a->n_held; i++)
		if ((!a->held[i].urgent || a->held[i].why == HELD_ASKED) && a->held[i].at <= now - HOUR_US)
			return true;
	return false;
}

/* What stays, and when it is looked at. */
static void plan_rest(struct account *a, int64_t now)
{
	const struct person *p = a->person;
	struct rooms room = {now, now};

	if (p->alerts_per_hour > 0 && a->left.n >= p->alerts_per_hour)
		room.normal = a->left.at[0] + HOUR_US;
	if (p->urgent_per_hour > 0 && a->urgent.n >= p->urgent_per_hour)
		room.urgent = a->urgent.at[0] + HOUR_US;
	a->digest_at = NEVER;
	a->spent = a->urgent_spent = false;
	for (int i = 0; i < a->n_held; i++) {
		const struct held *h = &a->held[i];

		a->digest_at = MIN(a->digest_at, look_at(a, h, &room, now));
		a->spent |= h->why == HELD_BUDGET && !h->urgent;
		a->urgent_spent |= h->why == HELD_BUDGET && h->urgent;
	}
}

/* digest_release_one() */
static void release(struct sim_mail *m, struct account *a, int64_t now)
{
	const struct person *p = a->person;
	int64_t hour_began = full_hour_after(a, now) - HOUR_US;
	bool allowed, urgent_allowed, has_urgent = false, has_other = false;
	int kept = 0, gone = 0;

	times_since(&a->left, now - HOUR_US);
	times_since(&a->urgent, now - HOUR_US);
	allowed = quiet_until(a, now) == NEVER &&
		  (p->alerts_per_hour == 0 || a->left.n < p->alerts_per_hour || somebody_waits_long(a, now));
	urgent_allowed = p->urgent_per_hour == 0 || a->urgent.n < p->urgent_per_hour;
	for (int i = 0; i < a->n_held; i++) {
		const struct held h = a->held[i];
		bool asked = h.why == HELD_ASKED, leaves = h.urgent && !asked ? urgent_allowed : allowed;

		if (!leaves || (asked && h.at >= hour_began)) {
			a->held[kept++] = h;
			continue;
		}
		has_urgent |= h.urgent;
		has_other |= !h.urgent;
		gone += h.n;
	}
	a->n_held = kept;
	m->digested += gone;
	if (gone) {
		times_add(&a->left, now, p->alerts_per_hour);
		if (has_urgent)
			times_add(&a->urgent, now, p->urgent_per_hour);
		a->digested_at = has_other ? now : a->digested_at;
	}
	plan_rest(a, now);
}

void sim_mail_until(struct sim_mail *m, int64_t now_us)
{
	while (m->next <= now_us) {
		int64_t at = m->next;

		m->next = NEVER;
		for (int i = 0; i < m->n_slots; i++) {
			struct account *a = m->slots[i];

			if (a && a->digest_at <= at)
				release(m, a, at);
			if (a)
				m->next = MIN(m->next, a->digest_at);
		}
	}
}

/* ---- lines of the report ---- */

static struct owner *owner_of(struct sim_mail *m, const struct sim_letter *l)
{
	const char *name = l->team ? l->team : l->person->id;
	size_t skip = l->team ? strlen("team:") : 0;

	for (int i = 0; i < m->n_owners; i++)
		if ((strncmp(m->owners[i].id, "team:", 5) == 0) == (l->team != NULL) &&
		    strcmp(m->owners[i].id + skip, name) == 0)
			return &m->owners[i];
	if (m->n_owners == m->room_owners) {
		m->room_owners = MAX(m->room_owners * 2, 16);
		m->owners = xrealloc(m->owners, sizeof(*m->owners) * (size_t)m->room_owners);
	}
	m->owners[m->n_owners] = (struct owner){
		.id = arena_printf(m->arena, "%s%s", l->team ? "team:" : "", name), .day = INT64_MIN, .over_day = INT64_MIN};
	return &m->owners[m->n_owners++];
}

void sim_mail_send(struct sim_mail *m, const struct sim_letter *l)
{
	struct account *a = account_of(m, l->person);
	struct owner *o = owner_of(m, l);
	int64_t day = floor_div(local_s(m->zone, l->at), DAY_S);

	m->mails++;
	o->alerts++;
	o->today = o->day == day ? o->today + 1 : 1;
	o->day = day;
	o->peak = MAX(o->peak, o->today);
	if (take(m, a, l) && o->over_day != day) {
		o->over_day = day;
		if (o->over % 16 == 0)
			o->over_days = xrealloc(o->over_days, sizeof(*o->over_days) * (size_t)(o->over + 16));
		o->over_days[o->over++] = day;
	}
}

/* ---- the whole ---- */

struct sim_mail *sim_mail_new(const struct settings *settings, struct arena *arena)
{
	struct sim_mail *m = xcalloc(1, sizeof(*m));

	m->settings = settings;
	m->arena = arena;
	m->next = NEVER;
	more_slots(m);
	m->zone = zone_named(m, settings->timezone);
	return m;
}

struct sim_mail *sim_mail_free(struct sim_mail *m)
{
	if (m) {
		for (int i = 0; i < m->n_slots; i++) {
			struct account *a = m->slots[i];

			if (!a)
				continue;
			free(a->left.at);
			free(a->urgent.at);
			free(a->held);
			free(a);
		}
		for (int i = 0; i < m->n_owners; i++)
			free(m->owners[i].over_days);
		free(m->owners);
		free(m->slots);
		free(m);
	}
	return NULL;
}

static int by_alerts(const void *pa, const void *pb)
{
	const struct backtest_owner *a = pa, *b = pb;

	if (a->alerts != b->alerts)
		return a->alerts < b->alerts ? 1 : -1;
	return strcmp(a->id, b->id);
}

void sim_mail_report(struct sim_mail *m, struct backtest_side *side, struct arena *arena)
{
	struct backtest_owner *owners = arena_new_array(arena, struct backtest_owner, (size_t)m->n_owners + 1);

	/* What is still held leaves together some time. */
	for (int i = 0; i < m->n_slots; i++)
		for (int k = 0; m->slots[i] && k < m->slots[i]->n_held; k++)
			m->digested += m->slots[i]->held[k].n;
	for (int i = 0; i < m->n_owners; i++) {
		const struct owner *o = &m->owners[i];

		owners[i] = (struct backtest_owner){.id = o->id, .alerts = o->alerts, .peak = o->peak, .n_over = o->over};
		if (o->over)
			owners[i].over = arena_memdup(arena, o->over_days, sizeof(*o->over_days) * (size_t)o->over);
	}
	if (m->n_owners > 1)
		qsort(owners, (size_t)m->n_owners, sizeof(*owners), by_alerts);
	side->owners = owners;
	side->n_owners = m->n_owners;
	side->mails = m->mails;
	side->digested = m->digested;
}
