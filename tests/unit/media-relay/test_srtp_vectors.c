/* SPDX-License-Identifier: MIT
 * The transform against the published vectors: RFC 3711 appendix B, RFC 6188 7, RFC 7714 16 and 17. */
#include "tests/unit/media-relay/srtp_fixture.h"

#include <sys/mman.h>
#include <unistd.h>

static unsigned char nibble(char c)
{
	return (unsigned char)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* Spaces are passed over. */
static struct bytes hex(const char *text)
{
	struct bytes bytes = { .len = 0 };
	unsigned high = 16;

	for (; *text; text++) {
		if (*text == ' ')
			continue;
		assert_true(bytes.len < BUFFER_BYTES);
		if (high == 16) {
			high = nibble(*text);
		} else {
			bytes.p[bytes.len++] = (unsigned char)(high << 4 | nibble(*text));
			high = 16;
		}
	}
	return bytes;
}

static const struct {
	enum ctl_srtp_suite suite;
	const char *master;
	const char *key;
	const char *salt;
	const char *auth;
} derivations[] = {
	{ CTL_SRTP_AES_CM_128_HMAC_SHA1_80, /* RFC 3711 B.3 */
	  "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6",
	  "C61E7A93744F39EE10734AFE3FF7A087", "30CBBC08863D8C85D49DB34A9AE1",
	  "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4" },
	{ CTL_SRTP_AES_256_CM_HMAC_SHA1_80, /* RFC 6188 7.2 */
	  "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6"
	  "3b04803de51ee7c96423ab5b78d2",
	  "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
	  "fa31791685ca444a9e07c6c64e93", "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05" },
	{ CTL_SRTP_AES_192_CM_HMAC_SHA1_80, /* RFC 6188 7.4 */
	  "73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1 c8522f3acd4ce86d5add78edbb11",
	  "31874736a8f1143870c26e4857d8a5b2c4a354407faadabb", "2372b82d639b6d8503a47adc0a6c",
	  "355b10973cd95b9eacf4061c7e1a7151e7cfbfcb" },
};

static void assert_derived(const struct fixture *f, enum ctl_srtp_suite suite,
			   const struct bytes *master, enum srtp_label label, const char *expected)
{
	struct bytes want = hex(expected);
	struct bytes got = { .len = want.len };

	assert_true(srtp_derive(&f->engine, srtp_facts(suite), master->p, label, got.p, got.len));
	assert_same(&got, &want);
}

static void session_keys(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < array_size(derivations); i++) {
		struct bytes master = hex(derivations[i].master);
		enum ctl_srtp_suite suite = derivations[i].suite;

		assert_derived(f, suite, &master, SRTP_LABEL_RTP_KEY, derivations[i].key);
		assert_derived(f, suite, &master, SRTP_LABEL_RTP_SALT, derivations[i].salt);
		assert_derived(f, suite, &master, SRTP_LABEL_RTP_AUTH, derivations[i].auth);
	}
}

static const struct {
	enum srtp_cipher cipher;
	unsigned skip; /* blocks */
	const char *key;
	const char *stream;
} keystreams[] = {
	{ SRTP_CTR_128, 0, "2B7E151628AED2A6ABF7158809CF4F3C", /* RFC 3711 B.2 */
	  "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB"
	  "41E95B3BB0A2E8DD477901E4FCA894C0" },
	{ SRTP_CTR_128, 0xfeff, "2B7E151628AED2A6ABF7158809CF4F3C",
	  "EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE"
	  "6A2CC3787889374FBEB4C81B17BA6C44" },
	{ SRTP_CTR_192, 0, "eab234764e517b2d3d160d587d8c86219740f65f99b6bcf7", /* RFC 6188 7.3 */
	  "35096cba4610028dc1b57503804ce37c 5de986291dcce161d5165ec4568f5c9a" },
	{ SRTP_CTR_256, 0, /* RFC 6188 7.1 */
	  "57f82fe3613fd170a85ec93c40b1f092 2ec4cb0dc025b58272147cc438944a98",
	  "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac" },
};

static void cipher_streams(void **state)
{
	static const unsigned char nonce[14] = { 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6,
						 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd };
	struct fixture *f = *state;

	for (size_t i = 0; i < array_size(keystreams); i++) {
		struct bytes key = hex(keystreams[i].key);
		struct bytes want = hex(keystreams[i].stream);
		struct bytes got = { .len = want.len };
		struct srtp_job job = { .engine = &f->engine,
					.cipher = keystreams[i].cipher,
					.context = f->engine.control[keystreams[i].cipher],
					.key = key.p,
					.bytes = got.p,
					.len = got.len };

		memcpy(job.iv, nonce, sizeof(nonce));
		job.iv[14] = (unsigned char)(keystreams[i].skip >> 8);
		job.iv[15] = (unsigned char)keystreams[i].skip;
		assert_true(srtp_ctr(&job));
		assert_same(&got, &want);
	}
}

/* RFC 2202 case 1 and 2 (the key there is shorter, and padded with zeros either way). */
static void keyed_hash(void **state)
{
	static const unsigned char jefe[SRTP_AUTH_KEY_BYTES] = "Jefe";
	struct bytes want = hex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	unsigned char got[SRTP_HASH_BYTES];
	struct srtp_mac mac;

	(void)state;
	srtp_mac_init(&mac, jefe);
	srtp_mac_hash(&mac, (const unsigned char *)"what do ya want for nothing?", 24,
		      (const unsigned char *)"ing?", 4, got);
	assert_memory_equal(got, want.p, want.len);
}

static const struct {
	enum ctl_srtp_suite suite;
	bool control;
	const char *plain;
	const char *cipher;
} sealings[] = {
	{ CTL_SRTP_AEAD_AES_128_GCM, false, /* RFC 7714 16.1.1 */
	  "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e697320646976"
	  "69736120696e20706172746573207472 6573",
	  "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd5"
	  "0d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce" },
	{ CTL_SRTP_AEAD_AES_256_GCM, false, /* 16.2.1 */
	  "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e697320646976"
	  "69736120696e20706172746573207472 6573",
	  "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab1801238"
	  "9a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13" },
	{ CTL_SRTP_AEAD_AES_128_GCM, true, /* 17.1 */
	  "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61"
	  "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
	  "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32d"
	  "c676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf872"
	  "45d9eade800005d4" },
	{ CTL_SRTP_AEAD_AES_256_GCM, true, /* 17.2 */
	  "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61"
	  "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
	  "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50"
	  "a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6c"
	  "b26ac3be800005d4" },
};

/* The examples name session keys, which lie behind the derivation: put them there. */
static void plant(const struct srtp_engine *engine, struct srtp_key *key)
{
	unsigned char bytes[SRTP_SESSION_KEY_MAX];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)i;
	for (unsigned i = 0; i < 2; i++)
		memcpy(key->salts[i], "Quid pro quo", 12);
	memcpy(key->control_key, bytes, key->facts->key_bytes);
	assert_true(engine->library->context_key(engine->state, key->facts->cipher, key->context,
						 bytes));
	key->control_next = 0x5d4;
}

static void whole_packets(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < array_size(sealings); i++) {
		struct bytes plain = hex(sealings[i].plain);
		struct bytes cipher = hex(sealings[i].cipher);
		struct bytes packet = plain;

		assert_int_equal(srtp_set_send(f->a, NULL), OK);
		assert_int_equal(srtp_set_receive(f->b, NULL, 0, 0), OK);
		srtp_key_destroy(&f->engine, &f->a->send_old);
		pair(f, sealings[i].suite);
		plant(&f->engine, f->a->send);
		plant(&f->engine, f->b->receive[0]);
		assert_int_equal(protect(f->a, sealings[i].control, &packet), SRTP_OK);
		assert_same(&packet, &cipher);
		assert_int_equal(unprotect(f->b, sealings[i].control, &packet), SRTP_OK);
		assert_same(&packet, &plain);
	}
}

/* What a library says that it keeps of a key is all that it touches: behind it no page is. */
static void contexts_stay_in_bounds(void **state)
{
	static const unsigned char key[32] = "any";
	struct fixture *f = *state;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char bytes[1500] = { 0 }, tag[SRTP_GCM_TAG_BYTES];

	assert_true(pages != MAP_FAILED);
	assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
	for (unsigned i = 0; i < SRTP_CIPHERS; i++) {
		enum srtp_cipher cipher = (enum srtp_cipher)i;
		size_t size = f->engine.library->context_bytes(f->engine.state, cipher);
		void *context = pages + page - (size + 15) / 16 * 16;
		struct srtp_job job = { .engine = &f->engine, .cipher = cipher,
					.context = context, .clear = key, .clear_len = 12,
					.bytes = bytes };

		memset(context, 0, size);
		assert_true(f->engine.library->context_key(f->engine.state, cipher, context, key));
		for (job.len = 1; job.len < sizeof(bytes); job.len += job.len / 16 + 1) {
			if (i < SRTP_GCM_128) {
				assert_true(srtp_ctr(&job));
				continue;
			}
			assert_true(srtp_gcm_seal(&job, tag));
			assert_true(srtp_gcm_open(&job, tag));
		}
		f->engine.library->context_wipe(context, size);
	}
	munmap(pages, 2 * page);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(session_keys),
		TEST(cipher_streams),
		TEST(keyed_hash),
		TEST(whole_packets),
		TEST(contexts_stay_in_bounds),
	};

	return run_with_libraries(tests, array_size(tests));
}
