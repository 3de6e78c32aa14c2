/* SPDX-License-Identifier: MIT
 * The caller's INVITE: what can be refused is refused before there is a call; then leg 0, the targets
 * that it may go to, and the media's ports. attempt.c goes on from there. */
#include "sbc/call/call_priv.h"

#define CALL_PUBLIC_ID_CHARS 16u

static void refuse(struct calls *calls, const struct turn *turn, struct handle txn,
		   const struct reply *reply)
{
	struct text tag;

	text_init_arena(&tag, turn->arena, DIALOG_TAG_CHARS + 1);
	rand_text(calls->config.rand, &tag, DIALOG_TAG_CHARS);
	reply_plain(calls, turn, txn, reply, text_done(&tag));
}

/* What can be said no to without making a call. False: answered. */
static bool acceptable(struct calls *calls, const struct turn *turn, const struct sip_msg *msg,
		       struct handle txn, const struct conf_trunk *trunk)
{
	struct body_rules rules = { .from = trunk };
	struct body body = body_of(msg);
	struct reply reply = { .accept = trunk };
	struct sip_cursor cursor = { 0 };
	struct slice value;

	if (sip_next(msg, SIP_HDR_REQUIRE, &cursor, &value)) {
		reply = (struct reply){ .status = 420, .unsupported = value };
	} else if (msg->uri.scheme == SIP_SCHEME_OTHER) {
		reply.status = 416;
	} else if (msg->max_forwards == 0) {
		reply.status = 483;
	} else if (sip_value(msg, SIP_HDR_CONTENT_ENCODING).len > 0) {
		reply.status = 415;
	} else {
		reply.status = body_verdict(&rules, &body);
	}
	if (reply.status == 0)
		return true;
	if (reply.status != 415)
		reply.accept = NULL;
	refuse(calls, turn, txn, &reply);
	return false;
}

static struct hash128 merge_key(const struct calls *calls, const struct turn *turn,
				const struct sip_msg *msg)
{
	struct text joined;

	text_init_arena(&joined, turn->arena, 256);
	text_slice(&joined, msg->from_tag);
	text_char(&joined, '\n');
	text_slice(&joined, msg->call_id);
	text_char(&joined, '\n');
	text_u64(&joined, msg->cseq.number);
	text_char(&joined, '\n');
	text_slice(&joined, msg->uri.user);
	return hash128(&calls->config.hash_key, text_done(&joined));
}

/* The user part without its parameters (a tel: number's phone-context, RFC 3261 19.1.6), unescaped. */
static enum err plain_user(struct arena *arena, const struct sip_uri *uri, struct slice *ret)
{
	return sip_user_unescape(arena, slice_head(uri->user, slice_find_char(uri->user, ';')), ret);
}

static enum err keep_parties(struct call *call, const struct sip_msg *msg)
{
	enum err err = plain_user(&call->arena, &msg->uri, &call->called);

	if (err == OK)
		err = plain_user(&call->arena, &msg->from.uri, &call->calling);
	if (err == OK && msg->from.display.len > 0)
		err = sip_unquote(&call->arena, msg->from.display, &call->display);
	return err;
}

static enum err keep_identity(struct call *call, const struct sip_msg *msg)
{
	struct sip_cursor cursor = { 0 };
	struct sip_address identity;
	struct slice value;
	enum err err = OK;

	/* A stranger may not say who he is (RFC 3325 5), but may ask not to be named. */
	if (leg_trunk(call, 0)->trust_identity &&
	    sip_next(msg, SIP_HDR_P_ASSERTED_IDENTITY, &cursor, &value) &&
	    sip_address_parse(value, &identity) == OK)
		err = plain_user(&call->arena, &identity.uri, &call->identity);
	value = sip_value(msg, SIP_HDR_PRIVACY);
	if (err == OK && slice_is(value, CC_TOKEN | CC_WSP))
		err = arena_keep(&call->arena, value, &call->privacy);
	return err;
}

/* Leg 0 from the INVITE; the texts that the call keeps. */
static enum err call_take_in(struct call *call, const struct turn *turn, const struct sip_msg *msg,
			     const struct flow *flow)
{
	struct flow arrived = *flow;
	struct rand *rand = call->calls->config.rand;
	struct leg *caller = &call->legs[0];
	struct text id;
	enum err err;

	text_init_arena(&id, &call->arena, CALL_PUBLIC_ID_CHARS + 1);
	rand_text(rand, &id, CALL_PUBLIC_ID_CHARS);
	call->id = text_done(&id);
	call->started_ms = turn->now_ms;
	call->started_unix_ms = turn->now_unix_ms;
	call->max_forwards = msg->max_forwards < 0 ? SIP_MAX_FORWARDS : msg->max_forwards;
	caller->dialog.owner = call->self;
	leg_learn_allow(caller, msg);
	err = leg_find_self(call, 0, &arrived);
	if (err == OK)
		err = dialog_accept(&caller->dialog, &call->arena, msg, flow, rand);
	if (err == OK) {
		leg_find_next_hop(call, 0);
		err = keep_parties(call, msg);
	}
	if (err == OK)
		err = keep_identity(call, msg);
	if (err == OK)
		err = call_carry(call, turn, 0, msg);
	return err;
}

static struct call *call_new(struct calls *calls, struct settings *settings, uint32_t trunk)
{
	struct handle handle;
	struct call *call = pool_take(&calls->pool, &handle);

	if (!call)
		return NULL;
	call->magic = CALL_MAGIC;
	call->self = handle;
	call->calls = calls;
	call->settings = settings_take(settings);
	arena_init(&call->arena, calls->config.cache, CALL_ARENA_FIRST, CALL_ARENA_QUOTA);
	call->legs[0].trunk = trunk;
	call->legs[0].realm = settings->trunks[trunk].realm;
	call->legs[1].dialog.leg = 1;
	return call;
}

/* The call cannot even begin: no record of an attempt, a plain answer. */
static void call_refuse(struct call *call, const struct turn *turn, struct handle txn,
			uint16_t status, const char *cause)
{
	struct reply reply = {
		.status = status,
		.retry_after_s = status == 503 ? 1 + rand_below(call->calls->config.rand, 10) : 0,
	};

	if (call->legs[0].dialog.local_tag.len > 0)
		call_reply(call, turn, 0, txn, &reply);
	else
		refuse(call->calls, turn, txn, &reply);
	call_end(call, turn, "sbc", status, status == 503 ? "failed" : "rejected", cause);
}

/* That of the peer's own address, where the realm has it. */
static void choose_family(const struct conf_realm *realm, const struct ip_addr *peer,
			  struct media_side *side)
{
	side->family = (enum ip_family)realm->media.address.family;
	for (size_t i = 0; i < conf_media_count(realm); i++) {
		const struct conf_media *media = conf_media_at(realm, i);

		side->both_families |= media->address.family != realm->media.address.family;
		if (media->address.family == peer->family)
			side->family = (enum ip_family)peer->family;
	}
}

void call_media_side(struct call *call, unsigned leg, const struct ip_addr *from,
		     unsigned transport)
{
	const struct conf_trunk *trunk = leg_trunk(call, leg);
	struct media_side side = {
		.realm = leg_realm(call, leg)->name,
		.codecs = trunk->codecs,
		.codec_count = trunk->codec_count,
		.nat = trunk->nat,
		.signalling_ip = *from,
		.first_timeout_ms = trunk->media_first_timeout_s * 1000,
		.hold_timeout_ms = trunk->media_hold_timeout_s * 1000,
		.one_way_ms = trunk->media_one_way_s * 1000,
		.timeout_ms = trunk->media_timeout_s * 1000,
		.srtp = trunk->srtp,
		.keying = trunk->keying,
		.keying_count = trunk->keying_count,
		.suites = trunk->srtp_suites,
		.suite_count = trunk->srtp_suite_count,
		.sdes = trunk->sdes_trusted || transport == SIP_TLS || transport == SIP_WSS,
		.pass = trunk->sdes_pass,
		.ice = trunk->ice,
		.rtcp_mux = trunk->rtcp_mux,
		.feedback = trunk->feedback,
		.dtmf = trunk->dtmf,
	};

	choose_family(leg_realm(call, leg), from, &side);
	call->arena.wipe |= side.srtp != CONF_SRTP_OFF; /* an ACK with SDP is kept there */
	media_set_side(call->media, leg, &side);
}

/* A name may lead to TLS (RFC 3263); what it did lead to is looked at again. */
static unsigned likely_transport(const struct conf_gateway *gateway)
{
	return gateway->sips || !(gateway->transport_given || gateway->host_is_ip) ?
		       SIP_TLS :
		       (unsigned)gateway->transport;
}

/* The offer as the first target that may use any of its codecs will see it; those before are passed
 * over when their turn comes. */
static enum err read_offer(struct call *call, const struct turn *turn, struct slice sdp,
			   struct ctl_message **ret_command, struct media_verdict *ret_verdict)
{
	enum err err = ERR_REFUSED;

	for (uint32_t i = 0; i < call->target_count; i++) {
		const struct settings_trunk *trunk =
			&call->settings->trunks[call->targets[i].trunk];
		const struct conf_gateway *gateway =
			&trunk->conf->gateways[call->targets[i].gateway];

		call->offer_target = i;
		call->legs[1].trunk = call->targets[i].trunk;
		call->legs[1].realm = trunk->realm;
		call_media_side(call, 1, &gateway->ip, likely_transport(gateway));
		err = media_offer_in(call->media, 0, sdp, turn->arena, ret_command, ret_verdict);
		if (err != ERR_REFUSED || ret_verdict->status != 488)
			break;
	}
	return err;
}

/* The caller's SDP, if it sent one. False: refused. */
static bool take_offer(struct call *call, const struct turn *turn, const struct sip_msg *msg,
		       struct handle txn)
{
	struct calls *calls = call->calls;
	struct ctl_message *command = NULL;
	struct media_verdict verdict = { 0 };
	struct slice sdp = SLICE_NONE;
	enum err err = msg->body.len > 0 ? sip_body_find(msg, SLICE("application/sdp"), &sdp) :
					   ERR_NOENT;

	if (err == ERR_SYNTAX || err == ERR_EXISTS) {
		call_refuse(call, turn, txn, 400, "bad_body");
		return false;
	}
	call->media = media_create(&call->arena, calls->config.cache, CALL_MEDIA_QUOTA,
				   handle_u64(call->self) ^ calls->config.session_mask,
				   calls->config.rand);
	if (!call->media) {
		call_refuse(call, turn, txn, 503, "no_memory");
		return false;
	}
	if (calls->config.relay)
		media_set_relay(call->media, calls->config.relay);
	call_media_side(call, 0, &call->legs[0].dialog.flow.remote.ip,
			call->legs[0].dialog.flow.transport);
	call->exchange.late = err == ERR_NOENT;
	if (call->exchange.late) {
		call_next_target(call, turn);
		return true;
	}
	err = read_offer(call, turn, sdp, &command, &verdict);
	if (err != OK) {
		uint16_t status = err == ERR_REFUSED ? verdict.status : 503;

		call_refuse(call, turn, txn, status, verdict.why ? verdict.why : "no_memory");
		return false;
	}
	if (command)
		call_relay(call, turn, PURPOSE_OFFER, command);
	else
		call_next_target(call, turn);
	return true;
}

/* Routing needs scratch, so it works in the turn's arena; what it found is kept in the call's. */
static enum err find_targets(struct call *call, const struct turn *turn)
{
	struct route_target *found;
	uint32_t count;
	enum err err = route_select(call->settings, call->legs[0].trunk, call->called,
				    call->calling, call->calls->config.rand, turn->arena, &found,
				    &count);

	if (err != OK)
		return err;
	count = call_open_targets(call, turn, found, count);
	if (count > CALL_MAX_TARGETS)
		count = CALL_MAX_TARGETS;
	call->targets = arena_array(&call->arena, count, sizeof(*call->targets));
	/* Each target may be tried at each address that its name resolves to. */
	call->attempts = arena_array(&call->arena, count * array_size(call->destinations),
				     sizeof(*call->attempts));
	if (!call->targets || !call->attempts)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < count && err == OK; i++) {
		call->targets[i] = found[i];
		err = arena_keep(&call->arena, found[i].called_out, &call->targets[i].called_out);
		if (err == OK)
			err = arena_keep(&call->arena, found[i].calling_out,
					 &call->targets[i].calling_out);
	}
	call->target_count = count;
	return err;
}

void calls_on_invite(struct calls *calls, const struct turn *turn, const struct sip_msg *msg,
		     const struct flow *flow, struct handle txn, struct settings *settings,
		     uint32_t trunk)
{
	struct hash128 key = merge_key(calls, turn, msg);
	struct call *call;
	uint16_t verdict;
	enum err err;

	if (merge_seen(&calls->merges, key, turn->now_ms)) {
		calls->figures.merged++;
		refuse(calls, turn, txn, &(struct reply){ .status = 482 });
		return;
	}
	if (!acceptable(calls, turn, msg, txn, settings->trunks[trunk].conf))
		return;
	call = call_new(calls, settings, trunk);
	if (!call) {
		calls->figures.exhausted++;
		refuse(calls, turn, txn,
		       &(struct reply){ .status = 503,
					.retry_after_s = 1 + rand_below(calls->config.rand, 10) });
		return;
	}
	call->exchange = (struct exchange){ .state = EXCHANGE_SENT,
					    .method = SIP_INVITE,
					    .client_method = SIP_INVITE,
					    .server_txn = txn,
					    .server_cseq = msg->cseq.number };
	txn_set_user(calls->config.txns, txn, (struct txn_user){ .owner = call->self });
	err = call_take_in(call, turn, msg, flow);
	if (err != OK) {
		call_refuse(call, turn, txn, err == ERR_NOMEM ? 503 : 400, "bad_request");
		return;
	}
	merge_list(call, key);
	verdict = policy_call_begin(calls->config.policy, leg_trunk(call, 0), turn->now_ms);
	if (verdict != 0) {
		call_refuse(call, turn, txn, verdict, "limit");
		return;
	}
	call->counted[0] = true;
	if (!turn->relay_up) {
		call_refuse(call, turn, txn, 503, "relay_down");
		return;
	}
	err = find_targets(call, turn);
	if (err != OK) {
		call_refuse(call, turn, txn, err == ERR_NOENT ? 404 : 503,
			    err == ERR_NOENT ? "no_route" : "no_memory");
		return;
	}
	if (call->max_forwards <= 1) {
		call_refuse(call, turn, txn, 483, "too_many_hops");
		return;
	}
	call_timer_start(call, TIMER_TRYING, turn, CALL_TRYING_MS);
	dialog_list(&calls->dialogs, &call->legs[0].dialog);
	take_offer(call, turn, msg, txn);
}
