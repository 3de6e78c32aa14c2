/* SPDX-License-Identifier: MIT
 * One line, one event, to standard error: text ("level event=… key=value") or JSON. Values from
 * outside are escaped and clipped, so that a line is always one line and always parses. Never blocks:
 * what standard error does not take is dropped and counted. Safe from any thread. */
#pragma once

#include "lib/base/addr.h"
#include "lib/base/slice.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

enum log_event {
#define LOG_EVENT(name, meaning) EVENT_##name,
#include "lib/log/events.def"
#undef LOG_EVENT
	LOG_EVENT_COUNT,
};

/* The log of this process; made once in main and passed down. */
struct log {
	enum log_level level;
	enum log_format format;
	const char *program;
	int fd;
	_Atomic uint64_t dropped; /* lines that were not taken */
};

enum log_value_kind { LOG_SLICE, LOG_U64, LOG_I64, LOG_ENDPOINT };

struct log_field {
	const char *key; /* a literal, [a-z_]+ */
	enum log_value_kind kind;
	union {
		struct slice slice;
		uint64_t u64;
		int64_t i64;
		const struct endpoint *endpoint;
	};
};

#define LOG_S(k, v) ((struct log_field){ .key = (k), .kind = LOG_SLICE, .slice = (v) })
#define LOG_T(k, v) ((struct log_field){ .key = (k), .kind = LOG_SLICE, .slice = slice_text(v) })
#define LOG_U(k, v) ((struct log_field){ .key = (k), .kind = LOG_U64, .u64 = (uint64_t)(v) })
#define LOG_I(k, v) ((struct log_field){ .key = (k), .kind = LOG_I64, .i64 = (int64_t)(v) })
#define LOG_E(k, v) ((struct log_field){ .key = (k), .kind = LOG_ENDPOINT, .endpoint = (v) })

/* log_write(log, LOG_LEVEL_INFO, EVENT_started, LOG_T("version", "1"), LOG_U("workers", 2)); */
#define log_write(log, severity, event, ...)                                                       \
	do {                                                                                       \
		if ((severity) <= (log)->level)                                                    \
			log_fields((log), (severity), (event),                                     \
				   (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, )          \
						   { .key = NULL } });                             \
	} while (0)

void log_init(struct log *log, const char *program, enum log_level level, enum log_format format);
/* fields end at one whose key is NULL. */
void log_fields(struct log *log, enum log_level level, enum log_event event,
		const struct log_field *fields);
const char *log_event_name(enum log_event event);
