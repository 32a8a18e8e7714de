/*
 * Reading template files; see mail_files.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mail_files.h"

#include "base/escape.h"
#include "channel/render.h"
#include "template/template.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *mail_files_builtin(const char *name)
{
	for (const struct embedded *e = mail_builtin; e->name; e++)
		if (strcmp(e->name, name) == 0)
			return e->text;
	return NULL;
}

static const char *fault(const char *text, size_t n)
{
	uint32_t code;
	size_t used;

	if (n > TEMPLATE_BYTES_MAX)
		return "too large for a template";
	for (size_t i = 0; i < n; i += used) {
		used = utf8_next(text + i, n - i, &code);
		if (code == 0 || (code == 0xfffd && used == 1))
			return "not UTF-8 text";
	}
	return NULL;
}

/* Reads at most one byte more than a template may have. */
static ssize_t read_all(int fd, char *text)
{
	ssize_t n = 0, k;

	while ((k = read(fd, text + n, (size_t)(TEMPLATE_BYTES_MAX + 1 - n))) != 0) {
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		n += k;
	}
	return n;
}

int mail_files_read(const char *dir, const char *name, struct diag_list *diags, char **ret_text, char **ret_path)
{
	CLEANUP(freep) char *path = NULL, *text = NULL;
	struct text_pos pos = {0};
	const char *why = NULL;
	struct stat st;
	ssize_t n;
	int fd;

	if (!dir)
		return -ENOENT;
	if (asprintf(&path, "%s/%s", dir, name) < 0)
		abort();
	pos.file = path;
	/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0) {
		diag_add(diags, DIAG_ERROR, pos, "can't be read: %s", strerror(errno));
		return RENDER_E_INVALID;
	}
	text = xmalloc(TEMPLATE_BYTES_MAX + 2);
	n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read_all(fd, text) : -EINVAL;
	close(fd);
	why = n == -EINVAL ? "not a plain file" : n < 0 ? strerror((int)-n) : fault(text, (size_t)n);
	if (why) {
		diag_add(diags, DIAG_ERROR, pos, "%s", why);
		return RENDER_E_INVALID;
	}
	text[n] = '\0';
	*ret_text = TAKE(text);
	*ret_path = TAKE(path);
	return 0;
}
