/*
 * Errors of the server and of the connection, made fit for a log: the primary message only, one line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pg/private.h"

#include <stdio.h>
#include <string.h>

static void put_line(char *to, size_t room, const char *text, size_t n)
{
	size_t used = strlen(to);

	for (size_t i = 0; i < n && used + 1 < room; i++)
		to[used++] = (unsigned char)text[i] < ' ' ? ' ' : text[i];
	to[used] = '\0';
}

void pg_error_set_lost(struct pg_error *e, const char *message)
{
	*e = (struct pg_error){.lost = true};
	put_line(e->message, sizeof(e->message), message, strlen(message));
}

void pg_error_from_result(struct pg_error *e, const PGresult *result, const char *statement)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);

	*e = (struct pg_error){0};
	snprintf(e->sqlstate, sizeof(e->sqlstate), "%s", state ? state : "");
	snprintf(e->statement, sizeof(e->statement), "%s", statement ? statement : "");
	if (hint && strncmp(e->sqlstate, "CL", 2) == 0)
		put_line(e->hint, sizeof(e->hint), hint, strlen(hint));
	if (!text)
		text = PQresultErrorMessage(result);
	put_line(e->message, sizeof(e->message), text, strcspn(text, "\n"));
}

/* libpq's text has a line per server it tried, hints start with a tab, and the server's DETAIL and HINT follow. */
static bool is_worth_telling(const char *line, size_t n)
{
	return n > 0 && *line != '\t' && strncmp(line, "DETAIL:", 7) != 0 && strncmp(line, "HINT:", 5) != 0;
}

void pg_error_from_conn(struct pg_error *e, PGconn *pg)
{
	const char *line = pg ? PQerrorMessage(pg) : "";

	*e = (struct pg_error){.lost = true};
	while (*line) {
		size_t n = strcspn(line, "\n");

		if (is_worth_telling(line, n)) {
			if (e->message[0])
				put_line(e->message, sizeof(e->message), "; ", 2);
			put_line(e->message, sizeof(e->message), line, n);
		}
		line += n + (line[n] == '\n');
	}
	if (!e->message[0])
		put_line(e->message, sizeof(e->message), "connection lost", 15);
}

bool pg_error_is_conflict(const struct pg_error *e)
{
	return !strcmp(e->sqlstate, "40001") || !strcmp(e->sqlstate, "40P01");
}

bool pg_error_is_server(const struct pg_error *e)
{
	static const char *const states[] = {"25006", "57P01", "57P02", "57P03", "57P05"};

	if (e->lost || !strncmp(e->sqlstate, "53", 2) || !strncmp(e->sqlstate, "08", 2))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (!strcmp(e->sqlstate, states[i]))
			return true;
	return false;
}
