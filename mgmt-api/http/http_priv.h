/* SPDX-License-Identifier: MIT
 * What the server and its exchanges share. */
#pragma once

#include "mgmt-api/http/http.h"

#include <microhttpd.h>

#include "lib/base/ensure.h"
#include "lib/base/pool.h"

#define HTTP_MAX_HEADERS 8u
#define HTTP_IDLE_S      30u

struct http_server {
	struct loop *loop;
	struct log *log;
	const struct http_handlers *handlers;
	void *owner;
	struct MHD_Daemon *daemon;
	int listen_fd;
	struct loop_io io;
	struct loop_timer timer;
	struct loop_hook hook;
	struct arena_cache cache;
	struct pool exchanges;
	struct pool patiences;
	bool stopping;
};

/* Where an exchange stands; it only moves down. */
enum http_stage {
	HTTP_STAGE_HEADERS, /* the request line is there */
	HTTP_STAGE_BODY,    /* admitted; the body is being read */
	HTTP_STAGE_SERVED,  /* given to the owner */
	HTTP_STAGE_QUEUED,  /* the answer is MHD's */
};

struct http_exchange {
	struct http_server *server;
	struct MHD_Connection *connection;
	struct handle handle;
	enum http_stage stage;
	bool suspended;
	uint64_t started_ms;
	struct http_request request;
	struct text upload;
	uint64_t upload_bytes; /* received, also what was thrown away */
	struct arena arena;
	struct arena body_arena;
	struct text body;
	void *data;
	unsigned status;
	const char *content_type;
	struct slice static_body;
	bool is_static;
	bool is_file;
	int fd; /* of is_file; -1: MHD's already */
	uint64_t fd_bytes;
	bool close;
	struct {
		const char *name;
		const char *value;
	} headers[HTTP_MAX_HEADERS];
	unsigned header_count;
};

/* MHD's callbacks (exchange.c). */
void *http_on_uri(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result http_on_request(void *cls, struct MHD_Connection *connection, const char *url,
				const char *method, const char *version, const char *upload_data,
				size_t *upload_data_size, void **req_cls);
void http_on_completed(void *cls, struct MHD_Connection *connection, void **req_cls,
		       enum MHD_RequestTerminationCode code);

/* How long the head of a request may take (patience.c): runs from a connection's begin, and again from
 * the end of each request; stopped when a head is there. */
must_use enum err http_patience_init(struct http_server *server);
void http_patience_start(struct MHD_Connection *connection);
void http_patience_stop(struct MHD_Connection *connection);
void http_on_connection(void *cls, struct MHD_Connection *connection, void **context,
			enum MHD_ConnectionNotificationCode code);

/* Gives the answer to MHD (answer.c). */
enum MHD_Result http_queue_answer(struct http_exchange *exchange);
