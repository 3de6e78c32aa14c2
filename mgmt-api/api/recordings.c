/* SPDX-License-Identifier: MIT
 * Recordings of calls' media: begun and ended at the relay, which writes the files; here they get
 * their names, and are listed, given out and deleted. A name says all there is to know:
 *
 *   <call id>.<when it began, Unix milliseconds>.<arrived or decrypted>.pcap
 *
 * Always true: what comes as a name from outside is such a name before it is part of a path. */
#include "mgmt-api/api/api_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/proc/proc.h"

#define SBCD_MS 3000u
#define RELAY_MS 2000u
#define LIST_MAX 100000u
#define NAME_MAX_BYTES 160u
#define PCAP "application/vnd.tcpdump.pcap"

struct recording_name {
	struct slice call_id;
	uint64_t started_unix_ms;
	bool decrypted;
};

struct recording_job {
	struct api_call call;
	struct ask ask;
	bool on;
	bool decrypted;
	uint64_t session;
	uint64_t started_unix_ms;
	struct slice name;
};

/* ---- names ---- */

static bool is_call_id(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    c != '-' && c != '_')
			return false;
	}
	return text.len > 0;
}

static bool cut(struct slice *text, struct slice *ret)
{
	size_t at = slice_find_char(*text, '.');

	if (at == text->len)
		return false;
	*ret = slice_head(*text, at);
	*text = slice_skip(*text, at + 1);
	return true;
}

static bool name_parse(struct slice name, struct recording_name *ret)
{
	struct slice time;
	struct slice kind;

	if (name.len > NAME_MAX_BYTES || !cut(&name, &ret->call_id) || !is_call_id(ret->call_id) ||
	    !cut(&name, &time) || parse_u64(time, &ret->started_unix_ms) != OK ||
	    !cut(&name, &kind) || !slice_eq(name, SLICE("pcap")))
		return false;
	ret->decrypted = slice_eq(kind, SLICE("decrypted"));
	return ret->decrypted || slice_eq(kind, SLICE("arrived"));
}

/* The folder, open; it is made when it is not there. -1: errno. */
static int open_folder(struct api *api, struct arena *arena)
{
	const char *path = proc_path(arena, api->conf->state_dir, "recordings");

	if (!path || (mkdir(path, 0700) < 0 && errno != EEXIST))
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* ---- begin and end ---- */

static void put_recording(struct json_out *out, struct slice name, const struct recording_name *of)
{
	json_put_str(out, "name", name);
	json_put_str(out, "call_id", of->call_id);
	json_put_time(out, "started_at", of->started_unix_ms);
	json_put_bool(out, "decrypted", of->decrypted);
}

static void answer_begun(struct recording_job *job)
{
	struct http_exchange *exchange = job->call.exchange;
	const struct recording_name of = { job->call.params[0], job->started_unix_ms,
					   job->decrypted };
	struct json_out out;

	json_out_init(&out, http_body(exchange));
	json_open_object(&out, NULL);
	put_recording(&out, job->name, &of);
	json_close_object(&out);
	http_header(exchange, "Location",
		    arena_printf(http_arena(exchange), "/api/v1/recordings/%.*s",
				 SLICE_ARG(job->name)).p);
	http_answer(exchange, 201, API_JSON);
}

static void answer_refused(struct recording_job *job, enum err err)
{
	struct http_exchange *exchange = job->call.exchange;

	if (err == ERR_NOENT && job->on)
		problem_answer(exchange, PROBLEM_CONFLICT, "the call has no media yet");
	else if (err == ERR_NOENT)
		problem_answer(exchange, PROBLEM_NOT_FOUND, "the call is not being recorded");
	else if (err == ERR_EXISTS)
		problem_answer(exchange, PROBLEM_CONFLICT, "the call is being recorded already");
	else if (err == ERR_EXHAUSTED || err == ERR_AGAIN)
		problem_answer(exchange, PROBLEM_UNAVAILABLE, "the relay records all that it can");
	else if ((int)err == -ENOSPC)
		problem_answer(exchange, PROBLEM_UNAVAILABLE, "too little is left of the disk");
	else
		problem_internal(exchange, err);
}

static void on_relay(void *owner, const struct ctl_message *answer)
{
	struct recording_job *job = owner;

	if (!answer)
		problem_answer(job->call.exchange, PROBLEM_UNAVAILABLE,
			       "media-relayd does not answer");
	else if (answer->type == CTL_failure)
		answer_refused(job, (enum err)answer->failure.err);
	else if (job->on)
		answer_begun(job);
	else
		http_answer(job->call.exchange, 204, NULL);
}

/* Absolute, for the relay may have been started elsewhere. */
static enum err recording_path(struct recording_job *job, struct slice *ret)
{
	struct arena *arena = http_arena(job->call.exchange);
	const char *folder = proc_path(arena, job->call.api->conf->state_dir, "recordings");
	int fd = open_folder(job->call.api, arena);
	char absolute[PATH_MAX];

	if (fd < 0 || !folder)
		return fd < 0 ? err_from_errno() : ERR_NOMEM;
	close(fd);
	if (!realpath(folder, absolute))
		return err_from_errno();
	job->started_unix_ms = job->call.api->loop->now_unix_ms;
	job->name = arena_printf(arena, "%.*s.%llu.%s.pcap", SLICE_ARG(job->call.params[0]),
				 (unsigned long long)job->started_unix_ms,
				 job->decrypted ? "decrypted" : "arrived");
	*ret = arena_printf(arena, "%s/%.*s", absolute, SLICE_ARG(job->name));
	return ret->len > 0 ? OK : ERR_NOMEM;
}

static void on_call(void *owner, const struct ctl_message *answer)
{
	struct ctl_message question = { .type = CTL_session_record };
	struct recording_job *job = owner;
	enum err err = OK;

	if (!answer) {
		problem_answer(job->call.exchange, PROBLEM_UNAVAILABLE, "sbcd is not connected");
		return;
	}
	if (answer->type != CTL_calls_page || answer->calls_page.calls_count == 0) {
		problem_answer(job->call.exchange, PROBLEM_NOT_FOUND, "there is no such live call");
		return;
	}
	question.session_record.session = answer->calls_page.calls[0].session;
	question.session_record.on = job->on;
	question.session_record.decrypted = job->decrypted;
	if (job->on)
		err = recording_path(job, &question.session_record.path);
	if (err != OK)
		problem_internal(job->call.exchange, err);
	else if (!upstream_ask(&job->call.api->relay, &job->ask, &question, RELAY_MS, on_relay, job))
		on_relay(job, NULL);
}

static void recording_ask(struct api_call *call, bool on, bool decrypted)
{
	struct recording_job *job = arena_new(http_arena(call->exchange), struct recording_job);
	struct ctl_message question = { .type = CTL_calls_list };

	if (!job) {
		problem_internal(call->exchange, ERR_NOMEM);
		return;
	}
	*job = (struct recording_job){ .call = *call, .on = on, .decrypted = decrypted };
	question.calls_list.limit = 1;
	question.calls_list.id = call->params[0];
	if (!is_call_id(call->params[0]))
		problem_answer(call->exchange, PROBLEM_NOT_FOUND, "there is no such live call");
	else if (!upstream_ask(&call->api->sbcd, &job->ask, &question, SBCD_MS, on_call, job))
		on_call(job, NULL);
}

/* {"decrypted": true}; nothing, or {}: as packets arrive. False: it was answered. */
static bool wants_decrypted(struct api_call *call, bool *ret)
{
	struct json_t *body = NULL;
	struct text text;
	struct slice told;

	*ret = false;
	if (http_request(call->exchange)->body.len == 0)
		return true;
	if (!document_body(call->exchange, &body))
		return false;
	text_init_arena(&text, http_arena(call->exchange), 64);
	jdoc_write_canonical(&text, body);
	jdoc_free(&body);
	told = text_done(&text);
	*ret = slice_eq(told, SLICE("{\"decrypted\":true}"));
	if (*ret || slice_eq(told, SLICE("{\"decrypted\":false}")) || slice_eq(told, SLICE("{}")))
		return true;
	problem_answer(call->exchange, PROBLEM_MALFORMED,
		       "send {\"decrypted\": true} or {\"decrypted\": false}");
	return false;
}

void start_recording(struct api_call *call)
{
	bool decrypted;

	if (wants_decrypted(call, &decrypted))
		recording_ask(call, true, decrypted);
}

void stop_recording(struct api_call *call)
{
	recording_ask(call, false, false);
}

/* ---- the files ---- */

static int name_order(const void *a, const void *b)
{
	const struct slice *one = a;
	const struct slice *two = b;
	int order = memcmp(one->p, two->p, one->len < two->len ? one->len : two->len);

	return order != 0 ? order : one->len < two->len ? -1 : one->len > two->len;
}

/* All names in order; ERR_LIMIT: more than anybody would look through. */
static enum err read_names(DIR *dir, struct arena *arena, struct slice **ret, size_t *ret_count)
{
	struct recording_name parsed;
	struct slice *names = NULL;
	size_t room = 0;
	size_t count = 0;
	struct dirent *entry;

	while ((entry = readdir(dir))) {
		struct slice *larger;

		if (!name_parse(slice_text(entry->d_name), &parsed))
			continue;
		if (count == LIST_MAX)
			return ERR_LIMIT;
		if (count == room) {
			room = room ? 2 * room : 64;
			larger = arena_array(arena, (uint32_t)room, sizeof(*names));
			if (!larger)
				return ERR_NOMEM;
			if (count > 0)
				memcpy(larger, names, count * sizeof(*names));
			names = larger;
		}
		if (arena_keep(arena, slice_text(entry->d_name), &names[count++]) != OK)
			return ERR_NOMEM;
	}
	if (count > 0)
		qsort(names, count, sizeof(*names), name_order);
	*ret = names;
	*ret_count = count;
	return OK;
}

static void put_file(struct json_out *out, int folder, struct slice name)
{
	struct recording_name of;
	char path[NAME_MAX_BYTES + 1] = "";
	struct stat st;

	memcpy(path, name.p, name.len);
	if (!name_parse(name, &of) || fstatat(folder, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* deleted meanwhile */
	json_open_object(out, NULL);
	put_recording(out, name, &of);
	json_put_u64(out, "bytes", (uint64_t)st.st_size);
	json_close_object(out);
}

static void answer_names(struct api_call *call, int folder, const struct slice *names, size_t count,
			 unsigned limit)
{
	struct slice cursor = SLICE_NONE;
	struct json_out out;
	size_t i = 0;

	(void)query_get(call, "cursor", &cursor);
	while (cursor.len > 0 && i < count && name_order(&names[i], &cursor) <= 0)
		i++;
	json_out_init(&out, http_body(call->exchange));
	json_open_object(&out, NULL);
	json_open_array(&out, "items");
	for (; i < count && limit > 0; i++, limit--)
		put_file(&out, folder, names[i]);
	json_close_array(&out);
	if (i < count)
		json_put_str(&out, "next", names[i - 1]);
	else
		json_put_null(&out, "next");
	json_close_object(&out);
	http_answer(call->exchange, 200, API_JSON);
}

void list_recordings(struct api_call *call)
{
	static const char *const parameters[] = { "limit", "cursor", NULL };
	struct arena *arena = http_arena(call->exchange);
	struct slice *names = NULL;
	size_t count = 0;
	unsigned limit;
	enum err err;
	DIR *dir;
	int fd;

	if (!query_only(call, parameters) || !query_limit(call, &limit))
		return;
	fd = open_folder(call->api, arena);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		err = err_from_errno();
		if (fd >= 0)
			close(fd);
		problem_internal(call->exchange, err);
		return;
	}
	err = read_names(dir, arena, &names, &count);
	if (err == OK)
		answer_names(call, fd, names, count, limit);
	else
		problem_internal(call->exchange, err);
	closedir(dir);
}

/* NUL-terminated; NULL: 404 was answered. */
static const char *asked_name(struct api_call *call)
{
	struct recording_name of;

	if (name_parse(call->params[0], &of))
		return arena_printf(http_arena(call->exchange), "%.*s",
				    SLICE_ARG(call->params[0])).p;
	problem_answer(call->exchange, PROBLEM_NOT_FOUND, "there is no recording of this name");
	return NULL;
}

void get_recording(struct api_call *call)
{
	const char *name = asked_name(call);
	int folder = name ? open_folder(call->api, http_arena(call->exchange)) : -1;
	struct stat st;
	int fd;

	if (!name)
		return;
	fd = folder < 0 ? -1 : openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (folder >= 0)
		close(folder);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		http_answer_fd(call->exchange, fd, (uint64_t)st.st_size, PCAP);
		return;
	}
	if (fd >= 0)
		close(fd);
	problem_answer(call->exchange, PROBLEM_NOT_FOUND, "there is no recording of this name");
}

/* One that is still being written goes on without a name, and is gone with its end. */
void delete_recording(struct api_call *call)
{
	const char *name = asked_name(call);
	int folder = name ? open_folder(call->api, http_arena(call->exchange)) : -1;

	if (!name)
		return;
	if (folder >= 0 && unlinkat(folder, name, 0) == 0)
		http_answer(call->exchange, 204, NULL);
	else
		problem_answer(call->exchange, PROBLEM_NOT_FOUND,
			       "there is no recording of this name");
	if (folder >= 0)
		close(folder);
}
