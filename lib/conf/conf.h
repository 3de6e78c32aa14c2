/* SPDX-License-Identifier: MIT
 * The configuration document: JSON text (with // comments) in, a typed tree out, or a list of
 * errors, each with the path, the value and what would be right. The same code serves the file,
 * PUT /api/v1/config and the snapshot that sbcd takes; config/schema.json describes it, and a test
 * holds the two against each other. No names are resolved here. "***", which stands for a stored
 * secret in what REST shows, is refused: mgmt-api puts the secrets back in first. */
#pragma once

#include "lib/base/addr.h"
#include "lib/base/arena.h"

struct json_t;            /* jansson's, for lib/conf and mgmt-api/json only */
struct pcre2_real_code_8; /* pcre2_code of <pcre2.h> with PCRE2_CODE_UNIT_WIDTH 8 */

enum conf_transport { CONF_UDP, CONF_TCP, CONF_TLS, CONF_WS, CONF_WSS };
enum conf_log_level { CONF_LOG_ERROR, CONF_LOG_WARNING, CONF_LOG_INFO, CONF_LOG_DEBUG };
enum conf_srtp { CONF_SRTP_OFF, CONF_SRTP_OPTIONAL, CONF_SRTP_REQUIRED };
enum conf_access_action { CONF_ACCESS_ALLOW, CONF_ACCESS_REJECT, CONF_ACCESS_DROP };
enum conf_log_format { CONF_LOG_TEXT, CONF_LOG_JSON };

struct conf_listener {
	enum conf_transport transport;
	struct ip_addr address;
	uint16_t port;          /* default 5060, 5061 for tls, 80/443 for ws/wss */
	struct slice advertise; /* host or address shown in Via and Contact; empty: address */
	struct slice tls_profile; /* need not be there yet: the listener stays closed till then */
};

struct conf_realm {
	struct slice name;
	struct conf_listener *listeners;
	size_t listener_count;
	struct ip_addr media_address;
	struct slice media_advertise; /* IP address shown in SDP; empty: media_address */
	uint16_t port_min; /* default 20000; even: an odd one is rounded up */
	uint16_t port_max; /* default 29999; odd: an even one is rounded down */
};

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
	struct slice auth_username, auth_password;
	struct slice auth_realm;     /* empty: any realm of this trunk's own gateways */
	uint32_t probe_interval_s;   /* 0: no probing */
	uint32_t limit_calls, limit_cps; /* 0: no limit */
	enum conf_srtp srtp;
	struct slice *codecs; /* encoding names; none: all that are offered */
	size_t codec_count;
	bool nat;                    /* media.nat: peers behind a NAT; default false */
	uint32_t media_timeout_s;    /* default 60; 0: never */
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
	uint32_t max_calls;         /* limits.calls: default 50000 */
	uint32_t max_connections;   /* limits.connections: default 4096 */
	struct endpoint *dns_servers; /* dns.servers; none: the system's */
	size_t dns_server_count;
	struct conf_provisioning provisioning;
};

struct conf_error {
	struct slice pointer; /* JSON pointer: /trunks/0/realm (relative to what was validated) */
	struct slice value;   /* as JSON text, clipped; "***" for secrets; empty: it is missing */
	struct slice detail;  /* what is wrong */
	struct slice remedy;  /* what would be right */
};

struct conf_errors {
	struct conf_error *items; /* at most 32 are kept */
	size_t count;
	size_t total;
};

/* Whole file: text → tree. Everything of *ret lives in the arena. ERR_SYNTAX with *ret_errors
 * filled (a syntax error's pointer is empty, its detail has line and column); ERR_NOMEM. */
must_use enum err conf_parse(struct arena *arena, struct slice text, struct conf *ret,
			     struct conf_errors *ret_errors);
/* Reads the file, then conf_parse. -errno when it cannot be read (and an error that says so). */
must_use enum err conf_load(struct arena *arena, const char *path, struct conf *ret,
			    struct conf_errors *ret_errors);

/* A provisioning document alone (REST body, snapshot): strict JSON, no comments. */
must_use enum err conf_provisioning_parse(struct arena *arena, struct slice text,
					  struct conf_provisioning *ret,
					  struct conf_errors *ret_errors);
/* The same on a parsed value; pointers in errors start at this value. */
must_use enum err conf_provisioning_check(struct arena *arena, struct json_t *provisioning,
					  struct conf_provisioning *ret,
					  struct conf_errors *ret_errors);
/* The "provisioning" value of the file's text as canonical JSON text (seed of an empty store). */
must_use enum err conf_seed_text(struct arena *arena, struct slice text, struct slice *ret);
/* A snapshot file {"version": n, "provisioning": {…}} as mgmt-apid writes it and sbcd reads it. */
must_use enum err conf_snapshot_load(struct arena *arena, const char *path, uint64_t *ret_version,
				     struct conf_provisioning *ret, struct conf_errors *ret_errors);
/* "pointer: detail (value …); remedy" lines for --check and logs, in the arena. */
struct slice conf_errors_text(struct arena *arena, const struct conf_errors *errors);
/* A copy whose lists and texts all live in `arena`. ERR_NOMEM. */
must_use enum err conf_provisioning_copy(struct arena *arena, const struct conf_provisioning *from,
					 struct conf_provisioning *ret);

/* Compiles an expression of a route: bytes (never UTF), no JIT; limits on its size. The validator and
 * sbcd both compile through here, so what was accepted compiles again. Free with pcre2_code_free.
 * ERR_SYNTAX: *ret_offset is where, and `why` (may be NULL) holds PCRE2's sentence. */
#define CONF_REGEX_WHY_BYTES 128
must_use enum err conf_regex_compile(struct slice pattern, struct pcre2_real_code_8 **ret,
				     size_t *ret_offset, char why[CONF_REGEX_WHY_BYTES]);
/* For a note, not an error: the kernel may give these ports to others (ip_local_port_range). */
bool conf_media_ports_meet(const struct conf_realm *realm, uint16_t low, uint16_t high);
