/* SPDX-License-Identifier: MIT
 * A new snapshot comes into force: read and compiled here, taken over by each worker in its own
 * thread. Worker 0 goes first, for it is the one that finds a listener that cannot be opened; then
 * nothing has changed. */
#include "sbc/core/question.h"

static bool apply_visit(struct worker *worker, struct question *question)
{
	enum err err = worker_apply(worker, question->settings[worker->index], &question->failed);

	if (!worker->in_turn)
		arena_reset(&worker->arena);
	if (err != OK) {
		question->err = err;
		return false;
	}
	question->settings[worker->index] = NULL; /* the worker's now */
	return true;
}

static void listener_failure(struct question *question)
{
	const struct conf_provisioning *provisioning = question->provisioning;
	struct ctl_failure *failure = &question->answer.failure;
	size_t at = question->failed;

	for (size_t i = 0; i < provisioning->realm_count; i++) {
		const struct conf_realm *realm = &provisioning->realms[i];

		if (at >= realm->listener_count) {
			at -= realm->listener_count;
			continue;
		}
		const struct conf_listener *listener = &realm->listeners[at];
		struct endpoint local = { listener->address, listener->port };
		char text[ENDPOINT_TEXT_BYTES];

		failure->pointer = arena_printf(&question->arena, "/realms/%zu/listeners/%zu", i, at);
		failure->value = arena_printf(&question->arena, "\"%s\"", endpoint_text(&local, text));
		failure->detail = arena_printf(
			&question->arena,
			"the listener could not be opened (%s); an address of this machine and a port that nobody else uses would be right",
			err_text(question->err));
		return;
	}
}

static void apply_done(struct core *core, struct question *question)
{
	if (question->err != OK) {
		question->answer.type = CTL_failure;
		question->answer.failure.err = question->err;
		listener_failure(question);
		log_write(core->config.log, LOG_LEVEL_WARNING, EVENT_config_refused,
			  LOG_U("version", question->version),
			  LOG_S("path", question->answer.failure.pointer),
			  LOG_S("detail", question->answer.failure.detail));
		return;
	}
	question->answer.type = CTL_done;
	core->config_version = question->version;
	core->hello.config_version = question->version;
	log_write(core->config.log, LOG_LEVEL_INFO, EVENT_config_loaded,
		  LOG_U("version", question->version));
}

static enum err make_settings(struct core *core, struct question *question)
{
	question->settings =
		arena_array(&question->arena, core->worker_count, sizeof(*question->settings));
	if (!question->settings)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < core->worker_count; i++) {
		enum err err = settings_create(question->provisioning, question->version,
					       &question->settings[i]);

		if (err != OK)
			return err;
	}
	return OK;
}

void control_on_config_apply(struct core *core, struct ctl_peer *peer,
			     const struct ctl_message *message)
{
	struct question *question = question_new(core, peer, message->request, apply_visit);
	struct conf_provisioning *provisioning;
	struct conf_errors errors = { 0 };
	struct slice path;
	enum err err = ERR_NOMEM;

	if (!question)
		return;
	question->done = apply_done;
	provisioning = arena_new(&question->arena, struct conf_provisioning);
	path = arena_printf(&question->arena, "%.*s", SLICE_ARG(message->config_apply.path));
	if (provisioning && path.len > 0)
		err = conf_snapshot_load(&question->arena, path.p, &question->version,
					 provisioning, &errors);
	question->provisioning = provisioning;
	if (err == OK && question->version != message->config_apply.version)
		err = ERR_VERSION;
	if (err == OK)
		err = make_settings(core, question);
	if (err != OK) {
		struct conf_error first = errors.count ? errors.items[0] : (struct conf_error){ 0 };

		log_write(core->config.log, LOG_LEVEL_WARNING, EVENT_config_refused,
			  LOG_S("path", message->config_apply.path), LOG_T("why", err_text(err)),
			  LOG_S("detail", conf_errors_text(&question->arena, &errors)));
		question_refuse(question, err, first.pointer, first.value,
				first.detail.len ? first.detail : slice_text(err_text(err)));
		return;
	}
	question_ask(question);
}
