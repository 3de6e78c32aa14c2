/* SPDX-License-Identifier: MIT
 * What of a body crosses beside the SDP: parts whose type both trunks name ("bodies"). Their octets
 * cross unread and unchanged; what stands around them is written anew: the boundary, the parts'
 * headers, their Content-IDs. The levels of a multipart become one multipart/mixed. */
#pragma once

#include "lib/base/rand.h"
#include "lib/conf/conf.h"
#include "sbc/call/leak.h"
#include "sbc/sip/sip.h"

#define BODY_MAX_PARTS 8u
#define BODY_MAX_BYTES 16384u /* of a body that must be kept until it can go on */

/* A body as it came. */
struct body {
	struct slice type;        /* Content-Type */
	struct slice disposition; /* Content-Disposition */
	struct slice reference;   /* the address in the first Geolocation: <cid:…>, without brackets */
	struct slice routing;     /* Geolocation-Routing */
	struct slice octets;
};

struct body body_of(const struct sip_msg *msg);

/* As it leaves. */
struct body_out {
	struct slice type;
	struct slice headers; /* whole lines that belong to it */
	struct slice octets;
	bool unread;          /* there are octets in it that nobody may judge */
	bool refused;         /* a part stayed behind that must be understood: a request's answer is 415 */
};

struct body_rules {
	const struct conf_trunk *from;
	const struct conf_trunk *to; /* NULL: not known yet, and no reason to refuse */
};

/* What a request deserves for its body: 0; 415 when a part may not cross that must be understood
 * (RFC 5621, RFC 3261 20.11: handling=required, or a body of its own that does not say optional);
 * 413 when parts that may cross are too large to be kept. */
uint16_t body_verdict(const struct body_rules *rules, const struct body *body);

/* Joins the SDP that one leg gets (maybe empty) with what of the other leg's body may cross. Nothing
 * may: the SDP alone. Part headers that show one of `secrets` keep their part behind. A Content-ID is
 * minted for each that had one, and Geolocation follows it, or stays behind (RFC 6442).
 * *ret lives in the arena, save what is the SDP or static. ERR_NOMEM. */
must_use enum err body_join(const struct body_rules *rules, const struct body *body,
			    struct slice sdp, const struct leak_set *secrets, struct rand *rand,
			    struct arena *arena, struct body_out *ret);
