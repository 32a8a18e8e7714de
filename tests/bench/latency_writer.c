/*
 * Single inserts at a fixed rate; prints "RESPONSE_ID COMMITTED_US" for each, the wall clock when the commit was
 * acknowledged. The clock of the sink is the same, so the difference is what a manager waits for.
 *
 *   latency_writer SQL PER_SECOND SECONDS      SQL returns the id; the database is that of PGHOST, PGPORT, …
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void die(PGconn *c)
{
	fprintf(stderr, "latency_writer: %s", PQerrorMessage(c));
	exit(1);
}

int main(int argc, char **argv)
{
	struct timespec next, now;
	PGconn *c;
	int per_s, n;

	if (argc != 4 || (per_s = atoi(argv[2])) < 1 || (n = per_s * atoi(argv[3])) < 1) {
		fprintf(stderr, "usage: latency_writer SQL PER_SECOND SECONDS\n");
		return 64;
	}
	c = PQconnectdb("");
	if (PQstatus(c) != CONNECTION_OK || PQresultStatus(PQprepare(c, "insert", argv[1], 0, NULL)) != PGRES_COMMAND_OK)
		die(c);
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (int i = 0; i < n; i++) {
		PGresult *r;

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		r = PQexecPrepared(c, "insert", 0, NULL, NULL, NULL, 0);
		clock_gettime(CLOCK_REALTIME, &now);
		if (PQresultStatus(r) != PGRES_TUPLES_OK)
			die(c);
		printf("%s %ld\n", PQgetvalue(r, 0, 0), now.tv_sec * 1000000L + now.tv_nsec / 1000);
		PQclear(r);
		next.tv_nsec += 1000000000L / per_s;
		if (next.tv_nsec >= 1000000000L) {
			next.tv_nsec -= 1000000000L;
			next.tv_sec++;
		}
	}
	PQfinish(c);
	return 0;
}
