/*
 * The asynchronous connection when things go wrong: the backend or the whole server dies, a statement hangs, the server
 * is read-only or full, names and addresses lead nowhere, a pooler swallows notifications. It never gives up, and every
 * done is called exactly once.
 * Run by tests/support/with-postgres.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pg_fixture.h"

#include "pg/conn.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_backend_terminated(void **state)
{
	struct fixture *f = *state;
	const struct pg_stmt *known = sql(f, "select 3::int8");
	struct answer a[4] = {{.letter = 'a'}, {.letter = 'b'}, {.letter = 'c'}, {.letter = 'd'}};

	fixture_up(f, (struct pg_conn_options){.listen = "x"});
	SEND(f, &a[0], known);
	SEND(f, &a[1], known, sql(f, "select pg_terminate_backend(pg_backend_pid())"), known);
	SEND(f, &a[2], known);
	WAIT_FOR(f, f->ups == 2);
	assert_string_equal(f->trace, "UabcDU");
	assert_false(a[0].failed);
	assert_true(a[1].error.lost);
	assert_string_equal(a[1].error.sqlstate, "57P01");
	assert_true(a[2].error.lost);
	assert_string_equal(a[2].error.sqlstate, "57P01");
	assert_string_equal(f->why.sqlstate, "57P01");
	assert_true(pg_error_is_server(&a[2].error));
	assert_int_equal(a[1].calls + a[2].calls, 2);
	/* Prepared and listening anew. */
	SEND(f, &a[3], known);
	WAIT_FOR(f, a[3].calls);
	assert_false(a[3].failed);
	run_sync(f, "notify x");
	WAIT_FOR(f, f->notifies == 1);
}

static void test_terminated_while_idle(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, (struct pg_conn_options){.setup_sql = "set application_name = 'victim'"});
	run_sync(f, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim'");
	WAIT_FOR(f, f->downs);
	assert_non_null(strstr(f->why.message, "terminating connection"));
	assert_string_equal(f->why.sqlstate, "57P01");
	assert_true(f->why.lost);
	assert_false(pg_conn_is_up(f->conn));
	assert_string_equal(pg_conn_trouble(f->conn), f->why.message);
	WAIT_FOR(f, f->ups == 2);
}

/* A backend dies by SIGKILL: the server ends all sessions, recovers, refuses for a while, and is back. */
static void test_server_crash(void **state)
{
	static const struct pg_stmt stmt = {.name = "pid", .sql = "select pg_backend_pid()"};
	struct fixture *f = *state;
	struct answer a = {0}, b = {0};
	struct pg_rows *rows;
	struct pg_error error;
	pid_t pid;

	fixture_up(f, (struct pg_conn_options){0});
	SEND(f, &a, sql(f, "select pg_sleep(600)"));
	assert_int_equal(pg_sync_run(f->sync, &stmt, NULL, &rows, &error), 0);
	pid = pg_get_int4(rows, 0, 0);
	pg_rows_free(rows);
	if (kill(pid, SIGKILL) < 0)
		skip(); /* the server is another user's */
	WAIT_FOR(f, f->downs);
	assert_int_equal(a.calls, 1);
	assert_true(a.error.lost);
	WAIT_FOR(f, pg_conn_is_up(f->conn));
	SEND(f, &b, sql(f, "select 8::int8"));
	WAIT_FOR(f, b.calls == 1 && (!b.failed || pg_conn_is_up(f->conn)));
	WAIT_FOR(f, pg_conn_is_up(f->conn));
	SEND(f, &b, sql(f, "select 9::int8"));
	WAIT_FOR(f, b.calls == 2);
	assert_int_equal(b.value, 9);
	f->sync = pg_sync_close(f->sync);
}

/* Half a minute of back-off ends when another connection has found the server back. */
static void test_hurry(void **state)
{
	struct fixture *f = *state;

	fixture_open(f, (struct pg_conn_options){.conninfo = "host=/nonexistent"});
	pg_conn_hurry(f->conn); /* nothing to hurry yet */
	WAIT_FOR(f, f->conn->attempts == 1);
	deadline_arm(&f->conn->deadline, 2 * GIVE_UP_US);
	pg_conn_hurry(f->conn);
	WAIT_FOR(f, f->conn->attempts == 2);
}

static void test_statement_timeout(void **state)
{
	struct fixture *f = *state;
	struct answer slow = {.f = f, .letter = 's'}, next = {.f = f, .letter = 'n'}, after = {0};
	struct pg_batch *b;

	fixture_up(f, (struct pg_conn_options){0});
	b = pg_batch_new(f->conn);
	pg_batch_add(b, sql(f, "select pg_sleep(600)"), NULL, NULL, NULL);
	pg_batch_send(b, 50 * US_PER_MS, answer_on_done, &slow);
	SEND(f, &next, sql(f, "select 1"));
	WAIT_FOR(f, f->downs);
	assert_string_equal(f->trace, "UsnD");
	assert_true(slow.error.lost && next.error.lost);
	assert_string_equal(slow.error.message, "a statement took too long");
	WAIT_FOR(f, f->ups == 2);
	SEND(f, &after, sql(f, "select 1"));
	WAIT_FOR(f, after.calls);
	assert_false(after.failed);
	assert_int_equal(slow.calls + next.calls, 2);
	run_sync(f, "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)%' "
		    "and pid <> pg_backend_pid()");
}

static void again_on_done(void *arg, const struct pg_error *error)
{
	struct answer *a = arg;

	answer_on_done(a, error);
	if (a->again) {
		a->again = false;
		SEND(a->f, a, sql(a->f, "select 1"));
		assert_int_equal(a->calls, 1); /* not from inside */
	}
}

static void test_reset_and_sending_while_down(void **state)
{
	struct fixture *f = *state;
	struct answer a = {.f = f, .letter = 'a', .again = true}, b = {.letter = 'b'}, early = {0};
	struct pg_batch *batch;

	fixture_open(f, (struct pg_conn_options){0});
	SEND(f, &early, sql(f, "select 1"));
	assert_int_equal(early.calls, 0);
	WAIT_FOR(f, early.calls);
	assert_true(early.error.lost);
	WAIT_FOR(f, f->ups);

	batch = pg_batch_new(f->conn);
	pg_batch_add(batch, sql(f, "select pg_sleep(600)"), NULL, NULL, NULL);
	pg_batch_send(batch, 0, again_on_done, &a);
	pg_conn_reset(f->conn, "because");
	pg_conn_reset(f->conn, "because of something else");
	assert_false(pg_conn_is_up(f->conn));
	SEND(f, &b, sql(f, "select 1"));
	assert_int_equal(a.calls + b.calls, 0);
	WAIT_FOR(f, a.calls == 2 && b.calls == 1 && f->downs == 1);
	assert_string_equal(a.error.message, "because");
	assert_true(a.error.lost && b.error.lost);
	WAIT_FOR(f, f->ups == 2);
	run_sync(f, "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)%' "
		    "and pid <> pg_backend_pid()");
}

/* Killed at whatever point the server happens to be: each batch is answered once, and what was answered well was done.
 */
static void test_storm(void **state)
{
	enum { KILLS = 4, BATCHES = 40 };
	static const struct pg_stmt insert = {
		.name = "storm", .sql = "insert into storm values ($1)", .n_params = 1, .params = {PG_INT4}};
	struct fixture *f = *state;
	struct answer *answers = arena_new_array(f->arena, struct answer, KILLS * BATCHES);
	struct answer count = {0};
	int good = 0, n = 0;

	run_sync(f, "drop table if exists storm; create table storm (i int unique)");
	fixture_open(f, (struct pg_conn_options){.setup_sql = "set application_name = 'storm'", .listen = "x"});
	for (int kill = 0; kill < KILLS; kill++) {
		WAIT_FOR(f, pg_conn_is_up(f->conn));
		for (int i = 0; i < BATCHES; i++, n++) {
			struct pg_params *p = arena_new_obj(f->arena, struct pg_params);
			struct pg_batch *b = pg_batch_new(f->conn);

			answers[n].f = f;
			pg_params_init(p, f->arena);
			pg_add_int4(p, n);
			pg_batch_add(b, &insert, p, NULL, NULL);
			pg_batch_send(b, 0, answer_on_done, &answers[n]);
			if (i % 10 == kill)
				ev_run(loop_ev(f->loop), EVRUN_ONCE);
		}
		run_sync(f, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'storm'; "
			    "notify x");
		WAIT_FOR(f, f->downs == kill + 1);
	}
	WAIT_FOR(f, pg_conn_is_up(f->conn));
	for (int i = 0; i < n; i++) {
		assert_int_equal(answers[i].calls, 1);
		assert_true(!answers[i].failed || answers[i].error.lost);
		good += !answers[i].failed;
	}
	SEND(f, &count, sql(f, "select count(*) from storm"));
	WAIT_FOR(f, count.calls);
	assert_true(count.value >= good); /* more, when the answer was lost */
	assert_int_equal(f->ups, KILLS + 1);
	run_sync(f, "drop table storm");
}

static void test_read_only(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	run_sync(f, "create table written (i int)");
	fixture_up(f, (struct pg_conn_options){.setup_sql = "set default_transaction_read_only = on"});
	SEND(f, &a, sql(f, "insert into written values (1)"));
	WAIT_FOR(f, a.calls);
	assert_string_equal(a.error.sqlstate, "25006");
	assert_true(pg_error_is_server(&a.error));
	/* The session would stay what it is for ever: a new one is made. */
	assert_true(a.error.lost);
	WAIT_FOR(f, f->downs == 1 && f->ups == 2);
	run_sync(f, "drop table written");
}

static void test_too_many_connections(void **state)
{
	struct pg_sync *first = NULL;
	struct fixture *f = *state;
	struct pg_error error;

	run_sync(f, "drop role if exists few; create role few login connection limit 1");
	assert_int_equal(pg_sync_open("user=few", &first, &error), 0);
	fixture_open(f, (struct pg_conn_options){.conninfo = "user=few"});
	WAIT_FOR(f, pg_conn_trouble(f->conn)[0]);
	assert_non_null(strstr(pg_conn_trouble(f->conn), "too many connections"));
	assert_int_equal(f->downs, 0);
	pg_sync_close(first);
	WAIT_FOR(f, f->ups);
	assert_string_equal(pg_conn_trouble(f->conn), "");
}

static void test_setup_fails_for_a_while(void **state)
{
	struct fixture *f = *state;

	fixture_open(f, (struct pg_conn_options){.setup_sql = "select 1 from not_there_yet"});
	WAIT_FOR(f, pg_conn_trouble(f->conn)[0]);
	assert_string_equal(pg_conn_trouble(f->conn), "relation \"not_there_yet\" does not exist");
	run_sync(f, "create table not_there_yet ()");
	WAIT_FOR(f, f->ups);
	assert_int_equal(f->downs, 0);
	run_sync(f, "drop table not_there_yet");
}

/* ---- names and addresses ---- */

static void test_host_name(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	fixture_up(f, (struct pg_conn_options){
			      .conninfo = arena_printf(f->arena, "host=localhost port=%s sslmode=disable", getenv("PGPORT"))});
	SEND(f, &a, sql(f, "select 2::int8"));
	WAIT_FOR(f, a.calls);
	assert_int_equal(a.value, 2);
}

static void test_unknown_host_name(void **state)
{
	struct fixture *f = *state;

	fixture_open(f, (struct pg_conn_options){.conninfo = "host=no-such-host.invalid"});
	WAIT_FOR(f, strstr(pg_conn_trouble(f->conn), "could not translate host name"));
	assert_non_null(strstr(pg_conn_trouble(f->conn), "no-such-host.invalid"));
}

/* A name that isn't known and a socket folder that isn't there don't keep us from the third. */
static void test_several_hosts(void **state)
{
	struct fixture *f = *state;
	const char *port = getenv("PGPORT");

	fixture_up(f, (struct pg_conn_options){
			      .conninfo = arena_printf(f->arena,
						       "host=no-such-host.invalid,/nonexistent,localhost port=%s,%s,%s "
						       "target_session_attrs=read-write",
						       port, port, port)});
	assert_true(pg_conn_is_up(f->conn));
}

static int silent_server(int *ret_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &n), 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

/* A server that accepts and says nothing: given up after the timeout, and passed over the next time. */
static void test_silent_server(void **state)
{
	struct fixture *f = *state;
	int port, fd = silent_server(&port);

	fixture_open(f, (struct pg_conn_options){.conninfo = arena_printf(f->arena, "host=127.0.0.1,127.0.0.1 port=%d,%s", port,
									  getenv("PGPORT")),
						 .connect_timeout_us = 300 * US_PER_MS});
	WAIT_FOR(f, pg_conn_trouble(f->conn)[0]);
	assert_string_equal(pg_conn_trouble(f->conn), "the server did not answer in time");
	WAIT_FOR(f, f->ups);
	close(fd);
}

static void test_refused_then_there(void **state)
{
	struct fixture *f = *state;
	int port, fd = silent_server(&port);

	close(fd);
	fixture_open(f, (struct pg_conn_options){.conninfo = arena_printf(f->arena, "host=127.0.0.1 port=%d", port)});
	WAIT_FOR(f, strstr(pg_conn_trouble(f->conn), "refused"));
	assert_int_equal(f->ups + f->downs, 0);
}

static void test_bad_conninfo(void **state)
{
	struct fixture *f = *state;

	fixture_open(f, (struct pg_conn_options){.conninfo = "hostt=x y"});
	WAIT_FOR(f, pg_conn_trouble(f->conn)[0]);
	assert_int_equal(f->ups, 0);
}

static void test_service_file(void **state)
{
	char path[] = "/tmp/closeloop-service-XXXXXX";
	struct fixture *f = *state;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	dprintf(fd, "[feedback]\nhost=localhost\nport=%s\ndbname=closeloop\n", getenv("PGPORT"));
	close(fd);
	setenv("PGSERVICEFILE", path, 1);
	fixture_open(f, (struct pg_conn_options){.conninfo = "service=feedback sslmode=disable"});
	WAIT_FOR(f, f->ups || pg_conn_trouble(f->conn)[0]);
	unsetenv("PGSERVICEFILE");
	unlink(path);
	assert_string_equal(pg_conn_trouble(f->conn), "");
}

/* ---- a pooler ---- */

#define PGBOUNCER "/usr/sbin/pgbouncer"

static pid_t start_pgbouncer(struct fixture *f, const char *dir, int port)
{
	const char *ini = arena_printf(f->arena, "%s/pgbouncer.ini", dir);
	struct passwd *postgres = getpwnam("postgres");
	FILE *file = fopen(ini, "w");
	pid_t pid;

	assert_non_null(file);
	fprintf(file,
		"[databases]\ncloseloop = host=127.0.0.1 port=%s "
		"user=postgres\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=%d\n"
		"auth_type=any\npool_mode=transaction\nunix_socket_dir=\nignore_startup_parameters=extra_float_"
		"digits\nlogfile=%s/log\n",
		getenv("PGPORT"), port, dir);
	fclose(file);
	chmod(dir, 0777);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getuid() == 0 && (!postgres || setgid(postgres->pw_gid) < 0 || setuid(postgres->pw_uid) < 0))
			_exit(99);
		execl(PGBOUNCER, PGBOUNCER, "-q", ini, NULL);
		_exit(99);
	}
	return pid;
}

/* In transaction mode LISTEN answers OK; the probe finds out, and unprepared statements work. */
static void test_pooler(void **state)
{
	char dir[] = "/tmp/closeloop-bouncer-XXXXXX", command[64];
	struct pg_conn_options o = {.label = "pooled",
				    .listen = "x",
				    .unprepared = true,
				    .on_up = fixture_on_up,
				    .on_listening = fixture_on_listening,
				    .arg = *state};
	struct fixture *f = *state;
	struct answer a[3] = {0};
	int port, fd;
	pid_t pid;

	if (access(PGBOUNCER, X_OK) < 0)
		skip();
	assert_non_null(mkdtemp(dir));
	fd = silent_server(&port);
	close(fd);
	pid = start_pgbouncer(f, dir, port);
	o.conninfo = arena_printf(f->arena, "host=127.0.0.1 port=%d user=postgres dbname=closeloop", port);
	f->conn = pg_conn_new(f->loop, &o);
	WAIT_FOR(f, f->listening_calls);
	for (int i = 0; i < 3; i++)
		SEND(f, &a[i], sql(f, "select 6::int8"), sql(f, "select 7::int8"));
	WAIT_FOR(f, a[2].calls);
	f->conn = pg_conn_free(f->conn);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
	assert_false(f->listening);
	assert_false(a[2].failed);
	assert_int_equal(a[2].value, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_backend_terminated, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_terminated_while_idle, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_server_crash, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_statement_timeout, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_storm, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_reset_and_sending_while_down, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_read_only, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_too_many_connections, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_setup_fails_for_a_while, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_host_name, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_unknown_host_name, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_several_hosts, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_silent_server, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_refused_then_there, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_bad_conninfo, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_service_file, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_hurry, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_pooler, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
