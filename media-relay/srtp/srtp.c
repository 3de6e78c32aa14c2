/* SPDX-License-Identifier: MIT
 * The two directions of a side: which keys are in use, and what becomes of those that are replaced.
 * Always true: a key that is told again goes on with its counters, even when others stood between. */
#include "media-relay/srtp/srtp_priv.h"

#include "lib/base/ensure.h"
#include "lib/base/wire.h"

struct srtp *srtp_create(struct srtp_engine *engine)
{
	struct handle handle;
	struct srtp *srtp = pool_take(&engine->sides, &handle);

	if (!srtp)
		return NULL;
	srtp->engine = engine;
	srtp->handle = handle;
	return srtp;
}

void srtp_destroy(struct srtp **srtp)
{
	struct srtp *gone = *srtp;

	if (!gone)
		return;
	for (unsigned i = 0; i < SRTP_RECEIVE_KEYS; i++)
		srtp_key_destroy(gone->engine, &gone->receive[i]);
	srtp_key_destroy(gone->engine, &gone->receive_old);
	srtp_key_destroy(gone->engine, &gone->send);
	srtp_key_destroy(gone->engine, &gone->send_old);
	pool_give(&gone->engine->sides, gone->handle);
	*srtp = NULL;
}

/* When `from` is the same key, `to` goes on where it was. */
static void inherit(struct srtp *srtp, struct srtp_key *to, struct srtp_key **from)
{
	if (!*from || !srtp_key_same(*from, to))
		return;
	srtp_sources_clear(srtp->engine, &to->sources);
	to->sources = (*from)->sources;
	(*from)->sources.more = NULL;
	to->control_next = (*from)->control_next;
	srtp_key_destroy(srtp->engine, from);
}

/* What no new key went on with: the one that was good last stays for a while. */
static void replace_receive(struct srtp *srtp, bool overlap, uint64_t now_ms)
{
	for (unsigned i = 0; i < SRTP_RECEIVE_KEYS; i++) {
		if (overlap && srtp->receive[i]) {
			srtp_key_destroy(srtp->engine, &srtp->receive_old);
			srtp->receive_old = srtp->receive[i];
			srtp->receive[i] = NULL;
			srtp->old_until_ms = now_ms + SRTP_OVERLAP_MS;
			overlap = false;
		}
		srtp_key_destroy(srtp->engine, &srtp->receive[i]);
	}
}

enum err srtp_set_receive(struct srtp *srtp, const struct ctl_srtp_crypto *cryptos, uint32_t count,
			  uint64_t now_ms)
{
	struct srtp_key *keys[SRTP_RECEIVE_KEYS] = { NULL };
	enum err err = OK;

	ensure(count <= SRTP_RECEIVE_KEYS);
	for (uint32_t i = 0; i < count && err == OK; i++)
		err = srtp_key_create(srtp->engine, &cryptos[i], false, &keys[i]);
	if (err != OK) {
		for (uint32_t i = 0; i < count; i++)
			srtp_key_destroy(srtp->engine, &keys[i]);
		return err;
	}
	for (uint32_t i = 0; i < count; i++) {
		for (unsigned j = 0; j < SRTP_RECEIVE_KEYS; j++)
			inherit(srtp, keys[i], &srtp->receive[j]);
		inherit(srtp, keys[i], &srtp->receive_old);
	}
	replace_receive(srtp, count > 0, now_ms);
	if (count == 0)
		srtp_key_destroy(srtp->engine, &srtp->receive_old);
	for (unsigned i = 0; i < SRTP_RECEIVE_KEYS; i++)
		srtp->receive[i] = keys[i];
	srtp->suite = keys[0] ? keys[0]->suite : CTL_SRTP_NONE;
	return OK;
}

enum err srtp_set_send(struct srtp *srtp, const struct ctl_srtp_crypto *crypto)
{
	struct srtp_key *key = NULL;
	enum err err;

	if (crypto) {
		err = srtp_key_create(srtp->engine, crypto, true, &key);
		if (err != OK)
			return err;
		inherit(srtp, key, &srtp->send);
		inherit(srtp, key, &srtp->send_old);
	}
	if (srtp->send) {
		srtp_key_destroy(srtp->engine, &srtp->send_old);
		srtp_key_wipe(srtp->engine, srtp->send);
		srtp->send_old = srtp->send;
	}
	srtp->send = key;
	return OK;
}

enum ctl_srtp_suite srtp_suite(const struct srtp *srtp)
{
	if (srtp->suite == CTL_SRTP_NONE && srtp->send)
		return srtp->send->suite;
	return srtp->suite;
}

static bool take_news(struct srtp_key *key)
{
	bool news = key && key->news;

	if (news)
		key->news = false;
	return news;
}

bool srtp_take_news(struct srtp *srtp)
{
	bool news = take_news(srtp->send);

	for (unsigned i = 0; i < SRTP_RECEIVE_KEYS; i++)
		news |= take_news(srtp->receive[i]);
	return news;
}

size_t srtp_receive_state(const struct srtp *srtp, unsigned char storage[SRTP_STATE_MAX_BYTES])
{
	struct wire_writer writer;

	wire_writer_init(&writer, storage, SRTP_STATE_MAX_BYTES);
	for (unsigned i = 0; i < SRTP_RECEIVE_KEYS; i++)
		if (srtp->receive[i])
			srtp_state_put(&writer, srtp->receive[i]);
	return writer.err == OK ? writer.len : 0;
}

size_t srtp_send_state(const struct srtp *srtp, unsigned char storage[SRTP_SEND_STATE_MAX_BYTES])
{
	struct wire_writer writer;

	wire_writer_init(&writer, storage, SRTP_SEND_STATE_MAX_BYTES);
	if (srtp->send)
		srtp_state_put(&writer, srtp->send);
	return writer.err == OK ? writer.len : 0;
}

const void *srtp_hot(const struct srtp *srtp, bool receives, size_t *ret_bytes)
{
	const struct srtp_key *key = receives ? srtp->receive[0] : srtp->send;

	if (!key)
		return NULL;
	*ret_bytes = srtp_key_hot_bytes(srtp->engine, key);
	return key;
}
