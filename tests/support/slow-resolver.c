/*
 * Preloaded into a program under test: names that end in ".slow.invalid" take two minutes to resolve, as with a name
 * server that doesn't answer. All others go to the real resolver.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#define SLOW ".slow.invalid"
#define SLOW_SECONDS 120

typedef int resolve_fn(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret);

resolve_fn getaddrinfo;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	size_t n = name ? strlen(name) : 0;
	resolve_fn *real = (resolve_fn *)dlsym(RTLD_NEXT, "getaddrinfo");

	if (n >= strlen(SLOW) && strcmp(name + n - strlen(SLOW), SLOW) == 0) {
		sleep(SLOW_SECONDS);
		return EAI_AGAIN;
	}
	return real(name, service, hints, ret);
}
