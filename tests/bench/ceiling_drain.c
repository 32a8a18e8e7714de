/*
 * The ceiling: what libpq and libcurl alone do of closeloopd's work, with nothing around it.
 *
 *   claim (DELETE … SKIP LOCKED) → three comparisons → case → COMMIT → POST → "delivered" with the next batch
 *
 * No escaping, no signing, no leases, no events, no back-off, no recovery: it exits on the first error and forgets what a
 * crash cuts off. Everything is one thread. Its tables are those of bare.sql. closeloopd's figures are given as ratios to
 * its figures of the same run.
 *
 *   ceiling_drain URL [BATCH [CONNECTIONS [BODY_BYTES [same-rows]]]]     the database is that of PGHOST, PGPORT, PGDATABASE, PGUSER
 *
 * same-rows: the same program on closeloopd's tables. It looks at nothing, and writes of each match the rows that are contract (case,
 * record, event, message, its settlement, attempt) as constants: what they cost PostgreSQL by themselves, with their indexes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <curl/curl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BACKLOG_MAX 4000 /* requests that wait for a connection; nothing is claimed meanwhile */
#define BODY_BYTES_MAX 4096
#define RESCAN_S 1.0

struct tables {
	const char *listen, *claim, *open, *done;
	int open_params;       /* ids, rules; and the bodies */
	const char *delivered; /* printf format of what "done" knows a response by */
};

static const struct tables narrow = {
	"LISTEN bare",
	"WITH d AS (DELETE FROM queue WHERE id = ANY (ARRAY(SELECT id FROM queue WHERE id > $2 ORDER BY id LIMIT $1"
	" FOR UPDATE SKIP LOCKED)) RETURNING id, response_id)"
	" SELECT d.id, r.id, r.survey, r.customer, r.nps, r.stars, r.contact_requested, r.comment, r.created_at"
	" FROM d JOIN response r ON r.id = d.response_id ORDER BY d.id",
	"INSERT INTO follow_up (response_id, rules) SELECT * FROM unnest($1::bigint[], $2::int[]) ON CONFLICT DO NOTHING",
	"UPDATE follow_up SET delivered_at = now() WHERE response_id = ANY ($1::bigint[])",
	2,
	"%ld",
};

#define RULESET "'5fb90ca51ab96383f993c3112ac10479fa76c6f3247e8f5cf43d6f5c7d9210df'"
#define UUID_HEAD "01a2048a-b9de-713f-b4e4-"
static const struct tables same_rows = {
	"LISTEN closeloop",
	"WITH d AS (DELETE FROM closeloop.inbox WHERE id = ANY (ARRAY(SELECT id FROM closeloop.inbox WHERE id > $2 ORDER BY id LIMIT $1"
	" FOR UPDATE SKIP LOCKED)) RETURNING id, response_id)"
	" SELECT d.id, r.id, r.survey, r.customer_id, r.nps, r.csat, r.contact_requested, r.comment, r.responded_at"
	" FROM d JOIN closeloop.responses r ON r.id = d.response_id ORDER BY d.id",
	"WITH q AS MATERIALIZED (SELECT nextval('closeloop.cases_id_seq') AS id, response, body"
	"  FROM unnest($1::bigint[], $2::int[], $3::text[]) AS q (response, rules, body)),"
	" opened AS (INSERT INTO closeloop.cases (id, response_id, customer_id, priority, owner, route, follow_up, rules,"
	"   follow_up_version, acknowledge_due_at, resolve_due_at, last_response_at, ruleset) OVERRIDING SYSTEM VALUE"
	"  SELECT id, response, 'customer-' || response, 'high', 'ben', 'all', 'standard', '{detractor}', 1, now() + interval '4h',"
	"   now() + interval '2d', now(), " RULESET " FROM q),"
	" told AS (INSERT INTO closeloop.case_events (case_id, actor, kind, to_status, details) SELECT id, 'daemon', 'opened', 'open',"
	"   '{\"rule\": \"detractor\", \"owner\": \"ben\", \"value\": null, \"through\": \"person:ben\"}' FROM q),"
	" recorded AS (INSERT INTO closeloop.case_responses (response_id, case_id, relation, rules, facts, answer, row_version, ruleset)"
	"  SELECT response, id, 'opened', '{detractor}', '{\"nps\": 1, \"csat\": 4, \"contact_requested\": false}',"
	"   '{\"nps\": 1, \"csat\": 4, \"words\": \"20cd8b3431891393\", \"contact_requested\": false}', '796', " RULESET
	" FROM q)"
	" INSERT INTO closeloop.messages (id, case_id, response_id, kind, channel, endpoint, payload, dedup_key, queued_at, state,"
	"   attempt, fence, lease_until, next_at, daemon)"
	"  SELECT ('" UUID_HEAD
	"' || lpad(to_hex(response), 12, '0'))::uuid, id, response, 'case.opened', 'webhook', 'sink', body,"
	"   'case:' || id || ':opened:webhook:sink', now(), 'leased', 1, 1, now() + interval '30s', now() + interval '30s',"
	"   'vm:6475:1795372530' FROM q",
	"WITH moved AS (UPDATE closeloop.messages SET state = 'sent', next_at = clock_timestamp(), lease_until = NULL,"
	"   sent_at = clock_timestamp(), last_code = 200 WHERE id = ANY ($1::uuid[]) RETURNING id)"
	" INSERT INTO closeloop.attempts (message_id, outcome, code, duration_ms, answer) SELECT id, 'sent', 200, 1, 'ok' FROM moved",
	3,
	UUID_HEAD "%012lx",
};

enum { ROW_QUEUE_ID, ROW_ID, ROW_SURVEY, ROW_CUSTOMER, ROW_NPS, ROW_STARS, ROW_CONTACT, ROW_COMMENT, ROW_CREATED };

struct post {
	struct post *next;
	long response_id;
	char body[BODY_BYTES_MAX];
};

struct bare {
	PGconn *work, *listen;
	CURLM *multi;
	CURL **idle;
	int n_idle, connections;
	const char *url, *batch;
	int body_bytes;
	const struct tables *tables;
	struct post *first, **last;
	int under_way; /* posts made and not delivered */
	long *delivered;
	int n_delivered, room_delivered;
	char *ids, *rules, *bodies; /* array literals */
	long low_water;
	double rescanned;
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "ceiling_drain: %s: %s\n", what, why);
	exit(1);
}

static PGresult *checked(PGconn *c, PGresult *r)
{
	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
		die("query", PQerrorMessage(c));
	return r;
}

static void run(PGconn *c, const char *sql)
{
	PQclear(checked(c, PQexec(c, sql)));
}

static PGconn *database_open(void)
{
	PGconn *c = PQconnectdb("");

	if (PQstatus(c) != CONNECTION_OK)
		die("connection", PQerrorMessage(c));
	return c;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t swallow(char *p, size_t size, size_t n, void *arg)
{
	(void)p;
	(void)arg;
	return size * n;
}

/* ---- requests ---- */

static void posts_start(struct bare *b)
{
	while (b->first && b->n_idle) {
		struct post *p = b->first;
		CURL *easy = b->idle[--b->n_idle];

		b->first = p->next;
		if (!b->first)
			b->last = &b->first;
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, p->body);
		curl_easy_setopt(easy, CURLOPT_PRIVATE, p);
		curl_multi_add_handle(b->multi, easy);
	}
}

static void post_add(struct bare *b, struct post *p)
{
	p->next = NULL;
	*b->last = p;
	b->last = &p->next;
}

static void post_done(struct bare *b, CURL *easy, CURLcode result)
{
	struct post *p;
	long code = 0;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &p);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
	curl_multi_remove_handle(b->multi, easy);
	b->idle[b->n_idle++] = easy;
	if (result != CURLE_OK || code / 100 != 2) {
		post_add(b, p);
		return;
	}
	if (b->n_delivered == b->room_delivered) {
		b->room_delivered = b->room_delivered ? 2 * b->room_delivered : 1024;
		b->delivered = realloc(b->delivered, sizeof(long) * (size_t)b->room_delivered);
	}
	b->delivered[b->n_delivered++] = p->response_id;
	b->under_way--;
	free(p);
}

/* Goes on as long as something ends: with a quick receiver that is most of the backlog. */
static void posts_go_on(struct bare *b)
{
	int running, left, ended;
	CURLMsg *m;

	do {
		ended = 0;
		posts_start(b);
		curl_multi_perform(b->multi, &running);
		while ((m = curl_multi_info_read(b->multi, &left)))
			if (m->msg == CURLMSG_DONE) {
				post_done(b, m->easy_handle, m->data.result);
				ended++;
			}
	} while (ended);
}

static void posts_prepare(struct bare *b)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");

	headers = curl_slist_append(headers, "Expect:");
	curl_global_init(CURL_GLOBAL_ALL);
	b->multi = curl_multi_init();
	b->idle = calloc((size_t)b->connections, sizeof(CURL *));
	for (b->n_idle = 0; b->n_idle < b->connections; b->n_idle++) {
		CURL *easy = b->idle[b->n_idle] = curl_easy_init();

		curl_easy_setopt(easy, CURLOPT_URL, b->url);
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
	}
}

/* ---- batches ---- */

static int rules_of(const PGresult *rows, int i)
{
	int rules = *PQgetvalue(rows, i, ROW_CONTACT) == 't' ? 4 : 0;

	if (!PQgetisnull(rows, i, ROW_NPS) && atoi(PQgetvalue(rows, i, ROW_NPS)) <= 6)
		rules |= 1;
	if (!PQgetisnull(rows, i, ROW_STARS) && atoi(PQgetvalue(rows, i, ROW_STARS)) <= 2)
		rules |= 2;
	return rules;
}

static struct post *post_new(const struct bare *b, const PGresult *rows, int i, int rules)
{
	struct post *p = malloc(sizeof(*p));
	int n;

	p->response_id = atol(PQgetvalue(rows, i, ROW_ID));
	n = snprintf(p->body, sizeof(p->body),
		     "{\"response_id\":%ld,\"key\":\"follow-up-%ld\",\"survey\":\"%s\",\"customer\":\"%s\",\"nps\":%s,"
		     "\"stars\":%s,\"contact_requested\":%s,\"comment\":\"%s\",\"created_at\":\"%s\",\"rules\":%d,"
		     "\"pad\":\"",
		     p->response_id, p->response_id, PQgetvalue(rows, i, ROW_SURVEY), PQgetvalue(rows, i, ROW_CUSTOMER),
		     PQgetvalue(rows, i, ROW_NPS), PQgetvalue(rows, i, ROW_STARS), rules & 4 ? "true" : "false",
		     PQgetvalue(rows, i, ROW_COMMENT), PQgetvalue(rows, i, ROW_CREATED), rules);
	while (n < b->body_bytes - 2)
		p->body[n++] = 'x';
	strcpy(p->body + n, "\"}");
	return p;
}

static void delivered_add(struct bare *b)
{
	char *p = b->ids;
	const char *values[] = {b->ids};

	*p++ = '{';
	for (int i = 0; i < b->n_delivered; i++) {
		p += sprintf(p, b->tables->delivered, b->delivered[i]);
		*p++ = ',';
	}
	p -= b->n_delivered > 0;
	strcpy(p, "}");
	PQclear(checked(b->work, PQexecPrepared(b->work, "done", 1, values, NULL, NULL, 0)));
	b->n_delivered = 0;
}

static char *body_append(char *p, const char *body)
{
	*p++ = '"';
	for (; *body; *p++ = *body++)
		if (*body == '"' || *body == '\\')
			*p++ = '\\';
	*p++ = '"';
	return p;
}

static struct post *cases_open(struct bare *b, const PGresult *rows, int *ret_n)
{
	struct post *made = NULL, **end = &made;
	char *ids = b->ids, *rules = b->rules, *bodies = b->bodies;
	const char *values[] = {b->ids, b->rules, b->bodies};

	*ret_n = 0;
	*ids++ = *rules++ = *bodies++ = '{';
	for (int i = 0; i < PQntuples(rows); i++) {
		int matched = rules_of(rows, i);

		if (!matched)
			continue;
		ids += sprintf(ids, "%s%s", *ret_n ? "," : "", PQgetvalue(rows, i, ROW_ID));
		rules += sprintf(rules, "%s%d", *ret_n ? "," : "", matched);
		*end = post_new(b, rows, i, matched);
		if (b->tables->open_params > 2) {
			*bodies = ',';
			bodies = body_append(bodies + (*ret_n > 0), (*end)->body);
		}
		end = &(*end)->next;
		++*ret_n;
	}
	*end = NULL;
	strcpy(ids, "}");
	strcpy(rules, "}");
	strcpy(bodies, "}");
	if (*ret_n)
		PQclear(checked(b->work, PQexecPrepared(b->work, "open", b->tables->open_params, values, NULL, NULL, 0)));
	return made;
}

/* One transaction; true when there may be more. The mark keeps the scan off dead rows, and starts anew each second. */
static bool batch(struct bare *b, bool claim)
{
	char low_water[24];
	const char *values[] = {b->batch, low_water};
	bool scanned = now_s() - b->rescanned > RESCAN_S, more = false;
	struct post *made = NULL;
	int n_made = 0;

	run(b->work, "BEGIN");
	if (b->n_delivered)
		delivered_add(b);
	if (claim && b->under_way < BACKLOG_MAX) {
		PGresult *rows;

		if (scanned) {
			b->low_water = 0;
			b->rescanned = now_s();
		}
		snprintf(low_water, sizeof(low_water), "%ld", b->low_water);
		rows = checked(b->work, PQexecPrepared(b->work, "claim", 2, values, NULL, NULL, 0));
		more = PQntuples(rows) > 0;
		if (more)
			b->low_water = atol(PQgetvalue(rows, PQntuples(rows) - 1, ROW_QUEUE_ID));
		made = cases_open(b, rows, &n_made);
		PQclear(rows);
		if (!more && !scanned && b->low_water) {
			b->rescanned = 0;
			more = true;
		}
	}
	run(b->work, "COMMIT");
	b->under_way += n_made;
	while (made) {
		struct post *p = made;

		made = p->next;
		post_add(b, p);
	}
	return more || (claim && b->under_way >= BACKLOG_MAX);
}

static void go(struct bare *b)
{
	bool look = true;

	while (!stopped) {
		struct curl_waitfd listen = {PQsocket(b->listen), CURL_WAIT_POLLIN, 0};
		PGnotify *n;

		if (look || b->n_delivered >= 500 || (b->n_delivered && !b->under_way))
			look = batch(b, look);
		posts_go_on(b);
		if (look)
			continue;
		curl_multi_poll(b->multi, &listen, 1, b->under_way ? 50 : 1000, NULL);
		if (!PQconsumeInput(b->listen))
			die("connection", PQerrorMessage(b->listen));
		while ((n = PQnotifies(b->listen))) {
			look = true;
			PQfreemem(n);
		}
	}
}

int main(int argc, char **argv)
{
	struct bare b = {.url = argv[1],
			 .batch = argc > 2 ? argv[2] : "500",
			 .connections = argc > 3 ? atoi(argv[3]) : 24,
			 .body_bytes = argc > 4 ? atoi(argv[4]) : 600,
			 .tables = argc > 5 && strcmp(argv[5], "same-rows") == 0 ? &same_rows : &narrow,
			 .last = &b.first};

	if (argc < 2 || (argc > 5 && b.tables != &same_rows) || b.connections < 1 || b.body_bytes < 300 ||
	    b.body_bytes > BODY_BYTES_MAX) {
		fprintf(stderr, "usage: ceiling_drain URL [BATCH [CONNECTIONS [BODY_BYTES [same-rows]]]]\n");
		return 64;
	}
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	b.ids = malloc(1 << 20);
	b.rules = malloc(1 << 20);
	b.bodies = malloc(1 << 22);
	b.work = database_open();
	b.listen = database_open();
	posts_prepare(&b);
	run(b.listen, b.tables->listen);
	/* Planned while follow_up is empty, "done" read all of it in every other run. */
	run(b.work, "SET enable_seqscan = off");
	PQclear(checked(b.work, PQprepare(b.work, "claim", b.tables->claim, 2, (const Oid[]){23, 20})));
	PQclear(checked(b.work, PQprepare(b.work, "open", b.tables->open, b.tables->open_params, NULL)));
	PQclear(checked(b.work, PQprepare(b.work, "done", b.tables->done, 1, NULL)));
	puts("ready");
	fflush(stdout);
	go(&b);
	return 0;
}
