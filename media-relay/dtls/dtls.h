/* SPDX-License-Identifier: MIT
 * DTLS-SRTP (RFC 5763, 5764): OpenSSL's handshake over datagrams that others carry. Bytes in, bytes
 * out through a callback, no socket. Two things are not as in the other rooms: OpenSSL allocates, and
 * its retransmission timer reads the system's clock.
 *
 * What makes it hard is that a hello costs a stranger nothing. So one that did not prove its address
 * gets a cookie and leaves no state, the peer's certificate is compared with the fingerprint of the
 * signalling while it is received, and no key comes out before both hold. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/addr.h"
#include "lib/base/arena.h"
#include "lib/ctl/ctl.h"

#define DTLS_DATAGRAM_MAX_BYTES 1150u /* with IPv6 and UDP below 1,200 */
#define DTLS_HANDSHAKE_MS 30000u      /* it fails when it took longer */
#define DTLS_LINGER_MS 60000u         /* how long a lost last flight is sent again */
#define DTLS_IDENTITIES 4u
#define DTLS_FINGERPRINT_BYTES 32u    /* of ours: SHA-256 */
#define DTLS_FINGERPRINT_MAX_BYTES 64u
#define DTLS_KEY_MAX_BYTES 46u
#define DTLS_HELLO_VERIFY_MAX_BYTES 64u

/* ---- what all associations share ---- */

/* Key and certificate that the relay shows, made anew at each start, known to nobody before. May be
 * read by any thread. */
struct dtls_identity;
must_use enum err dtls_identity_create(struct dtls_identity **ret);
/* As DER, for another life of the relay: in the arena, which the caller wipes. ERR_NOMEM. */
must_use enum err dtls_identity_write(const struct dtls_identity *identity, struct arena *arena,
				      struct slice *ret_certificate, struct slice *ret_key);
/* ERR_SYNTAX: not DER, or the key is not the certificate's. */
must_use enum err dtls_identity_read(struct slice certificate, struct slice key,
				     struct dtls_identity **ret);
void dtls_identity_destroy(struct dtls_identity **identity);
/* SHA-256 of the certificate: DTLS_FINGERPRINT_BYTES octets that live with it. */
struct slice dtls_identity_fingerprint(const struct dtls_identity *identity);

/* One for each worker; identity outlives it. */
struct dtls_engine;
must_use enum err dtls_engine_create(const struct dtls_identity *identity, uint32_t capacity,
				     struct dtls_engine **ret);
/* Another one that peers may have been told of; today: new associations show it, unless they name
 * another. The oldest of DTLS_IDENTITIES makes room. identity is the engine's now. */
void dtls_engine_know(struct dtls_engine *engine, struct dtls_identity *identity, bool today);
/* Every association of it was destroyed before. */
void dtls_engine_destroy(struct dtls_engine **engine);
/* Associations now. */
uint32_t dtls_engine_live(const struct dtls_engine *engine);

/* Bits, 1 << enum ctl_srtp_suite: what DTLS can agree on here. */
uint32_t dtls_suites(void);

/* ---- hellos of sources that proved nothing yet ---- */

enum dtls_hello {
	DTLS_HELLO_OTHER,  /* not the beginning of a ClientHello: drop it */
	DTLS_HELLO_ASK,    /* answer it with what is in ret, which is shorter, and forget it */
	DTLS_HELLO_PROVEN, /* it brought our cookie back: make an association for it */
};

/* RFC 6347 4.2.1. The cookie is a keyed hash of source, hello and time, so that nothing is kept. */
enum dtls_hello dtls_hello_check(const struct dtls_engine *engine, const unsigned char *bytes,
				 size_t len, const struct endpoint *source, uint64_t now_ms,
				 unsigned char ret[DTLS_HELLO_VERIFY_MAX_BYTES], size_t *ret_len);

/* Does it carry a part of a ClientHello in the clear? For sources that were authenticated otherwise,
 * whose fragments may come in any order. */
bool dtls_hello_is(const unsigned char *bytes, size_t len);

/* ---- associations ---- */

struct dtls;

/* One datagram out. Called from within dtls_start, dtls_receive and dtls_tick. */
typedef void dtls_send_fn(void *owner, const unsigned char *bytes, size_t len);

struct dtls_turn {
	uint64_t now_ms;
	dtls_send_fn *send;
	void *owner;
};

enum dtls_state {
	DTLS_HANDSHAKE,
	DTLS_SECURED, /* the certificate was right; the keys are there */
	DTLS_FAILED,  /* why: dtls_failure, dtls_reason */
	DTLS_CLOSED,  /* after DTLS_SECURED, by the peer; the keys stay good */
};

struct dtls_keys {
	enum ctl_srtp_suite suite;
	size_t len;                               /* of each: master key, then master salt */
	unsigned char receive[DTLS_KEY_MAX_BYTES]; /* what the peer sends with */
	unsigned char send[DTLS_KEY_MAX_BYTES];
};

/* Role, hash, lengths, suites. An empty fingerprint (not known yet) is fine, but nothing can be
 * created with it. NULL: fine; else what is wrong (static text). */
const char *dtls_setup_check(const struct ctl_dtls_setup *setup);

/* setup->shown: which certificate of ours; one that is not known any more, or none: today's.
 * proven: as server, whether the hello that comes next brought a cookie (DTLS_HELLO_PROVEN); false
 * where the source was authenticated otherwise. ERR_STATE: no fingerprint; ERR_NOMEM. */
must_use enum err dtls_create(struct dtls_engine *engine, const struct ctl_dtls_setup *setup,
			      bool proven, uint64_t now_ms, struct dtls **ret);
void dtls_destroy(struct dtls **dtls);

/* As client: sends the ClientHello. As server nothing happens. */
enum dtls_state dtls_start(struct dtls *dtls, const struct dtls_turn *turn);
enum dtls_state dtls_receive(struct dtls *dtls, const unsigned char *bytes, size_t len,
			     const struct dtls_turn *turn);
/* Retransmits when it is time; frees what is no longer needed after DTLS_LINGER_MS, from when on
 * nothing is answered. When to call it: dtls_due_ms; UINT64_MAX: never. */
enum dtls_state dtls_tick(struct dtls *dtls, const struct dtls_turn *turn);
uint64_t dtls_due_ms(const struct dtls *dtls, uint64_t now_ms);

enum dtls_state dtls_state(const struct dtls *dtls);
enum ctl_security_failure dtls_failure(const struct dtls *dtls);
/* For the log. Static text. */
const char *dtls_reason(const struct dtls *dtls);

/* Hands the keys over and forgets them; the caller wipes *ret. False: not secured, or taken before. */
bool dtls_take_keys(struct dtls *dtls, struct dtls_keys *ret);
