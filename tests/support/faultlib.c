/*
 * Makes one allocation or one socket call of a program fail: LD_PRELOAD=faultlib.so, configured by the environment.
 *
 *   FAULT_ALLOCATION=N   the Nth malloc, calloc, realloc or aligned allocation returns NULL
 *   FAULT_SOCKET=N       the Nth send, recv, read or write on a socket fails as FAULT_KIND says:
 *                        reset (the connection breaks), eintr, eagain, short (one byte only),
 *                        kill (the process ends with SIGKILL before it)
 *   FAULT_TRACE=1        says on stderr where the failing call came from (addr2line reads it)
 *   FAULT_ARM=FILE       counts only while FILE exists, so that start-up can be left out
 *   FAULT_COUNT=FILE     both counts are written there, as text, at a normal exit
 *
 * Counts are of the whole process, all threads. Without a fault set it only counts: a test runs once to learn how many
 * there are, and then once for each that it wants to see failing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of glibc: what malloc & Co. call themselves, so that dlsym(), which allocates, isn't needed for them. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t alignment, size_t n);

static atomic_long allocations, socket_calls;
static long fail_allocation, fail_socket;
static const char *fault, *arm_file, *count_file;
static atomic_bool ready;
static __thread bool inside; /* our own calls don't count */

static long number(const char *name)
{
	const char *text = getenv(name);

	return text ? strtol(text, NULL, 10) : 0;
}

static void write_counts(void)
{
	char text[64];
	int n, fd = count_file ? open(count_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;

	if (fd < 0)
		return;
	n = snprintf(text, sizeof(text), "%ld %ld\n", atomic_load(&allocations), atomic_load(&socket_calls));
	inside = true;
	if (write(fd, text, (size_t)n) != n)
		abort();
	inside = false;
	close(fd);
}

static void __attribute__((constructor)) fault_init(void)
{
	fail_allocation = number("FAULT_ALLOCATION");
	fail_socket = number("FAULT_SOCKET");
	fault = getenv("FAULT_KIND") ? getenv("FAULT_KIND") : "reset";
	arm_file = getenv("FAULT_ARM");
	count_file = getenv("FAULT_COUNT");
	atexit(write_counts);
	atomic_store(&ready, true);
}

static bool armed(void)
{
	bool is;
	int e = errno;

	if (!atomic_load(&ready) || inside)
		return false;
	inside = true;
	is = !arm_file || access(arm_file, F_OK) == 0;
	inside = false;
	errno = e;
	return is;
}

static void trace(void)
{
	void *frames[24];

	inside = true;
	backtrace_symbols_fd(frames, backtrace(frames, 24), STDERR_FILENO);
	inside = false;
}

static bool hit(atomic_long *count, long which)
{
	if (!armed() || atomic_fetch_add(count, 1) + 1 != which)
		return false;
	if (getenv("FAULT_TRACE"))
		trace();
	return true;
}

/* ---- memory ---- */

static void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

void *malloc(size_t n)
{
	return hit(&allocations, fail_allocation) ? no_memory() : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return hit(&allocations, fail_allocation) ? no_memory() : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return hit(&allocations, fail_allocation) ? no_memory() : __libc_realloc(p, n);
}

int posix_memalign(void **ret, size_t alignment, size_t n)
{
	void *p = hit(&allocations, fail_allocation) ? NULL : __libc_memalign(alignment, n);

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

void *aligned_alloc(size_t alignment, size_t n)
{
	return hit(&allocations, fail_allocation) ? no_memory() : __libc_memalign(alignment, n);
}

/* ---- sockets ---- */

static bool is_socket(int fd)
{
	int type, e = errno;
	socklen_t n = sizeof(type);
	bool is = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0;

	errno = e;
	return is;
}

/* What the call is to return; 1 means: go on, but with one byte only. */
static ssize_t misbehave(int fd)
{
	if (strcmp(fault, "short") == 0)
		return 1;
	if (strcmp(fault, "eintr") == 0)
		errno = EINTR;
	else if (strcmp(fault, "eagain") == 0)
		errno = EAGAIN;
	else if (strcmp(fault, "kill") == 0)
		kill(getpid(), SIGKILL);
	else {
		shutdown(fd, SHUT_RDWR);
		errno = ECONNRESET;
	}
	return -1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* One socket call: n is what is asked for, `call` does it with n bytes. */
#define SOCKET_CALL(fd, n, call)                                                 \
	do {                                                                     \
		if (n > 0 && is_socket(fd) && hit(&socket_calls, fail_socket)) { \
			if (misbehave(fd) < 0)                                   \
				return -1;                                       \
			n = 1;                                                   \
		}                                                                \
		return call;                                                     \
	} while (0)

ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
	SOCKET_CALL(fd, n, REAL(send)(fd, bytes, n, flags));
}

ssize_t recv(int fd, void *bytes, size_t n, int flags)
{
	SOCKET_CALL(fd, n, REAL(recv)(fd, bytes, n, flags));
}

ssize_t read(int fd, void *bytes, size_t n)
{
	SOCKET_CALL(fd, n, REAL(read)(fd, bytes, n));
}

ssize_t write(int fd, const void *bytes, size_t n)
{
	SOCKET_CALL(fd, n, REAL(write)(fd, bytes, n));
}

/* What Debian's builds call instead (_FORTIFY_SOURCE). */
ssize_t __recv_chk(int fd, void *bytes, size_t n, size_t room, int flags);
ssize_t __recv_chk(int fd, void *bytes, size_t n, size_t room, int flags)
{
	return recv(fd, bytes, n, flags);
}

ssize_t __read_chk(int fd, void *bytes, size_t n, size_t room);
ssize_t __read_chk(int fd, void *bytes, size_t n, size_t room)
{
	return read(fd, bytes, n);
}
