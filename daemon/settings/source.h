/*
 * The text of a configuration: the main file with everything it includes, joined, and which line came from where.
 *
 * Files are read once, with their size capped before anything looks at them, so what was checked is what is
 * used. libconfig gets the joined text and never opens a file itself (including a directory would make it exit).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SETTINGS_SOURCE_H
#define SETTINGS_SOURCE_H

#include "base/buf.h"
#include "base/diag.h"

#define SOURCE_INCLUDE_DEPTH_MAX 10
#define SOURCE_FILES_MAX 500

struct source {
	struct arena *arena; /* borrowed: the names of files live there */
	struct buf text;
	struct text_pos *lines; /* of each line of text */
	int n_lines, room;
};

/*
 * source_read() - false: diags hold why; the source is to be given to source_fini() either way
 * @arena: for the names of files, which outlive the source as places of settings
 */
bool source_read(struct source *src, const char *path, struct arena *arena, struct diag_list *diags);
/* A text that is joined already; name stands for its file. */
bool source_of_text(struct source *src, const char *name, const char *text, struct arena *arena, struct diag_list *diags);
void source_fini(struct source *src);

/* File and line of a line of the joined text (from 1). */
struct text_pos source_pos(const struct source *src, int line);
/* A copy of a line of the joined text, without its end. */
char *source_line(const struct source *src, int line, struct arena *arena);

/*
 * file_slurp() - a regular file of at most *max_bytes, for texts that people write
 * Never blocks on a FIFO or device. *ret is malloc'd and NUL-terminated.
 * Return: NULL, or what is wrong as words that follow the file's name, from the arena.
 */
const char *file_slurp(struct arena *arena, const char *path, size_t max_bytes, char **ret, size_t *ret_n);
/* The folder of a path, "." for a bare name; from the arena. */
const char *path_folder(struct arena *arena, const char *path);
/* name as seen from a folder: absolute names stay. */
const char *path_join(struct arena *arena, const char *folder, const char *name);

#endif
