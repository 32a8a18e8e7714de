/*
 * Mails made for other programs to read: mail-sample FOLDER writes one NAME.eml per case, NAME.html for pictures,
 * and expected.json with what a reader must get back (subject, names, comment, …).
 *
 * The cases are a matrix of hostile texts and of what an alert can be about, in three languages.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "channel/mail_sample.h"
#include "channel/render.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAIL_BYTES_MAX (8 * 1024 * 1024)

struct job {
	const char *folder;
	struct settings settings;
	struct mail_templates *templates;
	json_t *expected;
};

static void write_file(const char *folder, const char *name, const char *ending, const char *text, size_t n)
{
	char path[1024];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.%s", folder, name, ending);
	f = fopen(path, "wb");
	if (!f || fwrite(text, 1, n, f) != n || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

static void mail_write(struct job *j, const char *name, const struct alert *a)
{
	struct mail_text text = {0};
	struct buf out = BUF_INIT(MAIL_BYTES_MAX);
	bool fallback = false;
	json_t *e;

	assert(mail_render(j->templates, &j->settings, a, &text, &fallback) == 0 && !fallback);
	assert(mail_message(&j->settings, a, &text, (struct wall_time){INT64_C(1803951492) * US_PER_S}, &out) == 0);
	write_file(j->folder, name, "eml", buf_str(&out), out.n);
	write_file(j->folder, name, "html", text.html, strlen(text.html));
	e = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s?,s:s?,s:I}", "name", name, "subject", text.subject, "text", text.text, "html",
		      text.html, "to", a->person_address, "comment", a->minimal ? NULL : a->response->comment, "to_name",
		      a->redirected_from ? NULL : a->person_name, "case", (json_int_t)a->case_id);
	assert(e);
	json_array_append_new(j->expected, e);
	mail_text_fini(&text);
	buf_fini(&out);
}

/* One character of every 64th block up to the last plane, without controls, surrogates and non-characters. */
static char *every_plane(void)
{
	struct buf out = BUF_INIT(1 << 20);

	for (uint32_t c = 0x21; c < 0x110000; c += 61)
		if ((c < 0x7f || c > 0xa0) && (c < 0xd800 || c > 0xdfff) && (c & 0xfffe) != 0xfffe &&
		    !(c >= 0xfdd0 && c <= 0xfdef))
			utf8_put(&out, c);
	return buf_take(&out);
}

static char *repeated(const char *what, size_t bytes)
{
	struct buf out = BUF_INIT(4 << 20);

	while (out.n < bytes)
		buf_puts(&out, what);
	return buf_take(&out);
}

static const char *const long_text[LANGUAGE_COUNT] = {
	[LANGUAGE_EN] = "We waited for the technician on Monday, on Tuesday and again on Thursday. Nobody called.\n\n",
	[LANGUAGE_KO] = "월요일에도 화요일에도 목요일에도 기사님을 기다렸습니다. 아무 연락이 없었습니다.\n\n",
	[LANGUAGE_DE] = "Wir haben am Montag, am Dienstag und noch einmal am Donnerstag auf den Techniker gewartet.\n\n",
};

static void hostile(struct job *j, const char *name, const char *text)
{
	struct mail_sample s;

	mail_sample_fill(&s, MAIL_SAMPLE_RICH, LANGUAGE_EN);
	s.response.comment = text;
	s.response.customer_name = text;
	s.alert.account = text;
	s.alert.touchpoint = text;
	s.alert.person_name = text;
	s.details[0].value = text;
	mail_write(j, name, &s.alert);
}

static void hostile_matrix(struct job *j)
{
	static const struct {
		const char *name, *text;
	} cases[] = {
		{"header-injection", "x\r\nBcc: evil@example.net\r\nSubject: taken\r\n\r\nnew body"},
		{"bare-lf-dot", "before\n.\nMAIL FROM:<a@b>\n.\r\n..\n.\r.\nafter"},
		{"boundary", "--=_018f2b1c-0000-7000-8000-000000000000\r\nContent-Type: text/html\r\n\r\n<b>x</b>\n--=_"},
		{"html", "<script>alert(1)</script><img src=x onerror=alert(1)>\" onmouseover=\"x' <!-- --> </table> &amp; "
			 "{{comment}}"},
		{"links", "javascript:alert(1) https://evil.example/login <a href='https://evil.example'>here</a>"},
		{"encoded-word", "=?UTF-8?Q?fake?= =?utf-8?b?ZmFrZQ==?= =3D=0D=0A"},
		{"decomposed", "\u1112\u1161\u11ab\u1107\u1175\u11be\u110c\u1165\u11bc\u1106\u1175\u11af e\u0301"},
		{"rtl", "\u05d4\u05de\u05db\u05d5\u05e0\u05d4 \u0644\u0627 \u062a\u0639\u0645\u0644 \u202eabc\u202c "
			"\u2067x\u2069 \u200f12\u200e"},
		{"emoji", "\U0001F468\u200d\U0001F469\u200d\U0001F467\u200d\U0001F466 \U0001F1F0\U0001F1F7 \u2764\ufe0f"},
		{"from-line", "From here on\nFrom the start\n>From\n. \n\ttab \n trailing   \nend"},
		{"equals", "====\n=3D\n=\n=20"},
		{"quotes", "\"; drop 'table' \\ <a@b.example>, (comment) ,;:"},
		{"long-line",
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"},
		{"controls", "a\001b\033[31mc\007d\177e\302\205f\tg\013h\014i"},
	};
	char *planes = every_plane(), *large = repeated("가나다 abc <&>\n", 1000 * 1000),
	     *quotes = repeated("\"'<", 1000 * 1000);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		hostile(j, cases[i].name, cases[i].text);
	hostile(j, "every-plane", planes);
	hostile(j, "megabyte", large);
	hostile(j, "megabyte-quotes", quotes);
	free(planes);
	free(large);
	free(quotes);
}

/* Whatever is no alert: nothing of a customer stands in its headers, so only what a reader sees is expected. */
static void texts_write(struct job *j, const char *what, enum language l, struct mail_text *text, struct buf *out,
			const char *to)
{
	char name[100];
	json_t *e;

	snprintf(name, sizeof(name), "%s-%s", what, language_name(l));
	write_file(j->folder, name, "eml", buf_str(out), out->n);
	write_file(j->folder, name, "html", text->html, strlen(text->html));
	e = json_pack("{s:s,s:s,s:s,s:s,s:s,s:n,s:n,s:I}", "name", name, "subject", text->subject, "text", text->text, "html",
		      text->html, "to", to, "comment", "to_name", "case", (json_int_t)0);
	assert(e);
	json_array_append_new(j->expected, e);
	mail_text_fini(text);
	buf_fini(out);
}

static void digest_write(struct job *j, const char *what, const struct digest *d)
{
	struct mail_text text = {0};
	struct buf out = BUF_INIT(MAIL_BYTES_MAX);
	bool fallback = false;

	assert(digest_render(j->templates, &j->settings, d, &text, &fallback) == 0 && !fallback);
	assert(digest_message(&j->settings, d, &text, (struct wall_time){INT64_C(1803951492) * US_PER_S}, &out) == 0);
	texts_write(j, what, d->language, &text, &out, d->person_address);
}

static void digests(struct job *j, enum language l)
{
	static const char *const names[] = {"digest-budget", "digest-quiet", "digest-asked", "digest-due", "morning"};
	struct digest_line many[60];
	struct digest_sample s;

	for (int why = 0; why <= DIGEST_MORNING; why++) {
		digest_sample_fill(&s, (enum digest_why)why, l);
		s.digest.person_name = NULL;
		if (why == DIGEST_BUDGET || why == DIGEST_MORNING) {
			s.digest.inbox_url = "https://feedback.example.com/i/eyJrIjoxfQ.3q2-7w";
			for (int i = 0; i < DIGEST_SAMPLE_LINES; i++)
				s.lines[i].case_url = "https://feedback.example.com/c/eyJrIjoxfQ.3q2-7w";
		}
		digest_write(j, names[why], &s.digest);
	}
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		many[i] = s.lines[i % DIGEST_SAMPLE_LINES];
		many[i].comment = "<script>alert(1)</script>\r\nBcc: evil@example.net \u202etxt {{comment}} </td></table>";
		many[i].account = i % 2 ? "<b>O'Brien</b> & Söhne \"x\" ☃ 한빛정밀 아주아주긴이름의회사주식회사" : NULL;
		many[i].customer_id = "\u202e4711";
	}
	s.digest.lines = many;
	s.digest.n_lines = (int)ARRAY_SIZE(many);
	s.digest.n_total = 10000;
	digest_write(j, "digest-hostile", &s.digest);
}

static void operators(struct job *j, enum language l)
{
	static const char *const names[OPERATOR_KIND_COUNT] = {"operator-disabled", "operator-failing", "operator-credentials",
							       "operator-refused",  "operator-silent",  "operator-dead",
							       "operator-nobody",   "operator-more"};

	for (int kind = 0; kind < OPERATOR_KIND_COUNT; kind++) {
		struct buf out = BUF_INIT(MAIL_BYTES_MAX);
		struct mail_text text = {0};
		struct operator_news n;
		bool fallback = false;

		operator_sample_fill(&n, (enum operator_kind)kind, l);
		assert(operator_render(j->templates, &j->settings, &n, &text, &fallback) == 0 && !fallback);
		assert(operator_message(&j->settings, &n, &text, (struct wall_time){INT64_C(1803951492) * US_PER_S}, &out) ==
		       0);
		texts_write(j, names[kind], l, &text, &out, n.to_address);
	}
}

/* The mail that the door sends: one button to one's own list, or back to the case where a session ended. */
static void fresh_links(struct job *j, enum language l)
{
	for (int to_case = 0; to_case <= 1; to_case++) {
		struct buf out = BUF_INIT(MAIL_BYTES_MAX);
		struct mail_text text = {0};
		struct link_mail link;
		bool fallback = false;

		link_sample_fill(&link, l);
		link.case_id = to_case ? 812 : 0;
		assert(link_render(j->templates, &j->settings, &link, &text, &fallback) == 0 && !fallback);
		assert(link_message(&j->settings, &link, &text, (struct wall_time){INT64_C(1803951492) * US_PER_S}, &out) == 0);
		texts_write(j, to_case ? "fresh-link-case" : "fresh-link", l, &text, &out, link.person_address);
	}
}

static void named(struct job *j, const char *what, enum language l, struct mail_sample *s)
{
	char name[100];

	snprintf(name, sizeof(name), "%s-%s", what, language_name(l));
	mail_write(j, name, &s->alert);
}

static void ordinary(struct job *j, enum language l, const char *long_comment)
{
	static const struct {
		const char *name;
		enum mail_sample_kind kind;
		bool link;
	} kinds[] = {
		{"amended", MAIL_SAMPLE_AMENDED, false},     {"withdrawn", MAIL_SAMPLE_WITHDRAWN, false},
		{"joined", MAIL_SAMPLE_JOINED, false},       {"assigned", MAIL_SAMPLE_ASSIGNED, true},
		{"reminder", MAIL_SAMPLE_REMINDER, true},    {"warning", MAIL_SAMPLE_WARNING, false},
		{"escalated", MAIL_SAMPLE_ESCALATED, true},  {"escalated-command", MAIL_SAMPLE_ESCALATED, false},
		{"waiting", MAIL_SAMPLE_WAITING_OVER, true}, {"reopened", MAIL_SAMPLE_REOPENED, true},
		{"recovered", MAIL_SAMPLE_RECOVERED, true},  {"unchanged", MAIL_SAMPLE_UNCHANGED, true},
		{"lost", MAIL_SAMPLE_LOST, false},
	};
	struct mail_sample s;

	mail_sample_fill(&s, MAIL_SAMPLE_RICH, l);
	named(j, "command", l, &s);
	s.alert.case_url = "https://feedback.example.com/c/eyJrIjoxfQ.3q2-7w";
	s.alert.inbox_url = "https://feedback.example.com/i/eyJrIjoxfQ.3q2-7w";
	s.response.customer_email = "seoyeon.lee@example.com";
	named(j, "link", l, &s);
	s.alert.is_owner = false;
	s.alert.reason = REASON_NOTIFIED;
	s.alert.for_name = s.alert.owner_name;
	s.alert.priority = PRIORITY_HIGH;
	named(j, "informed", l, &s);
	mail_sample_fill(&s, MAIL_SAMPLE_RICH, l);
	s.alert.minimal = true;
	s.alert.redirected_from = "minsu.kim@example.com";
	s.alert.person_address = "everything@example.org";
	s.alert.priority = PRIORITY_NORMAL;
	named(j, "minimal", l, &s);
	mail_sample_fill(&s, MAIL_SAMPLE_POOR, l);
	s.alert.priority = PRIORITY_LOW;
	named(j, "poor", l, &s);
	mail_sample_fill(&s, MAIL_SAMPLE_PRAISE, l);
	named(j, "praise", l, &s);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		mail_sample_fill(&s, kinds[i].kind, l);
		if (kinds[i].link) {
			s.alert.case_url = "https://feedback.example.com/c/eyJrIjoxfQ.3q2-7w";
			s.alert.inbox_url = "https://feedback.example.com/i/eyJrIjoxfQ.3q2-7w";
		}
		named(j, kinds[i].name, l, &s);
	}
	mail_sample_fill(&s, MAIL_SAMPLE_REMINDER, l);
	s.alert.n = s.alert.of;
	s.alert.acknowledge_left_s = -2 * 3600;
	s.response.comment = long_comment;
	named(j, "reminder-late", l, &s);
}

int main(int argc, char **argv)
{
	struct diag_list *diags = diag_list_new();
	struct buf said = BUF_INIT(1 << 16);
	struct job j = {
		.folder = argc == 2 ? argv[1] : NULL,
		.settings = {.email = {.set = true,
				       .from_name = "고객지원 Care",
				       .from_address = "care@example.com",
				       .from_domain = "example.com"}},
		.expected = json_array(),
	};

	if (!j.folder) {
		fprintf(stderr, "usage: mail-sample FOLDER\n");
		return 64;
	}
	if (mail_templates_new(&j.settings, diags, &j.templates) != 0) {
		diag_print(diags, &said);
		fputs(buf_str(&said), stderr);
		return 1;
	}
	hostile_matrix(&j);
	for (int l = 0; l < LANGUAGE_COUNT; l++) {
		/* 2,000 characters, as a form of a survey tool takes them. */
		char *comment = repeated(long_text[l], 2000);

		ordinary(&j, (enum language)l, comment);
		digests(&j, (enum language)l);
		operators(&j, (enum language)l);
		fresh_links(&j, (enum language)l);
		free(comment);
	}
	{
		char *all = json_dumps(j.expected, JSON_INDENT(1));

		write_file(j.folder, "expected", "json", all, strlen(all));
		free(all);
	}
	json_decref(j.expected);
	mail_templates_free(j.templates);
	diag_list_free(diags);
	buf_fini(&said);
	return 0;
}
