/*
 * Regular expressions; see regex.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "rule/regex.h"
#include "rule/limits.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

struct regex {
	pcre2_code *code;
	bool jit;
};

struct regex_scratch {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

/* Where byte `offset` of the pattern stands in the literal, in which quotes are doubled. */
static int literal_offset(const struct source *src, struct span literal, size_t offset)
{
	int at = literal.at + 1;

	for (size_t i = 0; i < offset && at < literal.at + literal.length - 1; i++)
		at += src->text[at] == '\'' ? 2 : 1;
	return at;
}

static pcre2_code *compile(const char *pattern, int *ret_error, size_t *ret_offset)
{
	struct folder f = {0};
	struct fold_room room = {0};
	struct slice nfc = fold_text(&f, pattern, strlen(pattern), FOLD_PATTERN, &room);
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)nfc.p, nfc.n,
					 PCRE2_UTF | PCRE2_UCP | PCRE2_CASELESS | PCRE2_DOTALL | PCRE2_NEVER_BACKSLASH_C,
					 ret_error, ret_offset, NULL);

	fold_room_fini(&room);
	folder_fini(&f);
	return code;
}

struct regex *regex_new(struct source *src, struct span literal, const char *pattern)
{
	struct regex *re;
	pcre2_code *code;
	PCRE2_UCHAR message[128];
	PCRE2_SIZE offset;
	size_t jit_bytes;
	int error;

	if (strlen(pattern) > RULE_REGEX_BYTES_MAX) {
		source_error(src, literal, NULL, "a regex has up to %d bytes", RULE_REGEX_BYTES_MAX);
		return NULL;
	}
	code = compile(pattern, &error, &offset);
	if (!code) {
		pcre2_get_error_message(error, message, sizeof(message));
		source_error(src, (struct span){literal_offset(src, literal, offset), 1}, NULL, "regex: %s",
			     (const char *)message);
		return NULL;
	}
	re = xcalloc(1, sizeof(*re));
	re->code = code;
	/* Not the return value: (*NO_JIT) succeeds without making any code. */
	pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	re->jit = pcre2_pattern_info(code, PCRE2_INFO_JITSIZE, &jit_bytes) == 0 && jit_bytes > 0;
	return re;
}

struct regex *regex_free(struct regex *re)
{
	if (re) {
		pcre2_code_free(re->code);
		free(re);
	}
	return NULL;
}

struct regex_scratch *regex_scratch_new(void)
{
	struct regex_scratch *s = xcalloc(1, sizeof(*s));

	/* Whether it fits is all that is asked: one pair of offsets. */
	s->data = pcre2_match_data_create(1, NULL);
	s->context = pcre2_match_context_create(NULL);
	if (!s->data || !s->context)
		abort();
	pcre2_set_match_limit(s->context, RULE_MATCH_STEPS_MAX);
	pcre2_set_depth_limit(s->context, RULE_MATCH_DEPTH_MAX);
	pcre2_set_heap_limit(s->context, RULE_MATCH_HEAP_KIB_MAX);
	s->stack = pcre2_jit_stack_create(RULE_JIT_STACK_BYTES, RULE_JIT_STACK_BYTES_MAX, NULL);
	if (s->stack)
		pcre2_jit_stack_assign(s->context, NULL, s->stack);
	return s;
}

struct regex_scratch *regex_scratch_free(struct regex_scratch *s)
{
	if (s) {
		pcre2_jit_stack_free(s->stack);
		pcre2_match_context_free(s->context);
		pcre2_match_data_free(s->data);
		free(s);
	}
	return NULL;
}

int regex_match(const struct regex *re, struct regex_scratch *s, struct slice text)
{
	PCRE2_SPTR subject = (PCRE2_SPTR)text.p;
	int r;

	if (text.n > RULE_MATCH_TEXT_BYTES_MAX)
		return REGEX_E_LIMIT;
	if (re->jit)
		r = pcre2_jit_match(re->code, subject, text.n, 0, 0, s->data, s->context);
	else
		r = pcre2_match(re->code, subject, text.n, 0, PCRE2_NO_UTF_CHECK, s->data, s->context);
	if (r == PCRE2_ERROR_NOMATCH)
		return 0;
	return r >= 0 ? 1 : REGEX_E_LIMIT;
}
