/* SPDX-License-Identifier: MIT
 * Numbers and generations name a recording on its way through the ring: what the thread says of an old
 * one never hits a new one. The spare room of the ring is for endings, which must not fail.
 * lint: owns storage because a recorder lives as long as its worker. */
#include "media-relay/worker/recorder.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/ensure.h"
#include "media-relay/worker/pcap_file.h"

#define RING_BYTES   (4u << 20)
#define SPARE_BYTES  (RECORDINGS_MAX * 256u)
#define SLEEP_NS     20000000 /* while something is recorded */
#define FLUSH_ROUNDS 25u      /* of those */
#define NAME_CHARACTERS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_."

enum ring_verb { RING_BEGIN, RING_PACKET, RING_END };

/* In the ring: this, then the packet's bytes. */
struct ring_item {
	enum ring_verb verb;
	uint32_t number;
	uint32_t generation;
	struct pcap_file *file;  /* RING_BEGIN */
	uint64_t unix_offset_us; /* RING_BEGIN: wall clock less monotonic */
	struct recorded packet;
};

struct recorder {
	uint64_t spare_bytes;
	struct ring ring;
	pthread_t thread;
	sem_t begun; /* a recording began, or the end is near */
	_Atomic bool ending;
	struct recording recordings[RECORDINGS_MAX]; /* the worker's; generation odd: in use */
	_Atomic uint32_t failed[RECORDINGS_MAX];     /* the generation that could not be written */
	struct open_file { /* the thread's, from here on */
		struct pcap_file *file;
		uint32_t generation;
		uint64_t unix_offset_us;
	} files[RECORDINGS_MAX];
	unsigned open;
};

/* ---- the thread ---- */

static void check(struct recorder *recorder, uint32_t number, enum err err)
{
	if (err != OK)
		atomic_store(&recorder->failed[number], recorder->files[number].generation);
}

static void do_item(struct recorder *recorder, const struct ring_item *item, const char *bytes,
		    size_t len)
{
	struct open_file *open = &recorder->files[item->number];

	switch (item->verb) {
	case RING_BEGIN:
		*open = (struct open_file){ item->file, item->generation, item->unix_offset_us };
		recorder->open++;
		break;
	case RING_PACKET:
		check(recorder, item->number,
		      pcap_file_write(open->file, &item->packet.from, &item->packet.to,
				      item->packet.arrival_us + open->unix_offset_us, bytes, len));
		break;
	case RING_END:
		pcap_file_close(&open->file);
		recorder->open--;
		break;
	}
}

static void drain(struct recorder *recorder)
{
	const char *bytes;
	size_t len;

	while ((bytes = ring_peek(&recorder->ring, &len))) {
		struct ring_item item;

		memcpy(&item, bytes, sizeof(item));
		do_item(recorder, &item, bytes + sizeof(item), len - sizeof(item));
		ring_pop(&recorder->ring);
	}
}

static void flush_all(struct recorder *recorder)
{
	for (uint32_t i = 0; i < RECORDINGS_MAX; i++)
		if (recorder->files[i].file)
			check(recorder, i,
			      pcap_file_flush(recorder->files[i].file, recorder->spare_bytes));
}

static void *thread_main(void *owner)
{
	static const struct timespec nap = { .tv_nsec = SLEEP_NS };
	struct recorder *recorder = owner;

	for (unsigned round = 1; !atomic_load(&recorder->ending); round++) {
		if (recorder->open == 0)
			sem_wait(&recorder->begun);
		else
			nanosleep(&nap, NULL);
		drain(recorder);
		if (round % FLUSH_ROUNDS == 0)
			flush_all(recorder);
	}
	drain(recorder);
	for (uint32_t i = 0; i < RECORDINGS_MAX; i++)
		if (recorder->files[i].file)
			pcap_file_close(&recorder->files[i].file);
	return NULL;
}

/* ---- the worker's side ---- */

static uint64_t clock_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

enum err recorder_create(uint64_t spare_bytes, struct recorder **ret)
{
	struct recorder *recorder = calloc(1, sizeof(*recorder));
	int failed;

	if (!recorder)
		return ERR_NOMEM;
	recorder->spare_bytes = spare_bytes;
	if (ring_init(&recorder->ring, RING_BYTES) != OK) {
		free(recorder);
		return ERR_NOMEM;
	}
	sem_init(&recorder->begun, 0, 0);
	failed = pthread_create(&recorder->thread, NULL, thread_main, recorder);
	if (failed) {
		sem_destroy(&recorder->begun);
		ring_fini(&recorder->ring);
		free(recorder);
		return (enum err)-failed;
	}
	*ret = recorder;
	return OK;
}

void recorder_destroy(struct recorder **recorder)
{
	struct recorder *it = *recorder;

	if (!it)
		return;
	*recorder = NULL;
	atomic_store(&it->ending, true);
	sem_post(&it->begun);
	pthread_join(it->thread, NULL);
	sem_destroy(&it->begun);
	ring_fini(&it->ring);
	free(it);
}

static void post(struct recorder *recorder, const struct ring_item *item)
{
	char *at = ring_reserve(&recorder->ring, sizeof(*item));

	ensure(at); /* the spare room */
	memcpy(at, item, sizeof(*item));
	ring_commit(&recorder->ring, sizeof(*item));
}

static bool folder_good(struct slice component)
{
	for (size_t i = 0; i < component.len; i++)
		if ((unsigned char)component.p[i] < ' ' || component.p[i] == 0x7f)
			return false;
	return component.len > 0 && !slice_eq(component, SLICE(".")) &&
	       !slice_eq(component, SLICE(".."));
}

static bool name_good(struct slice name)
{
	static const struct slice ending = SLICE_INIT(".pcap");

	for (size_t i = 0; i < name.len; i++)
		if (!strchr(NAME_CHARACTERS, name.p[i]) || name.p[i] == '\0')
			return false;
	return name.len > ending.len && name.p[0] != '.' &&
	       slice_eq(slice_skip(name, name.len - ending.len), ending);
}

bool recorder_path_good(struct slice path)
{
	if (path.len >= PATH_MAX || path.len == 0 || path.p[0] != '/')
		return false;
	for (;;) {
		size_t end;

		path = slice_skip(path, 1);
		end = slice_find_char(path, '/');
		if (end == path.len)
			return name_good(path);
		if (!folder_good(slice_head(path, end)))
			return false;
		path = slice_skip(path, end);
	}
}

static struct recording *unused(struct recorder *recorder)
{
	for (uint32_t i = 0; i < RECORDINGS_MAX; i++)
		if (recorder->recordings[i].generation % 2 == 0)
			return &recorder->recordings[i];
	return NULL;
}

/* Opened here and not by the thread, so that the operator is told what is wrong; one file is made now
 * and then, and that takes as long as a socket. */
static enum err begin(struct recorder *recorder, const char *path, struct ring_item *item)
{
	enum err err;

	if (ring_room(&recorder->ring) < sizeof(*item) + SPARE_BYTES)
		return ERR_AGAIN;
	err = pcap_file_create(path, &item->file);
	if (err != OK)
		return err;
	err = pcap_file_flush(item->file, recorder->spare_bytes);
	if (err != OK)
		pcap_file_close(&item->file);
	return err;
}

struct recording *recorder_begin(struct recorder *recorder, const char *path, bool decrypted,
				 enum err *ret_err)
{
	struct recording *recording = unused(recorder);
	struct ring_item item = {
		.verb = RING_BEGIN,
		.unix_offset_us = clock_us(CLOCK_REALTIME) - clock_us(CLOCK_MONOTONIC),
	};

	*ret_err = recording ? begin(recorder, path, &item) : ERR_EXHAUSTED;
	if (*ret_err != OK)
		return NULL;
	item.number = (uint32_t)(recording - recorder->recordings);
	item.generation = recording->generation + 1;
	*recording = (struct recording){ .number = item.number,
					 .generation = item.generation,
					 .decrypted = decrypted };
	post(recorder, &item);
	sem_post(&recorder->begun);
	return recording;
}

void recorder_end(struct recorder *recorder, struct recording **recording)
{
	struct recording *it = *recording;
	struct ring_item item = { .verb = RING_END };

	*recording = NULL;
	item.number = it->number;
	item.generation = it->generation++;
	post(recorder, &item);
}

unsigned char *recorder_reserve(struct recorder *recorder, struct recording *recording, size_t len)
{
	size_t all = sizeof(struct ring_item) + len;
	char *at = NULL;

	if (ring_room(&recorder->ring) >= all + SPARE_BYTES)
		at = ring_reserve(&recorder->ring, all);
	if (!at) {
		recording->dropped++;
		return NULL;
	}
	return (unsigned char *)at + sizeof(struct ring_item);
}

void recorder_commit(struct recorder *recorder, struct recording *recording,
		     const struct recorded *packet, size_t len)
{
	struct ring_item item = { .verb = RING_PACKET,
				  .number = recording->number,
				  .generation = recording->generation,
				  .packet = *packet };
	char *at = ring_reserve(&recorder->ring, sizeof(item) + len); /* the same place again */

	ensure(at);
	memcpy(at, &item, sizeof(item));
	ring_commit(&recorder->ring, sizeof(item) + len);
	recording->packets++;
}

bool recorder_failed(const struct recorder *recorder, const struct recording *recording)
{
	return atomic_load_explicit(&recorder->failed[recording->number], memory_order_relaxed) ==
	       recording->generation;
}
