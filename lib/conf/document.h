/* SPDX-License-Identifier: MIT
 * The configuration document as a typed tree. Every slice and list lives in the arena that it was
 * read into. config/schema.json says what each field means. */
#pragma once

#include "lib/base/addr.h"
#include "lib/base/slice.h"

/* Of all realms together; the daemons have room for so many. */
#define CONF_LISTENERS_MAX       256u
#define CONF_MEDIA_ADDRESSES_MAX 256u

enum conf_transport { CONF_UDP, CONF_TCP, CONF_TLS, CONF_WS, CONF_WSS };
enum conf_log_level { CONF_LOG_ERROR, CONF_LOG_WARNING, CONF_LOG_INFO, CONF_LOG_DEBUG };
enum conf_srtp { CONF_SRTP_OFF, CONF_SRTP_OPTIONAL, CONF_SRTP_REQUIRED };
enum conf_keying { CONF_KEYING_SDES, CONF_KEYING_DTLS };
enum conf_ice { CONF_ICE_OFF, CONF_ICE_LITE };
/* What becomes of a call whose media stopped: BYE; nothing; an OPTIONS in the dialog, and BYE unless
 * it is answered. */
enum conf_timeout_action { CONF_TIMEOUT_BYE, CONF_TIMEOUT_IGNORE, CONF_TIMEOUT_PROBE };
enum conf_rtcp_mux { CONF_RTCP_MUX_OFF, CONF_RTCP_MUX_OPTIONAL };
/* What this peer speaks and hears: what the other side does; RFC 4733 events; SIP INFO. */
enum conf_dtmf { CONF_DTMF_PASS, CONF_DTMF_RFC4733, CONF_DTMF_INFO };
/* In the order of lib/ctl's enum ctl_srtp_suite, whose first is 1. */
enum conf_srtp_suite {
	CONF_AES_CM_128_HMAC_SHA1_80, CONF_AES_CM_128_HMAC_SHA1_32, CONF_AES_192_CM_HMAC_SHA1_80,
	CONF_AES_192_CM_HMAC_SHA1_32, CONF_AES_256_CM_HMAC_SHA1_80, CONF_AES_256_CM_HMAC_SHA1_32,
	CONF_AEAD_AES_128_GCM, CONF_AEAD_AES_256_GCM, CONF_SRTP_SUITES,
};
enum conf_access_action { CONF_ACCESS_ALLOW, CONF_ACCESS_REJECT, CONF_ACCESS_DROP };
enum conf_fast_path {
	CONF_FAST_AUTO, CONF_FAST_NATIVE, CONF_FAST_TC, CONF_FAST_GENERIC, CONF_FAST_OFF
};
enum conf_af_xdp { CONF_AF_XDP_AUTO, CONF_AF_XDP_ON, CONF_AF_XDP_OFF };
enum conf_log_format { CONF_LOG_TEXT, CONF_LOG_JSON };

struct conf_listener {
	enum conf_transport transport;
	struct ip_addr address;
	uint16_t port;          /* default 5060, 5061 for tls, 80/443 for ws/wss */
	struct slice advertise; /* host or address shown in Via and Contact; empty: address */
	struct slice tls_profile; /* need not be there yet: the listener stays closed till then */
};

struct conf_media {
	struct ip_addr address;
	struct slice advertise; /* IP address shown in SDP; empty: address */
	uint16_t port_min; /* even: an odd one is rounded up */
	uint16_t port_max; /* odd: an even one is rounded down */
};

struct conf_realm {
	struct slice name;
	struct conf_listener *listeners;
	size_t listener_count;
	struct conf_media media; /* ports by default 20000 to 29999 */
	struct conf_media *more_media; /* "media.more_addresses"; ports by default those of `media` */
	size_t more_media_count;
};

/* Its media addresses: `media`, then those of more_media. */
static inline size_t conf_media_count(const struct conf_realm *realm)
{
	return 1 + realm->more_media_count;
}

static inline const struct conf_media *conf_media_at(const struct conf_realm *realm, size_t i)
{
	return i == 0 ? &realm->media : &realm->more_media[i - 1];
}

struct conf_gateway {
	struct slice uri;  /* as given */
	struct slice host; /* without brackets */
	bool host_is_ip;
	struct ip_addr ip; /* when host_is_ip */
	uint16_t port;     /* 0: not given (RFC 3263 decides) */
	enum conf_transport transport;
	bool transport_given;
	bool sips;
	uint32_t priority; /* lower first; default 1 */
	uint32_t weight;   /* default 100 */
};

struct conf_trunk {
	struct slice name;
	struct slice realm;
	struct conf_gateway *gateways;
	size_t gateway_count;
	struct ip_prefix *sources; /* when none are given: the gateways' addresses (IP gateways only) */
	size_t source_count;
	bool sources_given;
	struct slice auth_username;
	struct slice auth_password;
	struct slice auth_realm;     /* empty: any realm of this trunk's own gateways */
	uint32_t probe_interval_s;   /* 0: no probing */
	uint32_t limit_calls;        /* 0: no limit */
	uint32_t limit_cps;          /* 0: no limit */
	enum conf_srtp srtp;
	enum conf_keying *keying; /* "media.keying": accepted, the first that may be used is offered */
	size_t keying_count;
	enum conf_srtp_suite *srtp_suites; /* as offered, the best first */
	size_t srtp_suite_count;
	bool sdes_trusted;           /* keys may be seen in signalling without TLS; default false */
	bool sdes_pass;              /* between two such trunks keys are left alone; default false */
	enum conf_ice ice;
	enum conf_rtcp_mux rtcp_mux;
	enum conf_dtmf dtmf;
	bool feedback;               /* RTP/AVPF instead of RTP/AVP in our offers */
	struct slice *codecs; /* encoding names; none: all that are offered */
	size_t codec_count;
	bool nat;                    /* media.nat: peers behind a NAT; default false */
	uint32_t media_timeout_s;    /* default 60; 0: never */
	uint32_t media_first_timeout_s; /* before the first packet: default 60; 0: never */
	uint32_t media_hold_timeout_s;  /* on hold: default 0, never */
	uint32_t media_one_way_s;    /* silence beside speech is told: default 10; 0: never */
	enum conf_timeout_action media_timeout_action;
	enum conf_timeout_action media_one_way_action; /* default ignore: counted and logged */
	uint32_t no_answer_ms;       /* "timers.first_response_ms": no 1xx, default 4000 */
	uint32_t ring_timeout_s;     /* "timers.ring_s": default 180 */
	uint16_t *failover_codes;    /* "failover": default 408 500 502 503 504 */
	size_t failover_code_count;
	bool trust_identity;         /* P-Asserted-Identity and Privacy cross; default false */
	struct slice *bodies;        /* content types that cross beside the SDP; default none */
	size_t body_count;
};

struct conf_rewrite {
	struct slice match;   /* PCRE2 */
	struct slice replace; /* $0 … $9, $$ is one dollar */
};

struct conf_target {
	struct slice trunk;
	uint32_t priority; /* default 1 */
	uint32_t weight;   /* default 100 */
};

struct conf_route {
	struct slice name;
	uint32_t priority; /* default 100 */
	/* match: empty means not given */
	struct slice match_trunk;
	struct slice match_realm;
	struct slice match_called;
	struct slice match_calling;
	struct conf_rewrite *rewrite_called; /* every rule in order */
	struct conf_rewrite *rewrite_calling;
	size_t rewrite_called_count, rewrite_calling_count;
	struct conf_target *targets;
	size_t target_count;
};

struct conf_user {
	struct slice name;
	struct slice realm; /* where it registers */
	struct slice password;
};

struct conf_access_rule {
	struct slice name;
	uint32_t priority; /* default 100 */
	struct slice realm; /* empty: all */
	struct ip_prefix source;
	enum conf_access_action action;
};

struct conf_tls_profile {
	struct slice name;
	struct slice certificate, private_key, ca; /* paths */
	bool verify_peer;
};

/* What `provisioning` holds, and what a snapshot holds. */
struct conf_provisioning {
	struct conf_realm *realms;
	struct conf_trunk *trunks;
	struct conf_route *routes;
	struct conf_user *users;
	struct conf_access_rule *access_rules;
	struct conf_tls_profile *tls_profiles;
	size_t realm_count, trunk_count, route_count;
	size_t user_count, access_rule_count, tls_profile_count;
};

struct conf {
	struct slice node_name; /* default: the host's name */
	uint32_t node_workers;  /* default 1 */
	enum conf_log_level log_level;
	enum conf_log_format log_format;
	struct slice state_dir; /* default /var/lib/sbc; relative: to the current folder */
	struct slice run_dir;   /* default /run/sbc; likewise */
	struct endpoint api_listen; /* default 127.0.0.1:8080 */
	struct slice user; /* process.user: dropped to by root; default "sbc" if there, or none */
	uint32_t relay_workers;     /* relay.workers: default 1 */
	enum conf_fast_path relay_fast_path; /* default auto */
	enum conf_af_xdp relay_af_xdp;      /* relay.af_xdp: default auto */
	bool relay_io_uring; /* relay.io_uring: default true */
	uint32_t relay_certificate_s; /* relay.certificate_s: default a day */
	struct slice *relay_interfaces; /* relay.interfaces; none: those of the media addresses */
	size_t relay_interface_count;
	uint32_t max_calls;         /* limits.calls: default 50000 */
	uint32_t max_connections;   /* limits.connections: default 4096 */
	struct endpoint *dns_servers; /* dns.servers; none: the system's */
	size_t dns_server_count;
	struct conf_provisioning provisioning;
};
