/*
 * Names of the closed vocabularies; see words.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/words.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int word_find(const char *const *words, int n, const char *word)
{
	for (int i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -EINVAL;
}

#define WORDS(type, fn, count, ...)                                \
	static const char *const fn##_words[] = {__VA_ARGS__};     \
	const char *fn##_name(type v)                              \
	{                                                          \
		assert((int)v >= 0 && (int)v < (int)(count));      \
		return fn##_words[v];                              \
	}                                                          \
	int fn##_parse(const char *word, type *ret)                \
	{                                                          \
		int i = word_find(fn##_words, (int)(count), word); \
		if (i < 0)                                         \
			return i;                                  \
		*ret = (type)i;                                    \
		return 0;                                          \
	}                                                          \
	_Static_assert(ARRAY_SIZE(fn##_words) == (count), #fn " words")

WORDS(enum priority, priority, PRIORITY_COUNT, "low", "normal", "high", "urgent");
WORDS(enum case_status, case_status, CASE_STATUS_COUNT, "open", "acknowledged", "in_progress", "waiting", "resolved", "closed",
      "dismissed");
WORDS(enum message_state, message_state, MESSAGE_STATE_COUNT, "queued", "held", "leased", "sent", "failed", "dead",
      "cancelled");
WORDS(enum rule_kind, rule_kind, RULE_KIND_COUNT, "case", "praise", "note", "ignore");
WORDS(enum case_outcome, case_outcome, CASE_OUTCOME_COUNT, "recovered", "unchanged", "lost");
WORDS(enum operator_kind, operator_kind, OPERATOR_KIND_COUNT, "endpoint_disabled", "endpoint_failing", "credentials",
      "mail_refused", "source_silent", "dead_messages", "nobody_left", "more");

static const char *const language_words[LANGUAGE_COUNT] = {"en", "ko", "de"};

const char *language_name(enum language l)
{
	assert(l < LANGUAGE_COUNT);
	return language_words[l];
}

int language_parse(const char *word, enum language *ret)
{
	for (int i = 0; i < LANGUAGE_COUNT; i++)
		if (strncasecmp(word, language_words[i], 2) == 0 && (word[2] == '\0' || word[2] == '-' || word[2] == '_')) {
			*ret = (enum language)i;
			return 0;
		}
	return -EINVAL;
}

const char *language_number(enum language l, double value, int decimals, char text[NUMBER_BYTES])
{
	char plain[NUMBER_BYTES / 2], *from = plain, *to = text;
	size_t whole;

	if (decimals < 0 || snprintf(plain, sizeof(plain), "%.*f", decimals, value) >= (int)sizeof(plain))
		snprintf(plain, sizeof(plain), "%.15g", value);
	if (*from == '-') {
		from++;
		if (strspn(from, "0.") < strlen(from)) /* nothing is less than none */
			to = stpcpy(to, "\xe2\x88\x92");
	}
	whole = strspn(from, "0123456789");
	for (size_t i = 0; i < whole; i++) {
		if (decimals >= 0 && i > 0 && (whole - i) % 3 == 0)
			*to++ = l == LANGUAGE_DE ? '.' : ',';
		*to++ = from[i];
	}
	strcpy(to, from + whole);
	if (*to == '.' && l == LANGUAGE_DE)
		*to = ',';
	return text;
}
