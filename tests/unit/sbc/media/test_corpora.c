/* SPDX-License-Identifier: MIT
 * The given bodies: each parses or is refused with a line; what we write from it parses again, and
 * says of what we carry the same as the original. */
#include "tests/support/media_world.h"

#include <dirent.h>
#include <stdlib.h>

static const char *const folders[] = { "sdp-rtpengine/input", "fuzz-seeds/pjsip/fuzz-sdp",
				       "fuzz-seeds/pjsip/fuzz-sdes",
				       "fuzz-seeds/webrtc-mediasoup/corpora/sdp-corpus",
				       "fuzz-seeds/sofia-sip/sdp/tests" };

struct figures {
	unsigned read, parsed, carried;
};

static bool relayed(const struct sdp_media *media)
{
	return media->proto == SDP_RTP_AVP || media->proto == SDP_RTP_AVPF ||
	       media->proto == SDP_UDPTL;
}

/* Line by line: the same order; where a line of ours is in use it has that of theirs behind it. */
static void compare(const struct sdp *in, const struct sdp *out, const char *path)
{
	if (in->media_count != out->media_count)
		fail_msg("%s: lines", path);
	for (size_t i = 0; i < out->media_count; i++) {
		const struct sdp_media *a = &in->media[i];
		const struct sdp_media *b = &out->media[i];

		if (b->port == 0)
			continue;
		assert_true(a->port != 0 && relayed(a));
		assert_int_equal(a->kind, b->kind);
		assert_int_equal(b->proto, a->proto == SDP_UDPTL ? SDP_UDPTL : SDP_RTP_AVP);
		assert_int_equal(a->ptime_ms, b->ptime_ms);
		for (size_t at = 0, from = 0; at < b->codec_count; at++, from++) {
			while (from < a->codec_count &&
			       a->codecs[from].payload_type != b->codecs[at].payload_type)
				from++;
			assert_true(from < a->codec_count);
			assert_true(sdp_codec_same(&a->codecs[from], &b->codecs[at]));
		}
		assert_int_equal(sdp_media_connection(out, b)->ip.bytes[0], 198);
		assert_false(b->mid.len > 0 || b->rtcp_mux || b->bundle_only);
	}
}

static void check(struct slice body, const char *path, struct figures *figures)
{
	struct sdp in, out;
	unsigned line = 0;
	struct world w;
	struct slice text;
	enum err err;

	world_init(&w);
	world_sides(&w);
	figures->read++;
	err = sdp_parse(&w.turn, body, &sdp_limits_default, &in, &line);
	assert_true(err == OK || ((err == ERR_SYNTAX || err == ERR_LIMIT) && line > 0));
	figures->parsed += err == OK;
	err = media_offer_in(w.media, 0, body, &w.turn, &w.command, &w.verdict);
	assert_true(err == OK || (err == ERR_REFUSED && w.verdict.status >= 400));
	if (err == OK) {
		figures->carried++;
		assert_int_equal(world_ports(&w), OK);
		text = media_offer_out(w.media, &w.turn);
		if (sdp_parse(&w.turn, text, &sdp_limits_default, &out, &line) != OK)
			fail_msg("%s: our line %u of\n%.*s", path, line, SLICE_ARG(text));
		compare(&in, &out, path);
		/* What we wrote is an answer to itself. */
		err = media_answer_in(w.media, text, &w.turn, &w.command, &w.verdict);
		if (err != OK)
			fail_msg("%s: %s to\n%.*s", path, w.verdict.why, SLICE_ARG(text));
		text = media_answer_out(w.media, &w.turn);
		assert_int_equal(sdp_parse(&w.turn, text, &sdp_limits_default, &out, &line), OK);
		assert_int_equal(in.media_count, out.media_count);
	}
	world_fini(&w);
}

static void check_folder(const char path[3072], struct figures *figures)
{
	static char body[1 << 17];
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char name[4096 + 256];
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		file = fopen(name, "rb");
		assert_non_null(file);
		check(slice_of(body, fread(body, 1, sizeof(body), file)), name, figures);
		fclose(file);
	}
	if (dir)
		closedir(dir);
}

static void test_given_bodies(void **state)
{
	const char *corpora = getenv("SBC_CORPORA");
	struct figures figures = { 0 };

	(void)state;
	for (size_t i = 0; corpora && i < array_size(folders); i++) {
		char path[3072];

		snprintf(path, sizeof(path), "%s/%s", corpora, folders[i]);
		check_folder(path, &figures);
		if (i == 0 && figures.read > 0) {
			/* 11 of the relay's 423 hold placeholders instead of numbers. */
			assert_int_equal(figures.read, 423);
			assert_int_equal(figures.parsed, 412);
		}
	}
	if (figures.read == 0) {
		printf("no corpora at %s: skipped\n", corpora ? corpora : "$SBC_CORPORA");
		skip();
	}
	printf("%u bodies, %u parsed, %u carried\n", figures.read, figures.parsed, figures.carried);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_given_bodies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
