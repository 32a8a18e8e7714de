/*
 * PostgreSQL's wall clock, ahead of the machine's by what a file says: LD_PRELOAD=libserver-clock.so, CLOCK_FILE=FILE.
 *
 * The file holds what libfaketime takes too: "+90.5" (seconds), "-30m", "+2h", "+1d". It is read at each call, so the clock jumps when
 * the file is replaced; one that can't be read leaves it where it was. CLOCK_MONOTONIC isn't touched.
 *
 * libfaketime itself can't be a server's clock: while the server sleeps, a signal handler that asks it for the time is told the real
 * one, and PostgreSQL's deadlock check, which is such a handler, waits out the difference. Here nothing but system calls is made, and
 * nothing is kept but the last offset (signal-safety(7)).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

static char file[PATH_MAX];
static _Atomic int64_t ahead_ns;

__attribute__((constructor)) static void find_file(void)
{
	const char *name = getenv("CLOCK_FILE");

	snprintf(file, sizeof(file), "%s", name ? name : "");
}

static int64_t unit_s(char unit)
{
	switch (unit) {
	case 'm': return 60;
	case 'h': return 3600;
	case 'd': return 86400;
	default: return 1;
	}
}

static int64_t parse_ns(const char *text)
{
	int64_t sign = *text == '-' ? -1 : 1, ns = 0, place = NS_PER_S / 10;

	text += *text == '-' || *text == '+';
	for (; *text >= '0' && *text <= '9'; text++)
		ns = ns * 10 + (*text - '0') * NS_PER_S;
	if (*text == '.')
		for (text++; *text >= '0' && *text <= '9'; text++, place /= 10)
			ns += (*text - '0') * place;
	return sign * ns * unit_s(*text);
}

static int64_t read_ahead_ns(void)
{
	char text[64];
	int saved = errno, fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	if (fd >= 0)
		close(fd);
	if (n > 0) {
		text[n] = '\0';
		ahead_ns = parse_ns(text);
	}
	errno = saved;
	return ahead_ns;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	long r = syscall(SYS_clock_gettime, clock, ret);

	if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
		int64_t ns = ret->tv_sec * NS_PER_S + ret->tv_nsec + read_ahead_ns();

		ret->tv_sec = ns / NS_PER_S;
		ret->tv_nsec = ns % NS_PER_S;
	}
	return (int)r;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec now;
	int r = clock_gettime(CLOCK_REALTIME, &now);

	(void)zone;
	ret->tv_sec = now.tv_sec;
	ret->tv_usec = now.tv_nsec / 1000;
	return r;
}

time_t time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}
