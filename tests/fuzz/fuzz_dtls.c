/* SPDX-License-Identifier: MIT
 * What a stranger, a client and a server may send: the hello check, then a server and a client that
 * get the input record by record, and whole. Neither comes out with keys. */
#include "lib/base/ensure.h"
#include "media-relay/dtls/dtls.h"

#define RECORD_HEADER_BYTES 13u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_send(void *owner, const unsigned char *bytes, size_t len)
{
	(void)owner;
	ensure(bytes && len > 0 && len <= DTLS_DATAGRAM_MAX_BYTES);
}

static void feed(struct dtls_engine *engine, uint8_t role, const uint8_t *data, size_t size)
{
	static const unsigned char digest[DTLS_FINGERPRINT_BYTES];
	const struct ctl_dtls_setup setup = { .role = role, .hash = CTL_HASH_SHA256,
					      .fingerprint = { (const char *)digest, sizeof(digest) } };
	const struct dtls_turn turn = { .send = on_send };
	struct dtls_keys keys;
	struct dtls *dtls;

	ensure(dtls_create(engine, &setup, false, 0, &dtls) == OK);
	(void)dtls_start(dtls, &turn);
	for (size_t at = 0; at + RECORD_HEADER_BYTES <= size;) {
		size_t len = RECORD_HEADER_BYTES + ((size_t)data[at + 11] << 8 | data[at + 12]);

		len = len < size - at ? len : size - at;
		(void)dtls_receive(dtls, data + at, len, &turn);
		at += len;
	}
	(void)dtls_receive(dtls, data, size, &turn);
	ensure(!dtls_take_keys(dtls, &keys));
	dtls_destroy(&dtls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct endpoint source = { { IP_V4, { 192, 0, 2, 1 } }, 5000 };
	static struct dtls_identity *identity;
	static struct dtls_engine *engine;
	unsigned char reply[DTLS_HELLO_VERIFY_MAX_BYTES];
	size_t len;

	if (!engine)
		ensure(dtls_identity_create(&identity) == OK &&
		       dtls_engine_create(identity, 4, &engine) == OK);
	if (dtls_hello_check(engine, data, size, &source, 0, reply, &len) == DTLS_HELLO_ASK)
		ensure(len < size);
	feed(engine, CTL_DTLS_PASSIVE, data, size);
	feed(engine, CTL_DTLS_ACTIVE, data, size);
	return 0;
}
