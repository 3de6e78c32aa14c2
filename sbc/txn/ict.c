/* SPDX-License-Identifier: MIT
 * INVITE client transaction: RFC 3261 figure 5 as RFC 6026 8.4 draws it anew. */
#include "sbc/txn/txn_priv.h"

const struct txn_step txn_ict_table[ICT_STATES][TXN_EVENT_COUNT] = {
	[ICT_CALLING] = {
		[TIMER_A] = GO(ICT_CALLING, ACT_RESEND | ACT_START(TIMER_A)),
		[TIMER_B] = GO(ICT_TERMINATED, ACT_TELL_TIMEOUT),
		[RX_1XX] = GO(ICT_PROCEEDING, ACT_STOP | ACT_PASS_UP),
		[RX_2XX] = GO(ICT_ACCEPTED, ACT_STOP | ACT_PASS_UP | ACT_FORGET |
						    ACT_START(TIMER_M)),
		[RX_3XX_6XX] = GO(ICT_COMPLETED, ACT_STOP | ACT_ACK | ACT_PASS_UP |
							 ACT_START(TIMER_D)),
		[TRANSPORT_ERROR] = GO(ICT_TERMINATED, ACT_TELL_ERROR),
	},
	/* How long it may ring is the transaction user's business (timer C, CANCEL). Timer B runs only
	 * once the user has given up: 9.1 ends the transaction 64*T1 after the CANCEL. */
	[ICT_PROCEEDING] = {
		[TIMER_B] = GO(ICT_TERMINATED, ACT_TELL_TIMEOUT),
		[RX_1XX] = GO(ICT_PROCEEDING, ACT_PASS_UP),
		[RX_2XX] = GO(ICT_ACCEPTED, ACT_PASS_UP | ACT_FORGET | ACT_START(TIMER_M)),
		[RX_3XX_6XX] = GO(ICT_COMPLETED, ACT_ACK | ACT_PASS_UP | ACT_START(TIMER_D)),
	},
	/* What is stored here is the ACK. */
	[ICT_COMPLETED] = {
		[TIMER_D] = GO(ICT_TERMINATED, 0),
		[RX_3XX_6XX] = GO(ICT_COMPLETED, ACT_RESEND),
		[TRANSPORT_ERROR] = GO(ICT_TERMINATED, ACT_TELL_ERROR),
	},
	/* Another fork's 2xx and a repeated one look alike here; the dialogs tell them apart. */
	[ICT_ACCEPTED] = {
		[TIMER_M] = GO(ICT_TERMINATED, 0),
		[RX_2XX] = GO(ICT_ACCEPTED, ACT_PASS_UP),
	},
};
