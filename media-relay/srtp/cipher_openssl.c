/* SPDX-License-Identifier: MIT
 * The ciphers of OpenSSL, which is everywhere. A context is kept with its key. GCM sets an IV for each
 * packet; that costs more than a short packet's AES, so counter mode does without: it encrypts the
 * counters as blocks (ECB) and adds them up itself. */
#include "media-relay/srtp/srtp_priv.h"

#include <openssl/evp.h>
#include <string.h>

#define BLOCK_BYTES 16u
#define STREAM_BYTES 512u /* made at once */

/* Fetched once, since each fetch costs more than a packet. */
struct state {
	EVP_CIPHER *ciphers[SRTP_CIPHERS];
};

/* What stands in a context's storage. */
struct kept {
	EVP_CIPHER_CTX *evp;
};

static const char *const names[SRTP_CIPHERS] = {
	[SRTP_CTR_128] = "AES-128-ECB", [SRTP_CTR_192] = "AES-192-ECB",
	[SRTP_CTR_256] = "AES-256-ECB", [SRTP_GCM_128] = "AES-128-GCM",
	[SRTP_GCM_256] = "AES-256-GCM",
};

static void library_close(void *ref)
{
	struct state *state = ref;

	for (unsigned i = 0; i < SRTP_CIPHERS; i++)
		EVP_CIPHER_free(state->ciphers[i]);
}

static enum err library_open(void *ref)
{
	struct state *state = ref;

	for (unsigned i = 0; i < SRTP_CIPHERS; i++) {
		state->ciphers[i] = EVP_CIPHER_fetch(NULL, names[i], NULL);
		if (!state->ciphers[i]) {
			library_close(state);
			return ERR_UNSUPPORTED;
		}
	}
	return OK;
}

static size_t context_bytes(const void *state, enum srtp_cipher cipher)
{
	(void)state;
	(void)cipher;
	return sizeof(struct kept);
}

static bool context_key(const void *ref, enum srtp_cipher cipher, void *storage,
			const unsigned char *key)
{
	const struct state *state = ref;
	struct kept *kept = storage;

	if (!kept->evp) {
		kept->evp = EVP_CIPHER_CTX_new();
		if (!kept->evp ||
		    EVP_CipherInit_ex2(kept->evp, state->ciphers[cipher], NULL, NULL, 1, NULL) != 1 ||
		    EVP_CIPHER_CTX_set_padding(kept->evp, 0) != 1)
			return false;
	}
	return EVP_CipherInit_ex2(kept->evp, NULL, key, NULL, 1, NULL) == 1;
}

static void context_wipe(void *storage, size_t bytes)
{
	struct kept *kept = storage;

	(void)bytes;
	EVP_CIPHER_CTX_free(kept->evp); /* wipes it */
	kept->evp = NULL;
}

static EVP_CIPHER_CTX *kept_of(const struct srtp_job *job)
{
	return ((const struct kept *)job->context)->evp;
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
	return EVP_EncryptUpdate(kept_of(job), stream, &done, stream,
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

static bool counter_mode(const struct srtp_job *job)
{
	unsigned char stream[STREAM_BYTES];

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

	return EVP_CipherInit_ex2(kept_of(job), NULL, NULL, job->iv, encrypt, NULL) == 1 &&
	       (job->clear_len == 0 || EVP_CipherUpdate(kept_of(job), NULL, &done, job->clear,
							(int)job->clear_len) == 1) &&
	       (job->tail_len == 0 || EVP_CipherUpdate(kept_of(job), NULL, &done, job->tail,
						       (int)job->tail_len) == 1) &&
	       (job->len == 0 || EVP_CipherUpdate(kept_of(job), job->bytes, &done, job->bytes,
						  (int)job->len) == 1);
}

static bool gcm_seal(const struct srtp_job *job, unsigned char ret_tag[SRTP_GCM_TAG_BYTES])
{
	unsigned char rest[SRTP_GCM_TAG_BYTES];
	int done = 0;

	return crypt(job, true) && EVP_CipherFinal_ex(kept_of(job), rest, &done) == 1 &&
	       EVP_CIPHER_CTX_ctrl(kept_of(job), EVP_CTRL_AEAD_GET_TAG, SRTP_GCM_TAG_BYTES,
				   ret_tag) == 1;
}

static bool gcm_open(const struct srtp_job *job, const unsigned char tag[SRTP_GCM_TAG_BYTES])
{
	unsigned char told[SRTP_GCM_TAG_BYTES];
	unsigned char rest[SRTP_GCM_TAG_BYTES];
	int done = 0;

	memcpy(told, tag, sizeof(told));
	if (crypt(job, false) &&
	    EVP_CIPHER_CTX_ctrl(kept_of(job), EVP_CTRL_AEAD_SET_TAG, sizeof(told), told) == 1 &&
	    EVP_CipherFinal_ex(kept_of(job), rest, &done) == 1)
		return true;
	/* Another key may be tried on the same bytes: turn them back. */
	(void)crypt(job, true);
	return false;
}

const struct srtp_library srtp_openssl = {
	.name = "OpenSSL",
	.state_bytes = sizeof(struct state),
	.open = library_open,
	.close = library_close,
	.context_bytes = context_bytes,
	.context_key = context_key,
	.context_wipe = context_wipe,
	.ctr = counter_mode,
	.gcm_seal = gcm_seal,
	.gcm_open = gcm_open,
};
