/* SPDX-License-Identifier: MIT
 * The one error space: 0 is OK, system errors pass through as -errno, our own start at -2000. */
#pragma once

#define must_use __attribute__((warn_unused_result))

#define ERR_TABLE(X)                                                                               \
	X(ERR_SYNTAX, -2000, "the text does not follow its grammar")                               \
	X(ERR_LIMIT, -2001, "a limit was exceeded")                                                \
	X(ERR_NOMEM, -2002, "out of memory or over the quota")                                     \
	X(ERR_NOENT, -2003, "there is no such thing")                                              \
	X(ERR_EXISTS, -2004, "there is one already")                                               \
	X(ERR_STATE, -2005, "not in this state")                                                   \
	X(ERR_CLOSED, -2006, "the peer closed")                                                    \
	X(ERR_AGAIN, -2007, "not now; try again")                                                  \
	X(ERR_REFUSED, -2008, "refused by policy")                                                 \
	X(ERR_UNSUPPORTED, -2009, "not supported")                                                 \
	X(ERR_VERSION, -2010, "the other side speaks another version")                             \
	X(ERR_EXHAUSTED, -2011, "none left (ports, slots)")

enum err {
	OK = 0,
#define X(name, value, text) name = value,
	ERR_TABLE(X)
#undef X
	/* Makes the enum signed and wide enough for any -errno. */
	ERR_MINIMUM = -1000000,
};

/* Text for any value of the space; static storage, never NULL. */
const char *err_text(enum err err);

/* -errno as an enum err. */
enum err err_from_errno(void);
