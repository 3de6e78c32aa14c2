/* SPDX-License-Identifier: MIT
 * Digests against the examples of the RFCs (7616 3.9.1, 2617 3.5, 2069 2.4 as its errata correct
 * it) and a SHA-512-256 that another implementation computed; and which challenges are answered. */
#include "lib/base/ensure.h"
#include "sbc/auth/auth.h"
#include "tests/support/unit.h"

#define RFC7616_NONCE  "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
#define RFC7616_CNONCE "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
#define RFC7616_TAIL   ", qop=\"auth, auth-int\", nonce=\"" RFC7616_NONCE "\""

static void examples(void **state)
{
	static const struct {
		const char *challenge;
		const char *username, *password, *method, *uri, *cnonce;
		const char *expected;
	} rows[] = {
		{ "Digest realm=\"http-auth@example.org\", algorithm=MD5" RFC7616_TAIL, "Mufasa",
		  "Circle of Life", "GET", "/dir/index.html", RFC7616_CNONCE,
		  "8ca523f5e9506fed4657c9700eebdbec" },
		{ "Digest realm=\"http-auth@example.org\", algorithm=SHA-256" RFC7616_TAIL,
		  "Mufasa", "Circle of Life", "GET", "/dir/index.html", RFC7616_CNONCE,
		  "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1" },
		{ "digest realm = \"http-auth@example.org\",algorithm=\"sha-512-256\"" RFC7616_TAIL,
		  "Mufasa", "Circle of Life", "GET", "/dir/index.html", RFC7616_CNONCE,
		  "430d05014cecc49cab6fbe03176d41a1da86cbfe24a16580e22aaad928d960d0" },
		{ "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", "
		  "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "
		  "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
		  "Mufasa", "Circle Of Life", "GET", "/dir/index.html", "0a4f113b",
		  "6629fae49393a05397450978507c4ef1" },
		{ "Digest realm=\"testrealm@host.com\", "
		  "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "
		  "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
		  "Mufasa", "CircleOfLife", "GET", "/dir/index.html", "",
		  "1949323746fe6a43ef61f9606e7febea" },
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		struct auth_challenge challenge;
		struct auth_answer answer = {
			.username = slice_text(rows[i].username),
			.password = slice_text(rows[i].password),
			.method = slice_text(rows[i].method),
			.uri = slice_text(rows[i].uri),
			.nonce_count = 1,
			.cnonce = slice_text(rows[i].cnonce),
		};
		char hex[AUTH_HEX_MAX];
		size_t len;

		assert_int_equal(auth_challenge_parse(slice_text(rows[i].challenge), &challenge),
				 OK);
		assert_int_equal(auth_response(&challenge, &answer, hex, &len), OK);
		assert_slice(slice_of(hex, len), rows[i].expected);
	}
}

static void written(void **state)
{
	struct auth_answer answer = {
		.username = SLICE("a\"b"),
		.password = SLICE("secret"),
		.method = SLICE("REGISTER"),
		.uri = SLICE("sip:registrar.example"),
		.nonce_count = 26,
		.cnonce = SLICE("abc"),
	};
	struct auth_challenge challenge;
	char storage[1024];
	struct text text;

	(void)state;
	assert_int_equal(auth_challenge_parse(SLICE("Digest realm=\"r \\\" s\", nonce=\"n\", "
						    "opaque=\"\", algorithm=MD5, qop=\"auth\", "
						    "domain=\"sip:x\", stale=TRUE"),
					      &challenge),
			 OK);
	assert_true(challenge.stale);
	challenge.proxy = true;
	text_init(&text, storage, sizeof(storage));
	auth_write(&text, &challenge, &answer);
	assert_slice(text_done(&text),
		     "Proxy-Authorization: Digest username=\"a\\\"b\", realm=\"r \\\" s\", "
		     "nonce=\"n\", uri=\"sip:registrar.example\", opaque=\"\", algorithm=MD5, "
		     "qop=auth, nc=0000001a, cnonce=\"abc\", "
		     "response=\"2127a261d704666bc66ad9b1c4106311\"\r\n");
	/* without qop and algorithm nothing of them is written */
	assert_int_equal(auth_challenge_parse(SLICE("Digest realm=r,nonce=n"), &challenge), OK);
	text_init(&text, storage, sizeof(storage));
	answer.username = SLICE("a");
	auth_write(&text, &challenge, &answer);
	assert_slice(
	    text_done(&text),
	    "Authorization: Digest username=\"a\", realm=\"r\", nonce=\"n\", "
	    "uri=\"sip:registrar.example\", response=\"0595037c9413767369896a01ab317fbc\"\r\n");
}

/* What would end the header field or its string is never written. */
static void not_written(void **state)
{
	struct auth_answer good = { .username = SLICE("a"),
				    .uri = SLICE("sip:b"),
				    .method = SLICE("BYE"),
				    .cnonce = SLICE("c") };
	struct auth_challenge challenge = { .realm = SLICE("r"), .nonce = SLICE("n"), .qop = true };
	struct auth_answer bad[4] = { good, good, good, good };
	char storage[512];
	struct text text;

	(void)state;
	bad[0].uri = SLICE("sip:b\"\r\nX: y");
	bad[1].username = SLICE("a\r\nX: y");
	bad[2].cnonce = SLICE("\"");
	bad[3].cnonce = SLICE_NONE;
	for (size_t i = 0; i < array_size(bad); i++) {
		text_init(&text, storage, sizeof(storage));
		auth_write(&text, &challenge, &bad[i]);
		assert_int_equal(text.err, ERR_SYNTAX);
		assert_int_equal(text_done(&text).len, 0);
	}
	challenge.realm = SLICE("r\r\nX: y");
	text_init(&text, storage, sizeof(storage));
	auth_write(&text, &challenge, &good);
	assert_int_equal(text.err, ERR_SYNTAX);
	challenge.realm = SLICE("r");
	text_init(&text, storage, 50);
	auth_write(&text, &challenge, &good);
	assert_int_equal(text.err, ERR_LIMIT);
}

static void refused(void **state)
{
	static const struct {
		const char *value;
		enum err expected;
	} rows[] = {
		{ "Basic realm=\"x\"", ERR_UNSUPPORTED },
		{ "Digest realm=\"x\", nonce=\"y\", algorithm=MD5-sess", ERR_UNSUPPORTED },
		{ "Digest realm=\"x\", nonce=\"y\", algorithm=TIGER", ERR_UNSUPPORTED },
		{ "Digest realm=\"x\", nonce=\"y\", qop=\"auth-int\"", ERR_UNSUPPORTED },
		{ "Digest realm=\"x\", nonce=\"y\", qop=\"\"", ERR_UNSUPPORTED },
		{ "Digest realm=\"x\"", ERR_SYNTAX },
		{ "Digest nonce=\"x\"", ERR_SYNTAX },
		{ "Digest", ERR_SYNTAX },
		{ "", ERR_UNSUPPORTED },
		{ "Digest realm=\"x, nonce=\"y\"", ERR_SYNTAX },
		{ "Digest realm=\"x\" nonce=\"y\"", ERR_SYNTAX },
		{ "Digest realm=\"x\\", ERR_SYNTAX },
		{ "Digest realm", ERR_SYNTAX },
		{ "Digest =", ERR_SYNTAX },
		{ "Digest realm=a\"b, nonce=n", ERR_SYNTAX },
		{ "Digest realm=\"x\",,nonce=\"y\"", ERR_SYNTAX },
	};
	struct auth_challenge challenge;

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++)
		assert_int_equal(auth_challenge_parse(slice_text(rows[i].value), &challenge),
				 rows[i].expected);
}

static void strongest_of_each_realm(void **state)
{
	static const char response[] =
	    "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
	    "From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
	    "WWW-Authenticate: Digest realm=\"one\", nonce=\"1\", algorithm=MD5\r\n"
	    "WWW-Authenticate: Basic realm=\"one\"\r\n"
	    "WWW-Authenticate: Digest realm=\"one\", nonce=\"2\", algorithm=SHA-256\r\n"
	    "WWW-Authenticate: Digest realm=\"one\", nonce=\"3\", algorithm=SHA-256\r\n"
	    "WWW-Authenticate: Digest realm=\"two\", nonce=\"4\"\r\n"
	    "WWW-Authenticate: Digest realm=\"two\", nonce=\"5\", algorithm=SHA-512\r\n"
	    "Proxy-Authenticate: Digest realm=\"one\", nonce=\"6\"\r\n"
	    "Content-Length: 0\r\n\r\n";
	struct auth_challenge challenges[AUTH_CHALLENGES_MAX];
	struct arena_cache cache;
	struct sip_verdict verdict;
	struct arena arena;
	struct sip_msg msg;

	(void)state;
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 4096, 65536);
	assert_int_equal(
	    sip_parse(&arena, slice_text(response), &sip_limits_default, &msg, &verdict), OK);
	assert_int_equal(auth_challenges(&msg, challenges), 3);
	assert_slice(challenges[0].nonce, "2");
	assert_false(challenges[0].proxy);
	assert_slice(challenges[1].nonce, "4");
	assert_slice(challenges[2].nonce, "6");
	assert_true(challenges[2].proxy);
	arena_fini(&arena);
	arena_cache_fini(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples),
		cmocka_unit_test(written),
		cmocka_unit_test(not_written),
		cmocka_unit_test(refused),
		cmocka_unit_test(strongest_of_each_realm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
