/*
 * Fuzz target: any text as a condition. The first line is a rule, each further line a named fact (a, b, c, …).
 *
 * Must hold: it is refused with an error or compiled without one; every report points into its excerpt and can be
 * printed; the same text is said the same of twice.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz/fuzz.h"
#include "rule/rule.h"

#include <string.h>

#define FACTS_MAX 8
#define OUT_BYTES_MAX (4 * 1024 * 1024)

static const struct attribute_source attributes[] = {
	{"plan", ATTRIBUTE_TEXT}, {"arr", ATTRIBUTE_NUMBER}, {"vip", ATTRIBUTE_BOOL}, {"since", ATTRIBUTE_TIME}};

static const struct scale scales[] = {{"ces", 1, 7, false}, {"mark", 1, 6, false}, {"q1", 0, 10, true}};

static void compile(const struct rule_input *in, struct buf *out)
{
	struct diag_list *diags = diag_list_new();
	struct ruleset *rs = NULL;
	int r = ruleset_new(in, diags, &rs);

	MUST(r == 0 || r == RULE_E_INVALID);
	MUST((r == 0) == (diags->errors == 0));
	MUST((r == 0) == (rs != NULL));
	for (int i = 0; i < diags->n; i++) {
		const struct diag *d = &diags->items[i];
		size_t n = d->excerpt ? strlen(d->excerpt) : 0;

		MUST(!d->excerpt || (d->column >= 0 && (size_t)d->column <= n && d->length >= 1));
		/* One past the end is where something is missing. */
		MUST(!d->excerpt || (size_t)(d->column + d->length) <= n + 1);
	}
	diag_print(diags, out);
	diag_list_free(diags);
	ruleset_free(rs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const char *const names[FACTS_MAX] = {"a", "b", "c", "d", "e", "f", "key-case", "nps"};
	char *text = xmalloc(bytes + 1), *rest = text;
	struct rule_source rule = {.id = "rule", .pos = {"x.conf", 1}};
	struct fact_source facts[FACTS_MAX];
	struct rule_input in = {.rules = &rule,
				.n_rules = 1,
				.facts = facts,
				.attributes = attributes,
				.n_attributes = ARRAY_SIZE(attributes),
				.scales = scales,
				.n_scales = ARRAY_SIZE(scales)};
	struct buf first = BUF_INIT(OUT_BYTES_MAX), second = BUF_INIT(OUT_BYTES_MAX);

	memcpy(text, data, bytes);
	text[bytes] = '\0';
	rule.when = strsep(&rest, "\n");
	while (rest && in.n_facts < FACTS_MAX) {
		facts[in.n_facts] = (struct fact_source){names[in.n_facts], strsep(&rest, "\n"), {"x.conf", 2 + in.n_facts}};
		in.n_facts++;
	}
	compile(&in, &first);
	compile(&in, &second);
	MUST(strcmp(buf_str(&first), buf_str(&second)) == 0);
	buf_fini(&first);
	buf_fini(&second);
	free(text);
	return 0;
}
