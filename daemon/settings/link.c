/*
 * Signing and opening; see link.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/link.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

#define VERSION 1
#define KEY_ID_BYTES 4
#define END_BYTES 5
#define MAC_BYTES 16
#define HEAD_BYTES (1 + 1 + KEY_ID_BYTES + END_BYTES + 8 + 4 + LINK_ADDRESS_BYTES + 1)
#define RECORD_BYTES_MAX (HEAD_BYTES + LINK_PERSON_BYTES_MAX + MAC_BYTES)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* ---- base64url without padding, RFC 4648 5 ---- */

static void text_of(const uint8_t *p, size_t n, char *out)
{
	uint32_t bits = 0;
	int held = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | p[i];
		for (held += 8; held >= 6; held -= 6)
			*out++ = alphabet[bits >> (held - 6) & 63];
	}
	if (held)
		*out++ = alphabet[bits << (6 - held) & 63];
	*out = '\0';
}

/* Bytes, or -EBADMSG: another character, too long, or bits at the end that no writer of ours leaves. */
static int bytes_of(const char *text, uint8_t out[RECORD_BYTES_MAX])
{
	uint32_t bits = 0;
	int held = 0, n = 0;

	for (; *text; text++) {
		const char *at = strchr(alphabet, *text);

		if (!at)
			return -EBADMSG;
		bits = bits << 6 | (uint32_t)(at - alphabet);
		held += 6;
		if (held < 8)
			continue;
		held -= 8;
		if (n == RECORD_BYTES_MAX)
			return -EBADMSG;
		out[n++] = (uint8_t)(bits >> held);
		bits &= (1u << held) - 1;
	}
	return bits == 0 && held < 6 ? n : -EBADMSG;
}

/* ---- the record ---- */

static uint8_t *put_number(uint8_t *p, uint64_t v, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--)
		*p++ = (uint8_t)(v >> (8 * i));
	return p;
}

static uint64_t get_number(const uint8_t **p, int bytes)
{
	uint64_t v = 0;

	for (int i = 0; i < bytes; i++)
		v = v << 8 | *(*p)++;
	return v;
}

static void key_id(const char *key, uint8_t ret[KEY_ID_BYTES])
{
	static const char label[] = "closeloop key id";
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	HMAC(EVP_sha256(), key, (int)strlen(key), (const uint8_t *)label, sizeof(label) - 1, digest, &n);
	memcpy(ret, digest, KEY_ID_BYTES);
}

static void mac_of(const char *key, const uint8_t *p, size_t n, uint8_t ret[MAC_BYTES])
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n_digest = 0;

	HMAC(EVP_sha256(), key, (int)strlen(key), p, n, digest, &n_digest);
	memcpy(ret, digest, MAC_BYTES);
}

void link_address_hash(const char *mail_address, uint8_t ret[LINK_ADDRESS_BYTES])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char lower[256];
	size_t n = 0;

	for (const char *s = mail_address ? mail_address : ""; *s && n < sizeof(lower); s++)
		lower[n++] = (char)tolower((unsigned char)*s);
	SHA256((const uint8_t *)lower, n, digest);
	memcpy(ret, digest, LINK_ADDRESS_BYTES);
}

int link_sign(const struct secret *keys, const struct signed_link *l, char ret[LINK_TEXT_BYTES])
{
	uint8_t record[RECORD_BYTES_MAX], *p = record;
	size_t person = strlen(l->person);

	if (!keys || keys->n == 0 || person > LINK_PERSON_BYTES_MAX)
		return -EINVAL;
	*p++ = VERSION;
	*p++ = (uint8_t)l->purpose;
	key_id(keys->keys[0], p);
	p = put_number(p + KEY_ID_BYTES, (uint64_t)l->ends_s, END_BYTES);
	p = put_number(p, (uint64_t)l->case_id, 8);
	p = put_number(p, (uint32_t)l->epoch, 4);
	memcpy(p, l->address, LINK_ADDRESS_BYTES);
	p += LINK_ADDRESS_BYTES;
	*p++ = (uint8_t)person;
	memcpy(p, l->person, person);
	p += person;
	mac_of(keys->keys[0], record, (size_t)(p - record), p);
	text_of(record, (size_t)(p - record) + MAC_BYTES, ret);
	return 0;
}

/* The MAC is looked at first: nothing else of a record that isn't ours is believed. */
static bool is_ours(const struct secret *keys, const uint8_t *record, size_t n)
{
	for (int i = 0; keys && i < keys->n; i++) {
		uint8_t id[KEY_ID_BYTES], mac[MAC_BYTES];

		key_id(keys->keys[i], id);
		if (memcmp(id, record + 2, KEY_ID_BYTES) != 0)
			continue;
		mac_of(keys->keys[i], record, n - MAC_BYTES, mac);
		if (CRYPTO_memcmp(mac, record + n - MAC_BYTES, MAC_BYTES) == 0)
			return true;
	}
	return false;
}

int link_open(const struct secret *keys, enum link_purpose purpose, const char *text, int64_t now_s, struct signed_link *ret)
{
	uint8_t record[RECORD_BYTES_MAX];
	const uint8_t *p = record + 2 + KEY_ID_BYTES;
	int n = strlen(text) < LINK_TEXT_BYTES ? bytes_of(text, record) : -EBADMSG;
	size_t person;

	if (n < HEAD_BYTES + MAC_BYTES || !is_ours(keys, record, (size_t)n))
		return -EBADMSG;
	if (record[0] != VERSION || record[1] != (uint8_t)purpose)
		return -EBADMSG;
	*ret = (struct signed_link){.purpose = purpose};
	ret->ends_s = (int64_t)get_number(&p, END_BYTES);
	ret->case_id = (int64_t)get_number(&p, 8);
	ret->epoch = (int32_t)get_number(&p, 4);
	memcpy(ret->address, p, LINK_ADDRESS_BYTES);
	p += LINK_ADDRESS_BYTES;
	person = *p++;
	if (person > LINK_PERSON_BYTES_MAX || (size_t)n != HEAD_BYTES + person + MAC_BYTES)
		return -EBADMSG;
	memcpy(ret->person, p, person);
	return now_s < ret->ends_s ? 0 : -ETIME;
}

const char *link_url(const struct settings *s, const struct person *p, int64_t case_id, int32_t epoch, struct wall_time now,
		     struct arena *a)
{
	struct signed_link l = {.purpose = case_id ? LINK_CASE : LINK_INBOX, .case_id = case_id, .epoch = epoch};
	char text[LINK_TEXT_BYTES];

	if (!s->http.public_url || !p->id || strlen(p->id) > LINK_PERSON_BYTES_MAX)
		return NULL;
	l.ends_s = now.us / US_PER_S + s->http.link_ttl_s;
	strcpy(l.person, p->id);
	link_address_hash(p->email, l.address);
	if (link_sign(s->http.link_key, &l, text) < 0)
		return NULL;
	return arena_printf(a, "%s/%c/%s", s->http.public_url, (char)l.purpose, text);
}

const char *link_case_url(const struct settings *s, int64_t case_id, struct arena *a)
{
	return s->http.public_url && case_id ? arena_printf(a, "%s/case/%lld", s->http.public_url, (long long)case_id) : NULL;
}
