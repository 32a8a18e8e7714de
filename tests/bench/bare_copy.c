/*
 * What a backtest is compared with: a bare libpq program that reads the same columns the same way and drops them.
 *
 *     bare_copy SQL   connects by the environment, begins as `closeloop backtest` does, runs COPY (…) TO STDOUT, counts rows and bytes
 *
 * Prints rows, bytes and seconds from sending the statement to its end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run(PGconn *pg, const char *sql, ExecStatusType wanted)
{
	PGresult *result = PQexec(pg, sql);

	if (PQresultStatus(result) != wanted) {
		fprintf(stderr, "bare_copy: %s", PQerrorMessage(pg));
		exit(1);
	}
	PQclear(result);
}

int main(int argc, char **argv)
{
	PGconn *pg = PQconnectdb("");
	long rows = 0, bytes = 0;
	double began;
	char *row;
	int n;

	if (argc != 2 || PQstatus(pg) != CONNECTION_OK) {
		fprintf(stderr, "bare_copy SQL: %s", PQerrorMessage(pg));
		return 1;
	}
	run(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL work_mem = '64MB'", PGRES_COMMAND_OK);
	began = now();
	run(pg, argv[1], PGRES_COPY_OUT);
	while ((n = PQgetCopyData(pg, &row, 0)) > 0) {
		rows++;
		bytes += n;
		PQfreemem(row);
	}
	if (n != -1) {
		fprintf(stderr, "bare_copy: %s", PQerrorMessage(pg));
		return 1;
	}
	printf("%ld %ld %.6f\n", rows, bytes, now() - began);
	PQfinish(pg);
	return 0;
}
