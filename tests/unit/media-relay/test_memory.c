/* SPDX-License-Identifier: MIT
 * The relay's memory file over restarts: what was put is there again, for the worker that has the port
 * now; a process that is killed while it writes leaves whole records. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/media-relay/memory_fixture.h"

#define SLOTS 256u

struct fixture {
	char folder[64];
	char path[96];
	struct memory *memory;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	snprintf(f->folder, sizeof(f->folder), "/tmp/test_memory.XXXXXX");
	if (!mkdtemp(f->folder))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/memory", f->folder);
	*state = f;
	return memory_open(f->path, SLOTS, &f->memory) == OK ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	memory_close(&f->memory);
	unlink(f->path);
	rmdir(f->folder);
	free(f);
	return 0;
}

static struct side_memory record(uint64_t session, uint8_t side, uint16_t port)
{
	return (struct side_memory){ .session = session,
				     .side = side,
				     .local = { { IP_V4, { 127, 0, 0, 1 } }, port },
				     .counters = { .packets_received = session * 100 + side } };
}

static void put(struct memory_share *share, struct side_memory one)
{
	assert_int_not_equal(memory_put(share, 0, &one, NULL), 0);
}

/* What a share finds of this side; 0: nothing. */
static uint64_t find(struct memory_share *share, uint64_t session, uint8_t side, uint16_t port)
{
	struct side_memory wanted = record(session, side, port);
	const struct side_memory *found;
	const struct side_states *states;
	uint32_t slot = memory_take_left(share, session, 0, side, &wanted.local);

	if (slot == 0)
		return 0;
	found = memory_get(share, slot, &states);
	assert_non_null(found);
	assert_int_equal(found->session, session);
	return found->counters.packets_received;
}

static void restart(struct fixture *f, uint32_t slots)
{
	memory_close(&f->memory);
	assert_int_equal(memory_open(f->path, slots, &f->memory), OK);
}

static void what_was_put_is_there_again(void **state)
{
	struct fixture *f = *state;
	struct memory_share share;
	struct side_memory changed = record(7, 1, 24002);
	uint32_t slot;
	struct stat st;

	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	put(&share, record(7, 0, 24000));
	slot = memory_put(&share, 0, &changed, NULL);
	changed.counters.packets_received = 4711;
	assert_int_equal(memory_put(&share, slot, &changed, NULL), slot);
	changed.session = 8;
	slot = memory_put(&share, 0, &changed, NULL);
	memory_give(&share, slot);
	memory_share_fini(&share);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	restart(f, SLOTS);
	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	assert_int_equal(share.left_count, 2);
	assert_int_equal(find(&share, 8, 1, 24002), 0); /* it had ended */
	assert_int_equal(find(&share, 7, 0, 24000), 700);
	assert_int_equal(find(&share, 7, 0, 24000), 0); /* taken up once */
	assert_int_equal(find(&share, 7, 1, 24004), 0); /* it is elsewhere now … */
	assert_int_equal(find(&share, 7, 1, 24002), 0); /* … and never there again */
	memory_share_fini(&share);

	restart(f, SLOTS); /* what was taken up but not put anew stands as it was */
	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	assert_int_equal(share.left_count, 1);
	memory_give_left(&share);
	assert_int_equal(share.left_count, 0);
	memory_share_fini(&share);
	restart(f, SLOTS);
	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	assert_int_equal(share.left_count, 0);
	memory_share_fini(&share);
}

static void assert_states(struct memory_share *share, uint32_t slot, const struct side_states *wanted)
{
	const struct side_states *found;

	assert_non_null(memory_get(share, slot, &found));
	assert_same_states(found, wanted);
}

static void states_stand_beside_their_record(void **state)
{
	static const uint16_t lens[][4] = { { 28, 28 }, { 0, 124 }, { 124, 0 }, { 62, 62 },
					    { 62, 63 }, { 3, 256 }, { 512, 256 }, { 1, 0 },
					    { 28, 28, 28, 28 }, { 0, 0, 28, 28 }, { 28, 28, 0, 13 },
					    { 512, 256, 512, 256 } };
	static const struct side_states none = { .flows = { { .receive_len = 0 } } };
	struct fixture *f = *state;
	struct side_memory one = record(7, 0, 24000);
	struct memory_share share;

	for (unsigned i = 0; i < array_size(lens); i++) {
		struct side_states states =
			both_states(lens[i][0], lens[i][1], lens[i][2], lens[i][3]);
		uint32_t slot;

		assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
		slot = memory_put(&share, 0, &one, NULL);
		assert_states(&share, slot, &none);
		memory_put(&share, slot, &one, &states);
		memory_share_fini(&share);
		restart(f, SLOTS);
		assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
		assert_int_equal(share.left_count, 1); /* the smaller slot is empty */
		slot = memory_take_left(&share, 7, 0, 0, &one.local);
		assert_states(&share, slot, &states);
		slot = memory_put(&share, slot, &one, NULL); /* plain from now on */
		assert_states(&share, slot, &none);
		memory_give(&share, slot);
		memory_share_fini(&share);
	}
}

static void states_grow_and_shrink(void **state)
{
	struct fixture *f = *state;
	struct side_memory one = record(7, 0, 24000);
	struct memory_share share;
	uint32_t slot = 0;

	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	for (uint16_t i = 0; i < 12; i++) {
		struct side_states states = some_states(i % 3 == 0 ? 400 : 28, (uint16_t)(20 + i));

		slot = memory_put(&share, slot, &one, &states);
		assert_states(&share, slot, &states);
	}
	memory_share_fini(&share);
}

/* A side with keys is put before it speaks: its first packets need no other slot. */
static void there_is_room_for_the_first_packets(void **state)
{
	struct fixture *f = *state;
	struct side_memory one = record(7, 0, 24000);
	const struct side_states silent[] = { some_states(13, 13), both_states(13, 13, 13, 13) };
	const struct side_states speaks[] = { some_states(28, 28), both_states(28, 28, 28, 28) };
	struct memory_share share;
	uint32_t slot;

	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	for (unsigned i = 0; i < array_size(silent); i++) {
		slot = memory_put(&share, 0, &one, &silent[i]);
		assert_int_not_equal(slot, 0);
		assert_int_equal(memory_put(&share, slot, &one, &speaks[i]), slot);
		assert_states(&share, slot, &speaks[i]);
	}
	memory_share_fini(&share);
}

/* A slot that became too small is used again. */
static void what_grows_gives_its_place(void **state)
{
	struct fixture *f = *state;
	struct side_memory one = record(7, 0, 24000);
	struct side_states states = some_states(300, 250);
	struct memory_share share;
	uint32_t small;
	uint32_t large;

	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	for (unsigned i = 0; i < 4 * SLOTS; i++) {
		small = memory_put(&share, 0, &one, NULL);
		assert_int_not_equal(small, 0);
		large = memory_put(&share, small, &one, &states);
		assert_int_not_equal(large, 0);
		assert_int_not_equal(large, small);
		assert_states(&share, large, &states);
		memory_give(&share, large);
	}
	memory_share_fini(&share);
}

static size_t blocks_of(const struct fixture *f)
{
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	return (size_t)st.st_blocks * 512;
}

/* Of a stream on the way from RTP to SRTP, each side, after an hour and more. */
static void usual_records_take_little(void **state)
{
	struct fixture *f = *state;
	struct side_memory one = whole_record(0);
	struct side_states states = some_states(28, 28);
	struct memory_share share;
	size_t before;

	one.told[1].port = 4001;
	one.learned[0] = one.told[0];
	one.learned[1] = one.told[1];
	one.counters = (struct side_counters){ .packets_received = 200000,
					       .bytes_received = 40000000,
					       .packets_sent = 200000,
					       .bytes_sent = 40000000,
					       .rtcp_received = 800,
					       .rtcp_sent = 800,
					       .packets_dropped = 12 };
	one.source = (struct rtp_source){ .ssrc = 1, .clock_hz = 8000, .jitter16 = 900,
					  .past_expected = 200000, .past_received = 199990 };
	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	before = blocks_of(f);
	for (unsigned i = 0; i < 2 * SLOTS; i++)
		assert_int_not_equal(memory_put(&share, 0, &one, i % 2 ? &states : NULL), 0);
	/* The file system may need some for itself. */
	assert_in_range(blocks_of(f) - before, SLOTS * 128, SLOTS * (80 + 144) + 8192);
	memory_share_fini(&share);
}

static void another_number_of_workers_divides_it_anew(void **state)
{
	struct fixture *f = *state;
	struct memory_share shares[3];
	unsigned found = 0;

	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(memory_share_init(&shares[i], f->memory, i, 2), OK);
	for (uint16_t i = 0; i < 60; i++)
		put(&shares[i % 2], record(1u + i, 0, (uint16_t)(24000 + 2 * i)));
	for (unsigned i = 0; i < 2; i++)
		memory_share_fini(&shares[i]);
	restart(f, SLOTS);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(memory_share_init(&shares[i], f->memory, i, 3), OK);
		assert_int_equal(shares[i].left_count, 20);
	}
	for (uint16_t i = 0; i < 60; i++)
		found += find(&shares[worker_of_port((uint16_t)(24000 + 2 * i), 3)], 1u + i, 0,
			      (uint16_t)(24000 + 2 * i)) == 100u * (1u + i);
	assert_int_equal(found, 60);
	for (unsigned i = 0; i < 3; i++)
		memory_share_fini(&shares[i]);
}

static void full_is_no_error(void **state)
{
	struct fixture *f = *state;
	struct memory_share share;
	struct memory_share none;
	struct side_memory one = record(7, 0, 24000);
	uint32_t slots[SLOTS];

	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	for (unsigned i = 0; i < SLOTS; i++) {
		slots[i] = memory_put(&share, 0, &one, NULL);
		assert_int_not_equal(slots[i], 0);
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(slots[i], slots[j]);
	}
	assert_int_equal(memory_put(&share, 0, &one, NULL), 0);
	memory_give(&share, slots[77]);
	assert_int_equal(memory_put(&share, 0, &one, NULL), slots[77]);
	memory_share_fini(&share);
	assert_int_equal(memory_share_init(&none, NULL, 0, 1), OK);
	assert_int_equal(memory_put(&none, 0, &one, NULL), 0);
	memory_share_fini(&none);
}

/* More slots after a change of the limits keep what is there; another layout is made anew; a second
 * relay is told. */
static void the_file_itself(void **state)
{
	struct fixture *f = *state;
	struct memory_share share;
	struct memory *second = NULL;
	FILE *file;

	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	put(&share, record(5, 0, 24000));
	memory_share_fini(&share);
	assert_int_equal(memory_open(f->path, SLOTS, &second), ERR_EXISTS);
	restart(f, 4 * SLOTS);
	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	assert_int_equal(share.left_count, 1);
	memory_share_fini(&share);
	restart(f, 10);
	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	assert_int_equal(find(&share, 5, 0, 24000), 500);
	memory_share_fini(&share);
	memory_close(&f->memory);
	file = fopen(f->path, "r+");
	assert_non_null(file);
	fseek(file, 8, SEEK_SET); /* the version */
	fputc(99, file);
	fclose(file);
	restart(f, SLOTS);
	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	assert_int_equal(share.left_count, 0);
	memory_share_fini(&share);
	memory_close(&f->memory);
	assert_int_equal(truncate(f->path, 5000), 0);
	restart(f, SLOTS);
	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	assert_int_equal(share.left_count, 0);
	memory_share_fini(&share);
}

/* What no relay of ours can have written is not taken up, and its slot serves again. */
static void what_makes_no_sense_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct side_memory wrong[] = { record(1, 0, 24000), record(2, 0, 24000), record(3, 0, 24000),
				       record(4, 0, 24000), record(5, 0, 24000), record(6, 0, 24000) };
	struct memory_share share;

	wrong[0].learned[0] = (struct endpoint){ { IP_V6, { 0x20, 1 } }, 5000 };
	wrong[1].learned[1] = (struct endpoint){ { IP_V4, { 239, 1, 1, 1 } }, 5000 };
	wrong[2].counters.bytes_sent = UINT64_MAX;
	wrong[3].source.past_expected = UINT64_MAX;
	wrong[4].woven_shift = INT32_MIN;
	wrong[5].stream = 100;
	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	put(&share, record(9, 0, 24000));
	for (unsigned i = 0; i < array_size(wrong); i++)
		put(&share, wrong[i]);
	memory_share_fini(&share);
	restart(f, SLOTS);
	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	assert_int_equal(share.left_count, 1);
	assert_int_equal(find(&share, 9, 0, 24000), 900);
	for (unsigned i = 1; i < SLOTS; i++)
		put(&share, record(9, 0, 24000));
	assert_int_equal(memory_put(&share, 0, &wrong[0], NULL), 0);
	memory_share_fini(&share);
}

static void count(struct side_counters *counters, unsigned char round)
{
	uint64_t each[sizeof(*counters) / sizeof(uint64_t)];

	for (unsigned i = 0; i < array_size(each); i++)
		each[i] = round * UINT64_C(0x01010101010101);
	memcpy(counters, each, sizeof(each));
}

/* Two sides: one is written over and over, each time another record of which every part says the same
 * number; the other one comes, grows twice, and goes. */
static void write_for_ever(const char *path, int ready)
{
	struct memory *memory = NULL;
	struct memory_share share;
	struct side_memory one = record(1, 0, 24000);
	struct side_memory two = record(2, 0, 24002);
	uint32_t slot = 0;
	uint32_t grows;

	if (memory_open(path, SLOTS, &memory) != OK || memory_share_init(&share, memory, 0, 1) != OK)
		_exit(1);
	if (share.left_count > 0)
		slot = memory_take_left(&share, 1, 0, 0, &one.local);
	memory_give_left(&share);
	for (unsigned char round = 1;; round++) {
		struct side_states states = { .flows = { { 500, 250 }, { 500, 250 } } };

		one = record(1, 0, 24000);
		count(&one.counters, round);
		for (unsigned i = 0; i < COMPONENTS; i++) {
			memset(states.flows[i].receive, round, 500);
			memset(states.flows[i].send, round, 250);
		}
		slot = memory_put(&share, slot, &one, &states);
		if (round == 1 && write(ready, "", 1) != 1)
			_exit(1);
		states = (struct side_states){ .flows = { { .receive_len = 100 } } };
		grows = memory_put(&share, 0, &two, NULL);
		grows = memory_put(&share, grows, &two, &states);
		states.flows[0].receive_len = 500;
		grows = memory_put(&share, grows, &two, &states);
		memory_give(&share, grows);
	}
}

static void assert_whole(struct memory_share *share)
{
	struct endpoint local = record(1, 0, 24000).local;
	const struct side_memory *found;
	const struct side_states *states;
	struct side_counters counters;
	unsigned char round;

	assert_in_range(share->left_count, 1, 2);
	assert_int_equal(share->left[0].session, 1);
	if (share->left_count == 2)
		assert_int_equal(share->left[1].session, 2);
	found = memory_get(share, memory_take_left(share, 1, 0, 0, &local), &states);
	assert_non_null(found);
	round = (unsigned char)found->counters.packets_sent;
	count(&counters, round);
	assert_memory_equal(&found->counters, &counters, sizeof(counters));
	for (size_t at = 0; at < 500 * COMPONENTS; at++) {
		const struct flow_states *it = &states->flows[at / 500];

		assert_int_equal(it->receive_len, 500);
		assert_int_equal(it->send_len, 250);
		assert_int_equal(it->receive[at % 500], round);
		assert_int_equal(it->send[at % 250], round);
	}
}

static void a_kill_leaves_whole_records(void **state)
{
	struct fixture *f = *state;
	unsigned second = 0;

	memory_close(&f->memory);
	for (unsigned i = 0; i < 300; i++) {
		struct memory_share share;
		int ready[2];
		char byte;
		pid_t child;

		assert_int_equal(pipe(ready), 0);
		child = fork();
		if (child == 0)
			write_for_ever(f->path, ready[1]);
		assert_true(child > 0);
		assert_int_equal(read(ready[0], &byte, 1), 1);
		usleep(i % 50 * 7);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		close(ready[0]);
		close(ready[1]);
		assert_int_equal(memory_open(f->path, SLOTS, &f->memory), OK);
		assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
		second += share.left_count == 2;
		assert_whole(&share);
		memory_share_fini(&share);
		memory_close(&f->memory);
	}
	assert_in_range(second, 30, 300); /* kills came everywhere */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_put_is_there_again),
		TEST(states_stand_beside_their_record),
		TEST(states_grow_and_shrink),
		TEST(there_is_room_for_the_first_packets),
		TEST(what_grows_gives_its_place),
		TEST(usual_records_take_little),
		TEST(another_number_of_workers_divides_it_anew),
		TEST(full_is_no_error),
		TEST(the_file_itself),
		TEST(what_makes_no_sense_is_forgotten),
		TEST(a_kill_leaves_whole_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
