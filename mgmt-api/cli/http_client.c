/* SPDX-License-Identifier: MIT
 * A small HTTP/1.1 client for one request and one answer on a connection of its own, without TLS: the
 * API listens on loopback, and what stands before it for others is a proxy's matter. The answer ends
 * where Content-Length says, or with the connection. */
#include "mgmt-api/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_MAX_BYTES (32u << 20)
#define FIRST_BYTES 65536u
#define WAIT_S 30

struct url {
	char host[256];
	char port[8];
};

static enum cli_exit complain(const char *what, const char *why)
{
	fprintf(stderr, "sbcctl: %s: %s\n", what, why);
	return CLI_UNREACHABLE;
}

/* http://host:port, http://[::1]:8080, a slash at the end. */
static bool url_parse(const char *text, struct url *ret)
{
	struct slice rest = slice_text(text);
	struct slice host;
	struct slice port = SLICE("80");

	if (!slice_starts_nocase(rest, SLICE("http://")))
		return false;
	rest = slice_skip(rest, 7);
	if (slice_starts(rest, SLICE("["))) {
		host = slice_head(slice_skip(rest, 1), slice_find_char(rest, ']') - 1);
		rest = slice_skip(rest, host.len + 2);
	} else {
		host = slice_head(rest, slice_find_char(slice_head(rest, slice_find_char(rest, '/')),
							':'));
		rest = slice_skip(rest, host.len);
	}
	if (slice_starts(rest, SLICE(":"))) {
		port = slice_head(slice_skip(rest, 1), slice_find_char(slice_skip(rest, 1), '/'));
		rest = slice_skip(rest, port.len + 1);
	}
	if (rest.len > 1 || host.len == 0 || host.len >= sizeof(ret->host) || port.len == 0 ||
	    port.len >= sizeof(ret->port))
		return false;
	snprintf(ret->host, sizeof(ret->host), "%.*s", SLICE_ARG(host));
	snprintf(ret->port, sizeof(ret->port), "%.*s", SLICE_ARG(port));
	return true;
}

static int open_connection(const struct url *url, const char **ret_why)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	const struct timeval wait = { .tv_sec = WAIT_S };
	struct addrinfo *list = NULL;
	int result = getaddrinfo(url->host, url->port, &hints, &list);
	int fd = -1;

	*ret_why = gai_strerror(result);
	for (struct addrinfo *at = list; result == 0 && at && fd < 0; at = at->ai_next) {
		fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
		if (connect(fd, at->ai_addr, at->ai_addrlen) == 0)
			break;
		*ret_why = strerrordesc_np(errno);
		close(fd);
		fd = -1;
	}
	if (list)
		freeaddrinfo(list);
	return fd;
}

/* Empty: there is none that can be read; `said` then. */
static struct slice read_token(const struct cli *cli)
{
	char *p = arena_alloc(cli->arena, 512);
	int fd = open(cli->token_file, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd >= 0 && p ? read(fd, p, 512) : -1;
	struct slice token;

	if (len < 0)
		complain(cli->token_file, strerrordesc_np(errno));
	if (fd >= 0)
		close(fd);
	token = slice_trim(slice_of(p, len > 0 ? (size_t)len : 0), CC_LWS);
	if (len >= 0 && !slice_is(token, CC_TOKEN)) {
		complain(cli->token_file, "this holds no token");
		token = SLICE_NONE;
	}
	return token;
}

static bool send_all(int fd, struct slice bytes)
{
	while (bytes.len > 0) {
		ssize_t done = send(fd, bytes.p, bytes.len, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		bytes = slice_skip(bytes, (size_t)done);
	}
	return true;
}

/* The value of a header in the answer's head; empty: it is not there. */
static struct slice header_value(struct slice head, struct slice name)
{
	while (head.len > 0) {
		struct slice line = slice_head(head, slice_find_char(head, '\n'));

		head = slice_skip(head, line.len + 1);
		if (slice_starts_nocase(line, name))
			return slice_trim(slice_skip(line, name.len), CC_LWS);
	}
	return SLICE_NONE;
}

/* True: all of it is there, and *ret holds it. */
static bool answer_whole(struct slice bytes, bool at_end, struct cli_answer *ret)
{
	size_t head_len = slice_find(bytes, SLICE("\r\n\r\n"));
	struct slice head = slice_head(bytes, head_len);
	struct slice body = slice_skip(bytes, head_len + 4);
	uint64_t length;
	uint32_t status;

	if (head_len == bytes.len || !slice_starts(head, SLICE("HTTP/1.")) || head.len < 12 ||
	    parse_u32(slice_head(slice_skip(head, 9), 3), &status) != OK)
		return false;
	if (parse_u64(header_value(head, SLICE("Content-Length:")), &length) == OK) {
		if (body.len < length)
			return false;
		body = slice_head(body, (size_t)length);
	} else if (!at_end && status != 204) {
		return false;
	}
	ret->status = status;
	ret->body = body;
	return true;
}

static enum cli_exit read_answer(const struct cli *cli, int fd, struct cli_answer *ret)
{
	char chunk[16384];
	struct text all;
	ssize_t len;

	text_init_arena(&all, cli->arena, FIRST_BYTES);
	do {
		len = recv(fd, chunk, sizeof(chunk), 0);
		if (len < 0 && errno == EINTR)
			continue;
		if (len > 0)
			text_bytes(&all, chunk, (size_t)len);
		if (answer_whole(text_done(&all), len <= 0, ret))
			return CLI_OK;
	} while (len > 0 && all.err == OK && all.len < ANSWER_MAX_BYTES);
	if (len < 0)
		return complain(cli->url, strerrordesc_np(errno));
	return complain(cli->url, "the answer could not be read");
}

enum cli_exit cli_request(const struct cli *cli, const char *method, const char *path,
			  const struct slice *body, struct cli_answer *ret)
{
	struct slice token = read_token(cli);
	const char *why = NULL;
	enum cli_exit result;
	struct slice head;
	struct url url;
	int fd;

	if (token.len == 0)
		return CLI_UNREACHABLE;
	if (!url_parse(cli->url, &url))
		return complain(cli->url, "not a URL of the form http://host:port");
	head = arena_printf(cli->arena,
			    "%s %s HTTP/1.1\r\nHost: %s:%s\r\nAuthorization: Bearer %.*s\r\n"
			    "Connection: close\r\nAccept: application/json\r\n"
			    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
			    method, path, url.host, url.port, SLICE_ARG(token), body ? body->len : 0);
	fd = open_connection(&url, &why);
	if (fd < 0)
		return complain(cli->url, why);
	if (!send_all(fd, head) || (body && !send_all(fd, *body)))
		result = complain(cli->url, strerrordesc_np(errno));
	else
		result = read_answer(cli, fd, ret);
	close(fd);
	return result;
}
