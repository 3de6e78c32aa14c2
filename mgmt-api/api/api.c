/* SPDX-License-Identifier: MIT
 * The API's life, and the one gate that every request passes before anything is looked up.
 * lint: owns storage because the API lives as long as the program. */
#include "mgmt-api/api/api_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/base/rand.h"

#define IMPORT_MS 200u
#define IMPORT_BATCH 200u
#define IMPORT_FAILED_MS 5000u /* a full disk is not to fill the log too */

/* ---- the gate ---- */

static bool is_get(const struct http_request *request)
{
	return request->method == HTTP_GET || request->method == HTTP_HEAD;
}

/* Open to everyone: two questions whose answers tell nothing, and the page that asks for the token.
 * The path must be exactly one of these, byte for byte; everything else is closed. */
static bool open_to_all(const struct api *api, const struct http_request *request)
{
	if (!is_get(request))
		return false;
	if (slice_eq(request->path, SLICE("/api/v1/health")) ||
	    slice_eq(request->path, SLICE("/api/v1/ready")))
		return true;
	for (const struct http_file *file = api->ui; file->path; file++)
		if (slice_eq(request->path, slice_text(file->path)))
			return true;
	return false;
}

static void log_refusal(struct api *api, const struct http_request *request, const char *why)
{
	log_write(api->log, LOG_LEVEL_WARNING, EVENT_auth_failed, LOG_E("peer", &request->peer),
		  LOG_S("path", slice_head(request->path, 128)), LOG_T("why", why));
}

static void answered(void *owner, const struct http_exchange *exchange)
{
	const struct http_request *request = http_request(exchange);
	struct api *api = owner;

	/* A read is a detail, for dashboards poll; what may change something is told. */
	log_write(api->log, is_get(request) ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, EVENT_api_request,
		  LOG_E("peer", &request->peer), LOG_S("method", request->method_text),
		  LOG_S("path", slice_head(request->path, 128)),
		  LOG_U("status", http_status(exchange)));
	metrics_count_request(api, http_status(exchange));
}

static bool admit(void *owner, struct http_exchange *exchange)
{
	const struct http_request *request = http_request(exchange);
	struct api *api = owner;
	struct authz_answer answer;
	struct slice wait;

	if (open_to_all(api, request))
		return true;
	answer = authz_check(&api->authz, request->authorization, request->authorization_count,
			     &request->peer.ip, api->loop->now_ms);
	switch (answer.verdict) {
	case AUTHZ_ALLOWED:
		http_set_data(exchange, (void *)(uintptr_t)answer.name);
		return true;
	case AUTHZ_WAIT:
		wait = arena_printf(http_arena(exchange), "%u", answer.retry_after_s);
		http_header(exchange, "Retry-After", wait.p);
		problem_answer(exchange, PROBLEM_WAIT, "wait as long as Retry-After says");
		break;
	case AUTHZ_DENIED:
		if (request->authorization_count > 0)
			log_refusal(api, request, "wrong token");
		http_header(exchange, "WWW-Authenticate", "Bearer");
		problem_answer(exchange, PROBLEM_UNAUTHORIZED,
			       "send Authorization: Bearer and a token");
		break;
	}
	return false;
}

static void serve(void *owner, struct http_exchange *exchange)
{
	api_route(owner, exchange);
}

static void refuse(void *owner, struct http_exchange *exchange, unsigned status, const char *detail)
{
	enum problem_kind kind = status == 413 ? PROBLEM_TOO_LARGE :
				 status == 503 ? PROBLEM_UNAVAILABLE :
						 PROBLEM_MALFORMED;

	(void)owner;
	problem_answer(exchange, kind, detail);
}

static const struct http_handlers handlers = { admit, serve, refuse, answered };

/* ---- CDRs ---- */

static void on_import(struct loop *loop, void *owner)
{
	struct api *api = owner;
	unsigned count = store_import(api->store, IMPORT_BATCH);
	uint64_t next_ms = IMPORT_MS;

	if (!store_health(api->store).ok)
		next_ms = IMPORT_FAILED_MS;
	else if (count >= IMPORT_BATCH)
		next_ms = 1; /* more may wait: soon again, but others first */
	loop_timer_start(loop, &api->import_timer, next_ms);
}

/* ---- life ---- */

static enum err start_upstreams(struct api *api)
{
	struct slice run_dir = api->conf->run_dir;
	struct slice sbcd = arena_printf(&api->arena, "%.*s/sbcd.sock", SLICE_ARG(run_dir));
	struct slice relay = arena_printf(&api->arena, "%.*s/media-relayd.sock", SLICE_ARG(run_dir));
	struct rand rand;
	enum err err;

	if (api->arena.exhausted)
		return ERR_NOMEM;
	rand_init(&rand);
	api->hello = (struct ctl_hello){ .version = CTL_VERSION, .program = SLICE("mgmt-apid"),
					 .node = api->conf->node_name,
					 .instance = rand_u64(&rand),
					 .config_version = api->version };
	api->sbcd.changed = write_sbcd_changed;
	err = upstream_start(&api->sbcd, api, "sbcd", sbcd.p, &api->hello);
	if (err == OK)
		err = upstream_start(&api->relay, api, "media-relayd", relay.p, &api->hello);
	return err;
}

static enum err make_config_dir(struct api *api)
{
	api->config_dir = arena_printf(&api->arena, "%.*s/config",
				       SLICE_ARG(api->conf->state_dir)).p;
	if (api->arena.exhausted)
		return ERR_NOMEM;
	if (mkdir(api->config_dir, 0700) != 0 && errno != EEXIST)
		return err_from_errno();
	return OK;
}

static enum err start(struct api *api, const struct api_options *options)
{
	const char *step = "store";
	enum err err;

	err = store_open(api->log, api->conf->state_dir, api->loop->now_unix_ms, &api->store);
	if (err == OK)
		err = tokens_start(api);
	if (err == OK)
		err = make_config_dir(api);
	if (err == OK) {
		step = "configuration";
		err = document_load(api, options->seed);
	}
	if (err == OK) {
		step = "metrics";
		err = metrics_start(api);
	}
	if (err == OK) {
		step = "control sockets";
		err = start_upstreams(api);
	}
	if (err == OK) {
		step = "api.listen";
		err = http_server_create(api->loop, api->log, &api->conf->api_listen, &handlers, api,
					 &api->http);
	}
	if (err != OK)
		log_write(api->log, LOG_LEVEL_ERROR, EVENT_failed, LOG_T("what", step),
			  LOG_T("detail", err_text(err)));
	return err;
}

enum err api_create(const struct api_options *options, struct api **ret)
{
	struct api *api = calloc(1, sizeof(*api));
	enum err err;

	if (!api)
		return ERR_NOMEM;
	api->loop = options->loop;
	api->log = options->log;
	api->conf = options->conf;
	api->ui = options->ui;
	api->started_ms = api->loop->now_ms;
	api->started_unix_ms = api->loop->now_unix_ms;
	arena_cache_init(&api->cache, 4u << 20);
	arena_init(&api->arena, &api->cache, 4096, 64u << 10);
	arena_init(&api->scratch, &api->cache, 4096, 16u << 20);
	api->scratch.wipe = true; /* documents with their secrets pass through it */
	list_init(&api->writes);
	err = start(api, options);
	if (err != OK) {
		api_destroy(&api);
		return err;
	}
	log_write(api->log, LOG_LEVEL_INFO, EVENT_listening, LOG_T("what", "api"),
		  LOG_E("address", &api->conf->api_listen));
	api->import_timer = (struct loop_timer){ .fn = on_import, .owner = api };
	loop_timer_start(api->loop, &api->import_timer, 1);
	*ret = api;
	return OK;
}

void api_destroy(struct api **api)
{
	struct api *old = *api;

	if (!old)
		return;
	loop_timer_stop(old->loop, &old->import_timer);
	write_abandon(old);
	upstream_stop(&old->sbcd);
	upstream_stop(&old->relay);
	http_server_destroy(&old->http);
	metrics_stop(old);
	if (old->document)
		jdoc_free(&old->document);
	store_close(&old->store);
	arena_fini(&old->scratch);
	arena_fini(&old->arena);
	arena_cache_fini(&old->cache);
	free(old);
	*api = NULL;
}
