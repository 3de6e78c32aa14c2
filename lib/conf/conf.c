/* SPDX-License-Identifier: MIT
 * The ways in: the file, the provisioning document alone, a snapshot. */
#include "lib/conf/conf_priv.h"

#include <limits.h>
#include <pwd.h>
#include <unistd.h>

#define USER_DEFAULT "sbc"

static enum err check_result(const struct check *check)
{
	if (check->arena->exhausted)
		return ERR_NOMEM;
	return check->errors->total > 0 ? ERR_SYNTAX : OK;
}

static void node_name_default(struct arena *arena, struct conf *conf)
{
	char name[HOST_NAME_MAX + 1] = "";

	if (gethostname(name, sizeof(name) - 1) < 0 || !name[0])
		memcpy(name, "sbc", sizeof("sbc"));
	if (arena_keep(arena, slice_text(name), &conf->node_name) != OK)
		conf->node_name = SLICE("sbc");
}

static bool user_exists(const char *name)
{
	struct passwd *found = NULL;
	struct passwd entry;
	char storage[4096];

	return getpwnam_r(name, &entry, storage, sizeof(storage), &found) == 0 && found;
}

enum err conf_parse(struct arena *arena, struct slice text, struct conf *ret,
		    struct conf_errors *ret_errors)
{
	static const struct spot top = { .key = "provisioning" };
	struct check check = { .arena = arena, .errors = ret_errors };
	struct conf conf = { 0 };
	enum err err;

	*ret_errors = (struct conf_errors){ 0 };
	err = json_read(arena, text, true, &check.root, ret_errors);
	if (err != OK)
		return err;
	object_read(&check, &conf_document_object, check.root, NULL, &conf);
	provisioning_rules(&check, &top, &conf.provisioning);
	if (conf.node_name.len == 0)
		node_name_default(arena, &conf);
	if (!json_object_get(json_object_get(check.root, "process"), "user") &&
	    user_exists(USER_DEFAULT))
		conf.user = SLICE(USER_DEFAULT);
	json_decref(check.root);
	err = check_result(&check);
	if (err == OK)
		*ret = conf;
	return err;
}

enum err conf_load(struct arena *arena, const char *path, struct conf *ret,
		   struct conf_errors *ret_errors)
{
	struct slice text;
	enum err err;

	*ret_errors = (struct conf_errors){ 0 };
	err = file_read(arena, path, &text, ret_errors);
	return err == OK ? conf_parse(arena, text, ret, ret_errors) : err;
}

static enum err check_at(struct arena *arena, json_t *root, json_t *value, const struct spot *top,
			 struct conf_provisioning *ret, struct conf_errors *ret_errors)
{
	struct check check = { .arena = arena, .root = root, .errors = ret_errors };
	struct conf_provisioning provisioning = { 0 };
	enum err err;

	object_read(&check, &conf_provisioning_object, value, top, &provisioning);
	provisioning_rules(&check, top, &provisioning);
	err = check_result(&check);
	if (err == OK)
		*ret = provisioning;
	return err;
}

enum err conf_provisioning_check(struct arena *arena, struct json_t *provisioning,
				 struct conf_provisioning *ret, struct conf_errors *ret_errors)
{
	*ret_errors = (struct conf_errors){ 0 };
	return check_at(arena, provisioning, provisioning, NULL, ret, ret_errors);
}

enum err conf_provisioning_parse(struct arena *arena, struct slice text,
				 struct conf_provisioning *ret, struct conf_errors *ret_errors)
{
	json_t *root;
	enum err err;

	*ret_errors = (struct conf_errors){ 0 };
	err = json_read(arena, text, false, &root, ret_errors);
	if (err != OK)
		return err;
	err = conf_provisioning_check(arena, root, ret, ret_errors);
	json_decref(root);
	return err;
}

static int seed_put(const char *bytes, size_t len, void *context)
{
	struct text *text = context;

	text_bytes(text, bytes, len);
	return text->err == OK ? 0 : -1;
}

enum err conf_seed_text(struct arena *arena, struct slice text, struct slice *ret)
{
	struct conf_errors errors = { 0 };
	struct text seed;
	json_t *root;
	json_t *value;
	enum err err = json_read(arena, text, true, &root, &errors);

	if (err != OK)
		return err;
	value = json_object_get(root, "provisioning");
	text_init_arena(&seed, arena, 1024);
	if (!value)
		text_lit(&seed, "{}");
	else if (json_dump_callback(value, seed_put, &seed, JSON_COMPACT | JSON_SORT_KEYS) < 0)
		seed.err = ERR_NOMEM;
	json_decref(root);
	if (seed.err == OK)
		*ret = text_done(&seed);
	return seed.err;
}

static enum err snapshot_read(struct arena *arena, json_t *root, uint64_t *ret_version,
			      struct conf_provisioning *ret, struct conf_errors *ret_errors)
{
	static const struct spot top = { .key = "provisioning" };
	json_t *version = json_object_get(root, "version");
	json_t *provisioning = json_object_get(root, "provisioning");
	enum err err;

	if (!json_is_integer(version) || json_integer_value(version) < 0 || !provisioning) {
		errors_add(arena, ret_errors, SLICE("not a snapshot"),
			   SLICE("{\"version\": a number, \"provisioning\": {…}}"));
		return ERR_SYNTAX;
	}
	err = check_at(arena, root, provisioning, &top, ret, ret_errors);
	if (err == OK)
		*ret_version = (uint64_t)json_integer_value(version);
	return err;
}

enum err conf_snapshot_load(struct arena *arena, const char *path, uint64_t *ret_version,
			    struct conf_provisioning *ret, struct conf_errors *ret_errors)
{
	struct slice text;
	json_t *root;
	enum err err;

	*ret_errors = (struct conf_errors){ 0 };
	err = file_read(arena, path, &text, ret_errors);
	if (err == OK)
		err = json_read(arena, text, false, &root, ret_errors);
	if (err != OK)
		return err;
	err = snapshot_read(arena, root, ret_version, ret, ret_errors);
	json_decref(root);
	return err;
}
