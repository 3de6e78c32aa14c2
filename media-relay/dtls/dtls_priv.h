/* SPDX-License-Identifier: MIT
 * What the files of this room share. */
#pragma once

/* OpenSSL has a type of the name of one of our errors. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#undef ERR_STATE

#include "lib/base/hash.h"
#include "lib/base/pool.h"
#include "media-relay/dtls/dtls.h"

struct dtls_identity {
	EVP_PKEY *key;
	X509 *certificate;
	unsigned char fingerprint[DTLS_FINGERPRINT_BYTES];
};

struct dtls_engine {
	SSL_CTX *context;
	BIO_METHOD *datagrams;
	struct hash_key cookie_key;
	struct dtls_identity *known[DTLS_IDENTITIES]; /* beside the first one, which is not ours */
	unsigned known_next;
	const struct dtls_identity *first;
	struct pool pool;
};

struct dtls {
	struct dtls_engine *engine;
	struct handle handle;
	SSL *ssl; /* NULL: it lingered long enough */
	enum ctl_dtls_role role;
	enum dtls_state state;
	enum ctl_security_failure failure;
	const char *reason;
	bool listening; /* the next datagram is a hello with our cookie */
	enum ctl_hash hash;
	uint8_t fingerprint_len;
	unsigned char fingerprint[DTLS_FINGERPRINT_MAX_BYTES];
	uint64_t began_ms;
	uint64_t secured_ms;
	struct dtls_keys keys;
	/* within a call only */
	const struct dtls_turn *turn;
	const unsigned char *in; /* the datagram that OpenSSL has not read yet */
	size_t in_len;
};

/* ---- datagrams.c ---- */

/* A BIO whose data is a struct dtls: a write is a datagram out, a read the datagram that came in.
 * NULL: out of memory. */
BIO_METHOD *dtls_datagrams_method(void);

/* ---- certificate.c ---- */

/* The known one of this fingerprint; NULL. */
const struct dtls_identity *dtls_engine_find(const struct dtls_engine *engine,
					     struct slice fingerprint);

/* SSL_CTX_set_cert_verify_callback: 1 when the peer's certificate has the fingerprint told. */
int dtls_certificate_verify(X509_STORE_CTX *store, void *unused);
const EVP_MD *dtls_hash_md(enum ctl_hash hash);
