/* SPDX-License-Identifier: MIT
 * The first datagram of a source that proved nothing: read as far as its cookie, by us, because
 * OpenSSL would want an object for it. A hello may be longer than a datagram (post-quantum key shares
 * are): the cookie stands at its beginning, so the first fragment is enough. */
#include "media-relay/dtls/dtls_priv.h"

#include "lib/base/ensure.h"
#include "lib/base/wire.h"

#define CONTENT_HANDSHAKE 22u
#define CLIENT_HELLO 1u
#define HELLO_VERIFY_REQUEST 3u
#define VERSION_MAJOR 0xfeu
#define DTLS_1_0 0xfeffu /* of a HelloVerifyRequest, whatever comes later (RFC 6347 4.2.1) */
#define RANDOM_BYTES 32u
#define SESSION_MAX_BYTES 32u
#define COOKIE_BYTES 16u
#define COOKIE_PERIOD_MS 60000u /* good in this one and the next */

struct hello {
	struct slice record_number; /* epoch and sequence */
	struct slice random;
	struct slice cookie;
};

static uint32_t get_u24(struct wire_reader *reader)
{
	uint32_t high = wire_get_u8(reader);

	return high << 16 | wire_get_u16(reader);
}

/* RFC 6347 4.1: a handshake record of epoch 0 that lies wholly in the datagram. */
static bool record_parse(struct wire_reader *reader, struct slice *ret_number,
			 struct slice *ret_body)
{
	uint8_t type = wire_get_u8(reader);
	uint8_t major = wire_get_u8(reader);

	(void)wire_get_u8(reader); /* minor: any, the hello itself says what is offered */
	*ret_number = wire_get_bytes(reader, 8);
	*ret_body = wire_get_bytes(reader, wire_get_u16(reader));
	return reader->err == OK && type == CONTENT_HANDSHAKE && major == VERSION_MAJOR &&
	       ret_number->p[0] == 0 && ret_number->p[1] == 0;
}

/* RFC 6347 4.2.2: the first fragment. */
static bool fragment_parse(struct slice record, struct slice *ret_body)
{
	struct wire_reader reader;
	uint32_t total, offset;
	uint8_t type;

	wire_reader_init(&reader, record.p, record.len);
	type = wire_get_u8(&reader);
	total = get_u24(&reader);
	(void)wire_get_u16(&reader); /* message_seq */
	offset = get_u24(&reader);
	*ret_body = wire_get_bytes(&reader, get_u24(&reader));
	return reader.err == OK && type == CLIENT_HELLO && offset == 0 && ret_body->len <= total;
}

bool dtls_hello_is(const unsigned char *bytes, size_t len)
{
	struct wire_reader reader;
	struct slice number, record;

	wire_reader_init(&reader, bytes, len);
	return record_parse(&reader, &number, &record) && record.len > 0 &&
	       (unsigned char)record.p[0] == CLIENT_HELLO;
}

static bool hello_parse(const unsigned char *bytes, size_t len, struct hello *ret)
{
	struct wire_reader reader;
	struct slice record, body;
	uint8_t session_len;

	wire_reader_init(&reader, bytes, len);
	if (!record_parse(&reader, &ret->record_number, &record) || !fragment_parse(record, &body))
		return false;
	wire_reader_init(&reader, body.p, body.len);
	(void)wire_get_u16(&reader);
	ret->random = wire_get_bytes(&reader, RANDOM_BYTES);
	session_len = wire_get_u8(&reader);
	(void)wire_get_bytes(&reader, session_len);
	ret->cookie = wire_get_bytes(&reader, wire_get_u8(&reader));
	return reader.err == OK && session_len <= SESSION_MAX_BYTES;
}

static void cookie_of(const struct dtls_engine *engine, const struct hello *hello,
		      const struct endpoint *source, uint64_t period,
		      unsigned char ret[COOKIE_BYTES])
{
	unsigned char bytes[sizeof(uint64_t) + 1 + 16 + 2 + RANDOM_BYTES];
	struct wire_writer writer;
	struct hash128 hash;

	wire_writer_init(&writer, bytes, sizeof(bytes));
	wire_put_u64(&writer, period);
	wire_put_u8(&writer, source->ip.family);
	wire_put_bytes(&writer, source->ip.bytes, sizeof(source->ip.bytes));
	wire_put_u16(&writer, source->port);
	wire_put_bytes(&writer, hello->random.p, hello->random.len);
	hash = hash128(&engine->cookie_key, slice_of((const char *)bytes, writer.len));
	memcpy(ret, &hash, COOKIE_BYTES);
}

static bool cookie_holds(const struct dtls_engine *engine, const struct hello *hello,
			 const struct endpoint *source, uint64_t period)
{
	unsigned char cookie[COOKIE_BYTES];

	if (hello->cookie.len != COOKIE_BYTES)
		return false;
	cookie_of(engine, hello, source, period, cookie);
	return CRYPTO_memcmp(cookie, hello->cookie.p, COOKIE_BYTES) == 0;
}

/* It carries the number of the hello's own record, so that two of them never collide. */
static size_t write_request(const struct hello *hello, const unsigned char cookie[COOKIE_BYTES],
			    unsigned char ret[DTLS_HELLO_VERIFY_MAX_BYTES])
{
	const uint8_t body_len = 2 + 1 + COOKIE_BYTES;
	struct wire_writer writer;

	wire_writer_init(&writer, ret, DTLS_HELLO_VERIFY_MAX_BYTES);
	wire_put_u8(&writer, CONTENT_HANDSHAKE);
	wire_put_u16(&writer, DTLS_1_0);
	wire_put_bytes(&writer, hello->record_number.p, hello->record_number.len);
	wire_put_u16(&writer, 12u + body_len);
	wire_put_u8(&writer, HELLO_VERIFY_REQUEST);
	wire_put_bytes(&writer, "\0\0", 2);
	wire_put_u8(&writer, body_len);
	wire_put_bytes(&writer, "\0\0\0\0\0\0\0", 7); /* message_seq, fragment_offset, high length */
	wire_put_u8(&writer, body_len);
	wire_put_u16(&writer, DTLS_1_0);
	wire_put_u8(&writer, COOKIE_BYTES);
	wire_put_bytes(&writer, cookie, COOKIE_BYTES);
	ensure(writer.err == OK);
	return writer.len;
}

enum dtls_hello dtls_hello_check(const struct dtls_engine *engine, const unsigned char *bytes,
				 size_t len, const struct endpoint *source, uint64_t now_ms,
				 unsigned char ret[DTLS_HELLO_VERIFY_MAX_BYTES], size_t *ret_len)
{
	uint64_t period = now_ms / COOKIE_PERIOD_MS;
	unsigned char cookie[COOKIE_BYTES];
	struct hello hello;

	if (!hello_parse(bytes, len, &hello))
		return DTLS_HELLO_OTHER;
	if (cookie_holds(engine, &hello, source, period) ||
	    (period > 0 && cookie_holds(engine, &hello, source, period - 1)))
		return DTLS_HELLO_PROVEN;
	cookie_of(engine, &hello, source, period, cookie);
	*ret_len = write_request(&hello, cookie, ret);
	return DTLS_HELLO_ASK;
}
