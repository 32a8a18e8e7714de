/*
 * The loop: order and time of deadlines, signals, the mailbox under many threads, what systemd is told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loop/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define THREADS 4
#define POSTS 20000

static int setup(void **state)
{
	*state = loop_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	*state = loop_free(*state);
	return 0;
}

struct timed {
	struct deadline deadline;
	struct mono_time fired_at;
	int fired, again;
	char *trace;
	char letter;
	bool last;
};

static void timed_on_deadline(struct deadline *d)
{
	struct timed *t = container_of(d, struct timed, deadline);
	char letter[2] = {t->letter, '\0'};

	t->fired++;
	t->fired_at = mono_now();
	if (t->trace)
		strcat(t->trace, letter);
	if (t->again-- > 0)
		deadline_arm(d, 0);
	else if (t->last)
		loop_stop(d->loop);
}

static void timed_init(struct timed *t, struct loop *l, char *trace, char letter)
{
	*t = (struct timed){.trace = trace, .letter = letter};
	deadline_init(&t->deadline, l, "test", timed_on_deadline);
}

static void test_deadlines_fire_in_order(void **state)
{
	struct mono_time start = mono_now();
	char trace[16] = "";
	struct timed a, b, c, gone;

	timed_init(&a, *state, trace, 'a');
	timed_init(&b, *state, trace, 'b');
	timed_init(&c, *state, trace, 'c');
	timed_init(&gone, *state, trace, 'x');
	c.last = true;
	/* Far apart: what is due in one turn may come in any order, and under valgrind a turn is long. */
	deadline_arm(&c.deadline, 200 * US_PER_MS);
	deadline_arm(&gone.deadline, 10 * US_PER_MS);
	deadline_arm(&b.deadline, 60 * US_PER_MS);
	deadline_arm(&a.deadline, 0);
	assert_true(deadline_is_armed(&a.deadline));
	assert_true(deadline_is_armed(&gone.deadline));
	assert_string_equal(trace, "");
	deadline_disarm(&gone.deadline);
	deadline_disarm(&gone.deadline);
	assert_false(deadline_is_armed(&gone.deadline));
	loop_run(*state);
	assert_string_equal(trace, "abc");
	assert_true(c.fired_at.us - start.us >= 199 * US_PER_MS);
	assert_false(deadline_is_armed(&a.deadline));
	assert_false(deadline_is_armed(&c.deadline));
	assert_true(loop_turned_at(*state).us >= start.us);
}

/* Arming again moves it, in both directions and between "soon" and "later". */
static void test_arming_moves(void **state)
{
	char trace[16] = "";
	struct timed a, b;

	timed_init(&a, *state, trace, 'a');
	timed_init(&b, *state, trace, 'b');
	b.last = true;
	deadline_arm(&a.deadline, 0);
	deadline_arm(&a.deadline, 3600 * US_PER_S);
	deadline_arm(&a.deadline, 5 * US_PER_MS);
	deadline_arm(&b.deadline, 3600 * US_PER_S);
	deadline_arm(&b.deadline, 10 * US_PER_MS);
	loop_run(*state);
	assert_string_equal(trace, "ab");
	assert_int_equal(a.fired, 1);
}

/* A deadline that arms itself with 0 for ever doesn't keep a timer (or I/O) from its turn. */
static void test_soon_starves_nobody(void **state)
{
	struct timed a, b;

	timed_init(&a, *state, NULL, 'a');
	timed_init(&b, *state, NULL, 'b');
	a.again = INT32_MAX;
	b.last = true;
	deadline_arm(&a.deadline, 0);
	deadline_arm(&b.deadline, 20 * US_PER_MS);
	loop_run(*state);
	assert_true(a.fired > 1);
	assert_int_equal(b.fired, 1);
	deadline_disarm(&a.deadline);
}

static void on_signal(void *arg, int signo)
{
	struct loop *l = *(struct loop **)arg;

	assert_int_equal(signo, SIGUSR1);
	loop_stop(l);
}

static void test_signal(void **state)
{
	assert_int_equal(loop_on_signal(*state, SIGUSR1, on_signal, state), 0);
	assert_true(loop_on_signal(*state, SIGKILL, on_signal, state) < 0);
	assert_true(loop_on_signal(*state, 0, on_signal, state) < 0);
	raise(SIGUSR1);
	loop_run(*state);
	/* SIGPIPE is ignored: still alive after it. */
	raise(SIGPIPE);
}

static void test_stop_before_run(void **state)
{
	loop_stop(*state);
	loop_run(*state);
	assert_true(loop_turned_at(*state).us > 0);
}

struct post {
	struct mail_item item;
	int thread, n;
};
struct posting {
	struct mailbox *box;
	int thread;
};
struct taking {
	struct loop *loop;
	int next[THREADS];
	int total;
	struct mailbox *close_after_first;
	int dropped;
};

static void *post_many(void *arg)
{
	struct posting *p = arg;

	for (int i = 0; i < POSTS; i++) {
		struct post *post = xcalloc(1, sizeof(*post));

		post->thread = p->thread;
		post->n = i;
		mailbox_post(p->box, &post->item);
	}
	return NULL;
}

static void taking_on_item(void *arg, struct mail_item *item)
{
	struct post *post = container_of(item, struct post, item);
	struct taking *t = arg;

	assert_int_equal(post->n, t->next[post->thread]);
	t->next[post->thread]++;
	free(post);
	if (++t->total == THREADS * POSTS)
		loop_stop(t->loop);
}

static void keep_order(struct loop *l, int64_t rest_us)
{
	struct taking t = {.loop = l};
	struct mailbox *box = mailbox_new(l, taking_on_item, &t);
	struct posting posting[THREADS];
	pthread_t threads[THREADS];

	mailbox_set_rest(box, rest_us);
	for (int i = 0; i < THREADS; i++) {
		posting[i] = (struct posting){box, i};
		assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posting[i]), 0);
	}
	loop_run(l);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(t.total, THREADS * POSTS);
	box = mailbox_close(box, NULL);
	assert_null(box);
}

static void test_mailbox_keeps_order(void **state)
{
	keep_order(*state, 0);
}

static void test_mailbox_that_rests_keeps_order(void **state)
{
	keep_order(*state, US_PER_MS);
}

#define REST_US US_PER_S /* others may have the machine for half of it */
struct resting {
	struct loop *loop;
	struct mailbox *box;
	struct mail_item items[3];
	struct mono_time at[3];
	int taken;
};

/* The first is followed by two that come together after a rest. */
static void resting_on_item(void *arg, struct mail_item *item)
{
	struct resting *r = arg;

	assert_ptr_equal(item, &r->items[r->taken]);
	r->at[r->taken++] = mono_now();
	if (r->taken == 1) {
		mailbox_post(r->box, &r->items[1]);
		mailbox_post(r->box, &r->items[2]);
	}
	if (r->taken >= 3)
		loop_stop(r->loop);
}

static void test_mailbox_rests(void **state)
{
	struct resting r = {.loop = *state};
	struct mono_time from = mono_now();

	r.box = mailbox_new(*state, resting_on_item, &r);
	mailbox_set_rest(r.box, REST_US);
	mailbox_post(r.box, &r.items[0]);
	loop_run(*state);
	assert_int_equal(r.taken, 3);
	assert_true(r.at[0].us - from.us < REST_US / 2);
	assert_true(r.at[1].us - r.at[0].us >= REST_US * 9 / 10);
	assert_true(r.at[2].us - r.at[1].us < REST_US / 2);
	r.box = mailbox_close(r.box, NULL);
}

static void closing_on_drop(void *arg, struct mail_item *item)
{
	struct taking *t = arg;

	t->dropped++;
	free(container_of(item, struct post, item));
}

static void closing_on_item(void *arg, struct mail_item *item)
{
	struct taking *t = arg;

	t->total++;
	free(container_of(item, struct post, item));
	t->close_after_first = mailbox_close(t->close_after_first, closing_on_drop);
	loop_stop(t->loop);
}

static void test_mailbox_closed_from_inside(void **state)
{
	struct taking t = {.loop = *state};

	t.close_after_first = mailbox_new(*state, closing_on_item, &t);
	for (int i = 0; i < 3; i++) {
		struct post *post = xcalloc(1, sizeof(*post));

		mailbox_post(t.close_after_first, &post->item);
	}
	loop_run(*state);
	assert_int_equal(t.total, 1);
	assert_int_equal(t.dropped, 2);
}

struct notified {
	struct timed poll;
	int fd;
	char text[2048];
	int pets, asked;
	bool ill;
};

static bool is_healthy(void *arg)
{
	struct notified *n = arg;

	n->asked++;
	return !n->ill;
}

static void drain_notify(struct notified *n)
{
	char text[512];
	ssize_t k;

	while ((k = recv(n->fd, text, sizeof(text) - 1, MSG_DONTWAIT)) >= 0) {
		text[k] = '\0';
		n->pets += !strcmp(text, "WATCHDOG=1");
		strncat(n->text, text, sizeof(n->text) - strlen(n->text) - 1);
		strncat(n->text, "|", sizeof(n->text) - strlen(n->text) - 1);
	}
}

static void notified_on_poll(struct deadline *d)
{
	struct notified *n = container_of(container_of(d, struct timed, deadline), struct notified, poll);

	drain_notify(n);
	if (n->ill ? n->asked >= 2 : n->pets >= 2)
		loop_stop(d->loop);
	else
		deadline_arm(d, 5 * US_PER_MS);
}

static void test_systemd(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t n_address = sizeof(sa_family_t);
	struct notified n = {0};
	char name[64];

	n.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(n.fd >= 0);
	assert_int_equal(bind(n.fd, (struct sockaddr *)&address, n_address), 0); /* an abstract name the kernel picks */
	n_address = sizeof(address);
	assert_int_equal(getsockname(n.fd, (struct sockaddr *)&address, &n_address), 0);
	snprintf(name, sizeof(name), "@%.*s", (int)(n_address - sizeof(sa_family_t) - 1), address.sun_path + 1);
	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "40000", 1);
	unsetenv("WATCHDOG_PID");

	systemd_ready("up");
	systemd_status("open=%d\nREADY=0", 7);
	systemd_reloading();
	systemd_stopping();
	drain_notify(&n);
	if (!n.text[0])
		skip(); /* built without libsystemd */
	assert_non_null(strstr(n.text, "READY=1\nSTATUS=up|"));
	assert_non_null(strstr(n.text, "STATUS=open=7 READY=0|"));
	assert_non_null(strstr(n.text, "RELOADING=1\nMONOTONIC_USEC="));
	assert_non_null(strstr(n.text, "|STOPPING=1|"));

	deadline_init(&n.poll.deadline, *state, "poll", notified_on_poll);
	assert_int_equal(systemd_watchdog_start(*state, is_healthy, &n), 0);
	deadline_arm(&n.poll.deadline, 5 * US_PER_MS);
	loop_run(*state);
	assert_true(n.pets >= 2);

	n.ill = true;
	drain_notify(&n);
	n.asked = n.pets = 0;
	deadline_arm(&n.poll.deadline, 5 * US_PER_MS);
	loop_run(*state);
	drain_notify(&n);
	assert_true(n.asked >= 2);
	assert_int_equal(n.pets, 0);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	assert_int_equal(systemd_watchdog_start(*state, is_healthy, &n), 0);
	close(n.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_deadlines_fire_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arming_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_soon_starves_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_before_run, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mailbox_keeps_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mailbox_that_rests_keeps_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mailbox_rests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mailbox_closed_from_inside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_systemd, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
