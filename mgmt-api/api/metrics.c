/* SPDX-License-Identifier: MIT
 * Prometheus text format 0.0.4 of all three programs, read from their shared files: no program is
 * asked, none is stopped. Samples of one name stand together, as the format wants it, also when two
 * programs have it. */
#include "mgmt-api/api/api_priv.h"

#include <stdlib.h>

static const char *const programs[3] = { "sbcd", "media-relayd", "mgmt-apid" };

struct sample {
	struct stats_sample stats;
	struct slice family; /* the name, without a histogram's suffix */
	uint32_t order;
	uint8_t program;
	bool merged; /* into an earlier sample of the same name and labels */
};

static void make_series(struct api_metrics *m)
{
	static const char *const codes[6] = { "other", "1xx", "2xx", "3xx", "4xx", "5xx" };
	char labels[32];

	for (unsigned i = 0; i < 6; i++) {
		struct text text;

		text_init(&text, labels, sizeof(labels));
		text_printf(&text, "code=\"%s\"", codes[i]);
		text_char(&text, '\0');
		m->requests[i] = stats_series(m->stats, STATS_COUNTER, "sbc_api_requests_total", labels,
					      "REST requests answered");
	}
	m->auth_failures = stats_series(m->stats, STATS_COUNTER, "sbc_api_auth_failures_total", "",
					"REST requests with a wrong token");
	m->config_writes = stats_series(m->stats, STATS_COUNTER, "sbc_config_changes_total", "",
					"configuration changes in force");
	m->config_refused = stats_series(m->stats, STATS_COUNTER, "sbc_config_refused_total", "",
					 "configuration changes refused");
	m->cdrs_imported = stats_series(m->stats, STATS_COUNTER, "sbc_cdrs_imported_total", "",
					"CDRs taken from the journal");
	m->cdrs_missing = stats_series(m->stats, STATS_COUNTER, "sbc_cdrs_missing_total", "",
				       "sequence numbers that the journal skipped");
	m->journal_damaged = stats_series(m->stats, STATS_COUNTER, "sbc_cdr_journal_damaged_total",
					  "", "journal segments that stopped at a damaged record");
	m->store_errors = stats_series(m->stats, STATS_COUNTER, "sbc_store_errors_total", "",
				       "database operations that failed");
	m->ready_sbcd = stats_series(m->stats, STATS_GAUGE, "sbc_connected", "component=\"sbcd\"",
				     "1: mgmt-apid is connected to the component");
	m->ready_relay = stats_series(m->stats, STATS_GAUGE, "sbc_connected",
				      "component=\"media-relayd\"",
				      "1: mgmt-apid is connected to the component");
	m->config_version = stats_series(m->stats, STATS_GAUGE, "sbc_config_version", "",
					 "version of the configuration in force");
	m->connections = stats_series(m->stats, STATS_GAUGE, "sbc_api_connections", "",
				      "open REST connections");
}

enum err metrics_start(struct api *api)
{
	struct slice path = arena_printf(&api->arena, "%.*s/mgmt-apid.stats",
					 SLICE_ARG(api->conf->run_dir));
	enum err err;

	if (api->arena.exhausted)
		return ERR_NOMEM;
	err = stats_create(path.p, "mgmt-apid", 1, &api->metrics.stats);
	if (err != OK)
		return err;
	api->metrics.row = stats_row(api->metrics.stats, 0);
	make_series(&api->metrics);
	return OK;
}

void metrics_stop(struct api *api)
{
	for (size_t i = 0; i < 3; i++)
		stats_reader_close(&api->readers[i]);
	if (api->metrics.stats)
		stats_destroy(&api->metrics.stats);
}

void metrics_count_request(struct api *api, unsigned status)
{
	unsigned kind = status / 100;

	stats_add(api->metrics.row, api->metrics.requests[kind < 6 ? kind : 0], 1);
}

static void refresh_own(struct api *api)
{
	struct store_health health = store_health(api->store);
	struct api_metrics *m = &api->metrics;

	stats_set(m->row, m->auth_failures, api->authz.failures);
	stats_set(m->row, m->cdrs_imported, health.cdrs_imported);
	stats_set(m->row, m->cdrs_missing, health.cdrs_missing);
	stats_set(m->row, m->journal_damaged, health.journal_damaged);
	stats_set(m->row, m->store_errors, health.errors);
	stats_set(m->row, m->ready_sbcd, upstream_up(&api->sbcd));
	stats_set(m->row, m->ready_relay, upstream_up(&api->relay));
	stats_set(m->row, m->config_version, api->version);
	stats_set(m->row, m->connections, http_connections(api->http));
}

/* NULL: the program does not run, or never did. */
static struct stats_reader *reader_of(struct api *api, size_t index, struct arena *arena)
{
	struct stats_reader **reader = &api->readers[index];
	struct slice path;

	if (*reader && !stats_reader_stale(*reader))
		return *reader;
	stats_reader_close(reader);
	path = arena_printf(arena, "%.*s/%s.stats", SLICE_ARG(api->conf->run_dir), programs[index]);
	if (stats_reader_open(path.p, reader) != OK)
		return NULL;
	return *reader;
}

static struct slice family_of(const struct stats_sample *stats)
{
	size_t suffix = 0;

	if (stats->kind == STATS_HISTOGRAM_BUCKET)
		suffix = sizeof("_bucket") - 1;
	else if (stats->kind == STATS_HISTOGRAM_SUM)
		suffix = sizeof("_sum") - 1;
	return slice_head(stats->name, stats->name.len > suffix ? stats->name.len - suffix : 0);
}

static int by_family(const void *a, const void *b)
{
	const struct sample *x = a;
	const struct sample *y = b;
	size_t len = x->family.len < y->family.len ? x->family.len : y->family.len;
	int order = memcmp(x->family.p, y->family.p, len);

	if (order == 0 && x->family.len != y->family.len)
		order = x->family.len < y->family.len ? -1 : 1;
	if (order == 0)
		order = x->order < y->order ? -1 : 1;
	return order;
}

static bool same_series(const struct sample *a, const struct sample *b)
{
	return slice_eq(a->stats.name, b->stats.name) && slice_eq(a->stats.labels, b->stats.labels);
}

/* One family, count samples: what two programs have alike is added up, for Prometheus refuses a
 * series that stands there twice. The large families, with a trunk's name, are of one program, which
 * has nothing twice. */
static void merge_family(struct sample *samples, size_t count)
{
	if (samples[0].program == samples[count - 1].program)
		return;
	for (size_t i = 1; i < count; i++)
		for (size_t k = 0; k < i && !samples[i].merged; k++)
			if (same_series(&samples[i], &samples[k])) {
				samples[k].stats.value += samples[i].stats.value;
				samples[i].merged = true;
			}
}

static void put_line(struct text *text, struct slice name, const char *suffix, struct slice labels,
		     uint64_t value)
{
	text_printf(text, "%.*s%s", SLICE_ARG(name), suffix);
	if (labels.len > 0)
		text_printf(text, "{%.*s}", SLICE_ARG(labels));
	text_printf(text, " %llu\n", (unsigned long long)value);
}

static void put_sample(struct text *text, const struct sample *sample)
{
	static const struct slice last = { "le=\"+Inf\"", sizeof("le=\"+Inf\"") - 1 };
	const struct stats_sample *stats = &sample->stats;
	size_t at = slice_find(stats->labels, last);

	if (stats->kind == STATS_HISTOGRAM_SUM) { /* kept in millionths */
		text_slice(text, stats->name);
		if (stats->labels.len > 0)
			text_printf(text, "{%.*s}", SLICE_ARG(stats->labels));
		text_printf(text, " %llu.%06llu\n", (unsigned long long)(stats->value / 1000000),
			    (unsigned long long)(stats->value % 1000000));
		return;
	}
	put_line(text, stats->name, "", stats->labels, stats->value);
	/* The last bucket is the count, without the bucket's own label and the comma before it. */
	if (stats->kind == STATS_HISTOGRAM_BUCKET && at < stats->labels.len)
		put_line(text, sample->family, "_count",
			 slice_head(stats->labels, at > 0 ? at - 1 : 0), stats->value);
}

static void put_family(struct text *text, struct sample *samples, size_t count)
{
	static const char *const types[] = { [STATS_COUNTER] = "counter", [STATS_GAUGE] = "gauge",
					     [STATS_HISTOGRAM_BUCKET] = "histogram",
					     [STATS_HISTOGRAM_SUM] = "histogram" };

	merge_family(samples, count);
	text_printf(text, "# HELP %.*s %.*s\n# TYPE %.*s %s\n", SLICE_ARG(samples->family),
		    SLICE_ARG(samples->stats.help), SLICE_ARG(samples->family),
		    types[samples->stats.kind]);
	for (size_t i = 0; i < count; i++)
		if (!samples[i].merged)
			put_sample(text, &samples[i]);
}

/* All samples in the order of programs. NULL: out of memory. */
static struct sample *read_samples(struct api *api, struct arena *arena, uint32_t *ret_count)
{
	struct stats_reader *readers[3];
	struct sample *samples;
	uint32_t cap = 0, count = 0;

	for (size_t i = 0; i < 3; i++) {
		readers[i] = reader_of(api, i, arena);
		cap += readers[i] ? stats_reader_count(readers[i]) : 0;
	}
	samples = arena_array(arena, cap + 1, sizeof(*samples));
	for (size_t i = 0; samples && i < 3; i++) {
		uint32_t cursor = 0;

		while (readers[i] && count < cap &&
		       stats_reader_next(readers[i], &cursor, &samples[count].stats)) {
			samples[count].family = family_of(&samples[count].stats);
			samples[count].order = count;
			samples[count].program = (uint8_t)i;
			count++;
		}
	}
	*ret_count = count;
	return samples;
}

static void put_build(struct api *api, struct text *text)
{
	text_printf(text,
		    "# HELP sbc_build_info the version that runs\n# TYPE sbc_build_info gauge\n"
		    "sbc_build_info{version=\"%s\"} 1\n"
		    "# HELP sbc_start_time_seconds when mgmt-apid started\n"
		    "# TYPE sbc_start_time_seconds gauge\nsbc_start_time_seconds %llu.%03llu\n",
		    SBC_VERSION, (unsigned long long)(api->started_unix_ms / 1000),
		    (unsigned long long)(api->started_unix_ms % 1000));
}

void get_metrics(struct api_call *call)
{
	struct text *text = http_body(call->exchange);
	struct sample *samples;
	uint32_t count;
	uint32_t end;

	refresh_own(call->api);
	samples = read_samples(call->api, http_arena(call->exchange), &count);
	if (!samples) {
		problem_internal(call->exchange, ERR_NOMEM);
		return;
	}
	if (count > 1)
		qsort(samples, count, sizeof(*samples), by_family);
	put_build(call->api, text);
	for (uint32_t i = 0; i < count; i = end) {
		for (end = i + 1; end < count; end++)
			if (!slice_eq(samples[end].family, samples[i].family))
				break;
		put_family(text, &samples[i], end - i);
	}
	http_answer(call->exchange, 200, "text/plain; version=0.0.4; charset=utf-8");
}
