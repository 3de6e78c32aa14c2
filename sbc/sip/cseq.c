/* SPDX-License-Identifier: MIT
 * CSeq (RFC 3261 20.16, 8.1.1.5) and RAck (RFC 3262 7.2). */
#include "sbc/sip/sip_priv.h"

/* 1*DIGIT LWS */
static enum err number_take(struct slice *in, uint32_t *ret)
{
	struct slice digits;

	if (!slice_cut(in, CC_WSP, &digits))
		return ERR_SYNTAX;
	return parse_u32(digits, ret);
}

enum err sip_cseq_parse(struct slice text, struct sip_cseq *ret)
{
	struct sip_cseq cseq = { 0 };
	enum err err = number_take(&text, &cseq.number);

	if (err != OK)
		return err;
	if (cseq.number >= UINT32_C(1) << 31)
		return ERR_LIMIT;
	if (!slice_is(text, CC_TOKEN))
		return ERR_SYNTAX;
	cseq.method_text = text;
	cseq.method = sip_method_find(text);
	*ret = cseq;
	return OK;
}

enum err sip_rack_parse(struct slice text, uint32_t *ret_rseq, struct sip_cseq *ret_cseq)
{
	uint32_t rseq;
	enum err err = number_take(&text, &rseq);

	if (err == OK && rseq == 0) /* RFC 3262 3: from 1 */
		err = ERR_LIMIT;
	if (err == OK)
		err = sip_cseq_parse(text, ret_cseq);
	if (err == OK)
		*ret_rseq = rseq;
	return err;
}
