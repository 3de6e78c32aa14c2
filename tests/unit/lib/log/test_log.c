/* SPDX-License-Identifier: MIT
 * Lines as a reader gets them: jansson judges the JSON, a pipe with no reader tries to block us. */
#include "lib/log/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "lib/base/rand.h"
#include "tests/support/unit.h"

struct sink {
	struct log log;
	int read_fd;
	char line[8192];
};

static void sink_open(struct sink *sink, enum log_format format)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	log_init(&sink->log, "testd", LOG_LEVEL_INFO, format);
	sink->log.fd = fds[1];
	sink->read_fd = fds[0];
}

static void sink_close(struct sink *sink)
{
	close(sink->log.fd);
	close(sink->read_fd);
}

/* The one line that was written, without its end. */
static const char *sink_line(struct sink *sink)
{
	ssize_t len = read(sink->read_fd, sink->line, sizeof(sink->line) - 1);

	assert_true(len > 1);
	sink->line[len] = 0;
	assert_int_equal(sink->line[len - 1], '\n');
	assert_ptr_equal(strchr(sink->line, '\n'), sink->line + len - 1);
	assert_true(len <= 4096);
	sink->line[len - 1] = 0;
	return sink->line;
}

/* What stands behind the time stamp, whose form is checked. */
static const char *after_stamp(const char *line)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ ";

	for (size_t i = 0; form[i]; i++) {
		if (form[i] == 'd')
			assert_true(line[i] >= '0' && line[i] <= '9');
		else
			assert_int_equal(line[i], form[i]);
	}
	return line + sizeof(form) - 1;
}

static void text_lines(void **state)
{
	static const struct {
		struct slice value;
		const char *want;
	} rows[] = {
		{ { "plain", 5 }, "plain" },
		{ { "", 0 }, "\"\"" },
		{ { "two words", 9 }, "\"two words\"" },
		{ { "a=b", 3 }, "\"a=b\"" },
		{ { "q\"\\", 3 }, "\"q\\\"\\\\\"" },
		{ { "x\r\nevent=y", 10 }, "\"x\\r\\nevent=y\"" },
		{ { "\0\x1b[2J", 5 }, "\"\\u0000\\u001b[2J\"" },
		{ { "\xff\xc3(", 3 }, "\"\\xff\\xc3(\"" },
		{ { "\xc3\xa9", 2 }, "\"\xc3\xa9\"" },
		{ { "\xc2\x85", 2 }, "\"\\u0085\"" },
		{ { "\xe2\x80\xae", 3 }, "\"\\u202e\"" },
		{ { "\xc0\xaf\xed\xa0\x80", 5 }, "\"\\xc0\\xaf\\xed\\xa0\\x80\"" },
	};
	struct sink sink;
	char want[128];

	(void)state;
	sink_open(&sink, LOG_FORMAT_TEXT);
	for (size_t i = 0; i < array_size(rows); i++) {
		log_write(&sink.log, LOG_LEVEL_ERROR, EVENT_failed, LOG_S("v", rows[i].value));
		snprintf(want, sizeof(want), "error event=failed program=testd v=%s", rows[i].want);
		assert_string_equal(after_stamp(sink_line(&sink)), want);
	}
	sink_close(&sink);
}

static void numbers_and_endpoints(void **state)
{
	struct endpoint endpoint;
	struct sink sink;
	json_t *json;

	(void)state;
	assert_int_equal(endpoint_parse(SLICE("[2001:db8::1]:5060"), &endpoint), OK);
	sink_open(&sink, LOG_FORMAT_JSON);
	log_write(&sink.log, LOG_LEVEL_INFO, EVENT_started, LOG_I("i", -5), LOG_U("u", 7),
		  LOG_E("e", &endpoint));
	json = json_loads(sink_line(&sink), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_int_equal(json_integer_value(json_object_get(json, "i")), -5);
	assert_int_equal(json_integer_value(json_object_get(json, "u")), 7);
	assert_string_equal(json_string_value(json_object_get(json, "e")), "[2001:db8::1]:5060");
	assert_string_equal(json_string_value(json_object_get(json, "level")), "info");
	assert_string_equal(json_string_value(json_object_get(json, "event")), "started");
	assert_string_equal(json_string_value(json_object_get(json, "program")), "testd");
	json_decref(json);
	log_write(&sink.log, LOG_LEVEL_DEBUG, EVENT_debug_note);
	assert_int_equal(read(sink.read_fd, sink.line, 1), -1);
	sink_close(&sink);
}

/* Random bytes, and bytes that are likely to hurt, of lengths around the clipping points. */
static void any_bytes_are_json(void **state)
{
	static const char nasty[] = "\"\\\n\r\t\0\x1b\x7f\xc2\x85\xe2\x80\xa8\xf0\x9f\x98\x80\xf4\x90\xed";
	char value[1400];
	struct sink sink;
	struct rand rand;

	(void)state;
	rand_init_seed(&rand, 3);
	sink_open(&sink, LOG_FORMAT_JSON);
	for (unsigned round = 0; round < 3000; round++) {
		size_t len = rand_below(&rand, round % 2 ? 20 : sizeof(value));
		struct slice s = { value, len };
		json_t *json;

		for (size_t i = 0; i < len; i++)
			value[i] = round % 3 ? nasty[rand_below(&rand, sizeof(nasty) - 1)]
					     : (char)rand_u32(&rand);
		log_write(&sink.log, LOG_LEVEL_INFO, EVENT_failed, LOG_S("a", s), LOG_S("b", s),
			  LOG_U("c", round));
		json = json_loads(sink_line(&sink), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		assert_non_null(json);
		assert_true(json_object_get(json, "clipped") || json_object_get(json, "c"));
		json_decref(json);
	}
	assert_int_equal(sink.log.dropped, 0);
	sink_close(&sink);
}

static void clips_between_characters(void **state)
{
	char value[600];
	struct sink sink;
	json_t *json;
	const char *got;

	(void)state;
	sink_open(&sink, LOG_FORMAT_JSON);
	/* é is two bytes, and 511 is odd: the clip falls into the middle of one. */
	value[0] = 'x';
	for (size_t i = 1; i + 1 < sizeof(value); i += 2)
		memcpy(value + i, "\xc3\xa9", 2);
	log_write(&sink.log, LOG_LEVEL_INFO, EVENT_failed, LOG_S("v", slice_of(value, 599)));
	json = json_loads(sink_line(&sink), 0, NULL);
	assert_non_null(json);
	got = json_string_value(json_object_get(json, "v"));
	assert_int_equal(strlen(got), 511 + 3);
	assert_memory_equal(got, value, 511);
	assert_string_equal(got + 511, "...");
	json_decref(json);
	sink_close(&sink);
}

static void full_pipe_drops_and_counts(void **state)
{
	struct sink sink;
	uint64_t lines = 0;

	(void)state;
	sink_open(&sink, LOG_FORMAT_TEXT);
	/* Blocking on purpose: the room must not rely on who made the descriptor. */
	assert_int_equal(fcntl(sink.log.fd, F_SETFL, 0), 0);
	while (sink.log.dropped < 3) {
		log_write(&sink.log, LOG_LEVEL_INFO, EVENT_started, LOG_U("n", lines));
		lines++;
		assert_true(lines < 1000000);
	}
	assert_true(lines > 3);
	sink_close(&sink);
}

static void every_event_has_its_name(void **state)
{
	(void)state;
	assert_string_equal(log_event_name(EVENT_started), "started");
	for (unsigned i = 0; i < LOG_EVENT_COUNT; i++)
		assert_true(strlen(log_event_name((enum log_event)i)) > 0);
	assert_string_equal(log_event_name(LOG_EVENT_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_lines),
		cmocka_unit_test(numbers_and_endpoints),
		cmocka_unit_test(any_bytes_are_json),
		cmocka_unit_test(clips_between_characters),
		cmocka_unit_test(full_pipe_drops_and_counts),
		cmocka_unit_test(every_event_has_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
