/* SPDX-License-Identifier: MIT
 * Finished calls, newest first, with the filters of CONTRACT.md. */
#include "mgmt-api/api/api_priv.h"

#include <time.h>

/* n digits; false: they are not there. */
static bool take_digits(struct slice *in, size_t n, int *ret)
{
	uint32_t value;

	if (in->len < n || !slice_is(slice_head(*in, n), CC_DIGIT) ||
	    parse_u32(slice_head(*in, n), &value) != OK)
		return false;
	*in = slice_skip(*in, n);
	*ret = (int)value;
	return true;
}

static bool take_char(struct slice *in, char c)
{
	if (in->len == 0 || in->p[0] != c)
		return false;
	*in = slice_skip(*in, 1);
	return true;
}

static bool take_date(struct slice *in, struct tm *tm)
{
	if (!take_digits(in, 4, &tm->tm_year) || !take_char(in, '-') ||
	    !take_digits(in, 2, &tm->tm_mon) || !take_char(in, '-') ||
	    !take_digits(in, 2, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return tm->tm_year >= 70 && tm->tm_mon >= 0 && tm->tm_mon < 12 && tm->tm_mday >= 1 &&
	       tm->tm_mday <= 31;
}

static bool take_clock(struct slice *in, struct tm *tm, int *ret_ms)
{
	struct slice fraction;
	int scale = 100;

	if (!take_digits(in, 2, &tm->tm_hour) || !take_char(in, ':') ||
	    !take_digits(in, 2, &tm->tm_min))
		return false;
	if (take_char(in, ':') && !take_digits(in, 2, &tm->tm_sec))
		return false;
	if (take_char(in, '.')) {
		fraction = slice_take(in, CC_DIGIT);
		for (size_t i = 0; i < fraction.len && scale > 0; i++, scale /= 10)
			*ret_ms += (fraction.p[i] - '0') * scale;
	}
	return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec <= 60;
}

/* Z, +hh:mm or -hh:mm; nothing is UTC. */
static bool take_zone(struct slice *in, int *ret_minutes)
{
	int sign = 1;
	int hours;
	int minutes;

	if (in->len == 0 || take_char(in, 'Z') || take_char(in, 'z'))
		return true;
	if (take_char(in, '-'))
		sign = -1;
	else if (!take_char(in, '+'))
		return false;
	if (!take_digits(in, 2, &hours) || !take_char(in, ':') || !take_digits(in, 2, &minutes))
		return false;
	*ret_minutes = sign * (hours * 60 + minutes);
	return true;
}

/* ISO 8601: a date, or a date and a time (RFC 3339 section 5.6). */
static bool parse_time(struct slice in, uint64_t *ret_unix_ms)
{
	struct tm tm = { 0 };
	int zone_minutes = 0;
	int64_t at;
	int ms = 0;

	if (!take_date(&in, &tm))
		return false;
	if ((take_char(&in, 'T') || take_char(&in, 't') || take_char(&in, ' ')) &&
	    (!take_clock(&in, &tm, &ms) || !take_zone(&in, &zone_minutes)))
		return false;
	if (in.len > 0)
		return false;
	at = ((int64_t)timegm(&tm) - zone_minutes * 60) * 1000 + ms;
	if (at < 0)
		return false;
	*ret_unix_ms = (uint64_t)at;
	return true;
}

static bool parse_cursor(struct slice in, struct store_cdr_cursor *ret)
{
	struct slice head;

	return slice_cut_char(&in, '-', &head) && parse_u64(head, &ret->started_unix_ms) == OK &&
	       parse_u64(in, &ret->id) == OK && ret->started_unix_ms <= INT64_MAX &&
	       ret->id <= INT64_MAX;
}

/* NULL: all are fine; otherwise what is wrong. */
static const char *read_filter(struct api_call *call, struct store_cdr_filter *filter,
			       struct store_cdr_cursor *cursor)
{
	struct slice value;

	if (query_get(call, "from", &value) && !parse_time(value, &filter->from_unix_ms))
		return "from: an ISO 8601 time, such as 2026-01-31T08:00:00Z";
	if (query_get(call, "to", &value) && !parse_time(value, &filter->to_unix_ms))
		return "to: an ISO 8601 time, such as 2026-01-31T08:00:00Z";
	if (query_get(call, "cursor", &value) && !parse_cursor(value, cursor))
		return "cursor: not one of ours";
	if (query_get(call, "trunk", &value))
		filter->trunk = value;
	if (query_get(call, "result", &value))
		filter->result = value;
	if (query_get(call, "number", &value)) {
		filter->number_is_prefix = value.p[value.len - 1] == '*';
		filter->number = slice_head(value, value.len - filter->number_is_prefix);
	}
	return NULL;
}

void list_cdrs(struct api_call *call)
{
	static const char *const parameters[] = { "from",   "to",    "trunk",  "number",
						  "result", "limit", "cursor", NULL };
	struct arena *arena = http_arena(call->exchange);
	struct store_cdr_filter filter = { 0 };
	struct store_cdr_cursor cursor = { 0 };
	struct store_cdr_page page;
	struct json_out out;
	const char *wrong;
	unsigned limit;
	enum err err;

	if (!query_only(call, parameters) || !query_limit(call, &limit))
		return;
	wrong = read_filter(call, &filter, &cursor);
	if (wrong) {
		problem_answer(call->exchange, PROBLEM_MALFORMED, wrong);
		return;
	}
	err = store_cdr_query(call->api->store, arena, &filter, &cursor, limit, &page);
	if (err != OK) {
		problem_internal(call->exchange, err);
		return;
	}
	json_out_init(&out, http_body(call->exchange));
	json_open_object(&out, NULL);
	json_open_array(&out, "items");
	for (size_t i = 0; i < page.count; i++)
		call_json(&out, &page.calls[i], NULL, true);
	json_close_array(&out);
	if (page.more)
		json_put_str(&out, "next",
			     arena_printf(arena, "%llu-%llu",
					  (unsigned long long)page.next.started_unix_ms,
					  (unsigned long long)page.next.id));
	else
		json_put_null(&out, "next");
	json_close_object(&out);
	http_answer(call->exchange, 200, API_JSON);
}
