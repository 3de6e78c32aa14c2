/* SPDX-License-Identifier: MIT */
#include "tests/unit/sbc/call/stage.h"

#include <stdio.h>
#include <stdlib.h>

static const char provisioning[] =
	"{\"realms\":[{\"name\":\"inside\",\"listeners\":[{\"transport\":\"udp\","
	"\"address\":\"192.0.2.2\"}],\"media\":{\"address\":\"192.0.2.2\"}},"
	"{\"name\":\"outside\",\"listeners\":[{\"transport\":\"udp\",\"address\":\"198.51.100.2\"}],"
	"\"media\":{\"address\":\"198.51.100.2\"}}],"
	"\"trunks\":[{\"name\":\"pbx\",\"realm\":\"inside\","
	"\"bodies\":[\"application/isup\",\"application/pidf+xml\"],"
	"\"gateways\":[{\"uri\":\"sip:192.0.2.10:5060\"}]},"
	"{\"name\":\"other\",\"realm\":\"inside\","
	"\"gateways\":[{\"uri\":\"sip:192.0.2.66:5060\"}]},"
	"{\"name\":\"picky\",\"realm\":\"outside\",\"media\":{\"codecs\":[\"PCMU\"]},"
	"\"gateways\":[{\"uri\":\"sip:198.51.100.22:5060\"}]},"
	"{\"name\":\"vault\",\"realm\":\"outside\",\"media\":{\"srtp\":\"required\","
	"\"sdes_trusted\":true},\"gateways\":[{\"uri\":\"sip:198.51.100.23:5060\"}]},"
	"{\"name\":\"tones\",\"realm\":\"outside\",\"media\":{\"dtmf\":\"rfc4733\"},"
	"\"gateways\":[{\"uri\":\"sip:198.51.100.24:5060\"}]},"
	"{\"name\":\"words\",\"realm\":\"outside\",\"media\":{\"dtmf\":\"info\"},"
	"\"auth\":{\"username\":\"acct\",\"password\":\"secret\"},"
	"\"gateways\":[{\"uri\":\"sip:198.51.100.25:5060\"}]},"
	"{\"name\":\"vague\",\"realm\":\"outside\",\"media\":{\"srtp\":\"required\","
	"\"keying\":[\"sdes\"]},\"gateways\":[{\"uri\":\"sip:vague.example\"}]},"
	"{\"name\":\"carrier\",\"realm\":\"outside\",\"timers\":{\"ring_s\":70},"
	"\"media\":{\"timeout_action\":\"probe\",\"timeout_s\":30,"
	"\"one_way_action\":\"probe\"},"
	"\"bodies\":[\"application/PIDF+xml\",\"application/isup\",\"application/qsig\"],\"gateways\":["
	"{\"uri\":\"sip:198.51.100.20:5060\",\"priority\":1},"
	"{\"uri\":\"sip:198.51.100.21:5060\",\"priority\":2}]}],"
	"\"routes\":[{\"name\":\"both\",\"priority\":1,"
	"\"match\":{\"trunk\":\"pbx\",\"called\":\"^5\"},\"targets\":["
	"{\"trunk\":\"picky\",\"priority\":1},{\"trunk\":\"carrier\",\"priority\":2}]},"
	"{\"name\":\"only\",\"priority\":1,\"match\":{\"trunk\":\"pbx\",\"called\":\"^6\"},"
	"\"targets\":[{\"trunk\":\"picky\"}]},"
	"{\"name\":\"to-tones\",\"priority\":1,\"match\":{\"trunk\":\"pbx\",\"called\":\"^1\"},"
	"\"targets\":[{\"trunk\":\"tones\"}]},"
	"{\"name\":\"to-words\",\"priority\":1,\"match\":{\"trunk\":\"pbx\",\"called\":\"^2\"},"
	"\"targets\":[{\"trunk\":\"words\"}]},"
	"{\"name\":\"keys\",\"priority\":1,\"match\":{\"trunk\":\"pbx\",\"called\":\"^7\"},"
	"\"targets\":[{\"trunk\":\"vault\"}]},"
	"{\"name\":\"perhaps\",\"priority\":1,\"match\":{\"trunk\":\"pbx\",\"called\":\"^8\"},"
	"\"targets\":[{\"trunk\":\"vague\",\"priority\":1},{\"trunk\":\"carrier\",\"priority\":2}]},"
	"{\"name\":\"vaguely\",\"priority\":1,\"match\":{\"trunk\":\"pbx\",\"called\":\"^9\"},"
	"\"targets\":[{\"trunk\":\"vague\"}]},"
	"{\"name\":\"out\",\"match\":{\"trunk\":\"pbx\"},"
	"\"targets\":[{\"trunk\":\"carrier\"}]}]}";

static enum err on_send(void *owner, const struct flow *flow, struct slice bytes)
{
	struct stage *stage = owner;
	struct kept *kept = &stage->sent[stage->sent_count % array_size(stage->sent)];
	struct endpoint refused;

	if (stage->unreachable &&
	    endpoint_parse(slice_text(stage->unreachable), &refused) == OK &&
	    endpoint_eq(&refused, &flow->remote))
		return ERR_CLOSED;
	stage->sent_count++;
	kept->to = flow->remote;
	kept->len = bytes.len;
	assert_true(bytes.len < sizeof(kept->bytes));
	memcpy(kept->bytes, bytes.p, bytes.len);
	stage->taken[(stage->sent_count - 1) % array_size(stage->taken)] = 0;
	return OK;
}

static void on_record(void *owner, const struct ctl_call_info *info)
{
	struct stage *stage = owner;

	stage->records++;
	stage->record_code = info->sip_code;
	raw_copy(stage->record_result, sizeof(stage->record_result), info->result);
	raw_copy(stage->record_cause, sizeof(stage->record_cause), info->cause);
}

struct stage *stage_new(void)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	struct border_config config = { .provisioning = provisioning,
					.hooks = { on_send, on_record, stage },
					.seed = 1,
					.now_ms = 1000000,
					.capacity = 16 };

	assert_non_null(stage);
	stage->now_ms = config.now_ms;
	stage->border = border_create(&config);
	stage->a = (struct raw_dialog){ .call_id = "call-of-a", .local = "<sip:1001@pbx.example>",
					.remote = "<sip:4711@border.example>",
					.local_tag = "tag-of-a", .target = "sip:4711@192.0.2.2",
					.via = PBX };
	return stage;
}

void stage_end(struct stage **at)
{
	struct stage *stage = *at;

	stage_run(stage, 100000);
	border_check_idle(stage->border);
	border_destroy(&stage->border);
	free(stage);
	*at = NULL;
}

void stage_run(struct stage *stage, uint64_t ms)
{
	for (uint64_t end_ms = stage->now_ms + ms; stage->now_ms < end_ms;)
		border_tick(stage->border, ++stage->now_ms);
}

static struct kept *next_to(struct stage *stage, const char *to)
{
	size_t first = stage->sent_count > array_size(stage->sent) ?
			       stage->sent_count - array_size(stage->sent) :
			       0;
	struct endpoint endpoint;

	assert_int_equal(endpoint_parse(slice_text(to), &endpoint), OK);
	for (size_t i = first; i < stage->sent_count; i++) {
		size_t slot = i % array_size(stage->sent);

		if (stage->taken[slot] || !endpoint_eq(&stage->sent[slot].to, &endpoint))
			continue;
		stage->taken[slot] = 1;
		return &stage->sent[slot];
	}
	return NULL;
}

struct slice stage_take(struct stage *stage, const char *to, const char *start)
{
	struct kept *kept = next_to(stage, to);

	if (!kept)
		fail_msg("nothing for %s, where %s was expected", to, start);
	if (kept->len < strlen(start) || memcmp(kept->bytes, start, strlen(start)) != 0)
		fail_msg("for %s instead of %s:\n%.*s", to, start, (int)kept->len, kept->bytes);
	return slice_of(kept->bytes, kept->len);
}

void stage_none(struct stage *stage, const char *to)
{
	struct kept *kept = next_to(stage, to);

	if (kept)
		fail_msg("for %s, where nothing was expected:\n%.*s", to, (int)kept->len,
			 kept->bytes);
}

void stage_skip(struct stage *stage, const char *to)
{
	while (next_to(stage, to))
		continue;
}

void stage_feed(struct stage *stage, const char *from, struct slice bytes)
{
	struct flow flow = { .transport = SIP_UDP };

	assert_int_equal(endpoint_parse(slice_text(from), &flow.remote), OK);
	assert_int_equal(endpoint_parse(strncmp(from, "192.", 4) == 0 ?
						SLICE("192.0.2.2:5060") :
						SLICE("198.51.100.2:5060"),
					&flow.local),
			 OK);
	border_receive(stage->border, &flow, bytes);
	stage_run(stage, 1); /* the relay's answers */
}

static const char *new_branch(struct stage *stage, char *storage, size_t size)
{
	snprintf(storage, size, "z9hG4bKtest%u", ++stage->branches);
	return storage;
}

void stage_invite(struct stage *stage, const char *sdp)
{
	struct raw_request request = {
		.method = "INVITE",
		.cseq = ++stage->a.cseq,
		.branch = new_branch(stage, stage->invite_branch, sizeof(stage->invite_branch)),
		.headers = "Allow: INVITE, ACK, CANCEL, BYE, UPDATE, INFO, OPTIONS\r\n",
		.sdp = sdp
	};

	stage->invite_a = raw_write_request(stage->invite_storage, &stage->a, &request);
	stage_feed(stage, PBX, stage->invite_a);
}

static struct slice request_of(struct stage *stage, struct raw_dialog *dialog, const char *method,
			       const char *sdp)
{
	char branch[32];
	struct raw_request request = { .method = method,
				       .cseq = ++dialog->cseq,
				       .branch = new_branch(stage, branch, sizeof(branch)),
				       .sdp = sdp };

	return raw_write_request(stage->storage, dialog, &request);
}

struct slice stage_request_a(struct stage *stage, const char *method, const char *sdp)
{
	struct slice bytes = request_of(stage, &stage->a, method, sdp);

	stage_feed(stage, PBX, bytes);
	return bytes;
}

struct slice stage_request_b(struct stage *stage, const char *from, const char *method,
			     const char *sdp)
{
	struct slice bytes = request_of(stage, &stage->b, method, sdp);

	stage_feed(stage, from, bytes);
	return bytes;
}

void stage_ack_a(struct stage *stage, uint32_t cseq, const char *sdp)
{
	char branch[32];
	struct raw_request request = { .method = "ACK",
				       .cseq = cseq,
				       .branch = new_branch(stage, branch, sizeof(branch)),
				       .sdp = sdp };

	stage_feed(stage, PBX, raw_write_request(stage->storage, &stage->a, &request));
}

void stage_ack_refusal(struct stage *stage, struct slice invite)
{
	char branch[64];
	char storage[RAW_BYTES];
	struct raw_request request = { .method = "ACK", .cseq = raw_cseq(invite),
				       .branch = branch };

	raw_copy(branch, sizeof(branch), raw_branch(invite));
	stage_feed(stage, PBX, raw_write_request(storage, &stage->a, &request));
}

void stage_cancel_a(struct stage *stage)
{
	struct raw_request request = { .method = "CANCEL",
				       .cseq = raw_cseq(stage->invite_a),
				       .branch = stage->invite_branch,
				       .headers = "Reason: SIP;cause=200;text=\"elsewhere\"\r\n" };
	struct raw_dialog dialog = stage->a;

	if (raw_tag(stage->invite_a, "To").len == 0) {
		dialog.remote_tag[0] = '\0';
		snprintf(dialog.target, sizeof(dialog.target), "sip:4711@192.0.2.2");
	}
	stage_feed(stage, PBX, raw_write_request(stage->storage, &dialog, &request));
}

/* The callee's dialog is what the request and its answer make of it; the caller's what comes back. */
static void learn_b(struct stage *stage, const char *from, struct slice request, const char *tag)
{
	struct raw_dialog *b = &stage->b;
	struct slice party = raw_field(request, "From");

	raw_copy(b->call_id, sizeof(b->call_id), raw_field(request, "Call-ID"));
	raw_copy(b->remote_tag, sizeof(b->remote_tag), raw_tag(request, "From"));
	party.len = (size_t)(raw_tag(request, "From").p - party.p) - 5;
	raw_copy(b->remote, sizeof(b->remote), party);
	raw_copy(b->local, sizeof(b->local), raw_field(request, "To"));
	raw_copy(b->target, sizeof(b->target), raw_contact(request));
	raw_copy(b->local_tag, sizeof(b->local_tag), slice_text(tag));
	raw_copy(b->via, sizeof(b->via), slice_text(from));
}

void stage_answer(struct stage *stage, const char *from, struct slice request, unsigned status,
		  const char *tag, const char *sdp)
{
	char copy[RAW_BYTES];
	char storage[RAW_BYTES];
	struct slice asked;

	raw_copy(copy, sizeof(copy), request);
	asked = slice_text(copy);
	if (tag && status > 100 && raw_tag(asked, "To").len == 0 && from[0] == '1' &&
	    strncmp(from, "198.", 4) == 0)
		learn_b(stage, from, asked, tag);
	stage_feed(stage, from,
		   raw_write_response(storage, asked, status, tag, from,
				      "Allow: INVITE, ACK, CANCEL, BYE, UPDATE\r\n", sdp));
}

struct slice stage_begin(struct stage *stage, const char *sdp, char *copy)
{
	stage_invite(stage, sdp);
	raw_copy(copy, RAW_BYTES, stage_take(stage, GW_1, "INVITE "));
	return slice_text(copy);
}

void stage_call(struct stage *stage, const char *sdp, unsigned status, const char *answer_sdp)
{
	char copy[RAW_BYTES];

	stage_answer(stage, GW_1, stage_begin(stage, sdp, copy), status, "tag-of-b", answer_sdp);
}

void stage_cancelled(struct stage *stage)
{
	stage_cancel_a(stage);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_take(stage, PBX, "SIP/2.0 487 ");
}

void stage_learn_a(struct stage *stage, struct slice response)
{
	raw_copy(stage->a.remote_tag, sizeof(stage->a.remote_tag), raw_tag(response, "To"));
	raw_copy(stage->a.target, sizeof(stage->a.target), raw_contact(response));
}

void stage_talk(struct stage *stage)
{
	struct slice invite;
	struct slice answer;

	stage_invite(stage, SDP_A);
	invite = stage_take(stage, GW_1, "INVITE ");
	stage_answer(stage, GW_1, invite, 200, "tag-of-b", SDP_B);
	stage_take(stage, GW_1, "ACK ");
	answer = stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_learn_a(stage, answer);
	stage_ack_a(stage, 1, NULL);
	stage_none(stage, PBX);
	stage_none(stage, GW_1);
}
