/* SPDX-License-Identifier: MIT
 * Answers. Every one carries the headers that keep a browser from doing more with it than is meant. */
#include "mgmt-api/http/http_priv.h"

#include <unistd.h>

#define BODY_FIRST_BYTES 2048u

static const struct {
	const char *name;
	const char *value;
} common_headers[] = {
	{ "X-Content-Type-Options", "nosniff" },
	{ "Content-Security-Policy",
	  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
	  "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
	{ "X-Frame-Options", "DENY" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
};

const struct http_request *http_request(const struct http_exchange *exchange)
{
	return &exchange->request;
}

struct arena *http_arena(struct http_exchange *exchange)
{
	return &exchange->arena;
}

struct text *http_body(struct http_exchange *exchange)
{
	if (!exchange->body.p)
		text_init_arena(&exchange->body, &exchange->body_arena, BODY_FIRST_BYTES);
	return &exchange->body;
}

void http_set_data(struct http_exchange *exchange, void *data)
{
	exchange->data = data;
}

void *http_data(const struct http_exchange *exchange)
{
	return exchange->data;
}

void http_header(struct http_exchange *exchange, const char *name, const char *value)
{
	ensure(exchange->header_count < HTTP_MAX_HEADERS);
	exchange->headers[exchange->header_count].name = name;
	exchange->headers[exchange->header_count].value = value;
	exchange->header_count++;
}

unsigned http_status(const struct http_exchange *exchange)
{
	return exchange->status;
}

static void finish(struct http_exchange *exchange, unsigned status, const char *content_type)
{
	exchange->status = status;
	exchange->content_type = content_type;
	if (!exchange->suspended)
		return;
	exchange->suspended = false;
	MHD_resume_connection(exchange->connection);
}

void http_answer(struct http_exchange *exchange, unsigned status, const char *content_type)
{
	if (exchange->status != 0)
		return;
	if (content_type && http_body(exchange)->err != OK) {
		status = 500;
		content_type = NULL;
	}
	finish(exchange, status, content_type);
}

void http_answer_file(struct http_exchange *exchange, const struct http_file *file)
{
	struct slice known = exchange->request.if_none_match;

	if (exchange->status != 0)
		return;
	exchange->is_static = true;
	http_header(exchange, "ETag", file->etag);
	if (slice_find(known, slice_text(file->etag)) < known.len) {
		finish(exchange, 304, NULL);
		return;
	}
	exchange->static_body = file->body;
	finish(exchange, 200, file->content_type);
}

void http_answer_fd(struct http_exchange *exchange, int fd, uint64_t bytes,
		    const char *content_type)
{
	if (exchange->status != 0) {
		close(fd);
		return;
	}
	exchange->is_file = true;
	exchange->fd = fd;
	exchange->fd_bytes = bytes;
	finish(exchange, 200, content_type);
}

static struct MHD_Response *make_response(struct http_exchange *exchange)
{
	struct slice body = SLICE_NONE;
	struct MHD_Response *response;

	if (exchange->is_file) {
		response = MHD_create_response_from_fd64(exchange->fd_bytes, exchange->fd);
		if (response)
			exchange->fd = -1;
		return response;
	}
	if (exchange->is_static)
		body = exchange->static_body;
	else if (exchange->content_type)
		body = text_done(&exchange->body);
	/* The bytes live in the exchange, which MHD ends after the response is sent; with PERSISTENT
	 * it does not write to them. */
	return MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.p,
					       MHD_RESPMEM_PERSISTENT);
}

enum MHD_Result http_queue_answer(struct http_exchange *exchange)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	if (exchange->status == 0 || exchange->stage == HTTP_STAGE_QUEUED)
		return MHD_NO;
	response = make_response(exchange);
	if (!response)
		return MHD_NO;
	exchange->stage = HTTP_STAGE_QUEUED;
	for (size_t i = 0; i < sizeof(common_headers) / sizeof(common_headers[0]); i++)
		MHD_add_response_header(response, common_headers[i].name, common_headers[i].value);
	MHD_add_response_header(response, "Cache-Control",
				exchange->is_static ? "no-cache" : "no-store");
	if (exchange->content_type)
		MHD_add_response_header(response, "Content-Type", exchange->content_type);
	if (exchange->close)
		MHD_add_response_header(response, "Connection", "close");
	for (unsigned i = 0; i < exchange->header_count; i++)
		MHD_add_response_header(response, exchange->headers[i].name,
					exchange->headers[i].value);
	exchange->server->handlers->answered(exchange->server->owner, exchange);
	result = MHD_queue_response(exchange->connection, exchange->status, response);
	MHD_destroy_response(response);
	return result;
}
