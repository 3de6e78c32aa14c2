/* SPDX-License-Identifier: MIT
 * From a path to a handler, and query parameters. A path is compared segment by segment after percent
 * decoding; there is no other normalisation, so "//", "/../" and a trailing slash match nothing. */
#include "mgmt-api/api/api_priv.h"

#define MAX_SEGMENTS 8u

struct route {
	const char *path; /* {} stands for any one segment; KIND for the name of a collection */
	struct {
		enum http_method method;
		api_fn *fn;
	} methods[4];
};

static const struct route routes[] = {
	{ "api/v1/health", { { HTTP_GET, get_health } } },
	{ "api/v1/ready", { { HTTP_GET, get_ready } } },
	{ "api/v1/config", { { HTTP_GET, get_config }, { HTTP_PUT, put_config } } },
	{ "api/v1/config/versions", { { HTTP_GET, list_versions } } },
	{ "api/v1/config/versions/{}", { { HTTP_GET, get_version } } },
	{ "api/v1/config/versions/{}/restore", { { HTTP_POST, restore_version } } },
	{ "api/v1/calls", { { HTTP_GET, list_calls } } },
	{ "api/v1/calls/{}", { { HTTP_GET, get_call }, { HTTP_DELETE, delete_call } } },
	{ "api/v1/calls/{}/recording",
	  { { HTTP_POST, start_recording }, { HTTP_DELETE, stop_recording } } },
	{ "api/v1/recordings", { { HTTP_GET, list_recordings } } },
	{ "api/v1/recordings/{}",
	  { { HTTP_GET, get_recording }, { HTTP_DELETE, delete_recording } } },
	{ "api/v1/cdrs", { { HTTP_GET, list_cdrs } } },
	{ "api/v1/trunks/{}/status", { { HTTP_GET, get_trunk_status } } },
	{ "api/v1/stats", { { HTTP_GET, get_stats } } },
	{ "api/v1/openapi.json", { { HTTP_GET, get_openapi } } },
	{ "api/v1/KIND", { { HTTP_GET, list_items } } },
	{ "api/v1/KIND/{}",
	  { { HTTP_GET, get_item },
	    { HTTP_PUT, put_item },
	    { HTTP_PATCH, patch_item },
	    { HTTP_DELETE, delete_item } } },
	{ "metrics", { { HTTP_GET, get_metrics } } },
	{ "", { { HTTP_GET, get_ui } } },
	{ "ui/{}", { { HTTP_GET, get_ui } } },
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent decoding (RFC 3986 section 2.1); a plus stays a plus, for numbers begin with one. False:
 * malformed, a NUL, or out of memory. */
static bool percent_decode(struct arena *arena, struct slice in, struct slice *ret)
{
	char *out = arena_alloc(arena, in.len + 1);
	size_t len = 0;

	if (!out)
		return false;
	for (size_t i = 0; i < in.len; i++) {
		char c = in.p[i];

		if (c == '%') {
			int high = i + 2 < in.len ? hex_digit(in.p[i + 1]) : -1;
			int low = i + 2 < in.len ? hex_digit(in.p[i + 2]) : -1;

			if (high < 0 || low < 0 || high + low == 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		out[len++] = c;
	}
	*ret = slice_of(out, len);
	return true;
}

/* The decoded segments of "/a/b"; 0: it is no such path. */
static size_t split_path(struct arena *arena, struct slice path, struct slice segments[MAX_SEGMENTS])
{
	size_t count = 0;

	if (!slice_starts(path, SLICE("/")))
		return 0;
	while (path.len > 0 && count < MAX_SEGMENTS) {
		struct slice segment;

		path = slice_skip(path, 1);
		segment = slice_head(path, slice_find_char(path, '/'));
		path = slice_skip(path, segment.len);
		if (!percent_decode(arena, segment, &segments[count]))
			return 0;
		count++;
	}
	return path.len > 0 ? 0 : count;
}

static const struct kind *kind_find(struct slice path)
{
	for (size_t i = 0; i < api_kind_count; i++)
		if (slice_eq(path, slice_text(api_kinds[i].path)))
			return &api_kinds[i];
	return NULL;
}

static bool route_matches(const struct route *route, const struct slice *segments, size_t count,
			  struct api_call *call)
{
	struct slice pattern = slice_text(route->path);
	size_t params = 0;

	call->kind = NULL;
	for (size_t i = 0; i < count; i++) {
		struct slice part = slice_head(pattern, slice_find_char(pattern, '/'));
		bool last = part.len == pattern.len;

		if (slice_eq(part, SLICE("{}")) && segments[i].len > 0)
			call->params[params++] = segments[i];
		else if (slice_eq(part, SLICE("KIND")))
			call->kind = kind_find(segments[i]);
		else if (!slice_eq(part, segments[i]))
			return false;
		if (slice_eq(part, SLICE("KIND")) && !call->kind)
			return false;
		if (last)
			return i + 1 == count;
		pattern = slice_skip(pattern, part.len + 1);
	}
	return false;
}

static const char *method_name(enum http_method method)
{
	static const char *const names[] = {
		[HTTP_GET] = "GET, HEAD", [HTTP_HEAD] = "HEAD", [HTTP_PUT] = "PUT",
		[HTTP_PATCH] = "PATCH",   [HTTP_POST] = "POST", [HTTP_DELETE] = "DELETE",
		[HTTP_OTHER] = "",
	};

	return names[method];
}

static void answer_method(struct api_call *call, const struct route *route)
{
	struct text allow;

	text_init_arena(&allow, http_arena(call->exchange), 64);
	for (size_t i = 0; i < 4 && route->methods[i].fn; i++)
		text_printf(&allow, "%s%s", i > 0 ? ", " : "",
			    method_name(route->methods[i].method));
	text_char(&allow, '\0');
	if (allow.err == OK)
		http_header(call->exchange, "Allow", allow.p);
	problem_answer(call->exchange, PROBLEM_METHOD, "see Allow for the methods it has");
}

static void dispatch(struct api_call *call, const struct route *route)
{
	enum http_method method = http_request(call->exchange)->method;

	/* HEAD is GET without the body, which the server leaves out by itself. */
	if (method == HTTP_HEAD)
		method = HTTP_GET;
	for (size_t i = 0; i < 4 && route->methods[i].fn; i++) {
		if (route->methods[i].method == method) {
			route->methods[i].fn(call);
			return;
		}
	}
	answer_method(call, route);
}

void api_route(struct api *api, struct http_exchange *exchange)
{
	struct api_call call = { .api = api, .exchange = exchange };
	struct slice segments[MAX_SEGMENTS];
	size_t count = split_path(http_arena(exchange), http_request(exchange)->path, segments);

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (route_matches(&routes[i], segments, count, &call)) {
			dispatch(&call, &routes[i]);
			return;
		}
	}
	problem_answer(exchange, PROBLEM_NOT_FOUND, "no resource has this path");
}

/* The next name=value of the query; false: the end. */
static bool query_next(struct slice *query, struct slice *ret_name, struct slice *ret_value)
{
	struct slice pair;

	do {
		if (query->len == 0)
			return false;
		pair = slice_head(*query, slice_find_char(*query, '&'));
		*query = slice_skip(*query, pair.len + 1);
	} while (pair.len == 0);
	*ret_name = slice_head(pair, slice_find_char(pair, '='));
	*ret_value = slice_skip(pair, ret_name->len + 1);
	return true;
}

bool query_only(struct api_call *call, const char *const *names)
{
	struct arena *arena = http_arena(call->exchange);
	struct slice query = http_request(call->exchange)->query;
	struct problem problem;
	struct slice known = SLICE_NONE;
	struct slice value;
	struct slice name;

	while (query_next(&query, &name, &value)) {
		const char *const *at = names;

		while (*at && !slice_eq(name, slice_text(*at)))
			at++;
		if (*at)
			continue;
		for (at = names; *at; at++)
			known = arena_printf(arena, "%.*s%s%s", SLICE_ARG(known),
					     known.len > 0 ? ", " : "", *at);
		problem_begin(&problem, call->exchange, PROBLEM_MALFORMED,
			      arena_printf(arena, "there is no parameter \"%.*s\"",
					   SLICE_ARG(slice_head(name, 64))));
		problem_error(&problem, SLICE_NONE, slice_head(name, 64), SLICE("unknown parameter"),
			      known);
		problem_end(&problem);
		return false;
	}
	return true;
}

bool query_get(struct api_call *call, const char *wanted, struct slice *ret)
{
	struct slice query = http_request(call->exchange)->query;
	struct slice value;
	struct slice name;

	while (query_next(&query, &name, &value))
		if (slice_eq(name, slice_text(wanted)))
			return percent_decode(http_arena(call->exchange), value, ret) &&
			       ret->len > 0;
	return false;
}

bool query_limit(struct api_call *call, unsigned *ret)
{
	struct slice value;
	uint32_t limit = API_DEFAULT_LIST;

	if (query_get(call, "limit", &value) && (parse_u32(value, &limit) != OK || limit == 0)) {
		problem_answer(call->exchange, PROBLEM_MALFORMED, "limit: a number from 1 to 500");
		return false;
	}
	*ret = limit < API_MAX_LIST ? limit : API_MAX_LIST;
	return true;
}
