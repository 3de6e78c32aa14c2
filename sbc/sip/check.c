/* SPDX-License-Identifier: MIT
 * What every message must have (RFC 3261 8.1.1, 20) and what the parts must look like. Every part
 * is tried whatever became of those before it, so that an answer can be written from what there is.
 */
#include "sbc/sip/sip_priv.h"

static void keep_first(enum sip_fault *fault, enum sip_fault other)
{
	if (*fault == SIP_FAULT_NONE)
		*fault = other;
}

static enum sip_fault vias_check(struct sip_msg *msg, size_t max_vias)
{
	struct sip_via *via = &msg->via;
	struct sip_via other;
	size_t count = 0;

	if (!msg->first[SIP_HDR_VIA])
		return SIP_FAULT_VIA_MISSING;
	for (uint16_t at = msg->first[SIP_HDR_VIA]; at; at = msg->fields[at - 1].next) {
		struct slice rest = msg->fields[at - 1].value;
		struct slice element;

		while (sip_element_cut(&rest, SIP_LIST, &element)) {
			if (++count > max_vias)
				return SIP_FAULT_VIA_COUNT;
			if (sip_via_parse(element, via) != OK)
				return SIP_FAULT_VIA;
			via = &other;
		}
	}
	return SIP_FAULT_NONE;
}

static enum sip_fault party_check(struct slice value, struct sip_address *ret,
				  struct slice *ret_tag, enum sip_fault missing)
{
	if (!value.p)
		return missing;
	/* The fault of a bad one stands behind that of a missing one. */
	return sip_party_parse(value, ret, ret_tag) == OK ? SIP_FAULT_NONE : missing + 1;
}

/* callid = word [ "@" word ] */
static enum sip_fault call_id_check(struct sip_msg *msg)
{
	struct slice rest = sip_value(msg, SIP_HDR_CALL_ID);
	struct slice word;

	msg->call_id = rest;
	if (!rest.p)
		return SIP_FAULT_CALL_ID_MISSING;
	if (slice_cut_char(&rest, '@', &word) && !slice_is(word, CC_WORD))
		return SIP_FAULT_CALL_ID;
	return slice_is(rest, CC_WORD) ? SIP_FAULT_NONE : SIP_FAULT_CALL_ID;
}

static enum sip_fault cseq_check(struct sip_msg *msg)
{
	struct slice value = sip_value(msg, SIP_HDR_CSEQ);

	if (!value.p)
		return SIP_FAULT_CSEQ_MISSING;
	if (sip_cseq_parse(value, &msg->cseq) != OK)
		return SIP_FAULT_CSEQ;
	if (!msg->is_request) {
		msg->method = msg->cseq.method;
		msg->method_text = msg->cseq.method_text;
	} else if (!slice_eq(msg->cseq.method_text, msg->method_text)) {
		return SIP_FAULT_CSEQ_METHOD;
	}
	return SIP_FAULT_NONE;
}

/* 0 to 255: RFC 3261 20.22; absent in RFC 2543. */
static enum sip_fault max_forwards_check(struct sip_msg *msg)
{
	struct slice value = sip_value(msg, SIP_HDR_MAX_FORWARDS);
	uint32_t number;

	if (!value.p)
		return SIP_FAULT_NONE;
	if (parse_u32(value, &number) != OK || number > 255)
		return SIP_FAULT_MAX_FORWARDS;
	msg->max_forwards = (int)number;
	return SIP_FAULT_NONE;
}

/* The addresses that later requests are sent to: Contact, Route, Record-Route. */
static enum sip_fault addresses_check(const struct sip_msg *msg, enum sip_header id,
				      enum sip_fault fault)
{
	struct sip_address address;

	for (uint16_t at = msg->first[id]; at; at = msg->fields[at - 1].next) {
		struct slice rest = msg->fields[at - 1].value;
		struct slice element;

		while (sip_element_cut(&rest, SIP_LIST | SIP_ADDRESS, &element)) {
			if (id == SIP_HDR_CONTACT && slice_eq(element, SLICE("*")))
				continue;
			if (sip_address_parse(element, &address) != OK)
				return fault;
		}
	}
	return SIP_FAULT_NONE;
}

enum sip_fault sip_check(struct sip_msg *msg, const struct sip_limits *limits)
{
	enum sip_fault fault = vias_check(msg, limits->max_vias);

	keep_first(&fault, party_check(sip_value(msg, SIP_HDR_FROM), &msg->from, &msg->from_tag,
				       SIP_FAULT_FROM_MISSING));
	keep_first(&fault, party_check(sip_value(msg, SIP_HDR_TO), &msg->to, &msg->to_tag,
				       SIP_FAULT_TO_MISSING));
	keep_first(&fault, call_id_check(msg));
	keep_first(&fault, cseq_check(msg));
	keep_first(&fault, max_forwards_check(msg));
	keep_first(&fault, addresses_check(msg, SIP_HDR_CONTACT, SIP_FAULT_CONTACT));
	keep_first(&fault, addresses_check(msg, SIP_HDR_ROUTE, SIP_FAULT_ROUTE));
	keep_first(&fault, addresses_check(msg, SIP_HDR_RECORD_ROUTE, SIP_FAULT_ROUTE));
	return fault;
}
