/* SPDX-License-Identifier: MIT
 * Checks at an agent, under the credentials of RFC 5769, so that its request is a seed that passes:
 * nothing is answered that is not authentic, and an answer is whole. */
#include "lib/base/ensure.h"
#include "media-relay/ice/ice_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ctl_ice_setup setup = {
		.local_ufrag = SLICE_INIT("evtj"), .local_password = SLICE_INIT("VOkJxbRl1RmTxUk/WvJxBt")
	};
	struct ice_datagram in = { .bytes = data, .len = size,
				   .source = { { IP_V4, { 192, 0, 2, 1 } }, 32853 } };
	struct stun_message message;
	struct ice_reply reply;
	struct ice ice = { .now = { .ufrag_len = 0 } };
	enum ice_verdict verdict;

	ice_set(&ice, &setup);
	verdict = ice_receive(&ice, &in, &reply);
	ensure((reply.len > 0) == (verdict == ICE_ANSWERED || verdict == ICE_REFUSED));
	ensure(reply.len <= size);
	ensure(reply.len == 0 || (stun_parse(data, size, &message) == OK &&
				  stun_is_authentic(&message, setup.local_password)));
	ensure(reply.len == 0 || stun_parse(reply.bytes, reply.len, &message) == OK);
	ensure(!ice_selected(&ice, 0) || verdict == ICE_ANSWERED);
	return 0;
}
