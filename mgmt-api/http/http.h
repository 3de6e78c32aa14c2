/* SPDX-License-Identifier: MIT
 * The HTTP server of mgmt-apid on the program's own loop; the only room that knows libmicrohttpd.
 * A request is an exchange: its owner sees it twice, when the headers are there (admit) and when the
 * body is (serve), and answers it then or in a later turn; meanwhile the connection is suspended. An
 * exchange lives until it was answered. Bodies over HTTP_MAX_BODY_BYTES, ambiguous framing (RFC 9112
 * section 6.3) and slow senders are refused here. */
#pragma once

#include "lib/base/addr.h"
#include "lib/base/arena.h"
#include "lib/log/log.h"
#include "lib/loop/loop.h"

#define HTTP_MAX_BODY_BYTES (1u << 20)
#define HTTP_MAX_CONNECTIONS 256u

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_POST,
	HTTP_DELETE,
	HTTP_OTHER,
};

struct http_server;
struct http_exchange;

struct http_request {
	enum http_method method;
	struct slice method_text;
	struct slice path;  /* as sent: not decoded, without the query */
	struct slice query; /* as sent, without '?' */
	struct slice authorization;
	unsigned authorization_count;
	struct slice if_match;
	struct slice if_none_match;
	struct slice content_type;
	struct slice body; /* in serve */
	struct endpoint peer;
};

struct http_handlers {
	/* The headers are there, the body is not. False: it was answered. */
	bool (*admit)(void *owner, struct http_exchange *exchange);
	/* All is there: http_answer, now or later. */
	void (*serve)(void *owner, struct http_exchange *exchange);
	/* A body that is too large, or framing that is refused: write the answer's body (http_body)
	 * and call http_answer. */
	void (*refuse)(void *owner, struct http_exchange *exchange, unsigned status,
		       const char *detail);
	/* The answer was handed over; http_status tells which. For logs and counters. */
	void (*answered)(void *owner, const struct http_exchange *exchange);
};

/* Listens now. -errno (the port is taken, …). */
must_use enum err http_server_create(struct loop *loop, struct log *log,
				     const struct endpoint *listen,
				     const struct http_handlers *handlers, void *owner,
				     struct http_server **ret);
/* Every exchange must be answered before; what was answered is still sent, as far as that is possible
 * without waiting. */
void http_server_destroy(struct http_server **server);
unsigned http_connections(const struct http_server *server);

const struct http_request *http_request(const struct http_exchange *exchange);
/* Lives as long as the exchange; up to 16 MiB. */
struct arena *http_arena(struct http_exchange *exchange);
/* Where the answer's body is written; an arena of its own, for some 16 MiB. */
struct text *http_body(struct http_exchange *exchange);
/* The owner's pointer on an exchange. */
void http_set_data(struct http_exchange *exchange, void *data);
void *http_data(const struct http_exchange *exchange);

/* A header of the answer; name and value are static or in http_arena. At most 8. */
void http_header(struct http_exchange *exchange, const char *name, const char *value);
/* Answers with what http_body holds (a body that did not fit becomes a bare 500). content_type:
 * static; NULL: no body. The first call counts, later ones do nothing. */
void http_answer(struct http_exchange *exchange, unsigned status, const char *content_type);
/* A file of the program: bytes, and all about them, live as long as it. */
struct http_file {
	const char *path;
	const char *content_type;
	const char *etag; /* with its quotes */
	struct slice body;
};
/* 200, or 304 when If-None-Match names its ETag. */
void http_answer_file(struct http_exchange *exchange, const struct http_file *file);
/* 200 with the first `bytes` of an open file, which is closed afterwards, in any case. */
void http_answer_fd(struct http_exchange *exchange, int fd, uint64_t bytes,
		    const char *content_type);
/* 0: not answered yet. */
unsigned http_status(const struct http_exchange *exchange);
