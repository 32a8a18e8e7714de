/*
 * Reading the directory; see directory_load.h. The new one replaces the old when it is whole; then the clocks that follow
 * from it and from the configuration are handed to PostgreSQL, and once for a configuration its follow_ups.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/directory_load.h"
#include "base/log.h"
#include "case/case_store.h"
#include "followup/clock_store.h"
#include "followup/version_store.h"
#include "intake/intake_store.h"

#include <stdlib.h>

struct directory_load {
	struct live *live;
	int64_t version;
	struct directory *made;
	struct directory *before; /* until the clocks are replaced too: else they would be taken for known */
	struct pg_conn *conn;
	struct arena *arena;
	bool clocks; /* else they stay as they are */
	pg_done_fn *done;
	void *arg;
};

static void on_version(void *arg, const struct pg_rows *rows)
{
	struct directory_load *l = arg;

	l->version = pg_get_int8(rows, 0, 0);
}

static void on_people(void *arg, const struct pg_rows *rows)
{
	struct directory_load *l = arg;

	l->made = directory_new(l->live->settings, l->version, rows);
}

static void on_absences(void *arg, const struct pg_rows *rows)
{
	struct directory_load *l = arg;

	directory_set_absences(l->made, rows);
}

static void on_zones(void *arg, const struct pg_rows *rows)
{
	struct directory_load *l = arg;

	directory_set_zones(l->made, rows);
}

static void load_end(struct directory_load *l, const struct pg_error *error)
{
	directory_free(l->made);
	directory_free(l->before);
	l->done(l->arg, error);
	arena_free(l->arena);
	free(l);
}

static void on_clocks(void *arg, const struct pg_rows *rows)
{
	struct live *live = arg;

	if (pg_get_bool(rows, 0, 0)) {
		live->clocks_changed = true;
		log_info("clocks: calendars=%d people=%d", live->settings->n_calendars, directory_count(live->directory));
	}
}

void clocks_add(struct pg_batch *b, struct live *live, struct arena *arena)
{
	const struct directory *d = live->directory;
	struct person_clock *people = arena_new_array(arena, struct person_clock, (size_t)directory_count(d));
	struct pg_params *p = arena_new_obj(arena, struct pg_params);

	for (int i = 0; i < directory_count(d); i++) {
		const struct person *person = directory_at(d, i);

		people[i] = (struct person_clock){person->id, person->calendar ? person->calendar->id : NULL,
						  directory_zone(d, person)};
	}
	clocks_params(p, arena, live->settings, people, directory_count(d));
	pg_batch_add(b, &clocks_replace, p, on_clocks, live);
}

static void on_versions(void *arg, const struct pg_rows *rows)
{
	struct directory_load *l = arg;
	int n = pg_count(rows);
	int32_t *versions = xcalloc((size_t)MAX(n, 1), sizeof(*versions));

	for (int i = 0; i < n; i++)
		versions[i] = pg_get_int4(rows, i, 0);
	free(l->live->follow_up_versions);
	l->live->follow_up_versions = versions;
}

static void on_replaced(void *arg, const struct pg_error *error)
{
	struct directory_load *l = arg;

	if (error) {
		directory_free(l->live->directory);
		l->live->directory = TAKE(l->before);
	}
	load_end(l, error);
}

static void add_sources(struct pg_batch *b, struct directory_load *l)
{
	const struct settings *s = l->live->settings;
	struct pg_params *p = arena_new_obj(l->arena, struct pg_params);
	struct pg_array sources, seconds;

	pg_array_init(&sources, l->arena, PG_TEXT);
	pg_array_init(&seconds, l->arena, PG_FLOAT8);
	for (int i = 0; i < s->n_sources; i++)
		if (s->sources[i].settle_s > 0) {
			pg_array_text(&sources, s->sources[i].id);
			pg_array_float8(&seconds, (double)s->sources[i].settle_s);
		}
	pg_params_init(p, l->arena);
	pg_add_array(p, &sources);
	pg_add_array(p, &seconds);
	pg_batch_add(b, &intake_settle_replace, p, NULL, NULL);
}

/* What the database must know of the configuration: clocks each time, the rest once. */
static void load_replace_clocks(struct directory_load *l)
{
	struct pg_batch *b = pg_batch_new(l->conn);

	clocks_add(b, l->live, l->arena);
	if (!l->live->follow_up_versions) {
		struct pg_params *q = arena_new_obj(l->arena, struct pg_params);

		follow_up_versions_params(q, l->arena, l->live->settings);
		pg_batch_add(b, &follow_up_versions_stmt, q, on_versions, l);
		add_sources(b, l);
		if (l->live->settings->cases.merge_by == MERGE_BY_ACCOUNT)
			pg_batch_add(b, &case_adopt_accounts, NULL, NULL, NULL);
	}
	pg_batch_send(b, 0, on_replaced, l);
}

static void on_done(void *arg, const struct pg_error *error)
{
	struct directory_load *l = arg;

	if (!error) {
		l->before = TAKE(l->live->directory);
		l->live->directory = TAKE(l->made);
		log_info("directory: version=%lld people=%d", (long long)l->version, directory_count(l->live->directory));
	}
	if (error || !l->clocks)
		load_end(l, error);
	else
		load_replace_clocks(l);
}

static void load_start(struct pg_conn *conn, struct live *live, bool clocks, pg_done_fn *done, void *arg)
{
	struct directory_load *l = xcalloc(1, sizeof(*l));
	struct pg_batch *b = pg_batch_new(conn);
	struct pg_params *zones;

	*l = (struct directory_load){
		.conn = conn, .live = live, .arena = arena_new(0), .clocks = clocks, .done = done, .arg = arg};
	zones = arena_new_obj(l->arena, struct pg_params);
	directory_zones_params(zones, l->arena, live->settings);
	pg_batch_add(b, &directory_version_stmt, NULL, on_version, l);
	pg_batch_add(b, &directory_people_stmt, NULL, on_people, l);
	pg_batch_add(b, &directory_absences_stmt, NULL, on_absences, l);
	pg_batch_add(b, &directory_zones_stmt, zones, on_zones, l);
	pg_batch_send(b, 0, on_done, l);
}

void directory_read(struct pg_conn *conn, struct live *live, pg_done_fn *done, void *arg)
{
	load_start(conn, live, false, done, arg);
}

void directory_load(struct pg_conn *conn, struct live *live, pg_done_fn *done, void *arg)
{
	load_start(conn, live, true, done, arg);
}
