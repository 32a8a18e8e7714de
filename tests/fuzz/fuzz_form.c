/*
 * Fuzz target: any bytes as a form or a query.
 *
 * Must hold: it is refused, or every name and value is UTF-8 text without controls; what is put into a query and read back
 * is what it was.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "fuzz/fuzz.h"
#include "page/form.h"

#include <string.h>

static void must_be_text(const char *s)
{
	uint32_t code;
	size_t used;

	for (size_t i = 0; s[i]; i += used) {
		used = utf8_next(s + i, strlen(s + i), &code);
		MUST(code != 0xfffd || used == 3);
		MUST((code >= 0x20 && code != 0x7f) || code == '\t' || code == '\n');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct arena *a = arena_new(0);
	struct buf again = BUF_INIT(8 * 1024 * 1024);
	struct form f, g;

	if (form_parse((const char *)data, bytes, a, &f) == 0) {
		for (int i = 0; i < f.n; i++) {
			must_be_text(f.fields[i].name);
			must_be_text(f.fields[i].value);
			MUST(form_get(&f, f.fields[i].name) != NULL);
			MUST(form_number(&f, f.fields[i].name, 1000) <= 1000);
			if (i)
				buf_putc(&again, '&');
			form_put_value(&again, f.fields[i].name);
			buf_putc(&again, '=');
			form_put_value(&again, f.fields[i].value);
		}
		MUST(form_parse(buf_str(&again), again.n, a, &g) == 0);
		MUST(g.n == f.n);
		for (int i = 0; i < g.n; i++)
			MUST(strcmp(f.fields[i].value, g.fields[i].value) == 0);
	}
	buf_fini(&again);
	arena_free(a);
	return 0;
}
