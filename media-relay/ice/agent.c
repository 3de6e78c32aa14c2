/* SPDX-License-Identifier: MIT
 * The agent of one side: who asks, may they, and which path did they choose.
 * Always true: a path is known only through an authentic check, and the selected path moves only by
 * an authentic check with USE-CANDIDATE under the credentials of now. */
#include "media-relay/ice/ice_priv.h"

/* OpenSSL has a type of the name of one of our errors. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/crypto.h>
#undef ERR_STATE

#include "lib/base/ensure.h"

/* Within this long after a nomination another one is part of the same burst (RFC 5245's aggressive
 * nomination puts USE-CANDIDATE on every check), and the better priority wins. Later it is a change
 * of mind, as when a browser moves to another network. */
#define NOMINATION_BURST_MS 2000u

/* ---- credentials ---- */

/* RFC 8445 5.3: ice-char. */
static bool is_ice_chars(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!char_is(text.p[i], CC_ALPHA | CC_DIGIT) && text.p[i] != '+' &&
		    text.p[i] != '/')
			return false;
	return true;
}

static bool len_within(struct slice text, size_t min, size_t max)
{
	return text.len >= min && text.len <= max && is_ice_chars(text);
}

const char *ice_setup_check(const struct ctl_ice_setup *setup)
{
	if (!len_within(setup->local_ufrag, 4, ICE_LOCAL_UFRAG_MAX_BYTES))
		return "ice: local_ufrag is 4 to 32 characters of ALPHA / DIGIT / \"+\" / \"/\"";
	if (!len_within(setup->local_password, 22, ICE_LOCAL_PASSWORD_MAX_BYTES))
		return "ice: local_password is 22 to 64 characters of ALPHA / DIGIT / \"+\" / \"/\"";
	if (setup->remote_ufrag.len > ICE_REMOTE_UFRAG_MAX_BYTES)
		return "ice: remote_ufrag is at most 256 characters";
	return NULL;
}

static struct slice ufrag_of(const struct ice_credentials *credentials)
{
	return slice_of(credentials->ufrag, credentials->ufrag_len);
}

static struct slice password_of(const struct ice_credentials *credentials)
{
	return slice_of(credentials->password, credentials->password_len);
}

static bool is_restart(const struct ice *ice, const struct ctl_ice_setup *setup)
{
	return ice->now.ufrag_len != 0 && (!slice_eq(ufrag_of(&ice->now), setup->local_ufrag) ||
					   !slice_eq(password_of(&ice->now), setup->local_password));
}

static void copy(char *to, struct slice text)
{
	if (text.len > 0)
		memcpy(to, text.p, text.len);
}

void ice_set(struct ice *ice, const struct ctl_ice_setup *setup)
{
	struct ice_credentials *now = &ice->now;

	if (is_restart(ice, setup)) {
		ice->before = ice->now;
		for (unsigned i = 0; i < ICE_COMPONENTS; i++)
			ice->components[i].outdated = true;
	}
	now->ufrag_len = (uint8_t)setup->local_ufrag.len;
	now->password_len = (uint8_t)setup->local_password.len;
	now->remote_ufrag_len = (uint16_t)setup->remote_ufrag.len;
	copy(now->ufrag, setup->local_ufrag);
	copy(now->password, setup->local_password);
	copy(now->remote_ufrag, setup->remote_ufrag);
}

void ice_clear(struct ice *ice)
{
	OPENSSL_cleanse(ice, sizeof(*ice));
}

/* USERNAME is ours:theirs (RFC 8445 7.2.2). Checks may overtake the answer that tells theirs. */
static bool is_for(const struct ice_credentials *credentials, struct slice username)
{
	struct slice theirs = slice_of(credentials->remote_ufrag, credentials->remote_ufrag_len);
	struct slice ours;

	return credentials->ufrag_len != 0 && slice_cut_char(&username, ':', &ours) &&
	       slice_eq(ours, ufrag_of(credentials)) &&
	       (theirs.len == 0 || slice_eq(username, theirs));
}

static const struct ice_credentials *credentials_for(const struct ice *ice, struct slice username)
{
	if (is_for(&ice->now, username))
		return &ice->now;
	return is_for(&ice->before, username) ? &ice->before : NULL;
}

/* ---- paths ---- */

static struct ice_path *path_find(struct ice_component *component, const struct endpoint *source)
{
	for (unsigned i = 0; i < ICE_PATHS; i++)
		if (endpoint_eq(&component->paths[i].source, source))
			return &component->paths[i];
	return NULL;
}

/* The one that was silent longest makes room, but never the selected one. */
static struct ice_path *path_make(struct ice_component *component, const struct endpoint *source)
{
	struct ice_path *oldest = NULL;

	for (unsigned i = 0; i < ICE_PATHS; i++) {
		struct ice_path *it = &component->paths[i];

		if (it->source.ip.family != IP_NONE &&
		    endpoint_eq(&it->source, &component->selected))
			continue;
		if (!oldest || it->checked_ms < oldest->checked_ms)
			oldest = it;
	}
	ensure(oldest);
	*oldest = (struct ice_path){ .source = *source };
	return oldest;
}

static bool is_selected(const struct ice_component *component, const struct endpoint *source)
{
	return component->selected.ip.family != IP_NONE && endpoint_eq(&component->selected, source);
}

/* RFC 8445 7.3.2, 8.1.1: of several nominations the best priority, see NOMINATION_BURST_MS. */
static bool is_better(const struct ice_component *component, const struct stun_message *message,
		      uint64_t now_ms)
{
	return component->selected.ip.family == IP_NONE || component->outdated ||
	       component->lost || message->priority >= component->priority ||
	       now_ms - component->nominated_ms >= NOMINATION_BURST_MS;
}

static void nominate(struct ice *ice, const struct ice_datagram *in,
		     const struct stun_message *message, struct ice_reply *ret)
{
	struct ice_component *component = &ice->components[in->component];
	bool same = is_selected(component, &in->source);

	if (!same && !is_better(component, message, in->now_ms))
		return;
	ret->connected |= component->selected.ip.family == IP_NONE || component->outdated ||
			  component->lost;
	ret->selected |= !same;
	component->selected = in->source;
	component->priority = message->priority;
	component->nominated_ms = in->now_ms;
	component->checked_ms = in->now_ms;
	component->outdated = false;
	component->lost = false;
	/* Both components restart together; one that was never used needs no nomination. */
	for (unsigned i = 0; i < ICE_COMPONENTS; i++)
		if (ice->components[i].outdated && ice->components[i].selected.ip.family != IP_NONE)
			return;
	OPENSSL_cleanse(&ice->before, sizeof(ice->before));
}

/* A check under the credentials of before a restart keeps the consent of the path that media still
 * takes, and does nothing else. */
static void learn(struct ice *ice, const struct ice_datagram *in,
		  const struct stun_message *message, bool current, struct ice_reply *ret)
{
	struct ice_component *component = &ice->components[in->component];
	struct ice_path *path = path_find(component, &in->source);

	if (!path && !current)
		return;
	if (!path)
		path = path_make(component, &in->source);
	path->checked_ms = in->now_ms;
	if (is_selected(component, &in->source)) {
		component->checked_ms = in->now_ms;
		ret->selected |= component->lost;
		ret->connected |= component->lost;
		component->lost = false;
	}
	if (current && message->use_candidate)
		nominate(ice, in, message, ret);
}

/* ---- answers ---- */

static void answer_success(const struct ice_datagram *in, const struct stun_message *message,
			   struct slice password, struct ice_reply *ret)
{
	struct stun_writer writer;

	stun_write_begin(&writer, ret->bytes, sizeof(ret->bytes), STUN_BINDING_SUCCESS,
			 message->transaction);
	stun_write_xor_address(&writer, &in->source);
	ret->len = stun_write_end(&writer, password);
}

static void answer_error(const struct stun_message *message, enum stun_error code,
			 struct slice password, struct ice_reply *ret)
{
	struct stun_writer writer;
	unsigned char unknown[2 * STUN_UNKNOWN_MAX];
	struct wire_writer list;

	stun_write_begin(&writer, ret->bytes, sizeof(ret->bytes), STUN_BINDING_ERROR,
			 message->transaction);
	stun_write_error(&writer, code);
	if (code == STUN_UNKNOWN) {
		wire_writer_init(&list, unknown, sizeof(unknown));
		for (unsigned i = 0; i < message->unknown_count; i++)
			wire_put_u16(&list, message->unknown[i]);
		stun_write_attribute(&writer, STUN_UNKNOWN_ATTRIBUTES, unknown, list.len);
	}
	ret->len = stun_write_end(&writer, password);
}

/* Whoever plays back a check from a forged source must gain nothing by it. A check as RFC 8445 7.1.1
 * wants it is longer than its answer; one that is not gets silence. */
static bool is_longer(const struct ice_datagram *in, struct ice_reply *ret)
{
	if (ret->len <= in->len)
		return false;
	ret->len = 0;
	return true;
}

static enum ice_verdict refuse(const struct ice_datagram *in, const struct stun_message *message,
			       enum stun_error code, struct slice password, struct ice_reply *ret)
{
	answer_error(message, code, password, ret);
	return is_longer(in, ret) ? ICE_DROP_MALFORMED : ICE_REFUSED;
}

enum ice_verdict ice_receive(struct ice *ice, const struct ice_datagram *in, struct ice_reply *ret)
{
	const struct ice_credentials *credentials;
	struct stun_message message;
	struct slice password;

	ensure(in->component < ICE_COMPONENTS);
	ret->len = 0;
	ret->selected = false;
	ret->connected = false;
	if (stun_parse(in->bytes, in->len, &message) != OK)
		return ICE_DROP_MALFORMED;
	if (message.type != STUN_BINDING_REQUEST)
		return ICE_DROP_METHOD;
	credentials = credentials_for(ice, message.username);
	if (!credentials)
		return ICE_DROP_USERNAME;
	password = password_of(credentials);
	if (!stun_is_authentic(&message, password))
		return ICE_DROP_INTEGRITY;
	if (message.unknown_count > 0)
		return refuse(in, &message, STUN_UNKNOWN, password, ret);
	if (message.broken)
		return refuse(in, &message, STUN_BAD_REQUEST, password, ret);
	/* A lite agent is always controlled (RFC 8445 6.1.1), so the peer has to change. */
	if (message.controlled)
		return refuse(in, &message, STUN_ROLE_CONFLICT, password, ret);
	answer_success(in, &message, password, ret);
	if (is_longer(in, ret))
		return ICE_DROP_MALFORMED;
	learn(ice, in, &message, credentials == &ice->now, ret);
	return ICE_ANSWERED;
}

const char *ice_verdict_name(enum ice_verdict verdict)
{
	static const char *const names[ICE_VERDICTS] = {
		[ICE_ANSWERED] = "answered",
		[ICE_REFUSED] = "refused",
		[ICE_DROP_MALFORMED] = "malformed",
		[ICE_DROP_METHOD] = "method",
		[ICE_DROP_USERNAME] = "username",
		[ICE_DROP_INTEGRITY] = "integrity",
	};

	return names[verdict];
}

/* ---- what was found ---- */

const struct endpoint *ice_selected(const struct ice *ice, unsigned component)
{
	const struct ice_component *it = &ice->components[component];

	return it->selected.ip.family != IP_NONE && !it->lost ? &it->selected : NULL;
}

bool ice_path_is(const struct ice *ice, unsigned component, const struct endpoint *source)
{
	const struct ice_component *it = &ice->components[component];

	for (unsigned i = 0; i < ICE_PATHS; i++)
		if (it->paths[i].source.ip.family != IP_NONE &&
		    endpoint_eq(&it->paths[i].source, source))
			return true;
	return false;
}

void ice_recall(struct ice *ice, unsigned component, const struct endpoint *source, uint64_t now_ms)
{
	struct ice_component *it = &ice->components[component];
	struct ice_path *path = path_find(it, source);

	if (!path)
		path = path_make(it, source);
	path->checked_ms = now_ms;
	it->selected = *source;
	it->checked_ms = now_ms;
}

uint64_t ice_consent_due_ms(const struct ice *ice, unsigned component, uint64_t heard_ms)
{
	const struct ice_component *it = &ice->components[component];

	if (!ice_selected(ice, component))
		return UINT64_MAX;
	return (heard_ms > it->checked_ms ? heard_ms : it->checked_ms) + ICE_CONSENT_MS;
}

void ice_consent_end(struct ice *ice, unsigned component)
{
	ice->components[component].lost = true;
}
