/* SPDX-License-Identifier: MIT
 * What all associations of a worker have in common: OpenSSL's context, the BIO's method, the key of
 * the cookies. */
#include "media-relay/dtls/dtls_priv.h"

#include <stdlib.h>

#include "lib/base/ensure.h"
#include "lib/base/rand.h"

/* lint: owns storage because the engine lives as long as its worker. */

#define HANDSHAKE_MESSAGE_MAX_BYTES 16384

/* As a server the certificate is ECDSA; as a client also a peer's RSA certificate is taken. Forward
 * secrecy always. The last two are what RFC 5764 era devices have. */
static const char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
			      "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
			      "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
			      "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA";

/* OpenSSL wants both functions, but dtls_hello_check looked at the cookie before there was an SSL. */
static int on_cookie_make(SSL *ssl, unsigned char *cookie, unsigned int *len)
{
	(void)ssl;
	(void)cookie;
	(void)len;
	return 0;
}

static int on_cookie_verify(SSL *ssl, const unsigned char *cookie, unsigned int len)
{
	(void)ssl;
	(void)cookie;
	(void)len;
	return 1;
}

static bool context_show(SSL_CTX *context, const struct dtls_identity *identity)
{
	return SSL_CTX_use_certificate(context, identity->certificate) &&
	       SSL_CTX_use_PrivateKey(context, identity->key);
}

static bool context_set(SSL_CTX *context, const struct dtls_identity *identity)
{
	char groups[] = "X25519:P-256:P-384"; /* OpenSSL's macro wants it writable */

	SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION |
					     SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
					     SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(context, HANDSHAKE_MESSAGE_MAX_BYTES);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(context, dtls_certificate_verify, NULL);
	SSL_CTX_set_cookie_generate_cb(context, on_cookie_make);
	SSL_CTX_set_cookie_verify_cb(context, on_cookie_verify);
	return SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) &&
	       SSL_CTX_set_cipher_list(context, ciphers) &&
	       SSL_CTX_set1_groups_list(context, groups) && context_show(context, identity);
}

static enum err engine_init(struct dtls_engine *engine, const struct dtls_identity *identity,
			    uint32_t capacity)
{
	struct rand rand;

	rand_init(&rand);
	engine->first = identity;
	engine->cookie_key = (struct hash_key){ rand_u64(&rand), rand_u64(&rand) };
	engine->datagrams = dtls_datagrams_method();
	engine->context = SSL_CTX_new(DTLS_method());
	if (!engine->datagrams || !engine->context || !context_set(engine->context, identity))
		return ERR_NOMEM;
	return pool_init(&engine->pool, sizeof(struct dtls), capacity);
}

enum err dtls_engine_create(const struct dtls_identity *identity, uint32_t capacity,
			    struct dtls_engine **ret)
{
	struct dtls_engine *engine = calloc(1, sizeof(*engine));
	enum err err;

	if (!engine)
		return ERR_NOMEM;
	err = engine_init(engine, identity, capacity);
	if (err != OK) {
		dtls_engine_destroy(&engine);
		return err;
	}
	*ret = engine;
	return OK;
}

static bool is_of(const struct dtls_identity *identity, struct slice fingerprint)
{
	return identity && slice_eq(dtls_identity_fingerprint(identity), fingerprint);
}

const struct dtls_identity *dtls_engine_find(const struct dtls_engine *engine,
					     struct slice fingerprint)
{
	for (size_t i = 0; i < DTLS_IDENTITIES; i++)
		if (is_of(engine->known[i], fingerprint))
			return engine->known[i];
	return is_of(engine->first, fingerprint) ? engine->first : NULL;
}

void dtls_engine_know(struct dtls_engine *engine, struct dtls_identity *identity, bool today)
{
	if (dtls_engine_find(engine, dtls_identity_fingerprint(identity))) {
		dtls_identity_destroy(&identity);
		return;
	}
	if (today && !context_show(engine->context, identity))
		ERR_clear_error(); /* out of memory: the one of before is shown on */
	dtls_identity_destroy(&engine->known[engine->known_next]);
	engine->known[engine->known_next] = identity;
	engine->known_next = (engine->known_next + 1) % DTLS_IDENTITIES;
}

void dtls_engine_destroy(struct dtls_engine **engine)
{
	struct dtls_engine *it = *engine;

	if (!it)
		return;
	*engine = NULL;
	SSL_CTX_free(it->context);
	BIO_meth_free(it->datagrams);
	for (size_t i = 0; i < DTLS_IDENTITIES; i++)
		dtls_identity_destroy(&it->known[i]);
	pool_fini(&it->pool);
	free(it);
}

uint32_t dtls_engine_live(const struct dtls_engine *engine)
{
	return engine->pool.live;
}
