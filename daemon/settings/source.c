/*
 * Reading and joining configuration files; see source.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/source.h"
#include "base/escape.h"
#include "settings/token.h"
#include "settings/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOM "\xef\xbb\xbf"

struct join {
	struct source *src;
	struct diag_list *diags;
	const char *open[SOURCE_INCLUDE_DEPTH_MAX + 1]; /* the files being read, outermost first */
	int depth;
	int files;
};

struct file {
	const char *path;
	const char *text;
	size_t n;
};

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static const char *kind_trouble(mode_t mode)
{
	if (S_ISREG(mode))
		return NULL;
	return S_ISDIR(mode) ? "is a folder, expected a file" : "is no ordinary file (a pipe, socket or device)";
}

const char *file_slurp(struct arena *arena, const char *path, size_t max_bytes, char **ret, size_t *ret_n)
{
	int fd CLEANUP(fd_close) = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text CLEANUP(freep) = NULL;
	size_t n = 0, room;
	struct stat st;
	ssize_t got;

	if (fd < 0 && errno == ENOENT)
		return "does not exist";
	if (fd < 0 || fstat(fd, &st) < 0)
		return arena_printf(arena, "can't be opened: %s", strerror(errno));
	if (kind_trouble(st.st_mode))
		return kind_trouble(st.st_mode);
	if ((uintmax_t)st.st_size > max_bytes)
		return arena_printf(arena, "is too large: %jd bytes, and %zu are left of what is allowed", (intmax_t)st.st_size,
				    max_bytes);
	room = (size_t)st.st_size + 1;
	text = xmalloc(room + 1);
	while (n < room && (got = read(fd, text + n, room - n)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return arena_printf(arena, "can't be read: %s", strerror(errno));
		n += (size_t)got;
	}
	if (n == room)
		return "grew while it was read: try again";
	text[n] = '\0';
	*ret = TAKE(text);
	*ret_n = n;
	return NULL;
}

const char *path_folder(struct arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return ".";
	return slash == path ? "/" : arena_strndup(arena, path, (size_t)(slash - path));
}

const char *path_join(struct arena *arena, const char *folder, const char *name)
{
	if (name[0] == '/' || strcmp(folder, ".") == 0)
		return arena_strdup(arena, name);
	return arena_printf(arena, "%s%s%s", folder, strcmp(folder, "/") == 0 ? "" : "/", name);
}

static void source_map(struct source *src, const char *file, int line)
{
	if (src->n_lines == src->room) {
		src->room = src->room ? src->room * 2 : 256;
		src->lines = xrealloc(src->lines, (size_t)src->room * sizeof(*src->lines));
	}
	src->lines[src->n_lines++] = (struct text_pos){file, line};
}

/* Appends part of a file, then ends the line; each line of the result is mapped. */
static void source_append(struct source *src, const struct file *f, const char *from, const char *to, int line)
{
	buf_add(&src->text, from, (size_t)(to - from));
	source_map(src, f->path, line);
	for (const char *p = from; (p = memchr(p, '\n', (size_t)(to - p))); p++)
		source_map(src, f->path, ++line);
	buf_putc(&src->text, '\n');
}

/* What must be right before any parser looks: UTF-8, and no NUL, which would cut the text short. */
static bool encoding_check(struct join *j, const struct file *f)
{
	const char *line_start = f->text;
	int line = 1;

	if (f->n >= 2 && (memcmp(f->text, "\xff\xfe", 2) == 0 || memcmp(f->text, "\xfe\xff", 2) == 0)) {
		diag_add(j->diags, DIAG_ERROR, (struct text_pos){f->path, 1}, "the file is UTF-16: save it as UTF-8");
		return false;
	}
	for (size_t i = 0, used; i < f->n; i += used) {
		struct text_pos pos = {f->path, line};
		uint32_t code;

		used = utf8_next(f->text + i, f->n - i, &code);
		if (code == '\n') {
			line++;
			line_start = f->text + i + 1;
		}
		if (code == 0) {
			diag_add(j->diags, DIAG_ERROR, pos, "a NUL byte: is this a text file?");
			return false;
		}
		if (used == 1 && (unsigned char)f->text[i] >= 0x80) {
			diag_add(j->diags, DIAG_ERROR, pos, "byte 0x%02X at column %d is no UTF-8: save the file as UTF-8",
				 (unsigned char)f->text[i], (int)(f->text + i - line_start) + 1);
			return false;
		}
	}
	return true;
}

static bool join_file(struct join *j, const char *path, struct text_pos from);

static bool join_include(struct join *j, const struct file *f, const struct token *t)
{
	struct text_pos pos = {f->path, t->line};
	const char *name, *path;
	size_t n;

	token_include_name(t, &name, &n);
	if (n == 0) {
		diag_add(j->diags, DIAG_ERROR, pos, "@include: expected the name of a file");
		return false;
	}
	path = path_join(j->src->arena, path_folder(j->src->arena, f->path), arena_strndup(j->src->arena, name, n));
	for (int i = 0; i < j->depth; i++)
		if (strcmp(j->open[i], path) == 0) {
			diag_add(j->diags, DIAG_ERROR, pos, "@include: '%s' includes itself", path);
			return false;
		}
	if (j->depth > SOURCE_INCLUDE_DEPTH_MAX) {
		diag_add(j->diags, DIAG_ERROR, pos, "@include: files include each other more than %d deep",
			 SOURCE_INCLUDE_DEPTH_MAX);
		return false;
	}
	if (j->files == SOURCE_FILES_MAX) {
		diag_add(j->diags, DIAG_ERROR, pos, "@include: more than %d files", SOURCE_FILES_MAX);
		return false;
	}
	return join_file(j, path, pos);
}

static bool join_text(struct join *j, const struct file *f)
{
	const char *from = f->text;
	bool good = true;
	struct tokens lx;
	struct token t;
	int line = 1;

	tokens_init(&lx, f->text, f->n);
	for (tokens_next(&lx, &t); good && t.kind != TOKEN_END; tokens_next(&lx, &t)) {
		if (t.kind == TOKEN_BAD && (*t.at == '"' || *t.at == '/') && j->depth > 1) {
			/* It may not end in the file that includes this one. */
			diag_add(j->diags, DIAG_ERROR, (struct text_pos){f->path, t.line}, "%s", t.trouble);
			return false;
		}
		if (t.kind != TOKEN_INCLUDE)
			continue;
		source_append(j->src, f, from, t.at, line);
		from = t.at + t.n;
		line = t.line;
		good &= join_include(j, f, &t);
	}
	source_append(j->src, f, from, f->text + f->n, line);
	return good;
}

/* @from: the @include, or no place for the main file */
static bool join_file(struct join *j, const char *path, struct text_pos from)
{
	char *text CLEANUP(freep) = NULL;
	const char *trouble;
	struct file f = {.path = path};
	bool good;

	trouble = file_slurp(j->src->arena, path, SETTINGS_FILE_BYTES_MAX - MIN(j->src->text.n, SETTINGS_FILE_BYTES_MAX), &text,
			     &f.n);
	if (trouble) {
		if (from.file)
			diag_add(j->diags, DIAG_ERROR, from, "@include: '%s' %s", path, trouble);
		else
			diag_add(j->diags, DIAG_ERROR, (struct text_pos){path, 0}, "%s", trouble);
		return false;
	}
	f.text = text;
	if (f.n >= 3 && memcmp(text, BOM, 3) == 0) {
		f.text += 3; /* Windows editors leave one; libconfig would refuse it */
		f.n -= 3;
	}
	if (!encoding_check(j, &f))
		return false;
	j->open[j->depth++] = path;
	j->files++;
	good = join_text(j, &f);
	j->depth--;
	return good;
}

bool source_read(struct source *src, const char *path, struct arena *arena, struct diag_list *diags)
{
	struct join j = {.src = src, .diags = diags};

	/* Each include adds two line ends and at least an @include of ten bytes was there: twice the cap is plenty. */
	*src = (struct source){.arena = arena, .text = BUF_INIT(2 * SETTINGS_FILE_BYTES_MAX)};
	return join_file(&j, arena_strdup(arena, path), (struct text_pos){0});
}

bool source_of_text(struct source *src, const char *name, const char *text, struct arena *arena, struct diag_list *diags)
{
	struct join j = {.src = src, .diags = diags};
	struct file f = {arena_strdup(arena, name), text, strlen(text)};

	*src = (struct source){.arena = arena, .text = BUF_INIT(2 * SETTINGS_FILE_BYTES_MAX)};
	if (f.n > 2 * SETTINGS_FILE_BYTES_MAX) {
		diag_add(diags, DIAG_ERROR, (struct text_pos){f.path, 0}, "is too large: %zu bytes", f.n);
		return false;
	}
	if (!encoding_check(&j, &f))
		return false;
	buf_add(&src->text, text, f.n);
	for (int line = 1; text; text = strchr(text, '\n'), text += text ? 1 : 0)
		source_map(src, f.path, line++);
	return true;
}

void source_fini(struct source *src)
{
	buf_fini(&src->text);
	free(src->lines);
	src->lines = NULL;
}

struct text_pos source_pos(const struct source *src, int line)
{
	if (src->n_lines == 0)
		return (struct text_pos){0};
	return src->lines[MIN(MAX(line, 1), src->n_lines) - 1];
}

char *source_line(const struct source *src, int line, struct arena *arena)
{
	const char *p = buf_str(&src->text), *end;

	for (int i = 1; i < line && p; i++) {
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	if (!p)
		return arena_strdup(arena, "");
	end = strchrnul(p, '\n');
	if (end > p && end[-1] == '\r')
		end--;
	return arena_strndup(arena, p, (size_t)(end - p));
}
