/* SPDX-License-Identifier: MIT
 * Port pairs with real sockets on an address of this test's own, in virtual time. */
#include "tests/support/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "media-relay/worker/ports.h"

struct fixture {
	struct loop loop;
	struct io io;
	struct port_pool pool;
	unsigned received;
};

static void on_datagram(void *owner, const struct io_datagram *datagram)
{
	struct fixture *f = owner;

	(void)datagram;
	f->received++;
}

static struct port_range range(uint16_t port_min, uint16_t port_max)
{
	return (struct port_range){ .address = { IP_V4, { 127, 79, 0, 1 } }, .port_min = port_min,
				    .port_max = port_max, .dscp = 46, .workers = 1 };
}

static int setup(void **state)
{
	struct port_range four = range(24000, 24007);
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || loop_init(&f->loop) != OK ||
	    io_init(&f->io, &f->loop, on_datagram, f) != OK ||
	    port_pool_init(&f->pool, &f->io, &four, 8) != OK)
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	port_pool_fini(&f->pool);
	io_fini(&f->io);
	loop_fini(&f->loop);
	free(f);
	return 0;
}

static struct port_pair *take(struct fixture *f, uint64_t now_ms)
{
	struct port_pair *pair = NULL;

	assert_int_equal(port_pool_take(&f->pool, 0, now_ms, &pair), OK);
	return pair;
}

static void pairs_are_even_and_apart(void **state)
{
	struct fixture *f = *state;
	struct port_pair *pair;
	unsigned seen = 0;

	for (unsigned i = 0; i < 4; i++) {
		pair = take(f, 0);
		assert_int_equal(pair->number % 2, 0);
		assert_int_equal(pair->ports[0].local.port, pair->number);
		assert_int_equal(pair->ports[1].local.port, pair->number + 1);
		assert_in_range(pair->number, 24000, 24006);
		seen |= 1u << (pair->number - 24000) / 2;
	}
	assert_int_equal(seen, 15);
	assert_int_equal(port_pool_take(&f->pool, 0, 0, &pair), ERR_EXHAUSTED);
	assert_int_equal(f->pool.used, 4);
}

static void freed_ports_rest(void **state)
{
	struct fixture *f = *state;
	struct port_pair *pairs[4];
	struct port_pair *pair;

	for (unsigned i = 0; i < 4; i++)
		pairs[i] = take(f, 0);
	port_pool_give(&f->pool, pairs[2], 1000);
	port_pool_give(&f->pool, pairs[0], 2000);
	assert_int_equal(port_pool_take(&f->pool, 0, 5999, &pair), ERR_EXHAUSTED);
	assert_ptr_equal(take(f, 6000), pairs[2]); /* the longest rested first */
	assert_int_equal(port_pool_take(&f->pool, 0, 6999, &pair), ERR_EXHAUSTED);
	assert_ptr_equal(take(f, 7000), pairs[0]);
}

static void sockets_stay_open_up_to_a_bound(void **state)
{
	struct port_range ten = range(24100, 24119);
	struct fixture *f = *state;
	struct port_pair *pairs[10];
	int fd;

	port_pool_fini(&f->pool);
	assert_int_equal(port_pool_init(&f->pool, &f->io, &ten, 3), OK);
	for (unsigned i = 0; i < 10; i++)
		pairs[i] = take(f, 0);
	for (unsigned i = 0; i < 10; i++)
		port_pool_give(&f->pool, pairs[i], 0);
	assert_int_equal(f->pool.idle_open, 3);
	assert_true(pairs[0]->open && pairs[2]->open && !pairs[3]->open);
	fd = pairs[0]->ports[0].watch.fd;
	assert_ptr_equal(take(f, 9000), pairs[0]);
	assert_int_equal(pairs[0]->ports[0].watch.fd, fd);
	assert_int_equal(f->pool.idle_open, 2);
	for (unsigned i = 1; i < 10; i++)
		take(f, 9000);
	assert_int_equal(f->pool.idle_open, 0);
	assert_int_equal(f->pool.used, 10);
}

static void a_reserved_port(void **state)
{
	struct fixture *f = *state;
	struct port_pair *pair = NULL;

	port_pool_reserve(&f->pool, 24002, 1000);
	port_pool_reserve(&f->pool, 24004, 1000);
	port_pool_reserve(&f->pool, 24004, 1000);
	port_pool_reserve(&f->pool, 24100, 1000); /* not its own */
	assert_int_equal(take(f, 1000)->number, 24000);
	assert_int_equal(take(f, 1000)->number, 24006);
	assert_int_equal(port_pool_take(&f->pool, 0, 30999, &pair), ERR_EXHAUSTED);
	assert_int_equal(port_pool_take(&f->pool, 24004, 1001, &pair), OK);
	assert_int_equal(pair->number, 24004);
	assert_int_equal(take(f, 31000)->number, 24002); /* nobody came for it */
}

static void a_wanted_port(void **state)
{
	struct fixture *f = *state;
	struct port_pair *pair = NULL;
	struct port_pair *other;

	assert_int_equal(port_pool_take(&f->pool, 24004, 0, &pair), OK);
	assert_int_equal(pair->number, 24004);
	assert_int_equal(port_pool_take(&f->pool, 24004, 0, &other), ERR_EXHAUSTED);
	assert_int_equal(port_pool_take(&f->pool, 24008, 0, &other), ERR_EXHAUSTED);
	assert_int_equal(port_pool_take(&f->pool, 23998, 0, &other), ERR_EXHAUSTED);
	port_pool_give(&f->pool, pair, 0);
	/* Its session may have it back while it rests. */
	assert_int_equal(port_pool_take(&f->pool, 24004, 1, &other), OK);
	assert_ptr_equal(other, pair);
	for (unsigned i = 0; i < 3; i++)
		assert_int_not_equal(take(f, 1)->number, 24004);
}

static int occupy(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	sa.sin_addr.s_addr = htonl(0x7f4f0001);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void *let_go(void *fd)
{
	usleep(30000);
	close(*(int *)fd);
	return NULL;
}

static void a_port_that_is_let_go_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct port_pair *pair = NULL;
	int fd = occupy(24004), other = occupy(24002);
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, let_go, &fd), 0);
	assert_int_equal(port_pool_take(&f->pool, 24004, 0, &pair), OK);
	assert_int_equal(pair->number, 24004);
	assert_int_equal(pthread_join(thread, NULL), 0);
	/* Not for ever, and in all but once. */
	assert_true(f->pool.patience_ms > 0);
	assert_int_equal(port_pool_take(&f->pool, 24002, 0, &pair), ERR_EXHAUSTED);
	assert_int_equal(f->pool.patience_ms, 0);
	close(other);
}

static void ports_of_others(void **state)
{
	struct fixture *f = *state;
	int even = occupy(24000), odd = occupy(24003);
	struct port_pair *pair;

	assert_int_equal(take(f, 0)->number, 24004);
	assert_int_equal(take(f, 0)->number, 24006);
	assert_int_equal(port_pool_take(&f->pool, 0, 29999, &pair), ERR_EXHAUSTED);
	assert_int_equal(port_pool_take(&f->pool, 24002, 29999, &pair), ERR_EXHAUSTED);
	close(even);
	close(odd);
	assert_int_equal(take(f, 60000)->number, 24000); /* looked at again after a while */
	assert_int_equal(take(f, 60000)->number, 24002);
}

static void an_address_that_is_not_ours(void **state)
{
	struct port_range far = range(24000, 24099);
	struct fixture *f = *state;
	struct port_pair *pair;

	far.address = (struct ip_addr){ IP_V4, { 192, 0, 2, 1 } };
	port_pool_fini(&f->pool);
	assert_int_equal(port_pool_init(&f->pool, &f->io, &far, 8), OK);
	assert_int_equal((int)port_pool_take(&f->pool, 0, 0, &pair), -EADDRNOTAVAIL);
	assert_int_equal(f->pool.used, 0);
}

static void what_was_not_told_does_not_rest(void **state)
{
	struct fixture *f = *state;
	struct port_pair *pair = take(f, 0);

	port_pool_untake(&f->pool, pair);
	assert_int_equal(f->pool.used, 0);
	assert_ptr_equal(take(f, 0), pair);
}

static void send_to(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	sa.sin_addr.s_addr = htonl(0x7f4f0001);
	assert_int_equal(sendto(fd, "late", 4, 0, (struct sockaddr *)&sa, sizeof(sa)), 4);
	close(fd);
}

static void late_packets_never_reach_the_next_user(void **state)
{
	struct fixture *f = *state;
	struct port_pair *pair = take(f, 0);
	int flow;

	io_port_use(&pair->ports[0], &flow, 46);
	send_to(pair->number);
	loop_turn(&f->loop, 100);
	assert_int_equal(f->received, 1);
	port_pool_give(&f->pool, pair, 0);
	for (unsigned i = 0; i < 40; i++) { /* drained, then the filter */
		send_to(pair->number);
		loop_turn(&f->loop, 0);
	}
	assert_int_equal(f->received, 1);
	assert_true(pair->ports[0].deaf);
	assert_in_range(f->io.stray, 16, 39);
	assert_int_equal(port_pool_take(&f->pool, pair->number, 0, &pair), OK);
	send_to(pair->number);
	io_port_use(&pair->ports[0], &flow, 46);
	loop_turn(&f->loop, 10);
	assert_int_equal(f->received, 1);
	send_to(pair->number);
	loop_turn(&f->loop, 100);
	assert_int_equal(f->received, 2);
}

static void workers_share_a_range_without_overlap(void **state)
{
	struct fixture *f = *state;
	unsigned owners[100] = { 0 };

	(void)f;
	for (unsigned worker = 0; worker < 3; worker++) {
		struct port_range mine = range(24201, 24380); /* odd: pairs 24202 … 24378 */
		struct port_pool pool;

		mine.worker = worker;
		mine.workers = 3;
		assert_int_equal(port_pool_init(&pool, &f->io, &mine, 0), OK);
		for (uint32_t i = 0; i < pool.pair_count; i++) {
			assert_int_equal(pool.pairs[i].number / 2 % 3, worker);
			assert_true(port_pool_has(&pool, pool.pairs[i].number));
			owners[(pool.pairs[i].number - 24200) / 2]++;
		}
		port_pool_fini(&pool);
	}
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(owners[i], i >= 1 && i <= 89);
}

static void retired(void **state)
{
	struct fixture *f = *state;
	struct port_pair *pair = take(f, 0);
	struct port_pair *other;

	port_pool_give(&f->pool, take(f, 0), 0);
	port_pool_retire(&f->pool);
	assert_int_equal(f->pool.idle_open, 0);
	assert_true(pair->open);
	assert_int_equal(port_pool_take(&f->pool, 0, 99999, &other), ERR_EXHAUSTED);
	assert_int_equal(port_pool_take(&f->pool, 24002, 99999, &other), ERR_EXHAUSTED);
	port_pool_give(&f->pool, pair, 0);
	assert_false(pair->open);
	assert_int_equal(f->pool.used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pairs_are_even_and_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(freed_ports_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(sockets_stay_open_up_to_a_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reserved_port, setup, teardown),
		cmocka_unit_test_setup_teardown(a_wanted_port, setup, teardown),
		cmocka_unit_test_setup_teardown(a_port_that_is_let_go_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(ports_of_others, setup, teardown),
		cmocka_unit_test_setup_teardown(an_address_that_is_not_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_not_told_does_not_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(late_packets_never_reach_the_next_user, setup, teardown),
		cmocka_unit_test_setup_teardown(workers_share_a_range_without_overlap, setup, teardown),
		cmocka_unit_test_setup_teardown(retired, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
