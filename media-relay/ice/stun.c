/* SPDX-License-Identifier: MIT
 * STUN messages read and written. Bytes from anyone: every length is checked before it is followed.
 * Both check values are made over bytes that carry a length which ends just behind them (RFC 8489
 * 14.5, 14.7), so a received message is copied before it is hashed. */
#include "media-relay/ice/ice_priv.h"

/* OpenSSL has a type of the name of one of our errors. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#undef ERR_STATE

#include "lib/base/ensure.h"

#define COOKIE UINT32_C(0x2112a442)
#define ATTRIBUTE_HEADER_BYTES 4u
#define INTEGRITY_BYTES 20u
#define FINGERPRINT_BYTES 4u
#define FINGERPRINT_XOR UINT32_C(0x5354554e)
#define FAMILY_V4 1u
#define FAMILY_V6 2u

static size_t padded(size_t len)
{
	return (len + 3u) & ~(size_t)3u;
}

/* CRC-32 of ITU V.42, four bits at a time. */
static uint32_t crc32_of(const unsigned char *bytes, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc = crc >> 4 ^ table[(crc ^ bytes[i]) & 15u];
		crc = crc >> 4 ^ table[(crc ^ (uint32_t)bytes[i] >> 4) & 15u];
	}
	return ~crc;
}

static void put_length(unsigned char *message, size_t len)
{
	message[2] = (unsigned char)((len - STUN_HEADER_BYTES) >> 8);
	message[3] = (unsigned char)(len - STUN_HEADER_BYTES);
}

/* Over the first `len` bytes, whose header already says that MESSAGE-INTEGRITY ends the message. */
static bool integrity_of(const unsigned char *bytes, size_t len, struct slice password,
			 unsigned char ret[INTEGRITY_BYTES])
{
	unsigned int digest_len = 0;

	return HMAC(EVP_sha1(), password.p, (int)password.len, bytes, len, ret, &digest_len) &&
	       digest_len == INTEGRITY_BYTES;
}

/* ---- reading ---- */

/* RFC 8489 14: known ones that have no business in a request are ignored. */
static bool is_understood(uint16_t type)
{
	switch (type) {
	case STUN_MAPPED_ADDRESS:
	case STUN_USERNAME:
	case STUN_MESSAGE_INTEGRITY:
	case STUN_ERROR_CODE:
	case STUN_UNKNOWN_ATTRIBUTES:
	case STUN_REALM:
	case STUN_NONCE:
	case STUN_MESSAGE_INTEGRITY_SHA256:
	case STUN_PASSWORD_ALGORITHM:
	case STUN_USERHASH:
	case STUN_XOR_MAPPED_ADDRESS:
	case STUN_PRIORITY:
	case STUN_USE_CANDIDATE:
		return true;
	default:
		return type >= 0x8000; /* comprehension-optional */
	}
}

static void take_unknown(struct stun_message *message, uint16_t type)
{
	if (message->unknown_count < STUN_UNKNOWN_MAX)
		message->unknown[message->unknown_count++] = type;
}

/* Of attributes that come twice the first counts (RFC 8489 14). */
static void take_attribute(struct stun_message *message, uint16_t type, struct slice value)
{
	struct wire_reader reader;

	wire_reader_init(&reader, value.p, value.len);
	if (type == STUN_USERNAME && !message->username.p) {
		message->username = value;
	} else if (type == STUN_PRIORITY && !message->has_priority) {
		message->has_priority = true;
		message->priority = wire_get_u32(&reader);
		message->broken |= value.len != 4;
	} else if (type == STUN_USE_CANDIDATE) {
		message->use_candidate = true;
		message->broken |= value.len != 0;
	} else if (type == STUN_ICE_CONTROLLED) {
		message->controlled = true;
		message->broken |= value.len != 8;
	} else if (type == STUN_ICE_CONTROLLING) {
		message->broken |= value.len != 8;
	} else if (!is_understood(type)) {
		take_unknown(message, type);
	}
}

/* It is the last attribute, over all before it (RFC 8489 14.7). */
static bool fingerprint_holds(const struct stun_message *message, size_t at, struct slice value)
{
	struct wire_reader reader;

	wire_reader_init(&reader, value.p, value.len);
	return value.len == FINGERPRINT_BYTES &&
	       at + ATTRIBUTE_HEADER_BYTES + FINGERPRINT_BYTES == message->len &&
	       wire_get_u32(&reader) == (crc32_of(message->bytes, at) ^ FINGERPRINT_XOR);
}

/* Behind MESSAGE-INTEGRITY only FINGERPRINT means anything: the rest is not covered by it. */
static bool attribute_step(struct stun_message *message, struct wire_reader *reader)
{
	size_t at = reader->at;
	uint16_t type = wire_get_u16(reader);
	uint16_t len = wire_get_u16(reader);
	struct slice value = wire_get_bytes(reader, len);

	(void)wire_get_bytes(reader, padded(len) - len);
	if (reader->err != OK)
		return false;
	if (type == STUN_FINGERPRINT)
		return fingerprint_holds(message, at, value);
	if (message->integrity_at != 0)
		return true;
	if (type == STUN_MESSAGE_INTEGRITY) {
		message->integrity_at = at;
		return len == INTEGRITY_BYTES;
	}
	take_attribute(message, type, value);
	return true;
}

enum err stun_parse(const void *bytes, size_t len, struct stun_message *ret)
{
	struct stun_message message = { .bytes = bytes, .len = len };
	struct wire_reader reader;
	uint16_t told_len;

	if (len < STUN_HEADER_BYTES || len > STUN_MAX_BYTES || len % 4 != 0)
		return ERR_SYNTAX;
	wire_reader_init(&reader, bytes, len);
	message.type = wire_get_u16(&reader);
	told_len = wire_get_u16(&reader);
	if (message.type >> 14 != 0 || told_len != len - STUN_HEADER_BYTES ||
	    wire_get_u32(&reader) != COOKIE)
		return ERR_SYNTAX;
	message.transaction =
		(const unsigned char *)wire_get_bytes(&reader, STUN_TRANSACTION_BYTES).p;
	while (wire_left(&reader) > 0)
		if (!attribute_step(&message, &reader))
			return ERR_SYNTAX;
	*ret = message;
	return OK;
}

bool stun_is_authentic(const struct stun_message *message, struct slice password)
{
	unsigned char copy[STUN_MAX_BYTES], digest[INTEGRITY_BYTES];
	size_t at = message->integrity_at;

	if (at == 0)
		return false;
	memcpy(copy, message->bytes, at);
	put_length(copy, at + ATTRIBUTE_HEADER_BYTES + INTEGRITY_BYTES);
	return integrity_of(copy, at, password, digest) &&
	       CRYPTO_memcmp(digest, message->bytes + at + ATTRIBUTE_HEADER_BYTES,
			     INTEGRITY_BYTES) == 0;
}

/* ---- writing ---- */

void stun_write_begin(struct stun_writer *writer, void *storage, size_t cap, uint16_t type,
		      const unsigned char *transaction)
{
	wire_writer_init(&writer->wire, storage, cap);
	wire_put_u16(&writer->wire, type);
	wire_put_u16(&writer->wire, 0); /* set where it is known */
	wire_put_u32(&writer->wire, COOKIE);
	wire_put_bytes(&writer->wire, transaction, STUN_TRANSACTION_BYTES);
}

void stun_write_attribute(struct stun_writer *writer, enum stun_attribute type, const void *value,
			  size_t len)
{
	static const unsigned char zeros[3];

	wire_put_u16(&writer->wire, (uint16_t)type);
	wire_put_u16(&writer->wire, (uint16_t)len);
	wire_put_bytes(&writer->wire, value, len);
	wire_put_bytes(&writer->wire, zeros, padded(len) - len);
}

/* RFC 8489 14.2: so that no NAT on the way finds an address to rewrite. */
void stun_write_xor_address(struct stun_writer *writer, const struct endpoint *endpoint)
{
	unsigned char value[20] = { 0, endpoint->ip.family == IP_V4 ? FAMILY_V4 : FAMILY_V6 };
	size_t ip_len = endpoint->ip.family == IP_V4 ? 4 : 16;

	if (writer->wire.err != OK)
		return;
	/* The header holds the mask: cookie, then transaction. */
	value[2] = (unsigned char)(endpoint->port >> 8) ^ writer->wire.p[4];
	value[3] = (unsigned char)endpoint->port ^ writer->wire.p[5];
	for (size_t i = 0; i < ip_len; i++)
		value[4 + i] = endpoint->ip.bytes[i] ^ writer->wire.p[4 + i];
	stun_write_attribute(writer, STUN_XOR_MAPPED_ADDRESS, value, 4 + ip_len);
}

void stun_write_error(struct stun_writer *writer, enum stun_error code)
{
	unsigned char value[4] = { 0, 0, (unsigned char)(code / 100), (unsigned char)(code % 100) };

	stun_write_attribute(writer, STUN_ERROR_CODE, value, sizeof(value));
}

/* A length that counts `more` bytes which are still to come. */
static void write_length(struct stun_writer *writer, size_t more)
{
	if (writer->wire.err == OK)
		put_length(writer->wire.p, writer->wire.len + more);
}

size_t stun_write_end(struct stun_writer *writer, struct slice password)
{
	struct wire_writer *wire = &writer->wire;
	unsigned char digest[INTEGRITY_BYTES];
	unsigned char fingerprint[FINGERPRINT_BYTES];
	struct wire_writer crc;

	write_length(writer, ATTRIBUTE_HEADER_BYTES + INTEGRITY_BYTES);
	if (wire->err != OK || !integrity_of(wire->p, wire->len, password, digest))
		return 0;
	stun_write_attribute(writer, STUN_MESSAGE_INTEGRITY, digest, sizeof(digest));
	write_length(writer, ATTRIBUTE_HEADER_BYTES + FINGERPRINT_BYTES);
	if (wire->err != OK)
		return 0;
	wire_writer_init(&crc, fingerprint, sizeof(fingerprint));
	wire_put_u32(&crc, crc32_of(wire->p, wire->len) ^ FINGERPRINT_XOR);
	stun_write_attribute(writer, STUN_FINGERPRINT, fingerprint, sizeof(fingerprint));
	return wire->err == OK ? wire->len : 0;
}
