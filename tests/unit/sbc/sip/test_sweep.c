/* SPDX-License-Identifier: MIT
 * What must hold for any bytes: every prefix of every vector, every quota of memory, 64 KiB of the
 * worst that we could think of, and the PROTOS set where it is present. */
#include <dirent.h>
#include <time.h>

#include "tests/unit/sbc/sip/vectors.h"

typedef void (*vector_check)(const char *name, struct slice bytes);

static unsigned folder_walk(const char *folder, vector_check check)
{
	struct dirent *entry;
	unsigned count = 0;
	DIR *dir = opendir(folder);

	while (dir && (entry = readdir(dir))) {
		char path[4096];
		struct slice bytes;

		if (entry->d_name[0] == '.' || strstr(entry->d_name, ".tsv"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		bytes = vector_read(path);
		assert_non_null(bytes.p);
		check(entry->d_name, bytes);
		vector_free(bytes);
		count++;
	}
	if (dir)
		closedir(dir);
	return count;
}

/* Parses, answers, and holds the answer against the request: it parses, and echoes what it must. */
static enum err parse_and_answer(struct arena *arena, struct slice bytes)
{
	static const struct endpoint source = { { IP_V4, { 192, 0, 2, 77 } }, 5099 };
	struct sip_reply_head head;
	struct sip_verdict verdict;
	struct sip_msg reply;
	struct sip_msg msg;
	struct text text;
	enum err err;

	err = sip_parse(arena, bytes, &sip_limits_default, &msg, &verdict);
	assert_int_equal(err == OK, verdict.status == 0);
	if (err == ERR_NOMEM || verdict.drop || !msg.is_request)
		return err;
	if (sip_reply_keep(arena, &msg, &source, &head) != OK)
		return ERR_NOMEM;
	text_init_arena(&text, arena, 1024);
	sip_reply_write(&text, &head, verdict.status ? verdict.status : 200, SLICE_NONE, SLICE("t"),
			true);
	sip_write_body(&text, SLICE_NONE, SLICE_NONE);
	if (text.err != OK)
		return ERR_NOMEM;
	if (err != OK)
		return err;
	err = sip_parse(arena, text_done(&text), &sip_limits_default, &reply, &verdict);
	if (err == ERR_NOMEM)
		return err;
	assert_int_equal(err, OK);
	assert_true(slice_eq(reply.call_id, msg.call_id));
	assert_true(slice_eq(reply.from_tag, msg.from_tag));
	assert_true(slice_eq(reply.via.branch, msg.via.branch));
	assert_int_equal(reply.cseq.number, msg.cseq.number);
	return OK;
}

static void prefixes_check(const char *name, struct slice bytes)
{
	struct fixture fixture;

	(void)name;
	fixture_init(&fixture);
	for (size_t len = 0; len <= bytes.len; len++) {
		char *copy = malloc(len ? len : 1);

		assert_non_null(copy);
		memcpy(copy, bytes.p, len);
		arena_reset(&fixture.arena);
		(void)!parse_and_answer(&fixture.arena, slice_of(copy, len));
		free(copy);
	}
	fixture_fini(&fixture);
}

static void every_prefix(void **state)
{
	(void)state;
	assert_int_equal(folder_walk(SBC_SOURCE_ROOT "/tests/vectors/sip", prefixes_check), 30);
}

/* With little memory the only new outcome is ERR_NOMEM, and the quota is kept. */
static void quotas_check(const char *name, struct slice bytes)
{
	struct arena_cache cache;
	enum err unlimited;
	struct arena arena;

	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 0, 1 << 20);
	unlimited = parse_and_answer(&arena, bytes);
	arena_fini(&arena);
	for (size_t quota = 0; quota < 16384; quota += quota < 64 ? 1 : 61) {
		enum err err;

		arena_init(&arena, &cache, 0, quota);
		err = parse_and_answer(&arena, bytes);
		if (err != unlimited && err != ERR_NOMEM)
			fail_msg("%s with %zu bytes: %s", name, quota, err_text(err));
		assert_true(arena.held_bytes <= quota);
		arena_fini(&arena);
	}
	arena_cache_fini(&cache);
}

static void every_quota(void **state)
{
	(void)state;
	assert_int_equal(folder_walk(SBC_SOURCE_ROOT "/tests/vectors/sip", quotas_check), 30);
}

/* ---- the worst inputs ---- */

struct pattern {
	const char *name;
	const char *start; /* once */
	const char *unit;  /* until the message is full */
	const char *end;
};
#define REQUEST                                                                                    \
	"OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\n"    \
	"Call-ID: x\r\nCSeq: 1 OPTIONS\r\n"
static const struct pattern patterns[] = {
	{ "contacts", REQUEST "Contact: <sip:a>", ",<sip:a>", "\r\n\r\n" },
	{ "contact fields", REQUEST, "m:<sip:a>\r\n", "\r\n" },
	{ "vias", REQUEST "Via: SIP/2.0/UDP h", ",SIP/2.0/UDP h", "\r\n\r\n" },
	{ "via fields", REQUEST, "v:SIP/2.0/UDP h\r\n", "\r\n" },
	{ "commas", REQUEST "Contact: <sip:a>", ",", "\r\n\r\n" },
	{ "folds", REQUEST "Subject: x", "\r\n ", "\r\n\r\n" },
	{ "folded words", REQUEST "Subject: x", "\r\n y", "\r\n\r\n" },
	{ "short fields", REQUEST, "a:\r\n", "\r\n" },
	{ "address parameters", REQUEST "Contact: <sip:a>", ";a", "\r\n\r\n" },
	{ "URI parameters", REQUEST "Contact: <sip:a", ";a", ">\r\n\r\n" },
	{ "URI headers", REQUEST "Contact: <sip:a?a=b", "&a=b", ">\r\n\r\n" },
	{ "via parameters", REQUEST "Via: SIP/2.0/UDP h", ";a", "\r\n\r\n" },
	{ "comments", REQUEST "Via: SIP/2.0/UDP h,", "(", "\r\n\r\n" },
	{ "commas in comments", REQUEST "Reason: ", "(,", "\r\n\r\n" },
	{ "quotes", REQUEST "Contact: ", "\"", "\r\n\r\n" },
	{ "quotes and commas", REQUEST "Contact: ", "\",", "\r\n\r\n" },
	{ "backslashes", REQUEST "Contact: \"", "\\", "\r\n\r\n" },
	{ "angles", REQUEST "Contact: ", "<,", "\r\n\r\n" },
	{ "colons", REQUEST "Contact: <sip:[", ":", "\r\n\r\n" },
	{ "spaces", REQUEST "Contact:", " ", "\r\n\r\n" },
	{ "carriage returns", REQUEST "Contact:", "\r", "\r\n\r\n" },
	{ "digits", REQUEST "Max-Forwards: ", "9", "\r\n\r\n" },
	{ "line ends", "", "\r\n", "" },
	{ "method", "", "A", " sip:b SIP/2.0\r\n\r\n" },
	{ "at signs", "OPTIONS sip:", "@", " SIP/2.0\r\n\r\n" },
	{ "escapes", "OPTIONS sip:", "%41", "@b SIP/2.0\r\n\r\n" },
	{ "boundaries", REQUEST "c: multipart/mixed;boundary=b\r\n\r\n--b\r\n\r\n", "\r\n--bb",
	  "" },
	{ "parts", REQUEST "c: multipart/mixed;boundary=b\r\n\r\n--b\r\n\r\n", "\r\n--b\r\n\r\n",
	  "" },
	{ "part headers", REQUEST "c: multipart/mixed;boundary=b\r\n\r\n--b\r\n", "a:\r\n",
	  "\r\n\r\n--b--" },
};

static struct slice pattern_fill(const struct pattern *pattern, size_t size, char *storage)
{
	struct text text;

	text_init(&text, storage, size);
	text_slice(&text, slice_text(pattern->start));
	while (text.len + strlen(pattern->unit) + strlen(pattern->end) <= size)
		text_slice(&text, slice_text(pattern->unit));
	text_slice(&text, slice_text(pattern->end));
	return text_done(&text);
}

/* Limits of the header's length out of the way, so that the whole length is worked on. */
static const struct sip_limits wide = { 65535, 65000, 65535, 65000 };

static double best_us(struct arena *arena, struct slice bytes)
{
	double best = 1e18;

	for (int round = 0; round < 5; round++) {
		struct timespec from;
		struct timespec to;
		struct sip_verdict verdict;
		struct sip_msg msg;
		struct slice part;
		double us;

		arena_reset(arena);
		clock_gettime(CLOCK_MONOTONIC, &from);
		(void)!sip_parse(arena, bytes, &wide, &msg, &verdict);
		(void)!sip_body_find(&msg, SLICE("application/sdp"), &part);
		if (msg.uri_text.len > 0)
			(void)sip_uri_eq(&msg.uri, &msg.uri);
		clock_gettime(CLOCK_MONOTONIC, &to);
		us = (double)(to.tv_sec - from.tv_sec) * 1e6 +
		     (double)(to.tv_nsec - from.tv_nsec) / 1e3;
		best = us < best ? us : best;
	}
	return best;
}

/* Twice the bytes take about twice the time and memory. Times are printed and not asserted, but for
 * a bound that only a quadratic step over 64 KiB (some 10^9 byte visits) could pass. */
static void grows_linearly(void **state)
{
	static char storage[65535];
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		struct arena small;
		struct arena large;
		double small_us;
		double large_us;

		arena_init(&small, &fixture.cache, 0, 16 << 20);
		arena_init(&large, &fixture.cache, 0, 16 << 20);
		small_us = best_us(&small, pattern_fill(&patterns[i], 32768, storage));
		large_us = best_us(&large, pattern_fill(&patterns[i], 65535, storage));
		print_message("%-20s 32K %8.1f us %8zu held, 64K %8.1f us %8zu held, ratio %.2f\n",
			      patterns[i].name, small_us, small.held_bytes, large_us,
			      large.held_bytes, large_us / small_us);
		assert_true(large.held_bytes <= 32 * 65536);
		arena_fini(&small);
		arena_fini(&large);
	}
	fixture_fini(&fixture);
}

/* ---- the PROTOS set: templates with tags ---- */

struct tag {
	struct slice name;
	struct slice value;
};
static const struct tag tags[] = {
	{ { "<To>", 4 }, { "sbc@127.0.0.1", 13 } },
	{ { "<To-Name>", 9 }, { "sbc", 3 } },
	{ { "<To-Address>", 12 }, { "127.0.0.1", 9 } },
	{ { "<From>", 6 }, { "user@127.0.0.1", 14 } },
	{ { "<From-Name>", 11 }, { "user", 4 } },
	{ { "<From-Address>", 14 }, { "127.0.0.1", 9 } },
	{ { "<From-IP>", 9 }, { "127.0.0.1", 9 } },
	{ { "<Call-ID>", 9 }, { "17", 2 } },
	{ { "<CSeq>", 6 }, { "1", 1 } },
	{ { "<Local-Port>", 12 }, { "5070", 4 } },
	{ { "<Branch-ID>", 11 }, { "000017", 6 } },
};

static void tags_replace(struct text *text, struct slice from, const struct tag *list, size_t count)
{
	while (from.len > 0) {
		size_t i = 0;

		while (i < count && !slice_starts(from, list[i].name))
			i++;
		if (i < count)
			text_slice(text, list[i].value);
		else
			text_char(text, from.p[0]);
		from = slice_skip(from, i < count ? list[i].name.len : 1);
	}
}

/* "<length> <template>", of which more may follow. The length of the body is filled in last. */
static void protos_check(const char *name, struct slice bytes)
{
	static char first[400000];
	static char second[400000];
	struct fixture fixture;
	struct slice digits;
	struct slice message;
	char length[24];
	struct text text;
	uint32_t len;

	assert_true(slice_cut_char(&bytes, ' ', &digits));
	if (parse_u32(digits, &len) != OK || len > bytes.len)
		fail_msg("%s has no length", name);
	text_init(&text, first, sizeof(first));
	tags_replace(&text, slice_head(bytes, len), tags, sizeof(tags) / sizeof(tags[0]));
	message = text_done(&text);
	snprintf(length, sizeof(length), "%zu",
		 slice_skip(message, slice_find(message, SLICE("\r\n\r\n")) + 4).len);
	text_init(&text, second, sizeof(second));
	tags_replace(&text, message, &(struct tag){ SLICE("<Content-Length>"), slice_text(length) },
		     1);
	fixture_init(&fixture);
	(void)!parse_and_answer(&fixture.arena, slice_head(text_done(&text), 65507));
	fixture_fini(&fixture);
}

static void protos_set(void **state)
{
	char folder[4096];
	unsigned count;

	(void)state;
	snprintf(folder, sizeof(folder), "%s/protos-c07-sip/testcases", corpora_folder());
	count = folder_walk(folder, protos_check);
	if (count == 0) {
		print_message("skipped: no messages in %s\n", folder);
		skip();
	}
	print_message("%u messages\n", count);
	assert_true(count > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_prefix),
		cmocka_unit_test(every_quota),
		cmocka_unit_test(grows_linearly),
		cmocka_unit_test(protos_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
