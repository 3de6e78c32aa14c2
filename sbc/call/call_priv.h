/* SPDX-License-Identifier: MIT
 * What the files of this room share. */
#pragma once

#include "lib/base/ensure.h"
#include "lib/base/list.h"
#include "sbc/call/body.h"
#include "sbc/call/call.h"
#include "sbc/call/leak.h"

#define CALL_MAX_TARGETS 16u
#define CALL_MAX_INSIDE 4u   /* INFO, OPTIONS, UPDATE relayed at a time */
#define CALL_MAX_DIGITS 16u
#define CALL_DIGIT_LAST 16u  /* the last event that INFO can say */
#define CALL_ARENA_FIRST 4096u
#define CALL_ARENA_QUOTA (64u * 1024)
#define CALL_MEDIA_QUOTA (48u * 1024)
#define CALL_MAGIC 0x63616c6cu
#define CALL_RELAY_WAIT_MS 2000u      /* for the relay's answer to a question */
#define CALL_PROVISIONAL_MS 60000u    /* RFC 3261 13.3.1.1: a 1xx each minute */
#define CALL_TRYING_MS 150u           /* 17.2.1: a 100 unless another answer comes in 200 ms */
#define CALL_ACK_WAIT_MS (64 * SIP_T1_MS)
#define CALL_LAST_PATIENCE 4u         /* times the silence after which another target would be tried */
#define CALL_MERGE_MS (64 * SIP_T1_MS) /* timers H and L: how long a transaction may last (17.2.1) */

enum call_state {
	CALL_ROUTING,    /* the relay was asked for ports, or a name is being resolved */
	CALL_CALLING,    /* an INVITE is out, nothing came back */
	CALL_PROCEEDING, /* a provisional response came */
	CALL_ANSWERED,   /* the callee's 2xx came */
	CALL_ENDING,     /* over; the relay's final figures are awaited */
	CALL_ENDED,      /* recorded; reaped once the peers have answered its BYEs */
};

enum call_timer {
	TIMER_NO_RESPONSE, /* no 1xx from this target: the next one, or some patience */
	TIMER_RING,        /* Timer C and the trunk's patience */
	TIMER_TRYING,      /* nothing was answered yet: 100 (RFC 3261 17.2.1) */
	TIMER_PROVISIONAL, /* repeat the 1xx */
	TIMER_RESEND_2XX,  /* 13.3.1.4 */
	TIMER_RELAY,       /* the relay does not answer */
	TIMER_PROBE,       /* media is still away: ask the peer again */
	CALL_TIMER_COUNT,
};

enum call_purpose { /* what an answer of the relay is for */
	PURPOSE_NONE = CALL_RELAY_NO_ANSWER,
	PURPOSE_OFFER,      /* ports for the initial offer */
	PURPOSE_AGAIN,      /* ports for the next target */
	PURPOSE_LATE_OFFER, /* ports for the callee's offer in a 2xx */
	PURPOSE_REOFFER,    /* ports for new m-lines */
	PURPOSE_CLOSE,      /* final figures */
	PURPOSE_RESTORE,    /* the ports that it had; not numbered, no state waits for it */
};

/* txn_user.purpose of our client transactions */
enum call_txn_purpose {
	TXN_FOR_INVITE = 1,   /* initial or re-INVITE, UPDATE with an offer: the exchange */
	TXN_FOR_INSIDE = 2,   /* + slot << 8 */
	TXN_FOR_NOTHING = 3,  /* CANCEL, a stray's BYE: nobody waits */
	TXN_FOR_STRAY = 4,    /* an INVITE that was given up: CANCEL it, or ACK and BYE its 2xx */
	TXN_FOR_STRAY_DONE = 5,
	TXN_FOR_BYE = 6,        /* + leg << 8 */
	TXN_FOR_PROBE = 7,      /* + leg << 8 */
	TXN_FOR_DIGIT = 8,      /* + leg << 8 */
};

/* How an offer/answer exchange stands. The initial INVITE is one, too. */
enum exchange_state {
	EXCHANGE_IDLE,
	EXCHANGE_PORTS,  /* waits for the relay before the request goes on */
	EXCHANGE_SENT,   /* the request is out on the other leg */
	EXCHANGE_LATE,   /* the 2xx brought an offer: waits for the relay */
	EXCHANGE_ACK,    /* 2xx sent to the one who began; its ACK is awaited */
	EXCHANGE_CANCELLED, /* taken back by the one who began; the other leg's answer is awaited */
};

struct exchange {
	enum exchange_state state;
	uint8_t from;           /* the leg that began it */
	bool late;              /* the request brought no offer */
	bool provisional;       /* the other leg answered 1xx, so a CANCEL may be sent (9.1) */
	enum sip_method method; /* INVITE or UPDATE, as it came */
	enum sip_method client_method; /* as it went on: a peer without UPDATE gets an INVITE */
	struct handle server_txn;
	struct handle client_txn;
	uint32_t server_cseq;
	uint32_t client_cseq;
	uint8_t challenges;     /* of the other leg, answered */
	uint32_t resend_ms;     /* next interval of the 2xx */
	uint64_t ack_until_ms;
};

/* Text whose room is used again. */
struct kept_text {
	struct slice text;
	size_t room;
};

/* A relayed request that changes nothing here. */
struct inside {
	bool used;
	uint8_t from;
	enum sip_method method;
	struct handle server_txn;
	struct handle client_txn;
	bool kept;           /* it may be sent again, to answer a challenge */
	uint8_t challenges;
	int max_forwards;
	bool unread;         /* the body has parts that nobody may judge */
	struct kept_text content_type;
	struct kept_text headers;
	struct kept_text body;
};

/* Digits that go to a leg as INFO; the first one is out. */
struct dialling {
	bool out;
	uint8_t first;
	uint8_t count;
	uint8_t challenges;
	struct media_digit queue[CALL_MAX_DIGITS];
};

struct leg {
	struct dialog dialog;
	uint32_t trunk;      /* index in the settings */
	uint32_t realm;
	uint32_t gateway;    /* leg 1 */
	struct dialog_self self;
	struct slice ack;    /* the last ACK to a 2xx on this leg, to repeat (13.2.2.4) */
	size_t ack_room;
	struct slice credentials; /* that the INVITE carried: its ACK carries them, too (22.1) */
	size_t credentials_room;
	uint32_t ack_cseq;   /* the INVITE's that it answers; 0: none yet */
	bool ack_owed;       /* a 2xx came, its ACK must wait for the other side's answer */
	bool confirmed;
	uint8_t bye_challenges;
	struct kept_text bye_headers;
	struct kept_text bye_type; /* of the body that its BYE carries */
	struct kept_text bye_body;
	bool bye_out;        /* and not answered: the peer's own BYE may cross it (15.1.1) */
	uint8_t silent; /* enum ctl_media_event_kind of a timeout that holds; 0: none */
	struct dialling dialling;
	bool probe_out; /* an OPTIONS of ours is not answered */
	bool no_update; /* its Allow was seen and does not name UPDATE (RFC 3311 5.1) */
	struct slice new_target; /* Contact of an open re-INVITE, in force when it succeeds (RFC 6141) */
	size_t new_target_room;
	struct leak_set secrets; /* what of this leg must never be seen on the other one */
};

struct attempt {
	uint32_t trunk;
	uint32_t gateway;
	uint16_t sip_code;
	const char *reason;
	uint64_t started_ms;
	uint64_t started_unix_ms;
	uint32_t duration_ms;
};

struct call {
	uint32_t magic;
	struct handle self;
	enum call_state state;
	struct calls *calls;
	struct settings *settings; /* the snapshot that it began with */
	struct arena arena;
	struct slice id;
	struct leg legs[2];
	struct media *media;
	uint32_t question; /* to the relay, the last one whose answer is waited for */
	struct exchange exchange;
	struct inside inside[CALL_MAX_INSIDE];
	struct call_timer_slot {
		struct timer timer;
		struct handle call;
	} timers[CALL_TIMER_COUNT];
	struct route_target *targets;
	uint32_t target_count;
	uint32_t target_next;
	uint32_t offer_target; /* for which the ports were asked first */
	struct call_destination destinations[4]; /* of the present target, when its host is a name */
	uint32_t destination_count;
	uint32_t destination_next;
	struct attempt *attempts;
	uint32_t attempt_count;
	/* what the caller asked for */
	struct slice calling;
	struct slice called;
	struct slice display; /* unquoted */
	struct slice identity; /* P-Asserted-Identity's user part, when it may cross */
	struct slice privacy;
	int max_forwards;
	struct body carried; /* beside the SDP, by the open exchange's last message, until it goes on */
	struct kept_text carried_room;
	uint8_t challenges;  /* that the present target was answered already */
	uint16_t last_code;  /* best failure so far, for the caller */
	bool patient;        /* the last target was silent once; that was told */
	bool last_resort;    /* no target was open when it began: all are tried */
	bool lingers;        /* recorded, a BYE not answered yet */
	bool listed_merge;
	struct map_node merge_node; /* RFC 3261 8.2.2.2 */
	bool counted[2];     /* policy counts it on this leg's trunk */
	/* the record */
	uint64_t started_ms;
	uint64_t started_unix_ms;
	uint64_t rang_ms;
	uint64_t answered_ms;
	uint64_t answered_unix_ms;
	uint64_t ended_ms;
	uint64_t ended_unix_ms;
	uint16_t final_code;
	const char *result;
	const char *ended_by;
	const char *cause;
};

struct merges {
	struct map map;    /* of calls, and of those that are over */
	struct pool past;
	struct list order;
};

struct calls {
	struct arena own; /* this structure itself */
	struct calls_config config;
	struct pool pool;
	struct dialog_table dialogs;
	struct merges merges;
	struct calls_figures figures;
	uint32_t ended; /* recorded, their BYEs not answered yet */
};

/* merge.c: by From tag, Call-ID, CSeq number and called user */
must_use enum err merges_init(struct merges *merges);
void merges_fini(struct merges *merges);
bool merge_seen(struct merges *merges, struct hash128 key, uint64_t now_ms);
void merge_list(struct call *call, struct hash128 key);
/* The call is over: its key is known for a while. */
void merge_over(struct call *call, uint64_t now_ms);
void merge_unlist(struct call *call);

/* call.c */
/* A call that is over does not count against limits while it waits for its BYEs' answers. */
void call_uncount(struct call *call);
struct call *call_get(const struct calls *calls, struct handle handle);
struct call *call_by_session(const struct calls *calls, uint64_t session);
const struct conf_trunk *leg_trunk(const struct call *call, unsigned leg);
const struct conf_realm *leg_realm(const struct call *call, unsigned leg);
void call_timer_start(struct call *call, enum call_timer which, const struct turn *turn,
		      uint64_t after_ms);
void call_timer_stop(struct call *call, enum call_timer which);
void call_relay(struct call *call, const struct turn *turn, enum call_purpose purpose,
		const struct ctl_message *message);

void call_on_bye(struct call *call, const struct turn *turn, unsigned leg,
		 const struct sip_msg *msg, struct handle txn);
/* A BYE of ours got its final response, or never will. */
void call_bye_done(struct call *call, const struct turn *turn, unsigned leg);
/* True: the BYE was challenged, and is out again. */
bool call_bye_again(struct call *call, const struct turn *turn, unsigned leg,
		    const struct sip_msg *msg);
/* end.c: by is "caller", "callee", "sbc", "admin". The legs have been told (or need not be). */
void call_end(struct call *call, const struct turn *turn, const char *by, uint16_t code,
	      const char *result, const char *cause);
/* Tells both legs: BYE where confirmed, a final response or CANCEL where not. except: a leg that
 * knows already, or 2. code: for an unanswered caller. */
void call_terminate(struct call *call, const struct turn *turn, unsigned except, uint16_t code,
		    struct slice reason_header);
void call_send_bye(struct call *call, const struct turn *turn, unsigned leg,
		   struct slice headers);
void call_abandon_invite(struct call *call, const struct turn *turn, struct slice reason_header);

/* write.c */
struct reply {
	uint16_t status;
	struct body_out body;
	uint32_t retry_after_s;      /* 0: none */
	struct slice unsupported;    /* option tags of a 420 */
	bool contact;                /* 1xx with tag, 2xx of INVITE and UPDATE */
	bool allow;
	bool accept_digits;          /* Accept names what an INFO with a digit may be */
	const struct conf_trunk *accept; /* whose bodies Accept names; NULL: no Accept */
};
/* Answers on a server transaction of this leg, from the leg's point of view. False: not this was
 * sent (it did not pass the last look, memory was short, the transaction is gone); in the place of a
 * final response a bare one then. */
bool call_reply(struct call *call, const struct turn *turn, unsigned leg, struct handle txn,
		const struct reply *reply);
void call_reply_code(struct call *call, const struct turn *turn, unsigned leg, struct handle txn,
		     uint16_t status);
/* The same where there is no call. */
void reply_plain(struct calls *calls, const struct turn *turn, struct handle txn,
		 const struct reply *reply, struct slice to_tag);
/* Sends a request inside the leg's dialog with a transaction. */
struct leg_request {
	enum sip_method method;
	uint32_t purpose;
	struct body_out body;
	struct slice headers; /* whole lines */
	bool contact;
	int max_forwards;
};
enum err call_request(struct call *call, const struct turn *turn, unsigned leg,
		      const struct leg_request *request, uint32_t *ret_cseq,
		      struct handle *ret_txn);
void call_ack(struct call *call, const struct turn *turn, unsigned leg, uint32_t cseq,
	      struct slice sdp);
/* For a repeated 2xx. An earlier INVITE's ACK, which another has replaced, is made anew; its SDP, if it
 * had one, is gone. */
void call_ack_again(struct call *call, const struct turn *turn, unsigned leg, uint32_t cseq);
void call_allow_write(struct text *text);
/* What this leg gets: its SDP, and what of the other leg's body may cross. */
struct body_out call_join(struct call *call, const struct turn *turn, unsigned leg,
			  const struct body *body, struct slice sdp);
/* Keeps what a message from this leg carries beside its SDP, until call->carried goes on. */
enum err call_carry(struct call *call, const struct turn *turn, unsigned leg,
		    const struct sip_msg *msg);
/* "Reason: SIP;cause=…\r\n" with nothing but protocol and cause of what the peer said; empty: none. */
struct slice call_reason_copy(const struct turn *turn, const struct sip_msg *msg);
struct slice call_reason_make(const struct turn *turn, const char *protocol, unsigned cause);
/* The message is free of the other leg's secrets. */
bool call_clean(struct call *call, const struct turn *turn, unsigned leg, struct slice bytes);

/* invite.c */
/* from: where the leg's signalling goes; transport: enum sip_transport. */
void call_media_side(struct call *call, unsigned leg, const struct ip_addr *from,
		     unsigned transport);

/* attempt.c */
void call_next_target(struct call *call, const struct turn *turn);
void call_on_invite_response(struct call *call, const struct turn *turn, const struct sip_msg *msg);
void call_attempt_failed(struct call *call, const struct turn *turn, uint16_t code,
			 const char *reason);
void call_offer_ready(struct call *call, const struct turn *turn);
void call_silent(struct call *call, const struct turn *turn);

/* challenge.c: "Authorization: …" lines that answer a 401 or 407 to a request of ours on this leg, with
 * the trunk's own credentials; empty: it is not to be answered. *answers: of this request so far. */
struct slice call_credentials(struct call *call, const struct turn *turn, unsigned leg,
			      const struct sip_msg *msg, uint8_t *answers);
bool call_may_be_challenged(const struct call *call, unsigned leg);

/* answer.c: the 2xx and its ACK, for the initial INVITE and for re-INVITEs alike */
void call_on_2xx(struct call *call, const struct turn *turn, const struct sip_msg *msg);
void call_late_offer_ready(struct call *call, const struct turn *turn);
void call_send_2xx(struct call *call, const struct turn *turn, struct slice sdp);
void call_on_ack(struct call *call, const struct turn *turn, unsigned leg,
		 const struct sip_msg *msg);
void call_resend_2xx(struct call *call, const struct turn *turn);

/* reinvite.c */
void call_on_reinvite(struct call *call, const struct turn *turn, unsigned leg,
		      const struct sip_msg *msg, struct handle txn);
void call_reoffer_ready(struct call *call, const struct turn *turn);
void call_on_reinvite_response(struct call *call, const struct turn *turn,
			       const struct effect *effect);
void call_dialog_lost(struct call *call, const struct turn *turn, unsigned leg, uint16_t code);
/* The other leg's final response to a re-INVITE stays away: TIMER_RING. */
void call_exchange_timeout(struct call *call, const struct turn *turn);
void call_exchange_cancelled(struct call *call, const struct turn *turn);
void call_exchange_failed(struct call *call, const struct turn *turn, uint16_t code);

/* inside.c */
void call_on_inside(struct call *call, const struct turn *turn, unsigned leg,
		    const struct sip_msg *msg, struct handle txn);
void call_on_inside_response(struct call *call, const struct turn *turn, unsigned slot,
			     const struct sip_msg *msg);
void call_inside_failed(struct call *call, const struct turn *turn, unsigned slot, uint16_t code);

/* dial.c: digits between INFO and events */
/* An INFO; true: it was a digit for the relay, and is answered. */
bool call_dial_in(struct call *call, const struct turn *turn, unsigned leg,
		  const struct sip_msg *msg, struct handle txn);
/* The relay heard one from this leg: CTL_DIGIT_VALUE. */
void call_dial_out(struct call *call, const struct turn *turn, unsigned from, uint32_t value);
/* An INFO of ours was answered (msg), or never will be. */
void call_on_dialled(struct call *call, const struct turn *turn, unsigned leg,
		     const struct sip_msg *msg, uint16_t code);

/* silence.c: what becomes of a call without media */
void call_on_probe(struct call *call, const struct turn *turn, unsigned leg, uint16_t code);
void call_probe_again(struct call *call, const struct turn *turn);

/* stray.c */
void stray_cancel(struct calls *calls, const struct turn *turn, struct handle invite_txn,
		  struct slice reason_header);
/* Writes and sends the CANCEL of an INVITE client transaction. */
void cancel_send(struct calls *calls, const struct turn *turn, struct handle invite_txn,
		 struct slice reason_header);
/* A 2xx of this tag, whenever it comes again, gets an ACK and no BYE: its dialog is the call's. */
void stray_spare(struct calls *calls, struct handle invite_txn, struct slice tag);
void stray_2xx(struct call *call, const struct turn *turn, const struct effect *effect);
void stray_on_response(struct calls *calls, const struct turn *turn, const struct effect *effect);

/* gateway.c */
/* Moves the targets whose gateways are open to the front and returns how many they are; all, when
 * there is none. */
uint32_t call_open_targets(struct call *call, const struct turn *turn,
			   struct route_target *targets, uint32_t count);
/* The target is still open, or there is nothing else to try. */
bool call_target_admitted(struct call *call, const struct turn *turn,
			  const struct route_target *target);
void call_saw_response(struct call *call, const struct turn *turn, const struct sip_msg *msg);
/* reason: of the failed attempt. */
void call_saw_failure(struct call *call, const struct turn *turn, const char *reason);

/* leg.c */
/* How the peer of this leg sees us, from the realm's listener for the flow's transport (and local
 * address, when it is known; otherwise the address family); flow->local is filled. ERR_NOENT: the
 * realm has no such listener. */
enum err leg_find_self(struct call *call, unsigned leg, struct flow *flow);
/* Where the next request of this leg goes (RFC 3261 12.2.1.1), as far as its trunk may be there;
 * else it stays with the flow that is known to work. */
void leg_find_next_hop(struct call *call, unsigned leg);
/* From a message's Allow, if it has one. */
void leg_learn_allow(struct leg *leg, const struct sip_msg *msg);
void call_collect_secrets(struct call *call);
void call_add_target_secret(struct call *call, unsigned leg);

/* record.c */
void call_info(const struct call *call, struct arena *arena, struct ctl_call_info *ret);
void call_record(struct call *call, const struct turn *turn,
		 const struct ctl_session_stats *stats);
