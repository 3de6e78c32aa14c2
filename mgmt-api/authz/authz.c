/* SPDX-License-Identifier: MIT
 * The comparison looks at every token and every byte, whatever is sent. The table of addresses has a
 * fixed size; when it is full the one that was quiet longest makes room. */
#include "mgmt-api/authz/authz.h"

/* OpenSSL has a type of the name of one of our errors. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/crypto.h>
#include <openssl/evp.h>
#undef ERR_STATE
#include <stdio.h>

#include "lib/base/ensure.h"

#define QUIET_MS (60u * 60u * 1000u) /* after which an address is forgiven */
#define FIRST_WAIT_S 2u
#define MAX_WAIT_S 300u

void authz_init(struct authz *authz)
{
	memset(authz, 0, sizeof(*authz));
}

enum err authz_add(struct authz *authz, struct slice name,
		   const unsigned char hash[AUTHZ_HASH_BYTES])
{
	struct authz_token *token;

	if (authz->token_count == AUTHZ_MAX_TOKENS)
		return ERR_LIMIT;
	token = &authz->tokens[authz->token_count++];
	memcpy(token->hash, hash, AUTHZ_HASH_BYTES);
	snprintf(token->name, sizeof(token->name), "%.*s", SLICE_ARG(slice_head(name, 31)));
	return OK;
}

void authz_make_token(struct rand *rand, struct text *text)
{
	text_lit(text, "sbc_");
	rand_text(rand, text, AUTHZ_TOKEN_CHARS - 4);
}

bool authz_token_ok(struct slice token)
{
	return token.len == AUTHZ_TOKEN_CHARS && slice_starts(token, SLICE("sbc_")) &&
	       slice_is(slice_skip(token, 4), CC_ALPHA | CC_DIGIT);
}

void authz_hash(struct slice token, unsigned char ret_hash[AUTHZ_HASH_BYTES])
{
	unsigned len = 0;

	ensure(EVP_Digest(token.p ? token.p : "", token.len, ret_hash, &len, EVP_sha256(), NULL) == 1);
	ensure(len == AUTHZ_HASH_BYTES);
}

static struct ip_addr network_of(const struct ip_addr *ip)
{
	struct ip_addr network = *ip;

	if (network.family == IP_V6)
		memset(network.bytes + 8, 0, 8);
	return network;
}

static struct authz_address *address_find(struct authz *authz, const struct ip_addr *network)
{
	for (size_t i = 0; i < authz->address_count; i++)
		if (ip_eq(&authz->addresses[i].ip, network))
			return &authz->addresses[i];
	return NULL;
}

static struct authz_address *address_make(struct authz *authz, const struct ip_addr *network)
{
	struct authz_address *oldest = &authz->addresses[0];

	if (authz->address_count < AUTHZ_MAX_ADDRESSES) {
		oldest = &authz->addresses[authz->address_count++];
	} else {
		for (size_t i = 1; i < AUTHZ_MAX_ADDRESSES; i++)
			if (authz->addresses[i].last_ms < oldest->last_ms)
				oldest = &authz->addresses[i];
	}
	*oldest = (struct authz_address){ .ip = *network };
	return oldest;
}

static void count_failure(struct authz *authz, struct authz_address *address, uint64_t now_ms)
{
	uint64_t wait_s = FIRST_WAIT_S;

	authz->failures++;
	if (now_ms - address->last_ms > QUIET_MS)
		address->failures = 0;
	address->last_ms = now_ms;
	address->failures++;
	if (address->failures < AUTHZ_FREE_FAILURES)
		return;
	for (uint32_t i = AUTHZ_FREE_FAILURES; i < address->failures && wait_s < MAX_WAIT_S; i++)
		wait_s *= 2;
	if (wait_s > MAX_WAIT_S)
		wait_s = MAX_WAIT_S;
	address->blocked_until_ms = now_ms + wait_s * 1000;
}

static const struct authz_token *token_find(const struct authz *authz, struct slice presented)
{
	const struct authz_token *found = NULL;
	unsigned char hash[AUTHZ_HASH_BYTES];

	authz_hash(presented, hash);
	for (size_t i = 0; i < authz->token_count; i++)
		if (CRYPTO_memcmp(hash, authz->tokens[i].hash, AUTHZ_HASH_BYTES) == 0)
			found = &authz->tokens[i];
	return found;
}

/* "Bearer" is case-insensitive (RFC 9110 section 11.1); one token of b64token characters follows. */
static bool bearer_token(struct slice value, struct slice *ret)
{
	if (!slice_starts_nocase(value, SLICE("Bearer ")))
		return false;
	value = slice_trim(slice_skip(value, 7), CC_WSP);
	if (value.len == 0 || slice_find_char(value, ' ') < value.len ||
	    slice_find_char(value, ',') < value.len)
		return false;
	*ret = value;
	return true;
}

struct authz_answer authz_check(struct authz *authz, struct slice authorization, unsigned count,
				const struct ip_addr *from, uint64_t now_ms)
{
	struct authz_answer answer = { .verdict = AUTHZ_DENIED };
	struct ip_addr network = network_of(from);
	const struct authz_token *token;
	struct authz_address *address;
	struct slice presented;

	if (count != 1 || !bearer_token(authorization, &presented))
		return answer;
	token = token_find(authz, presented);
	if (token) {
		answer.verdict = AUTHZ_ALLOWED;
		answer.name = token->name;
		return answer;
	}
	address = address_find(authz, &network);
	if (address && address->blocked_until_ms > now_ms) {
		/* Not counted: the wait grows with tries that were heard, not with impatience. */
		answer.verdict = AUTHZ_WAIT;
		answer.retry_after_s = (uint32_t)((address->blocked_until_ms - now_ms + 999) / 1000);
		return answer;
	}
	count_failure(authz, address ? address : address_make(authz, &network), now_ms);
	return answer;
}
