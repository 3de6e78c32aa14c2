/* SPDX-License-Identifier: MIT
 * What makes two messages one transaction, as a 128-bit keyed hash. Parts are framed by their
 * length, so no two lists of parts read alike; a long part stands in for itself by its own hash, so
 * the text that is hashed has a fixed size whatever a peer sends. */
#include "sbc/txn/txn_priv.h"

#define PART_MAX  96u
#define PARTS_MAX 8u

struct key_text {
	const struct hash_key *key;
	size_t len;
	char bytes[PARTS_MAX * (PART_MAX + 4) + 32];
};

static void key_bytes(struct key_text *text, const void *bytes, size_t len)
{
	ensure(len <= sizeof(text->bytes) - text->len);
	memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
}

static void key_part(struct key_text *text, struct slice part)
{
	uint32_t len = (uint32_t)part.len;

	key_bytes(text, &len, sizeof(len));
	if (part.len > PART_MAX) {
		struct hash128 hash = hash128(text->key, part);

		key_bytes(text, &hash, sizeof(hash));
	} else if (part.len > 0) {
		key_bytes(text, part.p, part.len);
	}
}

/* Host names have no case (RFC 3261 19.1.4); a port that is left out is the default one. */
static void key_sent_by(struct key_text *text, struct slice host, uint16_t port)
{
	uint16_t effective = port ? port : 5060;
	size_t start = text->len;

	key_part(text, host);
	if (host.len <= PART_MAX)
		for (size_t i = start + sizeof(uint32_t); i < text->len; i++)
			text->bytes[i] = ascii_lower(text->bytes[i]);
	key_bytes(text, &effective, sizeof(effective));
}

static void key_start(struct key_text *text, const struct txn_table *table, char domain,
		      enum sip_method method)
{
	char head[2] = { domain, (char)method };

	text->key = &table->config.hash_key;
	text->len = 0;
	key_bytes(text, head, sizeof(head));
}

static struct hash128 key_done(const struct key_text *text)
{
	return hash128(text->key, slice_of(text->bytes, text->len));
}

struct hash128 txn_client_key(const struct txn_table *table, enum sip_method method,
			      struct slice branch, struct slice host, uint16_t port)
{
	struct key_text text;

	key_start(&text, table, 'c', method);
	key_part(&text, branch);
	key_sent_by(&text, host, port);
	return key_done(&text);
}

bool txn_has_cookie(const struct sip_msg *msg)
{
	static const struct slice cookie = { "z9hG4bK", 7 };

	return msg->via.branch.len > cookie.len && slice_starts_nocase(msg->via.branch, cookie);
}

/* RFC 3261 17.2.3 for branches without the cookie: whatever tells two requests of an RFC 2543
 * client apart. The To tag is compared beside the key (txn_tag_check), since an ACK bears our tag
 * and the INVITE that it belongs to did not. */
static void key_rfc2543(struct key_text *text, const struct sip_msg *msg)
{
	key_part(text, msg->uri_text);
	key_part(text, msg->from_tag);
	key_part(text, msg->call_id);
	key_bytes(text, &msg->cseq.number, sizeof(msg->cseq.number));
	key_part(text, msg->via.transport_text);
	key_part(text, msg->via.params);
}

struct hash128 txn_server_key(const struct txn_table *table, enum sip_method method,
			      const struct sip_msg *msg, const struct flow *flow)
{
	bool cookie = txn_has_cookie(msg);
	struct key_text text;

	/* Beyond 17.2.3 the address that it came from counts, so that a stranger who learned a
	 * branch can neither cancel nor acknowledge; the port does not (new connections, NATs). */
	key_start(&text, table, cookie ? 's' : 'o', method);
	key_bytes(&text, flow->remote.ip.bytes, sizeof(flow->remote.ip.bytes));
	key_sent_by(&text, msg->via.host, msg->via.port);
	if (cookie)
		key_part(&text, msg->via.branch);
	else
		key_rfc2543(&text, msg);
	return key_done(&text);
}

uint32_t txn_tag_check(const struct txn_table *table, struct slice tag)
{
	return (uint32_t)hash64(&table->config.hash_key, tag);
}
