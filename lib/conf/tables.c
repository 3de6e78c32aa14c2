/* SPDX-License-Identifier: MIT
 * The document, field by field. config/schema.json says the same to others, and a test compares. */
#include "lib/conf/conf_priv.h"

#include "lib/base/ensure.h"

#define AT(type, member) .offset = offsetof(struct type, member)
#define OBJECT(rows)     .fields = rows, .count = array_size(rows)
/* A list of objects or scalars: the items' table or row, their C type, where pointer and count go.
 */
#define LIST(row, item_type, type, member, member_count)                                           \
	.item = &(row), .item_size = sizeof(item_type), AT(type, member),                          \
	.count_offset = offsetof(struct type, member_count)

#define LIST_MAX       100000
#define DAY_S          86400
#define SECRET_MAX     256
#define PATH_MAX_BYTES 4000

static const char *const transport_words[] = { "udp", "tcp", "tls", "ws", "wss", NULL };
static const char *const level_words[] = { "error", "warning", "info", "debug", NULL };
static const char *const format_words[] = { "text", "json", NULL };
static const char *const af_xdp_words[] = { "auto", "on", "off", NULL };
static const char *const fast_path_words[] = { "auto", "native", "tc", "generic", "off", NULL };
static const char *const srtp_words[] = { "off", "optional", "required", NULL };
static const char *const keying_words[] = { "sdes", "dtls", NULL };
static const char *const ice_words[] = { "off", "lite", NULL };
static const char *const timeout_action_words[] = { "bye", "ignore", "probe", NULL };
static const char *const rtcp_mux_words[] = { "off", "optional", NULL };
static const char *const dtmf_words[] = { "pass", "rfc4733", "info", NULL };
static const char *const suite_words[] = {
	"AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AES_192_CM_HMAC_SHA1_80",
	"AES_192_CM_HMAC_SHA1_32", "AES_256_CM_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_32",
	"AEAD_AES_128_GCM",	   "AEAD_AES_256_GCM",	      NULL,
};
static const char *const action_words[] = { "allow", "reject", "drop", NULL };

/* ---- realms ---- */

static const struct field listener_fields[] = {
	{ "transport", FIELD_WORD, true, AT(conf_listener, transport), .words = transport_words },
	{ "address", FIELD_IP, true, AT(conf_listener, address) },
	{ "port", FIELD_U16, AT(conf_listener, port), .min = 1, .max = 65535 },
	{ "advertise", FIELD_HOST, AT(conf_listener, advertise), .min = 1, .max = 255 },
	{ "tls_profile", FIELD_NAME, AT(conf_listener, tls_profile) },
};
static const struct object listener_object = { OBJECT(listener_fields), .finish = listener_finish };
static const struct field listener_item = { "listener", FIELD_OBJECT, .object = &listener_object };

static const struct field more_media_fields[] = {
	{ "address", FIELD_IP, true, AT(conf_media, address) },
	{ "advertise", FIELD_IP_TEXT, AT(conf_media, advertise), .min = 1, .max = 64 },
	{ "port_min", FIELD_U16, AT(conf_media, port_min), .min = 1024, .max = 65534 },
	{ "port_max", FIELD_U16, AT(conf_media, port_max), .min = 1025, .max = 65535 },
};
static const struct object more_media_object = { OBJECT(more_media_fields) };
static const struct field more_media_item = { "address", FIELD_OBJECT, .object = &more_media_object };

static const struct field realm_media_fields[] = {
	{ "address", FIELD_IP, true, AT(conf_realm, media.address) },
	{ "advertise", FIELD_IP_TEXT, AT(conf_realm, media.advertise), .min = 1, .max = 64 },
	{ "port_min", FIELD_U16, AT(conf_realm, media.port_min), .min = 1024, .max = 65534,
	  .initial = 20000 },
	{ "port_max", FIELD_U16, AT(conf_realm, media.port_max), .min = 1025, .max = 65535,
	  .initial = 29999 },
	{ "more_addresses", FIELD_LIST, .max = 15,
	  LIST(more_media_item, struct conf_media, conf_realm, more_media, more_media_count) },
};
static const struct object realm_media_object = { OBJECT(realm_media_fields) };

static const struct field realm_fields[] = {
	{ "name", FIELD_NAME, true, AT(conf_realm, name) },
	{ "listeners", FIELD_LIST, true, .min = 1, .max = 64,
	  LIST(listener_item, struct conf_listener, conf_realm, listeners, listener_count) },
	{ "media", FIELD_OBJECT, true, .object = &realm_media_object },
};
static const struct object realm_object = { OBJECT(realm_fields), .finish = realm_finish };
static const struct field realm_item = { "realm", FIELD_OBJECT, .object = &realm_object };

/* ---- trunks ---- */

static const struct field gateway_fields[] = {
	{ "uri", FIELD_URI, true },
	{ "priority", FIELD_U32, AT(conf_gateway, priority), .max = 65535, .initial = 1 },
	{ "weight", FIELD_U32, AT(conf_gateway, weight), .max = 65535, .initial = 100 },
};
static const struct object gateway_object = { OBJECT(gateway_fields) };
static const struct field gateway_item = { "gateway", FIELD_OBJECT, .object = &gateway_object };

static const struct field auth_fields[] = {
	{ "username", FIELD_TEXT, true, AT(conf_trunk, auth_username), .min = 1, .max = 256 },
	{ "password", FIELD_SECRET, true, AT(conf_trunk, auth_password), .min = 1,
	  .max = SECRET_MAX },
	{ "realm", FIELD_TEXT, AT(conf_trunk, auth_realm), .min = 1, .max = 256 },
};
static const struct object auth_object = { OBJECT(auth_fields) };

static const struct field probe_fields[] = {
	{ "interval_s", FIELD_U32, AT(conf_trunk, probe_interval_s), .max = DAY_S },
};
static const struct object probe_object = { OBJECT(probe_fields) };

static const struct field trunk_limit_fields[] = {
	{ "calls", FIELD_U32, AT(conf_trunk, limit_calls), .max = 1000000 },
	{ "cps", FIELD_U32, AT(conf_trunk, limit_cps), .max = 1000000 },
};
static const struct object trunk_limit_object = { OBJECT(trunk_limit_fields) };

static const struct field codec_item = { "codec", FIELD_CODEC, .min = 1, .max = 32 };

static const struct field keying_item = { "keying", FIELD_WORD, .words = keying_words };
static const struct field suite_item = { "suite", FIELD_WORD, .words = suite_words };

static const struct field trunk_media_fields[] = {
	{ "srtp", FIELD_WORD, AT(conf_trunk, srtp), .words = srtp_words },
	{ "keying", FIELD_LIST, .min = 1, .max = 2,
	  LIST(keying_item, enum conf_keying, conf_trunk, keying, keying_count) },
	{ "srtp_suites", FIELD_LIST, .min = 1, .max = CONF_SRTP_SUITES,
	  LIST(suite_item, enum conf_srtp_suite, conf_trunk, srtp_suites, srtp_suite_count) },
	{ "sdes_trusted", FIELD_BOOL, AT(conf_trunk, sdes_trusted) },
	{ "sdes_pass", FIELD_BOOL, AT(conf_trunk, sdes_pass) },
	{ "ice", FIELD_WORD, AT(conf_trunk, ice), .words = ice_words },
	{ "rtcp_mux", FIELD_WORD, AT(conf_trunk, rtcp_mux), .words = rtcp_mux_words },
	{ "feedback", FIELD_BOOL, AT(conf_trunk, feedback) },
	{ "dtmf", FIELD_WORD, AT(conf_trunk, dtmf), .words = dtmf_words },
	{ "codecs", FIELD_LIST, .max = 32,
	  LIST(codec_item, struct slice, conf_trunk, codecs, codec_count) },
	{ "nat", FIELD_BOOL, AT(conf_trunk, nat) },
	{ "timeout_s", FIELD_U32, AT(conf_trunk, media_timeout_s), .max = DAY_S, .initial = 60 },
	{ "first_timeout_s", FIELD_U32, AT(conf_trunk, media_first_timeout_s), .max = DAY_S,
	  .initial = 60 },
	{ "hold_timeout_s", FIELD_U32, AT(conf_trunk, media_hold_timeout_s), .max = DAY_S },
	{ "one_way_s", FIELD_U32, AT(conf_trunk, media_one_way_s), .max = 3600, .initial = 10 },
	{ "timeout_action", FIELD_WORD, AT(conf_trunk, media_timeout_action),
	  .words = timeout_action_words },
	{ "one_way_action", FIELD_WORD, AT(conf_trunk, media_one_way_action),
	  .words = timeout_action_words, .initial = CONF_TIMEOUT_IGNORE },
};
static const struct object trunk_media_object = { OBJECT(trunk_media_fields) };

static const struct field timer_fields[] = {
	{ "first_response_ms", FIELD_U32, AT(conf_trunk, no_answer_ms), .min = 100, .max = 32000,
	  .initial = 4000 },
	{ "ring_s", FIELD_U32, AT(conf_trunk, ring_timeout_s), .min = 1, .max = 3600,
	  .initial = 180 },
};
static const struct object timer_object = { OBJECT(timer_fields) };

static const struct field source_item = { "source", FIELD_PREFIX };
static const struct field failover_item = { "code", FIELD_U16, .min = 300, .max = 699 };
static const struct field body_item = { "content type", FIELD_CONTENT_TYPE, .min = 3, .max = 127 };

static const struct field trunk_fields[] = {
	{ "name", FIELD_NAME, true, AT(conf_trunk, name) },
	{ "realm", FIELD_NAME, true, AT(conf_trunk, realm) },
	{ "gateways", FIELD_LIST, .max = 256,
	  LIST(gateway_item, struct conf_gateway, conf_trunk, gateways, gateway_count) },
	{ "sources", FIELD_LIST, .max = 4096,
	  LIST(source_item, struct ip_prefix, conf_trunk, sources, source_count) },
	{ "auth", FIELD_OBJECT, .object = &auth_object },
	{ "probe", FIELD_OBJECT, .object = &probe_object },
	{ "limits", FIELD_OBJECT, .object = &trunk_limit_object },
	{ "media", FIELD_OBJECT, .object = &trunk_media_object },
	{ "timers", FIELD_OBJECT, .object = &timer_object },
	{ "failover", FIELD_LIST, .max = 64,
	  LIST(failover_item, uint16_t, conf_trunk, failover_codes, failover_code_count) },
	{ "trust_identity", FIELD_BOOL, AT(conf_trunk, trust_identity) },
	{ "bodies", FIELD_LIST, .max = 32,
	  LIST(body_item, struct slice, conf_trunk, bodies, body_count) },
};
static const struct object trunk_object = { OBJECT(trunk_fields), .finish = trunk_finish };
static const struct field trunk_item = { "trunk", FIELD_OBJECT, .object = &trunk_object };

/* ---- routes ---- */

static const struct field rewrite_fields[] = {
	{ "match", FIELD_REGEX, true, AT(conf_rewrite, match) },
	{ "replace", FIELD_TEXT, true, AT(conf_rewrite, replace), .max = 256 },
};
static const struct object rewrite_object = { OBJECT(rewrite_fields), .finish = rewrite_finish };
static const struct field rewrite_item = { "rule", FIELD_OBJECT, .object = &rewrite_object };

static const struct field route_rewrite_fields[] = {
	{ "called", FIELD_LIST, .max = 64,
	  LIST(rewrite_item, struct conf_rewrite, conf_route, rewrite_called,
	       rewrite_called_count) },
	{ "calling", FIELD_LIST, .max = 64,
	  LIST(rewrite_item, struct conf_rewrite, conf_route, rewrite_calling,
	       rewrite_calling_count) },
};
static const struct object route_rewrite_object = { OBJECT(route_rewrite_fields) };

static const struct field match_fields[] = {
	{ "trunk", FIELD_NAME, AT(conf_route, match_trunk) },
	{ "realm", FIELD_NAME, AT(conf_route, match_realm) },
	{ "called", FIELD_REGEX, AT(conf_route, match_called) },
	{ "calling", FIELD_REGEX, AT(conf_route, match_calling) },
};
static const struct object match_object = { OBJECT(match_fields) };

static const struct field target_fields[] = {
	{ "trunk", FIELD_NAME, true, AT(conf_target, trunk) },
	{ "priority", FIELD_U32, AT(conf_target, priority), .max = 65535, .initial = 1 },
	{ "weight", FIELD_U32, AT(conf_target, weight), .max = 65535, .initial = 100 },
};
static const struct object target_object = { OBJECT(target_fields) };
static const struct field target_item = { "target", FIELD_OBJECT, .object = &target_object };

static const struct field route_fields[] = {
	{ "name", FIELD_NAME, true, AT(conf_route, name) },
	{ "priority", FIELD_U32, AT(conf_route, priority), .max = 65535, .initial = 100 },
	{ "match", FIELD_OBJECT, .object = &match_object },
	{ "rewrite", FIELD_OBJECT, .object = &route_rewrite_object },
	{ "targets", FIELD_LIST, true, .min = 1, .max = 64,
	  LIST(target_item, struct conf_target, conf_route, targets, target_count) },
};
static const struct object route_object = { OBJECT(route_fields) };
static const struct field route_item = { "route", FIELD_OBJECT, .object = &route_object };

/* ---- the rest of provisioning ---- */

static const struct field user_fields[] = {
	{ "name", FIELD_NAME, true, AT(conf_user, name) },
	{ "realm", FIELD_NAME, true, AT(conf_user, realm) },
	{ "password", FIELD_SECRET, true, AT(conf_user, password), .min = 1, .max = SECRET_MAX },
};
static const struct object user_object = { OBJECT(user_fields) };
static const struct field user_item = { "user", FIELD_OBJECT, .object = &user_object };

static const struct field access_fields[] = {
	{ "name", FIELD_NAME, true, AT(conf_access_rule, name) },
	{ "priority", FIELD_U32, AT(conf_access_rule, priority), .max = 65535, .initial = 100 },
	{ "realm", FIELD_NAME, AT(conf_access_rule, realm) },
	{ "source", FIELD_PREFIX, true, AT(conf_access_rule, source) },
	{ "action", FIELD_WORD, true, AT(conf_access_rule, action), .words = action_words },
};
static const struct object access_object = { OBJECT(access_fields) };
static const struct field access_item = { "rule", FIELD_OBJECT, .object = &access_object };

static const struct field tls_fields[] = {
	{ "name", FIELD_NAME, true, AT(conf_tls_profile, name) },
	{ "certificate", FIELD_TEXT, true, AT(conf_tls_profile, certificate), .min = 1,
	  .max = PATH_MAX_BYTES },
	{ "private_key", FIELD_TEXT, true, AT(conf_tls_profile, private_key), .min = 1,
	  .max = PATH_MAX_BYTES },
	{ "ca", FIELD_TEXT, AT(conf_tls_profile, ca), .min = 1, .max = PATH_MAX_BYTES },
	{ "verify_peer", FIELD_BOOL, AT(conf_tls_profile, verify_peer) },
};
static const struct object tls_object = { OBJECT(tls_fields) };
static const struct field tls_item = { "profile", FIELD_OBJECT, .object = &tls_object };

static const struct field provisioning_fields[] = {
	{ "realms", FIELD_LIST, .max = 1024,
	  LIST(realm_item, struct conf_realm, conf_provisioning, realms, realm_count) },
	{ "trunks", FIELD_LIST, .max = LIST_MAX,
	  LIST(trunk_item, struct conf_trunk, conf_provisioning, trunks, trunk_count) },
	{ "routes", FIELD_LIST, .max = LIST_MAX,
	  LIST(route_item, struct conf_route, conf_provisioning, routes, route_count) },
	{ "users", FIELD_LIST, .max = LIST_MAX,
	  LIST(user_item, struct conf_user, conf_provisioning, users, user_count) },
	{ "access_rules", FIELD_LIST, .max = LIST_MAX,
	  LIST(access_item, struct conf_access_rule, conf_provisioning, access_rules,
	       access_rule_count) },
	{ "tls_profiles", FIELD_LIST, .max = 1024,
	  LIST(tls_item, struct conf_tls_profile, conf_provisioning, tls_profiles,
	       tls_profile_count) },
};
const struct object conf_provisioning_object = { OBJECT(provisioning_fields) };

/* ---- the process ---- */

static const struct field node_fields[] = {
	{ "name", FIELD_NAME, AT(conf, node_name) },
	{ "workers", FIELD_U32, AT(conf, node_workers), .min = 1, .max = 64, .initial = 1 },
};
static const struct object node_object = { OBJECT(node_fields) };

static const struct field log_fields[] = {
	{ "level", FIELD_WORD, AT(conf, log_level), .words = level_words,
	  .initial = CONF_LOG_INFO },
	{ "format", FIELD_WORD, AT(conf, log_format), .words = format_words },
};
static const struct object log_object = { OBJECT(log_fields) };

static const struct field api_fields[] = {
	{ "listen", FIELD_ENDPOINT, AT(conf, api_listen), .initial_text = "127.0.0.1:8080" },
};
static const struct object api_object = { OBJECT(api_fields) };

static const struct field process_fields[] = {
	{ "user", FIELD_TEXT, AT(conf, user), .max = 32 },
};
static const struct object process_object = { OBJECT(process_fields) };

static const struct field interface_item = { "interface", FIELD_TEXT, .min = 1, .max = 15 };
static const struct field relay_fields[] = {
	{ "workers", FIELD_U32, AT(conf, relay_workers), .min = 1, .max = 64, .initial = 1 },
	{ "fast_path", FIELD_WORD, AT(conf, relay_fast_path), .words = fast_path_words,
	  .initial_text = "auto" },
	{ "af_xdp", FIELD_WORD, AT(conf, relay_af_xdp), .words = af_xdp_words,
	  .initial_text = "auto" },
	{ "io_uring", FIELD_BOOL, AT(conf, relay_io_uring), .initial_bool = true },
	{ "certificate_s", FIELD_U32, AT(conf, relay_certificate_s), .min = 1, .max = 365 * DAY_S,
	  .initial = DAY_S },
	{ "interfaces", FIELD_LIST, .max = 16,
	  LIST(interface_item, struct slice, conf, relay_interfaces, relay_interface_count) },
};
static const struct object relay_object = { OBJECT(relay_fields) };

static const struct field limit_fields[] = {
	{ "calls", FIELD_U32, AT(conf, max_calls), .min = 1, .max = 1000000, .initial = 50000 },
	{ "connections", FIELD_U32, AT(conf, max_connections), .min = 1, .max = 1000000,
	  .initial = 4096 },
};
static const struct object limit_object = { OBJECT(limit_fields) };

static const struct field dns_server_item = { "name server", FIELD_ENDPOINT };
static const struct field dns_fields[] = {
	{ "servers", FIELD_LIST, .max = 8,
	  LIST(dns_server_item, struct endpoint, conf, dns_servers, dns_server_count) },
};
static const struct object dns_object = { OBJECT(dns_fields) };

static const struct field document_fields[] = {
	{ "node", FIELD_OBJECT, .object = &node_object },
	{ "log", FIELD_OBJECT, .object = &log_object },
	{ "state_dir", FIELD_TEXT, AT(conf, state_dir), .min = 1, .max = PATH_MAX_BYTES,
	  .initial_text = "/var/lib/sbc" },
	{ "run_dir", FIELD_TEXT, AT(conf, run_dir), .min = 1, .max = 80,
	  .initial_text = "/run/sbc" },
	{ "api", FIELD_OBJECT, .object = &api_object },
	{ "process", FIELD_OBJECT, .object = &process_object },
	{ "relay", FIELD_OBJECT, .object = &relay_object },
	{ "limits", FIELD_OBJECT, .object = &limit_object },
	{ "dns", FIELD_OBJECT, .object = &dns_object },
	{ "provisioning", FIELD_OBJECT, AT(conf, provisioning),
	  .object = &conf_provisioning_object },
};
const struct object conf_document_object = { OBJECT(document_fields) };
