/* SPDX-License-Identifier: MIT
 * STUN as bytes (RFC 8489), as far as ICE needs it. A parsed message points into its datagram. */
#pragma once

#include "lib/base/wire.h"
#include "media-relay/ice/ice.h"

#define STUN_HEADER_BYTES 20u
#define STUN_TRANSACTION_BYTES 12u
#define STUN_MAX_BYTES 1500u /* a check is far below */
#define STUN_UNKNOWN_MAX 8u  /* so many are told; more make no difference */

/* Method and class together, as on the wire (RFC 8489 5). */
#define STUN_BINDING_REQUEST 0x0001u
#define STUN_BINDING_INDICATION 0x0011u
#define STUN_BINDING_SUCCESS 0x0101u
#define STUN_BINDING_ERROR 0x0111u

enum stun_attribute { /* RFC 8489 18.3, RFC 8445 16.1 */
	STUN_MAPPED_ADDRESS = 0x0001,
	STUN_USERNAME = 0x0006,
	STUN_MESSAGE_INTEGRITY = 0x0008,
	STUN_ERROR_CODE = 0x0009,
	STUN_UNKNOWN_ATTRIBUTES = 0x000a,
	STUN_REALM = 0x0014,
	STUN_NONCE = 0x0015,
	STUN_MESSAGE_INTEGRITY_SHA256 = 0x001c,
	STUN_PASSWORD_ALGORITHM = 0x001d,
	STUN_USERHASH = 0x001e,
	STUN_XOR_MAPPED_ADDRESS = 0x0020,
	STUN_PRIORITY = 0x0024,
	STUN_USE_CANDIDATE = 0x0025,
	STUN_FINGERPRINT = 0x8028,
	STUN_ICE_CONTROLLED = 0x8029,
	STUN_ICE_CONTROLLING = 0x802a,
};

enum stun_error { STUN_BAD_REQUEST = 400, STUN_UNKNOWN = 420, STUN_ROLE_CONFLICT = 487 };

struct stun_message {
	const unsigned char *bytes;
	size_t len;
	uint16_t type;
	const unsigned char *transaction;
	struct slice username; /* p NULL: none */
	size_t integrity_at;   /* where MESSAGE-INTEGRITY begins; 0: none */
	bool use_candidate;
	bool controlled; /* ICE-CONTROLLED is there */
	bool broken;     /* a known attribute of a wrong length */
	bool has_priority;
	uint32_t priority;
	uint16_t unknown[STUN_UNKNOWN_MAX]; /* comprehension-required, not understood */
	unsigned unknown_count;
};

/* ERR_SYNTAX: not STUN (RFC 8489 6.3: first bits, cookie, lengths, and FINGERPRINT if present). */
must_use enum err stun_parse(const void *bytes, size_t len, struct stun_message *ret);
/* Is there a MESSAGE-INTEGRITY, and was it made with this password? */
bool stun_is_authentic(const struct stun_message *message, struct slice password);

struct stun_writer {
	struct wire_writer wire;
};

void stun_write_begin(struct stun_writer *writer, void *storage, size_t cap, uint16_t type,
		      const unsigned char *transaction);
void stun_write_attribute(struct stun_writer *writer, enum stun_attribute type, const void *value,
			  size_t len);
void stun_write_xor_address(struct stun_writer *writer, const struct endpoint *endpoint);
void stun_write_error(struct stun_writer *writer, enum stun_error code);
/* MESSAGE-INTEGRITY and FINGERPRINT. Returns the message's length; 0: it did not fit. */
size_t stun_write_end(struct stun_writer *writer, struct slice password);
