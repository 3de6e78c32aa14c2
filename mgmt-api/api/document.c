/* SPDX-License-Identifier: MIT
 * The document in force: where it comes from at the start, the snapshots that sbcd reads, ETags, and
 * bodies. The store is the truth; config/current.json is its copy for an sbcd that starts alone, and
 * what is left if the store was damaged. */
#include "mgmt-api/api/api_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES (16u << 20)

static const char *version_path(struct api *api, struct arena *arena, uint64_t version)
{
	return arena_printf(arena, "%s/%llu.json", api->config_dir, (unsigned long long)version).p;
}

static enum err write_all(int fd, struct slice text)
{
	while (text.len > 0) {
		ssize_t done = write(fd, text.p, text.len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_from_errno();
		text = slice_skip(text, (size_t)done);
	}
	return fsync(fd) == 0 ? OK : err_from_errno();
}

static enum err sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err err = OK;

	if (fd < 0)
		return err_from_errno();
	if (fsync(fd) != 0)
		err = err_from_errno();
	close(fd);
	return err;
}

enum err snapshot_write(struct api *api, struct arena *arena, uint64_t version, struct slice text,
			const char **ret_path)
{
	const char *path = version_path(api, arena, version);
	struct slice whole = arena_printf(arena, "{\"version\":%llu,\"provisioning\":%.*s}\n",
					  (unsigned long long)version, SLICE_ARG(text));
	enum err err;
	int fd;

	if (arena->exhausted)
		return ERR_NOMEM;
	unlink(path); /* of a version that was never committed, before a crash */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_from_errno();
	err = write_all(fd, whole);
	close(fd);
	if (err == OK)
		err = sync_dir(api->config_dir);
	if (err != OK)
		unlink(path);
	else
		*ret_path = path;
	return err;
}

enum err snapshot_make_current(struct api *api, uint64_t version)
{
	const char *from = version_path(api, &api->scratch, version);
	const char *next = arena_printf(&api->scratch, "%s/next.json", api->config_dir).p;
	const char *current = arena_printf(&api->scratch, "%s/current.json", api->config_dir).p;
	enum err err = OK;

	if (api->scratch.exhausted)
		return ERR_NOMEM;
	unlink(next);
	/* A second name for the same bytes: nothing is copied, and the rename is atomic. */
	if (link(from, next) != 0 || rename(next, current) != 0)
		err = err_from_errno();
	arena_reset(&api->scratch);
	return err == OK ? sync_dir(api->config_dir) : err;
}

void snapshot_delete(struct api *api, uint64_t version)
{
	const char *path = version_path(api, &api->scratch, version);

	unlink(path);
	arena_reset(&api->scratch);
}

static enum err read_file(struct arena *arena, const char *path, struct slice *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	struct stat st;
	char *p;

	if (fd < 0)
		return errno == ENOENT ? ERR_NOENT : err_from_errno();
	if (fstat(fd, &st) != 0 || st.st_size > FILE_MAX_BYTES ||
	    !(p = arena_alloc(arena, (size_t)st.st_size + 1))) {
		close(fd);
		return ERR_LIMIT;
	}
	while (len < (size_t)st.st_size) {
		ssize_t done = read(fd, p + len, (size_t)st.st_size - len);

		if (done <= 0)
			break;
		len += (size_t)done;
	}
	close(fd);
	*ret = slice_of(p, len);
	return OK;
}

/* The snapshot that sbcd would start with: all there is when the store is new or was damaged. */
static enum err text_of_snapshot(struct api *api, struct arena *arena, uint64_t *ret_version,
				 struct slice *ret_text)
{
	const char *path = arena_printf(arena, "%s/current.json", api->config_dir).p;
	struct conf_provisioning provisioning;
	struct conf_errors errors;
	struct jdoc_fault fault;
	struct json_t *root;
	struct slice file;
	struct text text;
	enum err err;

	err = read_file(arena, path, &file);
	if (err == OK)
		err = conf_snapshot_load(arena, path, ret_version, &provisioning, &errors);
	if (err == OK)
		err = jdoc_parse(file, &root, &fault);
	if (err != OK)
		return err;
	text_init_arena(&text, arena, file.len + 64);
	jdoc_write_canonical(&text, jdoc_member_lit(root, "provisioning"));
	jdoc_free(&root);
	*ret_text = text_done(&text);
	return text.err;
}

enum err document_complete(struct json_t *document)
{
	enum err err = OK;

	if (!jdoc_is_object(document))
		return OK;
	for (size_t i = 0; i < api_kind_count && err == OK; i++) {
		struct json_t *array;

		if (jdoc_member_lit(document, api_kinds[i].member))
			continue;
		err = jdoc_new_array(&array);
		if (err == OK)
			err = jdoc_set(document, api_kinds[i].member, array);
	}
	return err;
}

static enum err document_set(struct api *api, struct slice text)
{
	struct json_t *document;
	struct jdoc_fault fault;
	enum err err = jdoc_parse(text, &document, &fault);

	if (err != OK)
		return err;
	err = document_complete(document);
	if (err != OK) {
		jdoc_free(&document);
		return err;
	}
	api->document = document;
	return OK;
}

/* The first version of an empty store. */
static enum err first_version(struct api *api, struct arena *arena, struct slice seed)
{
	struct store_version about = { .created_unix_ms = api->loop->now_unix_ms,
				       .author = SLICE("mgmt-apid") };
	struct slice text;
	enum err err;

	err = text_of_snapshot(api, arena, &about.version, &text);
	about.note = SLICE("taken over from config/current.json");
	if (err != OK) {
		about.version = 0;
		about.note = SLICE("seeded from the file");
		text = seed;
		err = OK;
	}
	if (err == OK)
		err = store_config_begin(api->store, &about, text, &api->version);
	if (err == OK)
		err = store_config_commit(api->store, api->version);
	if (err == OK)
		err = document_set(api, text);
	if (err == OK)
		log_write(api->log, LOG_LEVEL_INFO, EVENT_config_loaded,
			  LOG_U("version", api->version), LOG_S("source", about.note));
	return err;
}

enum err document_load(struct api *api, struct slice seed)
{
	const char *path;
	struct arena arena;
	struct slice text;
	struct text again;
	enum err err;

	arena_init(&arena, &api->cache, 64u << 10, 64u << 20);
	err = store_config_current(api->store, &arena, &api->version, &text);
	if (err == OK)
		err = document_set(api, text);
	else if (err == ERR_NOENT)
		err = first_version(api, &arena, seed);
	/* The file on disk is made anew: a crash may have come between commit and rename. */
	if (err == OK) {
		text_init_arena(&again, &arena, 4096);
		jdoc_write_canonical(&again, api->document);
		err = again.err;
	}
	if (err == OK)
		err = snapshot_write(api, &arena, api->version, text_done(&again), &path);
	if (err == OK)
		err = snapshot_make_current(api, api->version);
	arena_fini(&arena);
	return err;
}

enum err document_etag(struct api *api, const struct json_t *value, char ret[API_ETAG_BYTES])
{
	unsigned char hash[AUTHZ_HASH_BYTES];
	struct text text;

	/* Keyed: a reader who sees the ETag must not be able to try passwords against it. */
	text_init_arena(&text, &api->scratch, 4096);
	text_bytes(&text, (const char *)api->etag_key, sizeof(api->etag_key));
	jdoc_write_canonical(&text, value);
	if (text.err == OK)
		authz_hash(text_done(&text), hash);
	arena_reset(&api->scratch);
	if (text.err != OK)
		return text.err;
	text_init(&text, ret, API_ETAG_BYTES);
	text_char(&text, '"');
	text_hex(&text, hash, 16);
	text_char(&text, '"');
	text_char(&text, '\0');
	return OK;
}

void document_answer(struct api *api, struct http_exchange *exchange, unsigned status,
		     const struct json_t *value)
{
	char *etag = arena_alloc(http_arena(exchange), API_ETAG_BYTES);
	struct slice known = http_request(exchange)->if_none_match;
	struct json_t *shown;
	enum err err = etag ? document_etag(api, value, etag) : ERR_NOMEM;

	if (err == OK)
		err = jdoc_copy(value, &shown);
	if (err != OK) {
		problem_internal(exchange, err);
		return;
	}
	err = jdoc_mask(shown);
	if (err == OK) {
		http_header(exchange, "ETag", etag);
		if (http_request(exchange)->method == HTTP_GET &&
		    slice_find(known, slice_text(etag)) < known.len) {
			http_answer(exchange, 304, NULL);
		} else {
			jdoc_write(http_body(exchange), shown);
			http_answer(exchange, status, API_JSON);
		}
	} else {
		problem_internal(exchange, err);
	}
	jdoc_free(&shown);
}

/* One of a list of entity tags, compared strongly (RFC 9110 section 8.8.3.2): W/… never matches. */
static bool etag_listed(struct slice list, const char *etag)
{
	while (list.len > 0) {
		struct slice item = slice_head(list, slice_find_char(list, ','));

		list = slice_skip(list, item.len + 1);
		if (slice_eq(slice_trim(item, CC_WSP), slice_text(etag)))
			return true;
	}
	return false;
}

bool document_match(struct api *api, struct http_exchange *exchange, const struct json_t *value)
{
	struct slice wanted = http_request(exchange)->if_match;
	char etag[API_ETAG_BYTES];
	enum err err;

	if (wanted.len == 0)
		return true;
	if (value && slice_eq(wanted, SLICE("*")))
		return true;
	if (value) {
		err = document_etag(api, value, etag);
		if (err != OK) {
			problem_internal(exchange, err);
			return false;
		}
		if (etag_listed(wanted, etag))
			return true;
	}
	problem_answer(exchange, PROBLEM_PRECONDITION,
		       "it is not what If-Match names; read it again, and decide again");
	return false;
}

static bool type_ok(struct slice type)
{
	static const char *const known[] = {
		"application/json", "application/merge-patch+json",
		"application/x-www-form-urlencoded", /* what curl -d says of any body */
	};

	type = slice_trim(slice_head(type, slice_find_char(type, ';')), CC_WSP);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_eq_nocase(type, slice_text(known[i])))
			return true;
	return type.len == 0;
}

bool document_body(struct http_exchange *exchange, struct json_t **ret)
{
	struct jdoc_fault fault;
	enum err err;

	if (!type_ok(http_request(exchange)->content_type)) {
		problem_answer(exchange, PROBLEM_MEDIA_TYPE, "send application/json");
		return false;
	}
	err = jdoc_parse(http_request(exchange)->body, ret, &fault);
	if (err == OK)
		return true;
	if (err == ERR_NOMEM)
		problem_internal(exchange, err);
	else
		problem_answer(exchange, PROBLEM_MALFORMED, fault.detail);
	return false;
}
