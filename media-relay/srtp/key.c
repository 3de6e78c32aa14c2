/* SPDX-License-Identifier: MIT
 * The engine, and keys: what is derived from a master key, once, and wiped when it is replaced. */
#include "media-relay/srtp/srtp_priv.h"

#include <string.h>

#include "lib/base/ensure.h"

#define CHECK_BYTES 8u
#define MASTER_MAX (SRTP_SESSION_KEY_MAX + SRTP_SALT_MAX)
/* Of each side: two that receive, one that is still good, one that sends and one that did, and three
 * while they are replaced. Few sides ever have more than two. */
#define KEYS_PER_SIDE 8u

static const char *const cipher_names[SRTP_CIPHERS] = {
	[SRTP_CTR_128] = "AES-128-ECB", [SRTP_CTR_192] = "AES-192-ECB", /* see transform.c */
	[SRTP_CTR_256] = "AES-256-ECB", [SRTP_GCM_128] = "AES-128-GCM",
	[SRTP_GCM_256] = "AES-256-GCM",
};

/* A context that lacks only its key. */
static EVP_CIPHER_CTX *context_create(const EVP_CIPHER *cipher)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

	if (context && EVP_CipherInit_ex2(context, cipher, NULL, NULL, 1, NULL) == 1 &&
	    EVP_CIPHER_CTX_set_padding(context, 0) == 1)
		return context;
	EVP_CIPHER_CTX_free(context);
	return NULL;
}

enum err srtp_engine_init(struct srtp_engine *engine, uint32_t capacity)
{
	enum err err;

	*engine = (struct srtp_engine){ .ciphers = { NULL } };
	err = pool_init(&engine->sides, sizeof(struct srtp), capacity);
	if (err == OK)
		err = pool_init(&engine->keys, sizeof(struct srtp_key), KEYS_PER_SIDE * capacity);
	for (unsigned i = 0; i < SRTP_CIPHERS && err == OK; i++) {
		engine->ciphers[i] = EVP_CIPHER_fetch(NULL, cipher_names[i], NULL);
		if (engine->ciphers[i])
			engine->control[i] = context_create(engine->ciphers[i]);
		if (!engine->control[i])
			err = ERR_UNSUPPORTED;
	}
	if (err != OK)
		srtp_engine_fini(engine);
	return err;
}

void srtp_engine_fini(struct srtp_engine *engine)
{
	for (unsigned i = 0; i < SRTP_CIPHERS; i++) {
		EVP_CIPHER_CTX_free(engine->control[i]); /* wipes it */
		EVP_CIPHER_free(engine->ciphers[i]);
	}
	pool_fini(&engine->keys);
	pool_fini(&engine->sides);
	*engine = (struct srtp_engine){ .ciphers = { NULL } };
}

/* ---- keys ---- */

static bool derive_macs(const struct srtp_engine *engine, struct srtp_key *key,
			const unsigned char *master)
{
	unsigned char auth[SRTP_AUTH_KEY_BYTES];
	bool fine = true;

	for (unsigned i = 0; i < 2 && fine; i++) {
		fine = srtp_derive(engine, key->facts, master,
				   i == 0 ? SRTP_LABEL_RTP_AUTH : SRTP_LABEL_RTCP_AUTH, auth,
				   sizeof(auth));
		srtp_mac_init(&key->macs[i], auth);
	}
	OPENSSL_cleanse(auth, sizeof(auth));
	return fine;
}

static bool derive_context(const struct srtp_engine *engine, struct srtp_key *key,
			   const unsigned char *master)
{
	unsigned char bytes[SRTP_SESSION_KEY_MAX];
	bool fine = srtp_derive(engine, key->facts, master, SRTP_LABEL_RTP_KEY, bytes,
				key->facts->key_bytes);

	key->context = context_create(engine->ciphers[key->facts->cipher]);
	fine = fine && key->context &&
	       EVP_CipherInit_ex2(key->context, NULL, bytes, NULL, 1, NULL) == 1;
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return fine;
}

static bool derive_all(const struct srtp_engine *engine, struct srtp_key *key,
		       const unsigned char *master)
{
	const struct srtp_facts *facts = key->facts;
	unsigned char check[CHECK_BYTES];
	bool fine;

	fine = srtp_derive(engine, facts, master, SRTP_LABEL_CHECK, check, sizeof(check)) &&
	       srtp_derive(engine, facts, master, SRTP_LABEL_RTP_SALT, key->salts[0],
			   facts->salt_bytes) &&
	       srtp_derive(engine, facts, master, SRTP_LABEL_RTCP_SALT, key->salts[1],
			   facts->salt_bytes) &&
	       srtp_derive(engine, facts, master, SRTP_LABEL_RTCP_KEY, key->control_key,
			   facts->key_bytes) &&
	       derive_context(engine, key, master) &&
	       (facts->aead || derive_macs(engine, key, master));
	memcpy(&key->check, check, sizeof(check));
	return fine;
}

enum err srtp_key_create(struct srtp_engine *engine, const struct ctl_srtp_crypto *crypto,
			 bool sends, struct srtp_key **ret)
{
	unsigned char master[MASTER_MAX];
	struct handle handle;
	struct srtp_key *key;
	bool fine;

	ensure(!srtp_check(crypto));
	key = pool_take(&engine->keys, &handle);
	if (!key)
		return ERR_EXHAUSTED;
	key->handle = handle;
	key->suite = (enum ctl_srtp_suite)crypto->suite;
	key->facts = srtp_facts(key->suite);
	key->flags = crypto->flags;
	key->mki_len = (uint8_t)crypto->mki.len;
	if (crypto->mki.len > 0)
		memcpy(key->mki, crypto->mki.p, crypto->mki.len);
	memcpy(master, crypto->key.p, crypto->key.len);
	fine = derive_all(engine, key, master);
	OPENSSL_cleanse(master, sizeof(master));
	if (!fine) {
		srtp_key_destroy(engine, &key);
		return ERR_NOMEM;
	}
	srtp_state_take(key, crypto->state, sends);
	*ret = key;
	return OK;
}

void srtp_key_wipe(struct srtp_key *key)
{
	EVP_CIPHER_CTX_free(key->context); /* wipes it */
	key->context = NULL;
	OPENSSL_cleanse(key->control_key, sizeof(key->control_key));
	OPENSSL_cleanse(key->salts, sizeof(key->salts));
	OPENSSL_cleanse(key->macs, sizeof(key->macs));
}

void srtp_key_destroy(struct srtp_engine *engine, struct srtp_key **key)
{
	if (!*key)
		return;
	srtp_key_wipe(*key);
	pool_give(&engine->keys, (*key)->handle);
	*key = NULL;
}

/* The check is 64 bits of what the key's pseudo-random function gives. */
bool srtp_key_same(const struct srtp_key *a, const struct srtp_key *b)
{
	return a->suite == b->suite && a->flags == b->flags && a->check == b->check &&
	       a->mki_len == b->mki_len && memcmp(a->mki, b->mki, a->mki_len) == 0;
}
