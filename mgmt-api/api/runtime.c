/* SPDX-License-Identifier: MIT
 * How it goes: health, readiness, the states of trunks, and the dashboard's figures. */
#include "mgmt-api/api/api_priv.h"

#define SBCD_MS 2000u

struct status_job {
	struct api_call call;
	struct ask ask;
	struct json_out out;
	uint32_t cursor; /* of sbcd's list of trunks */
};

static struct status_job *job_new(struct api_call *call)
{
	struct status_job *job = arena_new(http_arena(call->exchange), struct status_job);

	if (!job) {
		problem_internal(call->exchange, ERR_NOMEM);
		return NULL;
	}
	job->call = *call;
	json_out_init(&job->out, http_body(call->exchange));
	return job;
}

void get_health(struct api_call *call)
{
	struct json_out out;

	json_out_init(&out, http_body(call->exchange));
	json_open_object(&out, NULL);
	json_put_str(&out, "status", SLICE("ok"));
	json_close_object(&out);
	http_answer(call->exchange, 200, API_JSON);
}

/* ---- ready ---- */

/* Open to everyone, so it says only which part is missing. answer: sbcd's, or NULL. */
static void on_ready(void *owner, const struct ctl_message *answer)
{
	struct status_job *job = owner;
	struct api *api = job->call.api;
	bool sbcd = answer && answer->type == CTL_ready_status && answer->ready_status.ready;
	bool relay = upstream_up(&api->relay) &&
		     (!answer || answer->type != CTL_ready_status || answer->ready_status.relay);
	bool config = api->sbcd_version == api->version;
	bool store = store_health(api->store).ok;
	bool ready = sbcd && relay && config && store;

	json_open_object(&job->out, NULL);
	json_put_bool(&job->out, "ready", ready);
	json_open_object(&job->out, "parts");
	json_put_bool(&job->out, "mgmt-apid", store);
	json_put_bool(&job->out, "sbcd", sbcd);
	json_put_bool(&job->out, "media-relayd", relay);
	json_put_bool(&job->out, "configuration", config);
	json_close_object(&job->out);
	json_open_array(&job->out, "missing");
	if (!store)
		json_put_str(&job->out, NULL, SLICE("mgmt-apid: the store cannot be written"));
	if (!answer)
		json_put_str(&job->out, NULL, SLICE("sbcd: not connected"));
	else if (!sbcd)
		json_put_str(&job->out, NULL, SLICE("sbcd: not ready"));
	if (!relay)
		json_put_str(&job->out, NULL, SLICE("media-relayd: not connected"));
	if (answer && !config)
		json_put_str(&job->out, NULL, SLICE("configuration: sbcd runs on another version"));
	json_close_array(&job->out);
	json_close_object(&job->out);
	http_answer(job->call.exchange, ready ? 200 : 503, API_JSON);
}

void get_ready(struct api_call *call)
{
	struct ctl_message question = { .type = CTL_ready_query };
	struct status_job *job = job_new(call);

	if (job && !upstream_ask(&call->api->sbcd, &job->ask, &question, SBCD_MS, on_ready, job))
		on_ready(job, NULL);
}

/* ---- trunks ---- */

void trunk_status_json(struct json_out *out, const struct ctl_trunk_status *trunk)
{
	json_put_str(out, "name", trunk->name);
	json_put_u64(out, "calls", trunk->calls);
	json_put_u64(out, "cps", trunk->cps);
	json_open_array(out, "gateways");
	for (uint32_t i = 0; i < trunk->gateways_count; i++) {
		const struct ctl_gateway_status *gateway = &trunk->gateways[i];

		json_open_object(out, NULL);
		json_put_str(out, "uri", gateway->uri);
		json_put_str(out, "state", gateway->state);
		if (gateway->last_code == 0)
			json_put_null(out, "last_code");
		else
			json_put_u64(out, "last_code", gateway->last_code);
		if (gateway->rtt_us == 0)
			json_put_null(out, "rtt_ms");
		else
			json_put_fixed(out, "rtt_ms", gateway->rtt_us, 3);
		json_put_time(out, "changed_at", gateway->changed_unix_ms);
		json_close_object(out);
	}
	json_close_array(out);
	/* This SBC does not register with anyone: there is no state to tell. */
	json_put_null(out, "registration");
}

static void on_trunk(void *owner, const struct ctl_message *answer)
{
	struct status_job *job = owner;
	struct http_exchange *exchange = job->call.exchange;

	if (!answer) {
		http_header(exchange, "Retry-After", "2");
		problem_answer(exchange, PROBLEM_UNAVAILABLE, "sbcd is not connected");
		return;
	}
	if (answer->type != CTL_trunk_page || answer->trunk_page.trunks_count == 0) {
		problem_answer(exchange, PROBLEM_NOT_FOUND, "there is no trunk of this name");
		return;
	}
	json_open_object(&job->out, NULL);
	trunk_status_json(&job->out, &answer->trunk_page.trunks[0]);
	json_close_object(&job->out);
	http_answer(exchange, 200, API_JSON);
}

void get_trunk_status(struct api_call *call)
{
	const struct json_t *trunks = jdoc_member_lit(call->api->document, "trunks");
	struct ctl_message question = { .type = CTL_trunk_query };
	struct status_job *job = job_new(call);
	size_t index;

	if (!job)
		return;
	if (!jdoc_find_named(trunks, call->params[0], &index)) {
		problem_answer(call->exchange, PROBLEM_NOT_FOUND, "there is no trunk of this name");
		return;
	}
	question.trunk_query.name = call->params[0];
	if (!upstream_ask(&call->api->sbcd, &job->ask, &question, SBCD_MS, on_trunk, job))
		on_trunk(job, NULL);
}

/* ---- stats ---- */

static void put_own_figures(struct json_out *out, struct api *api)
{
	struct store_health health = store_health(api->store);

	json_put_str(out, "node", api->conf->node_name);
	json_put_str(out, "version", SLICE(SBC_VERSION));
	json_put_time(out, "now", api->loop->now_unix_ms);
	json_put_time(out, "started_at", api->started_unix_ms);
	json_put_u64(out, "uptime_s", (api->loop->now_ms - api->started_ms) / 1000);
	json_put_u64(out, "config_version", api->version);
	json_open_object(out, "connected");
	json_put_bool(out, "sbcd", upstream_up(&api->sbcd));
	json_put_bool(out, "media-relayd", upstream_up(&api->relay));
	json_close_object(out);
	json_open_object(out, "cdrs");
	json_put_u64(out, "imported", health.cdrs_imported);
	json_put_u64(out, "missing", health.cdrs_missing);
	json_put_u64(out, "journal_damaged", health.journal_damaged);
	json_close_object(out);
}

static void answer_stats(struct status_job *job)
{
	json_close_object(&job->out);
	http_answer(job->call.exchange, 200, API_JSON);
}

static void on_trunk_page(void *owner, const struct ctl_message *answer);

/* The list ends where sbcd goes away: what came before it is true and worth showing. */
static void ask_trunks(struct status_job *job)
{
	struct ctl_message question = { .type = CTL_trunk_query };

	question.trunk_query.cursor = job->cursor;
	if (!upstream_ask(&job->call.api->sbcd, &job->ask, &question, SBCD_MS, on_trunk_page, job))
		on_trunk_page(job, NULL);
}

static void on_trunk_page(void *owner, const struct ctl_message *answer)
{
	const struct ctl_trunk_page *page =
		answer && answer->type == CTL_trunk_page ? &answer->trunk_page : NULL;
	struct status_job *job = owner;

	for (uint32_t i = 0; page && i < page->trunks_count; i++) {
		json_open_object(&job->out, NULL);
		trunk_status_json(&job->out, &page->trunks[i]);
		json_close_object(&job->out);
	}
	/* The next page begins later, or sbcd would be asked for ever. */
	if (page && page->next > job->cursor) {
		job->cursor = page->next;
		ask_trunks(job);
		return;
	}
	json_close_array(&job->out);
	answer_stats(job);
}

/* sbcd's part: null and an empty list when it is away, for the rest is worth showing then too. */
static void on_stats_ready(void *owner, const struct ctl_message *answer)
{
	struct status_job *job = owner;

	if (answer && answer->type == CTL_ready_status) {
		json_put_bool(&job->out, "ready", answer->ready_status.ready != 0);
		json_put_u64(&job->out, "calls", answer->ready_status.calls);
	} else {
		json_put_bool(&job->out, "ready", false);
		json_put_null(&job->out, "calls");
	}
	json_open_array(&job->out, "trunks");
	if (answer)
		ask_trunks(job);
	else
		on_trunk_page(job, NULL);
}

void get_stats(struct api_call *call)
{
	struct ctl_message question = { .type = CTL_ready_query };
	struct status_job *job = job_new(call);

	if (!job)
		return;
	json_open_object(&job->out, NULL);
	put_own_figures(&job->out, call->api);
	if (!upstream_ask(&call->api->sbcd, &job->ask, &question, SBCD_MS, on_stats_ready, job))
		on_stats_ready(job, NULL);
}

/* ---- files ---- */

void get_openapi(struct api_call *call)
{
	http_answer_file(call->exchange, &api_openapi[0]);
}

void get_ui(struct api_call *call)
{
	struct slice path = http_request(call->exchange)->path;

	for (const struct http_file *file = call->api->ui; file->path; file++)
		if (slice_eq(path, slice_text(file->path))) {
			http_answer_file(call->exchange, file);
			return;
		}
	problem_answer(call->exchange, PROBLEM_NOT_FOUND, "no resource has this path");
}
