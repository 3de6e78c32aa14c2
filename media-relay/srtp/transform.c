/* SPDX-License-Identifier: MIT
 * HMAC-SHA1 and the ciphers on bytes. The context of a cipher is kept with its key. GCM sets an IV for
 * each packet; that costs more than a short packet's AES, so counter mode does without: it encrypts
 * the counters as blocks (ECB) and adds them up itself. For HMAC the library's own object costs an
 * allocation and a copy for each packet, so the two SHA-1 states behind the pads are kept instead. */
#define OPENSSL_SUPPRESS_DEPRECATED /* the plain SHA-1 calls */
#include "media-relay/srtp/srtp_priv.h"

#include <openssl/sha.h>
#include <string.h>

#define BLOCK_BYTES 16u
#define STREAM_BYTES 512u /* made at once */

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

static void put_u32(unsigned char *p, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (unsigned char)(value >> (24 - 8 * i));
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

/* ---- counter mode ---- */

/* The blocks IV + first … (RFC 3711 4.1.1), encrypted. Below 2^16: a datagram has no more. */
static bool make_stream(const struct srtp_job *job, unsigned first, size_t len,
			unsigned char stream[STREAM_BYTES])
{
	size_t blocks = (len + BLOCK_BYTES - 1) / BLOCK_BYTES;
	unsigned counter = (unsigned)(job->iv[14] << 8 | job->iv[15]) + first;
	int done = 0;

	for (size_t i = 0; i < blocks; i++, counter++) {
		unsigned char *block = stream + BLOCK_BYTES * i;

		memcpy(block, job->iv, BLOCK_BYTES - 2);
		block[14] = (unsigned char)(counter >> 8);
		block[15] = (unsigned char)counter;
	}
	return EVP_EncryptUpdate(job->context, stream, &done, stream,
				 (int)(BLOCK_BYTES * blocks)) == 1;
}

static void add(unsigned char *bytes, const unsigned char *stream, size_t len)
{
	size_t i = 0;

	for (; i + 8 <= len; i += 8) {
		uint64_t a, b;

		memcpy(&a, bytes + i, 8);
		memcpy(&b, stream + i, 8);
		a ^= b;
		memcpy(bytes + i, &a, 8);
	}
	for (; i < len; i++)
		bytes[i] ^= stream[i];
}

bool srtp_ctr(const struct srtp_job *job)
{
	unsigned char stream[STREAM_BYTES];

	if (job->key && EVP_EncryptInit_ex2(job->context, NULL, job->key, NULL, NULL) != 1)
		return false;
	for (size_t at = 0; at < job->len; at += STREAM_BYTES) {
		size_t left = job->len - at;
		size_t len = left < STREAM_BYTES ? left : STREAM_BYTES;

		if (!make_stream(job, (unsigned)(at / BLOCK_BYTES), len, stream))
			return false;
		add(job->bytes + at, stream, len);
	}
	return true;
}

/* ---- GCM ---- */

/* Runs the packet's bytes through the cipher, which turns them both ways alike. */
static bool crypt(const struct srtp_job *job, bool encrypt)
{
	int done = 0;

	return EVP_CipherInit_ex2(job->context, NULL, job->key, job->iv, encrypt, NULL) == 1 &&
	       (job->clear_len == 0 || EVP_CipherUpdate(job->context, NULL, &done, job->clear,
							(int)job->clear_len) == 1) &&
	       (job->tail_len == 0 || EVP_CipherUpdate(job->context, NULL, &done, job->tail,
						       (int)job->tail_len) == 1) &&
	       (job->len == 0 || EVP_CipherUpdate(job->context, job->bytes, &done, job->bytes,
						  (int)job->len) == 1);
}

bool srtp_gcm_seal(const struct srtp_job *job, unsigned char ret_tag[SRTP_GCM_TAG_BYTES])
{
	unsigned char rest[SRTP_GCM_TAG_BYTES];
	int done = 0;

	return crypt(job, true) && EVP_CipherFinal_ex(job->context, rest, &done) == 1 &&
	       EVP_CIPHER_CTX_ctrl(job->context, EVP_CTRL_AEAD_GET_TAG, SRTP_GCM_TAG_BYTES,
				   ret_tag) == 1;
}

bool srtp_gcm_open(const struct srtp_job *job, const unsigned char tag[SRTP_GCM_TAG_BYTES])
{
	unsigned char told[SRTP_GCM_TAG_BYTES];
	unsigned char rest[SRTP_GCM_TAG_BYTES];
	int done = 0;

	memcpy(told, tag, sizeof(told));
	if (crypt(job, false) &&
	    EVP_CIPHER_CTX_ctrl(job->context, EVP_CTRL_AEAD_SET_TAG, sizeof(told), told) == 1 &&
	    EVP_CipherFinal_ex(job->context, rest, &done) == 1)
		return true;
	/* Another key may be tried on the same bytes: turn them back. */
	(void)crypt(job, true);
	return false;
}
