/*
 * Runs configurations as data: each case of a .cases file is a folder of files and what loading them must say.
 *
 *   === name of the case
 *   --- closeloop.conf        a file; closeloop.conf is the one that is loaded
 *   --- secret NAME           a file that only its owner can read
 *   --- open NAME             a file that everybody can read
 *   --- bytes NAME            a file with \xHH for any byte, its last line end left out
 *   --- folder NAME, --- fifo NAME
 *   --- repeat N NAME         the section's text N times
 *   --- expect                what is printed, exactly; a line may end in … for "and so on"
 *   --- truncate              also: closeloop.conf cut at every byte must load or be refused, nothing else
 *
 * Usage: run_settings FILE.cases…   A failing case prints what came instead.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CASES_BYTES_MAX (4 * 1024 * 1024)
#define MAIN_FILE "closeloop.conf"

struct part { /* one section of a case, in the text of the file */
	char *head, *body;
	size_t n;
};

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "run_settings: %s: %s\n", what, strerror(errno));
	exit(99);
}

static char *slurp(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text = xmalloc(CASES_BYTES_MAX);
	size_t n;

	must(f != NULL, path);
	n = fread(text, 1, CASES_BYTES_MAX - 1, f);
	must(feof(f) || n < CASES_BYTES_MAX - 1, path);
	fclose(f);
	text[n] = '\0';
	return text;
}

static void write_file(const char *path, const char *text, size_t n, mode_t mode)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);

	must(fd >= 0 && write(fd, text, n) == (ssize_t)n && fchmod(fd, mode) == 0, path);
	close(fd);
}

static size_t unescape(char *text, size_t n)
{
	size_t out = 0;
	unsigned byte;

	for (size_t i = 0; i < n; i++) {
		if (i + 3 < n && text[i] == '\\' && text[i + 1] == 'x' && sscanf(text + i + 2, "%2x", &byte) == 1) {
			text[out++] = (char)byte;
			i += 3;
		} else {
			text[out++] = text[i];
		}
	}
	return out > 0 && text[out - 1] == '\n' ? out - 1 : out;
}

static void write_repeated(const struct part *p, const char *words)
{
	char *name, *text;
	long times = strtol(words, &name, 10);

	must(times > 0 && *name == ' ', p->head);
	text = xmalloc(p->n * (size_t)times + 1);
	for (long i = 0; i < times; i++)
		memcpy(text + p->n * (size_t)i, p->body, p->n);
	write_file(name + 1, text, p->n * (size_t)times, 0644);
	free(text);
}

/* Makes what a section describes; false for expect and truncate. */
static bool part_make(const struct part *p)
{
	static const char *const kinds[] = {"secret ", "open ", "bytes ", "folder ", "fifo ", "repeat ", NULL};
	int kind = 0;
	const char *name;

	if (strcmp(p->head, "expect") == 0 || strcmp(p->head, "truncate") == 0)
		return false;
	while (kinds[kind] && strncmp(p->head, kinds[kind], strlen(kinds[kind])) != 0)
		kind++;
	name = p->head + (kinds[kind] ? strlen(kinds[kind]) : 0);
	switch (kind) {
	case 0: write_file(name, p->body, p->n, 0600); break;
	case 2: write_file(name, p->body, unescape(p->body, p->n), 0644); break;
	case 3: must(mkdir(name, 0755) == 0, name); break;
	case 4: must(mkfifo(name, 0644) == 0, name); break;
	case 5: write_repeated(p, name); break;
	default: write_file(name, p->body, p->n, 0644); break;
	}
	return true;
}

/* Line by line; a wanted line that ends in … stands for all that begin like it. */
static bool text_matches(const char *want, const char *got)
{
	while (*want && *got) {
		size_t w = strcspn(want, "\n"), g = strcspn(got, "\n");
		bool open = w >= 3 && memcmp(want + w - 3, "…", 3) == 0;

		if (open ? g < w - 3 || memcmp(want, got, w - 3) != 0 : w != g || memcmp(want, got, w) != 0)
			return false;
		want += w + (want[w] == '\n');
		got += g + (got[g] == '\n');
	}
	return !*want && !*got;
}

/* What must hold of every load, whatever the file says. */
static const char *load_trouble(int r, const struct diag_list *diags, const struct settings *s)
{
	if (r != 0 && r != SETTINGS_E_INVALID)
		return "neither loaded nor refused";
	if ((r == 0) != (diags->errors == 0))
		return "the result and the errors contradict each other";
	if ((r == 0) != (s != NULL))
		return "settings without success, or success without settings";
	if (s && (strlen(s->sha256) != 64 || !s->ruleset || !settings_follow_up(s, "standard")))
		return "settings are incomplete";
	return NULL;
}

static const char *load(struct buf *printed)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct settings *s CLEANUP(settings_freep) = NULL;
	int r = settings_load(MAIN_FILE, diags, &s);

	diag_print(diags, printed);
	return load_trouble(r, diags, s);
}

static const char *truncate_all(const struct part *parts, int n)
{
	static char trouble[200];

	for (int i = 0; i < n; i++) {
		if (strcmp(parts[i].head, MAIN_FILE) != 0)
			continue;
		for (size_t k = 0; k <= parts[i].n; k++) {
			struct buf printed CLEANUP(buf_fini) = BUF_INIT(1 << 20);
			const char *what;

			write_file(MAIN_FILE, parts[i].body, k, 0644);
			what = load(&printed);
			if (what) {
				snprintf(trouble, sizeof(trouble), "cut at byte %zu: %s", k, what);
				return trouble;
			}
		}
	}
	return NULL;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static bool run_case(const char *name, struct part *parts, int n)
{
	char folder[] = "/tmp/closeloop-settings-XXXXXX";
	struct buf printed CLEANUP(buf_fini) = BUF_INIT(1 << 20);
	const char *want = NULL, *trouble;
	bool cut = false;

	must(mkdtemp(folder) && chdir(folder) == 0, folder);
	for (int i = 0; i < n; i++) {
		if (strcmp(parts[i].head, "expect") == 0)
			want = parts[i].body;
		else if (strcmp(parts[i].head, "truncate") == 0)
			cut = true;
		else
			part_make(&parts[i]);
	}
	must(want != NULL, name);
	trouble = load(&printed);
	if (!trouble && !text_matches(want, buf_str(&printed)))
		trouble = "other words than expected";
	if (!trouble && cut)
		trouble = truncate_all(parts, n);
	must(chdir("/") == 0 && nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0, folder);
	if (trouble)
		printf("FAILED %s: %s\n--- expect\n%s\n--- got\n%s", name, trouble, want, buf_str(&printed));
	return !trouble;
}

/* The text up to the next line that begins with a mark; that line's rest goes to *ret_head. */
static char *next_mark(char *at, const char *mark, char **ret_end)
{
	for (char *p = at; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (strncmp(p, mark, strlen(mark)) == 0) {
			*ret_end = p;
			return p;
		}
	*ret_end = at + strlen(at);
	return NULL;
}

static char *line_cut(char *line)
{
	char *end = strchr(line, '\n');

	must(end != NULL, "a mark without a line end");
	*end = '\0';
	return end + 1;
}

/* Sections of one case. The blank lines before the next mark belong to nobody. */
static int parts_split(char *text, struct part *parts, int max)
{
	char *end, *p = next_mark(text, "--- ", &end);
	int n = 0;

	while (p) {
		char *body = line_cut(p), *next = next_mark(body, "--- ", &end);

		must(n < max, "too many sections");
		parts[n] = (struct part){p + 4, body, (size_t)(end - body)};
		while (parts[n].n > 1 && body[parts[n].n - 1] == '\n' && body[parts[n].n - 2] == '\n')
			parts[n].n--;
		if (parts[n].n == 1 && body[0] == '\n')
			parts[n].n = 0;
		n++;
		p = next;
	}
	for (int i = 0; i < n; i++)
		parts[i].body[parts[i].n] = '\0';
	return n;
}

static void run_file(const char *path, int *cases, int *failed)
{
	char *text = slurp(path), *end, *p = next_mark(text, "=== ", &end);

	while (p) {
		struct part parts[40];
		char *body = line_cut(p), *next = next_mark(body, "=== ", &end);
		int n;

		if (next)
			next[-1] = '\0';
		n = parts_split(body, parts, ARRAY_SIZE(parts));
		++*cases;
		if (!run_case(p + 4, parts, n))
			++*failed;
		p = next;
	}
	free(text);
}

int main(int argc, char **argv)
{
	int cases = 0, failed = 0, start = open(".", O_RDONLY | O_DIRECTORY);

	unsetenv("CREDENTIALS_DIRECTORY");
	for (int i = 1; i < argc; i++) {
		must(fchdir(start) == 0, "the folder of the start");
		run_file(argv[i], &cases, &failed);
	}
	close(start);
	printf("%d configurations, %d failed\n", cases, failed);
	must(cases > 0, "no cases");
	return failed ? 1 : 0;
}
