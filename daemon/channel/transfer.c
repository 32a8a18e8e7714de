/*
 * One HTTP request; see transfer.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/transfer.h"

#include "base/buf.h"
#include "channel/webhook_answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CA_CACHE_S 600L          /* reading 140 certificates takes longer than a request */
#define EXPECT_BYTES (64 * 1024) /* libcurl asks for leave to send a body of 1 MB or more */

/* Refused here: the address the resolver gave, each time one is tried. */
static curl_socket_t transfer_on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct transfer *t = arg;

	if (!policy_allows(&t->hook->policy, &a->addr)) {
		t->blocked = true;
		return CURL_SOCKET_BAD;
	}
	t->allowed = true;
	return multi_open_socket(t->multi, a);
}

/* arg is of the multi handle: a connection outlives the transfer that opened it. */
static int transfer_on_close(void *arg, curl_socket_t fd)
{
	return multi_close_socket(arg, fd);
}

/* And here on connections that are used again: a reload may have tightened the policy. */
static int transfer_on_request(void *arg, char *peer, char *own, int peer_port, int own_port)
{
	struct transfer *t = arg;

	t->requested = true;
	if (policy_allows_text(&t->hook->policy, peer))
		return CURL_PREREQFUNC_OK;
	t->blocked = true;
	t->allowed = false;
	return CURL_PREREQFUNC_ABORT;
}

static size_t transfer_on_answer(char *bytes, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	n *= size;
	if (t->answered < sizeof(t->answer))
		memcpy(t->answer + t->answered, bytes, MIN(n, sizeof(t->answer) - t->answered));
	t->answered += n;
	return t->answered > ANSWER_READ_MAX ? 0 : n;
}

/*
 * The list is ours, node by node: libcurl only reads it. It formats each byte of a header that is an option of its own twice, and
 * looks for twelve names in each node.
 */
static void transfer_set_headers(struct transfer *t)
{
	int n = t->hook->signer ? HEADER_COUNT : HEADER_ID;

	t->headers[HEADER_EXPECT].data = "Expect:"; /* no round trip before a large body */
	t->headers[HEADER_TYPE].data = "Content-Type: application/json";
	t->headers[HEADER_AGENT].data = "User-Agent: closeloop/" CLOSELOOP_VERSION;
	for (int i = 0; i < n; i++)
		t->headers[i].next = i + 1 < n ? &t->headers[i + 1] : NULL;
	t->headers[HEADER_ID].data = t->id;
	t->headers[HEADER_TIME].data = t->time;
	t->headers[HEADER_SIGNATURE].data = t->signature;
}

static void transfer_set_security(struct transfer *t)
{
	struct hook *h = t->hook;
	CURL *e = t->easy;

	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, h->policy.loopback ? "http,https" : "https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_PROXY, ""); /* nor one of the environment */
	curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (h->ca_file) {
		curl_easy_setopt(e, CURLOPT_CAINFO, h->ca_file);
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
	curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_S);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, transfer_on_open);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, transfer_on_close);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, t->multi);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, transfer_on_request);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
}

struct transfer *transfer_new(struct hook *h, struct multi *m)
{
	struct transfer *t = xcalloc(1, sizeof(*t));
	CURL *e = curl_easy_init();

	t->easy = e;
	t->hook = h;
	t->multi = m;
	list_init(&t->link);
	if (!e)
		return transfer_free(t);
	curl_easy_setopt(e, CURLOPT_CURLU, h->parsed); /* not read anew for each request */
	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* waits for no name server that doesn't answer */
	/* HTTP/2 uploads hang in 7.88 (curl issues 10449, 11157). */
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_POST, 1L);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)h->patience.webhook_ms);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)h->patience.connect_ms);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, transfer_on_answer);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
	transfer_set_security(t);
	transfer_set_headers(t);
	return t;
}

struct transfer *transfer_free(struct transfer *t)
{
	if (t) {
		if (t->easy)
			curl_easy_cleanup(t->easy);
		free(t);
	}
	return NULL;
}

static int transfer_sign(struct transfer *t, const struct delivery *d)
{
	int64_t now_s = wall_now().us / US_PER_S;
	struct buf time = BUF_ON(t->time, sizeof(t->time) - 1);
	char *id = stpcpy(t->id, "webhook-id: ");
	char *signature = stpcpy(t->signature, "webhook-signature: ");

	uuid_text(&d->id, id);
	buf_puts(&time, "webhook-timestamp: ");
	buf_put_int(&time, now_s);
	return signer_sign(t->hook->signer, id, now_s, d->payload, d->payload_bytes, signature);
}

int transfer_start(struct transfer *t, struct job *job)
{
	const struct delivery *d = job->result.delivery;
	int r;

	if (t->hook->signer) {
		r = transfer_sign(t, d);
		if (r < 0)
			return r;
	}
	t->answered = 0;
	t->blocked = false;
	t->allowed = false;
	t->requested = false;
	t->error[0] = '\0';
	t->started = mono_now();
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)d->payload_bytes);
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, d->payload);
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER,
			 &t->headers[d->payload_bytes > EXPECT_BYTES ? HEADER_EXPECT : HEADER_TYPE]);
	if (curl_multi_add_handle(t->multi->curl, t->easy) != CURLM_OK)
		return -ENOMEM;
	t->job = job;
	return 0;
}

static void transfer_explain(struct transfer *t, const struct webhook_answer *a, enum delivery_outcome o, CURLcode code)
{
	struct job *job = t->job;
	double waited_s = (double)(mono_now().us - t->started.us) / (double)US_PER_S;

	if (o == DELIVERY_BLOCKED)
		job_set_error(job, "the host's address is private or reserved, and not in `allow`");
	else if (a->status >= 300 && a->status < 400)
		job_set_error(job, "answered %d: redirects are not followed", a->status);
	else if (a->status >= 200 && a->status < 300)
		job_set_error(job, "answered %d, but not `ok`", a->status);
	else if (a->status >= 200)
		job_set_error(job, "answered %d", a->status);
	else if (o == DELIVERY_RELEASED)
		job_set_error(job, "given up at shutdown");
	else if (code == CURLE_OPERATION_TIMEDOUT)
		job_set_error(job, "no answer within %.1f s", waited_s);
	else if (o == DELIVERY_AMBIGUOUS)
		job_set_error(job, "the connection was lost before the answer came");
	else
		job_set_error(job, "%s", t->error[0] ? t->error : curl_easy_strerror(code));
}

enum delivery_outcome transfer_finish(struct transfer *t, CURLcode code, bool gave_up)
{
	struct job *job = t->job;
	struct webhook_answer a = {.gave_up = gave_up, .format = t->hook->format};
	enum delivery_outcome outcome;
	curl_off_t up = 0, wait_s = 0;
	long status = 0;

	if (t->requested)
		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	a.status = (int)status;
	a.body = t->answer;
	a.n_body = MIN(t->answered, sizeof(t->answer));
	if (status < 200 || status >= 300) {
		curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &up);
		curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &wait_s);
		a.sent = t->requested && status < 200 && up > 0 && (size_t)up == job->result.delivery->payload_bytes;
		a.blocked = t->blocked && !t->allowed;
		a.retry_after_s = wait_s;
	}
	curl_multi_remove_handle(t->multi->curl, t->easy);
	outcome = webhook_answer_outcome(&a);
	job->duration_us = mono_now().us - t->started.us;
	job->result.code = a.status;
	job->result.retry_after_s = webhook_answer_wait_s(&a);
	if (a.n_body > 0)
		job_set_answer(job, a.body, a.n_body);
	if (outcome != DELIVERY_SENT)
		transfer_explain(t, &a, outcome, code);
	t->job = NULL;
	return outcome;
}
