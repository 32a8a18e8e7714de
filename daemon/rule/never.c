/*
 * Warnings about what can never be true: a comparison outside a score's range, parts of a chain of `and` that exclude
 * each other, a branch of `or` that nothing reaches; and about rules that other rules leave without any effect.
 *
 * What is proved holds for every response that keeps to the declared scales (prove.h); where it isn't sure, nothing is said.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/prove.h"

static void warn_expression(struct prover *p, struct expression *e)
{
	const struct region *r;

	p->n_findings = 0;
	r = prove(p, e, WANT_TRUE, p->scratch);
	for (int i = 0; i < p->n_findings; i++) {
		const struct finding *f = &p->findings[i];

		if (r->n == 0)
			source_warn(&e->source, f->node->span, NULL, "can never %s: %s", e->fact < 0 ? "match" : "be true",
				    f->reason);
		else
			source_warn(&e->source, f->node->span, NULL, "this can never be %s: %s", f->truth ? "true" : "false",
				    f->reason);
	}
}

/* What is left of responses beside each rule of a kind, kept for all others. NULL: it is of another kind. */
static const struct region **left_by(struct prover *p, struct ruleset *rs, enum rule_kind kind)
{
	const struct region **left = arena_new_array(p->kept, const struct region *, (size_t)rs->n_rules + 1);

	for (int i = 0; i < rs->n_rules; i++)
		if (rs->rules[i].kind == kind && rs->rules[i].expression.root)
			left[i] = prove(p, &rs->rules[i].expression, WANT_NOT_TRUE, p->kept);
	return left;
}

/* The first rule that matches whatever this region holds; NULL: none is known to. */
static const char *covering(struct prover *p, const struct ruleset *rs, const struct region *const *left, int end,
			    const struct region *r)
{
	for (int i = 0; i < end; i++)
		if (left[i] && left[i]->n > 0 && prove_disjoint(p, r, left[i]))
			return rs->rules[i].expression.source.name;
	return NULL;
}

/*
 * `ignore` is stronger than any other rule, and praise is silent where a case opens. Of two `ignore` that say the same the
 * later one is superfluous.
 */
static void warn_covered(struct prover *p, struct ruleset *rs)
{
	const struct region **ignored, **opened = NULL;

	p->n_findings = FINDINGS_MAX;
	ignored = left_by(p, rs, RULE_IGNORE);
	for (int i = 0; i < rs->n_rules; i++) {
		struct expression *e = &rs->rules[i].expression;
		enum rule_kind kind = rs->rules[i].kind;
		const struct region *r;
		const char *by;

		if (!e->root)
			continue;
		arena_reset(p->scratch);
		r = prove(p, e, WANT_TRUE, p->scratch);
		if (r->n == 0)
			continue;
		if (ignored[i] && ignored[i]->n == 0)
			source_warn(&e->source, e->root->span, NULL, "matches every response, so no rule has any effect");
		by = covering(p, rs, ignored, kind == RULE_IGNORE ? i : rs->n_rules, r);
		if (by) {
			source_warn(&e->source, e->root->span, NULL,
				    "never has an effect: '%s' ignores every response that it matches", by);
			continue;
		}
		if (kind != RULE_PRAISE)
			continue;
		opened = opened ? opened : left_by(p, rs, RULE_CASE);
		by = covering(p, rs, opened, rs->n_rules, r);
		if (by)
			source_warn(
				&e->source, e->root->span, NULL,
				"never has an effect: '%s' opens a case for every response that it matches, and then praise is "
				"silent",
				by);
	}
}

void warn_never(struct ruleset *rs)
{
	struct arena *kept CLEANUP(arena_freep) = arena_new(0), *scratch CLEANUP(arena_freep) = arena_new(0);
	struct prover p;

	prover_init(&p, rs, kept, scratch);
	for (int i = 0; i < rs->n_facts; i++)
		if (rs->facts[i].expression.root)
			warn_expression(&p, &rs->facts[i].expression);
	for (int i = 0; i < rs->n_rules; i++) {
		arena_reset(scratch);
		if (rs->rules[i].expression.root)
			warn_expression(&p, &rs->rules[i].expression);
	}
	warn_covered(&p, rs);
}
