/* SPDX-License-Identifier: MIT
 * HMAC-SHA1. OpenSSL's own object costs an allocation and a copy for each packet, so the two SHA-1
 * states behind the pads are kept instead. */
#define OPENSSL_SUPPRESS_DEPRECATED /* the plain SHA-1 calls */
#include "media-relay/srtp/srtp_priv.h"

#include <openssl/sha.h>
#include <string.h>

#include "lib/base/octets.h"

static void state_load(SHA_CTX *sha, const uint32_t state[5])
{
	*sha = (SHA_CTX){ .h0 = state[0], .h1 = state[1], .h2 = state[2], .h3 = state[3],
			  .h4 = state[4], .Nl = 8 * SHA_CBLOCK };
}

static void state_save(const unsigned char key[SRTP_AUTH_KEY_BYTES], unsigned char pad,
		       uint32_t state[5])
{
	unsigned char block[SHA_CBLOCK];
	SHA_CTX sha;

	memset(block, pad, sizeof(block));
	for (unsigned i = 0; i < SRTP_AUTH_KEY_BYTES; i++)
		block[i] ^= key[i];
	SHA1_Init(&sha);
	SHA1_Update(&sha, block, sizeof(block));
	memcpy(state, (uint32_t[]){ sha.h0, sha.h1, sha.h2, sha.h3, sha.h4 }, 5 * sizeof(*state));
	OPENSSL_cleanse(block, sizeof(block));
	OPENSSL_cleanse(&sha, sizeof(sha));
}

/* RFC 2104. */
void srtp_mac_init(struct srtp_mac *mac, const unsigned char key[SRTP_AUTH_KEY_BYTES])
{
	state_save(key, 0x36, mac->inner);
	state_save(key, 0x5c, mac->outer);
}

/* The outer hash is of one block whose length is known: the pad's 64 bytes and 20. */
static void outer_hash(const struct srtp_mac *mac, unsigned char hash[SRTP_HASH_BYTES])
{
	unsigned char block[SHA_CBLOCK] = { 0 };
	SHA_CTX sha;

	memcpy(block, hash, SRTP_HASH_BYTES);
	block[SRTP_HASH_BYTES] = 0x80;
	put_u32(block + SHA_CBLOCK - 4, 8 * (SHA_CBLOCK + SRTP_HASH_BYTES));
	state_load(&sha, mac->outer);
	SHA1_Transform(&sha, block);
	put_u32(hash, sha.h0);
	put_u32(hash + 4, sha.h1);
	put_u32(hash + 8, sha.h2);
	put_u32(hash + 12, sha.h3);
	put_u32(hash + 16, sha.h4);
}

void srtp_mac_hash(const struct srtp_mac *mac, const unsigned char *bytes, size_t len,
		   const unsigned char *tail, size_t tail_len,
		   unsigned char ret_hash[SRTP_HASH_BYTES])
{
	SHA_CTX sha;

	state_load(&sha, mac->inner);
	SHA1_Update(&sha, bytes, len);
	SHA1_Update(&sha, tail, tail_len);
	SHA1_Final(ret_hash, &sha);
	outer_hash(mac, ret_hash);
}
