/*
 * What every verb of the closeloop command works with: settings, database, actor, output.
 *
 * Settings and database are opened when a verb first asks for them. A function returns 0 or an exit code
 * (base/exit.h) after it has told the person on stderr what is wrong and what to do; the verb passes the
 * code on. Data goes to stdout through cli_print() and is whole or not there at all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/exit.h"
#include "cli/args.h"
#include "cli/text.h"
#include "pg/pg.h"
#include "settings/settings.h"

struct cli {
	struct arena *arena;
	const char *config_path;
	bool json;
	const char *as; /* --as, or NULL */
	const struct verb *const *groups;
	/* Below: opened when first asked for. */
	struct settings *settings;
	struct pg_sync *db;
	const char *actor;
	bool broken_output; /* stdout couldn't be written */
};

#define CLI_OUTPUT_BYTES_MAX (1024u * 1024 * 1024)

void cli_init(struct cli *c, const struct args *a, const struct verb *const *groups, struct arena *arena);
void cli_fini(struct cli *c);

/* ---- telling the person ---- */

/* "closeloop: …" on stderr, made safe for a terminal. */
void cli_error(const char *fmt, ...) PRINTF(1, 2);
/* cli_error() that returns the code. */
int cli_fail(enum exit_code code, const char *fmt, ...) PRINTF(2, 3);
/* A diagnostics list on stderr. */
void cli_print_diags(struct diag_list *diags);
/* Writes to stdout at once. */
void cli_print(struct cli *c, const struct buf *out);

/* ---- settings, database, actor ---- */

/*
 * 0 with c->settings, or EXIT_CONFIGURATION with every diagnostic printed. Warnings are `closeloop check`'s business. Secrets are
 * left alone: whoever looks at a case or tries a rule needn't be allowed to read them.
 */
int cli_settings(struct cli *c);
/* All of it, secrets too, for who sends; to be freed. */
int cli_settings_to_send(struct cli *c, struct settings **ret);
/* 0 with c->db, its schema and instance checked; EXIT_UNAVAILABLE, EXIT_CONFIGURATION, EXIT_NOT_PERMITTED. */
int cli_db(struct cli *c);
/* The same without asking for schema and instance. */
int cli_db_any_schema(struct cli *c);
/* 0 with c->actor (DESIGN 8). */
int cli_actor(struct cli *c);

/* Runs one statement; an error is told and becomes its exit code. *ret_rows is freed with pg_rows_free(). */
int cli_run(struct cli *c, const struct pg_stmt *stmt, const struct pg_params *params, struct pg_rows **ret_rows);
/* The exit code for an error of PostgreSQL, after telling it. */
int cli_sql_error(const struct pg_error *e);

/* The wall clock of the database. */
int cli_now(struct cli *c, struct wall_time *ret);

/* ---- words of the command line ---- */

/* "C-812", "c-812", "812"; -EINVAL for anything else. */
int case_id_parse(const char *word, int64_t *ret);
/* 0, or EXIT_USAGE_ERROR told. */
int cli_case_id(const char *word, int64_t *ret);
/* A positive whole number within most; option names it in the message. NULL word: 0 with *ret unchanged. */
int cli_number(const char *option, const char *word, int64_t most, int64_t *ret);

/*
 * cli_when() - a point of time from the command line
 * "2027-03-02" (at day_time, "HH:MM", in the configured zone), "2027-03-02T10:00[:SS][Z|+09:00]", "now", and with sign -1
 * (--since) or +1 (--until) durations from now: "2d", "+2d", "-2d". NULL word: WALL_NONE.
 * Return: 0, EXIT_USAGE_ERROR, or what the database said.
 */
int cli_when(struct cli *c, const char *option, const char *word, int sign, const char *day_time, struct wall_time *ret);
enum when_kind { WHEN_DURATION, WHEN_LOCAL, WHEN_ABSOLUTE };
struct when {
	enum when_kind kind;
	int64_t seconds;       /* WHEN_DURATION, from now */
	char text[40];         /* WHEN_LOCAL: "2027-03-02 10:00:00" */
	struct wall_time time; /* WHEN_ABSOLUTE */
};
/* The pure part: -EINVAL when it is none. */
int when_parse(const char *word, int sign, const char *day_time, struct when *ret);

/* Everybody known: people of the configuration and of the database. */
struct cli_person {
	const char *id, *name, *email, *login;
	bool in_config;
};
int cli_people(struct cli *c, const struct cli_person **ret, int *ret_n);
/* 0 when the id is known; else EXIT_NO with the nearest name told. */
int cli_person_known(struct cli *c, const char *id);
/* The same, but said only: whoever left has still a history. */
int cli_person_warn(struct cli *c, const char *option, const char *id);

/* 0 when it is "email", a webhook, or (all) "*"; else EXIT_NO with the nearest name told. */
int cli_endpoint_known(struct cli *c, const char *name, bool all);

/* A whole file, or stdin for "-", capped; EXIT_BAD_DATA or EXIT_NO told. From the arena. */
int cli_read_file(struct cli *c, const char *path, size_t cap_bytes, const char **ret_text, size_t *ret_n);

/* ---- tables and JSON ---- */

enum cell_kind {
	CELL_TEXT,
	CELL_RIGHT, /* text, aligned right */
	CELL_AGO,   /* timestamptz, shown as "2 h ago" */
	CELL_DUE    /* timestamptz, shown as "in 2 h" or "2 h late" */
};
struct column {
	const char *heading;
	enum cell_kind kind;
	int max_columns; /* 0: as wide as its longest cell; the last column is cut to the terminal anyway */
};
#define COLUMNS_MAX 16

#define LIST_LIMIT_MAX 1000000

struct listing {
	const struct pg_stmt *stmt;
	const struct column *columns;
	const char *empty; /* the line to print when there is no row */
	int64_t limit;     /* rows to show; the statement is asked for one more, to tell that there are more */
};
/*
 * cli_list() - rows as an aligned table, or as a JSON array
 * The statement's column 0 is the row as JSON text, column 1 the database's now(), then one per table column.
 */
int cli_list(struct cli *c, const struct listing *list, const struct pg_params *params);
/* The first n rows of the same shape as a table. */
void cli_put_table(struct buf *out, const struct pg_rows *rows, int n, const struct column *columns);
/* The same for JSON: an array with one element a line. */
void cli_put_json_rows(struct buf *out, const struct pg_rows *rows, int n);

/* What a statement changed (column 0: each row as JSON): "3 given back to the daemon", or the rows with --json. */
int cli_print_changed(struct cli *c, const struct pg_rows *rows, const char *what);

/* Rows from..to-1 as "label  value" a line, wrapped: column 0 the label, 1 the value; rows with an empty value are left out. */
void cli_put_lines(struct buf *out, const struct pg_rows *rows, int from, int to, int label_columns);

/* Column 0 of the first row, JSON made by PostgreSQL, as a line. */
void cli_put_json(const struct pg_rows *rows, struct buf *out);
/* That of the only row; no row: EXIT_NO with `unknown` told. */
int cli_show_json(struct cli *c, const struct pg_stmt *stmt, const struct pg_params *params, const char *unknown);

#endif
