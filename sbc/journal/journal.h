/* SPDX-License-Identifier: MIT
 * The writer of a worker's CDR journal (format: lib/ctl/journal_format.h). A record is a copy into
 * mapped memory: no system call, and it survives the death of this process, not only its end. A
 * segment's blocks are reserved when it is made, so a full disk is found there and not by a signal
 * in the middle of a call. */
#pragma once

#include "lib/ctl/ctl.h"
#include "lib/log/log.h"

struct journal;

struct journal_figures {
	uint64_t written;
	uint64_t lost; /* no segment could be made: the record is in the log only */
};

/* dir: state_dir/journal, made already. Finds the last number of this worker and goes on behind it.
 * log: told of trouble; outlives the journal. -errno, ERR_NOMEM. */
must_use enum err journal_open(struct log *log, const char *dir, uint32_t worker,
			       struct journal **ret);
void journal_close(struct journal **journal);

/* Appends a finished call. ERR_LIMIT: it does not encode; -errno: no segment (counted as lost, and
 * tried again with the next record). */
must_use enum err journal_append(struct journal *journal, const struct ctl_call_info *info,
				 uint64_t now_unix_ms);
const struct journal_figures *journal_figures(const struct journal *journal);
