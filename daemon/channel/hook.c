/*
 * A webhook endpoint under one configuration; see webhook.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/webhook.h"

#include "base/buf.h"
#include "channel/transfer.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FINGERPRINT_TEXT_MAX (256 * 1024)

static void hook_refuse(struct hook *h, enum delivery_outcome outcome, const char *why)
{
	if (h->refused == DELIVERY_SENT) {
		h->refused = outcome;
		h->refusal = why;
	}
}

/* Everything the thread acts upon; each text ends with a NUL, so that no two settings run together. */
static void hook_fingerprint(struct hook *h, const struct webhook *w)
{
	struct buf b = BUF_INIT(FINGERPRINT_TEXT_MAX);

	buf_add(&b, w->url, strlen(w->url) + 1);
	buf_printf(&b, "%d %d %s%c", (int)w->format, w->connections, w->ca_file ? w->ca_file : "", 0);
	for (int i = 0; i < w->allow.n; i++)
		buf_add(&b, w->allow.items[i], strlen(w->allow.items[i]) + 1);
	for (int i = 0; w->secret && i < w->secret->n; i++)
		buf_add(&b, w->secret->keys[i], strlen(w->secret->keys[i]) + 1);
	EVP_Digest(b.p, b.n, h->fingerprint, NULL, EVP_sha256(), NULL);
	explicit_bzero(b.p, b.n);
	buf_fini(&b);
}

/* The host as it is written: libcurl's parser makes 127.0.0.1 of 2130706433, which names this machine to nobody. */
static bool url_names_loopback(const char *url)
{
	const char *host = strstr(url, "://");
	char text[64];
	size_t n;

	if (!host)
		return false;
	host += 3;
	n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
	if (n >= sizeof(text))
		return false;
	memcpy(text, host, n);
	text[n] = '\0';
	return policy_is_loopback(text);
}

static void hook_read_url(struct hook *h)
{
	CURLU *u = h->parsed = curl_url();
	char *scheme = NULL;

	if (!u || curl_url_set(u, CURLUPART_URL, h->url, CURLU_DISALLOW_USER) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK) {
		hook_refuse(h, DELIVERY_BLOCKED, "the url is none we send to");
	} else {
		h->policy.loopback = url_names_loopback(h->url);
		if (strcasecmp(scheme, "https") != 0 && (strcasecmp(scheme, "http") != 0 || !h->policy.loopback))
			hook_refuse(h, DELIVERY_BLOCKED, "https is needed: http is for loopback only");
	}
	curl_free(scheme);
}

static void hook_read_allow(struct hook *h, const struct string_list *allow)
{
	h->policy.allow = xcalloc((size_t)MAX(allow->n, 1), sizeof(struct cidr));
	for (int i = 0; i < allow->n; i++) {
		if (cidr_parse(allow->items[i], &h->policy.allow[h->policy.n_allow]) == 0)
			h->policy.n_allow++;
		else
			hook_refuse(h, DELIVERY_BLOCKED, "`allow` holds something that is no address block");
	}
}

struct hook *hook_new(const struct webhook *w, const struct channel_patience *patience)
{
	struct hook *h = xcalloc(1, sizeof(*h));

	list_init(&h->link);
	list_init(&h->owned);
	list_init(&h->queue);
	h->refused = DELIVERY_SENT;
	h->name = xstrdup(w->id);
	h->url = xstrdup(w->url);
	h->ca_file = w->ca_file ? xstrdup(w->ca_file) : NULL;
	h->format = w->format;
	h->connections = MAX(1, MIN(w->connections, HOOK_CONNECTIONS_MAX));
	h->patience = *patience;
	hook_read_url(h);
	hook_read_allow(h, &w->allow);
	/* A receiver that checks signatures would refuse them all; one that doesn't should not get used to it. */
	if (w->secret && signer_new(w->secret->keys, w->secret->n, &h->signer) < 0)
		hook_refuse(h, DELIVERY_CREDENTIALS, "the secret is not `whsec_` and base64 of 24 to 64 bytes");
	else if (!w->secret && (w->format == WEBHOOK_STANDARD))
		hook_refuse(h, DELIVERY_CREDENTIALS, "there is no secret to sign with");
	hook_fingerprint(h, w);
	return h;
}

void hook_clear(struct hook *h)
{
	struct list *it;

	list_remove(&h->link);
	while ((it = list_pop(&h->queue)))
		job_free(list_entry(it, struct job, link));
	while (h->idle) {
		struct transfer *t = h->idle;

		h->idle = t->next;
		transfer_free(t);
	}
}

struct hook *hook_free(struct hook *h)
{
	if (!h)
		return NULL;
	hook_clear(h);
	list_remove(&h->owned);
	signer_free(h->signer);
	curl_url_cleanup(h->parsed);
	free(h->policy.allow);
	free(h->ca_file);
	free(h->url);
	free(h->name);
	free(h);
	return NULL;
}

bool hook_eq(const struct hook *a, const struct hook *b)
{
	return memcmp(a->fingerprint, b->fingerprint, sizeof(a->fingerprint)) == 0;
}
