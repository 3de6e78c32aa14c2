/* SPDX-License-Identifier: MIT
 * Every cell of the four tables against the arrows of the figures, which golden/ has as text. */
#include <stdio.h>
#include <stdlib.h>

#include "sbc/txn/txn_priv.h"
#include "tests/support/unit.h"

#define LINES_MAX 64

static const char *const event_names[TXN_EVENT_COUNT] = {
	[TIMER_A] = "Timer A",
	[TIMER_B] = "Timer B",
	[TIMER_D] = "Timer D",
	[TIMER_E] = "Timer E",
	[TIMER_F] = "Timer F",
	[TIMER_G] = "Timer G",
	[TIMER_H] = "Timer H",
	[TIMER_I] = "Timer I",
	[TIMER_J] = "Timer J",
	[TIMER_K] = "Timer K",
	[TIMER_L] = "Timer L",
	[TIMER_M] = "Timer M",
	[RX_REQUEST] = "request",
	[RX_ACK] = "ACK",
	[RX_1XX] = "1xx",
	[RX_2XX] = "2xx",
	[RX_3XX_6XX] = "3xx-6xx",
	[TU_1XX] = "TU 1xx",
	[TU_2XX] = "TU 2xx",
	[TU_3XX_6XX] = "TU 3xx-6xx",
	[TRANSPORT_ERROR] = "transport error",
};

static const struct {
	uint32_t bit;
	const char *name;
} action_names[] = {
	{ ACT_STOP, "stop" },
	{ ACT_SEND, "send" },
	{ ACT_RESEND, "send again" },
	{ ACT_ACK, "ACK" },
	{ ACT_PASS_UP, "to TU" },
	{ ACT_TELL_TIMEOUT, "inform TU: timeout" },
	{ ACT_TELL_NO_ACK, "inform TU: no ACK" },
	{ ACT_TELL_ERROR, "inform TU: error" },
	{ ACT_FORGET, "forget" },
	{ ACT_START(TIMER_A), "start A" },
	{ ACT_START(TIMER_B), "start B" },
	{ ACT_START(TIMER_D), "start D" },
	{ ACT_START(TIMER_E), "start E" },
	{ ACT_START(TIMER_F), "start F" },
	{ ACT_START(TIMER_G), "start G" },
	{ ACT_START(TIMER_H), "start H" },
	{ ACT_START(TIMER_I), "start I" },
	{ ACT_START(TIMER_J), "start J" },
	{ ACT_START(TIMER_K), "start K" },
	{ ACT_START(TIMER_L), "start L" },
	{ ACT_START(TIMER_M), "start M" },
};

struct golden {
	char *lines[LINES_MAX];
	bool seen[LINES_MAX];
	size_t count;
};

/* Columns are padded: runs of spaces count as one. */
static void squeeze(char *line)
{
	char *to = line;

	for (const char *from = line; *from && *from != '\n'; from++)
		if (*from != ' ' || (to > line && to[-1] != ' '))
			*to++ = *from;
	*to = '\0';
}

static void golden_read(struct golden *golden, const char *name)
{
	char path[512];
	char line[256];
	FILE *file;

	*golden = (struct golden){ 0 };
	snprintf(path, sizeof(path), "%s/%s.txt", getenv("TXN_GOLDEN"), name);
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (line[0] == '#')
			continue;
		squeeze(line);
		assert_true(golden->count < LINES_MAX);
		golden->lines[golden->count++] = strdup(line);
	}
	fclose(file);
}

static void cell_text(const struct txn_step *step, const char *state, const char *event,
		      const char *next, char *ret, size_t size)
{
	uint32_t left = step->actions & ~ACT_TAKEN;
	char actions[128] = "";
	struct text text;

	text_init(&text, actions, sizeof(actions) - 1);
	for (size_t i = 0; i < array_size(action_names); i++) {
		if (!(left & action_names[i].bit))
			continue;
		left &= ~action_names[i].bit;
		text_printf(&text, "%s%s", text.len > 0 ? ", " : "", action_names[i].name);
	}
	actions[text_done(&text).len] = '\0';
	assert_int_equal(left, 0);
	snprintf(ret, size, "%s | %s | %s | %s", state, event, actions, next);
	squeeze(ret);
}

static void expect_line(struct golden *golden, const char *line)
{
	for (size_t i = 0; i < golden->count; i++) {
		if (strcmp(golden->lines[i], line) != 0)
			continue;
		assert_false(golden->seen[i]);
		golden->seen[i] = true;
		return;
	}
	fail_msg("not an arrow of the figure: %s", line);
}

static void check(const char *name, const struct txn_step (*table)[TXN_EVENT_COUNT],
		  const char *const *states, size_t state_count)
{
	struct golden golden;
	char line[256];
	size_t cells = 0;

	golden_read(&golden, name);
	for (size_t state = 0; state < state_count; state++) {
		for (size_t event = 0; event < TXN_EVENT_COUNT; event++) {
			const struct txn_step *step = &table[state][event];

			if (!(step->actions & ACT_TAKEN)) {
				assert_int_equal(step->actions, 0);
				continue;
			}
			assert_true(step->next < state_count);
			cell_text(step, states[state], event_names[event], states[step->next], line,
				  sizeof(line));
			expect_line(&golden, line);
			cells++;
		}
	}
	assert_int_equal(cells, golden.count);
	for (size_t i = 0; i < golden.count; i++)
		free(golden.lines[i]);
}

static void invite_client(void **state)
{
	static const char *const names[] = { "Calling", "Proceeding", "Completed", "Accepted",
					     "Terminated" };

	(void)state;
	check("ict", txn_ict_table, names, ICT_STATES);
}

static void non_invite_client(void **state)
{
	static const char *const names[] = { "Trying", "Proceeding", "Completed", "Terminated" };

	(void)state;
	check("nict", txn_nict_table, names, NICT_STATES);
}

static void invite_server(void **state)
{
	static const char *const names[] = { "Proceeding", "Completed", "Accepted", "Confirmed",
					     "Terminated" };

	(void)state;
	check("ist", txn_ist_table, names, IST_STATES);
}

static void non_invite_server(void **state)
{
	static const char *const names[] = { "Trying", "Proceeding", "Completed", "Terminated" };

	(void)state;
	check("nist", txn_nist_table, names, NIST_STATES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(invite_client),
		cmocka_unit_test(non_invite_client),
		cmocka_unit_test(invite_server),
		cmocka_unit_test(non_invite_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
