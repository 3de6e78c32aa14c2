/* SPDX-License-Identifier: MIT
 * One packet: where its parts lie, and in which order they are believed.
 *
 *   AES-CM  RTP   header, body, [MKI], tag                   tag over header, body, ROC
 *           RTCP  8 bytes, body, E and index, [MKI], tag     tag over all before the MKI
 *   GCM     RTP   header, body, tag, [MKI]                   authenticated: header
 *           RTCP  8 bytes, body, tag, E and index, [MKI]     authenticated: 8 bytes, E and index
 *
 * (RFC 3711 3.1, 3.4; RFC 7714 8, 9.) */
#include "media-relay/srtp/srtp_priv.h"

#include <string.h>

#include "lib/base/octets.h"
#include "media-relay/rtp/rtp.h"

#define RTCP_CLEAR_BYTES 8u
#define WORD_BYTES 4u
#define ENCRYPTED_BIT 0x80000000u
#define ROUND 0x10000u /* sequence numbers */
#define HALF_ROUND 0x8000u

struct parts {
	bool control;
	bool encrypted;
	size_t clear; /* bytes before the body */
	size_t end;   /* of the body */
	size_t tag;
	size_t word; /* E and index, of RTCP */
	size_t mki;
	size_t len;
	uint32_t ssrc;
	uint64_t index;
	unsigned char tail[WORD_BYTES]; /* ROC, or E and index */
};

/* Where things lie around a body that ends at `end`. */
static void lay_out(const struct srtp_key *key, struct parts *parts)
{
	size_t tag_bytes = key->facts->tag_bytes[parts->control];
	size_t word_bytes = parts->control ? WORD_BYTES : 0;

	if (key->facts->aead) {
		parts->tag = parts->end;
		parts->word = parts->tag + tag_bytes;
		parts->mki = parts->word + word_bytes;
		parts->len = parts->mki + key->mki_len;
	} else {
		parts->word = parts->end;
		parts->mki = parts->word + word_bytes;
		parts->tag = parts->mki + key->mki_len;
		parts->len = parts->tag + tag_bytes;
	}
}

/* What comes before the body. False: not within len. */
static bool clear_find(const unsigned char *bytes, size_t len, struct parts *parts)
{
	size_t at;

	if (parts->control) {
		parts->clear = RTCP_CLEAR_BYTES;
		if (len < RTCP_CLEAR_BYTES)
			return false;
		parts->ssrc = get_u32(bytes + 4);
		return true;
	}
	if (len < RTP_HEADER_BYTES)
		return false;
	at = RTP_HEADER_BYTES + 4u * (bytes[0] & 0x0fu);
	if (bytes[0] & 0x10u) {
		if (len < at + 4)
			return false;
		at += 4 + 4u * (size_t)(bytes[at + 2] << 8 | bytes[at + 3]);
	}
	parts->clear = at;
	parts->ssrc = get_u32(bytes + 8);
	return at <= len;
}

static void make_iv(const struct srtp_key *key, const struct parts *parts,
		    unsigned char iv[SRTP_IV_BYTES])
{
	size_t at = key->facts->aead ? 2 : 4; /* RFC 7714 8.1, 9.1; RFC 3711 4.1.1 */

	memset(iv, 0, SRTP_IV_BYTES);
	memcpy(iv, key->salts[parts->control], key->facts->salt_bytes);
	for (unsigned i = 0; i < 4; i++)
		iv[at + i] ^= (unsigned char)(parts->ssrc >> (24 - 8 * i));
	for (unsigned i = 0; i < 6; i++)
		iv[at + 4 + i] ^= (unsigned char)(parts->index >> (40 - 8 * i));
}

static struct srtp_job make_job(const struct srtp_engine *engine, const struct srtp_key *key,
				const struct parts *parts, unsigned char *bytes)
{
	struct srtp_job job = { .engine = engine,
				.cipher = key->facts->cipher,
				.context = key->context,
				.bytes = bytes + parts->clear,
				.len = parts->end - parts->clear };

	if (parts->control) {
		job.context = engine->control[job.cipher];
		job.key = key->control_key;
	}
	if (key->facts->aead) {
		job.clear = bytes;
		job.clear_len = parts->clear;
		job.tail = parts->tail;
		job.tail_len = parts->control ? WORD_BYTES : 0;
	}
	make_iv(key, parts, job.iv);
	return job;
}

/* ---- receiving ---- */

static bool authentic(const struct srtp_key *key, const struct parts *parts,
		      const unsigned char *bytes)
{
	unsigned char hash[SRTP_HASH_BYTES];

	srtp_mac_hash(&key->macs[parts->control], bytes, parts->end, parts->tail, WORD_BYTES, hash);
	return CRYPTO_memcmp(hash, bytes + parts->tag, key->facts->tag_bytes[parts->control]) == 0;
}

static bool open_body(const struct srtp_engine *engine, const struct srtp_key *key,
		      const struct parts *parts, unsigned char *bytes)
{
	struct srtp_job job = make_job(engine, key, parts, bytes);

	if (key->facts->aead)
		return srtp_gcm_open(&job, bytes + parts->tag);
	return authentic(key, parts, bytes) && (!parts->encrypted || srtp_ctr(&job));
}

/* The parts of a packet as received, apart from its index. */
static enum srtp_verdict cut(const struct srtp_key *key, const unsigned char *bytes, size_t len,
			     struct parts *parts)
{
	uint32_t word;

	if (!clear_find(bytes, len, parts))
		return SRTP_PLAIN;
	parts->end = 0;
	lay_out(key, parts);
	if (len < parts->clear + parts->len) /* what stands around an empty body */
		return SRTP_PLAIN;
	parts->end = len - parts->len;
	lay_out(key, parts);
	parts->encrypted = !(key->flags & (parts->control ? CTL_SRTP_UNENCRYPTED_RTCP
							  : CTL_SRTP_UNENCRYPTED_RTP));
	if (parts->control) {
		word = get_u32(bytes + parts->word);
		if (((word & ENCRYPTED_BIT) != 0) != parts->encrypted)
			return SRTP_PLAIN;
		parts->index = word & ~ENCRYPTED_BIT;
		put_u32(parts->tail, word);
	}
	if (key->mki_len > 0 && memcmp(bytes + parts->mki, key->mki, key->mki_len) != 0)
		return SRTP_FORGED;
	return SRTP_OK;
}

static void set_index(struct parts *parts, uint64_t index)
{
	parts->index = index;
	put_u32(parts->tail, (uint32_t)(index >> 16));
}

/* The peer may have begun just below a roll-over, and be beyond it before we had its key or its first
 * packet: one more guess for an SSRC that was never heard. */
static bool open_late(const struct srtp_engine *engine, const struct srtp_key *key,
		      struct parts *parts, unsigned char *bytes)
{
	if (parts->index >= HALF_ROUND)
		return false;
	set_index(parts, parts->index + ROUND);
	return open_body(engine, key, parts, bytes);
}

static enum srtp_verdict open_with(struct srtp_engine *engine, struct srtp_key *key,
				   bool control, unsigned char *bytes, size_t len, size_t *ret_len)
{
	struct parts parts = { .control = control };
	enum srtp_verdict verdict = cut(key, bytes, len, &parts);
	struct srtp_source *source;
	struct srtp_window window;

	if (verdict != SRTP_OK)
		return verdict;
	window = srtp_sources_peek(&key->sources, parts.ssrc, control);
	if (!control)
		set_index(&parts, srtp_window_guess(&window, get_u16(bytes + 2)));
	if (parts.index > SRTP_INDEX_MAX)
		return SRTP_EXHAUSTED;
	if (!srtp_window_fresh(&window, parts.index))
		return SRTP_REPLAYED;
	if (!open_body(engine, key, &parts, bytes) &&
	    (control || srtp_window_started(&window) || !open_late(engine, key, &parts, bytes)))
		return SRTP_FORGED;
	source = srtp_sources_take(engine, &key->sources, parts.ssrc, true);
	key->news |= !srtp_window_started(&window);
	srtp_window_mark(&source->windows[control], parts.index);
	*ret_len = parts.end;
	return SRTP_OK;
}

/* The key that is being replaced, as long as it is good. */
static struct srtp_key *old_key(struct srtp *srtp, uint64_t now_ms)
{
	struct srtp_key *old = srtp->receive_old;

	if (old && old->context && now_ms >= srtp->old_until_ms)
		srtp_key_wipe(srtp->engine, old);
	return old && old->context ? old : NULL;
}

enum srtp_verdict srtp_unprotect(struct srtp *srtp, bool control, unsigned char *bytes, size_t len,
				 uint64_t now_ms, size_t *ret_len)
{
	struct srtp_key *keys[SRTP_RECEIVE_KEYS + 1] = { srtp->receive[0], srtp->receive[1],
							 old_key(srtp, now_ms) };
	enum srtp_verdict result = SRTP_PLAIN;

	for (unsigned i = 0; i < SRTP_RECEIVE_KEYS + 1; i++) {
		enum srtp_verdict verdict;

		if (!keys[i])
			continue;
		verdict = open_with(srtp->engine, keys[i], control, bytes, len, ret_len);
		if (verdict == SRTP_OK) {
			srtp->suite = keys[i]->suite;
			if (i < SRTP_RECEIVE_KEYS && i > 0) {
				srtp->receive[i] = srtp->receive[0];
				srtp->receive[0] = keys[i];
			}
			return SRTP_OK;
		}
		if (verdict > result) /* what says most: replayed, then forged */
			result = verdict;
	}
	return result;
}

/* ---- sending ---- */

static enum srtp_verdict choose_index(struct srtp_engine *engine, struct srtp_key *key,
				      const unsigned char *bytes, struct parts *parts)
{
	struct srtp_source *source;
	struct srtp_window window;

	if (parts->control) {
		if (key->control_next > SRTCP_INDEX_MAX)
			return SRTP_EXHAUSTED;
		parts->index = key->control_next++;
		put_u32(parts->tail,
			(uint32_t)parts->index | (parts->encrypted ? ENCRYPTED_BIT : 0));
		return SRTP_OK;
	}
	window = srtp_sources_peek(&key->sources, parts->ssrc, false);
	set_index(parts, srtp_window_guess(&window, get_u16(bytes + 2)));
	if (parts->index > SRTP_INDEX_MAX)
		return SRTP_EXHAUSTED;
	if (!srtp_window_fresh(&window, parts->index))
		return SRTP_REPLAYED;
	source = srtp_sources_take(engine, &key->sources, parts->ssrc, false);
	if (!source)
		return SRTP_EXHAUSTED;
	key->news |= !srtp_window_started(&window);
	srtp_window_mark(&source->windows[0], parts->index);
	return SRTP_OK;
}

static bool seal_body(const struct srtp_engine *engine, const struct srtp_key *key,
		      const struct parts *parts, unsigned char *bytes)
{
	struct srtp_job job = make_job(engine, key, parts, bytes);
	unsigned char hash[SRTP_HASH_BYTES];

	if (key->facts->aead)
		return srtp_gcm_seal(&job, bytes + parts->tag);
	if (parts->encrypted && !srtp_ctr(&job))
		return false;
	srtp_mac_hash(&key->macs[parts->control], bytes, parts->end, parts->tail, WORD_BYTES, hash);
	memcpy(bytes + parts->tag, hash, key->facts->tag_bytes[parts->control]);
	return true;
}

enum srtp_verdict srtp_protect(struct srtp *srtp, bool control, unsigned char *bytes, size_t len,
			       size_t *ret_len)
{
	struct srtp_key *key = srtp->send;
	struct parts parts = { .control = control, .end = len };
	enum srtp_verdict verdict;

	if (!key || !clear_find(bytes, len, &parts))
		return SRTP_PLAIN;
	parts.encrypted = !(key->flags & (control ? CTL_SRTP_UNENCRYPTED_RTCP
						  : CTL_SRTP_UNENCRYPTED_RTP));
	lay_out(key, &parts);
	verdict = choose_index(srtp->engine, key, bytes, &parts);
	if (verdict != SRTP_OK)
		return verdict;
	if (!seal_body(srtp->engine, key, &parts, bytes))
		return SRTP_EXHAUSTED;
	if (control)
		memcpy(bytes + parts.word, parts.tail, WORD_BYTES);
	if (key->mki_len > 0)
		memcpy(bytes + parts.mki, key->mki, key->mki_len);
	*ret_len = parts.len;
	return SRTP_OK;
}
