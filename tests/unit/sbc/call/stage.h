/* SPDX-License-Identifier: MIT
 * A border between a PBX and two gateways of a carrier, without a network: what leaves is kept in
 * order until the test takes it, time moves when the test says so. */
#pragma once

#include "tests/support/border.h"
#include "tests/support/raw.h"
#include "tests/support/unit.h"

#define PBX   "192.0.2.10:5060"
#define GW_1  "198.51.100.20:5060"
#define GW_2  "198.51.100.21:5060"
#define PICKY "198.51.100.22:5060" /* takes PCMU only */
#define VAULT "198.51.100.23:5060" /* demands SRTP, and is trusted with its keys */
#define TONES "198.51.100.24:5060" /* hears RFC 4733 */
#define WORDS "198.51.100.25:5060" /* speaks INFO, and asks who we are */
#define OTHER "192.0.2.66:5060" /* another trunk's */

#define SDP_A                                                                                      \
	"v=0\r\no=pbx 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"            \
	"m=audio 4000 RTP/AVP 0 8\r\n"
#define SDP_A_HOLD SDP_A "a=sendonly\r\n"
#define SDP_B                                                                                      \
	"v=0\r\no=gw 7 7 IN IP4 198.51.100.20\r\ns=-\r\nc=IN IP4 198.51.100.20\r\nt=0 0\r\n"       \
	"m=audio 5000 RTP/AVP 0\r\n"

struct stage {
	struct border *border;
	uint64_t now_ms;
	struct kept {
		struct endpoint to;
		size_t len;
		char bytes[RAW_BYTES];
	} sent[256];
	size_t sent_count;
	size_t taken[256];
	size_t taken_count;
	unsigned records;
	uint16_t record_code;
	char record_result[32];
	char record_cause[32];
	const char *unreachable; /* sending there fails */
	unsigned branches;
	struct raw_dialog a;   /* the caller */
	struct raw_dialog b;   /* the callee */
	struct slice invite_a; /* as sent by the caller */
	char invite_storage[RAW_BYTES];
	char invite_branch[32];
	char storage[RAW_BYTES];
};

struct stage *stage_new(void);
/* Runs all timers out, and checks that nothing is held. */
void stage_end(struct stage **stage);
void stage_run(struct stage *stage, uint64_t ms);

/* The next message to this address; it must begin like that. Empty start: there must be none. */
struct slice stage_take(struct stage *stage, const char *to, const char *start);
void stage_none(struct stage *stage, const char *to);
/* Whatever was sent there is taken unseen. */
void stage_skip(struct stage *stage, const char *to);
void stage_feed(struct stage *stage, const char *from, struct slice bytes);

/* The caller's INVITE with this SDP (NULL: late offer). */
void stage_invite(struct stage *stage, const char *sdp);
/* A request of either end inside its dialog, with the next CSeq number. Returns it. */
struct slice stage_request_a(struct stage *stage, const char *method, const char *sdp);
struct slice stage_request_b(struct stage *stage, const char *from, const char *method,
			     const char *sdp);
void stage_ack_a(struct stage *stage, uint32_t cseq, const char *sdp);
/* To a 3xx-6xx of this re-INVITE: the same branch (17.1.1.3). */
void stage_ack_refusal(struct stage *stage, struct slice invite);
void stage_cancel_a(struct stage *stage);
/* An answer to a request that was taken. */
void stage_answer(struct stage *stage, const char *from, struct slice request, unsigned status,
		  const char *tag, const char *sdp);
/* What the caller learns from an answer: the other tag, where his requests go. */
void stage_learn_a(struct stage *stage, struct slice response);
/* The caller's INVITE as the first gateway gets it, in copy[RAW_BYTES]. */
struct slice stage_begin(struct stage *stage, const char *sdp, char *copy);
/* The same, and what the gateway answers: it rings, answers, refuses. */
void stage_call(struct stage *stage, const char *sdp, unsigned status, const char *answer_sdp);
/* The caller takes his INVITE back, and is told so. */
void stage_cancelled(struct stage *stage);
/* A call that is up, with nothing under way. */
void stage_talk(struct stage *stage);
