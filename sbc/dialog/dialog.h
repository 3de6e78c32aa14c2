/* SPDX-License-Identifier: MIT
 * Dialogs (RFC 3261 12): what one leg shares with its peer. Sans-I/O. A dialog lives inside its leg;
 * the table finds it by Call-ID and local tag, the two that we can check without trusting the peer's
 * tag, which is compared afterwards. Texts live in the owner's arena; a remote target that is
 * refreshed re-uses its room, so that a long call does not grow. */
#pragma once

#include "lib/base/map.h"
#include "lib/base/rand.h"
#include "sbc/effect/effect.h"
#include "sbc/sip/sip.h"

#define DIALOG_TAG_CHARS 13u /* 65 bits of [0-9a-v] */
#define DIALOG_MAX_ROUTES 20u

struct dialog {
	struct map_node node;
	struct handle owner;       /* the call */
	uint32_t leg;              /* 0 or 1 */
	bool listed;               /* in the table */
	bool established;          /* the remote tag is known */
	struct slice call_id;
	struct slice local_tag;
	struct slice remote_tag;
	struct slice local;        /* "Name" <uri> of ours, without tag: our From, the peer's To */
	struct slice remote;       /* the peer's */
	struct slice remote_target; /* URI of its Contact */
	size_t target_room;
	struct slice *routes;      /* values for Route, in the order to send */
	size_t route_count;
	uint32_t local_cseq;
	uint32_t remote_cseq;      /* 0: none yet */
	struct flow flow;          /* where the peer is reached */
};

struct dialog_table {
	struct map map;
	struct hash_key key;
};

must_use enum err dialog_table_init(struct dialog_table *table, struct hash_key key,
				    size_t expected);
void dialog_table_fini(struct dialog_table *table);

/* call_id and local_tag must be set. */
void dialog_list(struct dialog_table *table, struct dialog *dialog);
void dialog_unlist(struct dialog_table *table, struct dialog *dialog);

/* For a request from the peer: its To tag is our local tag. NULL: 481. */
struct dialog *dialog_find(const struct dialog_table *table, const struct sip_msg *request);

/* A tag of the form that we make. An INVITE with one that we do not know belongs to a dialog that was
 * ours once: 481. With another it may be accepted as a new one (12.2.2). */
bool dialog_tag_ours(struct slice tag);

/* The peer's tag is the one that this dialog knows. */
bool dialog_from_peer(const struct dialog *dialog, const struct sip_msg *request);

/* UAS side, from the INVITE (12.1.1): remote party, Call-ID, tags, route set as it stands, remote
 * target, CSeq. The local tag is made, or the one that the INVITE's To has already. ERR_NOMEM, ERR_LIMIT (routes), ERR_SYNTAX (no usable Contact). */
must_use enum err dialog_accept(struct dialog *dialog, struct arena *arena,
				const struct sip_msg *invite, const struct flow *flow,
				struct rand *rand);

/* UAC side, from a 1xx with tag or a 2xx (12.1.2): remote tag, reversed route set, remote target.
 * Called again for another fork's answer, it takes over that one. */
must_use enum err dialog_establish(struct dialog *dialog, struct arena *arena,
				   const struct sip_msg *response);

/* Target refresh (12.2.1.2, 12.2.2): Contact of a request or 2xx of INVITE or UPDATE. No Contact:
 * nothing changes. */
must_use enum err dialog_refresh(struct dialog *dialog, struct arena *arena,
				 const struct sip_msg *msg);

/* How a peer sees us on this leg: Via sent-by and Contact. */
struct dialog_self {
	struct slice host; /* reference form; what the listener advertises */
	uint16_t port;
	uint8_t transport; /* enum sip_transport */
};

/* Request line, Via, Max-Forwards, Route, From, To, Call-ID, CSeq. With a strict router at the head
 * of the route set, 12.2.1.1 holds. The caller adds the rest and ends with sip_write_body. */
struct dialog_request {
	enum sip_method method;
	uint32_t cseq;
	struct slice branch;
	int max_forwards;
	const struct dialog_self *self;
};
void dialog_request_write(struct text *text, const struct dialog *dialog,
			  const struct dialog_request *request);

/* "Via: SIP/2.0/UDP host:port;rport;branch=…\r\n" */
void dialog_via_write(struct text *text, const struct dialog_self *self, struct slice branch);
/* "Contact: <sip:host:port;transport=tcp>\r\n": the one place that makes a Contact. */
void dialog_contact_write(struct text *text, const struct dialog_self *self);
/* "host:port", the port left out when it is the transport's default and `host` is a name. */
void dialog_sent_by_write(struct text *text, const struct dialog_self *self);

/* Bytes kept in an owner's arena with re-use of the room that an earlier value took. */
must_use enum err dialog_keep(struct arena *arena, struct slice value, struct slice *slot,
			      size_t *room);
