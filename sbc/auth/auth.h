/* SPDX-License-Identifier: MIT
 * Digest authentication, the client's half (RFC 7616 and 8760, with RFC 2617's and 2069's forms as
 * RFC 3261 22 has them): reads challenges, writes credentials. MD5, SHA-256 and SHA-512-256; qop auth
 * or none. Sans-I/O. Whether a challenge may be answered at all is the caller's question: only one
 * that came from the trunk that the credentials belong to, and only so often. */
#pragma once

#include "sbc/sip/sip.h"

enum auth_algorithm { AUTH_MD5, AUTH_SHA_256, AUTH_SHA_512_256, AUTH_ALGORITHM_COUNT }; /* weak to strong */

/* Texts are as between the quotes of the challenge, escapes and all: so they are hashed and echoed. */
struct auth_challenge {
	bool proxy;            /* 407: Proxy-Authorization answers it */
	struct slice realm;
	struct slice nonce;
	struct slice opaque;   /* p NULL: none */
	enum auth_algorithm algorithm;
	bool algorithm_given;
	bool qop;              /* auth is offered; false: no qop at all */
	bool stale;            /* the credentials were right, only the nonce was old */
};

/* The value of one WWW-Authenticate or Proxy-Authenticate. It borrows. ERR_UNSUPPORTED: another scheme
 * or algorithm, or only a qop that we have not; ERR_SYNTAX: broken, or no realm or nonce. */
must_use enum err auth_challenge_parse(struct slice value, struct auth_challenge *ret);

#define AUTH_CHALLENGES_MAX 8
/* The challenges of a 401 or 407 to be answered: of each realm, the one with the strongest algorithm
 * (of equals the first, RFC 8760 2.4), at most AUTH_CHALLENGES_MAX. They borrow from msg. Returns
 * their number; 0: none that we can answer. */
size_t auth_challenges(const struct sip_msg *msg, struct auth_challenge ret[AUTH_CHALLENGES_MAX]);

struct auth_answer {
	struct slice username;
	struct slice password;
	struct slice method;      /* "INVITE" */
	struct slice uri;         /* the Request-URI that is sent */
	uint32_t nonce_count;     /* 1 with a new nonce, one more each time it is used again */
	struct slice cnonce;      /* fresh, token characters; used when qop is */
};

/* Writes the header field with its line end: "Authorization: Digest …\r\n". text->err: ERR_UNSUPPORTED
 * when the library lacks the algorithm, ERR_SYNTAX when something has no place in a quoted string. */
void auth_write(struct text *text, const struct auth_challenge *challenge,
		const struct auth_answer *answer);

/* The response parameter alone, in hexadecimal: up to 64 characters. For the server's half, too. */
#define AUTH_HEX_MAX 64
must_use enum err auth_response(const struct auth_challenge *challenge,
				const struct auth_answer *answer, char ret_hex[AUTH_HEX_MAX],
				size_t *ret_len);
