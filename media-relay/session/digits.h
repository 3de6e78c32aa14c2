/* SPDX-License-Identifier: MIT
 * What control asks for of digits (RFC 4733). */
#pragma once

#include "media-relay/session/session.h"

/* Memory for digits that it asks to be told, or put into another clock. ERR_NOMEM. */
must_use enum err session_prepare_digits(struct sessions *sessions, struct side *side,
					 const struct ctl_stream_set *set);
/* A digit for the told side, behind those that wait. *ret_wrong: why not, static. ERR_UNSUPPORTED,
 * ERR_EXHAUSTED. */
must_use enum err session_digit(struct sessions *sessions, struct stream *stream,
				const struct ctl_digit_send *told, uint64_t now_ms,
				const char **ret_wrong);
/* After side_recall: numbers go on where they stood, since SRTP takes none twice. Without memory they
 * jump back. */
void session_recall_digits(struct sessions *sessions, struct side *side,
			   const struct side_memory *memory);
