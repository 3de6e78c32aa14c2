/* SPDX-License-Identifier: MIT
 * Names and sizes of what the control protocol counts. */
#include "lib/ctl/ctl.h"

#include "lib/base/ensure.h"

/* key: octets of the master key and its salt, as they stand in an inline key (RFC 4568 6.2, RFC 6188
 * section 4, RFC 7714 section 12). */
static const struct {
	const char *name;
	size_t key_bytes;
} suites[CTL_SRTP_SUITES] = {
	[CTL_SRTP_NONE] = { "none", 0 },
	[CTL_SRTP_AES_CM_128_HMAC_SHA1_80] = { "AES_CM_128_HMAC_SHA1_80", 16 + 14 },
	[CTL_SRTP_AES_CM_128_HMAC_SHA1_32] = { "AES_CM_128_HMAC_SHA1_32", 16 + 14 },
	[CTL_SRTP_AES_192_CM_HMAC_SHA1_80] = { "AES_192_CM_HMAC_SHA1_80", 24 + 14 },
	[CTL_SRTP_AES_192_CM_HMAC_SHA1_32] = { "AES_192_CM_HMAC_SHA1_32", 24 + 14 },
	[CTL_SRTP_AES_256_CM_HMAC_SHA1_80] = { "AES_256_CM_HMAC_SHA1_80", 32 + 14 },
	[CTL_SRTP_AES_256_CM_HMAC_SHA1_32] = { "AES_256_CM_HMAC_SHA1_32", 32 + 14 },
	[CTL_SRTP_AEAD_AES_128_GCM] = { "AEAD_AES_128_GCM", 16 + 12 },
	[CTL_SRTP_AEAD_AES_256_GCM] = { "AEAD_AES_256_GCM", 32 + 12 },
};

const char *ctl_srtp_suite_name(unsigned suite)
{
	return suites[suite < CTL_SRTP_SUITES ? suite : CTL_SRTP_NONE].name;
}

enum ctl_srtp_suite ctl_srtp_suite_find(struct slice name)
{
	for (unsigned suite = 1; suite < CTL_SRTP_SUITES; suite++)
		if (slice_eq(name, slice_text(suites[suite].name)))
			return (enum ctl_srtp_suite)suite;
	return CTL_SRTP_NONE;
}

size_t ctl_srtp_key_bytes(unsigned suite)
{
	return suite < CTL_SRTP_SUITES ? suites[suite].key_bytes : 0;
}

const char *ctl_way_name(unsigned way)
{
	static const char *const names[] = { "socket", "xdp_socket", "kernel" };

	return way < array_size(names) ? names[way] : "unknown";
}
