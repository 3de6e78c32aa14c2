/* SPDX-License-Identifier: MIT
 * The ciphers of Intel's ipsec-mb. Its batches of many packets are not used: they would pay for SHA-1
 * alone, and only from eight packets on; AES runs as fast by its calls for one packet. */
#include "media-relay/srtp/srtp_priv.h"

#include <intel-ipsec-mb.h>
#include <string.h>

#include "lib/base/ensure.h"

#define ROUND_KEYS_BYTES (15u * IMB_AES_BLOCK_SIZE)
#define CLEAR_MAX 16u

struct state {
	IMB_MGR *manager;
	IMB_JOB job; /* of counter mode; only what changes is written for a packet */
	size_t gcm_bytes;
	struct gcm_context_data scratch;
};

static const struct {
	IMB_KEY_SIZE_BYTES key_bytes;
	bool gcm;
} ciphers[SRTP_CIPHERS] = {
	[SRTP_CTR_128] = { IMB_KEY_128_BYTES, false }, [SRTP_CTR_192] = { IMB_KEY_192_BYTES, false },
	[SRTP_CTR_256] = { IMB_KEY_256_BYTES, false }, [SRTP_GCM_128] = { IMB_KEY_128_BYTES, true },
	[SRTP_GCM_256] = { IMB_KEY_256_BYTES, true },
};

static void library_close(void *ref)
{
	struct state *state = ref;

	free_mb_mgr(state->manager);
	OPENSSL_cleanse(state, sizeof(*state));
}

/* The powers of GCM's hash key are a union, of which a kind of processor uses one part. */
static size_t gcm_bytes(IMB_ARCH arch)
{
	const struct gcm_key_data *none = NULL;
	size_t powers = arch == IMB_ARCH_AVX2 ? sizeof(none->ghash_keys.avx2_avx512) :
						sizeof(none->ghash_keys.sse_avx);

	return offsetof(struct gcm_key_data, ghash_keys) + powers;
}

static enum err library_open(void *ref)
{
	struct state *state = ref;
	IMB_ARCH arch = IMB_ARCH_NONE;

	state->manager = alloc_mb_mgr(0);
	if (!state->manager)
		return ERR_NOMEM;
	init_mb_mgr_auto(state->manager, &arch);
	/* The widest kind wants 900 octets more of each GCM key, to gain some nanoseconds on a packet as
	 * short as a voice's. */
	if (arch > IMB_ARCH_AVX2) {
		init_mb_mgr_avx2(state->manager);
		arch = IMB_ARCH_AVX2;
	}
	if (arch <= IMB_ARCH_NOAESNI) {
		library_close(state);
		return ERR_UNSUPPORTED;
	}
	state->gcm_bytes = gcm_bytes(arch);
	state->job = (IMB_JOB){ .cipher_mode = IMB_CIPHER_CNTR,
				.cipher_direction = IMB_DIR_ENCRYPT,
				.hash_alg = IMB_AUTH_NULL,
				.chain_order = IMB_ORDER_CIPHER_HASH,
				.iv_len_in_bytes = SRTP_IV_BYTES };
	return OK;
}

static size_t context_bytes(const void *ref, enum srtp_cipher cipher)
{
	const struct state *state = ref;

	return ciphers[cipher].gcm ? state->gcm_bytes : ROUND_KEYS_BYTES;
}

static bool context_key(const void *ref, enum srtp_cipher cipher, void *context,
			const unsigned char *key)
{
	IMB_MGR *manager = ((const struct state *)ref)->manager;
	_Alignas(16) unsigned char decrypting[ROUND_KEYS_BYTES];

	switch (cipher) {
	case SRTP_CTR_128:
		IMB_AES_KEYEXP_128(manager, key, context, decrypting);
		break;
	case SRTP_CTR_192:
		IMB_AES_KEYEXP_192(manager, key, context, decrypting);
		break;
	case SRTP_CTR_256:
		IMB_AES_KEYEXP_256(manager, key, context, decrypting);
		break;
	case SRTP_GCM_128:
		IMB_AES128_GCM_PRE(manager, key, context);
		break;
	case SRTP_GCM_256:
		IMB_AES256_GCM_PRE(manager, key, context);
		break;
	case SRTP_CIPHERS:
		return false;
	}
	OPENSSL_cleanse(decrypting, sizeof(decrypting));
	return true;
}

static void context_wipe(void *context, size_t bytes)
{
	OPENSSL_cleanse(context, bytes);
}

static bool counter_mode(const struct srtp_job *job)
{
	struct state *state = job->engine->state;
	IMB_JOB *work = &state->job;

	if (job->len == 0)
		return true;
	work->enc_keys = job->context;
	work->key_len_in_bytes = ciphers[job->cipher].key_bytes;
	work->src = job->bytes;
	work->dst = job->bytes;
	work->msg_len_to_cipher_in_bytes = job->len;
	work->iv = job->iv;
	return IMB_SUBMIT_CIPHER_BURST_NOCHECK(state->manager, work, 1, IMB_CIPHER_CNTR,
					       IMB_DIR_ENCRYPT, ciphers[job->cipher].key_bytes) == 1;
}

/* Both parts of what is authenticated only, in one piece. */
static const unsigned char *clear_join(const struct srtp_job *job, unsigned char storage[CLEAR_MAX],
				       size_t *ret_len)
{
	*ret_len = job->clear_len + job->tail_len;
	if (job->tail_len == 0)
		return job->clear;
	ensure(*ret_len <= CLEAR_MAX);
	memcpy(storage, job->clear, job->clear_len);
	memcpy(storage + job->clear_len, job->tail, job->tail_len);
	return storage;
}

static void gcm(const struct srtp_job *job, bool encrypt, unsigned char ret_tag[SRTP_GCM_TAG_BYTES])
{
	struct state *state = job->engine->state;
	const IMB_MGR *manager = state->manager;
	bool short_key = job->cipher == SRTP_GCM_128;
	aes_gcm_enc_dec_t run = encrypt ? (short_key ? manager->gcm128_enc : manager->gcm256_enc)
					: (short_key ? manager->gcm128_dec : manager->gcm256_dec);
	unsigned char storage[CLEAR_MAX];
	size_t clear_len;
	const unsigned char *clear = clear_join(job, storage, &clear_len);

	run(job->context, &state->scratch, job->bytes, job->bytes, job->len, job->iv, clear, clear_len,
	    ret_tag, SRTP_GCM_TAG_BYTES);
}

static bool gcm_seal(const struct srtp_job *job, unsigned char ret_tag[SRTP_GCM_TAG_BYTES])
{
	gcm(job, true, ret_tag);
	return true;
}

static bool gcm_open(const struct srtp_job *job, const unsigned char tag[SRTP_GCM_TAG_BYTES])
{
	unsigned char right[SRTP_GCM_TAG_BYTES];

	gcm(job, false, right);
	if (CRYPTO_memcmp(right, tag, sizeof(right)) == 0)
		return true;
	/* Another key may be tried on the same bytes: turn them back. */
	gcm(job, true, right);
	return false;
}

const struct srtp_library srtp_ipsec_mb = {
	.name = "ipsec-mb",
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
