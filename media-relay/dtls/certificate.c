/* SPDX-License-Identifier: MIT
 * Our certificate, and the comparison of the peer's with its fingerprint. Nobody signs either: the
 * fingerprint in the signalling is the whole trust (RFC 5763 5), so names and dates mean nothing. */
#include "media-relay/dtls/dtls_priv.h"

#include <stdlib.h>

#include "lib/base/ensure.h"

/* lint: owns storage because the identity lives as long as the relay. */

#define DAY_S (24L * 3600L)
#define VALID_DAYS 3650L /* longer than a process runs */
#define SERIAL_BYTES 8

/* MD5 and MD2 of RFC 8122 5 are broken and have no number here. */
const EVP_MD *dtls_hash_md(enum ctl_hash hash)
{
	switch (hash) {
	case CTL_HASH_SHA1:
		return EVP_sha1();
	case CTL_HASH_SHA224:
		return EVP_sha224();
	case CTL_HASH_SHA256:
		return EVP_sha256();
	case CTL_HASH_SHA384:
		return EVP_sha384();
	case CTL_HASH_SHA512:
		return EVP_sha512();
	case CTL_HASH_NONE:
		break;
	}
	return NULL;
}

static bool set_serial(X509 *certificate)
{
	BIGNUM *serial = BN_new();
	bool ok = serial && BN_rand(serial, 8 * SERIAL_BYTES - 1, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
		  BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate));

	BN_free(serial);
	return ok;
}

/* The name is the same everywhere, so that a certificate tells nothing about its node. */
static bool fill(X509 *certificate, EVP_PKEY *key)
{
	X509_NAME *name = X509_get_subject_name(certificate);

	return X509_set_version(certificate, X509_VERSION_3) && set_serial(certificate) &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_DAYS * DAY_S) &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"SRTP",
					  -1, -1, 0) &&
	       X509_set_issuer_name(certificate, name) && X509_set_pubkey(certificate, key) &&
	       X509_sign(certificate, key, EVP_sha256()) > 0;
}

enum err dtls_identity_create(struct dtls_identity **ret)
{
	struct dtls_identity *identity = calloc(1, sizeof(*identity));
	unsigned int len = 0;

	if (!identity)
		return ERR_NOMEM;
	identity->key = EVP_EC_gen("P-256");
	identity->certificate = X509_new();
	if (!identity->key || !identity->certificate ||
	    !fill(identity->certificate, identity->key) ||
	    !X509_digest(identity->certificate, EVP_sha256(), identity->fingerprint, &len)) {
		dtls_identity_destroy(&identity);
		return ERR_NOMEM;
	}
	*ret = identity;
	return OK;
}

/* An arena's copy of what i2d_* made; what it made is wiped. */
static enum err keep_der(struct arena *arena, unsigned char *der, int len, struct slice *ret)
{
	enum err err = ERR_NOMEM;

	if (len > 0)
		err = arena_keep(arena, slice_of((const char *)der, (size_t)len), ret);
	if (len > 0)
		OPENSSL_clear_free(der, (size_t)len);
	return err;
}

enum err dtls_identity_write(const struct dtls_identity *identity, struct arena *arena,
			     struct slice *ret_certificate, struct slice *ret_key)
{
	unsigned char *der = NULL;
	int len = i2d_X509(identity->certificate, &der);
	enum err err = keep_der(arena, der, len, ret_certificate);

	if (err != OK)
		return err;
	der = NULL;
	len = i2d_PrivateKey(identity->key, &der);
	return keep_der(arena, der, len, ret_key);
}

enum err dtls_identity_read(struct slice certificate, struct slice key, struct dtls_identity **ret)
{
	const unsigned char *at = (const unsigned char *)certificate.p;
	struct dtls_identity *identity = calloc(1, sizeof(*identity));
	unsigned int len = 0;

	if (!identity)
		return ERR_NOMEM;
	identity->certificate = d2i_X509(NULL, &at, (long)certificate.len);
	at = (const unsigned char *)key.p;
	identity->key = d2i_AutoPrivateKey(NULL, &at, (long)key.len);
	if (!identity->certificate || !identity->key ||
	    !X509_check_private_key(identity->certificate, identity->key) ||
	    !X509_digest(identity->certificate, EVP_sha256(), identity->fingerprint, &len)) {
		ERR_clear_error();
		dtls_identity_destroy(&identity);
		return ERR_SYNTAX;
	}
	*ret = identity;
	return OK;
}

void dtls_identity_destroy(struct dtls_identity **identity)
{
	struct dtls_identity *it = *identity;

	if (!it)
		return;
	*identity = NULL;
	X509_free(it->certificate);
	EVP_PKEY_free(it->key);
	free(it);
}

struct slice dtls_identity_fingerprint(const struct dtls_identity *identity)
{
	return slice_of((const char *)identity->fingerprint, sizeof(identity->fingerprint));
}

int dtls_certificate_verify(X509_STORE_CTX *store, void *unused)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct dtls *dtls = SSL_get_app_data(ssl);
	X509 *certificate = X509_STORE_CTX_get0_cert(store);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	(void)unused;
	if (certificate && X509_digest(certificate, dtls_hash_md(dtls->hash), digest, &len) &&
	    len == dtls->fingerprint_len &&
	    CRYPTO_memcmp(digest, dtls->fingerprint, len) == 0)
		return 1;
	dtls->failure = CTL_SECURITY_FINGERPRINT;
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
	return 0;
}
