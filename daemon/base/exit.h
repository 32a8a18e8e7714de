/*
 * Exit codes of both programs (DESIGN 8; sysexits.h where it has one).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BASE_EXIT_H
#define BASE_EXIT_H

enum exit_code {
	EXIT_DONE = 0,
	EXIT_NO = 1, /* the answer is no: not allowed, stale, unknown id, a test failed */
	EXIT_USAGE_ERROR = 64,
	EXIT_BAD_DATA = 65,
	EXIT_UNAVAILABLE = 69, /* database or peer */
	EXIT_INTERNAL = 70,
	EXIT_MEMORY = 71,
	EXIT_NOT_PERMITTED = 77,
	EXIT_CONFIGURATION = 78, /* configuration or schema */
};

#endif
