/* SPDX-License-Identifier: MIT
 * The keys of a side: told by control (SDES) for both components at once, or set by DTLS for each; what
 * DTLS gave a former relay is told for each, too.
 * Always true: a side that was told to be secured lets nothing plain in or out, whatever fails. */
#include "media-relay/session/session_priv.h"

#include "lib/base/ensure.h"
#include "media-relay/session/channel.h"

static const char *cryptos_check(const struct ctl_srtp_crypto *cryptos, uint32_t count)
{
	const char *wrong = NULL;

	for (uint32_t i = 0; i < count && !wrong; i++)
		wrong = srtp_check(&cryptos[i]);
	return wrong;
}

const char *secure_check(const struct ctl_stream_security *security)
{
	const char *wrong;

	if (security->receive_count > SRTP_RECEIVE_KEYS || security->send_count > 1)
		return "security: two keys to receive with, one to send with";
	if (security->receive_rtcp_count > security->dtls_count ||
	    security->send_rtcp_count > security->dtls_count)
		return "security: RTCP has keys of its own from DTLS alone, one each way";
	wrong = cryptos_check(security->receive, security->receive_count);
	if (!wrong)
		wrong = cryptos_check(security->send, security->send_count);
	if (!wrong)
		wrong = cryptos_check(security->receive_rtcp, security->receive_rtcp_count);
	return wrong ? wrong : cryptos_check(security->send_rtcp, security->send_rtcp_count);
}

struct srtp *flow_srtp(const struct flow *flow)
{
	/* Each DTLS association gives keys to its own component (RFC 5764 3). */
	if (flow->component == COMPONENT_RTP || channel_has_dtls(flow->side))
		return flow->srtp;
	return flow->side->flows[COMPONENT_RTP].srtp;
}

void side_forget_keys(struct side *side)
{
	for (unsigned i = 0; i < COMPONENTS; i++)
		srtp_destroy(&side->flows[i].srtp);
}

static enum err flow_prepare(struct sessions *sessions, struct flow *flow)
{
	if (!flow->srtp)
		flow->srtp = srtp_create(&sessions->srtp);
	return flow->srtp ? OK : ERR_EXHAUSTED;
}

static bool tells_dtls(const struct ctl_stream_set *set)
{
	return set->security_count > 0 && set->security->dtls_count > 0;
}

struct told_keys {
	const struct ctl_srtp_crypto *receive;
	uint32_t receive_count;
	const struct ctl_srtp_crypto *send; /* NULL: none */
};

static struct told_keys keys_told(const struct ctl_stream_set *set, unsigned component)
{
	const struct ctl_stream_security *told = set->security;

	if (set->security_count == 0)
		return (struct told_keys){ .receive = NULL };
	if (component == COMPONENT_RTCP)
		return (struct told_keys){ told->receive_rtcp, told->receive_rtcp_count,
					   told->send_rtcp_count > 0 ? told->send_rtcp : NULL };
	return (struct told_keys){ told->receive, told->receive_count,
				   told->send_count > 0 ? told->send : NULL };
}

static bool tells_keys(const struct ctl_stream_set *set, unsigned component)
{
	struct told_keys told = keys_told(set, component);

	return told.receive_count > 0 || told.send;
}

enum err session_prepare(struct sessions *sessions, struct side *side,
			 const struct ctl_stream_set *set)
{
	enum err err = OK;

	for (unsigned i = 0; i < COMPONENTS && err == OK; i++)
		if (tells_keys(set, i))
			err = flow_prepare(sessions, &side->flows[i]);
	return err;
}

/* One direction may come before the other. */
static enum err set_keys(struct srtp *srtp, const struct told_keys *told, uint64_t now_ms)
{
	enum err receive = srtp_set_receive(srtp, told->receive, told->receive_count, now_ms);
	enum err send = srtp_set_send(srtp, told->send);

	return receive != OK ? receive : send;
}

static enum err flow_secure(struct flow *flow, const struct ctl_stream_set *set, uint64_t now_ms)
{
	struct told_keys told = keys_told(set, flow->component);

	if (!tells_keys(set, flow->component)) {
		srtp_destroy(&flow->srtp);
		return OK;
	}
	ensure(flow->srtp);
	return set_keys(flow->srtp, &told, now_ms);
}

enum err session_secure(struct side *side, const struct ctl_stream_set *set, uint64_t now_ms)
{
	enum err err = OK;

	side->pass = (set->flags & CTL_STREAM_PASS_CRYPTO) != 0;
	side->secured = side->pass || tells_keys(set, COMPONENT_RTP) || tells_dtls(set);
	if (tells_dtls(set) && channel_has_dtls(side) && !(set->flags & CTL_STREAM_RESET))
		return OK; /* the keys of its associations, until there are others */
	for (unsigned i = 0; i < COMPONENTS && err == OK; i++)
		err = flow_secure(&side->flows[i], set, now_ms);
	if (err != OK)
		side_forget_keys(side);
	return err;
}

enum err flow_set_keys(struct sessions *sessions, struct flow *flow,
		       const struct ctl_srtp_crypto *receive, const struct ctl_srtp_crypto *send,
		       uint64_t now_ms)
{
	enum err err = flow_prepare(sessions, flow);

	ensure(flow->side->secured);
	if (err == OK)
		err = srtp_set_receive(flow->srtp, receive, receive ? 1 : 0, now_ms);
	if (err == OK)
		err = srtp_set_send(flow->srtp, send);
	return err;
}

/* ---- for another life of the relay ---- */

static struct slice keep(struct arena *arena, const unsigned char *bytes, size_t len)
{
	struct slice kept;

	return arena_keep(arena, slice_of((const char *)bytes, len), &kept) == OK ? kept : SLICE_NONE;
}

bool flow_has_news(const struct flow *flow)
{
	struct srtp *srtp = flow_srtp(flow);

	return srtp && srtp_take_news(srtp);
}

void side_states(const struct side *side, struct arena *arena, struct ctl_stream_stats *ret)
{
	const struct srtp *srtp = side->flows[COMPONENT_RTP].srtp;
	unsigned char bytes[SRTP_STATE_MAX_BYTES];

	if (!srtp)
		return;
	ret->receive_state = keep(arena, bytes, srtp_receive_state(srtp, bytes));
	ret->send_state = keep(arena, bytes, srtp_send_state(srtp, bytes));
}
