/* SPDX-License-Identifier: MIT
 * What this room asks of a library of ciphers: AES in counter mode and in GCM, with a key that is
 * expanded once and kept. Two stand behind it. Intel's ipsec-mb takes a packet's bytes in one call, and
 * its expanded keys are plain memory that lies with the rest of a key and can be fetched ahead; it is
 * for x86 processors that have AES instructions. OpenSSL is for all others. */
#pragma once

#include "media-relay/srtp/srtp.h"

#define SRTP_IV_BYTES 16u
#define SRTP_GCM_TAG_BYTES 16u

/* One cipher's work on one packet. */
struct srtp_job {
	const struct srtp_engine *engine;
	enum srtp_cipher cipher;
	void *context;
	const unsigned char *key; /* NULL: the context has it already */
	unsigned char iv[SRTP_IV_BYTES]; /* GCM: the first 12 */
	const unsigned char *clear;      /* authenticated only (GCM) */
	size_t clear_len;
	const unsigned char *tail; /* the same, behind it: where there is one, both are of 8 at most */
	size_t tail_len;
	unsigned char *bytes; /* changed where they lie */
	size_t len;
};

/* False, or an error: the library failed, which only a bug or the want of memory explains; the bytes are
 * worthless then. A job's key is not looked at: see srtp_ctr and the others below. */
struct srtp_library {
	const char *name;
	size_t state_bytes;
	/* state: zeroed. ERR_UNSUPPORTED: not on this processor. ERR_NOMEM. */
	enum err (*open)(void *state);
	void (*close)(void *state);
	/* A context's storage; zeroed at first, at SRTP_CONTEXT_ALIGN. */
	size_t (*context_bytes)(const void *state, enum srtp_cipher cipher);
	/* Its key, or another one. */
	bool (*context_key)(const void *state, enum srtp_cipher cipher, void *context,
			    const unsigned char *key);
	/* As zeroed; gives back what hangs on it. */
	void (*context_wipe)(void *context, size_t bytes);
	/* RFC 3711 4.1.1: the counter is iv's last two bytes, for a datagram has no more blocks. */
	bool (*ctr)(const struct srtp_job *job);
	bool (*gcm_seal)(const struct srtp_job *job, unsigned char ret_tag[SRTP_GCM_TAG_BYTES]);
	/* False: the tag is wrong, and the bytes are as they were. */
	bool (*gcm_open)(const struct srtp_job *job, const unsigned char tag[SRTP_GCM_TAG_BYTES]);
};

#define SRTP_CONTEXT_ALIGN 64u

extern const struct srtp_library srtp_openssl;
#ifdef SRTP_IPSEC_MB
extern const struct srtp_library srtp_ipsec_mb;
#endif

static inline bool srtp_job_key(const struct srtp_job *job)
{
	const struct srtp_engine *engine = job->engine;

	return !job->key ||
	       engine->library->context_key(engine->state, job->cipher, job->context, job->key);
}

static inline bool srtp_ctr(const struct srtp_job *job)
{
	return srtp_job_key(job) && job->engine->library->ctr(job);
}

static inline bool srtp_gcm_seal(const struct srtp_job *job,
				 unsigned char ret_tag[SRTP_GCM_TAG_BYTES])
{
	return srtp_job_key(job) && job->engine->library->gcm_seal(job, ret_tag);
}

static inline bool srtp_gcm_open(const struct srtp_job *job,
				 const unsigned char tag[SRTP_GCM_TAG_BYTES])
{
	return srtp_job_key(job) && job->engine->library->gcm_open(job, tag);
}
