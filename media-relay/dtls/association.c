/* SPDX-License-Identifier: MIT
 * One association: from the first hello to the keys, and what comes after. OpenSSL's object takes
 * 75 KiB, so it stays only as long as a peer that lost our last flight may ask for it again; in that
 * time a close_notify is answered, too. */
#include "media-relay/dtls/dtls_priv.h"

#include "lib/base/ensure.h"

#define RETRANSMIT_FIRST_US 250000u /* RFC 6347 4.2.4.1 has 1 s, and less for media */
#define RETRANSMIT_MAX_US 4000000u
#define KEYS_MAX_BYTES (2u * DTLS_KEY_MAX_BYTES)

struct profile {
	enum ctl_srtp_suite suite;
	unsigned long number; /* RFC 5764 4.1.2, RFC 7714 14.2 */
	const char *name;     /* OpenSSL's */
	uint8_t key_len;
	uint8_t salt_len;
};

/* In order of our preference. */
static const struct profile profiles[] = {
	{ CTL_SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_128_GCM, "SRTP_AEAD_AES_128_GCM", 16, 12 },
	{ CTL_SRTP_AEAD_AES_256_GCM, SRTP_AEAD_AES_256_GCM, "SRTP_AEAD_AES_256_GCM", 32, 12 },
	{ CTL_SRTP_AES_CM_128_HMAC_SHA1_80, SRTP_AES128_CM_SHA1_80, "SRTP_AES128_CM_SHA1_80", 16,
	  14 },
	{ CTL_SRTP_AES_CM_128_HMAC_SHA1_32, SRTP_AES128_CM_SHA1_32, "SRTP_AES128_CM_SHA1_32", 16,
	  14 },
};

uint32_t dtls_suites(void)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < array_size(profiles); i++)
		bits |= UINT32_C(1) << profiles[i].suite;
	return bits;
}

const char *dtls_setup_check(const struct ctl_dtls_setup *setup)
{
	const EVP_MD *md = dtls_hash_md((enum ctl_hash)setup->hash);

	if (setup->role > CTL_DTLS_ACTIVE)
		return "dtls: role is 0 (passive) or 1 (active)";
	if (setup->suites != 0 && !(setup->suites & dtls_suites()))
		return "dtls: none of the suites can be agreed on by DTLS";
	if (setup->shown.len != 0 && setup->shown.len != DTLS_FINGERPRINT_BYTES)
		return "dtls: what we showed is no fingerprint of ours";
	if (setup->fingerprint.len == 0)
		return NULL;
	if (!md)
		return "dtls: hash is sha-1, sha-224, sha-256, sha-384 or sha-512";
	if (setup->fingerprint.len != (size_t)EVP_MD_get_size(md))
		return "dtls: the fingerprint is not as long as its hash";
	return NULL;
}

/* ---- making ---- */

static unsigned int next_timeout_us(SSL *ssl, unsigned int last_us)
{
	(void)ssl;
	if (last_us == 0)
		return RETRANSMIT_FIRST_US;
	return last_us < RETRANSMIT_MAX_US / 2 ? 2 * last_us : RETRANSMIT_MAX_US;
}

static bool set_profiles(SSL *ssl, uint32_t suites)
{
	char storage[128];
	struct text text;

	text_init(&text, storage, sizeof(storage));
	for (size_t i = 0; i < array_size(profiles); i++) {
		if (suites != 0 && !(suites & UINT32_C(1) << profiles[i].suite))
			continue;
		if (text.len > 0)
			text_char(&text, ':');
		text_slice(&text, slice_text(profiles[i].name));
	}
	text_char(&text, '\0');
	return text.err == OK && SSL_set_tlsext_use_srtp(ssl, storage) == 0; /* 0 is success */
}

/* A peer that was told of another certificate than today's must see that one. */
static bool ssl_show(struct dtls *dtls, struct slice shown)
{
	const struct dtls_identity *identity = dtls_engine_find(dtls->engine, shown);

	return !identity || (SSL_use_certificate(dtls->ssl, identity->certificate) &&
			     SSL_use_PrivateKey(dtls->ssl, identity->key));
}

static bool ssl_make(struct dtls *dtls, const struct ctl_dtls_setup *setup)
{
	BIO *bio = BIO_new(dtls->engine->datagrams);

	dtls->ssl = SSL_new(dtls->engine->context);
	if (!dtls->ssl || !bio) {
		BIO_free(bio);
		return false;
	}
	BIO_set_data(bio, dtls);
	SSL_set_bio(dtls->ssl, bio, bio); /* it owns the BIO now */
	SSL_set_app_data(dtls->ssl, dtls);
	DTLS_set_timer_cb(dtls->ssl, next_timeout_us);
	if (dtls->role == CTL_DTLS_ACTIVE)
		SSL_set_connect_state(dtls->ssl);
	else
		SSL_set_accept_state(dtls->ssl);
	return SSL_set_mtu(dtls->ssl, DTLS_DATAGRAM_MAX_BYTES) &&
	       set_profiles(dtls->ssl, setup->suites) && ssl_show(dtls, setup->shown);
}

enum err dtls_create(struct dtls_engine *engine, const struct ctl_dtls_setup *setup, bool proven,
		     uint64_t now_ms, struct dtls **ret)
{
	struct handle handle;
	struct dtls *dtls;

	if (setup->fingerprint.len == 0)
		return ERR_STATE;
	dtls = pool_take(&engine->pool, &handle);
	if (!dtls)
		return ERR_NOMEM;
	dtls->engine = engine;
	dtls->handle = handle;
	dtls->role = (enum ctl_dtls_role)setup->role;
	dtls->listening = proven && dtls->role == CTL_DTLS_PASSIVE;
	dtls->hash = (enum ctl_hash)setup->hash;
	dtls->fingerprint_len = (uint8_t)setup->fingerprint.len;
	memcpy(dtls->fingerprint, setup->fingerprint.p, setup->fingerprint.len);
	dtls->began_ms = now_ms;
	dtls->reason = "";
	if (!ssl_make(dtls, setup)) {
		dtls_destroy(&dtls);
		return ERR_NOMEM;
	}
	*ret = dtls;
	return OK;
}

void dtls_destroy(struct dtls **dtls)
{
	struct dtls *it = *dtls;
	struct dtls_engine *engine;
	struct handle handle;

	if (!it)
		return;
	*dtls = NULL;
	engine = it->engine;
	handle = it->handle;
	SSL_free(it->ssl);
	OPENSSL_cleanse(it, sizeof(*it));
	pool_give(&engine->pool, handle);
}

/* ---- keys ---- */

static const struct profile *profile_agreed(SSL *ssl)
{
	const SRTP_PROTECTION_PROFILE *agreed = SSL_get_selected_srtp_profile(ssl);

	for (size_t i = 0; agreed && i < array_size(profiles); i++)
		if (profiles[i].number == agreed->id)
			return &profiles[i];
	return NULL;
}

/* RFC 5764 4.2: client key, server key, client salt, server salt. */
static bool keys_export(struct dtls *dtls, const struct profile *profile)
{
	static const char label[] = "EXTRACTOR-dtls_srtp";
	bool client = dtls->role == CTL_DTLS_ACTIVE;
	struct dtls_keys *keys = &dtls->keys;
	unsigned char *halves[2] = { client ? keys->send : keys->receive,
				     client ? keys->receive : keys->send };
	unsigned char all[KEYS_MAX_BYTES];
	size_t key_len = profile->key_len, salt_len = profile->salt_len;

	if (SSL_export_keying_material(dtls->ssl, all, 2 * (key_len + salt_len), label,
				       sizeof(label) - 1, NULL, 0, 0) != 1)
		return false;
	keys->suite = profile->suite;
	keys->len = key_len + salt_len;
	for (size_t i = 0; i < 2; i++) {
		memcpy(halves[i], all + i * key_len, key_len);
		memcpy(halves[i] + key_len, all + 2 * key_len + i * salt_len, salt_len);
	}
	OPENSSL_cleanse(all, sizeof(all));
	return true;
}

bool dtls_take_keys(struct dtls *dtls, struct dtls_keys *ret)
{
	if (dtls->keys.suite == CTL_SRTP_NONE)
		return false;
	*ret = dtls->keys;
	OPENSSL_cleanse(&dtls->keys, sizeof(dtls->keys));
	return true;
}

/* ---- running ---- */

static void fail(struct dtls *dtls, enum ctl_security_failure failure, const char *reason)
{
	dtls->state = DTLS_FAILED;
	if (dtls->failure == 0)
		dtls->failure = failure;
	dtls->reason = reason ? reason : "no reason given";
}

static void fail_by_openssl(struct dtls *dtls)
{
	fail(dtls, CTL_SECURITY_HANDSHAKE, ERR_reason_error_string(ERR_peek_error()));
}

static void handshake_done(struct dtls *dtls)
{
	const struct profile *profile = profile_agreed(dtls->ssl);

	if (!profile) {
		(void)SSL_shutdown(dtls->ssl);
		fail(dtls, CTL_SECURITY_PROFILE, "no SRTP profile in common");
	} else if (!keys_export(dtls, profile)) {
		fail_by_openssl(dtls);
	} else {
		dtls->state = DTLS_SECURED;
		dtls->secured_ms = dtls->turn->now_ms;
	}
}

/* What dtls_hello_check saw, told to OpenSSL: it has to know that one hello went before. */
static void listen_step(struct dtls *dtls)
{
	BIO_ADDR *unused = BIO_ADDR_new();
	int result = unused ? DTLSv1_listen(dtls->ssl, unused) : -1;

	BIO_ADDR_free(unused);
	dtls->listening = false;
	if (result != 1)
		fail_by_openssl(dtls);
}

static void handshake_step(struct dtls *dtls)
{
	int result;

	if (dtls->listening)
		listen_step(dtls);
	if (dtls->state != DTLS_HANDSHAKE)
		return;
	result = SSL_do_handshake(dtls->ssl);
	if (result == 1)
		handshake_done(dtls);
	else if (SSL_get_error(dtls->ssl, result) != SSL_ERROR_WANT_READ)
		fail_by_openssl(dtls);
}

/* Nothing is expected but a repeated last flight, which OpenSSL answers by itself, and the end. What
 * an application would send is thrown away. */
static void secured_step(struct dtls *dtls)
{
	unsigned char unwanted[256];
	int result;

	do
		result = SSL_read(dtls->ssl, unwanted, sizeof(unwanted));
	while (result > 0);
	if (SSL_get_error(dtls->ssl, result) == SSL_ERROR_WANT_READ)
		return;
	if (SSL_get_shutdown(dtls->ssl) & SSL_RECEIVED_SHUTDOWN)
		(void)SSL_shutdown(dtls->ssl);
	dtls->state = DTLS_CLOSED;
}

static enum dtls_state step(struct dtls *dtls, const struct dtls_turn *turn)
{
	if (!dtls->ssl)
		return dtls->state;
	ERR_clear_error();
	dtls->turn = turn;
	if (dtls->state == DTLS_HANDSHAKE)
		handshake_step(dtls);
	else if (dtls->state == DTLS_SECURED)
		secured_step(dtls);
	dtls->turn = NULL;
	dtls->in_len = 0;
	return dtls->state;
}

enum dtls_state dtls_start(struct dtls *dtls, const struct dtls_turn *turn)
{
	return dtls->role == CTL_DTLS_ACTIVE ? step(dtls, turn) : dtls->state;
}

enum dtls_state dtls_receive(struct dtls *dtls, const unsigned char *bytes, size_t len,
			     const struct dtls_turn *turn)
{
	dtls->in = bytes;
	dtls->in_len = len;
	return step(dtls, turn);
}

enum dtls_state dtls_tick(struct dtls *dtls, const struct dtls_turn *turn)
{
	if (dtls->state != DTLS_HANDSHAKE) {
		if (turn->now_ms - dtls->secured_ms >= DTLS_LINGER_MS) {
			SSL_free(dtls->ssl);
			dtls->ssl = NULL;
		}
		return dtls->state;
	}
	if (turn->now_ms - dtls->began_ms >= DTLS_HANDSHAKE_MS) {
		fail(dtls, CTL_SECURITY_TIMEOUT, "the handshake took too long");
		return dtls->state;
	}
	ERR_clear_error();
	dtls->turn = turn;
	if (DTLSv1_handle_timeout(dtls->ssl) < 0)
		fail_by_openssl(dtls);
	dtls->turn = NULL;
	return dtls->state;
}

uint64_t dtls_due_ms(const struct dtls *dtls, uint64_t now_ms)
{
	struct timeval left;
	uint64_t end_ms = dtls->began_ms + DTLS_HANDSHAKE_MS;
	uint64_t due_ms;

	if (dtls->state == DTLS_FAILED || !dtls->ssl)
		return UINT64_MAX;
	if (dtls->state != DTLS_HANDSHAKE)
		return dtls->secured_ms + DTLS_LINGER_MS;
	if (!DTLSv1_get_timeout(dtls->ssl, &left))
		return end_ms;
	/* Rounded up, but now when it is due: whoever asks acts when this is not later. */
	due_ms = now_ms + (uint64_t)left.tv_sec * 1000 + ((uint64_t)left.tv_usec + 999) / 1000;
	return due_ms < end_ms ? due_ms : end_ms;
}

enum dtls_state dtls_state(const struct dtls *dtls)
{
	return dtls->state;
}

enum ctl_security_failure dtls_failure(const struct dtls *dtls)
{
	return dtls->failure;
}

const char *dtls_reason(const struct dtls *dtls)
{
	return dtls->reason;
}
