/*
 * Signatures of Standard Webhooks: the vector of the standard, several keys, keys that are none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/sign.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define TIMESTAMP 1614265330
#define BODY "{\"test\": 2432232314}"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static void test_vector(void **state)
{
	char *keys[] = {(char[]){KEY}};
	char text[SIGN_BYTES_MAX];
	struct signer *s;

	assert_int_equal(signer_new(keys, 1, &s), 0);
	/* Twice: the prepared state starts anew for each message. */
	for (int i = 0; i < 2; i++) {
		memset(text, 'x', sizeof(text));
		assert_int_equal(signer_sign(s, ID, TIMESTAMP, BODY, strlen(BODY), text), 0);
		assert_string_equal(text, SIGNATURE);
	}
	assert_int_equal(signer_sign(s, ID, TIMESTAMP + 1, BODY, strlen(BODY), text), 0);
	assert_string_not_equal(text, SIGNATURE);
	signer_free(s);
}

static void test_every_key_signs(void **state)
{
	char *keys[] = {(char[]){"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}, (char[]){KEY},
			(char[]){"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}};
	char text[SIGN_BYTES_MAX], *rest = text, *entry;
	struct signer *s;
	int n = 0;

	assert_int_equal(signer_new(keys, 3, &s), 0);
	assert_int_equal(signer_sign(s, ID, TIMESTAMP, BODY, strlen(BODY), text), 0);
	while ((entry = strsep(&rest, " "))) {
		assert_int_equal(strlen(entry), SIGN_ONE_BYTES);
		assert_int_equal(strcmp(entry, SIGNATURE) == 0, n > 0);
		n++;
	}
	assert_int_equal(n, 3);
	signer_free(s);
}

static void test_most_keys_fit(void **state)
{
	char key[] = KEY, *keys[SIGN_KEYS_MAX + 1], text[SIGN_BYTES_MAX];
	struct signer *s = NULL;

	for (int i = 0; i <= SIGN_KEYS_MAX; i++)
		keys[i] = key;
	assert_int_equal(signer_new(keys, SIGN_KEYS_MAX + 1, &s), -EINVAL);
	assert_int_equal(signer_new(keys, 0, &s), -EINVAL);
	assert_null(s);
	assert_int_equal(signer_new(keys, SIGN_KEYS_MAX, &s), 0);
	assert_int_equal(signer_sign(s, ID, TIMESTAMP, BODY, strlen(BODY), text), 0);
	assert_int_equal(strlen(text), SIGN_KEYS_MAX * (SIGN_ONE_BYTES + 1) - 1);
	signer_free(s);
}

static void test_wrong_keys(void **state)
{
	static const char *const wrong[] = {
		"",
		"whsec_",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",  /* not whole */
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa==", /* 22 bytes */
		"whsec_MfKQ9r8GKYqr!wjUPD8ILPZIo2LaLaSw",
		"whsec_ MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
		"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", /* 65
														 bytes
													       */
		"whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char *keys[] = {xstrdup(wrong[i])};
		struct signer *s = NULL;

		if (signer_new(keys, 1, &s) != -EINVAL)
			fail_msg("'%s' was taken for a key", wrong[i]);
		free(keys[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_every_key_signs),
		cmocka_unit_test(test_most_keys_fit),
		cmocka_unit_test(test_wrong_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
