/*
 * Parser; see parse.h. Names and types are the checker's business.
 *
 * The first mistake ends it: what follows a broken part would only be noise.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/parse.h"
#include "rule/lex.h"
#include "rule/limits.h"
#include "rule/rule.h"

#include <string.h>
#include <strings.h>

struct parser {
	struct source *src;
	struct lexer lexer;
	struct token token; /* the next one */
	int end;            /* of the one before, in bytes */
	int depth;
	struct node *last; /* the test before, for hints */
};

static struct node *parse_or(struct parser *p);

static void advance(struct parser *p)
{
	p->end = p->token.span.at + p->token.span.length;
	p->token = lexer_next(&p->lexer);
}

static bool at(const struct parser *p, enum token_kind kind)
{
	return p->token.kind == kind;
}

static bool accept(struct parser *p, enum token_kind kind)
{
	if (!at(p, kind))
		return false;
	advance(p);
	return true;
}

/* What stands at the next token, for "…, not X". */
static const char *found(struct parser *p)
{
	if (at(p, TOKEN_END))
		return "the end";
	return arena_printf(p->src->arena, at(p, TOKEN_TEXT) ? "%.*s" : "'%.*s'", SPAN_ARG(p->src, p->token.span));
}

/* A broken token was reported by the lexer already. */
static void expected(struct parser *p, const char *hint, const char *what)
{
	if (!at(p, TOKEN_ERROR))
		source_error(p->src, p->token.span, hint, "expected %s, not %s", what, found(p));
}

static bool expect(struct parser *p, enum token_kind kind, const char *what)
{
	if (accept(p, kind))
		return true;
	expected(p, NULL, what);
	return false;
}

static bool word_is(const struct parser *p, const char *word)
{
	return at(p, TOKEN_NAME) && strcasecmp(p->token.text, word) == 0;
}

static struct node *node_new(struct parser *p, enum node_kind kind, struct span span)
{
	struct node *node = arena_new_obj(p->src->arena, struct node);

	node->kind = kind;
	node->span = span;
	return node;
}

/* literal := NUMBER | TEXT | DURATION | 'true' | 'false' */
static bool parse_literal(struct parser *p, struct operand *ret)
{
	static const struct {
		enum token_kind token;
		enum operand_kind kind;
		enum value_type type;
	} kinds[] = {{TOKEN_NUMBER, OPERAND_NUMBER, TYPE_NUMBER},
		     {TOKEN_TEXT, OPERAND_TEXT, TYPE_TEXT},
		     {TOKEN_DURATION, OPERAND_DURATION, TYPE_DURATION},
		     {TOKEN_TRUE, OPERAND_BOOL, TYPE_BOOL},
		     {TOKEN_FALSE, OPERAND_BOOL, TYPE_BOOL}};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (at(p, kinds[i].token)) {
			*ret = (struct operand){.kind = kinds[i].kind,
						.type = kinds[i].type,
						.span = p->token.span,
						.number = p->token.number,
						.text = p->token.text,
						.truth = kinds[i].token == TOKEN_TRUE};
			advance(p);
			return true;
		}
	return false;
}

/* Each level is one of C's stack, of the evaluator's and of a reader's patience. */
static bool enter(struct parser *p)
{
	if (++p->depth <= RULE_DEPTH_MAX)
		return true;
	source_error(p->src, p->token.span, "name a part of it in facts", "nested deeper than %d", RULE_DEPTH_MAX);
	return false;
}

static bool parse_operand(struct parser *p, struct operand *ret);

/* arguments := '(' [ operand { ',' operand } ] ')' */
static bool parse_arguments(struct parser *p, struct operand *call)
{
	struct operand arguments[4];

	advance(p);
	call->kind = OPERAND_CALL;
	if (!enter(p))
		return false;
	while (!at(p, TOKEN_RIGHT)) {
		if (call->n_arguments == (int)ARRAY_SIZE(arguments)) {
			expected(p, NULL, "')'");
			return false;
		}
		if (call->n_arguments > 0 && !expect(p, TOKEN_COMMA, "',' or ')'"))
			return false;
		if (!parse_operand(p, &arguments[call->n_arguments++]))
			return false;
	}
	p->depth--;
	call->span = span_join(call->span, p->token.span);
	call->arguments = arena_memdup(p->src->arena, arguments, sizeof(*arguments) * (size_t)call->n_arguments);
	advance(p);
	return true;
}

/* name := NAME { '.' NAME | '[' TEXT ']' } [ arguments ] */
static bool parse_name(struct parser *p, struct operand *ret)
{
	*ret = (struct operand){.kind = OPERAND_NAME, .span = p->token.span, .name = p->token.text};
	advance(p);
	while (at(p, TOKEN_DOT) || at(p, TOKEN_LEFT_BRACKET)) {
		bool bracket = at(p, TOKEN_LEFT_BRACKET);
		const char *text;

		advance(p);
		if (!at(p, bracket ? TOKEN_TEXT : TOKEN_NAME)) {
			expected(p, bracket ? "write: rating['delivery']" : "write: rating.delivery or rating['1st visit']",
				 bracket ? "a name in single quotes" : "a name after the point");
			return false;
		}
		text = p->token.text;
		ret->span = span_join(ret->span, p->token.span);
		advance(p);
		if (bracket) {
			ret->span = span_join(ret->span, p->token.span);
			if (!expect(p, TOKEN_RIGHT_BRACKET, "']'"))
				return false;
		}
		if (ret->member && strcmp(ret->name, "previous") == 0) {
			ret->quoted_sub = bracket && !ret->sub;
			ret->sub = ret->sub ? arena_printf(p->src->arena, "%s.%s", ret->sub, text) : text;
			continue;
		}
		ret->quoted_member = bracket && !ret->member;
		ret->member = ret->member ? arena_printf(p->src->arena, "%s.%s", ret->member, text) : text;
	}
	return at(p, TOKEN_LEFT) ? parse_arguments(p, ret) : true;
}

/* operand := literal | name */
static bool parse_operand(struct parser *p, struct operand *ret)
{
	if (at(p, TOKEN_NAME))
		return parse_name(p, ret);
	if (parse_literal(p, ret))
		return true;
	expected(p, at(p, TOKEN_MISSING) || at(p, TOKEN_PRESENT) ? "write: FACT is missing, FACT is present" : NULL,
		 "a fact or a value");
	return false;
}

static void set_right(struct parser *p, struct node *test, const struct operand *values, int n)
{
	test->right = arena_memdup(p->src->arena, values, sizeof(*values) * (size_t)n);
	test->n_right = n;
	test->span = span_join(test->span, values[n - 1].span);
}

/* list := '(' literal { ',' literal } ')' */
static bool parse_list(struct parser *p, struct node *test, const char *word)
{
	struct operand values[RULE_LIST_MAX];
	int n = 0;

	if (!at(p, TOKEN_LEFT)) {
		expected(p, arena_printf(p->src->arena, "write: %s ('a', 'b')", word), "'('");
		return false;
	}
	do {
		advance(p);
		if (n == RULE_LIST_MAX) {
			source_error(p->src, p->token.span, "split it with or", "a list has up to %d entries", RULE_LIST_MAX);
			return false;
		}
		if (!parse_literal(p, &values[n])) {
			expected(p, at(p, TOKEN_NAME) ? "texts stand in single quotes" : NULL, "a value");
			return false;
		}
		n++;
	} while (at(p, TOKEN_COMMA));
	set_right(p, test, values, n);
	test->span = span_join(test->span, p->token.span);
	return expect(p, TOKEN_RIGHT, "',' or ')'");
}

/* between := 'between' NUMBER 'and' NUMBER */
static bool parse_between(struct parser *p, struct node *test)
{
	struct operand values[2];

	for (int i = 0; i < 2; i++) {
		if (i == 1 && !at(p, TOKEN_AND)) {
			expected(p, "write: between 1 and 3", "'and'");
			return false;
		}
		if (i == 1)
			advance(p);
		if (!at(p, TOKEN_NUMBER)) {
			expected(p, "write: between 1 and 3", "a number");
			return false;
		}
		parse_literal(p, &values[i]);
	}
	set_right(p, test, values, 2);
	return true;
}

/* contains := 'contains' ( TEXT | list );  matches := 'matches' TEXT */
static bool parse_text_test(struct parser *p, struct node *test)
{
	struct operand value;

	if (test->test == TEST_CONTAINS && at(p, TOKEN_LEFT))
		return parse_list(p, test, "contains");
	if (!at(p, TOKEN_TEXT)) {
		expected(p,
			 test->test == TEST_CONTAINS ? "write: contains 'late' or contains ('late', 'slow')"
						     : "write: matches '…'",
			 "a text in single quotes");
		return false;
	}
	parse_literal(p, &value);
	set_right(p, test, &value, 1);
	if (test->test == TEST_CONTAINS && at(p, TOKEN_COMMA)) {
		expected(p, "write: contains ('a', 'b')", "'and', 'or' or the end");
		return false;
	}
	return true;
}

/* is := 'is' ( 'missing' | 'present' | [ 'not' ] literal ) */
static bool parse_is(struct parser *p, struct node *test)
{
	struct operand value;
	bool negated;

	test->test_span = span_join(test->test_span, p->token.span);
	negated = accept(p, TOKEN_NOT);
	if (at(p, TOKEN_MISSING) || at(p, TOKEN_PRESENT)) {
		test->test = at(p, TOKEN_MISSING) ? TEST_MISSING : TEST_PRESENT;
		test->span = span_join(test->span, p->token.span);
		if (negated) {
			source_error(
				p->src, test->test_span,
				arena_printf(p->src->arena, "write: is %s", test->test == TEST_MISSING ? "present" : "missing"),
				"'is not' is followed by a value");
			return false;
		}
		advance(p);
		return true;
	}
	if (word_is(p, "null") || word_is(p, "empty") || word_is(p, "blank") || word_is(p, "none") || word_is(p, "nil")) {
		source_error(p->src, p->token.span, negated ? "write: is present" : "write: is missing",
			     "'%s' is no word of rules", p->token.text);
		return false;
	}
	test->test = negated ? TEST_IS_NOT : TEST_IS;
	if (!parse_literal(p, &value)) {
		expected(p, at(p, TOKEN_NAME) ? arena_printf(p->src->arena, "write: '%s'", p->token.text) : NULL,
			 "a value, 'missing' or 'present' after 'is'");
		return false;
	}
	set_right(p, test, &value, 1);
	return true;
}

static bool at_operator(const struct parser *p)
{
	return p->token.kind >= TOKEN_EQ && p->token.kind <= TOKEN_GE;
}

static bool at_predicate(const struct parser *p)
{
	return at_operator(p) || at(p, TOKEN_IN) || at(p, TOKEN_BETWEEN) || at(p, TOKEN_CONTAINS) || at(p, TOKEN_MATCHES) ||
	       at(p, TOKEN_IS);
}

/* What SQL, spreadsheets and speech have where we have something else. */
static bool foreign_word(struct parser *p, struct node *test)
{
	static const struct {
		const char *word, *write;
	} words[] = {{"like", "contains 'late'"},
		     {"ilike", "contains 'late'"},
		     {"includes", "contains 'late'"},
		     {"contain", "contains 'late'"},
		     {"has", "contains 'late'"},
		     {"match", "matches 'regex'"},
		     {"regex", "matches 'regex'"},
		     {"starts", "matches '^late'"},
		     {"startswith", "matches '^late'"},
		     {"ends", "matches 'late$'"},
		     {"endswith", "matches 'late$'"},
		     {"equals", "="},
		     {"eq", "="},
		     {"ne", "!="},
		     {"lt", "<"},
		     {"le", "<="},
		     {"gt", ">"},
		     {"ge", ">="},
		     {"gte", ">="},
		     {"lte", "<="},
		     {"under", "<"},
		     {"below", "<"},
		     {"above", ">"},
		     {"over", ">"},
		     {"exists", "is present"},
		     {"isnull", "is missing"},
		     {"xor", "and, or, not"}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (word_is(p, words[i].word)) {
			source_error(p->src, p->token.span, arena_printf(p->src->arena, "write: %s", words[i].write),
				     "'%s' is no word of rules", p->token.text);
			return true;
		}
	if (at(p, TOKEN_NOT)) {
		struct span operand = test->left.span, not = p->token.span;

		advance(p);
		source_error(p->src, not,
			     at_predicate(p) ? arena_printf(p->src->arena, "write: not %.*s %.*s …", SPAN_ARG(p->src, operand),
							    SPAN_ARG(p->src, p->token.span))
					     : NULL,
			     "'not' stands before a whole comparison");
		return true;
	}
	return false;
}

/* operator := ( '=' | '!=' | '<' | '<=' | '>' | '>=' ) operand */
static bool parse_comparison(struct parser *p, struct node *test)
{
	struct operand value;

	if (at(p, TOKEN_MISSING) || word_is(p, "null")) {
		source_error(p->src, span_join(test->test_span, p->token.span),
			     test->test == TEST_NE ? "write: is present" : "write: is missing",
			     "nothing can be compared with what is missing");
		return false;
	}
	if (at(p, TOKEN_ANY) || at(p, TOKEN_ALL)) {
		expected(p, "write: any rating <= 2", "a fact or a value");
		return false;
	}
	if (!parse_operand(p, &value))
		return false;
	set_right(p, test, &value, 1);
	if (at_operator(p)) {
		source_error(p->src, p->token.span, "write: nps between 1 and 6", "comparisons can't be chained");
		return false;
	}
	return true;
}

/* predicate := operator | 'in' list | between | contains | matches | is */
static bool parse_predicate(struct parser *p, struct node *test)
{
	test->test_span = p->token.span;
	if (at_operator(p)) {
		test->test = (enum test)(p->token.kind - TOKEN_EQ);
		advance(p);
		return parse_comparison(p, test);
	}
	if (accept(p, TOKEN_IN)) {
		test->test = TEST_IN;
		return parse_list(p, test, "in");
	}
	if (accept(p, TOKEN_BETWEEN)) {
		test->test = TEST_BETWEEN;
		return parse_between(p, test);
	}
	if (at(p, TOKEN_CONTAINS) || at(p, TOKEN_MATCHES)) {
		test->test = at(p, TOKEN_CONTAINS) ? TEST_CONTAINS : TEST_MATCHES;
		advance(p);
		return parse_text_test(p, test);
	}
	if (accept(p, TOKEN_IS))
		return parse_is(p, test);
	return false;
}

/* quantified := ( 'any' | 'all' ) 'rating' predicate */
static struct node *parse_quantified(struct parser *p)
{
	struct node *test = node_new(p, NODE_TEST, p->token.span);

	test->quantifier = at(p, TOKEN_ANY) ? QUANTIFIER_ANY : QUANTIFIER_ALL;
	advance(p);
	if (!at(p, TOKEN_NAME) || strcmp(p->token.text, "rating") != 0) {
		expected(p, quantifier_hint(test->quantifier), "'rating'");
		return NULL;
	}
	test->left.span = p->token.span;
	test->span = span_join(test->span, p->token.span);
	advance(p);
	if (!at_predicate(p)) {
		expected(p, quantifier_hint(test->quantifier), "a comparison");
		return NULL;
	}
	return parse_predicate(p, test) ? test : NULL;
}

/* touchpoint = 'a' or 'b': the second half lost its fact. */
static const char *lost_fact_hint(const struct parser *p, const struct operand *value)
{
	const struct node *last = p->last;

	if (!last || last->quantifier != QUANTIFIER_NONE || last->left.kind != OPERAND_NAME || last->n_right == 0)
		return NULL;
	if (last->test == TEST_EQ || last->test == TEST_IN)
		return arena_printf(p->src->arena, "write: %.*s in (%.*s, %.*s)", SPAN_ARG(p->src, last->left.span),
				    SPAN_ARG(p->src, last->right[0].span), SPAN_ARG(p->src, value->span));
	if (last->test == TEST_CONTAINS)
		return arena_printf(p->src->arena, "write: %.*s contains (%.*s, %.*s)", SPAN_ARG(p->src, last->left.span),
				    SPAN_ARG(p->src, last->right[0].span), SPAN_ARG(p->src, value->span));
	return NULL;
}

/* test := quantified | operand [ predicate ] */
static struct node *parse_test(struct parser *p)
{
	struct node *test;

	if (at(p, TOKEN_ANY) || at(p, TOKEN_ALL))
		return parse_quantified(p);
	test = node_new(p, NODE_TEST, p->token.span);
	test->test = TEST_TRUE;
	if (!parse_operand(p, &test->left))
		return NULL;
	test->span = test->test_span = test->left.span;
	if (at_predicate(p)) {
		if (!parse_predicate(p, test))
			return NULL;
	} else if (foreign_word(p, test)) {
		return NULL;
	} else if (test->left.kind == OPERAND_BOOL) {
		test->kind = NODE_CONSTANT;
		test->truth = test->left.truth;
	} else if (operand_is_literal(&test->left)) {
		source_error(p->src, test->span, lost_fact_hint(p, &test->left), "a value alone is no condition");
		return NULL;
	}
	p->last = test;
	return test;
}

/* not := 'not' not | '(' or ')' | test */
static struct node *parse_not(struct parser *p)
{
	struct span start = p->token.span;
	struct node *node, *child;

	if (at(p, TOKEN_NOT)) {
		node = node_new(p, NODE_NOT, start);
		advance(p);
		if (!enter(p))
			return NULL;
		child = parse_not(p);
		p->depth--;
		if (!child)
			return NULL;
		node->first = child;
		node->n_children = 1;
		node->span.length = p->end - start.at;
		return node;
	}
	if (!accept(p, TOKEN_LEFT))
		return parse_test(p);
	if (!enter(p))
		return NULL;
	node = parse_or(p);
	p->depth--;
	if (!node)
		return NULL;
	if (accept(p, TOKEN_RIGHT)) {
		if (node->kind != NODE_TEST && node->kind != NODE_CONSTANT)
			node->span = (struct span){start.at, p->end - start.at};
		if (!at_predicate(p))
			return node;
		source_error(p->src, p->token.span, "name the condition in facts and test that",
			     "a condition in parentheses can't be compared");
		return NULL;
	}
	expected(p, NULL, "'and', 'or' or ')'");
	return NULL;
}

/* Children of one AND or OR; a single one stands for itself. */
static struct node *parse_chain(struct parser *p, enum token_kind word, enum node_kind kind,
				struct node *(*part)(struct parser *))
{
	struct span start = p->token.span;
	struct node *node, *last = part(p), *child;

	if (!last || !at(p, word))
		return last;
	node = node_new(p, kind, start);
	node->first = last;
	node->n_children = 1;
	while (accept(p, word)) {
		child = part(p);
		if (!child)
			return NULL;
		last->next = child;
		last = child;
		node->n_children++;
		node->span.length = p->end - start.at;
	}
	return node;
}

/* and := not { 'and' not } */
static struct node *parse_and(struct parser *p)
{
	return parse_chain(p, TOKEN_AND, NODE_AND, parse_not);
}

/* or := and { 'or' and } */
static struct node *parse_or(struct parser *p)
{
	return parse_chain(p, TOKEN_OR, NODE_OR, parse_and);
}

/* Something stands behind a whole condition. */
static void report_rest(struct parser *p)
{
	if (at(p, TOKEN_RIGHT))
		source_error(p->src, p->token.span, NULL, "this ')' has no '('");
	else if (p->last && p->last->test == TEST_TRUE && p->last->span.at + p->last->span.length <= p->token.span.at &&
		 at(p, TOKEN_NUMBER))
		expected(p, "comparisons: = != < <= > >= in between is", "a comparison");
	else if (at(p, TOKEN_COMMA))
		expected(p, "decimals are written with a point: 6.5; lists stand in parentheses", "'and', 'or' or the end");
	else
		expected(p, NULL, "'and', 'or' or the end");
}

/* expression := or END */
struct node *rule_parse(struct source *src)
{
	struct parser p = {.src = src};
	struct node *node;

	lexer_init(&p.lexer, src);
	advance(&p);
	if (at(&p, TOKEN_END)) {
		source_error(src, (struct span){0, 1}, "write: true, if every response is meant", "the condition is empty");
		return NULL;
	}
	node = parse_or(&p);
	if (node && !at(&p, TOKEN_END)) {
		report_rest(&p);
		node = NULL;
	}
	return node;
}
