/* SPDX-License-Identifier: MIT
 * The control protocol between the three programs: Unix SOCK_SEQPACKET, one message per packet, all
 * messages in messages.def. Header: u16 type, u16 reserved (0), u32 request id. An answer carries the
 * id of its request; id 0 is a push. A malformed message closes that peer and is counted; it never
 * harms the rest. The first message each way is the hello. */
#pragma once

#include "lib/base/addr.h"
#include "lib/base/arena.h"
#include "lib/base/pool.h"

#define CTL_VERSION 11u
#define CTL_MAX_BYTES 65536u

enum ctl_payload_kind { CTL_PAYLOAD_MEDIA = 0, CTL_PAYLOAD_EVENT = 1 /* RFC 4733 */ };
enum ctl_media_event_kind {
	CTL_MEDIA_NONE_YET = 1, /* no packet since the answer, first_timeout_ms passed */
	CTL_MEDIA_TIMEOUT = 2,  /* silence for timeout_ms */
	CTL_MEDIA_LATCHED = 3,  /* RTP comes from another source than was told */
	CTL_MEDIA_SECURED = 4,  /* DTLS is done: keys are in use */
	CTL_MEDIA_SECURITY_FAILED = 5, /* media_event.value: enum ctl_security_failure */
	CTL_MEDIA_ICE_CONNECTED = 6,   /* a pair was nominated */
	CTL_MEDIA_ICE_LOST = 7,        /* consent expired (RFC 7675) */
	CTL_MEDIA_ONE_WAY = 8,         /* this side is silent while the other one speaks */
	CTL_MEDIA_RESUMED = 9,         /* after a silence that was told */
	CTL_MEDIA_DIGIT = 10,          /* an RFC 4733 event ended: CTL_DIGIT_VALUE */
	CTL_MEDIA_HOLD_TIMEOUT = 11,   /* silence for hold_timeout_ms on hold */
};
enum ctl_security_failure {
	CTL_SECURITY_FINGERPRINT = 1, /* another certificate than the signalling named */
	CTL_SECURITY_HANDSHAKE = 2,
	CTL_SECURITY_TIMEOUT = 3,
	CTL_SECURITY_PROFILE = 4,     /* no suite in common */
};
enum ctl_way { CTL_WAY_SOCKET = 0, CTL_WAY_XSK = 1 /* AF_XDP */, CTL_WAY_KERNEL = 2 /* eBPF */ };
enum ctl_srtp_suite { /* RFC 4568, 6188, 7714 */
	CTL_SRTP_NONE = 0,
	CTL_SRTP_AES_CM_128_HMAC_SHA1_80 = 1,
	CTL_SRTP_AES_CM_128_HMAC_SHA1_32 = 2,
	CTL_SRTP_AES_192_CM_HMAC_SHA1_80 = 3,
	CTL_SRTP_AES_192_CM_HMAC_SHA1_32 = 4,
	CTL_SRTP_AES_256_CM_HMAC_SHA1_80 = 5,
	CTL_SRTP_AES_256_CM_HMAC_SHA1_32 = 6,
	CTL_SRTP_AEAD_AES_128_GCM = 7,
	CTL_SRTP_AEAD_AES_256_GCM = 8,
	CTL_SRTP_SUITES,
};
enum ctl_hash { CTL_HASH_NONE, CTL_HASH_SHA1, CTL_HASH_SHA224, CTL_HASH_SHA256, CTL_HASH_SHA384,
		CTL_HASH_SHA512 };
enum ctl_dtls_role { CTL_DTLS_PASSIVE = 0 /* server */, CTL_DTLS_ACTIVE = 1 /* client */ };
/* Of a stream's two flows; with rtcp-mux both travel in the first. */
enum ctl_component { CTL_COMPONENT_RTP, CTL_COMPONENT_RTCP, CTL_COMPONENTS };
enum ctl_codec { /* what G.113 knows, and what is common */
	CTL_CODEC_OTHER,
	CTL_CODEC_G711,
	CTL_CODEC_G722,
	CTL_CODEC_G729,
	CTL_CODEC_G723,
	CTL_CODEC_G726,
	CTL_CODEC_GSM,
	CTL_CODEC_ILBC,
	CTL_CODEC_AMR,
	CTL_CODEC_AMR_WB,
	CTL_CODEC_OPUS,
	CTL_CODEC_SPEEX,
	CTL_CODECS,
};
enum ctl_recording { /* of a session */
	CTL_RECORDING_OFF,
	CTL_RECORDING_ARRIVED,   /* packets as they arrived */
	CTL_RECORDING_DECRYPTED, /* SRTP is taken off */
	CTL_RECORDING_FAILED,    /* the file could not be written; it has ended */
};
enum ctl_call_state {
	CTL_CALL_ROUTING = 0, /* no provisional answer yet */
	CTL_CALL_RINGING = 1,
	CTL_CALL_ANSWERED = 2,
	CTL_CALL_ENDING = 3,
	CTL_CALL_ENDED = 4,
};

/* stream_set.flags */
#define CTL_STREAM_RESET 1u  /* this side starts anew: latch and remote forgotten; ports kept while
				the realm is the same and `local` is met */
#define CTL_STREAM_REMOVE 2u /* the stream ended on both sides: ports freed */
#define CTL_STREAM_RTCP_MUX 4u
#define CTL_STREAM_RAW 8u          /* not RTP (UDPTL): any datagram of the right source passes */
#define CTL_STREAM_PASS_CRYPTO 16u /* both sides: SRTP crosses as it is, keys left alone */
#define CTL_STREAM_FEEDBACK 32u    /* its peer takes RTCP's feedback messages (RFC 4585) */
#define CTL_STREAM_NO_REPORTS 64u  /* its peer wants no RTCP (RFC 3556): none is made for it */
/* srtp_crypto.flags, RFC 4568 6.3 */
#define CTL_SRTP_UNENCRYPTED_RTP 1u
#define CTL_SRTP_UNENCRYPTED_RTCP 2u
#define CTL_SRTP_UNAUTHENTICATED_RTP 4u
/* relay_payload.out */
#define CTL_PAYLOAD_OUT 0x80u
#define CTL_PAYLOAD_TELL 1u /* an event: told (CTL_MEDIA_DIGIT) and not forwarded */
/* media_event.value of a digit: its number in RFC 4733 and its length, at most 65,535 ms */
#define CTL_DIGIT_VALUE(event, ms) ((uint32_t)(event) << 16 | (ms))
/* stream_set.direction, seen from the relay */
#define CTL_RECEIVE 1u
#define CTL_TRANSMIT 2u

/* ---- structures, one for each record of the table ---- */
#define CTL_RECORD(record) struct ctl_##record {
#define CTL_U8(record, field) uint8_t field;
#define CTL_U16(record, field) uint16_t field;
#define CTL_U32(record, field) uint32_t field;
#define CTL_U64(record, field) uint64_t field;
#define CTL_I64(record, field) int64_t field;
#define CTL_STR(record, field) struct slice field;
#define CTL_IP(record, field) struct ip_addr field;
#define CTL_ENDPOINT(record, field) struct endpoint field;
#define CTL_LIST(record, inner, field)                                                             \
	struct ctl_##inner *field;                                                                 \
	uint32_t field##_count;
#define CTL_END(record)                                                                            \
	char record##_end[0];                                                                      \
	}                                                                                          \
	;
#define CTL_MESSAGE(number, record, meaning)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include "lib/ctl/messages.def"
#pragma GCC diagnostic pop
#include "lib/ctl/undef.h"

enum ctl_type {
#define CTL_MESSAGE(number, record, meaning) CTL_##record = number,
#include "lib/ctl/nofields.h"
#include "lib/ctl/messages.def"
#include "lib/ctl/undef.h"
};

/* `type` says which member of the union is meant: CTL_session_set ↔ .session_set. */
struct ctl_message {
	enum ctl_type type;
	uint32_t request;
	union {
#define CTL_MESSAGE(number, record, meaning) struct ctl_##record record;
#include "lib/ctl/nofields.h"
#include "lib/ctl/messages.def"
#include "lib/ctl/undef.h"
	};
};

/* "session_set"; "unknown". Static. */
const char *ctl_type_name(enum ctl_type type);

/* "AES_CM_128_HMAC_SHA1_80", as SDP writes it; "none" for 0 and what is not known. Static. */
const char *ctl_srtp_suite_name(unsigned suite);
/* CTL_SRTP_NONE: not one of ours. */
enum ctl_srtp_suite ctl_srtp_suite_find(struct slice name);
/* Octets of the master key and its salt; CTL_SRTP_KEY_MAX is the most. */
#define CTL_SRTP_KEY_MAX 46u
size_t ctl_srtp_key_bytes(unsigned suite);
/* "socket", "xdp_socket", "kernel". Static. */
const char *ctl_way_name(unsigned way);

/* ERR_LIMIT: more than cap bytes. */
must_use enum err ctl_encode(const struct ctl_message *message, void *storage, size_t cap,
			     size_t *ret_len);
/* Lists and texts of *ret live in the arena and in `bytes`. ERR_SYNTAX: malformed, unknown type,
 * trailing bytes; ERR_NOMEM. */
must_use enum err ctl_decode(struct arena *arena, const void *bytes, size_t len,
			     struct ctl_message *ret);

/* A bare record, for journals: the same encoding without the header. */
must_use enum err ctl_call_info_encode(const struct ctl_call_info *info, void *storage, size_t cap,
				       size_t *ret_len);
must_use enum err ctl_call_info_decode(struct arena *arena, const void *bytes, size_t len,
				       struct ctl_call_info *ret);
