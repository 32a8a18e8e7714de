/*
 * Reading the directory; see directory_load.h. Rows are only valid inside their callbacks, so people are read into a
 * directory of their own first, and absences into a second one made of both.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/directory_load.h"
#include "base/log.h"

#include <stdlib.h>

struct directory_load {
	struct live *live;
	int64_t version;
	struct directory *made;
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

static void on_done(void *arg, const struct pg_error *error)
{
	struct directory_load *l = arg;

	if (!error) {
		directory_free(l->live->directory);
		l->live->directory = TAKE(l->made);
		log_info("directory: version=%lld people=%d", (long long)l->version, directory_count(l->live->directory));
	}
	directory_free(l->made);
	l->done(l->arg, error);
	free(l);
}

void directory_load(struct pg_conn *conn, struct live *live, pg_done_fn *done, void *arg)
{
	struct directory_load *l = xcalloc(1, sizeof(*l));
	struct pg_batch *b = pg_batch_new(conn);

	*l = (struct directory_load){.live = live, .done = done, .arg = arg};
	pg_batch_add(b, &directory_version_stmt, NULL, on_version, l);
	pg_batch_add(b, &directory_people_stmt, NULL, on_people, l);
	pg_batch_add(b, &directory_absences_stmt, NULL, on_absences, l);
	pg_batch_add(b, &directory_zones_stmt, NULL, on_zones, l);
	pg_batch_send(b, 0, on_done, l);
}
