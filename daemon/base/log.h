/*
 * Log lines on stderr: ids and key=value, never a customer's words or address.
 *
 * Under journald (log_is_journal()) a line starts with its "<N>" priority; on a terminal with
 * the time. The level is the one writable global of the tree. Callers pass ids, counts and SQLSTATEs;
 * control characters of whatever is printed are escaped, so a line is always one line. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/util.h"

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

void log_set_level(enum log_level level);
/* stderr is a stream of the journal: $JOURNAL_STREAM names it (systemd.exec(5)), and it wasn't redirected since. */
bool log_is_journal(void);
void log_line(enum log_level level, const char *fmt, ...) PRINTF(2, 3);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
