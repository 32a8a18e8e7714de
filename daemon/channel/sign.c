/*
 * Standard Webhooks signatures; see sign.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/sign.h"

#include "base/buf.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "whsec_"
#define MAC_BYTES 32
#define HEAD_BYTES_MAX 128 /* what is signed before the body: id and time */
#define KEY_TEXT_BYTES_MAX ((SIGN_KEY_BYTES_MAX + 2) / 3 * 4)

struct signer {
	EVP_MAC_CTX *keyed[SIGN_KEYS_MAX]; /* made with the key; started anew for each message */
	int n;
};

/* Bytes of the key, or -EINVAL. */
static int key_decode(const char *text, unsigned char key[SIGN_KEY_BYTES_MAX + 3])
{
	size_t n;
	int bytes;

	if (strncmp(text, PREFIX, strlen(PREFIX)) == 0)
		text += strlen(PREFIX);
	n = strlen(text);
	if (n == 0 || n % 4 != 0 || n > KEY_TEXT_BYTES_MAX)
		return -EINVAL;
	/* EVP_DecodeBlock() takes blanks around the text as well. */
	if (strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") != n)
		return -EINVAL;
	bytes = EVP_DecodeBlock(key, (const unsigned char *)text, (int)n);
	if (bytes < 0)
		return -EINVAL;
	bytes -= (text[n - 1] == '=') + (text[n - 2] == '=');
	return bytes >= SIGN_KEY_BYTES_MIN && bytes <= SIGN_KEY_BYTES_MAX ? bytes : -EINVAL;
}

static int signer_add(struct signer *s, EVP_MAC *hmac, const char *text)
{
	OSSL_PARAM digest[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
			       OSSL_PARAM_construct_end()};
	unsigned char key[SIGN_KEY_BYTES_MAX + 3];
	EVP_MAC_CTX *c;
	int r = key_decode(text, key);

	if (r < 0)
		return r;
	c = EVP_MAC_CTX_new(hmac);
	s->keyed[s->n++] = c;
	r = c && EVP_MAC_init(c, key, (size_t)r, digest) ? 0 : -EIO;
	OPENSSL_cleanse(key, sizeof(key));
	return r;
}

int signer_new(char *const *keys, int n_keys, struct signer **ret)
{
	struct signer *s CLEANUP(signer_freep) = NULL;
	EVP_MAC *hmac;
	int r = 0;

	if (n_keys < 1 || n_keys > SIGN_KEYS_MAX)
		return -EINVAL;
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (!hmac)
		return -EIO;
	s = xcalloc(1, sizeof(*s));
	for (int i = 0; i < n_keys && r == 0; i++)
		r = signer_add(s, hmac, keys[i]);
	EVP_MAC_free(hmac);
	if (r < 0)
		return r;
	*ret = TAKE(s);
	return 0;
}

struct signer *signer_free(struct signer *s)
{
	if (s) {
		for (int i = 0; i < s->n; i++)
			EVP_MAC_CTX_free(s->keyed[i]);
		free(s);
	}
	return NULL;
}

void signer_freep(struct signer **s)
{
	*s = signer_free(*s);
}

static int sign_with(EVP_MAC_CTX *c, const char *head, size_t n_head, const char *body, size_t n, char *ret)
{
	unsigned char mac[MAC_BYTES];
	size_t n_mac = 0;

	/* Without a key it starts again with the one it has. */
	if (!EVP_MAC_init(c, NULL, 0, NULL) || !EVP_MAC_update(c, (const unsigned char *)head, n_head) ||
	    !EVP_MAC_update(c, (const unsigned char *)body, n) || !EVP_MAC_final(c, mac, &n_mac, sizeof(mac)) ||
	    n_mac != MAC_BYTES)
		return -EIO;
	memcpy(ret, "v1,", 3);
	EVP_EncodeBlock((unsigned char *)ret + 3, mac, MAC_BYTES);
	return 0;
}

int signer_sign(struct signer *s, const char *id, int64_t timestamp_s, const char *body, size_t n, char ret[SIGN_BYTES_MAX])
{
	char room[HEAD_BYTES_MAX] = "";
	struct buf head CLEANUP(buf_fini) = BUF_ON(room, HEAD_BYTES_MAX - 1);
	int r;

	buf_puts(&head, id);
	buf_putc(&head, '.');
	buf_put_int(&head, timestamp_s);
	buf_putc(&head, '.');
	if (head.overflow)
		return -EINVAL;
	for (int i = 0; i < s->n; i++) {
		r = sign_with(s->keyed[i], head.p, head.n, body, n, ret);
		if (r < 0)
			return r;
		ret += SIGN_ONE_BYTES;
		*ret++ = i + 1 < s->n ? ' ' : '\0';
	}
	return 0;
}
