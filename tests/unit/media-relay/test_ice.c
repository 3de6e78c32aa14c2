/* SPDX-License-Identifier: MIT
 * STUN against the vectors of RFC 5769; the agent against what RFC 8445 and 7675 ask of a lite one. */
#include "tests/support/unit.h"

#include <stdio.h>

#include "lib/base/ensure.h"
#include "media-relay/ice/ice_priv.h"

/* ---- RFC 5769 2.1, 2.2, 2.3 ---- */

static const unsigned char vector_request[] = {
	0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
	0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73,
	0x74, 0x20, 0x63, 0x6c, 0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff,
	0x80, 0x29, 0x00, 0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09,
	0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14,
	0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49,
	0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
};
static const unsigned char vector_response_v4[] = {
	0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
	0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
	0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
	0x00, 0x08, 0x00, 0x14, 0x2b, 0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9,
	0x2a, 0xf9, 0xba, 0x53, 0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96,
};
static const unsigned char vector_response_v6[] = {
	0x01, 0x01, 0x00, 0x48, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
	0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
	0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x14, 0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa,
	0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9, 0x00, 0x08, 0x00, 0x14,
	0xa3, 0x82, 0x95, 0x4e, 0x4b, 0xe6, 0x7b, 0xf1, 0x17, 0x84, 0xc9, 0x7c, 0x82, 0x92, 0xc2, 0x75,
	0xbf, 0xe3, 0xed, 0x41, 0x80, 0x28, 0x00, 0x04, 0xc8, 0xfb, 0x0b, 0x4c,
};
#define VECTOR_PASSWORD SLICE("VOkJxbRl1RmTxUk/WvJxBt")

static void vectors_read(void **state)
{
	struct stun_message message;

	(void)state;
	assert_int_equal(stun_parse(vector_request, sizeof(vector_request), &message), OK);
	assert_int_equal(message.type, STUN_BINDING_REQUEST);
	assert_slice(message.username, "evtj:h6vY");
	assert_true(message.has_priority);
	assert_int_equal(message.priority, 0x6e0001ff);
	assert_true(message.controlled);
	assert_false(message.broken);
	assert_int_equal(message.unknown_count, 0);
	assert_true(stun_is_authentic(&message, VECTOR_PASSWORD));
	assert_false(stun_is_authentic(&message, SLICE("VOkJxbRl1RmTxUk/WvJxBT")));

	assert_int_equal(stun_parse(vector_response_v4, sizeof(vector_response_v4), &message), OK);
	assert_int_equal(message.type, STUN_BINDING_SUCCESS);
	assert_true(stun_is_authentic(&message, VECTOR_PASSWORD));
	assert_int_equal(stun_parse(vector_response_v6, sizeof(vector_response_v6), &message), OK);
	assert_true(stun_is_authentic(&message, VECTOR_PASSWORD));
}

/* Each byte counts: whatever is flipped, the fingerprint or the integrity notices. Only the type of
 * FINGERPRINT itself may change: then it is an optional attribute that nobody knows. */
static void vectors_bent(void **state)
{
	const size_t fingerprint_at = sizeof(vector_request) - 8;
	unsigned char bent[sizeof(vector_request)];
	struct stun_message message;

	(void)state;
	for (size_t i = 0; i < sizeof(bent); i++) {
		memcpy(bent, vector_request, sizeof(bent));
		bent[i] ^= 0x04;
		assert_int_equal(stun_parse(bent, sizeof(bent), &message),
				 i == fingerprint_at || i == fingerprint_at + 1 ? OK : ERR_SYNTAX);
		/* Without FINGERPRINT, whose absence the header's length tells. */
		bent[3] = (unsigned char)(bent[3] - 8);
		if (i < fingerprint_at && stun_parse(bent, fingerprint_at, &message) == OK)
			assert_false(stun_is_authentic(&message, VECTOR_PASSWORD));
	}
	for (size_t len = 0; len < sizeof(vector_request); len++)
		assert_int_equal(stun_parse(vector_request, len, &message), ERR_SYNTAX);
}

/* The mapped addresses of the vectors come out of our writer bit for bit. */
static void vectors_written(void **state)
{
	struct endpoint v4, v6;
	unsigned char out[128];
	struct stun_writer writer;
	struct stun_message message;
	size_t len;

	(void)state;
	assert_int_equal(endpoint_parse(SLICE("192.0.2.1:32853"), &v4), OK);
	assert_int_equal(endpoint_parse(SLICE("[2001:db8:1234:5678:11:2233:4455:6677]:32853"), &v6),
			 OK);
	stun_write_begin(&writer, out, sizeof(out), STUN_BINDING_SUCCESS, vector_request + 8);
	stun_write_xor_address(&writer, &v4);
	stun_write_xor_address(&writer, &v6);
	assert_memory_equal(out + 20, vector_response_v4 + 36, 12);
	assert_memory_equal(out + 32, vector_response_v6 + 36, 24);
	len = stun_write_end(&writer, VECTOR_PASSWORD);
	assert_int_equal(len, 20 + 12 + 24 + 24 + 8);
	assert_int_equal(stun_parse(out, len, &message), OK);
	assert_true(stun_is_authentic(&message, VECTOR_PASSWORD));
	/* No room: nothing, rather than half a message. */
	stun_write_begin(&writer, out, 60, STUN_BINDING_SUCCESS, vector_request + 8);
	stun_write_xor_address(&writer, &v4);
	assert_int_equal(stun_write_end(&writer, VECTOR_PASSWORD), 0);
}

/* ---- the agent ---- */

#define OURS "ours"
#define PASSWORD "0123456789abcdefghijkl"

struct world {
	struct ice ice;
	struct ice_reply reply;
	uint64_t now_ms;
	unsigned serial;
};

static struct ctl_ice_setup setup_of(const char *ufrag, const char *password, const char *remote)
{
	return (struct ctl_ice_setup){ .local_ufrag = slice_text(ufrag),
				       .local_password = slice_text(password),
				       .remote_ufrag = slice_text(remote) };
}

static void world_init(struct world *world)
{
	struct ctl_ice_setup setup = setup_of(OURS, PASSWORD, "theirs");

	memset(world, 0, sizeof(*world));
	world->now_ms = 100000;
	assert_null(ice_setup_check(&setup));
	ice_set(&world->ice, &setup);
}

enum { NOMINATE = 1, CONTROLLED = 2, UNKNOWN = 4, BROKEN = 8, BARE = 16 };

struct check {
	const char *username;
	const char *password;
	const char *source;
	unsigned flags;
	uint32_t priority;
	uint16_t type; /* 0: request */
};

static enum ice_verdict send_check(struct world *world, const struct check *check)
{
	unsigned char bytes[512], transaction[12] = { 0 };
	unsigned char priority[4] = { (unsigned char)(check->priority >> 24),
				      (unsigned char)(check->priority >> 16),
				      (unsigned char)(check->priority >> 8),
				      (unsigned char)check->priority };
	static const unsigned char tie_breaker[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct ice_datagram in = { .bytes = bytes, .component = 0, .now_ms = world->now_ms };
	struct stun_writer writer;
	enum ice_verdict verdict;

	transaction[0] = (unsigned char)++world->serial;
	stun_write_begin(&writer, bytes, sizeof(bytes),
			 check->type ? check->type : STUN_BINDING_REQUEST, transaction);
	if (check->username)
		stun_write_attribute(&writer, STUN_USERNAME, check->username,
				     strlen(check->username));
	if (!(check->flags & BARE)) {
		stun_write_attribute(&writer, STUN_PRIORITY, priority,
				     check->flags & BROKEN ? 3 : 4);
		stun_write_attribute(&writer, check->flags & CONTROLLED ? STUN_ICE_CONTROLLED :
									  STUN_ICE_CONTROLLING,
				     tie_breaker, sizeof(tie_breaker));
	}
	if (check->flags & NOMINATE)
		stun_write_attribute(&writer, STUN_USE_CANDIDATE, NULL, 0);
	if (check->flags & UNKNOWN)
		stun_write_attribute(&writer, (enum stun_attribute)0x7ffe, "x", 1);
	in.len = stun_write_end(&writer, slice_text(check->password));
	assert_int_equal(endpoint_parse(slice_text(check->source), &in.source), OK);
	verdict = ice_receive(&world->ice, &in, &world->reply);
	assert_true(world->reply.len <= in.len);
	return verdict;
}

static enum ice_verdict good_check(struct world *world, const char *source, unsigned flags,
				   uint32_t priority)
{
	struct check check = { OURS ":theirs", PASSWORD, source, flags, priority, 0 };

	return send_check(world, &check);
}

/* What is shorter than its answer is no check by RFC 8445 7.1: a path is not made for it, either. */
static void never_more_than_was_asked(void **state)
{
	const char *v6 = "[2001:db8::7]:4000";
	struct endpoint source;
	struct world world;

	(void)state;
	world_init(&world);
	assert_int_equal(endpoint_parse(slice_text(v6), &source), OK);
	assert_int_equal(good_check(&world, v6, 0, 1), ICE_ANSWERED);
	assert_true(ice_path_is(&world.ice, 0, &source));
	world_init(&world);
	assert_int_equal(good_check(&world, v6, BARE, 1), ICE_DROP_MALFORMED);
	assert_int_equal(world.reply.len, 0);
	assert_false(ice_path_is(&world.ice, 0, &source));
	assert_int_equal(good_check(&world, "192.0.2.7:4000", BARE, 1), ICE_ANSWERED);
}

static bool selected_is(const struct world *world, const char *text)
{
	const struct endpoint *selected = ice_selected(&world->ice, 0);
	struct endpoint wanted;

	if (!text || !selected)
		return !text && !selected;
	assert_int_equal(endpoint_parse(slice_text(text), &wanted), OK);
	return endpoint_eq(selected, &wanted);
}

static void answers_right_check(void **state)
{
	struct world world;
	struct stun_message answer;
	struct endpoint source;

	(void)state;
	world_init(&world);
	assert_int_equal(endpoint_parse(SLICE("192.0.2.7:4000"), &source), OK);
	assert_false(ice_path_is(&world.ice, 0, &source));
	assert_int_equal(good_check(&world, "192.0.2.7:4000", 0, 1), ICE_ANSWERED);
	assert_int_equal(stun_parse(world.reply.bytes, world.reply.len, &answer), OK);
	assert_int_equal(answer.type, STUN_BINDING_SUCCESS);
	assert_int_equal(answer.transaction[0], 1);
	assert_true(stun_is_authentic(&answer, SLICE(PASSWORD)));
	/* Known now, but not chosen; and the other component knows nothing of it. */
	assert_true(ice_path_is(&world.ice, 0, &source));
	assert_false(ice_path_is(&world.ice, 1, &source));
	assert_true(selected_is(&world, NULL));
	assert_false(world.reply.selected);
}

static void says_nothing_to_strangers(void **state)
{
	static const struct {
		struct check check;
		enum ice_verdict verdict;
	} table[] = {
		{ { "other:theirs", PASSWORD, "192.0.2.7:1", NOMINATE, 9, 0 }, ICE_DROP_USERNAME },
		{ { "ours:others", PASSWORD, "192.0.2.7:1", NOMINATE, 9, 0 }, ICE_DROP_USERNAME },
		{ { "ours", PASSWORD, "192.0.2.7:1", NOMINATE, 9, 0 }, ICE_DROP_USERNAME },
		{ { "", PASSWORD, "192.0.2.7:1", NOMINATE, 9, 0 }, ICE_DROP_USERNAME },
		{ { NULL, PASSWORD, "192.0.2.7:1", NOMINATE, 9, 0 }, ICE_DROP_USERNAME },
		{ { "ours:theirs", "wrong", "192.0.2.7:1", NOMINATE, 9, 0 }, ICE_DROP_INTEGRITY },
		{ { "ours:theirs", "wrong", "192.0.2.7:1", UNKNOWN, 9, 0 }, ICE_DROP_INTEGRITY },
		{ { "ours:theirs", PASSWORD, "192.0.2.7:1", NOMINATE, 9, STUN_BINDING_INDICATION },
		  ICE_DROP_METHOD },
		{ { "ours:theirs", PASSWORD, "192.0.2.7:1", NOMINATE, 9, STUN_BINDING_SUCCESS },
		  ICE_DROP_METHOD },
		{ { "ours:theirs", PASSWORD, "192.0.2.7:1", NOMINATE, 9, 0x0003 }, /* TURN Allocate */
		  ICE_DROP_METHOD },
	};
	struct world world;

	(void)state;
	world_init(&world);
	for (size_t i = 0; i < array_size(table); i++) {
		assert_int_equal(send_check(&world, &table[i].check), table[i].verdict);
		assert_int_equal(world.reply.len, 0);
		assert_true(selected_is(&world, NULL));
	}
	/* An agent that was told nothing has no password, and an empty one opens nothing. */
	memset(&world, 0, sizeof(world));
	assert_int_equal(send_check(&world, &(struct check){ ":", "", "192.0.2.7:1", 0, 1, 0 }),
			 ICE_DROP_USERNAME);
	assert_int_equal(world.reply.len, 0);
}

static unsigned error_code(const struct world *world)
{
	struct stun_message answer;

	assert_int_equal(stun_parse(world->reply.bytes, world->reply.len, &answer), OK);
	assert_int_equal(answer.type, STUN_BINDING_ERROR);
	assert_true(stun_is_authentic(&answer, SLICE(PASSWORD)));
	assert_int_equal(world->reply.bytes[21], STUN_ERROR_CODE);
	return world->reply.bytes[26] * 100u + world->reply.bytes[27];
}

static void refuses_peers_mistakes(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	assert_int_equal(good_check(&world, "192.0.2.7:1", NOMINATE | UNKNOWN, 1), ICE_REFUSED);
	assert_int_equal(error_code(&world), 420);
	/* UNKNOWN-ATTRIBUTES, two bytes long, names it. */
	assert_memory_equal(world.reply.bytes + 28, "\x00\x0a\x00\x02\x7f\xfe\x00\x00", 8);
	assert_int_equal(good_check(&world, "192.0.2.7:1", NOMINATE | CONTROLLED, 1), ICE_REFUSED);
	assert_int_equal(error_code(&world), 487);
	assert_int_equal(good_check(&world, "192.0.2.7:1", NOMINATE | BROKEN, 1), ICE_REFUSED);
	assert_int_equal(error_code(&world), 400);
	assert_true(selected_is(&world, NULL));
}

static void early_check_finds_its_peer(void **state)
{
	struct ctl_ice_setup setup = setup_of(OURS, PASSWORD, "");
	struct world world;

	(void)state;
	world_init(&world);
	ice_set(&world.ice, &setup);
	assert_int_equal(good_check(&world, "192.0.2.7:1", NOMINATE, 1), ICE_ANSWERED);
	assert_true(selected_is(&world, "192.0.2.7:1"));
}

static void nomination(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	assert_int_equal(good_check(&world, "192.0.2.7:1", NOMINATE, 100), ICE_ANSWERED);
	assert_true(world.reply.selected && world.reply.connected);
	assert_true(selected_is(&world, "192.0.2.7:1"));
	/* Again is nothing new. */
	(void)good_check(&world, "192.0.2.7:1", NOMINATE, 100);
	assert_false(world.reply.selected || world.reply.connected);
	/* In one burst the better priority wins, in either order. */
	(void)good_check(&world, "192.0.2.7:2", NOMINATE, 50);
	assert_true(selected_is(&world, "192.0.2.7:1"));
	(void)good_check(&world, "192.0.2.7:3", NOMINATE, 200);
	assert_true(world.reply.selected && !world.reply.connected);
	assert_true(selected_is(&world, "192.0.2.7:3"));
	/* Later it is a change of mind. A check alone is none. */
	world.now_ms += 2000;
	(void)good_check(&world, "192.0.2.7:1", 0, 900);
	assert_true(selected_is(&world, "192.0.2.7:3"));
	(void)good_check(&world, "192.0.2.7:1", NOMINATE, 10);
	assert_true(selected_is(&world, "192.0.2.7:1"));
}

static void many_paths(void **state)
{
	struct endpoint first, last;
	struct world world;

	(void)state;
	world_init(&world);
	(void)good_check(&world, "192.0.2.7:1", NOMINATE, 100);
	for (unsigned i = 2; i < 40; i++) {
		char source[32];

		world.now_ms++;
		snprintf(source, sizeof(source), "192.0.2.7:%u", i);
		assert_int_equal(good_check(&world, source, 0, 1), ICE_ANSWERED);
	}
	assert_int_equal(endpoint_parse(SLICE("192.0.2.7:1"), &first), OK);
	assert_int_equal(endpoint_parse(SLICE("192.0.2.7:39"), &last), OK);
	assert_true(ice_path_is(&world.ice, 0, &first));
	assert_true(ice_path_is(&world.ice, 0, &last));
	assert_true(selected_is(&world, "192.0.2.7:1"));
}

static void consent(void **state)
{
	struct world world;
	uint64_t due_ms;

	(void)state;
	world_init(&world);
	assert_true(ice_consent_due_ms(&world.ice, 0, 0) == UINT64_MAX);
	(void)good_check(&world, "192.0.2.7:1", NOMINATE, 100);
	due_ms = ice_consent_due_ms(&world.ice, 0, 0);
	assert_int_equal(due_ms, 100000 + 30000);
	/* Media keeps it, and so do checks, but not those from elsewhere. */
	assert_int_equal(ice_consent_due_ms(&world.ice, 0, 110000), 110000 + 30000);
	world.now_ms = 120000;
	(void)good_check(&world, "192.0.2.7:9", 0, 1);
	assert_int_equal(ice_consent_due_ms(&world.ice, 0, 0), due_ms);
	(void)good_check(&world, "192.0.2.7:1", 0, 1);
	assert_int_equal(ice_consent_due_ms(&world.ice, 0, 0), 120000 + 30000);

	ice_consent_end(&world.ice, 0);
	assert_true(selected_is(&world, NULL));
	assert_true(ice_consent_due_ms(&world.ice, 0, 0) == UINT64_MAX);
	(void)good_check(&world, "192.0.2.7:9", 0, 1);
	assert_true(selected_is(&world, NULL));
	(void)good_check(&world, "192.0.2.7:1", 0, 1);
	assert_true(world.reply.selected && world.reply.connected);
	assert_true(selected_is(&world, "192.0.2.7:1"));
}

/* RFC 8445 9: media goes on over the old path until a new one is nominated; the old credentials keep
 * it alive, and can do no more. */
static void restart(void **state)
{
	static const struct check old_elsewhere = { "ours:theirs", PASSWORD, "192.0.2.7:2",
						    NOMINATE, 900, 0 };
	static const struct check old_same = { "ours:theirs", PASSWORD, "192.0.2.7:1", NOMINATE, 1, 0 };
	static const struct check renewed = { "anew:fresh", "abcdefghijklmnopqrstuvwx",
					      "192.0.2.7:3", NOMINATE, 1, 0 };
	struct ctl_ice_setup setup = setup_of("anew", "abcdefghijklmnopqrstuvwx", "fresh");
	struct endpoint elsewhere;
	struct world world;

	(void)state;
	world_init(&world);
	(void)good_check(&world, "192.0.2.7:1", NOMINATE, 100);
	ice_set(&world.ice, &setup);
	ice_set(&world.ice, &setup); /* told twice is one restart */
	assert_true(selected_is(&world, "192.0.2.7:1"));
	world.now_ms += 20000;
	assert_int_equal(send_check(&world, &old_same), ICE_ANSWERED);
	assert_int_equal(ice_consent_due_ms(&world.ice, 0, 0), 120000 + 30000);
	assert_int_equal(send_check(&world, &old_elsewhere), ICE_ANSWERED);
	assert_int_equal(endpoint_parse(SLICE("192.0.2.7:2"), &elsewhere), OK);
	assert_false(ice_path_is(&world.ice, 0, &elsewhere));
	assert_true(selected_is(&world, "192.0.2.7:1"));
	assert_int_equal(send_check(&world, &renewed), ICE_ANSWERED);
	assert_true(world.reply.selected && world.reply.connected);
	assert_true(selected_is(&world, "192.0.2.7:3"));
	assert_int_equal(send_check(&world, &old_same), ICE_DROP_USERNAME);
}

static void setups(void **state)
{
	struct ctl_ice_setup bad[] = {
		setup_of("abc", PASSWORD, ""),
		setup_of("abcd", "0123456789abcdefghijk", ""),
		setup_of("ab:d", PASSWORD, ""),
		setup_of("abcd", "0123456789abcdefghij l", ""),
		setup_of("012345678901234567890123456789012", PASSWORD, ""),
	};

	(void)state;
	for (size_t i = 0; i < array_size(bad); i++)
		assert_non_null(ice_setup_check(&bad[i]));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_read),
		cmocka_unit_test(vectors_bent),
		cmocka_unit_test(vectors_written),
		cmocka_unit_test(answers_right_check),
		cmocka_unit_test(says_nothing_to_strangers),
		cmocka_unit_test(refuses_peers_mistakes),
		cmocka_unit_test(early_check_finds_its_peer),
		cmocka_unit_test(never_more_than_was_asked),
		cmocka_unit_test(nomination),
		cmocka_unit_test(many_paths),
		cmocka_unit_test(consent),
		cmocka_unit_test(restart),
		cmocka_unit_test(setups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
