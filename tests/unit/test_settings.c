/*
 * Values of the configuration, and what a loaded configuration holds: defaults, resolved names, secrets, the text kept.
 *
 * Which mistakes are told, and how, is data: tests/lang/settings.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "settings/settings.h"
#include "settings/value.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -2: no duration */
	} cases[] = {
		{"90s", 90},    {"15m", 900},        {"4h", 14400},       {"2d", 172800},
		{"1w", 604800}, {"0s", 0},           {"", DURATION_NONE}, {"999999999w", INT64_C(999999999) * 604800},
		{"007m", 420},  {"9999999999s", -2}, {"4", -2},           {"h", -2},
		{"4H", -2},     {"-4h", -2},         {"+4h", -2},         {" 4h", -2},
		{"4h ", -2},    {"4hh", -2},         {"1.5h", -2},        {"4y", -2},
		{"1h30m", -2},  {"4 h", -2},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t s = -2;
		int r = duration_parse(cases[i].text, &s);

		if (s != cases[i].seconds || r != (cases[i].seconds == -2 ? -EINVAL : 0))
			fail_msg("'%s' gave %lld", cases[i].text, (long long)s);
	}
}

static void test_promises(void **state)
{
	struct promise p;

	assert_int_equal(promise_parse("2d", &p), 0);
	assert_int_equal(p.amount, 2);
	assert_int_equal(p.unit, 'd');
	assert_int_equal(promise_seconds(&p), 172800);
	assert_int_equal(promise_parse("", &p), 0);
	assert_int_equal(promise_seconds(&p), DURATION_NONE);
	assert_int_equal(promise_parse("2x", &p), -EINVAL);
}

static void test_addresses(void **state)
{
	static const char *const good[] = {"care@example.com", "a@b", "o'brien+x@mail-1.example.co.uk",
					   "{a|b}=c/d?e!f#g%h&i*j^k_l`m~@x.de", "1@2.3"};
	static const char *const bad[] = {"",
					  "@",
					  "a",
					  "a@",
					  "@b",
					  "a@b.",
					  "a@.b",
					  "a@b..c",
					  ".a@b",
					  "a.@b",
					  "a..b@c",
					  "a b@c",
					  "a@b c",
					  "a@b\r\nRCPT TO:<x@y>",
					  "a\n@b",
					  "<a@b>",
					  "a@b>",
					  "\"a\"@b",
					  "a@[127.0.0.1]",
					  "a@-b",
					  "a@b-",
					  "a@b_c",
					  "민수@example.com",
					  "a@예.kr",
					  "a@b@c",
					  "a,b@c",
					  "a;b@c",
					  "a(b)@c",
					  "a\\b@c",
					  "a@b\x7f",
					  "a:b@c"};
	char longest[400];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!address_valid(good[i]))
			fail_msg("refused '%s'", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (address_valid(bad[i]))
			fail_msg("took '%s'", bad[i]);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + 64, "@b", 3);
	assert_true(address_valid(longest));
	memset(longest, 'a', 66);
	memcpy(longest + 65, "@b", 3);
	assert_false(address_valid(longest));
	/* 254 bytes in all: 64 + 1 + 63 + 1 + 63 + 1 + 61 */
	memset(longest, 'a', sizeof(longest));
	longest[64] = '@';
	longest[128] = '.';
	longest[192] = '.';
	longest[254] = '\0';
	assert_true(address_valid(longest));
	memcpy(longest + 254, "a", 2);
	assert_false(address_valid(longest));
}

static void test_hours(void **state)
{
	static const char *const bad[] = {"",
					  "Mon",
					  "Mon 09:00",
					  "Mon 9:00-18:00",
					  "Mon 09:00-18:00 ",
					  "Mo 09:00-18:00",
					  "Mon-Fri",
					  "Mon,Tue 09:00-18:00",
					  "Mon 09:00-48:01",
					  "Mon 09:60-10:00",
					  "Mon 24:00-25:00",
					  "Mon 09:00-09:00",
					  "Monday 09:00-18:00",
					  "Mon  -Fri 09:00-18:00"};
	struct hours h[2];
	int n;

	assert_int_equal(hours_parse("Mon-Fri 09:00-18:00", h, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(h[0].first_day, 1);
	assert_int_equal(h[0].last_day, 5);
	assert_int_equal(h[0].from, 540);
	assert_int_equal(h[0].to, 1080);
	assert_int_equal(hours_parse("sat 00:00-24:00", h, &n), 0);
	assert_int_equal(h[0].first_day, 6);
	assert_int_equal(h[0].last_day, 6);
	assert_int_equal(h[0].to, 1440);
	assert_int_equal(hours_parse("Fri 22:00-06:00", h, &n), 0);
	assert_int_equal(h[0].to, 30 * 60);
	assert_int_equal(hours_parse("Fri 22:00-30:00", h, &n), 0);
	assert_int_equal(h[0].to, 30 * 60);
	assert_int_equal(hours_parse("Fri 22:00-48:00", h, &n), 0);
	assert_int_equal(h[0].to, 48 * 60);
	assert_int_equal(hours_parse("Sun-Thu 08:00-16:00", h, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(h[0].first_day, 7);
	assert_int_equal(h[0].last_day, 7);
	assert_int_equal(h[1].first_day, 1);
	assert_int_equal(h[1].last_day, 4);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (hours_parse(bad[i], h, &n) == 0)
			fail_msg("took '%s'", bad[i]);
}

static void test_quiet_hours(void **state)
{
	static const char *const bad[] = {"",           "20:00",        "20:00-20:00", "20-08", "24:00-08:00", "20:00-08:00x",
					  "8:00-20:00", "20:00 - 08:00"};
	int from = -1, to = -1, minute = -1;

	assert_int_equal(quiet_hours_parse("20:00-08:00", &from, &to), 0);
	assert_int_equal(from, 1200);
	assert_int_equal(to, 480);
	assert_int_equal(quiet_hours_parse("18:00-24:00", &from, &to), 0);
	assert_int_equal(to, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (quiet_hours_parse(bad[i], &from, &to) == 0)
			fail_msg("took '%s'", bad[i]);
	assert_int_equal(time_of_day_parse("08:30", &minute), 0);
	assert_int_equal(minute, 510);
	assert_int_equal(time_of_day_parse("8:30", &minute), -EINVAL);
	assert_int_equal(date_parse("2028-02-29"), 0);
	assert_int_equal(date_parse("2100-02-29"), -EINVAL);
	assert_int_equal(date_parse("2027-13-01"), -EINVAL);
	assert_int_equal(date_parse("2027-1-1"), -EINVAL);
}

static void test_urls(void **state)
{
	static const char *const bad[] = {"",
					  "https:/x",
					  "://x",
					  "https://",
					  "https://:80",
					  "https://x:",
					  "https://x:65536",
					  "https://x:8a",
					  "https://x y",
					  "https://x\n",
					  "https://[::1",
					  "https://[x]",
					  "https://ä.de",
					  "https://-x",
					  "1https://x"};
	struct url u;

	assert_int_equal(url_parse("HTTPS://Crm.Example.com:8443/a?b=c", &u), 0);
	assert_string_equal(u.scheme, "https");
	assert_string_equal(u.host, "Crm.Example.com");
	assert_int_equal(u.port, 8443);
	assert_string_equal(u.path, "/a?b=c");
	assert_false(u.userinfo || u.fragment || u.ipv6);
	assert_int_equal(url_parse("http://[::1]/", &u), 0);
	assert_true(u.ipv6);
	assert_string_equal(u.host, "::1");
	assert_int_equal(u.port, -1);
	/* What stands before the last @ is no host. */
	assert_int_equal(url_parse("https://127.0.0.1@evil.example/", &u), 0);
	assert_true(u.userinfo);
	assert_string_equal(u.host, "evil.example");
	assert_int_equal(url_parse("https://x#y", &u), 0);
	assert_true(u.fragment);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (url_parse(bad[i], &u) == 0)
			fail_msg("took '%s'", bad[i]);
}

static void test_hosts(void **state)
{
	struct arena *arena = arena_new(0);
	const char *host = NULL;
	int port = -1;

	assert_true(host_is_loopback("127.0.0.1") && host_is_loopback("127.9.9.9") && host_is_loopback("::1"));
	assert_true(host_is_loopback("localhost") && host_is_loopback("LOCALHOST"));
	assert_false(host_is_loopback("127.0.0.1.example.com") || host_is_loopback("localhost.example.com"));
	assert_false(host_is_loopback("10.0.0.1") || host_is_loopback("::") || host_is_loopback("128.0.0.1") ||
		     host_is_loopback(""));
	assert_int_equal(listen_parse("[::1]:0", arena, &host, &port), 0);
	assert_string_equal(host, "::1");
	assert_int_equal(port, 0);
	assert_int_equal(listen_parse("localhost:8480", arena, &host, &port), 0);
	assert_string_equal(host, "127.0.0.1");
	assert_int_equal(listen_parse("127.0.0.1", arena, &host, &port), -EINVAL);
	assert_int_equal(listen_parse("::1:80", arena, &host, &port), -EINVAL);
	assert_int_equal(listen_parse("*:80", arena, &host, &port), -EINVAL);
	assert_int_equal(cidr_check("10.0.0.0/8", false), 0);
	assert_int_equal(cidr_check("fd00::/8", false), 0);
	assert_int_equal(cidr_check("10.0.0.1", true), 0);
	assert_int_equal(cidr_check("10.0.0.1", false), -EINVAL);
	assert_int_equal(cidr_check("10.0.0.0/33", false), -EINVAL);
	assert_int_equal(cidr_check("10.0.0.0/", false), -EINVAL);
	assert_int_equal(cidr_check("10.0.0.0/-1", false), -EINVAL);
	assert_int_equal(cidr_check("fd00::/129", false), -EINVAL);
	assert_int_equal(cidr_check("10.0.0/8", false), -EINVAL);
	arena_free(arena);
}

static void test_mailboxes(void **state)
{
	static const char *const bad[] = {
		"", "Care", "Care <care>", "Care <care@x> y", "Care <care@x", "A <b@c> <d@e>", "Ca\nre <care@x>"};
	struct arena *arena = arena_new(0);
	const char *name, *address;

	assert_int_equal(mailbox_parse("Customer Care <care@example.com>", arena, &name, &address), 0);
	assert_string_equal(name, "Customer Care");
	assert_string_equal(address, "care@example.com");
	assert_int_equal(mailbox_parse("\"고객 케어, Inc.\" <care@example.com>", arena, &name, &address), 0);
	assert_string_equal(name, "고객 케어, Inc.");
	assert_int_equal(mailbox_parse("<care@example.com>", arena, &name, &address), 0);
	assert_null(name);
	assert_int_equal(mailbox_parse("care@example.com", arena, &name, &address), 0);
	assert_null(name);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (mailbox_parse(bad[i], arena, &name, &address) == 0)
			fail_msg("took '%s'", bad[i]);
	arena_free(arena);
}

static void test_conninfo(void **state)
{
	static const char *const good[] = {"",
					   "dbname=closeloop",
					   "host=db1 passfile=/x",
					   "postgresql://u@h/db",
					   "service=password",
					   "postgresql://h:5432/db",
					   "postgresql://u@[::1]:5432/db",
					   "user=password_admin"};
	static const char *const bad[] = {"password=x",
					  "host=h password = 'x'",
					  "host=h\tPassword=x",
					  "postgresql://u:p@h/db",
					  "postgres://u:p@h1,h2/db",
					  "postgresql://h/db?sslmode=require&password=x",
					  "sslpassword=x"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (conninfo_trouble(good[i]))
			fail_msg("refused '%s'", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (!conninfo_trouble(bad[i]))
			fail_msg("took '%s'", bad[i]);
}

static void test_zones(void **state)
{
	static const char *const bad[] = {"", "/etc/passwd", "../x", "Asia/", "Asia//Seoul", "Asia/Se oul", "9", "Asia/.."};

	assert_int_equal(timezone_check("Asia/Seoul"), 0);
	assert_int_equal(timezone_check("UTC"), 0);
	assert_int_equal(timezone_check("America/Argentina/Buenos_Aires"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (timezone_check(bad[i]) == 0)
			fail_msg("took '%s'", bad[i]);
}

static void test_localized(void **state)
{
	struct localized l = {{NULL}};

	assert_null(localized_get(&l, LANGUAGE_KO));
	l.in[LANGUAGE_DE] = "de";
	assert_string_equal(localized_get(&l, LANGUAGE_KO), "de");
	l.in[LANGUAGE_EN] = "en";
	assert_string_equal(localized_get(&l, LANGUAGE_KO), "en");
	l.in[LANGUAGE_KO] = "ko";
	assert_string_equal(localized_get(&l, LANGUAGE_KO), "ko");
}

static void test_wants(void **state)
{
	const char *items[] = {"case.open*", "praise.received"};
	struct webhook w = {.events = {items, 2}};

	assert_true(webhook_wants(&w, "case.opened") && webhook_wants(&w, "praise.received"));
	assert_false(webhook_wants(&w, "case.closed") || webhook_wants(&w, "praise.receive"));
	items[1] = "*";
	assert_true(webhook_wants(&w, "case.closed"));
	w.events.n = 0;
	assert_true(webhook_wants(&w, "case.closed"));
}

static void put_file(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0 && fclose(f) == 0 && chmod(name, mode) == 0);
}

static struct settings *load(const char *text, int errors)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct buf printed CLEANUP(buf_fini) = BUF_INIT(1 << 20);
	struct settings *s = NULL;
	int r;

	put_file("closeloop.conf", text, 0644);
	r = settings_load("closeloop.conf", diags, &s);
	diag_print(diags, &printed);
	if (diags->errors != errors || r != (errors ? SETTINGS_E_INVALID : 0))
		fail_msg("%d errors:\n%s", diags->errors, buf_str(&printed));
	return s;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int folder_setup(void **state)
{
	char *folder = xstrdup("/tmp/closeloop-test-XXXXXX");

	unsetenv("CREDENTIALS_DIRECTORY");
	*state = folder;
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int folder_teardown(void **state)
{
	int r = chdir("/") == 0 ? nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS) : -1;

	free(*state);
	unsetenv("CREDENTIALS_DIRECTORY");
	return r;
}

static void test_defaults(void **state)
{
	struct settings *s CLEANUP(settings_freep) = load("database: {}", 0);
	const struct follow_up *f = settings_follow_up(s, "standard");

	assert_string_equal(s->instance, "default");
	assert_int_equal(s->delivery, DELIVER_LIVE);
	assert_string_equal(s->timezone, "UTC");
	assert_int_equal(s->language, LANGUAGE_EN);
	assert_int_equal(s->alerts_per_hour, 10);
	assert_int_equal(s->urgent_per_hour, 30);
	assert_string_equal(s->conninfo, "");
	assert_null(s->listen_conninfo);
	assert_null(s->templates_dir);
	assert_false(s->http.set || s->email.set);
	assert_int_equal(s->cases.merge_within_s, 7 * 86400);
	assert_int_equal(s->cases.outcome_within_s, 180 * 86400);
	assert_int_equal(s->cases.cooldown_s, 0);
	assert_int_equal(s->cases.merge_by, MERGE_BY_CUSTOMER);
	assert_int_equal(s->cases.recurrence, RECURRENCE_REOPEN);
	assert_int_equal(s->cases.anonymous_ids.n, 3);
	assert_string_equal(s->cases.anonymous_ids.items[0], "");
	assert_string_equal(s->cases.anonymous_ids.items[2], "anonymous");
	assert_int_equal(s->cases.root_causes.n, 0);
	assert_int_equal(s->n_follow_ups, 1);
	assert_non_null(f);
	assert_int_equal(promise_seconds(&f->acknowledge_within), 4 * 3600);
	assert_int_equal(f->resolve_within.amount, 2);
	assert_int_equal(f->resolve_within.unit, 'd');
	assert_int_equal(promise_seconds(&f->close_after), 7 * 86400);
	assert_int_equal(promise_seconds(&f->expire_after), DURATION_NONE);
	assert_int_equal(f->remind_at_most, 3);
	assert_int_equal(f->calendar_use, CALENDAR_NONE);
	assert_int_equal(ruleset_count(s->ruleset), 0);
}

static const char example[] =
	"timezone = \"Asia/Seoul\"; language = \"ko\"; alerts_per_hour = 7; delivery = \"redirect:me@example.com\";\n"
	"operators = [ \"email:ops@example.com\" ];\n"
	"database: { conninfo = \"dbname=very_private\"; }; # the database\n"
	"http: { listen = \"[::1]:0\"; public_url = \"https://feedback.example.com/\"; link_key_file = \"key\"; };\n"
	"email: { url = \"smtp://mail.example.com\"; from = \"Customer Care <care@example.com>\"; username = \"u\";\n"
	"         password_file = \"pw\"; };\n"
	"webhooks: { crm: { url = \"http://localhost:9/x\"; secret_file = \"hook\"; include = [ \"contact\" ]; };\n"
	"            cx: { url_file = \"url\"; format = \"slack\"; }; };\n"
	"calendars: { seoul: { hours = [ \"Sun-Thu 09:00-18:00\" ]; }; berlin: { timezone = \"owner\"; hours = [ \"Mon "
	"09:00-10:00\" ]; }; };\n"
	"people: { b: { name = \"B\"; email = \"b@example.com\"; calendar = \"seoul\"; quiet_hours = \"20:00-08:00\"; };\n"
	"          a: { name = \"A\"; email = \"a@example.com\"; language = \"de\"; reports_to = \"b\"; alerts_per_hour = 0; "
	"}; };\n"
	"teams: { t: { members = [ \"a\", \"b\" ]; assign = \"round-robin\"; }; };\n"
	"attributes: { plan = \"text\"; n: { type = \"number\"; show = true; label = \"Zahl\"; }; };\n"
	"scales: { q: { min = 1; max = 10.5; low_is = \"good\"; }; };\n"
	"labels = ( { for = \"touchpoint\"; value = \"x\"; en = \"X\"; }, { for = \"account\"; value = \"x\"; ko = \"엑스\"; } "
	");\n"
	"cases: { max_age = \"30d\"; }; sources: { s: { settle = \"5m\"; }; u: { max_age = \"1d\"; }; };\n"
	"follow_ups: { f: { calendar = \"berlin\"; acknowledge_within = \"\"; remind_every = \"2h\";\n"
	"                   escalate: { one: { when = \"unresolved\"; to = \"manager\"; }; two: { when = \"unacknowledged\"; "
	"after = \"4h\"; to = \"person:b\"; }; }; }; };\n"
	"routes: { r: { owner = [ \"from:attr.plan\", \"lookup:touchpoint+attr.n\", \"team:t\" ]; notify = [ \"digest:owner\", "
	"\"webhook:cx\" ]; }; };\n"
	"defaults: { route = \"r\"; priority = \"low\"; };\n"
	"facts: { bad = \"nps <= 6\"; };\n"
	"rules: { one: { when = \"bad\"; priority = \"urgent\"; follow_up = \"f\"; notify = ( \"email:lookup:account\" ); "
	"advice = \"전화\"; };\n"
	"         two: { kind = \"praise\"; when = \"nps = 10\"; }; three: { kind = \"ignore\"; when = \"nps = 5\"; }; four: { "
	"when = \"nps = 4\"; }; };\n";

static void put_secrets(void)
{
	put_file("key", "first-key-0123456789\n\n  second-key-0123456789 \r\n", 0600);
	put_file("pw", " pass word \n", 0600);
	put_file("hook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 0600);
	put_file("url", "https://hooks.example.com/T0\n", 0640);
}

static void check_network(const struct settings *s)
{
	const struct webhook *crm = settings_webhook(s, "crm"), *cx = settings_webhook(s, "cx");

	assert_int_equal(s->delivery, DELIVER_REDIRECT);
	assert_string_equal(s->redirect_to, "me@example.com");
	assert_string_equal(s->operators.items[0], "ops@example.com");
	assert_true(s->http.set && s->email.set);
	assert_string_equal(s->http.host, "::1");
	assert_int_equal(s->http.port, 0);
	assert_string_equal(s->http.public_url, "https://feedback.example.com");
	assert_int_equal(s->http.link_ttl_s, 14 * 86400);
	assert_int_equal(s->http.link_key->n, 2);
	assert_string_equal(s->http.link_key->keys[1], "second-key-0123456789");
	assert_string_equal(s->email.url, "smtp://mail.example.com:587");
	assert_int_equal(s->email.tls, TLS_REQUIRED);
	assert_string_equal(s->email.password->keys[0], " pass word ");
	assert_string_equal(s->email.from_name, "Customer Care");
	assert_string_equal(s->email.from_domain, "example.com");
	assert_int_equal(s->email.connections, 2);
	assert_true(crm->include_contact && !crm->url_is_secret && crm->secret && !cx->secret && cx->url_is_secret);
	assert_string_equal(cx->url, "https://hooks.example.com/T0");
	assert_int_equal(cx->format, WEBHOOK_SLACK);
	assert_int_equal(crm->connections, 4);
}

static void check_people(const struct settings *s)
{
	const struct person *a = settings_person(s, "a"), *b = settings_person(s, "b");

	assert_string_equal(s->people[0].id, "b"); /* the order of the file */
	assert_string_equal(a->reports_to, "b");
	assert_int_equal(a->language, LANGUAGE_DE);
	assert_int_equal(b->language, LANGUAGE_KO);
	assert_string_equal(a->timezone, "Asia/Seoul");
	assert_int_equal(a->alerts_per_hour, 0);
	assert_int_equal(b->alerts_per_hour, 7);
	assert_int_equal(b->morning, 480);
	assert_int_equal(a->morning, -1);
	assert_int_equal(b->calendar->n_hours, 2);
	assert_string_equal(b->calendar->timezone, "Asia/Seoul");
	assert_string_equal(b->pos.file, "closeloop.conf");
	assert_int_equal(b->pos.line, 10);
	assert_int_equal(settings_team(s, "t")->assign, ASSIGN_ROUND_ROBIN);
	assert_null(settings_person(s, "c"));
	assert_null(settings_person(s, NULL));
}

static void check_rules(const struct settings *s)
{
	const struct route *r = settings_route(s, "r");
	const struct follow_up *f = settings_follow_up(s, "f");

	assert_int_equal(r->n_owner, 3);
	assert_string_equal(r->owner[0].name, "attr.plan");
	assert_int_equal(r->owner[1].n_dimensions, 2);
	assert_string_equal(r->owner[1].name, "touchpoint+attr.n");
	assert_string_equal(r->owner[1].dimensions[1], "attr.n");
	assert_ptr_equal(r->owner[2].team, settings_team(s, "t"));
	assert_int_equal(r->notify[0].kind, NOTIFY_DIGEST);
	assert_ptr_equal(r->notify[1].webhook, settings_webhook(s, "cx"));
	assert_int_equal(f->calendar_use, CALENDAR_NAMED);
	assert_string_equal(f->calendar->timezone, "owner");
	assert_int_equal(promise_seconds(&f->acknowledge_within), DURATION_NONE);
	assert_int_equal(f->n_escalate, 2);
	assert_int_equal(promise_seconds(&f->escalate[0].after), DURATION_NONE);
	assert_int_equal(f->escalate[1].to.kind, TARGET_PERSON);
	assert_int_equal(s->n_rules, 4);
	assert_int_equal(ruleset_count(s->ruleset), 4);
	assert_ptr_equal(s->rules[0].route, r);
	assert_ptr_equal(s->rules[0].follow_up, f);
	assert_int_equal(s->rules[0].priority, PRIORITY_URGENT);
	assert_int_equal(s->rules[0].notify[0].target.kind, TARGET_LOOKUP);
	assert_string_equal(localized_get(&s->rules[0].advice, LANGUAGE_KO), "전화");
	assert_ptr_equal(s->rules[1].route, r);
	assert_int_equal(s->rules[1].kind, RULE_PRAISE);
	assert_null(s->rules[2].route);
	assert_ptr_equal(s->rules[3].follow_up, settings_follow_up(s, "standard"));
	assert_int_equal(s->rules[3].priority, PRIORITY_LOW);
}

static void test_example(void **state)
{
	struct settings *s CLEANUP(settings_freep) = NULL;

	put_secrets();
	s = load(example, 0);
	check_network(s);
	check_people(s);
	check_rules(s);
	assert_int_equal(settings_source(s, "s")->settle_s, 300);
	assert_int_equal(settings_source(s, "s")->max_age_s, 30 * 86400);
	assert_int_equal(settings_source(s, "u")->max_age_s, 86400);
	assert_true(settings_attribute(s, "n")->show);
	assert_false(s->scales[0].low_is_bad);
	assert_true(s->scales[0].max > 10.4);
	assert_string_equal(settings_label(s, LABEL_TOUCHPOINT, "x", LANGUAGE_KO), "X");
	assert_string_equal(settings_label(s, LABEL_ACCOUNT, "x", LANGUAGE_EN), "엑스");
	assert_string_equal(settings_label(s, LABEL_RATING, "x", LANGUAGE_EN), "x");
	assert_null(settings_label(s, LABEL_RATING, NULL, LANGUAGE_EN));
}

static void test_kept_text(void **state)
{
	struct settings *s CLEANUP(settings_freep) = NULL, *other CLEANUP(settings_freep) = NULL;
	char *moved CLEANUP(freep) = NULL;
	char *at;

	put_secrets();
	s = load(example, 0);
	assert_null(strstr(s->text, "very_private"));
	assert_null(strstr(s->text, "database:"));
	assert_null(strstr(s->text, "MfKQ9r8"));
	assert_non_null(strstr(s->text, "public_url"));
	assert_non_null(strstr(s->text, "rules: {"));
	assert_int_equal(strlen(s->sha256), 64);
	assert_null(strstr(s->text, "[::1]:0"));
	/* Another database or port is no other set of rules. */
	moved = strdup(example);
	at = strstr(moved, "very_private");
	memcpy(at, "other_db_xyz", strlen("other_db_xyz"));
	other = load(moved, 0);
	assert_string_equal(other->sha256, s->sha256);
	assert_string_equal(other->conninfo, "dbname=other_db_xyz");
	settings_free(other);
	memcpy(strstr(moved, "[::1]:0"), "[::1]:9", strlen("[::1]:9"));
	other = load(moved, 0);
	assert_string_equal(other->sha256, s->sha256);
	assert_int_equal(other->http.port, 9);
	settings_free(other);
	other = load("http = { tokens: { }, listen = \"127.0.0.1:1\" } webhooks: { }; database = { conninfo: \"\"; }", 0);
	assert_string_equal(other->text, "http = { tokens: { },  } webhooks: { }; \n");
}

/* Groups of many names are given to libconfig in another shape; nothing of what a person writes may show it. */
static void test_large_groups(void **state)
{
	static const int n = 3000;
	struct buf text CLEANUP(buf_fini) = BUF_INIT(1 << 20);
	struct settings *s CLEANUP(settings_freep) = NULL;
	char *circle;

	buf_puts(
		&text,
		"teams: { t: { members = [ \"p0\", \"p2999\" ]; }; } /* } */ defaults: { priority = \"low\"; route = \"r\"; }\n"
		"routes = { r: { owner = [ \"team:t\" ]; notify = [ ]; } } # {\n people: {\n");
	for (int i = 0; i < n; i++)
		buf_printf(&text, " p%d = { name = \"}{ ;(%d\" \"}\"; email = \"p%d@example.com\", reports_to: \"p%d\"; }%s\n",
			   i, i, i, i ? 0 : 1,
			   i % 3 == 0   ? ";"
			   : i % 3 == 1 ? ","
					: "");
	buf_puts(&text, "}; attributes: { plan = \"text\", n: { type = \"number\"; } }\nrules: {\n");
	for (int i = 0; i < n; i++)
		buf_printf(&text, "  r%d: { when = \"nps = %d and attr.n > %d\"; };\n", i, i % 11, i);
	buf_puts(&text, "};\nsources: { }\n");
	s = load(buf_str(&text), 1); /* p0 and p1 report to each other */
	assert_null(s);
	circle = strstr(text.p, "reports_to: \"p1\"");
	assert_non_null(circle);
	memcpy(circle, "language  : \"en\"", strlen("reports_to: \"p1\""));
	s = load(buf_str(&text), 0);
	assert_int_equal(s->n_people, n);
	assert_int_equal(s->n_rules, n);
	assert_int_equal(s->n_sources, 0);
	assert_int_equal(s->n_attributes, 2);
	assert_string_equal(s->people[2999].name, "}{ ;(2999}");
	assert_string_equal(s->people[2999].reports_to, "p0");
	assert_int_equal(s->people[2999].pos.line, 3003);
	assert_string_equal(s->rules[2999].when, "nps = 7 and attr.n > 2999");
	assert_int_equal(s->rules[2999].pos.line, 6005);
	assert_string_equal(settings_route(s, "r")->owner[0].team->members.items[1], "p2999");
	assert_null(strstr(s->text, "({"));
	settings_free(s);
	/* A list stays a list, which is no group; a mistake keeps its line. */
	s = load("rules: ( { a: { when = \"nps = 1\"; }; } );", 1);
	assert_null(s);
	s = load("people = ( );", 1);
	assert_null(s);
	s = load("teams = 7;", 1);
}

/* A text that was live, when the files that it names are gone: the same rules, routes and people, and nothing that could send. */
static void test_stored_text(void **state)
{
	static const char files[] =
		"templates_dir = \"mails\"; calendars: { c: { hours = [ \"Mon 09:00-10:00\" ]; holidays_file = "
		"\"x.ics\"; }; };\n"
		"@include \"rest.conf\"\n";
	struct settings *s CLEANUP(settings_freep) = NULL, *then CLEANUP(settings_freep) = NULL,
			   *two CLEANUP(settings_freep) = NULL;
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct settings *again = NULL;

	put_secrets();
	s = load(example, 0);
	assert_int_equal(remove("key") | remove("pw") | remove("hook") | remove("url"), 0);
	assert_int_equal(settings_load_text(s->text, "rules 1234567", diags, &again), 0);
	then = again;
	assert_string_equal(then->sha256, s->sha256);
	assert_string_equal(then->text, s->text);
	check_rules(then);
	assert_string_equal(then->people[0].pos.file, "rules 1234567");
	assert_string_equal(then->people[1].name, "A");
	assert_int_equal(then->http.link_key->n, 0);
	assert_int_equal(then->email.password->n, 0);
	assert_int_equal(settings_webhook(then, "crm")->secret->n, 0);
	assert_string_equal(settings_webhook(then, "cx")->url, URL_UNKNOWN);
	assert_true(settings_webhook(then, "cx")->url_is_secret);
	assert_string_equal(then->conninfo, "");
	/* Joined files, of which one isn't in the text. */
	assert_int_equal(mkdir("mails", 0700), 0);
	put_file("x.ics", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20270101\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
		 0600);
	put_file("rest.conf", "facts: { bad = \"nps <= 6\"; };", 0600);
	two = load(files, 0);
	assert_int_equal(two->calendars[0].holidays.n, 1);
	assert_int_equal(remove("x.ics") | remove("rest.conf") | remove("mails"), 0);
	then = again = settings_free(then);
	assert_int_equal(settings_load_text(two->text, "rules 1234567", diags, &again), 0);
	then = again;
	assert_string_equal(then->sha256, two->sha256);
	assert_int_equal(then->calendars[0].holidays.n, 0);
}

static void test_stored_text_refused(void **state)
{
	static const char *const bad[] = {"@include \"/etc/hostname\"\n", "rules: { a: { when = \"npss = 1\"; }; };",
					  "a = \"\xff\";", "{"};
	struct settings *s = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();

		assert_int_equal(settings_load_text(bad[i], "rules 1234567", diags, &s), SETTINGS_E_INVALID);
		assert_string_equal(diags->items[0].pos.file, "rules 1234567");
		assert_int_equal(diags->items[0].pos.line, 1);
		assert_null(s);
	}
}

static void test_credentials(void **state)
{
	static const char text[] = "http: { public_url = \"https://x.example.com\"; link_key_file = \"key\"; };";
	struct settings *s;

	put_file("key", "beside-the-configuration\n", 0600);
	assert_int_equal(mkdir("credentials", 0700), 0);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "credentials", 1), 0);
	s = load(text, 0);
	assert_string_equal(s->http.link_key->keys[0], "beside-the-configuration");
	settings_free(s);
	put_file("credentials/secret_key", "by-the-prefixed-name\n", 0400);
	s = load(text, 0);
	assert_string_equal(s->http.link_key->keys[0], "by-the-prefixed-name");
	settings_free(s);
	put_file("credentials/key", "by-the-plain-name\n", 0400);
	s = load(text, 0);
	assert_string_equal(s->http.link_key->keys[0], "by-the-plain-name");
	settings_free(s);
	/* A bad credential is not passed over in silence. */
	assert_int_equal(chmod("credentials/key", 0444), 0);
	assert_null(load(text, 1));
}

static void test_folder_of_configuration(void **state)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct settings *s CLEANUP(settings_freep) = NULL;

	assert_int_equal(mkdir("etc", 0755), 0);
	assert_int_equal(mkdir("etc/templates", 0755), 0);
	put_file("etc/key", "0123456789abcdef", 0600);
	put_file("etc/main.conf",
		 "templates_dir = \"templates\"; http: { link_key_file = \"key\"; };\n@include \"more.conf\"\n", 0644);
	put_file("etc/more.conf",
		 "calendars: {\n  c: { hours = [ \"Mon 09:00-10:00\" ]; };\n};\npeople: {\n"
		 "  a: { name = \"A\"; email = \"a@example.com\"; };\n};\n",
		 0644);
	assert_int_equal(settings_load("etc/main.conf", diags, &s), 0);
	assert_string_equal(s->templates_dir, "etc/templates");
	assert_string_equal(s->path, "etc/main.conf");
	assert_string_equal(s->people[0].pos.file, "etc/more.conf");
	assert_int_equal(s->people[0].pos.line, 5);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),   cmocka_unit_test(test_promises),
		cmocka_unit_test(test_addresses),   cmocka_unit_test(test_hours),
		cmocka_unit_test(test_quiet_hours), cmocka_unit_test(test_urls),
		cmocka_unit_test(test_hosts),       cmocka_unit_test(test_mailboxes),
		cmocka_unit_test(test_conninfo),    cmocka_unit_test(test_zones),
		cmocka_unit_test(test_localized),   cmocka_unit_test(test_wants),
		IN_FOLDER(test_defaults),           IN_FOLDER(test_example),
		IN_FOLDER(test_kept_text),          IN_FOLDER(test_large_groups),
		IN_FOLDER(test_stored_text),        IN_FOLDER(test_stored_text_refused),
		IN_FOLDER(test_credentials),        IN_FOLDER(test_folder_of_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
