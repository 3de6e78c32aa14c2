/* SPDX-License-Identifier: MIT
 * HMAC-SHA1 and the ciphers on bytes. The context of a cipher is kept with its key, and a packet
 * sets only the IV. For HMAC the library's own object costs an allocation and a copy for each packet,
 * so the two SHA-1 states behind the pads are kept instead, and its plain SHA-1 calls used. */
#define OPENSSL_SUPPRESS_DEPRECATED /* the plain SHA-1 calls */
#include "media-relay/srtp/srtp_priv.h"

#include <openssl/sha.h>
#include <string.h>

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

void srtp_mac_hash(const struct srtp_mac *mac, const unsigned char *bytes, size_t len,
		   const unsigned char *tail, size_t tail_len,
		   unsigned char ret_hash[SRTP_HASH_BYTES])
{
	SHA_CTX sha;

	state_load(&sha, mac->inner);
	SHA1_Update(&sha, bytes, len);
	SHA1_Update(&sha, tail, tail_len);
	SHA1_Final(ret_hash, &sha);
	state_load(&sha, mac->outer);
	SHA1_Update(&sha, ret_hash, SRTP_HASH_BYTES);
	SHA1_Final(ret_hash, &sha);
}

/* Runs the packet's bytes through the cipher. Counter mode and GCM turn bytes both ways alike. */
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

bool srtp_ctr(const struct srtp_job *job)
{
	return crypt(job, true);
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
