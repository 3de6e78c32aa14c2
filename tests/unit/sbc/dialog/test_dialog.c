/* SPDX-License-Identifier: MIT
 * Dialogs against RFC 3261 section 12: route sets on both sides, strict routers (12.2.1.1), target
 * refresh, forks, and how the table finds them. */
#include "sbc/dialog/dialog.h"

#include <stdio.h>

#include "tests/support/unit.h"

struct fixture {
	struct arena_cache cache;
	struct arena arena;
	struct rand rand;
};

static int set_up(void **state)
{
	static struct fixture fixture;

	arena_cache_init(&fixture.cache, 0);
	arena_init(&fixture.arena, &fixture.cache, 4096, 1 << 20);
	rand_init_seed(&fixture.rand, 3);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	arena_fini(&fixture->arena);
	arena_cache_fini(&fixture->cache);
	return 0;
}

static struct sip_msg parse(struct fixture *fixture, const char *text)
{
	struct sip_verdict verdict;
	struct sip_msg msg;

	assert_int_equal(sip_parse(&fixture->arena, slice_text(text), &sip_limits_default, &msg,
				   &verdict),
			 OK);
	return msg;
}

#define INVITE_HEAD                                                                                \
	"INVITE sip:bob@192.0.2.4 SIP/2.0\r\n"                                                     \
	"Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKnashds8\r\n"                                \
	"Max-Forwards: 70\r\nFrom: Alice <sip:alice@a.example>;tag=1928301774\r\n"                 \
	"To: <sip:bob@b.example>\r\nCall-ID: a84b4c76e66710\r\nCSeq: 314159 INVITE\r\n"
#define ANSWER_HEAD                                                                                \
	"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKnashds8\r\n"              \
	"From: Alice <sip:alice@a.example>;tag=1928301774\r\n"                                     \
	"Call-ID: a84b4c76e66710\r\nCSeq: 314159 INVITE\r\n"

static const struct dialog_self self = { .host = { "192.0.2.4", 9 }, .port = 5060 };

static struct slice request_line_and_routes(struct fixture *fixture, const struct dialog *dialog)
{
	struct dialog_request request = { .method = SIP_BYE,
					  .cseq = 2,
					  .branch = SLICE("z9hG4bKx"),
					  .max_forwards = 70,
					  .self = &self };
	struct text text;

	text_init_arena(&text, &fixture->arena, 1024);
	dialog_request_write(&text, dialog, &request);
	assert_int_equal(text.err, OK);
	return text_done(&text);
}

static void uas_keeps_the_order_of_routes(void **state)
{
	struct fixture *fixture = *state;
	struct sip_msg msg = parse(fixture, INVITE_HEAD
				   "Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>\r\n"
				   "Record-Route: <sip:p0.example;lr>\r\n"
				   "Contact: <sip:alice@192.0.2.9:5060>\r\nContent-Length: 0\r\n\r\n");
	struct dialog dialog = { 0 };
	struct flow flow = { 0 };

	assert_int_equal(dialog_accept(&dialog, &fixture->arena, &msg, &flow, &fixture->rand), OK);
	assert_int_equal(dialog.route_count, 3);
	assert_slice(dialog.routes[0], "<sip:p2.example;lr>");
	assert_slice(dialog.routes[1], "<sip:p1.example;lr>");
	assert_slice(dialog.routes[2], "<sip:p0.example;lr>");
	assert_slice(dialog.remote_target, "sip:alice@192.0.2.9:5060");
	assert_slice(dialog.remote_tag, "1928301774");
	assert_int_equal(dialog.remote_cseq, 314159);
	assert_int_equal(dialog.local_tag.len, DIALOG_TAG_CHARS);
	assert_true(dialog.established);
	assert_true(slice_starts(request_line_and_routes(fixture, &dialog),
				 SLICE("BYE sip:alice@192.0.2.9:5060 SIP/2.0\r\n"
				       "Via: SIP/2.0/UDP 192.0.2.4:5060;rport;branch=z9hG4bKx\r\n"
				       "Max-Forwards: 70\r\nRoute: <sip:p2.example;lr>\r\n"
				       "Route: <sip:p1.example;lr>\r\nRoute: <sip:p0.example;lr>\r\n"
				       "From: <sip:bob@b.example>;tag=")));
}

static void uac_reverses_routes(void **state)
{
	struct fixture *fixture = *state;
	struct sip_msg msg = parse(fixture, ANSWER_HEAD
				   "To: <sip:bob@b.example>;tag=8321234356\r\n"
				   "Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>\r\n"
				   "Contact: <sip:bob@192.0.2.77>\r\nContent-Length: 0\r\n\r\n");
	struct dialog dialog = { 0 };

	assert_int_equal(dialog_establish(&dialog, &fixture->arena, &msg), OK);
	assert_int_equal(dialog.route_count, 2);
	assert_slice(dialog.routes[0], "<sip:p1.example;lr>");
	assert_slice(dialog.routes[1], "<sip:p2.example;lr>");
	assert_slice(dialog.remote_tag, "8321234356");
}

/* 12.2.1.1: the strict router's URI is the Request-URI, the remote target ends the Route. */
static void strict_router(void **state)
{
	struct fixture *fixture = *state;
	struct sip_msg msg = parse(fixture, ANSWER_HEAD
				   "To: <sip:bob@b.example>;tag=8321234356\r\n"
				   "Record-Route: <sip:p2.example;lr>, <sip:p1.example>\r\n"
				   "Contact: <sip:bob@192.0.2.77>\r\nContent-Length: 0\r\n\r\n");
	struct dialog dialog = { .local = SLICE("<sip:us@192.0.2.4>"),
				 .remote = SLICE("<sip:bob@b.example>"),
				 .local_tag = SLICE("l"),
				 .call_id = SLICE("c") };

	assert_int_equal(dialog_establish(&dialog, &fixture->arena, &msg), OK);
	assert_true(slice_starts(request_line_and_routes(fixture, &dialog),
				 SLICE("BYE sip:p1.example SIP/2.0\r\n"
				       "Via: SIP/2.0/UDP 192.0.2.4:5060;rport;branch=z9hG4bKx\r\n"
				       "Max-Forwards: 70\r\nRoute: <sip:p2.example;lr>\r\n"
				       "Route: <sip:bob@192.0.2.77>\r\n"
				       "From: <sip:us@192.0.2.4>;tag=l\r\n"
				       "To: <sip:bob@b.example>;tag=8321234356\r\n"
				       "Call-ID: c\r\nCSeq: 2 BYE\r\n")));
}

static void refresh_does_not_grow(void **state)
{
	struct fixture *fixture = *state;
	struct dialog dialog = { 0 };
	struct arena leg;
	size_t held = 0;

	arena_init(&leg, &fixture->cache, 512, 4096);
	for (unsigned i = 0; i < 1000; i++) {
		char text[600];
		struct sip_msg msg;

		snprintf(text, sizeof(text), ANSWER_HEAD
			 "To: <sip:bob@b.example>;tag=83\r\nContact: <sip:bob@192.0.2.77:%u>\r\n"
			 "Content-Length: 0\r\n\r\n",
			 5000 + i);
		msg = parse(fixture, text);
		assert_int_equal(dialog_establish(&dialog, &leg, &msg), OK);
		if (i == 1)
			held = leg.held_bytes;
	}
	assert_slice(dialog.remote_target, "sip:bob@192.0.2.77:5999");
	assert_int_equal(leg.held_bytes, held);
	arena_fini(&leg);
}

static void unusable_contacts(void **state)
{
	static const char *const contacts[] = { "", "Contact: <tel:+4930123>\r\n",
						"Contact: <http://192.0.2.9/>\r\n" };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < 3; i++) {
		struct dialog dialog = { 0 };
		struct flow flow = { 0 };
		char text[600];
		struct sip_msg msg;

		snprintf(text, sizeof(text), INVITE_HEAD "%sContent-Length: 0\r\n\r\n", contacts[i]);
		msg = parse(fixture, text);
		assert_int_equal(dialog_accept(&dialog, &fixture->arena, &msg, &flow,
					       &fixture->rand),
				 ERR_SYNTAX);
	}
}

static void table_finds_by_call_id_and_tag(void **state)
{
	struct fixture *fixture = *state;
	struct dialog_table table;
	struct dialog ours = { .call_id = SLICE("a84b4c76e66710"),
			       .local_tag = SLICE("314159"),
			       .remote_tag = SLICE("1928301774"),
			       .established = true };
	struct dialog swapped = { .call_id = SLICE("314159"), .local_tag = SLICE("a84b4c76e66710") };
	struct sip_msg msg = parse(
		fixture, "BYE sip:us@192.0.2.4 SIP/2.0\r\n"
			 "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
			 "From: <sip:alice@a.example>;tag=1928301774\r\n"
			 "To: <sip:bob@b.example>;tag=314159\r\nCall-ID: a84b4c76e66710\r\n"
			 "CSeq: 9 BYE\r\nContent-Length: 0\r\n\r\n");

	assert_int_equal(dialog_table_init(&table, (struct hash_key){ 1, 2 }, 16), OK);
	dialog_list(&table, &swapped);
	assert_null(dialog_find(&table, &msg));
	dialog_list(&table, &ours);
	assert_ptr_equal(dialog_find(&table, &msg), &ours);
	assert_true(dialog_from_peer(&ours, &msg));
	ours.remote_tag = SLICE("another fork");
	assert_false(dialog_from_peer(&ours, &msg));
	dialog_unlist(&table, &ours);
	dialog_unlist(&table, &ours);
	assert_null(dialog_find(&table, &msg));
	dialog_table_fini(&table);
}

static void sent_by_and_contact(void **state)
{
	static const struct {
		struct dialog_self self;
		const char *via;
		const char *contact;
	} table[] = {
		{ { { "192.0.2.4", 9 }, 5060, SIP_UDP }, "192.0.2.4:5060", "<sip:192.0.2.4:5060>" },
		{ { { "[2001:db8::4]", 13 }, 5060, SIP_UDP },
		  "[2001:db8::4]:5060",
		  "<sip:[2001:db8::4]:5060>" },
		{ { { "sbc.example", 11 }, 5060, SIP_TCP },
		  "sbc.example",
		  "<sip:sbc.example;transport=tcp>" },
		{ { { "sbc.example", 11 }, 5070, SIP_TCP },
		  "sbc.example:5070",
		  "<sip:sbc.example:5070;transport=tcp>" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char storage[128];
		char expected[160];
		struct text text;

		text_init(&text, storage, sizeof(storage));
		dialog_sent_by_write(&text, &table[i].self);
		assert_slice(text_done(&text), table[i].via);
		text_init(&text, storage, sizeof(storage));
		dialog_contact_write(&text, &table[i].self);
		snprintf(expected, sizeof(expected), "Contact: %s\r\n", table[i].contact);
		assert_slice(text_done(&text), expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(uas_keeps_the_order_of_routes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(uac_reverses_routes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(strict_router, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refresh_does_not_grow, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unusable_contacts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(table_finds_by_call_id_and_tag, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sent_by_and_contact, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
