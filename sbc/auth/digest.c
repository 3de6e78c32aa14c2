/* SPDX-License-Identifier: MIT
 * The arithmetic of RFC 7616 3.4.1 to 3.4.3. The hash of the password stands on the stack for a
 * moment and is wiped. */
/* OpenSSL has a type of this name, which nothing here uses. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/crypto.h>
#include <openssl/evp.h>
#undef ERR_STATE

#include "lib/base/ensure.h"
#include "sbc/auth/auth.h"

#define DIGEST_MAX 32u

static const struct {
	const char *name;
	const EVP_MD *(*md)(void);
} algorithms[AUTH_ALGORITHM_COUNT] = {
	[AUTH_MD5] = { "MD5", EVP_md5 },
	[AUTH_SHA_256] = { "SHA-256", EVP_sha256 },
	[AUTH_SHA_512_256] = { "SHA-512-256", EVP_sha512_256 },
};

struct hex {
	char p[AUTH_HEX_MAX];
	size_t len;
};

static struct slice hex_slice(const struct hex *hex)
{
	return slice_of(hex->p, hex->len);
}

static bool update(EVP_MD_CTX *context, struct slice part)
{
	return part.len == 0 || EVP_DigestUpdate(context, part.p, part.len) == 1;
}

/* The parts with colons between them, hashed. */
static enum err hash(enum auth_algorithm algorithm, const struct slice *parts, size_t count,
		     struct hex *ret)
{
	static const struct slice colon = { ":", 1 };
	unsigned char digest[DIGEST_MAX];
	unsigned len = 0;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	struct text text;
	bool fine;

	if (!context)
		return ERR_NOMEM;
	fine = EVP_DigestInit_ex(context, algorithms[algorithm].md(), NULL) == 1;
	for (size_t i = 0; i < count && fine; i++)
		fine = (i == 0 || update(context, colon)) && update(context, parts[i]);
	fine = fine && EVP_DigestFinal_ex(context, digest, &len) == 1;
	EVP_MD_CTX_free(context);
	if (!fine)
		return ERR_UNSUPPORTED;
	text_init(&text, ret->p, sizeof(ret->p));
	text_hex(&text, digest, len);
	ret->len = text_done(&text).len;
	OPENSSL_cleanse(digest, sizeof(digest));
	return OK;
}

static void write_count(struct text *text, uint32_t count)
{
	text_printf(text, "%08x", count);
}

static enum err response(const struct auth_challenge *challenge, const struct auth_answer *answer,
			 const struct hex *a1, const struct hex *a2, struct hex *ret)
{
	char storage[9];
	struct text count;

	text_init(&count, storage, sizeof(storage));
	write_count(&count, answer->nonce_count);
	if (!challenge->qop) {
		struct slice parts[] = { hex_slice(a1), challenge->nonce, hex_slice(a2) };

		return hash(challenge->algorithm, parts, array_size(parts), ret);
	}
	struct slice parts[] = { hex_slice(a1),  challenge->nonce, text_done(&count),
				 answer->cnonce, SLICE("auth"),    hex_slice(a2) };

	return hash(challenge->algorithm, parts, array_size(parts), ret);
}

enum err auth_response(const struct auth_challenge *challenge, const struct auth_answer *answer,
		       char ret_hex[AUTH_HEX_MAX], size_t *ret_len)
{
	struct slice secret[] = { answer->username, challenge->realm, answer->password };
	struct slice request[] = { answer->method, answer->uri };
	struct hex result;
	struct hex a1;
	struct hex a2;
	enum err err;

	err = hash(challenge->algorithm, secret, array_size(secret), &a1);
	if (err == OK)
		err = hash(challenge->algorithm, request, array_size(request), &a2);
	if (err == OK)
		err = response(challenge, answer, &a1, &a2, &result);
	OPENSSL_cleanse(&a1, sizeof(a1));
	if (err < 0)
		return err;
	memcpy(ret_hex, result.p, result.len);
	*ret_len = result.len;
	return OK;
}

/* Between quotes as it came: it was between quotes there. */
static void write_echo(struct text *text, const char *name, struct slice value)
{
	text_printf(text, "%s=\"%.*s\", ", name, SLICE_ARG(value));
}

static bool has_controls(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (char_is(s.p[i], CC_CTL))
			return true;
	return false;
}

/* Nothing may end the header field, and nothing of ours the string that it stands in. */
static enum err check(const struct auth_challenge *challenge, const struct auth_answer *answer)
{
	if (has_controls(challenge->realm) || has_controls(challenge->nonce) ||
	    has_controls(challenge->opaque) || has_controls(answer->username) ||
	    has_controls(answer->uri) || has_controls(answer->cnonce))
		return ERR_SYNTAX;
	if (slice_find_char(answer->uri, '"') < answer->uri.len ||
	    slice_find_char(answer->cnonce, '"') < answer->cnonce.len)
		return ERR_SYNTAX;
	return challenge->qop && answer->cnonce.len == 0 ? ERR_SYNTAX : OK;
}

void auth_write(struct text *text, const struct auth_challenge *challenge,
		const struct auth_answer *answer)
{
	char hex[AUTH_HEX_MAX];
	size_t len = 0;
	enum err err = check(challenge, answer);

	if (err == OK)
		err = auth_response(challenge, answer, hex, &len);
	if (err < 0 && text->err == OK)
		text->err = err;
	text_printf(text, "%sAuthorization: Digest username=", challenge->proxy ? "Proxy-" : "");
	sip_write_quoted(text, answer->username);
	text_lit(text, ", ");
	write_echo(text, "realm", challenge->realm);
	write_echo(text, "nonce", challenge->nonce);
	write_echo(text, "uri", answer->uri);
	if (challenge->opaque.p)
		write_echo(text, "opaque", challenge->opaque);
	if (challenge->algorithm_given)
		text_printf(text, "algorithm=%s, ", algorithms[challenge->algorithm].name);
	if (challenge->qop) {
		text_lit(text, "qop=auth, nc=");
		write_count(text, answer->nonce_count);
		text_printf(text, ", cnonce=\"%.*s\", ", SLICE_ARG(answer->cnonce));
	}
	text_printf(text, "response=\"%.*s\"\r\n", (int)len, hex);
}
