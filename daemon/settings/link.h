/*
 * Signed texts that we give out and get back: the links of mails, the session of a browser, the token of a form.
 *
 * One is a short binary record with a MAC, in base64url: purpose, end, case, epoch, person, and a hash of the person's
 * mail address (who gets another address needs other links). The first key of link_key_file signs, all verify; the
 * record names its key, so a key can be changed without breaking what is under way.
 *
 *   version 1 · purpose 1 · key id 4 · end 5 (s) · case 8 · epoch 4 · address 8 · length 1 · person · HMAC-SHA256 16
 *
 * Pure but for the random-free arithmetic of libcrypto; safe in any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SETTINGS_LINK_H
#define SETTINGS_LINK_H

#include "settings/settings.h"

#define LINK_PERSON_BYTES_MAX 63
#define LINK_ADDRESS_BYTES 8
#define LINK_TEXT_BYTES 160 /* of the longest text, with its NUL */

enum link_purpose {
	LINK_CASE = 'c',    /* /c/TOKEN */
	LINK_INBOX = 'i',   /* /i/TOKEN */
	LINK_SESSION = 's', /* the cookie */
	LINK_FORM = 'f',    /* the hidden field of a form */
};

struct signed_link {
	enum link_purpose purpose;
	int64_t ends_s;  /* seconds since 1970 */
	int64_t case_id; /* 0: none */
	int32_t epoch;   /* cases.link_epoch: raised, all links to the case are void */
	char person[LINK_PERSON_BYTES_MAX + 1];
	uint8_t address[LINK_ADDRESS_BYTES];
};

/* What stands in signed_link.address for a mail address; letters of either case are the same. */
void link_address_hash(const char *mail_address, uint8_t ret[LINK_ADDRESS_BYTES]);

/* Return: 0, or -EINVAL (no key, a person's id that is too long). */
int link_sign(const struct secret *keys, const struct signed_link *l, char ret[LINK_TEXT_BYTES]);

/*
 * link_open() - verifies and reads
 * Takes the same time whether the MAC is wrong in its first or in its last byte.
 * Return: 0; -EBADMSG: not one of ours, or for another purpose; -ETIME: ours, but it has ended (*ret is filled in).
 */
int link_open(const struct secret *keys, enum link_purpose purpose, const char *text, int64_t now_s, struct signed_link *ret);

/*
 * "https://feedback.example.com/c/TOKEN" in the arena; NULL when there are no pages.
 * case_id 0: the link to the person's list.
 */
const char *link_url(const struct settings *s, const struct person *p, int64_t case_id, int32_t epoch, struct wall_time now,
		     struct arena *a);
/* The page of a case without a link's rights: who opens it must be signed in. For webhooks. NULL when there are no pages. */
const char *link_case_url(const struct settings *s, int64_t case_id, struct arena *a);

#endif
