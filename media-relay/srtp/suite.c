/* SPDX-License-Identifier: MIT
 * The suites as a table, what may be told of them, and the derivation of session keys. */
#include "media-relay/srtp/srtp_priv.h"

#include <string.h>

/* RFC 4568 6.2, RFC 6188 3, RFC 7714 12. */
static const struct srtp_facts table[CTL_SRTP_SUITES] = {
	[CTL_SRTP_AES_CM_128_HMAC_SHA1_80] = { "AES_CM_128_HMAC_SHA1_80", SRTP_CTR_128, 16, 14,
					       { 10, 10 }, false },
	[CTL_SRTP_AES_CM_128_HMAC_SHA1_32] = { "AES_CM_128_HMAC_SHA1_32", SRTP_CTR_128, 16, 14,
					       { 4, 10 }, false },
	[CTL_SRTP_AES_192_CM_HMAC_SHA1_80] = { "AES_192_CM_HMAC_SHA1_80", SRTP_CTR_192, 24, 14,
					       { 10, 10 }, false },
	[CTL_SRTP_AES_192_CM_HMAC_SHA1_32] = { "AES_192_CM_HMAC_SHA1_32", SRTP_CTR_192, 24, 14,
					       { 4, 10 }, false },
	[CTL_SRTP_AES_256_CM_HMAC_SHA1_80] = { "AES_256_CM_HMAC_SHA1_80", SRTP_CTR_256, 32, 14,
					       { 10, 10 }, false },
	[CTL_SRTP_AES_256_CM_HMAC_SHA1_32] = { "AES_256_CM_HMAC_SHA1_32", SRTP_CTR_256, 32, 14,
					       { 4, 10 }, false },
	[CTL_SRTP_AEAD_AES_128_GCM] = { "AEAD_AES_128_GCM", SRTP_GCM_128, 16, 12, { 16, 16 }, true },
	[CTL_SRTP_AEAD_AES_256_GCM] = { "AEAD_AES_256_GCM", SRTP_GCM_256, 32, 12, { 16, 16 }, true },
};

const struct srtp_facts *srtp_facts(enum ctl_srtp_suite suite)
{
	return (unsigned)suite < CTL_SRTP_SUITES && table[suite].name ? &table[suite] : NULL;
}

uint32_t srtp_suites(void)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < CTL_SRTP_SUITES; i++)
		if (table[i].name)
			bits |= UINT32_C(1) << i;
	return bits;
}

const char *srtp_suite_name(enum ctl_srtp_suite suite)
{
	const struct srtp_facts *facts = srtp_facts(suite);

	return facts ? facts->name : "none";
}

size_t srtp_master_key_bytes(enum ctl_srtp_suite suite)
{
	const struct srtp_facts *facts = srtp_facts(suite);

	return facts ? facts->key_bytes : 0;
}

size_t srtp_master_salt_bytes(enum ctl_srtp_suite suite)
{
	const struct srtp_facts *facts = srtp_facts(suite);

	return facts ? facts->salt_bytes : 0;
}

const char *srtp_check(const struct ctl_srtp_crypto *crypto)
{
	const struct srtp_facts *facts = srtp_facts((enum ctl_srtp_suite)crypto->suite);

	if (!facts)
		return "an unknown SRTP suite";
	if (crypto->key.len != (size_t)facts->key_bytes + facts->salt_bytes)
		return "an SRTP key of another length than the suite's";
	if (crypto->mki.len > SRTP_MKI_MAX_BYTES)
		return "an SRTP MKI is at most 8 bytes long";
	/* Without a tag anyone could move the windows, and the latch. */
	if (crypto->flags & ~(CTL_SRTP_UNENCRYPTED_RTP | CTL_SRTP_UNENCRYPTED_RTCP))
		return "unauthenticated SRTP is not offered";
	if (facts->aead && crypto->flags != 0)
		return "an AEAD suite always encrypts";
	return NULL;
}

bool srtp_derive(const struct srtp_engine *engine, const struct srtp_facts *facts,
		 const unsigned char *master, enum srtp_label label, unsigned char *ret_bytes,
		 size_t len)
{
	/* RFC 6188 2: the function's cipher is as long as the master key; RFC 7714 11 too. */
	unsigned prf = SRTP_CTR_128 + (facts->key_bytes - 16u) / 8;
	struct srtp_job job = { .engine = engine,
				.cipher = (enum srtp_cipher)prf,
				.context = engine->control[prf],
				.key = master,
				.bytes = ret_bytes,
				.len = len };
	bool fine;

	/* A salt of 12 bytes is padded on the right (RFC 7714 11). */
	memcpy(job.iv, master + facts->key_bytes, facts->salt_bytes);
	job.iv[7] ^= (unsigned char)label;
	memset(ret_bytes, 0, len);
	fine = srtp_ctr(&job);
	OPENSSL_cleanse(job.iv, sizeof(job.iv));
	return fine;
}
