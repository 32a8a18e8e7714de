/*
 * Secrets live in files of their own: looked up under $CREDENTIALS_DIRECTORY (systemd), then beside the configuration.
 *
 * Whatever was read is wiped before its memory goes back; a file that others on the machine can read is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/load.h"
#include "settings/value.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_BYTES_MAX (16 * 1024)
#define SECRET_KEYS_MAX 16
#define KEY_BYTES_MIN 16
#define SIGNING_PREFIX "whsec_"

static const char *secret_find(struct load *l, const char *name)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY"), *path;

	if (folder && folder[0] && !strchr(name, '/')) {
		path = path_join(l->arena, folder, name);
		if (access(path, F_OK) == 0)
			return path;
		path = path_join(l->arena, folder, arena_printf(l->arena, "secret_%s", name));
		if (access(path, F_OK) == 0)
			return path;
	}
	return path_join(l->arena, l->folder, name);
}

/* Standard Webhooks 1.0: whsec_ and the base64 of 24 to 64 bytes. */
static bool signing_key_valid(const char *key)
{
	const char *text = key + strlen(SIGNING_PREFIX);
	unsigned char bytes[3 * SECRET_BYTES_MAX / 4 + 4];
	size_t n = strlen(key);
	int decoded;

	if (strncmp(key, SIGNING_PREFIX, strlen(SIGNING_PREFIX)) != 0)
		return false;
	n -= strlen(SIGNING_PREFIX);
	if (n == 0 || n % 4)
		return false;
	decoded = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)n);
	explicit_bzero(bytes, sizeof(bytes));
	if (decoded < 0)
		return false;
	decoded -= (text[n - 1] == '=') + (text[n - 2] == '=');
	return decoded >= 24 && decoded <= 64;
}

static const char *key_trouble(const char *key, enum secret_kind kind)
{
	switch (kind) {
	case SECRET_SIGNING: return signing_key_valid(key) ? NULL : "expected whsec_ and the base64 of 24 to 64 random bytes";
	case SECRET_KEY: return strlen(key) >= KEY_BYTES_MIN ? NULL : "is too short: at least 16 characters";
	case SECRET_PASSWORD:
	case SECRET_URL: break;
	}
	return NULL;
}

static void secret_free(struct secret *s)
{
	for (int i = 0; i < s->n; i++) {
		explicit_bzero(s->keys[i], strlen(s->keys[i]));
		free(s->keys[i]);
	}
	free(s->keys);
	free(s);
}

void secrets_free(struct settings_own *own)
{
	for (int i = 0; i < own->n_secrets; i++)
		secret_free(own->secrets[i]);
	free(own->secrets);
	own->secrets = NULL;
	own->n_secrets = 0;
}

static struct secret *secret_add(struct settings_own *own)
{
	if (own->n_secrets == own->room_secrets) {
		own->room_secrets = own->room_secrets ? own->room_secrets * 2 : 8;
		own->secrets = xrealloc(own->secrets, (size_t)own->room_secrets * sizeof(*own->secrets));
	}
	own->secrets[own->n_secrets] = xcalloc(1, sizeof(struct secret));
	own->secrets[own->n_secrets]->keys = xcalloc(SECRET_KEYS_MAX, sizeof(char *));
	return own->secrets[own->n_secrets++];
}

/* A password is the line as it stands; keys lose the blanks around them. */
static char *line_trim(char *line, enum secret_kind kind)
{
	size_t n = strlen(line);

	while (n > 0 && (line[n - 1] == '\r' || (kind != SECRET_PASSWORD && strchr(" \t", line[n - 1]))))
		line[--n] = '\0';
	return kind == SECRET_PASSWORD ? line : line + strspn(line, " \t");
}

/* Lines → keys. false after reporting. */
static bool secret_split(struct load *l, const struct item *it, enum secret_kind kind, char *text, struct secret *s)
{
	int max = kind == SECRET_PASSWORD || kind == SECRET_URL ? 1 : SECRET_KEYS_MAX, number = 0;
	char *rest = text, *line;
	bool good = true;

	while ((line = strsep(&rest, "\n"))) {
		const char *trouble;

		number++;
		line = line_trim(line, kind);
		if (!line[0])
			continue;
		if (s->n == max) {
			load_error(l, it, NULL, "'%s' has more than %d line%s", it->text, max, max == 1 ? "" : "s");
			return false;
		}
		trouble = key_trouble(line, kind);
		if (trouble) {
			load_error(l, it, NULL, "line %d of '%s' %s", number, it->text, trouble);
			good = false;
		}
		s->keys[s->n++] = xstrdup(line);
	}
	if (s->n == 0) {
		load_error(l, it, NULL, "'%s' is empty", it->text);
		good = false;
	}
	return good;
}

struct secret *load_secret(struct load *l, const struct item *it, enum secret_kind kind)
{
	const char *path = secret_find(l, it->text), *trouble;
	char *text = NULL;
	struct secret *s;
	struct stat st;
	size_t n = 0;
	bool good;

	if (l->files != FILES_ALL) {
		s = secret_add(l->own);
		s->path = it->text;
		return s;
	}
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IROTH | S_IWOTH))) {
		load_error(l, it, NULL, "'%s' can be read by everybody on this machine: chmod 600 %s", path, path);
		return NULL;
	}
	trouble = file_slurp(l->arena, path, SECRET_BYTES_MAX, &text, &n);
	if (trouble) {
		load_error(l, it, NULL, "'%s' %s", path, trouble);
		return NULL;
	}
	s = secret_add(l->own);
	s->path = it->text;
	good = strlen(text) == n;
	if (good)
		good = secret_split(l, it, kind, text, s);
	else
		load_error(l, it, NULL, "'%s' holds a NUL byte", it->text);
	explicit_bzero(text, n);
	free(text);
	return good ? s : NULL;
}

bool secret_holds(const struct secret *secret, const char *text)
{
	bool same = false;

	for (int i = 0; text && secret && i < secret->n; i++)
		same |= strlen(text) == strlen(secret->keys[i]) && CRYPTO_memcmp(text, secret->keys[i], strlen(text)) == 0;
	return same;
}
