/*
 * Log lines; see log.h. A line is written with one write(2), so lines of threads don't mix.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_LINE_BYTES 2048

static atomic_int log_level_now = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	atomic_store(&log_level_now, (int)level);
}

bool log_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
	       st.st_dev == device && st.st_ino == inode;
}

/* The line without control characters; UTF-8 passes, C1 controls (C2 80..9F) don't. */
static size_t log_clean(char *out, size_t room, const char *in)
{
	size_t n = 0;

	for (; *in && n + 2 < room; in++) {
		unsigned char c = (unsigned char)*in;

		if (c < 0x20 || c == 0x7f) {
			out[n++] = c == '\n' || c == '\t' ? ' ' : '?';
		} else if (c == 0xc2 && (unsigned char)in[1] >= 0x80 && (unsigned char)in[1] <= 0x9f) {
			out[n++] = '?';
			in++;
		} else {
			out[n++] = (char)c;
		}
	}
	out[n++] = '\n';
	return n;
}

static void PRINTF(2, 0) log_write(enum log_level level, const char *fmt, va_list ap)
{
	char text[LOG_LINE_BYTES], line[LOG_LINE_BYTES + 64], when[WALL_TEXT_BYTES];
	size_t head;
	ssize_t r;

	vsnprintf(text, sizeof(text), fmt, ap);
	if (log_is_journal())
		head = (size_t)snprintf(line, sizeof(line), "<%d>", (int)level);
	else
		head = (size_t)snprintf(line, sizeof(line), "%s %s", wall_text(wall_now(), when),
					level <= LOG_LEVEL_ERROR     ? "error "
					: level == LOG_LEVEL_WARNING ? "warning "
								     : "");
	head += log_clean(line + head, sizeof(line) - head, text);
	r = write(STDERR_FILENO, line, head);
	(void)r;
}

/* Apart, because the compiler clears the room for a line, and most lines are not written. */
void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if ((int)level > atomic_load(&log_level_now))
		return;
	va_start(ap, fmt);
	log_write(level, fmt, ap);
	va_end(ap);
}
