/* SPDX-License-Identifier: MIT
 * The relay's memory file over restarts: what was put is there again, for the worker that has the port
 * now; a process that is killed while it writes leaves whole records. */
#include "tests/support/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "media-relay/worker/memory.h"

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
	return memory_open(f->path, 192, &f->memory) == OK ? 0 : -1;
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
	uint32_t slot = memory_take(share);

	assert_int_not_equal(slot, 0);
	memory_put(share, slot, &one, NULL);
}

/* What a share finds of this side; 0: nothing. */
static uint64_t find(struct memory_share *share, uint64_t session, uint8_t side, uint16_t port)
{
	struct side_memory wanted = record(session, side, port);
	const struct side_memory *found;
	uint32_t slot = memory_take_left(share, session, 0, side, &wanted.local);

	if (slot == 0)
		return 0;
	found = memory_get(share, slot);
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
	slot = memory_take(&share);
	memory_put(&share, slot, &changed, NULL);
	changed.counters.packets_received = 4711;
	memory_put(&share, slot, &changed, NULL);
	slot = memory_take(&share);
	changed.session = 8;
	memory_put(&share, slot, &changed, NULL);
	memory_give(&share, slot);
	memory_share_fini(&share);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	restart(f, 192);
	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	assert_int_equal(share.left_count, 2);
	assert_int_equal(find(&share, 8, 1, 24002), 0); /* it had ended */
	assert_int_equal(find(&share, 7, 0, 24000), 700);
	assert_int_equal(find(&share, 7, 0, 24000), 0); /* taken up once */
	assert_int_equal(find(&share, 7, 1, 24004), 0); /* it is elsewhere now … */
	assert_int_equal(find(&share, 7, 1, 24002), 0); /* … and never there again */
	memory_share_fini(&share);

	restart(f, 192); /* what was taken up but not put anew stands as it was */
	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	assert_int_equal(share.left_count, 1);
	memory_give_left(&share);
	assert_int_equal(share.left_count, 0);
	memory_share_fini(&share);
	restart(f, 192);
	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	assert_int_equal(share.left_count, 0);
	memory_share_fini(&share);
}

static void states_stand_beside_their_record(void **state)
{
	struct fixture *f = *state;
	struct side_states states = { .receive_len = 3, .send_len = 512, .receive = { 7, 8, 9 } };
	struct side_memory one = record(7, 0, 24000);
	const struct side_states *found;
	struct memory_share share;
	uint32_t slot;

	memset(states.send, 0x5a, sizeof(states.send));
	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	slot = memory_take(&share);
	memory_put(&share, slot, &one, NULL);
	assert_null(memory_get_states(&share, slot));
	memory_put(&share, slot, &one, &states);
	memory_share_fini(&share);
	restart(f, 192);
	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	slot = memory_take_left(&share, 7, 0, 0, &one.local);
	found = memory_get_states(&share, slot);
	assert_non_null(found);
	assert_int_equal(found->receive_len, 3);
	assert_memory_equal(found->receive, "\7\10\11", 3);
	assert_int_equal(found->send_len, 512);
	assert_memory_equal(found->send, states.send, 512);
	memory_put(&share, slot, &one, NULL); /* plain from now on */
	assert_null(memory_get_states(&share, slot));
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
	restart(f, 192);
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
	uint32_t slots[192];

	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	for (unsigned i = 0; i < 192; i++) {
		slots[i] = memory_take(&share);
		assert_in_range(slots[i], 1, 192);
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(slots[i], slots[j]);
	}
	assert_int_equal(memory_take(&share), 0);
	memory_give(&share, slots[77]);
	assert_int_equal(memory_take(&share), slots[77]);
	memory_share_fini(&share);
	assert_int_equal(memory_share_init(&none, NULL, 0, 1), OK);
	assert_int_equal(memory_take(&none), 0);
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
	assert_int_equal(memory_open(f->path, 192, &second), ERR_EXISTS);
	restart(f, 1000);
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
	restart(f, 192);
	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	assert_int_equal(share.left_count, 0);
	memory_share_fini(&share);
	memory_close(&f->memory);
	assert_int_equal(truncate(f->path, 5000), 0);
	restart(f, 192);
	assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
	assert_int_equal(share.left_count, 0);
	memory_share_fini(&share);
}

/* Writes records of which every byte after the key is the same, until it is killed. */
static void write_for_ever(const char *path, int ready)
{
	struct memory *memory = NULL;
	struct memory_share share;
	struct side_memory one;
	uint32_t slot;

	if (memory_open(path, 192, &memory) != OK || memory_share_init(&share, memory, 0, 1) != OK)
		_exit(1);
	slot = share.left_count > 0 ? share.left[0].slot : memory_take(&share);
	for (unsigned char round = 1;; round++) {
		memset(&one, round, sizeof(one));
		one.session = 1;
		memory_put(&share, slot, &one, NULL);
		if (round == 1 && write(ready, "", 1) != 1)
			_exit(1);
	}
}

static void a_kill_leaves_whole_records(void **state)
{
	struct fixture *f = *state;

	memory_close(&f->memory);
	for (unsigned i = 0; i < 50; i++) {
		struct memory_share share;
		const unsigned char *bytes;
		int ready[2];
		char byte;
		pid_t child;

		assert_int_equal(pipe(ready), 0);
		child = fork();
		if (child == 0)
			write_for_ever(f->path, ready[1]);
		assert_true(child > 0);
		assert_int_equal(read(ready[0], &byte, 1), 1);
		usleep(i * 37);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		close(ready[0]);
		close(ready[1]);
		assert_int_equal(memory_open(f->path, 192, &f->memory), OK);
		assert_int_equal(memory_share_init(&share, f->memory, 0, 1), OK);
		assert_int_equal(share.left_count, 1);
		bytes = (const unsigned char *)&share.left[0].local;
		for (size_t at = 0; at < sizeof(share.left[0].local); at++)
			assert_int_equal(bytes[at], share.left[0].stream);
		memory_share_fini(&share);
		memory_close(&f->memory);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_put_is_there_again),
		TEST(states_stand_beside_their_record),
		TEST(another_number_of_workers_divides_it_anew),
		TEST(full_is_no_error),
		TEST(the_file_itself),
		TEST(a_kill_leaves_whole_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
