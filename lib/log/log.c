/* SPDX-License-Identifier: MIT
 * What makes it hard: values come from peers, and whoever reads the log reads it line by line, on a
 * terminal or with a JSON parser. So a value is clipped, decoded as UTF-8 and written anew; whatever
 * could end a line, move a cursor or reverse the reading order is written as an escape.
 * A line is at most PIPE_BUF bytes and one write(2), so lines of several threads do not mix. */
#include "lib/log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_BYTES PIPE_BUF
#define LOG_VALUE_BYTES 512u /* of a value; what is longer is clipped */
#define LOG_TAIL_BYTES 32u   /* room kept for the mark of a clipped line and its end */

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

const char *log_event_name(enum log_event event)
{
	static const char *const names[] = {
#define LOG_EVENT(name, meaning) [EVENT_##name] = #name,
#include "lib/log/events.def"
#undef LOG_EVENT
	};

	return event < LOG_EVENT_COUNT ? names[event] : "unknown";
}

/* A pipe is opened anew, for O_NONBLOCK on the one we were given would be seen by all who share it. */
static int log_fd(void)
{
	struct stat st;
	int fd = -1;

	if (fstat(STDERR_FILENO, &st) == 0 && S_ISFIFO(st.st_mode))
		fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0 ? fd : STDERR_FILENO;
}

void log_init(struct log *log, const char *program, enum log_level level, enum log_format format)
{
	*log = (struct log){ .level = level, .format = format, .program = program };
	log->fd = log_fd();
}

/* ---- values ---- */

struct utf8 {
	uint32_t code;
	size_t len; /* bytes; 0: the first byte begins no character (RFC 3629) */
};

static struct utf8 utf8_decode(struct slice s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)s.p[0];
	struct utf8 c = { .code = first, .len = 1 };

	if (first < 0x80)
		return c;
	if (first < 0xc2 || first > 0xf4)
		return (struct utf8){ 0 };
	c.len = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	c.code = first & (0xffu >> (c.len + 1));
	if (c.len > s.len)
		return (struct utf8){ 0 };
	for (size_t i = 1; i < c.len; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return (struct utf8){ 0 };
		c.code = c.code << 6 | (s.p[i] & 0x3f);
	}
	if (c.code < least[c.len] || c.code > 0x10ffff || (c.code >= 0xd800 && c.code <= 0xdfff))
		return (struct utf8){ 0 };
	return c;
}

/* Controls, line and paragraph separators, invisible and direction-changing characters. */
static bool code_is_unsafe(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200b && code <= 0x200f) ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
	       code == 0xfeff;
}

static void put_code(struct text *text, uint32_t code)
{
	text_printf(text, "\\u%04x", code);
}

/* Between quotes. JSON has no escape for a byte that is no character: U+FFFD stands for it. */
static void put_escaped(struct text *text, struct slice s, enum log_format format)
{
	while (s.len > 0) {
		struct utf8 c = utf8_decode(s);

		if (c.len == 0) {
			if (format == LOG_FORMAT_JSON)
				put_code(text, 0xfffd);
			else
				text_printf(text, "\\x%02x", (unsigned char)s.p[0]);
			c.len = 1;
		} else if (c.code == '"' || c.code == '\\') {
			text_char(text, '\\');
			text_char(text, (char)c.code);
		} else if (c.code == '\n') {
			text_lit(text, "\\n");
		} else if (c.code == '\r') {
			text_lit(text, "\\r");
		} else if (code_is_unsafe(c.code)) {
			put_code(text, c.code);
		} else {
			text_bytes(text, s.p, c.len);
		}
		s = slice_skip(s, c.len);
	}
}

static bool is_bare(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '=' ||
		    s.p[i] == '\\')
			return false;
	return s.len > 0;
}

static void put_slice(struct text *text, struct slice s, enum log_format format)
{
	bool clipped = s.len > LOG_VALUE_BYTES;

	if (clipped) {
		s.len = LOG_VALUE_BYTES;
		while (s.len > LOG_VALUE_BYTES - 3 && (s.p[s.len] & 0xc0) == 0x80)
			s.len--;
	}
	if (format == LOG_FORMAT_TEXT && !clipped && is_bare(s)) {
		text_slice(text, s);
		return;
	}
	text_char(text, '"');
	put_escaped(text, s, format);
	if (clipped)
		text_lit(text, "...");
	text_char(text, '"');
}

static void put_value(struct text *text, const struct log_field *field, enum log_format format)
{
	char storage[ENDPOINT_TEXT_BYTES];

	switch (field->kind) {
	case LOG_SLICE:
		put_slice(text, field->slice, format);
		break;
	case LOG_U64:
		text_u64(text, field->u64);
		break;
	case LOG_I64:
		text_i64(text, field->i64);
		break;
	case LOG_ENDPOINT:
		put_slice(text, slice_text(endpoint_text(field->endpoint, storage)), format);
		break;
	}
}

static void put_field(struct text *text, const struct log_field *field, enum log_format format)
{
	text_printf(text, format == LOG_FORMAT_JSON ? ",\"%s\":" : " %s=", field->key);
	put_value(text, field, format);
}

/* ---- the line ---- */

static void put_head(struct text *text, const struct log *log, enum log_level level,
		     enum log_event event)
{
	struct timespec ts;
	struct tm tm;
	char stamp[32];

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	text_printf(text,
		    log->format == LOG_FORMAT_JSON
			    ? "{\"time\":\"%s.%03uZ\",\"level\":\"%s\",\"event\":\"%s\",\"program\":\"%s\""
			    : "%s.%03uZ %s event=%s program=%s",
		    stamp, (unsigned)(ts.tv_nsec / 1000000), level_names[level],
		    log_event_name(event), log->program);
}

/* Fields that no longer fit are left out, and the line says so. */
static void put_fields(struct text *text, const struct log_field *fields, enum log_format format)
{
	for (; fields->key; fields++) {
		size_t before = text->len;

		put_field(text, fields, format);
		if (text->err == OK)
			continue;
		text->len = before;
		text->err = OK;
		text->cap += LOG_TAIL_BYTES;
		put_field(text, &LOG_U("clipped", 1), format);
		break;
	}
}

/* Blocking descriptors that we could not open anew are asked first. */
static bool log_put(int fd, struct slice line)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };

	if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
		return false;
	return write(fd, line.p, line.len) == (ssize_t)line.len;
}

void log_fields(struct log *log, enum log_level level, enum log_event event,
		const struct log_field *fields)
{
	char storage[LOG_LINE_BYTES];
	struct text text;
	int saved_errno = errno;

	text_init(&text, storage, sizeof(storage) - LOG_TAIL_BYTES - sizeof("}\n"));
	put_head(&text, log, level, event);
	put_fields(&text, fields, log->format);
	text.cap = sizeof(storage);
	if (log->format == LOG_FORMAT_JSON)
		text_char(&text, '}');
	text_char(&text, '\n');
	if (!log_put(log->fd, text_done(&text)))
		log->dropped++;
	errno = saved_errno;
}
