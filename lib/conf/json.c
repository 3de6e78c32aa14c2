/* SPDX-License-Identifier: MIT
 * Text to JSON values. What jansson does not do is done on the text first: comments become spaces
 * (so that lines and columns stay true), and deep nesting is refused before anything recurses. */
#include "lib/conf/conf_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYNTAX_REMEDY SLICE("JSON by RFC 8259; // comments only in the file")

struct scan {
	char *p;
	size_t len;
	unsigned line;
	unsigned depth;
	bool quoted;
};

/* Blanks the rest of the line. Returns the position of its end. */
static size_t comment_blank(struct scan *scan, size_t at)
{
	while (at < scan->len && scan->p[at] != '\n')
		scan->p[at++] = ' ';
	return at;
}

/* One character outside of comments. False: nested too deep. */
static bool scan_char(struct scan *scan, size_t *at)
{
	char c = scan->p[*at];

	if (c == '\n') {
		scan->line++;
		scan->quoted = false; /* no string goes over a line's end; jansson will say so */
	} else if (scan->quoted) {
		if (c == '\\' && *at + 1 < scan->len && scan->p[*at + 1] != '\n')
			(*at)++;
		else if (c == '"')
			scan->quoted = false;
	} else if (c == '"') {
		scan->quoted = true;
	} else if (c == '{' || c == '[') {
		return ++scan->depth <= CONF_MAX_DEPTH;
	} else if ((c == '}' || c == ']') && scan->depth > 0) {
		scan->depth--;
	}
	return true;
}

/* False: too deep, and scan tells where. */
static bool text_prepare(struct scan *scan, bool comments)
{
	for (size_t at = 0; at < scan->len; at++) {
		if (comments && !scan->quoted && scan->p[at] == '/' && at + 1 < scan->len &&
		    scan->p[at + 1] == '/')
			at = comment_blank(scan, at);
		if (at < scan->len && !scan_char(scan, &at))
			return false;
	}
	return true;
}

/* jansson quotes the input after " near ", which may be half a secret. */
static struct slice jansson_detail(struct arena *arena, const json_error_t *error)
{
	struct slice text = slice_text(error->text);

	text = slice_head(text, slice_find(text, SLICE(" near ")));
	return arena_printf(arena, "line %d, column %d: %.*s", error->line, error->column,
			    SLICE_ARG(text));
}

enum err json_read(struct arena *arena, struct slice text, bool comments, json_t **ret,
		   struct conf_errors *errors)
{
	struct scan scan = { .len = text.len, .line = 1 };
	json_error_t error;
	struct slice copy;
	json_t *value;

	if (arena_keep(arena, text, &copy) != OK)
		return ERR_NOMEM;
	scan.p = (char *)(uintptr_t)copy.p; /* our own copy */
	if (!text_prepare(&scan, comments)) {
		errors_add(arena, errors,
			   arena_printf(arena, "line %u: nested too deep", scan.line),
			   SLICE("at most 32 levels"));
		return ERR_SYNTAX;
	}
	value = json_loadb(copy.p, copy.len, JSON_REJECT_DUPLICATES, &error);
	if (!value) {
		if (json_error_code(&error) == json_error_out_of_memory)
			return ERR_NOMEM;
		errors_add(arena, errors, jansson_detail(arena, &error), SYNTAX_REMEDY);
		return ERR_SYNTAX;
	}
	*ret = value;
	return OK;
}

static enum err read_all(struct arena *arena, int fd, struct slice *ret)
{
	struct stat st;
	size_t len = 0;
	char *p;

	if (fstat(fd, &st) < 0)
		return err_from_errno();
	if (!S_ISREG(st.st_mode))
		return (enum err)(-EINVAL);
	if (st.st_size > CONF_MAX_FILE_BYTES)
		return ERR_LIMIT;
	p = arena_alloc(arena, (size_t)st.st_size + 1);
	if (!p)
		return ERR_NOMEM;
	while (len < (size_t)st.st_size) {
		ssize_t n = read(fd, p + len, (size_t)st.st_size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_from_errno();
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret = slice_of(p, len);
	return OK;
}

enum err file_read(struct arena *arena, const char *path, struct slice *ret,
		   struct conf_errors *errors)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	enum err err = fd < 0 ? err_from_errno() : read_all(arena, fd, ret);

	if (fd >= 0)
		close(fd);
	if (err != OK)
		errors_add(arena, errors,
			   arena_printf(arena, "%s cannot be read: %s", path, err_text(err)),
			   SLICE("a file of at most 64 MiB that this user may read"));
	return err;
}
