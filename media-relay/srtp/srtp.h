/* SPDX-License-Identifier: MIT
 * SRTP and SRTCP (RFC 3711) with the suites of RFC 4568, 6188 and 7714, on a library's ciphers.
 * Sans-I/O: packets are changed where they lie, time is told, nothing is allocated for a packet.
 *
 * What makes it hard is what an index means: the roll-over counter is not on the wire, and one that
 * is used twice under a key shows the plain text. Always true: nothing that a packet says is believed
 * (no window, no counter, no new source) before its tag is right, and no index is ever sent twice. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/pool.h"
#include "lib/ctl/ctl.h"

#define SRTP_MKI_MAX_BYTES 8u
/* Room that srtp_protect needs behind a packet: tag, SRTCP index, MKI. */
#define SRTP_ROOM_BYTES (16u + 4u + SRTP_MKI_MAX_BYTES)
#define SRTP_RECEIVE_KEYS 2u /* told at once; told apart by their MKI, else by trying */
/* SSRCs that one key remembers. When receiving, another one takes the place of the longest silent;
 * when sending it is refused, since a forgotten one might come back and use its indices again. */
#define SRTP_SOURCES 16u
#define SRTP_OVERLAP_MS 10000u /* how long a receive key that was replaced is still good */
#define SRTP_STATE_MAX_BYTES 512u      /* of all receive keys */
#define SRTP_SEND_STATE_MAX_BYTES 256u /* one key */

/* ---- suites ---- */

/* Bits: 1 << enum ctl_srtp_suite. */
uint32_t srtp_suites(void);
/* "AES_CM_128_HMAC_SHA1_80", as in SDP; "none". Static. */
const char *srtp_suite_name(enum ctl_srtp_suite suite);
/* Bytes of the master key and of the master salt; 0: no such suite. */
size_t srtp_master_key_bytes(enum ctl_srtp_suite suite);
size_t srtp_master_salt_bytes(enum ctl_srtp_suite suite);
/* Suite, lengths, flags. NULL: fine; else what is wrong (static text). */
const char *srtp_check(const struct ctl_srtp_crypto *crypto);

/* ---- objects ---- */

enum srtp_cipher {
	SRTP_CTR_128,
	SRTP_CTR_192,
	SRTP_CTR_256,
	SRTP_GCM_128,
	SRTP_GCM_256,
	SRTP_CIPHERS,
};

/* One for each worker: a library of ciphers, and memory for up to `capacity` sides. It does not move. */
struct srtp_library;
struct srtp_engine {
	const struct srtp_library *library;
	void *state;                 /* the library's */
	void *control[SRTP_CIPHERS]; /* contexts for RTCP, keyed anew for each packet */
	struct pool state_pool;
	struct pool control_pool;
	struct pool sides;
	struct pool keys[2]; /* of counter mode, of GCM */
	struct pool more;    /* SSRCs of keys that have several */
};
/* The library that runs fastest here. ERR_NOMEM; ERR_UNSUPPORTED: OpenSSL lacks a cipher. */
must_use enum err srtp_engine_init(struct srtp_engine *engine, uint32_t capacity);
/* For tests: one by name. ERR_UNSUPPORTED: not built in, or not for this processor. */
must_use enum err srtp_engine_init_by(struct srtp_engine *engine, uint32_t capacity,
				      const char *library);
/* "ipsec-mb" or "OpenSSL". Static. */
const char *srtp_engine_library(const struct srtp_engine *engine);
/* Every struct srtp of it was destroyed before. Harmless on a zeroed one. */
void srtp_engine_fini(struct srtp_engine *engine);

/* Both directions of one side (where RTP and RTCP have keys of their own, as DTLS without
 * multiplexing gives them: of one component). Made without keys: then nothing passes. NULL: at
 * capacity, or out of memory. */
struct srtp;
must_use struct srtp *srtp_create(struct srtp_engine *engine);
/* Wipes its keys. */
void srtp_destroy(struct srtp **srtp);

/* What the peer sends with: 0 to SRTP_RECEIVE_KEYS of it, each good by srtp_check. One that was told
 * before (same suite, key, salt, MKI, flags) keeps its roll-over counters and replay windows, another
 * one begins anew, or with cryptos[i].state. One that is no longer told is good for SRTP_OVERLAP_MS
 * when others replace it, and is gone at once when none do.
 * ERR_NOMEM, ERR_EXHAUSTED: nothing changed. */
must_use enum err srtp_set_receive(struct srtp *srtp, const struct ctl_srtp_crypto *cryptos,
				   uint32_t count, uint64_t now_ms);
/* What we send with; NULL: nothing. The same one again keeps its counters. Errors as above. */
must_use enum err srtp_set_send(struct srtp *srtp, const struct ctl_srtp_crypto *crypto);

/* Of the key that the last good packet came with, else of what is sent; CTL_SRTP_NONE: no key. */
enum ctl_srtp_suite srtp_suite(const struct srtp *srtp);

/* The memory that opening (or sealing) a packet reads first, to be fetched ahead. NULL: no key. */
const void *srtp_hot(const struct srtp *srtp, bool receives, size_t *ret_bytes);

/* ---- packets ---- */

enum srtp_verdict {
	SRTP_OK,
	SRTP_PLAIN,     /* no key, or a packet that cannot be SRTP under it: too short, not encrypted */
	SRTP_FORGED,    /* the tag is wrong */
	SRTP_REPLAYED,  /* seen before, or too old to tell; when sent: its index was used already */
	SRTP_EXHAUSTED, /* the key's life is over (2^48, 2^31), or more SSRCs than can be remembered */
};

/* bytes: a datagram that by its first two bytes is RTP (control false) or RTCP (true); the rest may
 * be anything. *ret_len: the plain packet's length. Unless SRTP_OK, bytes and *ret_len are as before. */
enum srtp_verdict srtp_unprotect(struct srtp *srtp, bool control, unsigned char *bytes, size_t len,
				 uint64_t now_ms, size_t *ret_len);
/* bytes: a whole plain packet (rtp_classify) with SRTP_ROOM_BYTES behind it. Unless SRTP_OK it must
 * not be sent. */
enum srtp_verdict srtp_protect(struct srtp *srtp, bool control, unsigned char *bytes, size_t len,
			       size_t *ret_len);

/* ---- roll-over counters, for a relay that is started again under its calls ---- */

/* Octets for srtp_crypto.state: no secret, good only with the keys in use. The bytes written; 0:
 * there is nothing to remember. */
size_t srtp_receive_state(const struct srtp *srtp, unsigned char storage[SRTP_STATE_MAX_BYTES]);
size_t srtp_send_state(const struct srtp *srtp, unsigned char storage[SRTP_SEND_STATE_MAX_BYTES]);
/* Are there keys or SSRCs that a state written before knows nothing of? Asked once for each. What goes
 * on under a known one may be some seconds older; what is not known would begin at 0 again. */
bool srtp_take_news(struct srtp *srtp);
