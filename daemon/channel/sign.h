/*
 * Signatures of Standard Webhooks 1.0: `v1,` + base64(HMAC-SHA256(key, id.timestamp.body)), one per key, separated
 * by a space, so that a receiver can change its key without a gap.
 *
 * A signer keeps one prepared HMAC state per key and belongs to one thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_SIGN_H
#define CHANNEL_SIGN_H

#include "base/util.h"

#define SIGN_KEYS_MAX 16      /* as many as a secret file may hold */
#define SIGN_KEY_BYTES_MIN 24 /* as the standard has it */
#define SIGN_KEY_BYTES_MAX 64
#define SIGN_ONE_BYTES 47 /* "v1," and 44 characters of base64 */
#define SIGN_BYTES_MAX (SIGN_KEYS_MAX * (SIGN_ONE_BYTES + 1))

struct signer;

/*
 * @keys: "whsec_" + base64 of 24 to 64 bytes each (the prefix may be missing)
 * Return: 0, or -EINVAL when a key is no such text or there are none or too many.
 */
int signer_new(char *const *keys, int n_keys, struct signer **ret);
struct signer *signer_free(struct signer *s);
void signer_freep(struct signer **s);

/* Writes the value of the webhook-signature header, NUL-terminated. 0, or -EIO when libcrypto fails. */
int signer_sign(struct signer *s, const char *id, int64_t timestamp_s, const char *body, size_t n, char ret[SIGN_BYTES_MAX]);

#endif
