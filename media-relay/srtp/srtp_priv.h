/* SPDX-License-Identifier: MIT
 * What the files of this room share: a key with all that it must remember, and the transforms. */
#pragma once

/* OpenSSL has a type of this name, which nothing here uses. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/crypto.h>
#undef ERR_STATE

#include "media-relay/srtp/cipher.h"
#include "media-relay/srtp/srtp.h"

#define SRTP_SESSION_KEY_MAX 32u
#define SRTP_SALT_MAX 14u
#define SRTP_AUTH_KEY_BYTES 20u /* n_a of RFC 3711 8.2 */
#define SRTP_HASH_BYTES 20u
#define SRTP_INDEX_MAX ((UINT64_C(1) << 48) - 1)
#define SRTCP_INDEX_MAX ((UINT32_C(1) << 31) - 1)
#define SRTP_ACTIVE 3u
#define SRTP_RETIRED (SRTP_SOURCES - SRTP_ACTIVE)

/* ---- suites (suite.c) ---- */

struct srtp_facts {
	const char *name;
	enum srtp_cipher cipher;
	uint8_t key_bytes;
	uint8_t salt_bytes;
	uint8_t tag_bytes[2]; /* of RTP, of RTCP: the short tag is for RTP alone (RFC 4568 6.2) */
	bool aead;
};

const struct srtp_facts *srtp_facts(enum ctl_srtp_suite suite);

/* RFC 3711 4.3.2, and one of our own: a number that tells keys apart without being one. */
enum srtp_label {
	SRTP_LABEL_RTP_KEY,
	SRTP_LABEL_RTP_AUTH,
	SRTP_LABEL_RTP_SALT,
	SRTP_LABEL_RTCP_KEY,
	SRTP_LABEL_RTCP_AUTH,
	SRTP_LABEL_RTCP_SALT,
	SRTP_LABEL_CHECK = 0xff,
};

/* The pseudo-random function of RFC 3711 4.3.3, with a key derivation rate of 0; master: key, then
 * salt. False: out of memory. */
must_use bool srtp_derive(const struct srtp_engine *engine, const struct srtp_facts *facts,
			  const unsigned char *master, enum srtp_label label,
			  unsigned char *ret_bytes, size_t len);

/* ---- what was seen of one SSRC (window.c) ---- */

/* Bit i of `seen`: the packet with index `highest` - i came. Bit 0 is clear as long as none did. */
struct srtp_window {
	uint64_t highest;
	uint64_t seen[2];
};

bool srtp_window_started(const struct srtp_window *window);
/* RFC 3711 3.3.1 and appendix A: the index of a packet with this sequence number. */
uint64_t srtp_window_guess(const struct srtp_window *window, uint16_t sequence);
/* Neither seen before nor too old to tell. */
bool srtp_window_fresh(const struct srtp_window *window, uint64_t index);
void srtp_window_mark(struct srtp_window *window, uint64_t index);
/* As if everything up to `highest` had been seen. */
void srtp_window_close(struct srtp_window *window, uint64_t highest);

struct srtp_source {
	uint32_t ssrc;
	bool used;
	struct srtp_window windows[2]; /* of RTP, of RTCP (received only) */
};

/* One that was pushed aside by others: enough to go on above what it had. */
struct srtp_retired {
	uint32_t ssrc;
	uint32_t roll_over;
	uint32_t control_index;
	uint16_t sequence;
	bool started[2]; /* RTP, RTCP of it was seen */
};

/* Of a key under which more than one SSRC came. */
struct srtp_more {
	struct handle handle;
	struct srtp_source active[SRTP_ACTIVE - 1]; /* the latest first */
	struct srtp_retired retired[SRTP_RETIRED];  /* the oldest first */
	uint8_t retired_count;
};

/* Mostly there is one, which is all that its packets look at: a line of the processor's cache. */
struct srtp_sources {
	struct srtp_source latest;
	struct srtp_more *more; /* NULL: there was no other */
};

/* What is remembered of it; all zero when nothing is. Changes nothing. */
struct srtp_window srtp_sources_peek(const struct srtp_sources *sources, uint32_t ssrc,
				     bool control);
/* Its place, made when it has none. forget: to that end the oldest may be forgotten; otherwise NULL
 * when all places are taken. Only after its packet's tag was found right. Allocates nothing. */
struct srtp_source *srtp_sources_take(struct srtp_engine *engine, struct srtp_sources *sources,
				      uint32_t ssrc, bool forget);
/* What all keys that there are may need once: address space, which is no memory until then. Asked for
 * with each key that is made. ERR_NOMEM. */
must_use enum err srtp_sources_reserve(struct srtp_engine *engine);
void srtp_sources_clear(struct srtp_engine *engine, struct srtp_sources *sources);

/* ---- keyed hash (mac.c) ---- */

/* HMAC-SHA1 with the key already hashed in: the states behind the inner and the outer pad. */
struct srtp_mac {
	uint32_t inner[5];
	uint32_t outer[5];
};

void srtp_mac_init(struct srtp_mac *mac, const unsigned char key[SRTP_AUTH_KEY_BYTES]);
void srtp_mac_hash(const struct srtp_mac *mac, const unsigned char *bytes, size_t len,
		   const unsigned char *tail, size_t tail_len,
		   unsigned char ret_hash[SRTP_HASH_BYTES]);

/* ---- keys (key.c) ---- */

struct srtp_key {
	struct handle handle;
	const struct srtp_facts *facts;
	enum ctl_srtp_suite suite;
	uint8_t flags;
	uint8_t mki_len;
	unsigned char mki[SRTP_MKI_MAX_BYTES];
	bool news; /* it is new itself, or a new SSRC came under it */
	uint64_t check;
	void *context; /* for RTP, behind this struct; NULL: the key was wiped, its counters are left */
	unsigned char control_key[SRTP_SESSION_KEY_MAX];
	unsigned char salts[2][SRTP_SALT_MAX]; /* of RTP, of RTCP */
	uint32_t control_next; /* SRTCP index to send; one row for all SSRCs is enough for no reuse */
	struct srtp_sources sources;
	struct srtp_mac macs[]; /* of RTP, of RTCP; with GCM there are none */
};

/* What a packet reads and writes of it. */
size_t srtp_key_hot_bytes(const struct srtp_engine *engine, const struct srtp_key *key);
/* crypto: good by srtp_check. ERR_NOMEM. */
must_use enum err srtp_key_create(struct srtp_engine *engine, const struct ctl_srtp_crypto *crypto,
				  bool sends, struct srtp_key **ret);
/* Wipes it; its counters stay. */
void srtp_key_wipe(const struct srtp_engine *engine, struct srtp_key *key);
void srtp_key_destroy(struct srtp_engine *engine, struct srtp_key **key);
bool srtp_key_same(const struct srtp_key *a, const struct srtp_key *b);

/* ---- state (state.c) ---- */

struct wire_writer;
void srtp_state_put(struct wire_writer *writer, const struct srtp_key *key);
/* Nothing happens when the state is none of this key's. */
void srtp_state_take(struct srtp_engine *engine, struct srtp_key *key, struct slice state,
		     bool sends);

/* ---- sides (srtp.c) ---- */

struct srtp {
	struct srtp_engine *engine;
	struct handle handle;
	struct srtp_key *receive[SRTP_RECEIVE_KEYS]; /* the one that was good last stands first */
	struct srtp_key *receive_old;                /* good until, then wiped */
	uint64_t old_until_ms;
	struct srtp_key *send;
	struct srtp_key *send_old; /* wiped: should it be told again, no index may come twice */
	enum ctl_srtp_suite suite;
};
