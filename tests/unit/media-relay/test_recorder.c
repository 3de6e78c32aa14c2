/* SPDX-License-Identifier: MIT
 * Recordings without a relay: what stands in the file, read with nothing but the file format's own
 * definition; a ring that is full, a disk that is full, recordings side by side. */
#include "tests/support/unit.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "media-relay/worker/pcap_file.h"
#include "media-relay/worker/recorder.h"
#include "tests/unit/media-relay/told.h"

struct fixture {
	char folder[64];
	char paths[4][96];
	struct recorder *recorder;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	snprintf(f->folder, sizeof(f->folder), "/tmp/test_recorder.XXXXXX");
	if (!mkdtemp(f->folder))
		return -1;
	for (unsigned i = 0; i < 4; i++)
		snprintf(f->paths[i], sizeof(f->paths[i]), "%s/%u.pcap", f->folder, i);
	*state = f;
	return recorder_create(0, &f->recorder) == OK ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	recorder_destroy(&f->recorder);
	for (unsigned i = 0; i < 4; i++)
		unlink(f->paths[i]);
	rmdir(f->folder);
	free(f);
	return 0;
}

static bool say(struct fixture *f, struct recording *recording, const void *bytes, size_t len)
{
	struct recorded packet = { at("192.0.2.1:4000"), at("192.0.2.9:20000"), 1000 };
	unsigned char *room = recorder_reserve(f->recorder, recording, len);

	if (!room)
		return false;
	memcpy(room, bytes, len);
	recorder_commit(f->recorder, recording, &packet, len);
	return true;
}

/* The file's packets, one behind the other, each behind 16 bytes of its own; without the 24 of the
 * file. */
static size_t read_file(const char *path, unsigned char *ret, size_t room)
{
	FILE *file = fopen(path, "r");
	uint32_t head[6];
	size_t len;

	assert_non_null(file);
	assert_int_equal(fread(head, 1, sizeof(head), file), 24);
	assert_int_equal(head[0], 0xa1b2c3d4);
	assert_int_equal(head[1], 2 | 4 << 16); /* version 2.4 */
	assert_int_equal(head[5], 101);         /* LINKTYPE_RAW */
	len = fread(ret, 1, room, file);
	fclose(file);
	return len;
}

static unsigned count_packets(const unsigned char *bytes, size_t len)
{
	unsigned count = 0;
	uint32_t head[4];

	while (len > 0) {
		assert_true(len >= sizeof(head));
		memcpy(head, bytes, sizeof(head));
		assert_int_equal(head[2], head[3]);
		assert_true(len >= sizeof(head) + head[2]);
		bytes += sizeof(head) + head[2];
		len -= sizeof(head) + head[2];
		count++;
	}
	return count;
}

/* RFC 1071: over a whole with its checksum the sum is all ones. */
static uint16_t sum(const unsigned char *bytes, size_t len, uint32_t start)
{
	for (size_t i = 0; i < len; i++)
		start += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return (uint16_t)start;
}

static void headers_are_right(void **state)
{
	unsigned char frame[PCAP_HEADERS_MAX + 7] = { 0 };
	const unsigned char voice[7] = { 1, 2, 3, 0xff, 0xfe, 6, 0xab };
	struct endpoint from = at("192.0.2.1:4000");
	struct endpoint to = at("198.51.100.7:20002");

	(void)state;
	assert_int_equal(pcap_headers(frame, &from, &to, voice, 7), 28);
	memcpy(frame + 28, voice, 7);
	assert_int_equal(frame[0], 0x45);
	assert_int_equal(frame[3], 35);
	assert_memory_equal(frame + 12, "\xc0\x00\x02\x01\xc6\x33\x64\x07\x0f\xa0\x4e\x22\x00\x0f", 14);
	assert_int_equal(sum(frame, 20, 0), 0xffff);
	assert_int_equal(sum(frame + 12, 23, 17 + 15), 0xffff);
	from = at("[2001:db8::1]:4000");
	to = at("[2001:db8::2]:20002");
	assert_int_equal(pcap_headers(frame, &from, &to, voice, 7), 48);
	memcpy(frame + 48, voice, 7);
	assert_memory_equal(frame, "\x60\0\0\0\0\x0f\x11\x40\x20\x01\x0d\xb8", 12);
	assert_int_equal(sum(frame + 8, 47, 17 + 15), 0xffff);
}

static void a_packet_stands_in_the_file(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[256];
	struct recording *recording;
	struct stat st;
	enum err err;

	recording = recorder_begin(f->recorder, f->paths[0], true, &err);
	assert_int_equal(err, OK);
	assert_true(recording->decrypted);
	assert_true(say(f, recording, "hello", 5));
	assert_null(recorder_begin(f->recorder, f->paths[0], false, &err));
	assert_int_equal(err, ERR_EXISTS);
	assert_int_equal(recording->packets, 1);
	recorder_end(f->recorder, &recording);
	assert_null(recording);
	recorder_destroy(&f->recorder);
	assert_int_equal(stat(f->paths[0], &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(read_file(f->paths[0], bytes, sizeof(bytes)), 16 + 28 + 5);
	assert_memory_equal(bytes + 44, "hello", 5);
}

static void recordings_side_by_side(void **state)
{
	struct fixture *f = *state;
	struct recording *recordings[3];
	static unsigned char bytes[1 << 20];
	enum err err;

	for (unsigned i = 0; i < 3; i++)
		recordings[i] = recorder_begin(f->recorder, f->paths[i], false, &err);
	for (unsigned i = 0; i < 3000; i++)
		assert_true(say(f, recordings[i % 3], &i, sizeof(i)));
	recorder_end(f->recorder, &recordings[1]);
	recordings[1] = recorder_begin(f->recorder, f->paths[3], false, &err);
	assert_true(say(f, recordings[1], "x", 1));
	recorder_destroy(&f->recorder); /* those that go on are whole, too */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(count_packets(bytes, read_file(f->paths[i], bytes, sizeof(bytes))),
				 1000);
	assert_int_equal(count_packets(bytes, read_file(f->paths[3], bytes, sizeof(bytes))), 1);
}

/* Faster than any thread can write: what finds no room is counted, and ending still works. */
static void a_full_ring_drops(void **state)
{
	struct fixture *f = *state;
	static unsigned char big[60000];
	struct recording *recording;
	enum err err;
	struct stat st;

	recording = recorder_begin(f->recorder, f->paths[0], false, &err);
	for (unsigned i = 0; i < 2000 && recording->dropped == 0; i++)
		(void)!say(f, recording, big, sizeof(big));
	assert_int_equal(recording->dropped, 1);
	assert_true(recording->packets >= 30);
	recorder_end(f->recorder, &recording);
	recorder_destroy(&f->recorder);
	assert_int_equal(stat(f->paths[0], &st), 0);
	assert_true((size_t)st.st_size > 30 * sizeof(big));
}

static void a_full_disk_refuses(void **state)
{
	struct fixture *f = *state;
	enum err err;

	recorder_destroy(&f->recorder);
	assert_int_equal(recorder_create(UINT64_MAX, &f->recorder), OK);
	assert_null(recorder_begin(f->recorder, f->paths[0], false, &err));
	assert_int_equal(err, -ENOSPC);
	assert_null(recorder_begin(f->recorder, "/nonexistent/folder/x.pcap", false, &err));
	assert_int_equal(err, -ENOENT);
}

/* A file that may not grow any more stands for a disk: the recording fails, others do not, and the
 * file ends behind a whole packet. */
static void a_disk_that_fills_up(void **state)
{
	struct rlimit before, small;
	struct fixture *f = *state;
	static unsigned char bytes[1 << 20];
	struct recording *recording;
	enum err err;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	recording = recorder_begin(f->recorder, f->paths[0], false, &err);
	assert_non_null(recording);
	small = (struct rlimit){ .rlim_cur = 100000, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (unsigned i = 0; i < 3000 && !recorder_failed(f->recorder, recording); i++) {
		(void)!say(f, recording, bytes, 172);
		usleep(100);
	}
	assert_true(recorder_failed(f->recorder, recording));
	recorder_end(f->recorder, &recording);
	recording = recorder_begin(f->recorder, f->paths[1], false, &err);
	assert_false(recorder_failed(f->recorder, recording));
	assert_true(say(f, recording, "x", 1));
	recorder_end(f->recorder, &recording);
	recorder_destroy(&f->recorder);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(count_packets(bytes, read_file(f->paths[0], bytes, sizeof(bytes))) > 0);
	assert_int_equal(count_packets(bytes, read_file(f->paths[1], bytes, sizeof(bytes))), 1);
}

static void paths_are_plain(void **state)
{
	static const char *const good[] = { "/a.pcap", "/rec/0-9_aZ.1.decrypted.pcap",
					    "/r\xc3\xa9/ b/a.pcap", "/..a/b../a.pcap" };
	static const char *const bad[] = {
		"", "/", "a.pcap", "./a.pcap", "//a.pcap", "/a/../b.pcap", "/../a.pcap", "/a/./b.pcap",
		"/a//b.pcap", "/a/..", "/.pcap", "/.a.pcap", "/a.pcap/", "/a", "/a.pcapx",
		"/a b.pcap", "/a\n.pcap", "/a\n/b.pcap", "/a\x7f/b.pcap", "/\xc3\xa9.pcap",
		"/a;b.pcap", "/a%.pcap",
	};
	char long_path[PATH_MAX + 8];

	(void)state;
	for (unsigned i = 0; i < array_size(good); i++)
		assert_true(recorder_path_good(slice_text(good[i])));
	for (unsigned i = 0; i < array_size(bad); i++)
		assert_false(recorder_path_good(slice_text(bad[i])));
	assert_false(recorder_path_good(SLICE("/a.pcap\0")));
	assert_false(recorder_path_good(SLICE("/a\0b.pcap")));
	assert_false(recorder_path_good(SLICE("/a\0/b.pcap")));
	memset(long_path, 'a', sizeof(long_path));
	memcpy(long_path, "/", 1);
	memcpy(long_path + PATH_MAX - 6, ".pcap", 5);
	assert_true(recorder_path_good(slice_of(long_path, PATH_MAX - 1)));
	memcpy(long_path + PATH_MAX - 5, ".pcap", 5);
	assert_false(recorder_path_good(slice_of(long_path, PATH_MAX)));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_right),
		cmocka_unit_test(paths_are_plain),
		TEST(a_packet_stands_in_the_file),
		TEST(recordings_side_by_side),
		TEST(a_full_ring_drops),
		TEST(a_full_disk_refuses),
		TEST(a_disk_that_fills_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
