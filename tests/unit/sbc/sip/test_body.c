/* SPDX-License-Identifier: MIT
 * Bodies: one type, and multipart after RFC 2046 5.1, with what breaks it. */
#include <stdio.h>

#include "tests/unit/sbc/sip/sip_fixture.h"

#define SDP_PART "Content-Type: application/sdp\r\n\r\nv=0\r\n"

struct body_case {
	const char *type;
	const char *body;
	enum err err;
	const char *part;
};

static const struct body_case body_cases[] = {
	{ "application/sdp", "v=0\r\n", OK, "v=0\r\n" },
	{ "Application/SDP ; charset=x", "v=0\r\n", OK, "v=0\r\n" },
	{ "application/sdpx", "v=0\r\n", ERR_NOENT, "" },
	{ "", "v=0\r\n", ERR_NOENT, "" },
	{ "application/sdp", "", ERR_NOENT, "" },
	{ "multipart/mixed;boundary=b", "--b\r\n" SDP_PART "\r\n--b--", OK, "v=0\r\n" },
	{ "multipart/mixed; x=\"boundary=c\"; BOUNDARY = \"b\"",
	  "preamble\r\n--b \t\r\n" SDP_PART "\r\n--b--\r\nepilogue --b\r\n", OK, "v=0\r\n" },
	/* the content type is given late, folded, or missing */
	{ "multipart/mixed;boundary=b",
	  "--b\r\n\r\nplain\r\n--b\r\nX: y\r\ncontent-type:\r\n "
	  "application/sdp\r\n\r\nv=0\r\n--b--",
	  OK, "v=0" },
	{ "multipart/mixed;boundary=b", "--b\r\n\r\nv=0\r\n--b--", ERR_NOENT, "" },
	/* an empty part, and a boundary that only starts like ours */
	{ "multipart/mixed;boundary=b", "--b\r\nContent-Type: application/sdp\r\n\r\n\r\n--b--", OK,
	  "" },
	{ "multipart/mixed;boundary=b", "--bb\r\n--b\r\n" SDP_PART "--bb\r\n\r\n--b--", OK,
	  "v=0\r\n--bb\r\n" },
	{ "multipart/mixed;boundary=b",
	  "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--bc\r\n--b--", OK, "v=0\r\n--bc" },
	/* nested */
	{ "multipart/mixed;boundary=b",
	  "--b\r\nContent-Type: multipart/alternative;boundary=c\r\n\r\n"
	  "--c\r\n" SDP_PART "\r\n--c--\r\n--b--",
	  OK, "v=0\r\n" },
	{ "multipart/mixed;boundary=b",
	  "--b\r\nContent-Type: multipart/related;\r\n boundary =\r\n\t\"c\"\r\n"
	  "\r\n--c\r\n" SDP_PART "\r\n--c--\r\n--b--",
	  OK, "v=0\r\n" },
	/* two of them */
	{ "multipart/mixed;boundary=b", "--b\r\n" SDP_PART "--b\r\n" SDP_PART "--b--", ERR_EXISTS,
	  "" },
	/* broken */
	{ "multipart/mixed", "--b\r\n" SDP_PART "--b--", ERR_SYNTAX, "" },
	{ "multipart/mixed;boundary=", "--\r\n" SDP_PART "----", ERR_SYNTAX, "" },
	{ "multipart/mixed;boundary=b", "--c\r\n" SDP_PART "--c--", ERR_SYNTAX, "" },
	{ "multipart/mixed;boundary=b", "--b\r\n" SDP_PART, ERR_SYNTAX, "" },
	{ "multipart/mixed;boundary=b", "--b\r\n" SDP_PART "--b\r\n", ERR_SYNTAX, "" },
	{ "multipart/mixed;boundary=b", "--b", ERR_SYNTAX, "" },
	{ "multipart/mixed;boundary=b", "--b--", ERR_NOENT, "" },
	{ "multipart/"
	  "mixed;boundary=0123456789012345678901234567890123456789012345678901234567890123456789x",
	  "--b--", ERR_SYNTAX, "" },
};

static void finds_parts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(body_cases) / sizeof(body_cases[0]); i++) {
		const struct body_case *expected = &body_cases[i];
		char request[2048];
		struct fixture fixture;
		struct slice part;
		enum err err;

		fixture_init(&fixture);
		snprintf(request, sizeof(request), "MESSAGE sip:b SIP/2.0\r\n%s%s%s\r\n%s",
			 expected->type[0] ? "c: " : "", expected->type,
			 expected->type[0] ? "\r\n" : "", expected->body);
		(void)!fixture_parse(&fixture, slice_text(request));
		err = sip_body_find(&fixture.msg, SLICE("application/sdp"), &part);
		if (err != expected->err)
			print_message("case %zu: %s\n", i, expected->body);
		assert_int_equal(err, expected->err);
		if (err == OK)
			assert_slice(part, expected->part);
		fixture_fini(&fixture);
	}
}

/* Levels that hold one another: the fifth is not looked into. */
static void limits_depth(void **state)
{
	struct fixture fixture;
	char request[4096];
	struct slice part;

	(void)state;
	for (unsigned levels = 1; levels <= 6; levels++) {
		int len = snprintf(request, sizeof(request), "MESSAGE sip:b SIP/2.0\r\n");

		for (unsigned level = 0; level < levels; level++)
			len +=
			    snprintf(request + len, sizeof(request) - (size_t)len,
				     "Content-Type: multipart/mixed;boundary=l%u\r\n\r\n--l%u\r\n",
				     level, level);
		len += snprintf(request + len, sizeof(request) - (size_t)len, "%s", SDP_PART);
		for (unsigned level = levels; level-- > 0;)
			len += snprintf(request + len, sizeof(request) - (size_t)len, "\r\n--l%u--",
					level);
		fixture_init(&fixture);
		(void)!fixture_parse(&fixture, slice_text(request));
		assert_int_equal(sip_body_find(&fixture.msg, SLICE("application/sdp"), &part),
				 levels <= 4 ? OK : ERR_SYNTAX);
		fixture_fini(&fixture);
	}
}

static void gives_part_headers(void **state)
{
	static const char bytes[] = "--b\r\nContent-Type: application/isup;version=x\r\n"
				    "Content-Disposition: signal ;handling=optional\r\n"
				    "Content-Transfer-Encoding: binary\r\n"
				    "Content-Encoding: gzip\r\n"
				    "Content-ID: <a@b>\r\n\r\n\0\1\r\n\r\n\2\r\n--b--";
	struct sip_parts parts;
	struct sip_part part;

	(void)state;
	assert_int_equal(sip_parts_init(SLICE("multipart/mixed;boundary=b"),
					slice_of(bytes, sizeof(bytes) - 1), &parts),
			 OK);
	assert_true(sip_parts_next(&parts, &part));
	assert_slice(part.content_type, "application/isup;version=x");
	assert_slice(part.disposition, "signal ;handling=optional");
	assert_slice(part.content_id, "<a@b>");
	assert_slice(part.transfer_encoding, "binary");
	assert_slice(part.encoding, "gzip");
	assert_int_equal(part.body.len, 7);
	assert_memory_equal(part.body.p, "\0\1\r\n\r\n\2", 7);
	assert_false(sip_parts_next(&parts, &part));
	assert_null(parts.rest.p);
	assert_slice(sip_media_type(SLICE(" text/plain ; a=b")), "text/plain");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_parts),
		cmocka_unit_test(limits_depth),
		cmocka_unit_test(gives_part_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
