/*
 * How many rules a second are judged, and that judging allocates nothing.
 *
 * Twenty rules as a company writes them, over responses in three languages with comments of usual length. Prints
 * million rule evaluations a second (rules times responses). Exits 1 when an evaluation allocated, once every buffer is
 * as large as the largest response needs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/clock.h"
#include "rule/rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WARM_UP_ROUNDS 3
#define SECONDS 1

static long allocations;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* Every allocation of the process, those of libraries too. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t n, size_t bytes);
extern void *__libc_realloc(void *p, size_t bytes);
void *malloc(size_t bytes)
{
	allocations++;
	return __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
	allocations++;
	return __libc_calloc(n, bytes);
}

void *realloc(void *p, size_t bytes)
{
	allocations++;
	return __libc_realloc(p, bytes);
}
#endif

static const char *const whens[] = {
	"customer_email contains '@ours.example'",
	"contact_requested",
	"strategic and unhappy",
	"unhappy and touchpoint in ('installation', 'service')",
	"nps <= 6",
	"any rating <= 2",
	"nps >= 9 and comment is present",
	"nps <= 4 and attr.order_value >= 300",
	"comment contains ('lawyer', 'Anwalt', '변호사', 'fraud')",
	"unhappy and attr.stay = 'in-house'",
	"touchpoint = 'delivery' and rating.delivery <= 3",
	"language = 'ko' and unhappy",
	"region in ('seoul', 'busan', 'berlin') and nps between 0 and 3",
	"comment contains ('late', '늦', 'zu spät')",
	"csat <= 2 and not contact_requested",
	"ces >= 6 and account is present",
	"unhappy and customer_phone is missing",
	"survey is not 'test' and nps <= 2",
	"all rating >= 4 and nps >= 9",
	"account = 'hanbit' and unhappy",
};

static const char *const comments[] = {
	"The machine has stood still for three days and nobody tells us when the technician comes back. Please call.",
	"장비가 사흘째 멈춰 있는데 기사님이 언제 다시 오시는지 연락이 없습니다. 전화 주세요.",
	"Lieferung kam zu spät und der Karton war völlig durchnässt, über die Hotline war niemand zu erreichen.",
	"great",
	"Everything went well. The engineer was on time, explained what he did and left the room cleaner than he found it.",
	"설치는 빨랐지만 설명이 부족했어요",
	NULL,
	"ok",
};

static double rules_per_second(const struct ruleset *rs, struct rule_scratch *scratch, const struct response *responses, int n,
			       long *ret_matches)
{
	int64_t from, now;
	long judged = 0;

	from = now = mono_now().us;
	*ret_matches = 0;
	while (now - from < SECONDS * US_PER_S) {
		for (int i = 0; i < n; i++) {
			struct verdict v;

			ruleset_judge(rs, scratch, &responses[i], &v);
			*ret_matches += v.n_case;
		}
		judged += n;
		now = mono_now().us;
	}
	return (double)judged * (double)ruleset_count(rs) * (double)US_PER_S / (double)(now - from);
}

static void make_responses(struct response *responses, struct rating *ratings, struct attribute *attributes, int n)
{
	static const char *const touchpoints[] = {"installation", "Service", "delivery", "설치", NULL};
	static const char *const emails[] = {"seoyeon.lee@customer.example", NULL, "Kim@OURS.example"};

	for (int i = 0; i < n; i++) {
		ratings[2 * i] = (struct rating){"delivery", i % 5 + 1};
		ratings[2 * i + 1] = (struct rating){"service", i % 3 + 3};
		attributes[2 * i] = (struct attribute){"plan", ATTRIBUTE_TEXT, i % 2 ? "Gold" : "silver", 0, false};
		attributes[2 * i + 1] = (struct attribute){"order_value", ATTRIBUTE_NUMBER, "310", 310, false};
		responses[i] = (struct response){.source = "direct",
						 .touchpoint = touchpoints[i % 5],
						 .customer_email = emails[i % 3],
						 .account = i % 4 ? "hanbit" : "nordwerk",
						 .region = "Seoul",
						 .language = i % 2 ? "ko" : "de",
						 .survey = "after-visit",
						 .nps = i % 11,
						 .csat = i % 5 + 1,
						 .ces = SCORE_MISSING,
						 .ratings = &ratings[2 * i],
						 .n_ratings = 2,
						 .contact_requested = i % 7 == 0,
						 .comment = comments[i % 8],
						 .attributes = &attributes[2 * i],
						 .n_attributes = 2};
	}
}

/* One run with its name; 1 when it allocated. */
static int bench(const char *name, const char *const *rules, int n_rules)
{
	enum { N = 440 };
	static const struct fact_source facts[] = {{.name = "unhappy", .expr = "nps <= 6 or any rating <= 2"},
						   {.name = "strategic", .expr = "attr.plan is 'gold'"}};
	static const struct attribute_source attributes[] = {
		{"plan", ATTRIBUTE_TEXT}, {"order_value", ATTRIBUTE_NUMBER}, {"stay", ATTRIBUTE_TEXT}};
	static struct response responses[N];
	static struct rating ratings[2 * N];
	static struct attribute values[2 * N];
	struct rule_source sources[ARRAY_SIZE(whens)] = {0};
	struct rule_input in = {.rules = sources,
				.n_rules = n_rules,
				.facts = facts,
				.n_facts = ARRAY_SIZE(facts),
				.attributes = attributes,
				.n_attributes = ARRAY_SIZE(attributes)};
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct ruleset *rs CLEANUP(ruleset_freep) = NULL;
	struct rule_scratch *scratch CLEANUP(rule_scratch_freep) = NULL;
	struct verdict v;
	long allocated, matches;
	double speed;

	for (int i = 0; i < n_rules; i++)
		sources[i] = (struct rule_source){.id = "r", .when = rules[i], .kind = RULE_CASE};
	if (ruleset_new(&in, diags, &rs) != 0)
		return 1;
	scratch = rule_scratch_new(rs);
	make_responses(responses, ratings, values, N);
	for (int round = 0; round < WARM_UP_ROUNDS; round++)
		for (int i = 0; i < N; i++)
			ruleset_judge(rs, scratch, &responses[i], &v);
	allocated = -allocations;
	speed = rules_per_second(rs, scratch, responses, N, &matches);
	allocated += allocations;
	printf("%-28s %6.1f million rule evaluations/s, %.2f million responses/s, %ld allocations\n", name, speed / 1e6,
	       speed / n_rules / 1e6, allocated);
	return allocated > 0 || matches == 0;
}

int main(void)
{
	static const char *const scores[] = {"nps <= 6", "csat <= 2 or nps <= 3", "any rating <= 2", "contact_requested"};
	static const char *const regexes[] = {"comment matches '\\b(late|spät|늦)'", "comment matches '^.{0,5}$'", "nps <= 6"};
	static const char *const interpreted[] = {"comment matches '(*NO_JIT)\\b(late|spät|늦)'", "nps <= 6"};
	int failed = bench("20 rules of a company", whens, ARRAY_SIZE(whens));

	failed |= bench("4 rules, scores only", scores, ARRAY_SIZE(scores));
	failed |= bench("3 rules, 2 with a regex", regexes, ARRAY_SIZE(regexes));
	failed |= bench("2 rules, a regex, no JIT", interpreted, ARRAY_SIZE(interpreted));
	return failed;
}
