/*
 * The compiled form: one array of instructions for all rules and named facts, beside its constants.
 *
 * The machine has an accumulator (a Kleene value) and a small stack of them. A leaf sets the accumulator; AND and OR
 * join it with the top of the stack; the jumps leave a chain as soon as it is decided.
 *
 *     nps <= 6 or touchpoint = 'a'      NUMBER nps <= 6 · JUMP_TRUE end · PUSH · TEXT touchpoint ('a') · OR · end:
 *     touchpoint is not 'a'             TEXT touchpoint ('a') · IS_TRUE · NOT
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_CODE_H
#define RULE_CODE_H

#include "rule/ast.h"

/* name, what it sets the accumulator (acc) to */
#define OPCODES(X)                                                          \
	X(CONSTANT)   /* at: enum tri */                                    \
	X(NUMBER)     /* input `test` numbers[at..at+n) */                  \
	X(NUMBERS)    /* input `test` input[at] */                          \
	X(ANY_RATING) /* or over all ratings of `test` numbers[at..at+n) */ \
	X(ALL_RATING) /* and over them */                                   \
	X(TEXT)       /* input is one of texts[at..at+n), sorted */         \
	X(TEXTS)      /* input = input[at] */                               \
	X(CONTAINS)   /* input has one of texts[at..at+n) inside */         \
	X(MATCHES)    /* input fits regexes[at] */                          \
	X(TRUTH)      /* input itself */                                    \
	X(TRUTHS)     /* input = input[at] */                               \
	X(MISSING)    /* input is missing */                                \
	X(FACT)       /* the named fact at, judged once per response */     \
	X(NOT)        /* not acc */                                         \
	X(IS_TRUE)    /* acc, missing becoming false */                     \
	X(IS_MISSING) /* acc is missing */                                  \
	X(PUSH)       /* stack ← acc */                                   \
	X(AND)        /* pop and acc */                                     \
	X(OR)         /* pop or acc */                                      \
	X(JUMP_FALSE) /* to instruction at, when acc is false */            \
	X(JUMP_TRUE)  /* to instruction at, when acc is true */

enum opcode {
#define X(name) OP_##name,
	OPCODES(X)
#undef X
};

struct instruction {
	uint8_t op;   /* enum opcode */
	uint8_t test; /* enum test */
	uint16_t n;
	uint32_t input;
	uint32_t at;
};

#endif
