/* SPDX-License-Identifier: MIT
 * The engine, and keys: what is derived from a master key, once, and wiped when it is replaced. A key
 * and its cipher's context lie together, so that a packet's memory is one piece. */
#include "media-relay/srtp/srtp_priv.h"

#include <string.h>

#include "lib/base/ensure.h"

#define CHECK_BYTES 8u
#define MASTER_MAX (SRTP_SESSION_KEY_MAX + SRTP_SALT_MAX)
/* Of each side: two that receive, one that is still good, one that sends and one that did, and three
 * while they are replaced. Few sides ever have more than two. */
#define KEYS_PER_SIDE 8u

/* The fastest first. */
static const struct srtp_library *const libraries[] = {
#ifdef SRTP_IPSEC_MB
	&srtp_ipsec_mb,
#endif
	&srtp_openssl,
};

/* ---- the engine ---- */

/* Room for a context behind something, whatever its alignment. */
static size_t storage_bytes(const struct srtp_engine *engine, enum srtp_cipher cipher)
{
	return engine->library->context_bytes(engine->state, cipher) + SRTP_CONTEXT_ALIGN - 1;
}

static void *context_in(void *storage)
{
	return (void *)(((uintptr_t)storage + SRTP_CONTEXT_ALIGN - 1) &
			~(uintptr_t)(SRTP_CONTEXT_ALIGN - 1));
}

static enum err make_control(struct srtp_engine *engine)
{
	struct handle handle;
	enum err err = pool_init(&engine->control_pool, storage_bytes(engine, SRTP_GCM_256),
				 SRTP_CIPHERS);

	for (unsigned i = 0; i < SRTP_CIPHERS && err == OK; i++) {
		void *storage = pool_take(&engine->control_pool, &handle);

		if (storage)
			engine->control[i] = context_in(storage);
		else
			err = ERR_NOMEM;
	}
	return err;
}

static unsigned mac_count(bool aead)
{
	return aead ? 0 : 2;
}

static enum err make_pools(struct srtp_engine *engine, uint32_t capacity)
{
	enum err err = pool_init(&engine->sides, sizeof(struct srtp), capacity);

	for (unsigned aead = 0; aead < 2 && err == OK; aead++)
		err = pool_init(&engine->keys[aead],
				sizeof(struct srtp_key) + mac_count(aead) * sizeof(struct srtp_mac) +
					storage_bytes(engine, aead ? SRTP_GCM_256 : SRTP_CTR_256),
				KEYS_PER_SIDE * capacity);
	if (err == OK)
		err = pool_init(&engine->more, sizeof(struct srtp_more),
				2 * KEYS_PER_SIDE * capacity);
	return err;
}

static enum err library_open(struct srtp_engine *engine, const struct srtp_library *library)
{
	struct handle handle;
	enum err err = pool_init(&engine->state_pool, library->state_bytes, 1);

	if (err != OK)
		return err;
	engine->state = pool_take(&engine->state_pool, &handle);
	err = engine->state ? library->open(engine->state) : ERR_NOMEM;
	if (err == OK)
		engine->library = library;
	else
		pool_fini(&engine->state_pool);
	return err;
}

enum err srtp_engine_init_by(struct srtp_engine *engine, uint32_t capacity, const char *name)
{
	enum err err = ERR_UNSUPPORTED;

	*engine = (struct srtp_engine){ 0 };
	for (unsigned i = 0; i < array_size(libraries) && err == ERR_UNSUPPORTED; i++)
		if (!name || strcmp(name, libraries[i]->name) == 0)
			err = library_open(engine, libraries[i]);
	if (err == OK)
		err = make_control(engine);
	if (err == OK)
		err = make_pools(engine, capacity);
	if (err != OK)
		srtp_engine_fini(engine);
	return err;
}

enum err srtp_engine_init(struct srtp_engine *engine, uint32_t capacity)
{
	return srtp_engine_init_by(engine, capacity, NULL);
}

const char *srtp_engine_library(const struct srtp_engine *engine)
{
	return engine->library->name;
}

void srtp_engine_fini(struct srtp_engine *engine)
{
	for (unsigned i = 0; i < SRTP_CIPHERS; i++) {
		if (engine->control[i])
			engine->library->context_wipe(
				engine->control[i],
				engine->library->context_bytes(engine->state, (enum srtp_cipher)i));
	}
	if (engine->library)
		engine->library->close(engine->state);
	pool_fini(&engine->more);
	for (unsigned aead = 0; aead < 2; aead++)
		pool_fini(&engine->keys[aead]);
	pool_fini(&engine->sides);
	pool_fini(&engine->control_pool);
	pool_fini(&engine->state_pool);
	*engine = (struct srtp_engine){ 0 };
}

/* ---- keys ---- */

static struct pool *keys_of(struct srtp_engine *engine, const struct srtp_facts *facts)
{
	return &engine->keys[facts->aead];
}

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

	key->context = context_in(key->macs + mac_count(key->facts->aead));
	fine = fine && engine->library->context_key(engine->state, key->facts->cipher, key->context,
						    bytes);
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

size_t srtp_key_hot_bytes(const struct srtp_engine *engine, const struct srtp_key *key)
{
	return (size_t)((const char *)key->context - (const char *)key) +
	       engine->library->context_bytes(engine->state, key->facts->cipher);
}

enum err srtp_key_create(struct srtp_engine *engine, const struct ctl_srtp_crypto *crypto,
			 bool sends, struct srtp_key **ret)
{
	unsigned char master[MASTER_MAX];
	struct handle handle;
	struct srtp_key *key;
	bool fine;

	ensure(!srtp_check(crypto));
	key = pool_take(keys_of(engine, srtp_facts((enum ctl_srtp_suite)crypto->suite)), &handle);
	if (!key)
		return ERR_EXHAUSTED;
	key->handle = handle;
	key->suite = (enum ctl_srtp_suite)crypto->suite;
	key->news = true;
	key->facts = srtp_facts(key->suite);
	key->flags = crypto->flags;
	key->mki_len = (uint8_t)crypto->mki.len;
	if (crypto->mki.len > 0)
		memcpy(key->mki, crypto->mki.p, crypto->mki.len);
	memcpy(master, crypto->key.p, crypto->key.len);
	fine = srtp_sources_reserve(engine) == OK && derive_all(engine, key, master);
	OPENSSL_cleanse(master, sizeof(master));
	if (!fine) {
		srtp_key_destroy(engine, &key);
		return ERR_NOMEM;
	}
	srtp_state_take(engine, key, crypto->state, sends);
	*ret = key;
	return OK;
}

void srtp_key_wipe(const struct srtp_engine *engine, struct srtp_key *key)
{
	if (key->context)
		engine->library->context_wipe(
			key->context, engine->library->context_bytes(engine->state, key->facts->cipher));
	key->context = NULL;
	OPENSSL_cleanse(key->control_key, sizeof(key->control_key));
	OPENSSL_cleanse(key->salts, sizeof(key->salts));
	OPENSSL_cleanse(key->macs, mac_count(key->facts->aead) * sizeof(key->macs[0]));
}

void srtp_key_destroy(struct srtp_engine *engine, struct srtp_key **key)
{
	if (!*key)
		return;
	srtp_key_wipe(engine, *key);
	srtp_sources_clear(engine, &(*key)->sources);
	pool_give(keys_of(engine, (*key)->facts), (*key)->handle);
	*key = NULL;
}

/* The check is 64 bits of what the key's pseudo-random function gives. */
bool srtp_key_same(const struct srtp_key *a, const struct srtp_key *b)
{
	return a->suite == b->suite && a->flags == b->flags && a->check == b->check &&
	       a->mki_len == b->mki_len && memcmp(a->mki, b->mki, a->mki_len) == 0;
}
