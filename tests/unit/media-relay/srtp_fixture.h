/* SPDX-License-Identifier: MIT
 * Two SRTP sides: a sends with the first master key, b receives with it. */
#pragma once

#include "tests/support/unit.h"

#include <stdlib.h>

#include "lib/base/ensure.h"
#include "media-relay/srtp/srtp_priv.h"

#define BUFFER_BYTES 512u

/* By name; which of them are there is the build's and the processor's. */
static const char *const libraries[] = { "ipsec-mb", "OpenSSL" };
static const char *library; /* NULL: the best */

struct bytes {
	unsigned char p[BUFFER_BYTES];
	size_t len;
};

struct fixture {
	struct srtp_engine engine;
	struct srtp *a;
	struct srtp *b;
	unsigned char master[2][SRTP_SESSION_KEY_MAX + SRTP_SALT_MAX];
};

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || srtp_engine_init_by(&f->engine, 8, library) != OK)
		return -1;
	f->a = srtp_create(&f->engine);
	f->b = srtp_create(&f->engine);
	for (unsigned i = 0; i < sizeof(f->master[0]); i++) {
		f->master[0][i] = (unsigned char)(3 * i + 1);
		f->master[1][i] = (unsigned char)(5 * i + 2);
	}
	*state = f;
	return f->a && f->b ? 0 : -1;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	srtp_destroy(&f->a);
	srtp_destroy(&f->b);
	assert_int_equal(f->engine.keys[0].live + f->engine.keys[1].live, 0);
	assert_int_equal(f->engine.more.live, 0);
	srtp_engine_fini(&f->engine);
	free(f);
	return 0;
}

static inline struct ctl_srtp_crypto crypto(const struct fixture *f, unsigned master,
				     enum ctl_srtp_suite suite)
{
	size_t len = srtp_master_key_bytes(suite) + srtp_master_salt_bytes(suite);
	const void *key = f->master[master];

	return (struct ctl_srtp_crypto){ .suite = (uint8_t)suite, .key = slice_of(key, len) };
}

/* a sends with the first master key, b receives with it. */
static inline void pair(struct fixture *f, enum ctl_srtp_suite suite)
{
	struct ctl_srtp_crypto told = crypto(f, 0, suite);

	assert_int_equal(srtp_set_send(f->a, &told), OK);
	assert_int_equal(srtp_set_receive(f->b, &told, 1, 0), OK);
}

static inline struct bytes rtp(uint32_t ssrc, uint16_t sequence)
{
	struct bytes packet = { .p = { 0x80, 0, (unsigned char)(sequence >> 8),
				       (unsigned char)sequence, 0, 0, 0, 1,
				       (unsigned char)(ssrc >> 24), (unsigned char)(ssrc >> 16),
				       (unsigned char)(ssrc >> 8), (unsigned char)ssrc },
				.len = 172 };

	memset(packet.p + 12, (int)sequence & 0x7f, 160);
	return packet;
}

static inline struct bytes rtcp(uint32_t ssrc)
{
	struct bytes packet = rtp(ssrc, 1);

	packet.p[1] = 201;
	memcpy(packet.p + 4, packet.p + 8, 4);
	packet.len = 32;
	packet.p[3] = 7;
	return packet;
}

static inline enum srtp_verdict protect(struct srtp *srtp, bool control, struct bytes *packet)
{
	return srtp_protect(srtp, control, packet->p, packet->len, &packet->len);
}

static inline enum srtp_verdict unprotect(struct srtp *srtp, bool control, struct bytes *packet)
{
	return srtp_unprotect(srtp, control, packet->p, packet->len, 0, &packet->len);
}

static inline struct bytes sealed(struct fixture *f, uint32_t ssrc, uint16_t sequence)
{
	struct bytes packet = rtp(ssrc, sequence);

	assert_int_equal(protect(f->a, false, &packet), SRTP_OK);
	return packet;
}

static inline void assert_same(const struct bytes *got, const struct bytes *want)
{
	assert_int_equal(got->len, want->len);
	assert_memory_equal(got->p, want->p, want->len);
}

static inline enum srtp_verdict received(struct fixture *f, const struct bytes *packet)
{
	struct bytes copy = *packet;
	enum srtp_verdict verdict = unprotect(f->b, false, &copy);

	if (verdict != SRTP_OK)
		assert_same(&copy, packet);
	return verdict;
}

/* The tests with each library that is there; OpenSSL always is. How many failed. */
static inline int run_with_libraries(const struct CMUnitTest *tests, size_t count)
{
	int failed = 0;

	for (unsigned i = 0; i < array_size(libraries); i++) {
		struct srtp_engine engine;
		enum err err;

		library = libraries[i];
		err = srtp_engine_init_by(&engine, 1, library);
		srtp_engine_fini(&engine);
		if (err == OK)
			failed += _cmocka_run_group_tests(library, tests, count, NULL, NULL);
		else if (err == ERR_UNSUPPORTED && strcmp(library, "OpenSSL") != 0)
			print_message("%s is not here\n", library);
		else
			failed++;
	}
	return failed;
}
