/* SPDX-License-Identifier: MIT
 * The mailbox between threads: nothing lost, nothing twice, each writer's order kept. */
#include "sbc/core/mailbox.h"

#include <pthread.h>
#include <sched.h>

#include "tests/support/unit.h"

#define WRITERS 3u
#define LETTERS 20000u

struct numbered {
	struct letter letter;
	unsigned writer;
	unsigned number;
};

struct reader {
	unsigned next[WRITERS];
	unsigned count;
	bool order_kept;
};

struct writer {
	struct mailbox *mailbox;
	struct numbered *letters;
};

static void take(void *owner, struct letter *letter)
{
	struct numbered *numbered = (struct numbered *)letter;
	struct reader *reader = owner;

	if (numbered->number != reader->next[numbered->writer]++)
		reader->order_kept = false;
	reader->count++;
}

static void *write_all(void *owner)
{
	struct writer *writer = owner;

	for (unsigned i = 0; i < LETTERS; i++)
		mailbox_post(writer->mailbox, &writer->letters[i].letter);
	return NULL;
}

static void many_writers(void **state)
{
	static struct numbered letters[WRITERS][LETTERS];
	struct mailbox mailbox;
	struct reader reader = { .order_kept = true };
	struct writer writers[WRITERS];
	pthread_t threads[WRITERS];

	(void)state;
	mailbox_init(&mailbox);
	mailbox_run(&mailbox, &reader);
	assert_int_equal(reader.count, 0);
	for (unsigned w = 0; w < WRITERS; w++) {
		for (unsigned i = 0; i < LETTERS; i++) {
			letters[w][i].letter.fn = take;
			letters[w][i].writer = w;
			letters[w][i].number = i;
		}
		writers[w] = (struct writer){ &mailbox, letters[w] };
		assert_int_equal(pthread_create(&threads[w], NULL, write_all, &writers[w]), 0);
	}
	while (reader.count < WRITERS * LETTERS) {
		mailbox_run(&mailbox, &reader);
		sched_yield();
	}
	for (unsigned w = 0; w < WRITERS; w++)
		pthread_join(threads[w], NULL);
	mailbox_run(&mailbox, &reader);
	assert_int_equal(reader.count, WRITERS * LETTERS);
	assert_true(reader.order_kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(many_writers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
