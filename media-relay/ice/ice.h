/* SPDX-License-Identifier: MIT
 * ICE-lite (RFC 8445): the relay only answers connectivity checks, and its peer chooses the path.
 * Sans-I/O: a datagram in, at most one out to where it came from, and a changed agent.
 *
 * What makes it hard is that anyone may send a check. So nothing is answered and nothing is learned
 * before a request proved that it knows our password; what did not prove it gets silence, where
 * RFC 8489 9.1.3 has 400 and 401: no true peer needs them, and silence reflects nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/addr.h"
#include "lib/ctl/ctl.h"

#define ICE_COMPONENTS 2u
#define ICE_PATHS 4u
#define ICE_LOCAL_UFRAG_MAX_BYTES 32u
#define ICE_LOCAL_PASSWORD_MAX_BYTES 64u
#define ICE_REMOTE_UFRAG_MAX_BYTES 256u /* RFC 8445 5.3 */
#define ICE_REPLY_MAX_BYTES 128u
#define ICE_CONSENT_MS 30000u /* RFC 7675 5.1 */

struct ice_credentials {
	uint8_t ufrag_len; /* 0: none */
	uint8_t password_len;
	uint16_t remote_ufrag_len; /* 0: not known yet */
	char ufrag[ICE_LOCAL_UFRAG_MAX_BYTES];
	char password[ICE_LOCAL_PASSWORD_MAX_BYTES];
	char remote_ufrag[ICE_REMOTE_UFRAG_MAX_BYTES];
};

/* A source whose check was authentic. */
struct ice_path {
	struct endpoint source; /* family none: free */
	uint64_t checked_ms;
};

struct ice_component {
	struct ice_path paths[ICE_PATHS];
	struct endpoint selected; /* family none: nothing was nominated yet */
	uint32_t priority;        /* of the selected path, as its check said */
	bool outdated;            /* it was selected before the last restart */
	bool lost;                /* its consent ended */
	uint64_t nominated_ms;    /* its last check with USE-CANDIDATE */
	uint64_t checked_ms;      /* its last check */
};

/* The agent of one side of a stream. Zeroed: nothing told, everything is dropped. */
struct ice {
	struct ice_credentials now;
	struct ice_credentials before; /* of before a restart, until the first nomination after it */
	struct ice_component components[ICE_COMPONENTS];
};

/* NULL: fine; else what is wrong (static text). */
const char *ice_setup_check(const struct ctl_ice_setup *setup);

/* Takes the credentials of a checked setup. Other local ones than before are an ICE restart
 * (RFC 8445 9): the selected paths stay until the peer nominates anew. */
void ice_set(struct ice *ice, const struct ctl_ice_setup *setup);
/* Forgets and wipes everything. */
void ice_clear(struct ice *ice);

enum ice_verdict {
	ICE_ANSWERED,       /* success */
	ICE_REFUSED,        /* authentic, answered with 400, 420 or 487 */
	ICE_DROP_MALFORMED, /* not STUN, a length or fingerprint that is wrong, or shorter than its answer */
	ICE_DROP_METHOD,    /* not a Binding request */
	ICE_DROP_USERNAME,  /* not for us, or not from our peer */
	ICE_DROP_INTEGRITY,
	ICE_VERDICTS,
};

struct ice_datagram {
	const unsigned char *bytes;
	size_t len;
	unsigned component; /* below ICE_COMPONENTS */
	struct endpoint source;
	uint64_t now_ms;
};

struct ice_reply {
	unsigned char bytes[ICE_REPLY_MAX_BYTES];
	size_t len;     /* 0: nothing is sent; else it goes to the datagram's source */
	bool selected;  /* the component's selected path is another now, or usable again */
	bool connected; /* it is the first one since the agent was made, restarted, or lost consent */
};

enum ice_verdict ice_receive(struct ice *ice, const struct ice_datagram *in, struct ice_reply *ret);
const char *ice_verdict_name(enum ice_verdict verdict);

/* Where to send; NULL: nothing nominated, or consent ended. */
const struct endpoint *ice_selected(const struct ice *ice, unsigned component);
/* May a datagram from there be looked at? Only after an authentic check from it. */
bool ice_path_is(const struct ice *ice, unsigned component, const struct endpoint *source);

/* The path that a former relay of the same agent had: selected as if a check had just come. */
void ice_recall(struct ice *ice, unsigned component, const struct endpoint *source, uint64_t now_ms);

/* Consent (RFC 7675). A lite agent sends no checks, so consent is what the peer's checks say, or
 * its media: heard_ms is when that last came (0: never). When it ends unless more is heard;
 * UINT64_MAX: there is none to end. */
uint64_t ice_consent_due_ms(const struct ice *ice, unsigned component, uint64_t heard_ms);
/* It is over: nothing is sent there until a check comes again. */
void ice_consent_end(struct ice *ice, unsigned component);
