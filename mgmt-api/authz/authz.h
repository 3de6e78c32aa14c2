/* SPDX-License-Identifier: MIT
 * Who may speak to the API. A token is 256 random bits; only its SHA-256 is kept. Asked once for
 * each request, before routing, so that a stranger learns nothing, not even which paths exist.
 * An address that guesses is made to wait, twice as long each time. A valid token always passes, also
 * from such an address: guessing 256 bits is hopeless, while a lock that a stranger can put on the
 * operator's address (behind one proxy, say) would be a weapon. */
#pragma once

#include "lib/base/addr.h"
#include "lib/base/rand.h"

#define AUTHZ_HASH_BYTES 32u
#define AUTHZ_MAX_TOKENS 64u
#define AUTHZ_TOKEN_CHARS 56u /* "sbc_" and 52 characters of 5 bits */
#define AUTHZ_FREE_FAILURES 10u
#define AUTHZ_MAX_ADDRESSES 1024u

struct authz_token {
	unsigned char hash[AUTHZ_HASH_BYTES];
	char name[32];
};

/* One address (IPv6: one /64) that showed a wrong token. */
struct authz_address {
	struct ip_addr ip;
	uint32_t failures; /* since the last quiet hour */
	uint64_t last_ms;
	uint64_t blocked_until_ms;
};

struct authz {
	struct authz_token tokens[AUTHZ_MAX_TOKENS];
	size_t token_count;
	struct authz_address addresses[AUTHZ_MAX_ADDRESSES];
	size_t address_count;
	uint64_t failures; /* of all addresses, for the metrics */
};

enum authz_verdict {
	AUTHZ_ALLOWED,
	AUTHZ_DENIED, /* 401 */
	AUTHZ_WAIT,   /* 429 */
};

struct authz_answer {
	enum authz_verdict verdict;
	const char *name;       /* AUTHZ_ALLOWED: of the token; lives as long as the authz */
	uint32_t retry_after_s; /* AUTHZ_WAIT */
};

void authz_init(struct authz *authz);
/* ERR_LIMIT: too many tokens. */
must_use enum err authz_add(struct authz *authz, struct slice name,
			    const unsigned char hash[AUTHZ_HASH_BYTES]);

/* A new token of AUTHZ_TOKEN_CHARS characters. */
void authz_make_token(struct rand *rand, struct text *text);
/* False: it does not look like one of ours. */
bool authz_token_ok(struct slice token);
void authz_hash(struct slice token, unsigned char ret_hash[AUTHZ_HASH_BYTES]);

/* authorization: the header's value; count: how many of them the request has (one is right). A
 * missing or malformed header is denied but not counted against the address: it guesses nothing. */
struct authz_answer authz_check(struct authz *authz, struct slice authorization, unsigned count,
				const struct ip_addr *from, uint64_t now_ms);
