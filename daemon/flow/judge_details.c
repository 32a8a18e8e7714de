/*
 * The judge, for the history: what was found and why, as JSON of the event that tells of a decision, and of a changed answer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "flow/judge.h"

#include <math.h>

#define FACTS_BYTES_MAX (8 * 1024 * 1024)

static void put_text_field(struct buf *b, const char *name, const char *value)
{
	buf_puts(b, b->n > 1 ? ",\"" : "\"");
	buf_puts(b, name);
	buf_puts(b, "\":");
	json_put_string(b, value);
}

/* The entries of the owner chain that led to nobody before one did: `closeloop explain` shows them. */
static void put_tried(struct buf *b, const struct plan *p)
{
	bool first = true;

	for (int i = 0; i < p->n_trail; i++) {
		const struct owner_found *f = &p->trail[i];

		if (f->person)
			continue;
		buf_printf(b, "%s{\"target\":", first ? ",\"tried\":[" : ",");
		first = false;
		json_put_string(b, f->target->text);
		if (f->value)
			put_text_field(b, "value", f->value);
		put_text_field(b, "why", f->why_not);
		buf_putc(b, '}');
	}
	if (!first)
		buf_putc(b, ']');
}

/* "budget":{"minsu":[4,10]}: the fourth mail of ten in an hour. */
static void put_budget(struct buf *b, const struct plan *p)
{
	bool first = true;

	for (int i = 0; i < p->n_recipients; i++) {
		const struct recipient *to = &p->recipients[i];

		if (to->most == 0 || (to->held_for && !str_eq(to->held_for, "budget")))
			continue;
		buf_puts(b, first ? ",\"budget\":{" : ",");
		first = false;
		json_put_string(b, to->person->id);
		buf_printf(b, ":[%d,%d]", to->nth, to->most);
	}
	if (!first)
		buf_putc(b, '}');
}

/* The case that this one met, and why it was not joined. */
static void put_merge(struct buf *b, const struct plan *p)
{
	if (p->linked_to)
		buf_printf(b, ",\"linked_to\":%lld", (long long)p->linked_to);
	if (!p->merge_why_not)
		return;
	buf_printf(b, ",\"not_joined\":{\"why\":\"%s\"", p->merge_why_not);
	if (p->merge_case)
		buf_printf(b, ",\"case\":%lld", (long long)p->merge_case->id);
	if (p->merge_case && p->merge_case->owner)
		put_text_field(b, "owner", p->merge_case->owner);
	buf_putc(b, '}');
}

const char *judge_event_details(struct judge *j, const struct plan *p)
{
	char room[512] = "";
	struct buf b = BUF_ON(room, FACTS_BYTES_MAX);
	const char *text;

	buf_putc(&b, '{');
	put_text_field(&b, "rule", p->rule->id);
	put_text_field(&b, "owner", p->owner.person ? p->owner.person->id : NULL);
	put_text_field(&b, "through", p->owner.target ? p->owner.target->text : NULL);
	put_text_field(&b, "value", p->owner.value);
	if (p->owner.instead_of)
		put_text_field(&b, "instead_of", p->owner.instead_of->id);
	if (p->owner.all_away)
		buf_puts(&b, ",\"all_away\":true");
	put_tried(&b, p);
	put_budget(&b, p);
	if (p->action == PLAN_OPEN)
		put_merge(&b, p);
	buf_putc(&b, '}');
	text = arena_strndup(j->arena, buf_str(&b), b.n);
	buf_fini(&b);
	return text;
}

int32_t judge_version(const struct judge *j, const struct plan *p)
{
	const struct follow_up *f = p->rule ? p->rule->follow_up : NULL;

	return f ? j->live->follow_up_versions[f - j->live->settings->follow_ups] : 0;
}

struct case_amending judge_amending(struct judge *j, const struct plan *p)
{
	const struct response *r = &p->claimed->response;
	struct buf b = BUF_INIT(2 * FACTS_BYTES_MAX), facts = BUF_INIT(FACTS_BYTES_MAX);
	struct case_amending a = {.case_id = p->claimed->case_id, .response_id = r->id};
	bool matches = p->rule && p->rule->kind == RULE_CASE;
	int n = 0;

	buf_printf(&b, "{\"matches\":%s,\"expected_version\":%d", matches ? "true" : "false", p->case_version);
	if (matches)
		buf_printf(&b, ",\"priority\":\"%s\"", priority_name(p->priority));
	if (matches && judge_version(j, p))
		buf_printf(&b, ",\"version\":%d", judge_version(j, p));
	buf_puts(&b, ",\"rules\":[");
	for (int i = 0; p->results && i < j->live->settings->n_rules; i++)
		if (p->results[i] == TRI_TRUE && j->live->settings->rules[i].kind != RULE_IGNORE) {
			buf_puts(&b, n++ ? "," : "");
			json_put_string(&b, j->live->settings->rules[i].id);
		}
	buf_puts(&b, "]}");
	a.verdict = arena_strndup(j->arena, buf_str(&b), b.n);

	buf_reset(&b);
	ruleset_facts_json(j->live->settings->ruleset, r, &facts);
	buf_printf(&b, "{\"facts\":%s,\"answer\":%s", buf_str(&facts), judge_answer(j, r));
	put_text_field(&b, "row_version", p->claimed->row_version);
	put_text_field(&b, "ruleset", j->live->settings->sha256);
	buf_putc(&b, '}');
	a.seen = arena_strndup(j->arena, buf_str(&b), b.n);
	buf_fini(&facts);
	buf_fini(&b);
	return a;
}

static void put_words(struct buf *b, const char *comment)
{
	uint64_t key = case_customer_key(comment);
	char hex[16];

	for (int i = 15; i >= 0; i--, key >>= 4)
		hex[i] = "0123456789abcdef"[key & 15];
	buf_puts(b, ",\"words\":\"");
	buf_add(b, hex, sizeof(hex));
	buf_putc(b, '"');
}

/* Scores, the wish for contact, and a fingerprint of the words: what a mail about a change speaks of. */
const char *judge_answer(struct judge *j, const struct response *r)
{
	const struct {
		const char *name;
		int score;
	} scores[] = {{"nps", r->nps}, {"csat", r->csat}, {"ces", r->ces}};
	char room[512] = "";
	struct buf b = BUF_ON(room, FACTS_BYTES_MAX);
	const char *text;
	int n = 0;

	buf_puts(&b, r->contact_requested ? "{\"contact_requested\":true" : "{\"contact_requested\":false");
	for (size_t i = 0; i < ARRAY_SIZE(scores); i++)
		if (scores[i].score != SCORE_MISSING) {
			buf_puts(&b, ",\"");
			buf_puts(&b, scores[i].name);
			buf_puts(&b, "\":");
			buf_put_int(&b, scores[i].score);
		}
	for (int i = 0; i < r->n_ratings; i++)
		if (isfinite(r->ratings[i].value)) {
			buf_puts(&b, n++ ? "," : ",\"ratings\":{");
			json_put_string(&b, r->ratings[i].name);
			buf_printf(&b, ":%.15g", r->ratings[i].value);
		}
	if (n)
		buf_putc(&b, '}');
	if (r->comment && *r->comment)
		put_words(&b, r->comment);
	buf_putc(&b, '}');
	text = arena_strndup(j->arena, buf_str(&b), b.n);
	buf_fini(&b);
	return text;
}
