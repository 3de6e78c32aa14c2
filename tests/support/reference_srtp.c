/* SPDX-License-Identifier: MIT */
#include "tests/support/reference_srtp.h"

#include <dlfcn.h>
#include <srtp2/srtp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ensure.h"

static const struct {
	const char *rtp;
	const char *rtcp;
} policies[CTL_SRTP_SUITES] = {
	[CTL_SRTP_AES_CM_128_HMAC_SHA1_80] = { "rtp_default", "rtcp_default" },
	[CTL_SRTP_AES_CM_128_HMAC_SHA1_32] = { "aes_cm_128_hmac_sha1_32", "rtcp_default" },
	[CTL_SRTP_AES_256_CM_HMAC_SHA1_80] = { "aes_cm_256_hmac_sha1_80",
					       "aes_cm_256_hmac_sha1_80" },
	[CTL_SRTP_AES_256_CM_HMAC_SHA1_32] = { "aes_cm_256_hmac_sha1_32",
					       "aes_cm_256_hmac_sha1_80" },
	[CTL_SRTP_AEAD_AES_128_GCM] = { "aes_gcm_128_16_auth", "aes_gcm_128_16_auth" },
	[CTL_SRTP_AEAD_AES_256_GCM] = { "aes_gcm_256_16_auth", "aes_gcm_256_16_auth" },
};

struct reference {
	srtp_t session;
	__typeof__(srtp_protect_mki) *protect;
	__typeof__(srtp_protect_rtcp_mki) *protect_rtcp;
	__typeof__(srtp_unprotect_mki) *unprotect;
	__typeof__(srtp_unprotect_rtcp_mki) *unprotect_rtcp;
	bool mki;
	unsigned char key[64];
	unsigned char mki_bytes[16];
};

/* The same handle each time; it stays loaded. */
static void *library(void)
{
	return dlopen("libsrtp2.so.1", RTLD_NOW | RTLD_LOCAL);
}

/* Writes a function's address. */
static void find(const char *name, void *ret)
{
	void *found = dlsym(library(), name);

	ensure(found);
	memcpy(ret, &found, sizeof(found));
}

bool reference_load(void)
{
	__typeof__(srtp_init) *init;

	if (!library())
		return false;
	find("srtp_init", &init);
	return init() == srtp_err_status_ok;
}

static void set_policy(srtp_crypto_policy_t *policy, const char *name)
{
	void (*set)(srtp_crypto_policy_t *);
	char symbol[80] = "srtp_crypto_policy_set_";

	memcpy(symbol + strlen(symbol), name, strlen(name) + 1);
	find(symbol, &set);
	set(policy);
}

struct reference *reference_create(const struct ctl_srtp_crypto *crypto, bool sends)
{
	struct reference *made = calloc(1, sizeof(*made));
	srtp_policy_t policy = { .ssrc = { .type = sends ? ssrc_any_outbound : ssrc_any_inbound },
				 .window_size = 128 };
	__typeof__(srtp_create) *create;
	srtp_master_key_t key;
	srtp_master_key_t *keys[1] = { &key };

	ensure(made && crypto->key.len <= sizeof(made->key) &&
	       crypto->mki.len <= sizeof(made->mki_bytes));
	memcpy(made->key, crypto->key.p, crypto->key.len);
	if (crypto->mki.len > 0)
		memcpy(made->mki_bytes, crypto->mki.p, crypto->mki.len);
	made->mki = crypto->mki.len > 0;
	key = (srtp_master_key_t){ made->key, made->mki_bytes, (unsigned)crypto->mki.len };
	set_policy(&policy.rtp, policies[crypto->suite].rtp);
	set_policy(&policy.rtcp, policies[crypto->suite].rtcp);
	if (made->mki) {
		policy.keys = keys;
		policy.num_master_keys = 1;
	} else {
		policy.key = made->key;
	}
	find("srtp_create", &create);
	find("srtp_protect_mki", &made->protect);
	find("srtp_protect_rtcp_mki", &made->protect_rtcp);
	find("srtp_unprotect_mki", &made->unprotect);
	find("srtp_unprotect_rtcp_mki", &made->unprotect_rtcp);
	ensure(create(&made->session, &policy) == srtp_err_status_ok);
	return made;
}

void reference_destroy(struct reference *reference)
{
	__typeof__(srtp_dealloc) *dealloc;

	find("srtp_dealloc", &dealloc);
	ensure(dealloc(reference->session) == srtp_err_status_ok);
	free(reference);
}

bool reference_protect(struct reference *reference, bool control, unsigned char *bytes, size_t len,
		       size_t *ret_len)
{
	int n = (int)len;
	srtp_err_status_t status =
		control ? reference->protect_rtcp(reference->session, bytes, &n, reference->mki, 0)
			: reference->protect(reference->session, bytes, &n, reference->mki, 0);

	*ret_len = (size_t)n;
	return status == srtp_err_status_ok;
}

bool reference_unprotect(struct reference *reference, bool control, unsigned char *bytes,
			 size_t len, size_t *ret_len)
{
	int n = (int)len;
	srtp_err_status_t status =
		control ? reference->unprotect_rtcp(reference->session, bytes, &n, reference->mki)
			: reference->unprotect(reference->session, bytes, &n, reference->mki);

	*ret_len = (size_t)n;
	return status == srtp_err_status_ok;
}
