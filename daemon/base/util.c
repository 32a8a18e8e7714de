/*
 * Allocation that cannot fail, and NULL-safe comparison.
 *
 * Running out of memory ends the process: everything under way is a row in PostgreSQL,
 * leases run out, and systemd starts the daemon again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/util.h"

#include <stdio.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_OUT_OF_MEMORY 71

static void __attribute__((noreturn)) out_of_memory(void)
{
	static const char text[] = "<2>out of memory\n";
	ssize_t r = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)r;
	_exit(EXIT_OUT_OF_MEMORY);
}

void freep(void *pp)
{
	void **p = pp;

	free(*p);
	*p = NULL;
}

void *xmalloc(size_t bytes)
{
	void *p = malloc(bytes ? bytes : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *xcalloc(size_t count, size_t bytes)
{
	void *p = calloc(count ? count : 1, bytes ? bytes : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *xrealloc(void *old, size_t bytes)
{
	void *p = realloc(old, bytes ? bytes : 1);

	if (!p)
		out_of_memory();
	return p;
}

char *xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xmalloc(n), s, n);
}

bool str_eq(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0;
}

/*
 * A batch takes some MiB and gives them back at once. Handed to the kernel each time, they come back as fresh pages: a tenth of the
 * daemon's time. The rest of a burst is kept, the blocks of a huge batch are not.
 */
void keep_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, 1024 * 1024);
	mallopt(M_TRIM_THRESHOLD, 4 * 1024 * 1024);
	mallopt(M_TOP_PAD, 256 * 1024);
}
