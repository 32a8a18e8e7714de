/*
 * The closed vocabularies of DESIGN 4 and 5, with their names as stored and written in files.
 *
 * Every enum has x_name() (never NULL) and x_parse() (-EINVAL for an unknown word).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_WORDS_H
#define MODEL_WORDS_H

#include "base/util.h"

enum priority { PRIORITY_LOW, PRIORITY_NORMAL, PRIORITY_HIGH, PRIORITY_URGENT, PRIORITY_COUNT };
enum case_status {
	CASE_OPEN,
	CASE_ACKNOWLEDGED,
	CASE_IN_PROGRESS,
	CASE_WAITING,
	CASE_RESOLVED,
	CASE_CLOSED,
	CASE_DISMISSED,
	CASE_STATUS_COUNT
};
enum message_state {
	MESSAGE_QUEUED,
	MESSAGE_HELD,
	MESSAGE_LEASED,
	MESSAGE_SENT,
	MESSAGE_FAILED,
	MESSAGE_DEAD,
	MESSAGE_CANCELLED,
	MESSAGE_STATE_COUNT
};
enum rule_kind { RULE_CASE, RULE_PRAISE, RULE_NOTE, RULE_IGNORE, RULE_KIND_COUNT };
enum case_outcome { OUTCOME_RECOVERED, OUTCOME_UNCHANGED, OUTCOME_LOST, CASE_OUTCOME_COUNT };
/* What operators are told; what goes with each: struct operator_news in alert.h. */
enum operator_kind {
	OPERATOR_ENDPOINT_DISABLED,
	OPERATOR_ENDPOINT_FAILING,
	OPERATOR_CREDENTIALS,
	OPERATOR_MAIL_REFUSED,
	OPERATOR_SOURCE_SILENT,
	OPERATOR_DEAD_MESSAGES,
	OPERATOR_NOBODY_LEFT,
	OPERATOR_MORE,
	OPERATOR_KIND_COUNT
};
enum language { LANGUAGE_EN, LANGUAGE_KO, LANGUAGE_DE, LANGUAGE_COUNT };

const char *priority_name(enum priority p);
int priority_parse(const char *word, enum priority *ret);
const char *case_status_name(enum case_status s);
int case_status_parse(const char *word, enum case_status *ret);
const char *message_state_name(enum message_state s);
int message_state_parse(const char *word, enum message_state *ret);
const char *rule_kind_name(enum rule_kind k);
int rule_kind_parse(const char *word, enum rule_kind *ret);
const char *case_outcome_name(enum case_outcome o);
int case_outcome_parse(const char *word, enum case_outcome *ret);
const char *operator_kind_name(enum operator_kind k);
int operator_kind_parse(const char *word, enum operator_kind *ret);
/* Takes "ko", "ko-KR", "KO_kr"; unknown languages are -EINVAL. */
const char *language_name(enum language l);
int language_parse(const char *word, enum language *ret);

#define NUMBER_BYTES 64
/*
 * A figure as it is written in a language: "1,774" and "3.77", in German "1.774" and "3,77". decimals -1: as many as it has,
 * and thousands stand together, as in a score. Returns text.
 */
const char *language_number(enum language l, double value, int decimals, char text[NUMBER_BYTES]);

#endif
