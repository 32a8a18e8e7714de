/*
 * A digest as one message: lines of the database, with the words of their responses; see release.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"
#include "flow/release.h"
#include "settings/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_BYTES_MAX (4 * 1024 * 1024)

static const struct response *find_response(const struct digest_round *d, int64_t id)
{
	static const struct response nothing = {.nps = SCORE_MISSING, .csat = SCORE_MISSING, .ces = SCORE_MISSING};

	for (int i = 0; i < d->n_responses; i++)
		if (d->responses[i].response.id == id)
			return &d->responses[i].response;
	return &nothing; /* erased meanwhile */
}

static enum alert_kind line_kind(const struct budget_line *l)
{
	static const struct {
		const char *kind, *step;
		enum alert_kind alert;
	} kinds[] = {
		{"case.opened", "forwarded", ALERT_FORWARDED}, {"case.assigned", NULL, ALERT_ASSIGNED},
		{"case.amended", "joined", ALERT_JOINED},      {"case.amended", NULL, ALERT_AMENDED},
		{"case.reminder", "warning", ALERT_WARNING},   {"case.reminder", NULL, ALERT_REMINDER},
		{"case.escalated", NULL, ALERT_ESCALATED},     {"case.waiting", NULL, ALERT_WAITING_OVER},
		{"case.reopened", NULL, ALERT_REOPENED},       {"case.outcome", NULL, ALERT_OUTCOME},
		{"praise.received", NULL, ALERT_PRAISE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (str_eq(l->kind, kinds[i].kind) &&
		    (!kinds[i].step || (l->step && strncmp(l->step, kinds[i].step, strlen(kinds[i].step)) == 0)))
			return kinds[i].alert;
	return ALERT_OPENED;
}

/* "reminder-2" */
static int reminder_number(const char *step)
{
	static const char prefix[] = "reminder-";

	return step && strncmp(step, prefix, sizeof(prefix) - 1) == 0 ? atoi(step + sizeof(prefix) - 1) : 0;
}

static int64_t left_s(const struct digest_round *d, struct wall_time due)
{
	return wall_is_set(due) ? (due.us - d->now.us) / US_PER_S : 0;
}

static struct digest_line line_of(const struct digest_round *d, const struct digest_job *job, int i)
{
	const struct settings *s = d->live->settings;
	const struct budget_line *l = &job->found.lines[i];
	const struct response *r = find_response(d, l->response_id);
	const struct person *owner = l->owner ? directory_person(d->live->directory, l->owner) : NULL;
	enum language language = job->person->language;
	struct digest_line line = {
		.kind = line_kind(l),
		.case_id = l->case_id,
		.priority = l->priority,
		.status = l->status,
		.is_owner = str_eq(l->owner, job->person->id),
		.owner_name = owner ? owner->name : l->owner,
		.customer_name = r->customer_name,
		.customer_id = r->customer_id,
		.contact_requested = r->contact_requested,
		.comment = r->comment,
		.acknowledge_left_s = left_s(d, l->acknowledge_due),
		.resolve_left_s = left_s(d, l->resolve_due),
	};

	line.scored = response_score(r, s->scales, s->n_scales, &line.score);
	line.account = r->account_name ? r->account_name
		       : r->account    ? settings_label(s, LABEL_ACCOUNT, r->account, language)
				       : NULL;
	line.touchpoint = r->touchpoint ? settings_label(s, LABEL_TOUCHPOINT, r->touchpoint, language) : NULL;
	if (line.kind == ALERT_REMINDER && l->remind_at_most > 0) {
		line.n = reminder_number(l->step);
		line.of = l->remind_at_most;
	}
	if (wall_is_set(l->acknowledge_due))
		line.acknowledge_due = job->due[2 * i];
	if (wall_is_set(l->resolve_due))
		line.resolve_due = job->due[2 * i + 1];
	return line;
}

static struct digest digest_of(struct digest_round *d, const struct digest_job *job)
{
	const struct settings *s = d->live->settings;
	struct digest_line *lines = arena_new_array(d->arena, struct digest_line, (size_t)MAX(job->found.n, 1));
	struct digest out = {
		.message_id = job->id,
		.language = job->person->language,
		.instance = s->instance,
		.person_id = job->person->id,
		.person_name = job->person->name,
		.person_address = job->person->email,
		.why = job->why,
		.alerts_per_hour = job->person->alerts_per_hour,
		.lines = lines,
		.n_lines = job->found.n,
		.n_total = job->found.total,
		.n_due_today = job->found.due_today,
		.n_overdue = job->found.overdue,
		.inbox_url = link_url(s, job->person, 0, 0, d->now, d->arena),
		.reply_to = s->email.reply_to,
		.minimal = s->email.content == CONTENT_MINIMAL,
	};

	for (int i = 0; i < job->found.n; i++) {
		lines[i] = line_of(d, job, i);
		if (out.inbox_url && lines[i].case_id)
			lines[i].case_url = arena_printf(d->arena, "%s?case=%lld", out.inbox_url, (long long)lines[i].case_id);
	}
	if (s->delivery == DELIVER_REDIRECT) {
		out.redirected_from = out.person_address;
		out.person_address = s->redirect_to;
	}
	return out;
}

int digest_compose(struct digest_round *d, const struct digest_job *job, struct outbox_message *ret)
{
	const struct settings *s = d->live->settings;
	struct digest digest = digest_of(d, job);
	struct mail_text text CLEANUP(mail_text_fini) = {0};
	struct buf out = BUF_INIT(DIGEST_BYTES_MAX);
	char id[UUID_TEXT_BYTES];
	bool fallback = false;
	int r;

	r = digest_render(d->live->templates, s, &digest, &text, &fallback);
	if (r == 0)
		r = digest_message(s, &digest, &text, d->now, &out);
	if (r == 0 && out.overflow)
		r = -EMSGSIZE;
	d->fallbacks += fallback;
	*ret = (struct outbox_message){
		.id = job->id,
		.kind = job->why == DIGEST_MORNING ? "morning" : "digest",
		.step = job->why == DIGEST_DUE ? "due" : NULL,
		.endpoint = ENDPOINT_EMAIL,
		.recipient = job->person->id,
		.address = digest.person_address,
		.payload = arena_strndup(d->arena, buf_str(&out), out.n),
		.payload_bytes = out.n,
		.dedup_key = arena_printf(d->arena, "digest:%s:%s", job->person->id, uuid_text(&job->id, id)),
		.queued_at = WALL_NONE,
	};
	buf_fini(&out);
	return r;
}
