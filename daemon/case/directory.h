/*
 * Everybody who can be told: the people of the configuration and of the database, and who is away.
 *
 * The configuration wins over the database. A directory is made from a configuration and result sets and then stays
 * as it is until it is made anew (closeloop.directory_version says when).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CASE_DIRECTORY_H
#define CASE_DIRECTORY_H

#include "pg/pg.h"
#include "settings/settings.h"

struct absence {
	const char *person;
	struct wall_time from, until; /* until WALL_NONE: open end */
	const char *deputy;           /* NULL: the person's own `deputy` */
};

struct directory;

/* () → last_value of closeloop.directory_version. */
extern const struct pg_stmt directory_version_stmt;
/* () → people of the database; () → absences that are not over. */
extern const struct pg_stmt directory_people_stmt, directory_absences_stmt;
/* (zones) → those, and those of the people of the database, that the server knows. */
extern const struct pg_stmt directory_zones_stmt;
void directory_zones_params(struct pg_params *p, struct arena *a, const struct settings *s);

/* settings must outlive the directory. people may be NULL (the configuration alone). */
struct directory *directory_new(const struct settings *s, int64_t version, const struct pg_rows *people);
/*
 * One from arrays, for rehearsals: the configuration's people, those of `people` whom it doesn't name, and absences. The arrays
 * must outlive it.
 */
struct directory *directory_make(const struct settings *s, const struct person *people, int n_people,
				 const struct absence *absences, int n_absences);
void directory_set_absences(struct directory *d, const struct pg_rows *absences);
/* Takes the rows of directory_zones_stmt; people in one that it doesn't know are shown UTC from then on (one log line each). */
void directory_set_zones(struct directory *d, const struct pg_rows *zones);
/* The person's zone, one that the server knows. */
const char *directory_zone(const struct directory *d, const struct person *p);
struct directory *directory_free(struct directory *d);
int64_t directory_version(const struct directory *d);

const struct person *directory_person(const struct directory *d, const char *id);
/* By id, else by mail address (either case). NULL: unknown. */
const struct person *directory_find(const struct directory *d, const char *id_or_address);

int directory_count(const struct directory *d);
/* 0 .. directory_count() - 1, in the order of their ids. */
const struct person *directory_at(const struct directory *d, int i);

/* The absence a person is in at a time, or NULL. */
const struct absence *directory_absence(const struct directory *d, const char *person, struct wall_time at);
/*
 * Who stands in: the person when present, else the first present one along the deputies (at most 8 steps).
 * NULL: everybody along the chain is away.
 */
const struct person *directory_present(const struct directory *d, const struct person *p, struct wall_time at);

#endif
