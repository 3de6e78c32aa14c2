/* SPDX-License-Identifier: MIT
 * A server and clients on one loop over real sockets; where a peer must misbehave, a bare socket
 * speaks bytes. */
#include "tests/support/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "lib/ctl/peer.h"

/* In place of lib/log: these tests do not look at log lines. */
void log_fields(struct log *log, enum log_level level, enum log_event event,
		const struct log_field *fields)
{
	(void)log;
	(void)level;
	(void)event;
	(void)fields;
}

struct end {
	unsigned ups;
	unsigned downs;
	unsigned messages;
	uint32_t last_request;
	enum ctl_type last_type;
	char said[64]; /* program in the other side's hello */
	struct ctl_peer *peer;
	bool close_on_message;
};

struct fixture {
	char folder[64];
	char path[96];
	struct loop loop;
	struct log log;
	struct ctl_hello server_hello;
	struct ctl_hello client_hello;
	struct end server_end;
	struct end client_end;
	struct ctl_server *server;
	struct ctl_client *client;
};

static void on_up(void *owner, struct ctl_peer *peer, const struct ctl_hello *hello)
{
	struct end *end = owner;

	end->ups++;
	end->peer = peer;
	snprintf(end->said, sizeof(end->said), "%.*s", SLICE_ARG(hello->program));
}

static void on_server_message(void *owner, struct ctl_peer *peer, const struct ctl_message *message)
{
	struct end *end = owner;

	end->messages++;
	end->last_request = message->request;
	end->last_type = message->type;
	if (message->request != 0)
		ctl_done(peer, message->request);
	if (end->close_on_message)
		ctl_peer_close(peer);
}

static void on_client_message(void *owner, struct ctl_peer *peer, const struct ctl_message *message)
{
	struct end *end = owner;

	(void)peer;
	end->messages++;
	end->last_request = message->request;
	end->last_type = message->type;
}

static void on_down(void *owner, struct ctl_peer *peer)
{
	struct end *end = owner;

	(void)peer;
	end->downs++;
	end->peer = NULL;
}

static const struct ctl_handlers server_handlers = { on_up, on_server_message, on_down };
static const struct ctl_handlers client_handlers = { on_up, on_client_message, on_down };

static enum err start_server(struct fixture *f, struct ctl_server **ret)
{
	return ctl_server_create(&f->loop, &f->log, f->path, &f->server_hello, &server_handlers,
				 &f->server_end, ret);
}

static void turn_until(struct fixture *f, const unsigned *counter, unsigned value)
{
	for (int i = 0; i < 400 && *counter < value; i++)
		loop_turn(&f->loop, 20);
	assert_int_equal(*counter, value);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	snprintf(f->folder, sizeof(f->folder), "/tmp/ctl-test-XXXXXX");
	if (!mkdtemp(f->folder))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/x.sock", f->folder);
	f->log = (struct log){ .level = LOG_LEVEL_ERROR, .program = "test", .fd = 2 };
	f->server_hello = (struct ctl_hello){ .version = CTL_VERSION, .program = SLICE("media-relayd") };
	f->client_hello = (struct ctl_hello){ .version = CTL_VERSION, .program = SLICE("sbcd"),
					      .node = SLICE("edge-1"), .worker = 3 };
	if (loop_init(&f->loop) != OK || start_server(f, &f->server) != OK)
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ctl_client_destroy(&f->client);
	ctl_server_destroy(&f->server);
	loop_fini(&f->loop);
	unlink(f->path);
	if (rmdir(f->folder) < 0)
		return -1;
	free(f);
	return 0;
}

static void start_client(struct fixture *f)
{
	assert_int_equal(ctl_client_create(&f->loop, &f->log, f->path, &f->client_hello,
					   &client_handlers, &f->client_end, &f->client), OK);
}

static int raw_connect(const struct fixture *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void raw_send(int fd, const struct ctl_message *message)
{
	char bytes[1024];
	size_t len = 0;

	assert_int_equal(ctl_encode(message, bytes, sizeof(bytes), &len), OK);
	assert_int_equal(send(fd, bytes, len, 0), len);
}

static void raw_greet(int fd, uint32_t version)
{
	struct ctl_message hello = { .type = CTL_hello,
				     .hello = { .version = version, .program = SLICE("raw") } };

	raw_send(fd, &hello);
}

static bool raw_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void hello_then_requests(void **state)
{
	struct fixture *f = *state;
	struct ctl_message query = { .type = CTL_ready_query };

	start_client(f);
	assert_null(ctl_client_peer(f->client));
	turn_until(f, &f->client_end.ups, 1);
	assert_int_equal(f->server_end.ups, 1);
	assert_string_equal(f->server_end.said, "sbcd");
	assert_string_equal(f->client_end.said, "media-relayd");
	assert_int_equal(ctl_peer_hello(f->server_end.peer)->worker, 3);
	assert_slice(ctl_peer_hello(f->server_end.peer)->node, "edge-1");
	for (uint32_t i = 1; i <= 100; i++) {
		query.request = i;
		assert_int_equal(ctl_send(ctl_client_peer(f->client), &query), OK);
	}
	turn_until(f, &f->client_end.messages, 100);
	assert_int_equal(f->server_end.messages, 100);
	assert_int_equal(f->client_end.last_type, CTL_done);
	assert_int_equal(f->client_end.last_request, 100);
}

static void closes_after_the_handler(void **state)
{
	struct fixture *f = *state;
	struct ctl_message query = { .type = CTL_ready_query, .request = 5 };

	f->server_end.close_on_message = true;
	start_client(f);
	turn_until(f, &f->client_end.ups, 1);
	assert_int_equal(ctl_send(ctl_client_peer(f->client), &query), OK);
	turn_until(f, &f->client_end.downs, 1);
	assert_int_equal(f->client_end.last_request, 5); /* the answer still came */
	assert_int_equal(f->server_end.downs, 1);
	turn_until(f, &f->client_end.ups, 2); /* and it is back by itself */
}

static void malformed_closes_that_peer_only(void **state)
{
	static const char junk[][9] = { "\0\1", "\0\143\0\0\0\0\0\0", "\0\2\0\0\0\0\0\1" };
	struct fixture *f = *state;
	struct ctl_message query = { .type = CTL_ready_query, .request = 9 };

	start_client(f);
	turn_until(f, &f->client_end.ups, 1);
	for (unsigned i = 0; i < 3; i++) { /* the third is well-formed, but comes before the hello */
		int fd = raw_connect(f);

		assert_int_equal(send(fd, junk[i], i == 0 ? 2 : 8, 0), i == 0 ? 2 : 8);
		for (int n = 0; n < 50 && ctl_server_malformed(f->server) < i + 1; n++)
			loop_turn(&f->loop, 20);
		assert_int_equal(ctl_server_malformed(f->server), i + 1);
		assert_true(raw_closed(fd));
		close(fd);
	}
	assert_int_equal(f->server_end.downs, 0); /* they never were up */
	assert_int_equal(ctl_send(ctl_client_peer(f->client), &query), OK);
	turn_until(f, &f->client_end.messages, 1);
	assert_int_equal(f->client_end.last_request, 9);
}

static void oversized_and_other_versions(void **state)
{
	struct fixture *f = *state;
	char *bytes = calloc(1, CTL_MAX_BYTES + 1);
	int fd = raw_connect(f);
	int old = raw_connect(f);

	raw_greet(old, CTL_VERSION + 1);
	raw_greet(fd, CTL_VERSION);
	turn_until(f, &f->server_end.ups, 1);
	for (int i = 0; i < 50 && ctl_server_malformed(f->server) == 0; i++)
		loop_turn(&f->loop, 20);
	assert_true(raw_closed(old));
	assert_int_equal(send(fd, bytes, CTL_MAX_BYTES + 1, 0), CTL_MAX_BYTES + 1);
	turn_until(f, &f->server_end.downs, 1);
	assert_int_equal(ctl_server_malformed(f->server), 2);
	close(fd);
	close(old);
	free(bytes);
}

static void send_numbered(struct ctl_peer *peer, uint32_t number, struct slice filling,
			  enum err expected)
{
	struct ctl_message message = { .type = CTL_failure, .request = number,
				       .failure = { .detail = filling } };

	assert_int_equal(ctl_send(peer, &message), expected);
}

/* 200 × 8 KiB is far above a socket's buffer: the rest waits, and comes in order. */
static void slow_reader_gets_all_in_order(void **state)
{
	static const char filling[8192];
	struct fixture *f = *state;
	int fd = raw_connect(f);
	static char bytes[CTL_MAX_BYTES];
	uint32_t expected = 0;

	raw_greet(fd, CTL_VERSION);
	turn_until(f, &f->server_end.ups, 1);
	for (uint32_t i = 1; i <= 200; i++)
		send_numbered(f->server_end.peer, i, slice_of(filling, sizeof(filling)), OK);
	for (int i = 0; i < 2000 && expected < 200; i++) {
		ssize_t len = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (len < 0) {
			loop_turn(&f->loop, 10);
			continue;
		}
		if (bytes[1] == CTL_failure)
			assert_int_equal((unsigned char)bytes[7], ++expected & 0xff);
	}
	assert_int_equal(expected, 200);
	close(fd);
}

static void deaf_reader_is_closed(void **state)
{
	static const char filling[60000];
	struct fixture *f = *state;
	int fd = raw_connect(f);
	enum err err = OK;
	unsigned sent = 0;

	raw_greet(fd, CTL_VERSION);
	turn_until(f, &f->server_end.ups, 1);
	while (err == OK && sent < 1000) {
		struct ctl_message message = { .type = CTL_failure, .failure.detail =
					       slice_of(filling, sizeof(filling)) };

		err = ctl_send(f->server_end.peer, &message);
		sent++;
	}
	assert_int_equal(err, ERR_CLOSED);
	assert_true(sent * sizeof(filling) > (3u << 20) && sent * sizeof(filling) < (5u << 20));
	turn_until(f, &f->server_end.downs, 1);
	close(fd);
}

static void oversized_message_does_not_leave(void **state)
{
	static const char filling[UINT16_MAX];
	struct fixture *f = *state;
	struct ctl_message query = { .type = CTL_ready_query, .request = 1 };

	start_client(f);
	turn_until(f, &f->client_end.ups, 1);
	send_numbered(ctl_client_peer(f->client), 1, slice_of(filling, sizeof(filling)), ERR_LIMIT);
	assert_int_equal(ctl_send(ctl_client_peer(f->client), &query), OK);
	turn_until(f, &f->client_end.messages, 1);
}

static void client_comes_back(void **state)
{
	struct fixture *f = *state;

	start_client(f);
	turn_until(f, &f->client_end.ups, 1);
	ctl_server_destroy(&f->server);
	assert_int_equal(access(f->path, F_OK), -1);
	turn_until(f, &f->client_end.downs, 1);
	assert_null(ctl_client_peer(f->client));
	for (int i = 0; i < 5; i++)
		loop_turn(&f->loop, 50);
	assert_int_equal(start_server(f, &f->server), OK);
	turn_until(f, &f->client_end.ups, 2);
}

static void server_path(void **state)
{
	struct fixture *f = *state;
	struct ctl_server *second = NULL;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(start_server(f, &second), ERR_EXISTS);
	ctl_server_destroy(&f->server);
	/* What a killed server leaves behind. */
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(start_server(f, &f->server), OK);
	ctl_server_destroy(&f->server);
	/* Anything but a socket is not ours to remove. */
	fclose(fopen(f->path, "w"));
	assert_int_equal(start_server(f, &second), ERR_EXISTS);
	assert_int_equal(unlink(f->path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hello_then_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(closes_after_the_handler, setup, teardown),
		cmocka_unit_test_setup_teardown(malformed_closes_that_peer_only, setup, teardown),
		cmocka_unit_test_setup_teardown(oversized_and_other_versions, setup, teardown),
		cmocka_unit_test_setup_teardown(slow_reader_gets_all_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(deaf_reader_is_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(oversized_message_does_not_leave, setup, teardown),
		cmocka_unit_test_setup_teardown(client_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(server_path, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
