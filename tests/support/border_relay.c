/* SPDX-License-Identifier: MIT
 * Ports are handed out in turn and kept while the realm stays the same. */
#include "tests/support/border_relay.h"

#define PORT_MIN 20000
#define PORT_MAX 60000

void relay_init(struct relay_sessions *relay)
{
	*relay = (struct relay_sessions){ .next_port = PORT_MIN };
}

struct relay_session *relay_find(struct relay_sessions *relay, uint64_t id)
{
	for (uint32_t i = 0; i < RELAY_SESSIONS_MAX; i++)
		if (relay->at[i].id == id)
			return &relay->at[i];
	return NULL;
}

static void session_drop(struct relay_sessions *relay, struct relay_session *session)
{
	*session = (struct relay_session){ 0 };
	relay->count--;
}

static struct endpoint local_of(struct slice realm, uint16_t port)
{
	struct endpoint endpoint = { .port = port };

	assert_int_equal(ip_parse(slice_eq(realm, SLICE("inside")) ? SLICE("192.0.2.2") :
								      SLICE("198.51.100.2"),
				  &endpoint.ip),
			 OK);
	return endpoint;
}

/* A port is kept while the realm stays the same. */
static void take_port(struct relay_sessions *relay, struct relay_session *session,
		      const struct ctl_stream_set *set)
{
	char *realm = session->realms[set->stream][set->side];

	if (session->ports[set->stream][set->side] != 0 &&
	    slice_eq(slice_text(realm), set->realm))
		return;
	session->ports[set->stream][set->side] = set->want_port ? set->want_port :
								  relay->next_port;
	relay->next_port = relay->next_port >= PORT_MAX ? PORT_MIN : relay->next_port + 2;
	assert_true(set->realm.len < sizeof(session->realms[0][0]));
	memcpy(realm, set->realm.p, set->realm.len);
	realm[set->realm.len] = '\0';
}

void relay_set(struct relay_sessions *relay, const struct ctl_session_set *set,
	       struct ctl_message *ret, struct ctl_stream_ports *ports)
{
	struct relay_session *session = relay_find(relay, set->session);

	if (!session) {
		session = relay_find(relay, 0);
		assert_non_null(session);
		session->id = set->session;
		relay->count++;
	}
	ret->type = CTL_session_ports;
	ret->session_ports.session = set->session;
	ret->session_ports.streams = ports;
	for (uint32_t i = 0; i < set->streams_count; i++) {
		const struct ctl_stream_set *stream = &set->streams[i];
		struct ctl_stream_ports *at;
		uint16_t port;

		assert_true(stream->stream < RELAY_LINES_MAX && stream->side < 2);
		if (stream->flags & CTL_STREAM_REMOVE) {
			session->ports[stream->stream][0] = 0;
			session->ports[stream->stream][1] = 0;
			continue;
		}
		take_port(relay, session, stream);
		port = session->ports[stream->stream][stream->side];
		at = &ports[ret->session_ports.streams_count++];
		*at = (struct ctl_stream_ports){ .stream = stream->stream,
						 .side = stream->side,
						 .local_rtp = local_of(stream->realm, port),
						 .local_rtcp = local_of(stream->realm,
									(uint16_t)(port + 1)) };
	}
}

void relay_fail(struct ctl_message *ret, enum err err)
{
	ret->type = CTL_failure;
	ret->failure = (struct ctl_failure){ .err = err };
}

void relay_close(struct relay_sessions *relay, uint64_t id, struct ctl_message *ret)
{
	struct relay_session *session = relay_find(relay, id);

	if (!session) {
		relay_fail(ret, ERR_NOENT);
		return;
	}
	session_drop(relay, session);
	ret->type = CTL_session_stats;
	ret->session_stats.session = id;
}

void relay_keep(struct relay_sessions *relay, const uint64_t *ids, uint32_t count)
{
	for (uint32_t i = 0; i < RELAY_SESSIONS_MAX; i++) {
		bool named = false;

		for (uint32_t j = 0; j < count; j++)
			named = named || ids[j] == relay->at[i].id;
		if (relay->at[i].id != 0 && !named)
			session_drop(relay, &relay->at[i]);
	}
}
