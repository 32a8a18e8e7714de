/*
 * A plain main for fuzz targets: runs every file of the corpus once, so that what a fuzzer found stays found in every
 * build.
 *
 *     replay_TARGET CORPUS-FOLDER|FILE…
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz/fuzz.h"
#include "base/util.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int replayed;

static void replay_file(const char *path, size_t bytes)
{
	FILE *f = fopen(path, "rb");
	/* Exactly as large as the input, so that a sanitizer sees a byte too far. */
	uint8_t *data = xmalloc(bytes ? bytes : 1);

	if (!f || fread(data, 1, bytes, f) != bytes) {
		perror(path);
		exit(1);
	}
	fclose(f);
	LLVMFuzzerTestOneInput(data, bytes);
	free(data);
	replayed++;
}

static void replay(const char *path)
{
	struct stat st;
	struct dirent **entries;
	char below[4096];
	int n;

	if (stat(path, &st) < 0) {
		perror(path);
		exit(1);
	}
	if (!S_ISDIR(st.st_mode)) {
		replay_file(path, (size_t)st.st_size);
		return;
	}
	n = scandir(path, &entries, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.') {
			snprintf(below, sizeof(below), "%s/%s", path, entries[i]->d_name);
			replay(below);
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	printf("%d passed, 0 failed\n", replayed);
	return replayed == 0;
}
