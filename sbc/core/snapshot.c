/* SPDX-License-Identifier: MIT
 * Which configuration this process runs on: the stored snapshot when there is one, else what the file
 * seeds. */
#include "sbc/core/core_priv.h"

#include <unistd.h>

#include "lib/proc/proc.h"

enum err snapshot_load_first(struct core *core, struct conf_provisioning *ret,
			     uint64_t *ret_version)
{
	const struct conf *conf = core->config.conf;
	const char *path = proc_path(&core->arena, conf->state_dir, "config/current.json");
	struct conf_errors errors = { 0 };
	enum err err;

	if (!path)
		return ERR_NOMEM;
	if (access(path, F_OK) != 0) {
		*ret = conf->provisioning;
		*ret_version = 0;
		return OK;
	}
	err = conf_snapshot_load(&core->arena, path, ret_version, ret, &errors);
	if (err != OK)
		log_write(core->config.log, LOG_LEVEL_ERROR, EVENT_config_refused,
			  LOG_T("path", path), LOG_T("why", err_text(err)),
			  LOG_S("detail", conf_errors_text(&core->arena, &errors)));
	return err;
}
