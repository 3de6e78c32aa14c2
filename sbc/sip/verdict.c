/* SPDX-License-Identifier: MIT
 * What each fault of a message deserves, in one table. Limits answer 513 (RFC 3261 21.5.7) except
 * where another status says it better. Nothing is ever answered to a response or an ACK, nor to
 * what has no Via to copy into the answer. */
#include "sbc/sip/sip_priv.h"

struct fault_row {
	enum err err;
	uint16_t status;
	const char *reason;
	const char *why;
};

static const struct fault_row fault_rows[SIP_FAULT_COUNT] = {
	[SIP_FAULT_NONE] = { OK, 0, "", "" },
	[SIP_FAULT_EMPTY] = { ERR_SYNTAX, 400, "Bad Request", "empty" },
	[SIP_FAULT_TOO_LARGE] = { ERR_LIMIT, 513, "Message Too Large", "message_too_large" },
	[SIP_FAULT_REQUEST_LINE] = { ERR_SYNTAX, 400, "Bad Request-Line", "request_line" },
	[SIP_FAULT_STATUS_LINE] = { ERR_SYNTAX, 400, "Bad Status-Line", "status_line" },
	[SIP_FAULT_VERSION] = { ERR_SYNTAX, 505, "Version Not Supported", "version" },
	[SIP_FAULT_REQUEST_URI] = { ERR_SYNTAX, 400, "Bad Request-URI", "request_uri" },
	[SIP_FAULT_REQUEST_URI_LENGTH] = { ERR_LIMIT, 414, "Request-URI Too Long",
					   "request_uri_length" },
	[SIP_FAULT_HEADER_NAME] = { ERR_SYNTAX, 400, "Bad Header Name", "header_name" },
	[SIP_FAULT_CONTROL_BYTE] = { ERR_SYNTAX, 400, "Control Byte in Header", "control_byte" },
	[SIP_FAULT_HEADER_LENGTH] = { ERR_LIMIT, 513, "Header Too Large", "header_length" },
	[SIP_FAULT_HEADER_COUNT] = { ERR_LIMIT, 513, "Too Many Headers", "header_count" },
	[SIP_FAULT_DUPLICATE] = { ERR_SYNTAX, 400, "Repeated Header", "header_repeated" },
	[SIP_FAULT_TRUNCATED] = { ERR_SYNTAX, 400, "Headers Without End", "truncated" },
	[SIP_FAULT_VIA_MISSING] = { ERR_SYNTAX, 400, "Missing Via", "via_missing" },
	[SIP_FAULT_VIA] = { ERR_SYNTAX, 400, "Bad Via", "via" },
	/* Each Via is a hop that was made. */
	[SIP_FAULT_VIA_COUNT] = { ERR_LIMIT, 483, "Too Many Hops", "via_count" },
	[SIP_FAULT_FROM_MISSING] = { ERR_SYNTAX, 400, "Missing From", "from_missing" },
	[SIP_FAULT_FROM] = { ERR_SYNTAX, 400, "Bad From", "from" },
	[SIP_FAULT_TO_MISSING] = { ERR_SYNTAX, 400, "Missing To", "to_missing" },
	[SIP_FAULT_TO] = { ERR_SYNTAX, 400, "Bad To", "to" },
	[SIP_FAULT_CALL_ID_MISSING] = { ERR_SYNTAX, 400, "Missing Call-ID", "call_id_missing" },
	[SIP_FAULT_CALL_ID] = { ERR_SYNTAX, 400, "Bad Call-ID", "call_id" },
	[SIP_FAULT_CSEQ_MISSING] = { ERR_SYNTAX, 400, "Missing CSeq", "cseq_missing" },
	[SIP_FAULT_CSEQ] = { ERR_SYNTAX, 400, "Bad CSeq", "cseq" },
	[SIP_FAULT_CSEQ_METHOD] = { ERR_SYNTAX, 400, "CSeq Names Another Method", "cseq_method" },
	[SIP_FAULT_MAX_FORWARDS] = { ERR_SYNTAX, 400, "Bad Max-Forwards", "max_forwards" },
	[SIP_FAULT_CONTACT] = { ERR_SYNTAX, 400, "Bad Contact", "contact" },
	[SIP_FAULT_ROUTE] = { ERR_SYNTAX, 400, "Bad Route", "route" },
	[SIP_FAULT_CONTENT_LENGTH] = { ERR_SYNTAX, 400, "Bad Content-Length", "content_length" },
	[SIP_FAULT_BODY_LENGTH] = { ERR_SYNTAX, 400, "Body Shorter Than Content-Length",
				    "body_length" },
	[SIP_FAULT_MEMORY] = { ERR_NOMEM, 503, "Service Unavailable", "memory" },
};

enum err sip_verdict_write(enum sip_fault fault, const struct sip_msg *msg, struct sip_verdict *ret)
{
	const struct fault_row *row = &fault_rows[fault];

	*ret = (struct sip_verdict){ .status = row->status,
				     .drop = fault != SIP_FAULT_NONE &&
					     (!msg->is_request || msg->method == SIP_ACK ||
					      msg->first[SIP_HDR_VIA] == 0),
				     .reason = row->reason,
				     .why = row->why };
	return row->err;
}
