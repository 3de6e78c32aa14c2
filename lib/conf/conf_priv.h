/* SPDX-License-Identifier: MIT
 * What the files of lib/conf share: the tables that describe the document, and the walk that reads a
 * JSON value by them. A table has a row for each field; no field has code of its own, save those
 * whose check needs another field (the object's `finish`). */
#pragma once

#include <jansson.h>

#include "lib/conf/conf.h"

#define CONF_MAX_ERRORS 32u
#define CONF_MAX_DEPTH 32u
#define CONF_MAX_FILE_BYTES ((off_t)64 << 20)
#define CONF_REGEX_MAX_BYTES 512u
#define CONF_GROUPS_MAX 9u /* $1 … $9 */

/* A place in the document; the way up to the root makes the JSON pointer. */
struct spot {
	const struct spot *up;
	const char *key; /* NULL: an array's item */
	size_t index;
	bool secret; /* its value is not shown */
};

struct check {
	struct arena *arena;
	json_t *root; /* values shown in errors are looked up from here */
	struct conf_errors *errors;
};

enum field_kind {
	FIELD_NAME,     /* struct slice: a resource's name, or a reference to one */
	FIELD_TEXT,     /* struct slice of min … max bytes */
	FIELD_SECRET,   /* struct slice, never shown */
	FIELD_HOST,     /* struct slice: host name or IP address */
	FIELD_IP_TEXT,  /* struct slice: IP address */
	FIELD_CODEC,    /* struct slice: encoding name */
	FIELD_CONTENT_TYPE, /* struct slice: type/subtype of a body that may cross */
	FIELD_REGEX,    /* struct slice that compiles */
	FIELD_URI,      /* struct conf_gateway's first members */
	FIELD_WORD,     /* an enum; its words in the enum's order */
	FIELD_U16,
	FIELD_U32,
	FIELD_BOOL,
	FIELD_IP,       /* struct ip_addr of one interface */
	FIELD_PREFIX,   /* struct ip_prefix */
	FIELD_ENDPOINT, /* struct endpoint */
	FIELD_OBJECT,   /* its members go into the same struct, from `offset` on */
	FIELD_LIST,
	FIELD_KINDS
};

struct object;

struct field {
	const char *name;
	enum field_kind kind;
	bool required;
	bool initial_bool;
	size_t offset; /* in the struct of the object */
	uint32_t min;  /* numbers; bytes of texts; items of lists */
	uint32_t max;
	uint32_t initial;         /* numbers and words */
	const char *initial_text; /* texts and endpoints */
	const char *const *words; /* FIELD_WORD; NULL ends it */
	const struct object *object; /* FIELD_OBJECT */
	const struct field *item;    /* FIELD_LIST: what each item is (FIELD_OBJECT or a scalar) */
	size_t item_size;
	size_t count_offset;
};

struct object {
	const struct field *fields;
	size_t count;
	/* Checks and defaults that need several fields. Fields in error hold their defaults. */
	void (*finish)(struct check *check, const struct spot *spot, void *target);
};

extern const struct object conf_document_object;     /* into struct conf */
extern const struct object conf_provisioning_object; /* into struct conf_provisioning */

/* Reads `value` (NULL: absent, only defaults are set) into `target`. Errors are collected. */
void object_read(struct check *check, const struct object *object, json_t *value,
		 const struct spot *spot, void *target);

/* Reads a scalar that is there. False: not valid, *at untouched, the error is noted. */
bool scalar_read(struct check *check, const struct field *field, json_t *value,
		 const struct spot *spot, void *at);
/* What would be right for a field. */
struct slice field_remedy(struct check *check, const struct field *field);
/* Sets the default of a field that is absent. */
void scalar_default(const struct field *field, void *at);

/* The rules between resources: unique names, references, overlaps. `top` is where provisioning is. */
void provisioning_rules(struct check *check, const struct spot *top,
			const struct conf_provisioning *provisioning);

/* The part of them that is about sockets, ports and prefixes (overlap.c). */
void overlap_rules(struct check *check, const struct spot *top,
		   const struct conf_provisioning *provisioning);

/* NULL when `uri` is a gateway's; otherwise what is wrong with it. *ret untouched then. */
const char *gateway_uri_parse(struct slice uri, struct conf_gateway *ret);
/* A host name or an IP address (IPv6 with or without brackets). */
bool host_valid(struct slice host);

/* Compiles `pattern` to prove that it does, and tells how many groups it has. As conf_regex_compile. */
must_use enum err regex_check(struct slice pattern, uint32_t *ret_groups, size_t *ret_offset,
			      char why[CONF_REGEX_WHY_BYTES]);

/* finish functions of the tables, in finish.c */
void listener_finish(struct check *check, const struct spot *spot, void *target);
void realm_finish(struct check *check, const struct spot *spot, void *target);
void trunk_finish(struct check *check, const struct spot *spot, void *target);
void rewrite_finish(struct check *check, const struct spot *spot, void *target);

/* Notes an error at `spot`. A value is shown as it is in the document (none: the field is missing).
 * Details and remedies are sentences without a full stop. */
void check_fail(struct check *check, const struct spot *spot, struct slice remedy,
		const char *detail, ...) __attribute__((format(printf, 4, 5)));
/* An error of the text as a whole. */
void errors_add(struct arena *arena, struct conf_errors *errors, struct slice detail,
		struct slice remedy);

/* Text to a JSON value; `comments`: // to the end of the line is white space. ERR_SYNTAX (noted),
 * ERR_NOMEM. Free *ret with json_decref. */
must_use enum err json_read(struct arena *arena, struct slice text, bool comments, json_t **ret,
			    struct conf_errors *errors);
must_use enum err file_read(struct arena *arena, const char *path, struct slice *ret,
			    struct conf_errors *errors);
