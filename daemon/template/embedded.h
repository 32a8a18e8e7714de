/*
 * Files that were built into the program by embed.py: an array ended by an entry without a name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEMPLATE_EMBEDDED_H
#define TEMPLATE_EMBEDDED_H

#include <stddef.h>

struct embedded {
	const char *name; /* "alert.html" */
	const char *text;
};

#endif
