/* SPDX-License-Identifier: MIT
 * Messages: what parses is answered, and the answer parses again with the same Call-ID, CSeq, From
 * and branch; the arena's quota is kept. Lists, parts and escapes are walked on the way. */
#include "lib/base/ensure.h"
#include "sbc/sip/sip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct arena *arena, const struct sip_msg *msg)
{
	struct slice element;

	for (unsigned id = 0; id < SIP_HEADER_COUNT; id++) {
		struct sip_cursor cursor = { 0 };

		while (sip_next(msg, (enum sip_header)id, &cursor, &element))
			ensure(element.len > 0);
	}
	(void)!sip_body_find(msg, SLICE("application/sdp"), &element);
	(void)!sip_unquote(arena, msg->from.display, &element);
}

static void answer(struct arena *arena, const struct sip_msg *msg, bool good)
{
	static const struct endpoint source = { { IP_V4, { 192, 0, 2, 77 } }, 5099 };
	struct sip_reply_head head;
	struct sip_verdict verdict;
	struct sip_msg reply;
	struct text text;

	if (sip_reply_keep(arena, msg, &source, &head) != OK)
		return;
	text_init_arena(&text, arena, 4096);
	sip_reply_write(&text, &head, 200, SLICE_NONE, SLICE("t"), true);
	sip_write_body(&text, SLICE_NONE, SLICE_NONE);
	if (text.err != OK || !good ||
	    sip_parse(arena, text_done(&text), &sip_limits_default, &reply, &verdict) == ERR_NOMEM)
		return;
	/* the reply is longer than the request by received, rport and a tag */
	ensure(verdict.status == 0 || verdict.status == 513);
	ensure(slice_eq(reply.call_id, msg->call_id) && slice_eq(reply.from_tag, msg->from_tag));
	ensure(slice_eq(reply.from.uri_text, msg->from.uri_text));
	ensure(reply.cseq.number == msg->cseq.number);
	ensure(verdict.status != 0 || slice_eq(reply.via.branch, msg->via.branch));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena_cache cache;
	struct sip_verdict verdict;
	struct sip_msg msg;
	struct arena arena;
	enum err err;

	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 1024, 1 << 18);
	err = sip_parse(&arena, slice_of((const char *)data, size), &sip_limits_default, &msg,
			&verdict);
	ensure((err == OK) == (verdict.status == 0));
	walk(&arena, &msg);
	if (msg.is_request && !verdict.drop)
		answer(&arena, &msg, err == OK);
	ensure(arena.held_bytes <= 1 << 18);
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return 0;
}
