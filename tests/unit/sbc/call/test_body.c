/* SPDX-License-Identifier: MIT
 * Bodies joined: what crosses, in which order, what is written around it. What is expected was
 * written by hand from RFC 2046, 2392, 3204, 5621 and 6442; only what is drawn at random is masked.
 */
#include "sbc/call/body.h"

#include <stdio.h>

#include "tests/support/unit.h"

#define SDP                "v=0\r\n"
#define OURS               "v=0\r\no=ours\r\n"
#define MIXED              "multipart/mixed;boundary=b"
#define PART(head, octets) "--b\r\n" head "\r\n\r\n" octets "\r\n"
#define SDP_PART           PART("Content-Type: application/sdp", SDP)
#define ISUP               "Content-Type: application/isup"
#define END                "--b--\r\n"

static struct slice some_types[] = { SLICE_INIT("application/ISUP"), SLICE_INIT("text/plain"),
				     SLICE_INIT("application/pidf+xml") };
static struct slice other_types[] = { SLICE_INIT("application/pidf+xml"),
				      SLICE_INIT("application/isup"), SLICE_INIT("text/html") };
static const struct conf_trunk from = { .bodies = some_types, .body_count = 3 };
static const struct conf_trunk to = { .bodies = other_types, .body_count = 3 };
static const struct conf_trunk closed = { 0 };

struct world {
	struct arena_cache cache;
	struct arena arena;
	struct rand rand;
	struct leak_set secrets;
	struct body_out out;
	char masked[4096];
};

static void world_init(struct world *world)
{
	*world = (struct world){ 0 };
	arena_cache_init(&world->cache, 0);
	arena_init(&world->arena, &world->cache, 1024, 1 << 20);
	rand_init_seed(&world->rand, 1);
	leak_add(&world->secrets, SLICE("pbx.inside.example"));
}

static void world_fini(struct world *world)
{
	arena_fini(&world->arena);
	arena_cache_fini(&world->cache);
}

static void join(struct world *world, const struct conf_trunk *of, const struct body *body,
		 const char *sdp)
{
	struct body_rules rules = { .from = of, .to = &to };

	assert_int_equal(body_join(&rules, body, slice_text(sdp), &world->secrets, &world->rand,
				   &world->arena, &world->out),
			 OK);
}

static void put(struct world *world, size_t *len, const char *text, size_t text_len)
{
	assert_true(*len + text_len < sizeof(world->masked));
	memcpy(world->masked + *len, text, text_len);
	*len += text_len;
	world->masked[*len] = '\0';
}

/* The octets with our boundary as "b", and every minted id as "ID". */
static const char *masked(struct world *world)
{
	struct slice boundary =
	    slice_skip(world->out.type, sizeof("multipart/mixed;boundary=") - 1);
	struct slice rest = world->out.octets;
	size_t len = 0;

	world->masked[0] = '\0';
	while (rest.len > 0) {
		if (boundary.len > 0 && slice_starts(rest, boundary)) {
			put(world, &len, "b", 1);
			rest = slice_skip(rest, boundary.len);
		} else if (rest.len > 36 &&
			   slice_starts(slice_skip(rest, 24), SLICE("@sbc.invalid"))) {
			put(world, &len, "ID", 2);
			rest = slice_skip(rest, 36);
		} else {
			put(world, &len, rest.p, 1);
			rest = slice_skip(rest, 1);
		}
	}
	return world->masked;
}

struct row {
	const char *type;
	const char *disposition;
	const char *octets;
	const char *sdp;      /* the other leg's own */
	const char *out_type; /* its beginning */
	const char *out;
	uint16_t verdict;
};

static const struct row rows[] = {
	/* nothing but SDP, and nothing at all */
	{ "application/sdp", "", SDP, OURS, "application/sdp", OURS, 0 },
	{ "", "", "", OURS, "application/sdp", OURS, 0 },
	{ MIXED, "", SDP_PART END, OURS, "application/sdp", OURS, 0 },
	/* the SDP is replaced where it stands */
	{ MIXED, "", SDP_PART PART(ISUP, "\1\2") END, OURS, "multipart/mixed;boundary=",
	  PART("Content-Type: application/sdp", OURS) PART("Content-Type: application/isup", "\1\2")
	      END,
	  0 },
	{ MIXED, "", PART(ISUP, "\1\2") SDP_PART END, OURS, "multipart/mixed;boundary=",
	  PART("Content-Type: application/isup", "\1\2") PART("Content-Type: application/sdp", OURS)
	      END,
	  0 },
	/* its own is written where none stood, and left out where there is none to write */
	{ MIXED, "", PART(ISUP, "x") END, OURS, "multipart/mixed;boundary=",
	  PART("Content-Type: application/sdp", OURS) PART("Content-Type: application/isup", "x")
	      END,
	  0 },
	{ MIXED, "", SDP_PART PART(ISUP, "x") END, "",
	  "multipart/mixed;boundary=", PART("Content-Type: application/isup", "x") END, 0 },
	/* a body of its own stays one, or joins the SDP */
	{ "application/isup ; version=nxv3;base=\"etsi121\"", "signal;handling=optional;x=y", "x",
	  "", "application/isup;version=nxv3;base=\"etsi121\"", "x", 0 },
	{ "application/isup", "", "x", OURS, "multipart/mixed;boundary=",
	  PART("Content-Type: application/sdp", OURS) PART("Content-Type: application/isup", "x")
	      END,
	  0 },
	/* not on both lists; not said how it is to be handled, optional, required */
	{ MIXED, "", SDP_PART PART("Content-Type: text/plain", "x") END, OURS, "application/sdp",
	  OURS, 0 },
	{ MIXED, "", SDP_PART PART("Content-Type: text/html", "x") END, OURS, "application/sdp",
	  OURS, 0 },
	{ MIXED, "",
	  SDP_PART PART("Content-Type: text/html\r\nContent-Disposition: render ;handling=OPTIONAL",
			"x") END,
	  OURS, "application/sdp", OURS, 0 },
	{ MIXED, "",
	  SDP_PART PART("Content-Type: text/html\r\nContent-Disposition: x;handling=Required", "x")
	      END,
	  OURS, "application/sdp", OURS, 415 },
	{ "text/html", "", "x", OURS, "application/sdp", OURS, 415 },
	{ "text/html", "render;handling=optional", "x", OURS, "application/sdp", OURS, 0 },
	{ "", "", "x", OURS, "application/sdp", OURS, 415 },
	/* a second SDP never crosses */
	{ MIXED, "", SDP_PART SDP_PART PART(ISUP, "x") END, OURS, "multipart/mixed;boundary=",
	  PART("Content-Type: application/sdp", OURS) PART("Content-Type: application/isup", "x")
	      END,
	  0 },
	/* levels become one; part headers are written anew */
	{ MIXED, "",
	  PART("Content-Type: multipart/related;boundary=c",
	       "--c\r\nX-Secret: s\r\nContent-Type: application/ISUP;version=x;bad "
	       "value;q=\"a\\\"b\"\r\n"
	       "Content-Disposition: signal;handling=required;name=secret\r\n"
	       "Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--c--") SDP_PART END,
	  OURS, "multipart/mixed;boundary=",
	  PART("Content-Type: application/isup;version=x\r\nContent-Disposition: "
	       "signal;handling=required\r\n"
	       "Content-Transfer-Encoding: base64",
	       "AAAA") PART("Content-Type: application/sdp", OURS) END,
	  0 },
	/* encodings that are not understood */
	{ MIXED, "", SDP_PART PART(ISUP "\r\nContent-Encoding: gzip", "x") END, OURS,
	  "application/sdp", OURS, 0 },
	{ MIXED, "", SDP_PART PART(ISUP "\r\nContent-Transfer-Encoding: x-own", "x") END, OURS,
	  "application/sdp", OURS, 0 },
	/* heads that show something of the other side */
	{ MIXED, "", SDP_PART PART(ISUP ";version=pbx.inside.example", "x") PART(ISUP, "y") END,
	  OURS, "multipart/mixed;boundary=",
	  PART("Content-Type: application/sdp", OURS) PART("Content-Type: application/isup", "y")
	      END,
	  0 },
	/* the octets themselves are nobody's business */
	{ MIXED, "", PART(ISUP, "pbx.inside.example") END, "", "multipart/mixed;boundary=",
	  PART("Content-Type: application/isup", "pbx.inside.example") END, 0 },
	/* an id is never passed on */
	{ MIXED, "", PART(ISUP "\r\nContent-ID: <a@pbx.inside.example>", "x") END, "",
	  "multipart/mixed;boundary=",
	  PART("Content-Type: application/isup\r\nContent-ID: <ID>", "x") END, 0 },
};

static void joins(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct body body = { .type = slice_text(row->type),
				     .disposition = slice_text(row->disposition),
				     .octets = slice_text(row->octets) };
		struct body_rules rules = { .from = &from, .to = &to };
		struct world world;

		world_init(&world);
		join(&world, &from, &body, row->sdp);
		if (strcmp(masked(&world), row->out) != 0)
			print_message("row %zu\n", i);
		assert_string_equal(masked(&world), row->out);
		assert_true(slice_starts(world.out.type, slice_text(row->out_type)));
		assert_int_equal(body_verdict(&rules, &body), row->verdict);
		assert_int_equal(world.out.refused, row->verdict == 415);
		world_fini(&world);
	}
}

/* Geolocation follows the part that it names; the rest of its header stays behind. */
static void locates(void **state)
{
	static const struct {
		const char *reference, *routing, *headers;
	} table[] = {
		{ "l%40pbx", "", "MIME-Version: 1.0\r\nGeolocation: <cid:ID>\r\n" },
		{ "l@pbx", "YES",
		  "MIME-Version: 1.0\r\nGeolocation: <cid:ID>\r\nGeolocation-Routing: YES\r\n" },
		{ "l@pbx", "perhaps", "MIME-Version: 1.0\r\nGeolocation: <cid:ID>\r\n" },
		{ "m@pbx", "yes", "MIME-Version: 1.0\r\n" },
		{ "", "yes", "MIME-Version: 1.0\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct body body = { .type = SLICE(MIXED),
				     .reference = slice_text(table[i].reference),
				     .routing = slice_text(table[i].routing),
				     .octets = SLICE(PART(ISUP, "x") PART(
					 "Content-Type: application/pidf+xml\r\n"
					 "Content-ID: <l@pbx>",
					 "<p/>") END) };
		struct world world;
		struct slice id;
		size_t at;

		world_init(&world);
		join(&world, &from, &body, OURS);
		at = slice_find(world.out.octets, SLICE("Content-ID: <"));
		id = slice_of(world.out.octets.p + at + 13, 36);
		assert_true(slice_find(world.out.headers, SLICE("pbx")) == world.out.headers.len);
		if (slice_find(world.out.headers, SLICE("cid:")) < world.out.headers.len)
			assert_true(slice_find(world.out.headers, id) < world.out.headers.len);
		world.out.octets = world.out.headers;
		assert_string_equal(masked(&world), table[i].headers);
		world_fini(&world);
	}
}

/* Any octets at all, boundaries of others and NULs among them. */
static void keeps_octets(void **state)
{
	static const char octets[] = "--b\r\n" ISUP "\r\n\r\n\0\1\r\n--c\r\n\0\xff\r\n--b--";
	struct body body = { .type = SLICE(MIXED), .octets = slice_of(octets, sizeof(octets) - 1) };
	struct sip_parts parts;
	struct sip_part part;
	struct world world;

	(void)state;
	world_init(&world);
	join(&world, &from, &body, OURS);
	assert_true(world.out.unread);
	assert_int_equal(sip_parts_init(world.out.type, world.out.octets, &parts), OK);
	assert_true(sip_parts_next(&parts, &part));
	assert_slice(part.body, OURS);
	assert_true(sip_parts_next(&parts, &part));
	assert_int_equal(part.body.len, 11);
	assert_memory_equal(part.body.p, "\0\1\r\n--c\r\n\0\xff", 11);
	assert_false(sip_parts_next(&parts, &part));
	world_fini(&world);
}

/* While the target is not known, only the sender's own list refuses; what is too large to wait for
 * a target is refused, unless nothing of it would be kept. */
static void judges(void **state)
{
	static char large[BODY_MAX_BYTES + 200];
	struct body_rules open = { .from = &from };
	struct body_rules shut = { .from = &closed };
	struct body body = { .type = SLICE(MIXED), .octets = slice_text(large) };

	(void)state;
	snprintf(large, sizeof(large), "%s",
		 SDP_PART PART("Content-Type: text/plain\r\n"
			       "Content-Disposition: render;handling=required",
			       "x") END);
	body.octets = slice_text(large);
	assert_int_equal(body_verdict(&open, &body), 0);
	assert_int_equal(body_verdict(&shut, &body), 415);
	body.type = SLICE("application/isup");
	assert_int_equal(body_verdict(&open, &body), 0);
	assert_int_equal(body_verdict(&shut, &body), 415);
	body.octets = slice_of(large, sizeof(large));
	assert_int_equal(body_verdict(&open, &body), 413);
	body.type = SLICE("application/sdp");
	assert_int_equal(body_verdict(&open, &body), 0);
}

/* As many parts as there is room for, a level too deep, and a quota of any size. */
static void keeps_limits(void **state)
{
	char octets[4096];
	size_t len = 0;
	struct body body = { .type = SLICE(MIXED) };
	struct body_rules rules = { .from = &from, .to = &to };
	struct world world;
	size_t found = 0;

	(void)state;
	for (size_t i = 0; i < BODY_MAX_PARTS + 4; i++)
		len += (size_t)snprintf(octets + len, sizeof(octets) - len, "%s", PART(ISUP, "x"));
	len += (size_t)snprintf(octets + len, sizeof(octets) - len, "%s", SDP_PART END);
	body.octets = slice_of(octets, len);
	world_init(&world);
	join(&world, &from, &body, OURS);
	for (const char *at = masked(&world); (at = strstr(at, ISUP)); at++)
		found++;
	assert_int_equal(found, BODY_MAX_PARTS);
	assert_non_null(strstr(world.masked, OURS));
	world_fini(&world);
	for (size_t quota = 0; quota < 20000; quota += 512) {
		enum err err;

		world_init(&world);
		world.arena.quota_bytes = quota;
		err = body_join(&rules, &body, SLICE(OURS), &world.secrets, &world.rand,
				&world.arena, &world.out);
		assert_true(err == OK || err == ERR_NOMEM);
		if (err == OK)
			assert_non_null(strstr(masked(&world), END));
		world_fini(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joins),        cmocka_unit_test(locates),
		cmocka_unit_test(judges),       cmocka_unit_test(keeps_octets),
		cmocka_unit_test(keeps_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
