/* SPDX-License-Identifier: MIT
 * DNS answers (RFC 1035 4, 2782, 3403, 2308). We read them ourselves because the library's readers
 * give no TTLs. Names may be compressed: pointers only go backwards here, so they end. Owner names
 * are not compared: the name server is trusted to answer what it was asked, CNAMEs included. */
#include "lib/base/wire.h"
#include "sbc/resolve/resolve_priv.h"

#define TTL_MAX_S          86400u
#define NEGATIVE_TTL_MAX_S 300u
#define NEGATIVE_TTL_S     60u /* when the answer does not say */
#define RCODE_NXDOMAIN     3u

struct dns_reader {
	struct wire_reader wire;
	struct arena *arena;
	enum dns_type type;
	struct dns_answer answer;
};

static bool name_char(char c)
{
	return char_is(c, CC_HOST) || c == '*';
}

/* One label; false when it holds what no host name has. */
static bool read_label(struct wire_reader *reader, size_t len, struct text *name)
{
	struct slice label = wire_get_bytes(reader, len);
	bool fine = true;

	if (name->len > 0)
		text_char(name, '.');
	for (size_t i = 0; i < label.len; i++) {
		fine = fine && name_char(label.p[i]);
		text_char(name, ascii_lower(label.p[i]));
	}
	return fine;
}

/* Reads a name at the reader. Names with odd characters are read over; *ret_fine says so. */
static void read_name(struct wire_reader *reader, struct text *name, bool *ret_fine)
{
	struct wire_reader at = *reader;
	size_t lowest = reader->at;
	bool jumped = false;

	*ret_fine = true;
	for (;;) {
		size_t len = wire_get_u8(&at);

		if (len >= 0xc0) {
			size_t target = (len & 0x3f) << 8 | wire_get_u8(&at);

			if (!jumped)
				*reader = at;
			jumped = true;
			if (target >= lowest)
				at.err = ERR_SYNTAX;
			at.at = lowest = target < lowest ? target : 0;
		} else if (len > 63) {
			at.err = ERR_SYNTAX;
		} else if (len > 0) {
			*ret_fine = read_label(&at, len, name) && *ret_fine;
		}
		if (at.err < 0 || len == 0)
			break;
	}
	if (!jumped || at.err < 0)
		*reader = at;
	if (name->err < 0)
		*ret_fine = false;
}

static bool keep_name(struct dns_reader *dns, struct wire_reader *reader, struct slice *ret)
{
	char storage[DNS_NAME_MAX];
	struct text name;
	bool fine;

	text_init(&name, storage, sizeof(storage));
	read_name(reader, &name, &fine);
	return fine && reader->err == OK && arena_keep(dns->arena, text_done(&name), ret) == OK;
}

static bool keep_string(struct dns_reader *dns, struct wire_reader *reader, struct slice *ret)
{
	return arena_keep(dns->arena, wire_get_bytes(reader, wire_get_u8(reader)), ret) == OK;
}

static bool read_naptr(struct dns_reader *dns, struct wire_reader *data, struct dns_record *record)
{
	struct slice regexp;

	record->priority = wire_get_u16(data);
	record->weight = wire_get_u16(data);
	/* RFC 3263 4.1 has no use for regular expressions */
	return keep_string(dns, data, &record->flags) && keep_string(dns, data, &record->service) &&
	       keep_string(dns, data, &regexp) && regexp.len == 0 &&
	       keep_name(dns, data, &record->target);
}

/* data: reads the whole message, but is placed at the record's data. */
static bool read_data(struct dns_reader *dns, struct wire_reader *data, size_t len,
		      struct dns_record *record)
{
	bool v4 = dns->type == DNS_A;

	switch (dns->type) {
	case DNS_A:
	case DNS_AAAA:
		if (len != (v4 ? 4 : 16))
			return false;
		record->ip.family = v4 ? IP_V4 : IP_V6;
		memcpy(record->ip.bytes, wire_get_bytes(data, len).p, len);
		return true;
	case DNS_SRV:
		record->priority = wire_get_u16(data);
		record->weight = wire_get_u16(data);
		record->port = wire_get_u16(data);
		return keep_name(dns, data, &record->target);
	case DNS_NAPTR:
		return read_naptr(dns, data, record);
	case DNS_CNAME:
	case DNS_SOA:
		break;
	}
	return false;
}

struct rr {
	uint16_t type;
	uint32_t ttl_s;
	size_t data_at;
	size_t data_len;
};

static bool read_rr(struct dns_reader *dns, struct rr *ret)
{
	char storage[DNS_NAME_MAX];
	struct text name;
	bool fine;

	text_init(&name, storage, sizeof(storage));
	read_name(&dns->wire, &name, &fine);
	ret->type = wire_get_u16(&dns->wire);
	wire_get_u16(&dns->wire); /* class */
	ret->ttl_s = wire_get_u32(&dns->wire);
	ret->data_len = wire_get_u16(&dns->wire);
	ret->data_at = dns->wire.at;
	wire_get_bytes(&dns->wire, ret->data_len);
	/* RFC 2181 8: the sign bit means zero */
	if (ret->ttl_s > INT32_MAX)
		ret->ttl_s = 0;
	return dns->wire.err == OK;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static enum err read_answers(struct dns_reader *dns, unsigned count)
{
	struct dns_answer *answer = &dns->answer;
	struct rr rr;

	answer->ttl_s = TTL_MAX_S;
	/* one more, so that there is an array even for none */
	answer->records =
		arena_array(dns->arena, (count < DNS_RECORDS_MAX ? count : DNS_RECORDS_MAX) + 1,
			    sizeof(*answer->records));
	if (!answer->records)
		return ERR_NOMEM;
	for (unsigned i = 0; i < count; i++) {
		struct wire_reader data = dns->wire;

		if (!read_rr(dns, &rr))
			return ERR_SYNTAX;
		if (rr.type == DNS_CNAME || rr.type == dns->type)
			answer->ttl_s = smaller(answer->ttl_s, rr.ttl_s);
		if (rr.type != dns->type || answer->count == DNS_RECORDS_MAX)
			continue;
		data.at = rr.data_at;
		if (read_data(dns, &data, rr.data_len, &answer->records[answer->count]) &&
		    data.err == OK && data.at <= rr.data_at + rr.data_len)
			answer->count++;
		else
			answer->records[answer->count] = (struct dns_record){ 0 };
	}
	return dns->arena->exhausted ? ERR_NOMEM : OK;
}

/* RFC 2308 5: the lesser of the SOA's own TTL and its last field. */
static uint32_t negative_ttl_s(struct dns_reader *dns, unsigned count)
{
	struct rr rr;

	for (unsigned i = 0; i < count && read_rr(dns, &rr); i++) {
		struct wire_reader data = dns->wire;

		if (rr.type != DNS_SOA || rr.data_len < 4)
			continue;
		data.at = rr.data_at + rr.data_len - 4;
		return smaller(smaller(rr.ttl_s, wire_get_u32(&data)), NEGATIVE_TTL_MAX_S);
	}
	return NEGATIVE_TTL_S;
}

static void skip_questions(struct dns_reader *dns, unsigned count)
{
	char storage[DNS_NAME_MAX];
	struct text name;
	bool fine;

	for (unsigned i = 0; i < count && dns->wire.err == OK; i++) {
		text_init(&name, storage, sizeof(storage));
		read_name(&dns->wire, &name, &fine);
		wire_get_u32(&dns->wire); /* type and class */
	}
}

enum err dns_parse(struct arena *arena, struct slice bytes, enum dns_type type,
		   struct dns_answer *ret)
{
	struct dns_reader dns = { .arena = arena, .type = type };
	unsigned rcode;
	unsigned questions;
	unsigned answers;
	unsigned authorities;
	enum err err;

	wire_reader_init(&dns.wire, bytes.p, bytes.len);
	wire_get_u16(&dns.wire); /* id: the library compared it */
	rcode = wire_get_u16(&dns.wire) & 0xf;
	questions = wire_get_u16(&dns.wire);
	answers = wire_get_u16(&dns.wire);
	authorities = wire_get_u16(&dns.wire);
	wire_get_u16(&dns.wire);
	skip_questions(&dns, questions);
	if (dns.wire.err < 0)
		return ERR_SYNTAX;
	if (rcode != 0 && rcode != RCODE_NXDOMAIN)
		return ERR_REFUSED;
	err = read_answers(&dns, answers);
	if (err < 0)
		return err;
	if (dns.answer.count == 0)
		dns.answer.ttl_s = smaller(dns.answer.ttl_s, negative_ttl_s(&dns, authorities));
	*ret = dns.answer;
	return OK;
}
