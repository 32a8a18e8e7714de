/*
 * One SMTP connection; see smtp_link.h. libcurl speaks, smtp_dialog.c judges.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/smtp_link.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ATTEMPT_MARGIN_MS (5 * 60 * 1000) /* beside the wait for the last reply */
#define GOODBYE_MS 2000                   /* for the answer to QUIT after an error */

static bool link_is_aborted(struct smtp_link *l)
{
	bool aborted;

	pthread_mutex_lock(&l->lock);
	aborted = l->aborted;
	pthread_mutex_unlock(&l->lock);
	return aborted;
}

/* The commands as they go out, so that a reply can be told from another. AUTH lines come by here too: never logged. */
static int link_on_debug(CURL *easy, curl_infotype type, char *data, size_t n, void *arg)
{
	struct smtp_link *l = arg;

	if (type == CURLINFO_HEADER_OUT) {
		smtp_dialog_command(&l->dialog, data, n);
		l->heard_at = mono_now();
	}
	return 0;
}

static size_t link_on_reply(char *line, size_t size, size_t n, void *arg)
{
	struct smtp_link *l = arg;

	l->heard_at = mono_now();
	return smtp_dialog_reply(&l->dialog, line, size * n) < 0 ? 0 : size * n;
}

static size_t link_on_read(char *to, size_t size, size_t n, void *arg)
{
	struct smtp_link *l = arg;
	size_t k = MIN(size * n, l->sending->payload_bytes - l->offset);

	l->heard_at = mono_now();
	memcpy(to, l->sending->payload + l->offset, k);
	l->offset += k;
	/* Told the size, libcurl ends the message without asking for more: from here on it may have been taken. */
	if (l->offset == l->sending->payload_bytes)
		smtp_dialog_body_sent(&l->dialog);
	return k;
}

/* At least once a second while libcurl waits. */
static int link_on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	struct smtp_link *l = arg;
	const struct channel_patience *p = &l->config->patience;
	int limit_ms = l->dialog.body_sent ? p->mail_answer_ms : MAX(p->mail_reply_ms, p->connect_ms);

	if (l->dialog.step == SMTP_QUIT)
		limit_ms = GOODBYE_MS;
	if (mono_now().us - l->heard_at.us > limit_ms * US_PER_MS) {
		l->impatient = l->dialog.step != SMTP_QUIT;
		return 1;
	}
	return link_is_aborted(l);
}

static curl_socket_t link_on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct smtp_link *l = arg;
	int fd = -1;

	if (l->config->tls == TLS_OFF && !policy_allows(&l->policy, &a->addr)) {
		l->blocked = true;
		return CURL_SOCKET_BAD;
	}
	smtp_dialog_connect(&l->dialog);
	pthread_mutex_lock(&l->lock);
	if (!l->aborted)
		fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
	for (int i = 0; fd >= 0 && i < SMTP_LINK_SOCKETS; i++) {
		if (l->sockets[i] < 0) {
			l->sockets[i] = fd;
			break;
		}
	}
	pthread_mutex_unlock(&l->lock);
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int link_on_close(void *arg, curl_socket_t fd)
{
	struct smtp_link *l = arg;

	/* Under the lock: once it is closed the number may be somebody else's. */
	pthread_mutex_lock(&l->lock);
	for (int i = 0; i < SMTP_LINK_SOCKETS; i++)
		if (l->sockets[i] == fd)
			l->sockets[i] = -1;
	close(fd);
	pthread_mutex_unlock(&l->lock);
	return 0;
}

void smtp_link_init(struct smtp_link *l)
{
	*l = (struct smtp_link){0};
	pthread_mutex_init(&l->lock, NULL);
	for (int i = 0; i < SMTP_LINK_SOCKETS; i++)
		l->sockets[i] = -1;
}

void smtp_link_fini(struct smtp_link *l)
{
	smtp_link_close(l);
	pthread_mutex_destroy(&l->lock);
}

bool smtp_link_is_open(const struct smtp_link *l)
{
	return l->easy != NULL;
}

static void link_shut(struct smtp_link *l, int how)
{
	for (int i = 0; i < SMTP_LINK_SOCKETS; i++)
		if (l->sockets[i] >= 0)
			shutdown(l->sockets[i], how);
}

void smtp_link_close(struct smtp_link *l)
{
	/* libcurl would wait up to two minutes for the answer to QUIT: with reading shut it says goodbye and goes. */
	pthread_mutex_lock(&l->lock);
	link_shut(l, SHUT_RD);
	pthread_mutex_unlock(&l->lock);
	if (l->easy)
		curl_easy_cleanup(l->easy);
	l->easy = NULL;
	l->config = email_config_unref(l->config);
	l->kept = false;
}

static void link_set_callbacks(struct smtp_link *l)
{
	CURL *e = l->easy;

	curl_easy_setopt(e, CURLOPT_VERBOSE, 1L); /* or there is no debug callback */
	curl_easy_setopt(e, CURLOPT_DEBUGFUNCTION, link_on_debug);
	curl_easy_setopt(e, CURLOPT_DEBUGDATA, l);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, link_on_reply);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, l);
	curl_easy_setopt(e, CURLOPT_READFUNCTION, link_on_read);
	curl_easy_setopt(e, CURLOPT_READDATA, l);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, link_on_progress);
	curl_easy_setopt(e, CURLOPT_XFERINFODATA, l);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, link_on_open);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, l);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, link_on_close);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, l);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, l->error);
}

static bool link_open(struct smtp_link *l, struct email_config *c)
{
	const struct channel_patience *p = &c->patience;
	CURL *e = curl_easy_init();

	if (!e)
		return false;
	l->easy = e;
	l->config = email_config_ref(c);
	l->policy = (struct policy){.loopback_only = c->tls == TLS_OFF};
	l->dialog = (struct smtp_dialog){
		.credentials = c->username != NULL, .tls_required = c->tls == TLS_REQUIRED, .implicit_tls = c->implicit_tls};
	link_set_callbacks(l);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* waits for no name server that doesn't answer */
	curl_easy_setopt(e, CURLOPT_URL, c->url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	curl_easy_setopt(e, CURLOPT_PROXY, ""); /* nor one of the environment */
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_USE_SSL, (long)(c->tls == TLS_REQUIRED ? CURLUSESSL_ALL : CURLUSESSL_NONE));
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, 0L); /* a renewed authority counts at once */
	if (c->ca_file) {
		curl_easy_setopt(e, CURLOPT_CAINFO, c->ca_file);
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
	if (c->username) {
		curl_easy_setopt(e, CURLOPT_USERNAME, c->username);
		curl_easy_setopt(e, CURLOPT_PASSWORD, c->password);
	}
	curl_easy_setopt(e, CURLOPT_MAIL_FROM, c->from);
	curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)p->connect_ms);
	/* Nearer limits are kept by link_on_progress(). */
	curl_easy_setopt(e, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)(p->mail_answer_ms / 1000 + 1));
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)p->mail_answer_ms + ATTEMPT_MARGIN_MS);
	return true;
}

static CURLcode link_perform(struct smtp_link *l, const struct delivery *d, bool fresh)
{
	l->sending = d;
	l->offset = 0;
	l->blocked = false;
	l->impatient = false;
	l->error[0] = '\0';
	l->heard_at = mono_now();
	l->to = (struct curl_slist){.data = d->recipient};
	smtp_dialog_start(&l->dialog);
	curl_easy_setopt(l->easy, CURLOPT_MAIL_RCPT, &l->to);
	curl_easy_setopt(l->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)d->payload_bytes);
	curl_easy_setopt(l->easy, CURLOPT_FRESH_CONNECT, (long)fresh);
	return curl_easy_perform(l->easy);
}

/* What libcurl says where no reply decided. */
static void link_explain(struct smtp_link *l, struct job *job, CURLcode code, enum delivery_outcome outcome)
{
	char text[160];

	smtp_dialog_explain(&l->dialog, text, sizeof(text));
	if (text[0])
		job_set_error(job, "%s", text);
	else if (outcome == DELIVERY_BLOCKED)
		job_set_error(job, "tls is off, which is for loopback addresses only");
	else if (outcome == DELIVERY_AMBIGUOUS)
		job_set_error(job, "the message was sent, but the server's answer never came: it may have been taken");
	else if (l->impatient || code == CURLE_OPERATION_TIMEDOUT)
		job_set_error(job, "the server took too long to answer");
	else if (code == CURLE_USE_SSL_FAILED)
		job_set_error(job, "the server offers no TLS, and tls is required");
	else if (code == CURLE_LOGIN_DENIED)
		job_set_error(job, "the server offers no way of login that fits the user name and password");
	else
		job_set_error(job, "%s", l->error[0] ? l->error : curl_easy_strerror(code));
}

static enum delivery_outcome link_judge(struct smtp_link *l, CURLcode code)
{
	enum delivery_outcome o = smtp_dialog_outcome(&l->dialog);

	if (o != DELIVERY_RETRY || l->dialog.failed)
		return o;
	if (l->blocked)
		return DELIVERY_BLOCKED;
	if (link_is_aborted(l))
		return DELIVERY_RELEASED;
	return code == CURLE_LOGIN_DENIED ? DELIVERY_CREDENTIALS : DELIVERY_RETRY;
}

/* libcurl passes on whatever it is given: neither a second command nor a second mail may hide in the text. */
static const char *mail_fault(const struct delivery *d)
{
	const char *p = d->payload, *end = p + d->payload_bytes;

	if (!d->recipient || !address_valid(d->recipient))
		return "not an address mail is sent to";
	if (memchr(p, '\0', d->payload_bytes))
		return "the message holds a NUL byte";
	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		const char *cr = memchr(p, '\r', (size_t)(end - p));

		if (!lf && !cr)
			break;
		if (!lf || cr != lf - 1)
			return "the message holds a bare CR or LF";
		p = lf + 1;
	}
	return NULL;
}

enum delivery_outcome smtp_link_send(struct smtp_link *l, struct job *job)
{
	struct delivery_result *r = &job->result;
	const char *fault = mail_fault(r->delivery);
	struct mono_time from = mono_now();
	enum delivery_outcome outcome;
	CURLcode code;

	if (fault) {
		job_set_error(job, "%s", fault);
		return DELIVERY_FAILED;
	}
	if (l->config != job->mail)
		smtp_link_close(l);
	if (!l->easy && !link_open(l, job->mail)) {
		job_set_error(job, "libcurl could not start");
		return DELIVERY_RETRY;
	}
	code = link_perform(l, r->delivery, false);
	if (l->kept && smtp_dialog_was_stale(&l->dialog) && !link_is_aborted(l))
		code = link_perform(l, r->delivery, true);
	outcome = link_judge(l, code);
	job->duration_us = mono_now().us - from.us;
	/* A reply that decided nothing (354, then silence) would only mislead. */
	if (l->dialog.done || l->dialog.failed) {
		r->code = l->dialog.code;
		job_set_answer(job, l->dialog.text, strlen(l->dialog.text));
	}
	if (outcome != DELIVERY_SENT)
		link_explain(l, job, code, outcome);
	l->sending = NULL;
	/* Not to be used again: after a refused body Postfix still is in that mail, and libcurl sends no RSET. */
	if (outcome != DELIVERY_SENT)
		smtp_link_close(l);
	else
		l->kept = true;
	return outcome;
}

void smtp_link_abort(struct smtp_link *l)
{
	pthread_mutex_lock(&l->lock);
	l->aborted = true;
	link_shut(l, SHUT_RDWR);
	pthread_mutex_unlock(&l->lock);
}
