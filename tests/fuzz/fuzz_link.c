/*
 * Fuzz target: any text as a signed link, and any record signed.
 *
 * Must hold: what nobody signed opens nothing; what was signed comes back as it was.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz/fuzz.h"
#include "settings/link.h"

#include <errno.h>
#include <string.h>

static char *keys[] = {"a first key that signs everything", "an older key that still verifies"};
static const struct secret secret = {.keys = keys, .n = 2};

static void there_and_back(const uint8_t *data, size_t bytes)
{
	static const enum link_purpose purposes[] = {LINK_CASE, LINK_INBOX, LINK_SESSION, LINK_FORM};
	struct signed_link l = {.purpose = purposes[data[0] & 3], .ends_s = (int64_t)data[1] << 32 | data[2]}, back;
	char text[LINK_TEXT_BYTES];
	int r;

	memcpy(&l.case_id, data + 3, 8);
	memcpy(&l.epoch, data + 11, 4);
	for (size_t i = 15; i < bytes && i - 15 < LINK_PERSON_BYTES_MAX && data[i]; i++)
		l.person[i - 15] = (char)data[i];
	MUST(link_sign(&secret, &l, text) == 0);
	r = link_open(&secret, l.purpose, text, 1000, &back);
	MUST(r == (l.ends_s > 1000 ? 0 : -ETIME));
	MUST(back.case_id == l.case_id && back.epoch == l.epoch && back.ends_s == l.ends_s &&
	     strcmp(back.person, l.person) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct signed_link l;
	char text[1024];

	if (bytes >= 16)
		there_and_back(data, bytes);
	if (bytes >= sizeof(text))
		return 0;
	memcpy(text, data, bytes);
	text[bytes] = '\0';
	MUST(link_open(&secret, LINK_CASE, text, 0, &l) == -EBADMSG);
	MUST(link_open(&secret, LINK_SESSION, text, 0, &l) == -EBADMSG);
	return 0;
}
