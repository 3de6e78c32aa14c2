/* SPDX-License-Identifier: MIT
 * One request from its first line to its answer. MHD calls http_on_request again and again: with the
 * headers, for each piece of the body, at its end, and after a resume; the stage says which it is.
 * Framing that two parties could read in two ways is refused, and the connection closed. */
#include "mgmt-api/http/http_priv.h"

#include <strings.h>

#define ARENA_BYTES (16u << 20)
#define BODY_BYTES (64u << 20) /* a text that grows leaves its smaller copies behind */
#define UPLOAD_FIRST_BYTES 4096u
/* A whole request in this time; MHD's own timer sees only idleness. */
#define REQUEST_MS 60000u
/* What is read and thrown away of a body that is too large, so that the answer is heard. */
#define DISCARD_BYTES (4u * HTTP_MAX_BODY_BYTES)

static void read_peer(struct http_exchange *exchange)
{
	const union MHD_ConnectionInfo *info;
	struct sockaddr_storage address;
	size_t len;

	info = MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (!info || !info->client_addr)
		return;
	memset(&address, 0, sizeof(address));
	len = info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) :
							 sizeof(struct sockaddr_in);
	memcpy(&address, info->client_addr, len);
	if (endpoint_from_sockaddr(&address, &exchange->request.peer) != OK)
		exchange->request.peer = (struct endpoint){ 0 };
}

/* The request line was read. What is returned becomes *req_cls; NULL: the request is dropped. */
void *http_on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct http_server *server = cls;
	struct http_exchange *exchange;
	struct slice whole;
	struct handle handle;

	exchange = pool_take(&server->exchanges, &handle);
	if (!exchange)
		return NULL;
	exchange->server = server;
	exchange->connection = connection;
	exchange->handle = handle;
	exchange->started_ms = server->loop->now_ms;
	arena_init(&exchange->arena, &server->cache, 4096, ARENA_BYTES);
	arena_init(&exchange->body_arena, &server->cache, 4096, BODY_BYTES);
	read_peer(exchange);
	if (arena_keep(&exchange->arena, slice_text(uri), &whole) != OK)
		whole = SLICE_NONE;
	exchange->request.path = slice_head(whole, slice_find_char(whole, '?'));
	exchange->request.query = slice_skip(whole, exchange->request.path.len + 1);
	return exchange;
}

void http_on_completed(void *cls, struct MHD_Connection *connection, void **req_cls,
		       enum MHD_RequestTerminationCode code)
{
	struct http_server *server = cls;
	struct http_exchange *exchange = *req_cls;

	(void)code;
	http_patience_start(connection);
	*req_cls = NULL;
	if (!exchange)
		return;
	if (exchange->is_file && exchange->fd >= 0)
		close(exchange->fd);
	arena_fini(&exchange->arena);
	arena_fini(&exchange->body_arena);
	pool_give(&server->exchanges, exchange->handle);
}

static enum http_method method_of(struct slice name)
{
	static const struct {
		const char *name;
		enum http_method method;
	} table[] = {
		{ "GET", HTTP_GET },     { "HEAD", HTTP_HEAD }, { "PUT", HTTP_PUT },
		{ "PATCH", HTTP_PATCH }, { "POST", HTTP_POST }, { "DELETE", HTTP_DELETE },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (slice_eq(name, slice_text(table[i].name)))
			return table[i].method;
	return HTTP_OTHER;
}

struct header_scan {
	struct http_request *request;
	unsigned content_lengths;
	unsigned transfer_encodings;
	unsigned hosts;
	bool chunked;
	uint64_t content_length;
	bool bad_length;
};

static enum MHD_Result scan_header(void *cls, enum MHD_ValueKind kind, const char *key,
				   const char *value)
{
	struct header_scan *scan = cls;
	struct slice text = slice_text(value);

	(void)kind;
	if (strcasecmp(key, "Authorization") == 0) {
		scan->request->authorization = text;
		scan->request->authorization_count++;
	} else if (strcasecmp(key, "If-Match") == 0) {
		scan->request->if_match = text;
	} else if (strcasecmp(key, "If-None-Match") == 0) {
		scan->request->if_none_match = text;
	} else if (strcasecmp(key, "Content-Type") == 0) {
		scan->request->content_type = text;
	} else if (strcasecmp(key, "Host") == 0) {
		scan->hosts++;
	} else if (strcasecmp(key, "Content-Length") == 0) {
		scan->content_lengths++;
		scan->bad_length |= parse_u64(text, &scan->content_length) != OK;
	} else if (strcasecmp(key, "Transfer-Encoding") == 0) {
		scan->transfer_encodings++;
		scan->chunked = slice_eq_nocase(text, SLICE("chunked"));
	}
	return MHD_YES;
}

/* NULL: the request's length is plain to everyone (RFC 9112 sections 3.2 and 6.3). */
static const char *framing_fault(const struct header_scan *scan)
{
	if (scan->content_lengths > 1)
		return "more than one Content-Length";
	if (scan->bad_length)
		return "Content-Length is no number";
	if (scan->transfer_encodings > 1 || (scan->transfer_encodings == 1 && !scan->chunked))
		return "a Transfer-Encoding other than chunked";
	if (scan->transfer_encodings > 0 && scan->content_lengths > 0)
		return "both Content-Length and Transfer-Encoding";
	if (scan->hosts > 1)
		return "more than one Host";
	return NULL;
}

static void refuse(struct http_exchange *exchange, unsigned status, const char *detail)
{
	struct http_server *server = exchange->server;

	exchange->close = true;
	server->handlers->refuse(server->owner, exchange, status, detail);
}

/* True: go on reading. */
static bool on_headers(struct http_exchange *exchange, const char *method)
{
	struct http_server *server = exchange->server;
	struct header_scan scan = { .request = &exchange->request };
	const char *fault;

	exchange->request.method_text = slice_text(method);
	exchange->request.method = method_of(exchange->request.method_text);
	MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, scan_header, &scan);
	fault = framing_fault(&scan);
	if (fault) {
		refuse(exchange, 400, fault);
		return false;
	}
	/* Who may not speak is told so first: a stranger learns nothing of the limits. */
	if (!server->handlers->admit(server->owner, exchange))
		return false;
	if (scan.content_length > HTTP_MAX_BODY_BYTES) {
		refuse(exchange, 413, "the body is larger than 1 MiB");
		return false;
	}
	text_init_arena(&exchange->upload, &exchange->arena,
			scan.content_length > 0 ? (size_t)scan.content_length : UPLOAD_FIRST_BYTES);
	return true;
}

static enum MHD_Result on_body(struct http_exchange *exchange, const char *data, size_t *len)
{
	exchange->upload_bytes += *len;
	if (exchange->upload_bytes <= HTTP_MAX_BODY_BYTES)
		text_bytes(&exchange->upload, data, *len);
	*len = 0;
	if (exchange->upload_bytes > DISCARD_BYTES ||
	    exchange->server->loop->now_ms - exchange->started_ms > REQUEST_MS)
		return MHD_NO;
	return MHD_YES;
}

static void on_whole(struct http_exchange *exchange)
{
	struct http_server *server = exchange->server;

	exchange->stage = HTTP_STAGE_SERVED;
	exchange->request.body = text_done(&exchange->upload);
	if (exchange->upload_bytes > HTTP_MAX_BODY_BYTES)
		refuse(exchange, 413, "the body is larger than 1 MiB");
	else if (exchange->upload.err != OK)
		refuse(exchange, 503, "out of memory");
	else
		server->handlers->serve(server->owner, exchange);
}

enum MHD_Result http_on_request(void *cls, struct MHD_Connection *connection, const char *url,
				const char *method, const char *version, const char *upload_data,
				size_t *upload_data_size, void **req_cls)
{
	struct http_exchange *exchange = *req_cls;

	(void)cls;
	(void)url;
	(void)version;
	if (!exchange)
		return MHD_NO;
	if (exchange->stage == HTTP_STAGE_HEADERS) {
		exchange->stage = HTTP_STAGE_BODY;
		http_patience_stop(connection);
		return on_headers(exchange, method) ? MHD_YES : http_queue_answer(exchange);
	}
	if (*upload_data_size > 0)
		return on_body(exchange, upload_data, upload_data_size);
	if (exchange->stage == HTTP_STAGE_BODY)
		on_whole(exchange);
	if (exchange->status != 0)
		return http_queue_answer(exchange);
	exchange->suspended = true;
	MHD_suspend_connection(connection);
	return MHD_YES;
}
