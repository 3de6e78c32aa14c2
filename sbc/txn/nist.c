/* SPDX-License-Identifier: MIT
 * Non-INVITE server transaction: RFC 3261 figure 8. Its user keeps RFC 4320: no 408, and no 100
 * before the client's timer E reached T2. */
#include "sbc/txn/txn_priv.h"

const struct txn_step txn_nist_table[NIST_STATES][TXN_EVENT_COUNT] = {
	/* A repeated request finds nothing to answer it with and is dropped. */
	[NIST_TRYING] = {
		[TU_1XX] = GO(NIST_PROCEEDING, ACT_SEND),
		[TU_2XX] = GO(NIST_COMPLETED, ACT_SEND | ACT_START(TIMER_J)),
		[TU_3XX_6XX] = GO(NIST_COMPLETED, ACT_SEND | ACT_START(TIMER_J)),
	},
	[NIST_PROCEEDING] = {
		[RX_REQUEST] = GO(NIST_PROCEEDING, ACT_RESEND),
		[TU_1XX] = GO(NIST_PROCEEDING, ACT_SEND),
		[TU_2XX] = GO(NIST_COMPLETED, ACT_SEND | ACT_START(TIMER_J)),
		[TU_3XX_6XX] = GO(NIST_COMPLETED, ACT_SEND | ACT_START(TIMER_J)),
		[TRANSPORT_ERROR] = GO(NIST_TERMINATED, ACT_TELL_ERROR),
	},
	[NIST_COMPLETED] = {
		[TIMER_J] = GO(NIST_TERMINATED, 0),
		[RX_REQUEST] = GO(NIST_COMPLETED, ACT_RESEND),
		[TRANSPORT_ERROR] = GO(NIST_TERMINATED, ACT_TELL_ERROR),
	},
};
