/*
 * CSV as spreadsheets write it, and what is said of broken files.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Records joined as "a|b / c|d", errors as "!LINE text". */
static char *read_all(const char *text, size_t n)
{
	struct buf out = BUF_INIT(1024 * 1024);
	struct diag_list *diags = diag_list_new();
	struct arena *arena = arena_new(0);
	struct csv_record record;
	struct csv csv;
	int r;

	csv_init(&csv, "f.csv", text, n);
	while ((r = csv_next(&csv, arena, diags, &record)) != CSV_E_END) {
		if (out.n)
			buf_puts(&out, " / ");
		if (r) {
			const struct diag *d = &diags->items[diags->n - 1];

			buf_printf(&out, "!%d %s", d->pos.line, d->text);
			continue;
		}
		buf_printf(&out, "%d:", record.line);
		for (int i = 0; i < record.n; i++)
			buf_printf(&out, "%s%s", i ? "|" : "", record.fields[i]);
	}
	arena_free(arena);
	diag_list_free(diags);
	return buf_take(&out);
}

static void test_records(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"", ""},
		{"a,b\n", "1:a|b"},
		{"a,b", "1:a|b"},
		{"a,b\r\nc,d\r\n", "1:a|b / 2:c|d"},
		{"\xef\xbb\xbf"
		 "a\n",
		 "1:a"},
		{"a,\n", "1:a|"},
		{",\n", "1:|"},
		{"\n\na\n\r\nb\n", "3:a / 5:b"},
		{"\"a,b\",c\n", "1:a,b|c"},
		{"\"say \"\"hi\"\"\",x\n", "1:say \"hi\"|x"},
		{"\"two\nlines\",x\ny,z\n", "1:two\nlines|x / 3:y|z"},
		{"\"\"\n", "1:"},
		{" a , b \n", "1: a | b "},
		{"한빛,정밀\n", "1:한빛|정밀"},
		{"a;b\n", "1:a;b"},
		{"a,b\rc,d\r", "1:a|b / 2:c|d"},
		{"\r\ra\r\n\rb", "3:a / 5:b"},
		{"a\"b\rc\r", "!1 a quote inside a field: put the whole field in quotes and double those inside / 2:c"},
		{"\"open\nx", "!1 a quote is opened and never closed"},
		{"a\"b,c\nd,e\n", "!1 a quote inside a field: put the whole field in quotes and double those inside / 2:d|e"},
		{"\"a\"b,c\nd\n", "!1 text behind a closing quote / 2:d"},
		{"\xff,b\nc\n", "!1 not UTF-8: save the file as \"CSV UTF-8\" / 2:c"},
		{"\xed\x95,b\n", "!1 not UTF-8: save the file as \"CSV UTF-8\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *got = read_all(cases[i].text, strlen(cases[i].text));

		assert_string_equal(got, cases[i].expected);
		free(got);
	}
}

static void test_nul_byte_is_refused(void **state)
{
	char *got = read_all("a\0b,c\nd\n", 8);

	assert_string_equal(got, "!1 a NUL byte / 2:d");
	free(got);
}

static void test_caps(void **state)
{
	struct buf many = BUF_INIT(1024 * 1024), large = BUF_INIT(1024 * 1024);
	char *got;

	for (int i = 0; i < CSV_FIELDS_MAX; i++)
		buf_puts(&many, "x,");
	buf_puts(&many, "x\ny\n");
	got = read_all(buf_str(&many), many.n);
	assert_string_equal(got, "!1 more than 64 fields / 2:y");
	free(got);
	for (int i = 0; i <= CSV_FIELD_BYTES_MAX; i++)
		buf_putc(&large, 'x');
	buf_puts(&large, "\ny\n");
	got = read_all(buf_str(&large), large.n);
	assert_string_equal(got, "!1 a field of more than 64 KiB / 2:y");
	free(got);
	buf_fini(&many);
	buf_fini(&large);
}

static int header(const char *text, struct diag_list *diags, int *columns)
{
	static const char *const known[] = {"dimension", "value", "person", NULL};
	struct arena *arena = arena_new(0);
	struct csv csv;
	int r;

	csv_init(&csv, "f.csv", text, strlen(text));
	r = csv_header(&csv, arena, diags, known, columns);
	arena_free(arena);
	return r;
}

static void test_header(void **state)
{
	struct diag_list *diags = diag_list_new();
	int columns[3];

	assert_int_equal(header("value,dimension\n", diags, columns), 0);
	assert_int_equal(columns[0], 1);
	assert_int_equal(columns[1], 0);
	assert_int_equal(columns[2], -1);
	assert_int_equal(header("\xef\xbb\xbf"
				"Person; DIMENSION ;Value\r\na,b;c;d\n",
				diags, columns),
			 0);
	assert_int_equal(columns[0], 1);
	assert_int_equal(columns[1], 2);
	assert_int_equal(columns[2], 0);
	assert_int_equal(header("value\tperson\n", diags, columns), 0);
	assert_int_equal(columns[2], 1);
	assert_int_equal(header("dimension,valeu,value,value\n", diags, columns), CSV_E_INVALID);
	assert_int_equal(diags->n, 2);
	assert_string_equal(diags->items[0].text, "unknown column 'valeu', did you mean 'value'?");
	assert_string_equal(diags->items[1].text, "column 'value' twice");
	assert_int_equal(header("", diags, columns), CSV_E_INVALID);
	assert_int_equal(header("\xff\xfev", diags, columns), CSV_E_INVALID);
	assert_string_equal(diags->items[3].text, "UTF-16: save the file as \"CSV UTF-8\"");
	assert_int_equal(header("value\tperson\ra;b\t\r", diags, columns), 0);
	assert_int_equal(columns[2], 1);
	diag_list_free(diags);
}

static void test_written_fields_are_read_back(void **state)
{
	static const char *const fields[] = {"plain",   "",   "a,b",  "say \"hi\"", "two\nlines",
					     "=SUM(1)", "\"", "cr\r", " space ",    "한빛"};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		struct buf out = BUF_INIT(1024), expected = BUF_INIT(1024);
		char *got;

		csv_put(&out, "k");
		buf_putc(&out, ',');
		csv_put(&out, fields[i]);
		buf_putc(&out, '\n');
		got = read_all(buf_str(&out), out.n);
		buf_printf(&expected, "1:k|%s", fields[i]);
		assert_string_equal(got, buf_str(&expected));
		free(got);
		buf_fini(&out);
		buf_fini(&expected);
	}
}

/* What a spreadsheet would run is written so that it doesn't, and comes back as it was. */
static void test_formulas(void **state)
{
	static const struct {
		const char *cell, *written;
	} cells[] = {
		{"=cmd|'/C calc'!A0", "'=cmd|'/C calc'!A0"},
		{"+82 10", "'+82 10"},
		{"-", "'-"},
		{"@SUM(A1)", "'@SUM(A1)"},
		{"'=1", "''=1"},
		{"''-1", "'''-1"},
		{"=1,\"x\"", "\"'=1,\"\"x\"\"\""},
		{"'s-Hertogenbosch", "'s-Hertogenbosch"},
		{"'", "'"},
		{"", ""},
		{"a=b", "a=b"},
		{"한빛", "한빛"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		struct buf out = BUF_INIT(1024);
		char *got;

		csv_put_cell(&out, cells[i].cell);
		assert_string_equal(buf_str(&out), cells[i].written);
		buf_puts(&out, ",k\n");
		got = read_all(buf_str(&out), out.n);
		*strrchr(got, '|') = '\0';
		assert_string_equal(csv_cell(got + 2), cells[i].cell);
		free(got);
		buf_fini(&out);
	}
	assert_non_null(csv_cell_trouble("=A1&B1"));
	assert_non_null(csv_cell_trouble("#n/a"));
	assert_null(csv_cell_trouble("'=A1"));
	assert_null(csv_cell_trouble("#1"));
	assert_null(csv_cell_trouble(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_nul_byte_is_refused),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_written_fields_are_read_back),
		cmocka_unit_test(test_formulas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
