/*
 * CSV; see csv.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/csv.h"
#include "cli/args.h"
#include "base/escape.h"

#include <string.h>
#include <strings.h>

void csv_init(struct csv *c, const char *name, const char *text, size_t n)
{
	*c = (struct csv){.name = name, .text = text, .n = n, .line = 1, .separator = ','};
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		c->at = 3;
}

static bool at_line_end(const struct csv *c, size_t *ret_bytes)
{
	if (c->at < c->n && c->text[c->at] == '\n')
		*ret_bytes = 1;
	else if (c->at < c->n && c->text[c->at] == '\r')
		*ret_bytes = c->at + 1 < c->n && c->text[c->at + 1] == '\n' ? 2 : 1;
	else
		return false;
	return true;
}

static int invalid(struct csv *c, struct diag_list *diags, int line, const char *text)
{
	diag_add(diags, DIAG_ERROR, (struct text_pos){c->name, line}, "%s", text);
	return CSV_E_INVALID;
}

/* The inside of a quoted field; c->at stands behind the opening quote, afterwards behind the closing one. */
static const char *take_quoted(struct csv *c, struct buf *field)
{
	while (c->at < c->n) {
		char byte = c->text[c->at++];

		if (byte == '"') {
			if (c->at < c->n && c->text[c->at] == '"') {
				c->at++;
			} else {
				return NULL;
			}
		}
		if (byte == '\n')
			c->line++;
		buf_putc(field, byte);
	}
	return "a quote is opened and never closed";
}

static const char *take_plain(struct csv *c, struct buf *field)
{
	size_t end;

	while (c->at < c->n && c->text[c->at] != c->separator && !at_line_end(c, &end)) {
		if (c->text[c->at] == '"')
			return "a quote inside a field: put the whole field in quotes and double those inside";
		buf_putc(field, c->text[c->at++]);
	}
	return NULL;
}

static const char *field_check(const struct buf *field)
{
	const char *s = buf_str(field);
	uint32_t code;
	size_t used;

	if (field->overflow)
		return "a field of more than 64 KiB";
	if (memchr(s, '\0', field->n))
		return "a NUL byte";
	for (size_t i = 0; i < field->n; i += used) {
		used = utf8_next(s + i, field->n - i, &code);
		if (used == 1 && (unsigned char)s[i] >= 0x80)
			return "not UTF-8: save the file as \"CSV UTF-8\"";
	}
	return NULL;
}

/* One field into field; says what is wrong, or NULL. */
static const char *take_field(struct csv *c, struct buf *field)
{
	const char *wrong;
	size_t end;

	if (c->at < c->n && c->text[c->at] == '"') {
		c->at++;
		wrong = take_quoted(c, field);
		if (!wrong && c->at < c->n && c->text[c->at] != c->separator && !at_line_end(c, &end))
			wrong = "text behind a closing quote";
	} else {
		wrong = take_plain(c, field);
	}
	return wrong ? wrong : field_check(field);
}

static void skip_line(struct csv *c)
{
	size_t end;

	while (c->at < c->n && !at_line_end(c, &end))
		c->at++;
	if (c->at < c->n) {
		c->at += end;
		c->line++;
	}
}

int csv_next(struct csv *c, struct arena *arena, struct diag_list *diags, struct csv_record *ret)
{
	struct buf field CLEANUP(buf_fini) = BUF_INIT(CSV_FIELD_BYTES_MAX);
	const char *wrong;
	size_t end;

	while (at_line_end(c, &end)) {
		c->at += end;
		c->line++;
	}
	if (c->at >= c->n)
		return CSV_E_END;
	*ret = (struct csv_record){arena_new_array(arena, const char *, CSV_FIELDS_MAX), 0, c->line};
	for (;;) {
		buf_reset(&field);
		wrong = ret->n == CSV_FIELDS_MAX ? "more than 64 fields" : take_field(c, &field);
		if (wrong) {
			skip_line(c);
			return invalid(c, diags, ret->line, wrong);
		}
		ret->fields[ret->n++] = arena_strndup(arena, buf_str(&field), field.n);
		if (c->at < c->n && c->text[c->at] == c->separator) {
			c->at++;
			continue;
		}
		if (at_line_end(c, &end)) {
			c->at += end;
			c->line++;
		}
		return 0;
	}
}

/* Spreadsheets write what their country does: semicolons where the comma is in the numbers. */
static void find_separator(struct csv *c)
{
	size_t start = c->at, length;

	while (start < c->n && strchr("\r\n", c->text[start]))
		start++;
	for (length = 0; start + length < c->n && c->text[start + length] != '\n' && c->text[start + length] != '\r'; length++)
		if (c->text[start + length] == ',')
			return;
	if (memchr(c->text + start, ';', length))
		c->separator = ';';
	else if (memchr(c->text + start, '\t', length))
		c->separator = '\t';
}

/* A heading with the blanks and capitals that a person gave it. */
static bool heading_is(const char *heading, const char *known)
{
	size_t n = strlen(known);

	heading += strspn(heading, " \t");
	return strncasecmp(heading, known, n) == 0 && !heading[n + strspn(heading + n, " \t")];
}

int csv_header(struct csv *c, struct arena *arena, struct diag_list *diags, const char *const *known, int *ret_columns)
{
	struct csv_record record;
	int n_known = 0, errors = diags->errors, r;

	while (known[n_known])
		ret_columns[n_known++] = -1;
	if (c->n >= 2 && (memcmp(c->text, "\xff\xfe", 2) == 0 || memcmp(c->text, "\xfe\xff", 2) == 0))
		return invalid(c, diags, 1, "UTF-16: save the file as \"CSV UTF-8\"");
	find_separator(c);
	r = csv_next(c, arena, diags, &record);
	if (r == CSV_E_END)
		return invalid(c, diags, 1, "empty: the first line names the columns");
	if (r)
		return r;
	for (int i = 0; i < record.n; i++) {
		const char *name = record.fields[i];
		int k = 0;

		while (k < n_known && !heading_is(name, known[k]))
			k++;
		if (k < n_known && ret_columns[k] < 0) {
			ret_columns[k] = i;
		} else if (k < n_known) {
			diag_add(diags, DIAG_ERROR, (struct text_pos){c->name, record.line}, "column '%s' twice", name);
		} else {
			diag_add(diags, DIAG_ERROR, (struct text_pos){c->name, record.line}, "unknown column '%s'%s", name,
				 did_you_mean(arena, name, known, (size_t)n_known, sizeof(known[0])));
		}
	}
	return diags->errors > errors ? CSV_E_INVALID : 0;
}

void csv_put(struct buf *out, const char *field)
{
	if (!field[strcspn(field, ",\"\r\n")]) {
		buf_puts(out, field);
		return;
	}
	buf_putc(out, '"');
	for (; *field; field++) {
		if (*field == '"')
			buf_putc(out, '"');
		buf_putc(out, *field);
	}
	buf_putc(out, '"');
}

/* Behind the apostrophes that may stand before a formula; NULL: it is none. */
static const char *formula(const char *cell)
{
	const char *start = cell + strspn(cell, "'");

	return *start && strchr("=+-@\t\r", *start) ? start : NULL;
}

void csv_put_cell(struct buf *out, const char *cell)
{
	struct buf guarded CLEANUP(buf_fini) = BUF_INIT(4 * CSV_FIELD_BYTES_MAX);

	if (!formula(cell)) {
		csv_put(out, cell);
		return;
	}
	buf_printf(&guarded, "'%s", cell);
	csv_put(out, buf_str(&guarded));
	out->overflow |= guarded.overflow;
}

const char *csv_cell(const char *field)
{
	return field[0] == '\'' && formula(field) ? field + 1 : field;
}

const char *csv_cell_trouble(const char *field)
{
	static const char *const errors[] = {"#REF!", "#N/A", "#NAME?", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!"};

	if (field[0] == '=')
		return "a formula: save the file with its values (and if it is meant so, write an apostrophe before it)";
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		if (strcasecmp(field, errors[i]) == 0)
			return "an error of the spreadsheet, no value";
	return NULL;
}
