/* SPDX-License-Identifier: MIT
 * Errors as application/problem+json (RFC 9457). */
#include "mgmt-api/api/api_priv.h"

static const struct {
	unsigned status;
	const char *type;
	const char *title;
} problems[] = {
	[PROBLEM_MALFORMED] = { 400, "malformed", "The request cannot be understood" },
	[PROBLEM_UNAUTHORIZED] = { 401, "unauthorized", "A valid token is needed" },
	[PROBLEM_NOT_FOUND] = { 404, "not-found", "There is no such thing" },
	[PROBLEM_METHOD] = { 405, "method-not-allowed", "The method does not fit this resource" },
	[PROBLEM_IN_USE] = { 409, "in-use", "Others use this resource" },
	[PROBLEM_CONFLICT] = { 409, "conflict", "It does not fit the present state" },
	[PROBLEM_PRECONDITION] = { 412, "precondition-failed", "The resource has changed" },
	[PROBLEM_TOO_LARGE] = { 413, "too-large", "The body is too large" },
	[PROBLEM_MEDIA_TYPE] = { 415, "media-type", "The body is of an unknown type" },
	[PROBLEM_INVALID] = { 422, "invalid", "The configuration would not be valid" },
	[PROBLEM_WAIT] = { 429, "too-many-failures", "Too many wrong tokens from this address" },
	[PROBLEM_INTERNAL] = { 500, "internal", "The request failed" },
	[PROBLEM_UNAVAILABLE] = { 503, "unavailable", "Something that is needed is not there" },
	[PROBLEM_TIMEOUT] = { 504, "timeout", "There was no answer in time" },
};

void problem_begin(struct problem *problem, struct http_exchange *exchange, enum problem_kind kind,
		   struct slice detail)
{
	struct text *body = http_body(exchange);
	char type[64];
	struct text text;

	body->len = 0; /* whatever a handler had begun */
	*problem = (struct problem){ .exchange = exchange, .status = problems[kind].status };
	text_init(&text, type, sizeof(type));
	text_printf(&text, "urn:sbc:problem:%s", problems[kind].type);
	json_out_init(&problem->out, body);
	json_open_object(&problem->out, NULL);
	json_put_str(&problem->out, "type", text_done(&text));
	json_put_str(&problem->out, "title", slice_text(problems[kind].title));
	json_put_u64(&problem->out, "status", problem->status);
	json_put_str(&problem->out, "detail", detail);
}

void problem_error(struct problem *problem, struct slice pointer, struct slice value,
		   struct slice detail, struct slice remedy)
{
	if (!problem->errors)
		json_open_array(&problem->out, "errors");
	problem->errors = true;
	json_open_object(&problem->out, NULL);
	json_put_str(&problem->out, "pointer", pointer);
	json_put_str_or_null(&problem->out, "value", value);
	json_put_str(&problem->out, "detail", detail);
	json_put_str_or_null(&problem->out, "remedy", remedy);
	json_close_object(&problem->out);
}

void problem_end(struct problem *problem)
{
	if (problem->errors)
		json_close_array(&problem->out);
	json_close_object(&problem->out);
	http_answer(problem->exchange, problem->status, "application/problem+json");
}

void problem_answer(struct http_exchange *exchange, enum problem_kind kind, const char *detail)
{
	struct problem problem;

	problem_begin(&problem, exchange, kind, slice_text(detail));
	problem_end(&problem);
}

void problem_internal(struct http_exchange *exchange, enum err err)
{
	switch ((int)err) {
	case ERR_NOMEM:
		problem_answer(exchange, PROBLEM_UNAVAILABLE, "out of memory");
		return;
	case ERR_EXHAUSTED:
		problem_answer(exchange, PROBLEM_UNAVAILABLE, "the disk is full");
		return;
	default:
		problem_answer(exchange, PROBLEM_INTERNAL, err_text(err));
		return;
	}
}
