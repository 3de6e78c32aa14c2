/* SPDX-License-Identifier: MIT
 * What the API's files share. */
#pragma once

#include "mgmt-api/api/api.h"

#include "lib/base/list.h"
#include "lib/ctl/peer.h"
#include "lib/stats/stats.h"
#include "mgmt-api/authz/authz.h"
#include "mgmt-api/json/json.h"
#include "mgmt-api/store/store.h"

#define API_JSON "application/json"
#define API_MAX_LIST 500u
#define API_DEFAULT_LIST 100u
#define API_ETAG_BYTES 40u

struct write_job;

/* ---- upstream.c: sbcd and the relay ---- */

/* One of the programs that are asked. */
struct upstream {
	struct api *api;
	const char *name; /* "sbcd" */
	struct ctl_client *client;
	struct list asks; /* waiting for an answer */
	uint32_t next_request;
	void (*changed)(struct upstream *upstream, const struct ctl_hello *hello); /* NULL: gone */
};

/* answer: lives until the function returns; NULL: the program went away or did not answer in time. */
typedef void ask_fn(void *owner, const struct ctl_message *answer);

/* A question under way; embedded in its owner, which must outlive it. */
struct ask {
	struct list link;
	struct upstream *upstream;
	uint32_t request;
	struct loop_timer timer;
	ask_fn *fn;
	void *owner;
};

must_use enum err upstream_start(struct upstream *upstream, struct api *api, const char *name,
				 const char *path, const struct ctl_hello *hello);
void upstream_stop(struct upstream *upstream);
bool upstream_up(const struct upstream *upstream);
/* False: not connected; fn is not called. */
must_use bool upstream_ask(struct upstream *upstream, struct ask *ask, struct ctl_message *question,
			   uint64_t wait_ms, ask_fn *fn, void *owner);
/* Closes the connection; it comes back by itself, with a new hello. */
void upstream_reset(struct upstream *upstream);

/* ---- the whole ---- */
struct api_metrics {
	struct stats *stats;
	struct stats_row *row;
	stats_id requests[6]; /* by first digit of the status */
	stats_id auth_failures;
	stats_id config_writes;
	stats_id config_refused;
	stats_id cdrs_imported;
	stats_id cdrs_missing;
	stats_id journal_damaged;
	stats_id store_errors;
	stats_id ready_sbcd;
	stats_id ready_relay;
	stats_id config_version;
	stats_id connections;
};

struct api {
	struct loop *loop;
	struct log *log;
	const struct conf *conf;
	const struct http_file *ui;
	struct arena_cache cache;
	struct arena arena;   /* lives as long as the api */
	struct arena scratch; /* of one function */
	struct store *store;
	struct authz authz;
	struct http_server *http;
	struct ctl_hello hello;
	struct upstream sbcd;
	struct upstream relay;
	struct loop_timer import_timer;
	uint64_t started_unix_ms;
	uint64_t started_ms;
	struct api_metrics metrics;
	struct stats_reader *readers[3];

	/* The configuration in force. */
	const char *config_dir;
	struct json_t *document;
	uint64_t version;
	unsigned char etag_key[AUTHZ_HASH_BYTES];

	/* The queue of writes (apply.c). */
	struct list writes;
	struct write_job *writing; /* with sbcd now */
	uint64_t sbcd_version;     /* what sbcd runs on; 0: not known, or the file's seed */
	struct ask reapply;
	bool reapplying;
	struct loop_timer reapply_timer;
};

/* ---- router.c ---- */

/* One of the provisioning's collections. */
struct kind {
	const char *path;     /* "access-rules" */
	const char *member;   /* "access_rules" */
	const char *singular; /* "access rule" */
};
extern const struct kind api_kinds[];
extern const size_t api_kind_count;

struct api_call {
	struct api *api;
	struct http_exchange *exchange;
	const struct kind *kind;
	struct slice params[2]; /* decoded path segments that stand for {…} */
};
typedef void api_fn(struct api_call *call);

void api_route(struct api *api, struct http_exchange *exchange);
/* Which parameters a request may have; NULL ends. False: 400 was answered. */
bool query_only(struct api_call *call, const char *const *names);
/* Decoded, in the exchange's arena; false: not given. */
bool query_get(struct api_call *call, const char *name, struct slice *ret);
/* limit=: 1 … API_MAX_LIST, larger is taken as that. False: 400 was answered. */
bool query_limit(struct api_call *call, unsigned *ret);

/* ---- problem.c: RFC 9457 ---- */
enum problem_kind {
	PROBLEM_MALFORMED,     /* 400 */
	PROBLEM_UNAUTHORIZED,  /* 401 */
	PROBLEM_NOT_FOUND,     /* 404 */
	PROBLEM_METHOD,        /* 405 */
	PROBLEM_IN_USE,        /* 409 */
	PROBLEM_CONFLICT,      /* 409 */
	PROBLEM_PRECONDITION,  /* 412 */
	PROBLEM_TOO_LARGE,     /* 413 */
	PROBLEM_MEDIA_TYPE,    /* 415 */
	PROBLEM_INVALID,       /* 422 */
	PROBLEM_WAIT,          /* 429 */
	PROBLEM_INTERNAL,      /* 500 */
	PROBLEM_UNAVAILABLE,   /* 503 */
	PROBLEM_TIMEOUT,       /* 504 */
};

struct problem {
	struct http_exchange *exchange;
	unsigned status;
	bool errors; /* the list is open */
	struct json_out out;
};

void problem_begin(struct problem *problem, struct http_exchange *exchange, enum problem_kind kind,
		   struct slice detail);
void problem_error(struct problem *problem, struct slice pointer, struct slice value,
		   struct slice detail, struct slice remedy);
void problem_end(struct problem *problem);
/* All of it, without errors. */
void problem_answer(struct http_exchange *exchange, enum problem_kind kind, const char *detail);
/* For an error that is ours: ERR_NOMEM and a failing store are 503, the rest 500. */
void problem_internal(struct http_exchange *exchange, enum err err);

/* ---- document.c ---- */

/* The document of the store, or of the snapshot on disk, or of the file. */
must_use enum err document_load(struct api *api, struct slice seed);
/* Collections that are missing become empty ones; what is no object stays as it is. */
must_use enum err document_complete(struct json_t *document);
/* The snapshot file of a version; *ret_path is in the arena. */
must_use enum err snapshot_write(struct api *api, struct arena *arena, uint64_t version,
				 struct slice text, const char **ret_path);
/* config/current.json becomes this version; what sbcd loads at its start. */
must_use enum err snapshot_make_current(struct api *api, uint64_t version);
void snapshot_delete(struct api *api, uint64_t version);
/* A strong ETag, quoted, of a value with its secrets. */
must_use enum err document_etag(struct api *api, const struct json_t *value,
				char ret[API_ETAG_BYTES]);
/* Sets ETag, and answers with the value, its secrets masked. */
void document_answer(struct api *api, struct http_exchange *exchange, unsigned status,
		     const struct json_t *value);
/* If-Match against this value (NULL: there is none); false: 412 was answered. */
bool document_match(struct api *api, struct http_exchange *exchange, const struct json_t *value);
/* The request's body; false: 400, 413 or 415 was answered. */
bool document_body(struct http_exchange *exchange, struct json_t **ret);

/* ---- apply.c ---- */
struct write_job {
	struct list link;
	struct api_call call;
	struct ask ask;
	bool dry_run;
	bool created;
	struct json_t *body; /* what the request brought; NULL: nothing */
	struct json_t *next; /* the document as it will be */
	uint64_t version;
	struct slice note;
	/* Changes job->next. False: it answered a problem. */
	bool (*build)(struct write_job *job);
	/* Answers after the change is in force. */
	void (*answer)(struct write_job *job);
};

/* A job in the exchange's arena with its call, its dry_run and its body (needs_body). NULL: it was
 * answered. */
struct write_job *write_new(struct api_call *call, bool needs_body);
void write_submit(struct write_job *job);
/* sbcd came (its hello) or went (NULL). */
void write_sbcd_changed(struct upstream *upstream, const struct ctl_hello *hello);
/* Answers all that waits; for the end of the program. */
void write_abandon(struct api *api);

/* ---- references.c ---- */
/* 409 with all that uses this item, if anything does: then true. */
bool references_answer(struct write_job *job, const struct json_t *document);

/* ---- call_json.c ---- */
/* stats: of the call's session, or NULL. cdr: with the fields of an ended call. */
void call_json(struct json_out *out, const struct ctl_call_info *call,
	       const struct ctl_session_stats *stats, bool cdr);

/* ---- metrics.c, tokens.c, runtime.c ---- */
must_use enum err metrics_start(struct api *api);
void metrics_stop(struct api *api);
void metrics_count_request(struct api *api, unsigned status);
must_use enum err tokens_start(struct api *api);
/* A trunk's state as members of the open object. */
void trunk_status_json(struct json_out *out, const struct ctl_trunk_status *trunk);

extern const struct http_file api_openapi[];

/* ---- the handlers of router.c's table ---- */
api_fn get_health, get_ready, get_stats, get_metrics, get_openapi, get_ui;
api_fn list_items, get_item, put_item, patch_item, delete_item;
api_fn get_config, put_config, list_versions, get_version, restore_version;
api_fn start_recording, stop_recording, list_recordings, get_recording, delete_recording;
api_fn list_calls, get_call, delete_call, list_cdrs, get_trunk_status;
