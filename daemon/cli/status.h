/*
 * `status` from inside: what its sections share. Each section runs its statement, appends lines to text and a member to json,
 * and says what needs a person.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

#include "cli/cli.h"

#define STATUS_LABEL_COLUMNS 10

struct status {
	struct cli *c;
	const char *broken; /* the first mistake of the file on disk; NULL: it has none */
	struct wall_time now;
	struct buf needs; /* lines of text, or JSON objects with commas */
	int n_needs;
	struct buf text; /* the sections */
	struct buf json; /* one object, still open */
	bool daemon_alive;
	struct buf *kept; /* text and JSON of the follow-up section from an earlier round of --watch; empty: not yet computed */
};

/* One thing that needs a person: what, the words, the command (NULL: none). */
void status_need(struct status *s, const char *what, const char *text, const char *command);
/* Column 0 of a row as a member of the object. */
void status_put_member(struct status *s, const char *name, const struct pg_rows *rows, int row);
/* Column 0 of all rows as an array. */
void status_put_array(struct status *s, const char *name, const struct pg_rows *rows);
/* The first word of a line; "" on the lines that follow. */
void status_put_label(struct status *s, const char *label);
const char *status_duration(struct status *s, int64_t us);

/* Sections in files of their own: 0, or an exit code told. */
int status_cases(struct status *s);     /* status_cases.c */
int status_follow_up(struct status *s); /* status_cases.c */
int status_sources(struct status *s);   /* status_cases.c */
int status_incidents(struct status *s); /* status_incidents.c */

#endif
