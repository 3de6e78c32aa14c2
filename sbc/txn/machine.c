/* SPDX-License-Identifier: MIT
 * The driver: looks a cell up and does what its action bits say, always in the same order: stop
 * timers, send, pass up, tell, free, start timers, end. Over a reliable transport the timers that
 * repeat are never started and those that only wait for stragglers last no time at all: starting
 * one is its firing (RFC 3261 17.1.1.2, 17.1.2.2, 17.2.1, 17.2.2). */
#include "sbc/txn/txn_priv.h"

const struct txn_machine txn_machines[TXN_KINDS] = {
	[TXN_ICT] = { txn_ict_table, ICT_CALLING, ICT_TERMINATED, TIMER_A },
	[TXN_NICT] = { txn_nict_table, NICT_TRYING, NICT_TERMINATED, TIMER_E },
	[TXN_IST] = { txn_ist_table, IST_PROCEEDING, IST_TERMINATED, TIMER_G },
	[TXN_NIST] = { txn_nist_table, NIST_TRYING, NIST_TERMINATED, TXN_TIMER_COUNT },
};

/* Of the timers that do not repeat, by RFC 3261 table 4 and RFC 6026. */
static uint32_t deadline_ms(const struct txn *txn, enum txn_event timer)
{
	bool reliable = txn_is_reliable(txn);

	if (timer == TIMER_I || timer == TIMER_K)
		return reliable ? 0 : SIP_T4_MS;
	if (timer == TIMER_D || timer == TIMER_J)
		return reliable ? 0 : TXN_64T1_MS;
	return TXN_64T1_MS; /* B, F, H, L, M */
}

/* The next interval of a timer that repeats: A doubles, E and G double up to T2; in Proceeding E
 * is T2 at once (17.1.2.2). */
static uint32_t repeat_ms(const struct txn *txn, enum txn_event timer)
{
	uint32_t next_ms = txn->interval_ms ? txn->interval_ms * 2 : SIP_T1_MS;

	if (timer == TIMER_A)
		return next_ms;
	if (timer == TIMER_E && txn->state == NICT_PROCEEDING)
		return SIP_T2_MS;
	return next_ms < SIP_T2_MS ? next_ms : SIP_T2_MS;
}

void txn_start_timer(const struct txn_input *in, struct txn *txn, enum txn_event timer)
{
	if (timer == txn_machines[txn->kind].repeats) {
		if (txn_is_reliable(txn))
			return;
		txn->interval_ms = repeat_ms(txn, timer);
		txn->repeat_due_ms = in->now_ms + txn->interval_ms;
		return;
	}
	txn->deadline = (uint8_t)timer;
	txn->deadline_due_ms = in->now_ms + deadline_ms(txn, timer);
}

void txn_arm(struct txn_table *table, struct txn *txn)
{
	uint64_t due_ms = txn->deadline_due_ms;

	if (txn->repeat_due_ms && (!due_ms || txn->repeat_due_ms < due_ms))
		due_ms = txn->repeat_due_ms;
	if (!due_ms)
		wheel_stop(table->config.wheel, &txn->timer);
	else if (!timer_running(&txn->timer) || txn->timer.due_ms != due_ms)
		wheel_start(table->config.wheel, &txn->timer, due_ms);
}

/* Stored bytes are copied into the turn: the transaction may end before they are sent. */
static void send_stored(const struct txn_input *in, const struct txn *txn)
{
	struct slice bytes;

	if (txn->sent.len == 0)
		return;
	if (arena_keep(in->out->arena, txn->sent, &bytes) < 0) {
		in->out->failed = true;
		return;
	}
	in->table->counters.sent_again++;
	effects_send(in->out, &txn->flow, bytes, txn->self);
}

/* Without memory for a copy the message goes out once and cannot be repeated, which is what a lossy
 * network would have made of it. */
static void send_new(const struct txn_input *in, struct txn *txn, struct slice bytes, bool repeats)
{
	effects_send(in->out, &txn->flow, bytes, txn->self);
	txn_store_drop(in->table, txn);
	if (repeats && txn_store(in->table, txn, bytes) < 0)
		in->table->counters.not_stored++;
}

/* Whether a response may have to be sent again: for a repeated request, which a reliable transport
 * does not bring, or by the user (2xx and reliable 1xx of an INVITE). */
static bool response_repeats(const struct txn *txn)
{
	return !txn_is_reliable(txn) || (txn->kind == TXN_IST && txn->status < 300);
}

static void send_ack(const struct txn_input *in, struct txn *txn)
{
	struct slice ack = txn_ack_write(in->out->arena, txn->sent, sip_value(in->msg, SIP_HDR_TO));

	if (ack.len == 0) {
		in->out->failed = true;
		txn_store_drop(in->table, txn);
		return;
	}
	send_new(in, txn, ack, !txn_is_reliable(txn));
}

static void tell(const struct txn_input *in, const struct txn *txn, enum effect_kind kind)
{
	struct effect *effect = effects_add(in->out, kind);

	effect->txn.user = txn->user;
	effect->txn.txn = txn->self;
	effect->txn.msg = kind == EFFECT_TXN_RESPONSE ? in->msg : NULL;
}

/* A client's user hears one final outcome: an ACK that could not be sent comes after it. A server's
 * user learns that its response was lost from the ACK that stays away, as with any lost response.
 */
static void tell_error(const struct txn_input *in, const struct txn *txn)
{
	in->table->counters.transport_errors++;
	if (txn_is_client(txn) && txn->status < 200)
		tell(in, txn, EFFECT_TXN_ERROR);
}

static void txn_act(const struct txn_input *in, struct txn *txn, uint32_t actions)
{
	if (actions & ACT_STOP)
		txn->repeat_due_ms = txn->deadline_due_ms = txn->interval_ms = 0;
	if (actions & ACT_SEND)
		send_new(in, txn, in->bytes, response_repeats(txn));
	if (actions & ACT_RESEND)
		send_stored(in, txn);
	if (actions & ACT_ACK)
		send_ack(in, txn);
	if (actions & ACT_PASS_UP && txn_is_client(txn))
		tell(in, txn, EFFECT_TXN_RESPONSE);
	if (actions & ACT_TELL_TIMEOUT) {
		in->table->counters.timeouts++;
		tell(in, txn, EFFECT_TXN_TIMEOUT);
	}
	if (actions & ACT_TELL_NO_ACK) {
		in->table->counters.ack_timeouts++;
		if (handle_is(txn->user.owner))
			tell(in, txn, EFFECT_TXN_ACK_TIMEOUT);
	}
	if (actions & ACT_TELL_ERROR)
		tell_error(in, txn);
	if (actions & ACT_FORGET)
		txn_store_drop(in->table, txn);
	for (uint32_t starts = actions & ACT_STARTS; starts; starts &= starts - 1)
		txn_start_timer(in, txn, (enum txn_event)__builtin_ctz(starts));
}

bool txn_step(const struct txn_input *in, struct txn *txn, enum txn_event event)
{
	const struct txn_machine *machine = &txn_machines[txn->kind];
	const struct txn_step *step = &machine->table[txn->state][event];

	if (!(step->actions & ACT_TAKEN)) {
		in->table->counters.ignored++;
		return false;
	}
	txn->state = step->next;
	txn_act(in, txn, step->actions);
	if (txn->state != machine->terminated && step->actions & ACT_STARTS &&
	    txn->deadline_due_ms == in->now_ms) {
		txn->deadline_due_ms = 0;
		return txn_step(in, txn, (enum txn_event)txn->deadline);
	}
	if (txn->state == machine->terminated)
		txn_free(in->table, txn);
	else
		txn_arm(in->table, txn);
	return true;
}

enum txn_event txn_tu_event(uint16_t status)
{
	if (status < 200)
		return TU_1XX;
	return status < 300 ? TU_2XX : TU_3XX_6XX;
}

void txn_resend(struct txn_table *table, struct handle handle, struct effects *out)
{
	const struct txn *txn = txn_get(table, handle);
	struct txn_input in = { .table = table, .out = out };

	if (!txn || txn_is_client(txn) || txn->status == 0)
		return;
	if (txn_machines[txn->kind].table[txn->state][txn_tu_event(txn->status)].actions & ACT_SEND)
		send_stored(&in, txn);
}

void txn_on_timer(struct txn_table *table, struct timer *timer, uint64_t now_ms,
		  struct effects *out)
{
	struct txn *txn = container_of(timer, struct txn, timer);
	struct txn_input in = { .table = table, .now_ms = now_ms, .out = out };

	ensure(txn_get(table, txn->self) == txn);
	if (txn->deadline_due_ms && txn->deadline_due_ms <= now_ms) {
		txn->deadline_due_ms = 0;
		txn_step(&in, txn, (enum txn_event)txn->deadline);
	} else if (txn->repeat_due_ms && txn->repeat_due_ms <= now_ms) {
		txn->repeat_due_ms = 0;
		txn_step(&in, txn, txn_machines[txn->kind].repeats);
	} else {
		txn_arm(table, txn);
	}
}

void txn_on_transport_error(struct txn_table *table, struct handle handle, uint64_t now_ms,
			    struct effects *out)
{
	struct txn *txn = txn_get(table, handle);
	struct txn_input in = { .table = table, .now_ms = now_ms, .out = out };

	if (txn)
		txn_step(&in, txn, TRANSPORT_ERROR);
}
