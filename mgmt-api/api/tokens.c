/* SPDX-License-Identifier: MIT
 * Tokens at the start: those of the store, and, if there is none, the first administrator's. The file
 * is written before its hash is stored, so a crash between the two leaves a file that the next start
 * takes over, never a token that nobody knows. */
#include "mgmt-api/api/api_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static enum err take_token(void *owner, struct slice name, const unsigned char *hash)
{
	return authz_add(owner, name, hash);
}

/* What the file holds, if that is a token. */
static bool read_token(const char *path, char token[AUTHZ_TOKEN_CHARS])
{
	char bytes[AUTHZ_TOKEN_CHARS + 2];
	ssize_t len;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct slice text;

	if (fd < 0)
		return false;
	len = read(fd, bytes, sizeof(bytes));
	close(fd);
	text = slice_trim(slice_of(bytes, len > 0 ? (size_t)len : 0), CC_LWS);
	if (!authz_token_ok(text))
		return false;
	memcpy(token, text.p, AUTHZ_TOKEN_CHARS);
	return true;
}

static enum err write_token(const char *path, const char token[AUTHZ_TOKEN_CHARS])
{
	char line[AUTHZ_TOKEN_CHARS + 1];
	enum err err = OK;
	int fd;

	memcpy(line, token, AUTHZ_TOKEN_CHARS);
	line[AUTHZ_TOKEN_CHARS] = '\n';
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_from_errno();
	if (write(fd, line, sizeof(line)) != (ssize_t)sizeof(line) || fsync(fd) != 0)
		err = errno ? err_from_errno() : ERR_STATE;
	close(fd);
	explicit_bzero(line, sizeof(line));
	return err;
}

static enum err first_token(struct api *api)
{
	const char *path = arena_printf(&api->arena, "%.*s/api.token",
					SLICE_ARG(api->conf->state_dir)).p;
	unsigned char hash[AUTHZ_HASH_BYTES];
	char token[AUTHZ_TOKEN_CHARS];
	enum err err = OK;
	struct rand rand;
	struct text text;

	if (api->arena.exhausted)
		return ERR_NOMEM;
	if (!read_token(path, token)) {
		rand_init(&rand);
		text_init(&text, token, sizeof(token));
		authz_make_token(&rand, &text);
		err = write_token(path, token);
		explicit_bzero(&rand, sizeof(rand));
	}
	authz_hash(slice_of(token, sizeof(token)), hash);
	explicit_bzero(token, sizeof(token));
	if (err == OK)
		err = store_token_add(api->store, SLICE("admin"), hash, api->loop->now_unix_ms);
	if (err == OK)
		err = authz_add(&api->authz, SLICE("admin"), hash);
	if (err == OK)
		log_write(api->log, LOG_LEVEL_INFO, EVENT_api_token_created, LOG_T("file", path));
	return err;
}

enum err tokens_start(struct api *api)
{
	enum err err;

	authz_init(&api->authz);
	err = store_tokens(api->store, take_token, &api->authz);
	if (err == OK && api->authz.token_count == 0)
		err = first_token(api);
	if (err == OK)
		memcpy(api->etag_key, api->authz.tokens[0].hash, sizeof(api->etag_key));
	return err;
}
