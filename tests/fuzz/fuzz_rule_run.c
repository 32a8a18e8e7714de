/*
 * Fuzz target: rules over a response, both made from the input.
 *
 * Lines up to the first empty one are conditions; what follows is the response: a byte that picks a field, a byte of
 * length, as many bytes of value; the byte 255 begins the answer before it. Must hold: verdict and traces agree, judging again
 * gives the same, the stored facts are JSON, and what was said to match never doesn't.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz/fuzz.h"
#include "rule/rule.h"

#include <jansson.h>
#include <string.h>

#define RULES 8
#define ITEMS_MAX 16
#define OUT_BYTES_MAX (4 * 1024 * 1024)

static const struct attribute_source attributes[] = {
	{"plan", ATTRIBUTE_TEXT}, {"arr", ATTRIBUTE_NUMBER}, {"vip", ATTRIBUTE_BOOL}, {"since", ATTRIBUTE_TIME}};
static const struct fact_source facts[] = {{.name = "unhappy", .expr = "nps <= 6 or any rating <= 2"},
					   {.name = "late", .expr = "comment matches 'sp(ä|a)t|late|늦'"}};

struct reader {
	struct arena *arena;
	const char *p;
	size_t n;
	struct rating ratings[2][ITEMS_MAX]; /* of the response, and of the one before */
	struct attribute attributes[2][ITEMS_MAX];
	struct response previous;
	double counts[RULE_HISTORY_MAX];
	struct past past;
};

static const char *read_text(struct reader *rd, size_t n)
{
	const char *text;

	n = MIN(n, rd->n);
	text = arena_strndup(rd->arena, rd->p, n);
	rd->p += n;
	rd->n -= n;
	return text;
}

/* "name=value" */
static const char *split(const char *text, const char **ret_value)
{
	char *equals = strchr((char *)(uintptr_t)text, '=');

	*ret_value = "";
	if (equals) {
		*equals = '\0';
		*ret_value = equals + 1;
	}
	return text;
}

static void set_text(struct response *r, unsigned field, const char *text)
{
	const char **columns[] = {&r->source,       &r->source_id,     &r->survey,   &r->touchpoint,     &r->channel,
				  &r->customer_id,  &r->customer_name, &r->account,  &r->customer_email, &r->customer_phone,
				  &r->account_name, &r->region,        &r->language, &r->comment};

	*columns[field % ARRAY_SIZE(columns)] = text;
}

/* Blank text is missing, and this column never is. */
static void fill_source(struct response *r)
{
	struct buf folded = BUF_INIT(OUT_BYTES_MAX);

	rule_fold(r->source, &folded);
	if (folded.n == 0)
		r->source = "direct";
	buf_fini(&folded);
}

/* Up to the answer before it, or the end. Columns that are never null are there. */
static void read_response(struct reader *rd, int which, struct response *r)
{
	struct rating *ratings = rd->ratings[which];
	struct attribute *attributes_read = rd->attributes[which];

	*r = (struct response){.source = "direct",
			       .nps = SCORE_MISSING,
			       .csat = SCORE_MISSING,
			       .ces = SCORE_MISSING,
			       .ratings = ratings,
			       .attributes = attributes_read,
			       .responded_at = {1 - which * INT64_C(86400000000)},
			       .received_at = {2}};
	while (rd->n >= 2 && (unsigned char)rd->p[0] != 255) {
		unsigned field = (unsigned char)rd->p[0], length = (unsigned char)rd->p[1];
		const char *text, *value;

		rd->p += 2;
		rd->n -= 2;
		text = read_text(rd, length);
		if (field < 16) {
			set_text(r, field, text);
		} else if (field == 16) {
			r->nps = (int)(length % 12) - 1;
			r->csat = (int)(length % 6) == 0 ? SCORE_MISSING : (int)(length % 6);
			r->contact_requested = length & 1;
		} else if (field < 24 && r->n_ratings < ITEMS_MAX) {
			text = split(text, &value);
			ratings[r->n_ratings++] = (struct rating){text, (double)(unsigned char)value[0] / 4 - 2};
		} else if (r->n_attributes < ITEMS_MAX) {
			text = split(text, &value);
			attributes_read[r->n_attributes++] = (struct attribute){text, (enum attribute_type)(field % 3), value,
										(double)strlen(value) / 3, value[0] == 't'};
		}
	}
	fill_source(r);
}

/* What was before, if anything is left; every count is the length of it. */
static void read_past(struct reader *rd, struct response *r)
{
	for (int i = 0; i < RULE_HISTORY_MAX; i++)
		rd->counts[i] = (double)(rd->n % 7);
	rd->past.counts = rd->n % 2 ? rd->counts : NULL;
	r->past = rd->n % 3 ? &rd->past : NULL;
	if (rd->n < 2)
		return;
	read_text(rd, 1);
	read_response(rd, 1, &rd->previous);
	rd->past.previous = &rd->previous;
}

static void check_facts(const struct ruleset *rs, const struct response *r)
{
	struct buf out = BUF_INIT(OUT_BYTES_MAX);
	json_error_t error;
	json_t *json;

	ruleset_facts_json(rs, r, &out);
	json = json_loadb(out.p, out.n, 0, &error);
	MUST(out.overflow || json_is_object(json));
	json_decref(json);
	buf_fini(&out);
}

static void check_rules(const struct ruleset *rs, const struct response *r, const struct diag_list *diags, struct arena *arena)
{
	struct rule_scratch *scratch = rule_scratch_new(rs);
	enum tri results[RULES];
	struct verdict first, again;

	ruleset_judge(rs, scratch, r, &first);
	memcpy(results, first.results, sizeof(*results) * (size_t)ruleset_count(rs));
	for (int i = 0; i < ruleset_count(rs); i++)
		MUST(ruleset_trace(rs, scratch, i, r, arena)->result == results[i]);
	ruleset_judge(rs, scratch, r, &again);
	MUST(memcmp(results, again.results, sizeof(*results) * (size_t)ruleset_count(rs)) == 0);
	MUST(first.winner == again.winner && first.ignored == again.ignored && first.over_limit == again.over_limit);
	for (int i = 0; i < diags->n; i++)
		MUST(!strstr(diags->items[i].text, ": can never match") || results[diags->items[i].pos.line - 1] != TRI_TRUE);
	check_facts(rs, r);
	rule_scratch_free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct arena *arena = arena_new(0);
	struct reader rd = {.arena = arena};
	struct rule_source rules[RULES];
	struct rule_input in = {.rules = rules,
				.n_rules = 0,
				.facts = facts,
				.n_facts = ARRAY_SIZE(facts),
				.attributes = attributes,
				.n_attributes = ARRAY_SIZE(attributes)};
	struct diag_list *diags = diag_list_new();
	struct ruleset *rs = NULL;
	struct response response;

	rd.p = (const char *)data;
	rd.n = bytes;
	while (rd.n > 0 && in.n_rules < RULES) {
		const char *end = memchr(rd.p, '\n', rd.n);
		size_t n = end ? (size_t)(end - rd.p) : rd.n;

		if (n == 0) {
			read_text(&rd, 1);
			break;
		}
		rules[in.n_rules] = (struct rule_source){
			.id = "r", .when = read_text(&rd, n), .kind = (enum rule_kind)(in.n_rules % RULE_KIND_COUNT)};
		in.n_rules++;
		rules[in.n_rules - 1].pos.line = in.n_rules;
		read_text(&rd, 1);
	}
	read_response(&rd, 0, &response);
	read_past(&rd, &response);
	if (ruleset_new(&in, diags, &rs) == 0)
		check_rules(rs, &response, diags, arena);
	ruleset_free(rs);
	diag_list_free(diags);
	arena_free(arena);
	return 0;
}
