/* SPDX-License-Identifier: MIT
 * The REST API: what CONTRACT.md names, over the store, sbcd and the relay. One thread: nothing here
 * blocks; what must wait for sbcd suspends its exchange. A write of the configuration goes through
 * one queue: checked, written down, taken by sbcd, committed, and only then answered. */
#pragma once

#include "lib/conf/conf.h"
#include "lib/log/log.h"
#include "lib/loop/loop.h"
#include "mgmt-api/http/http.h"

struct api;

struct api_options {
	struct loop *loop;
	struct log *log;
	const struct conf *conf;     /* outlives the api */
	struct slice seed;           /* the file's provisioning, for an empty store */
	const struct http_file *ui;  /* ends at a path of NULL */
};

/* Opens the store, makes the first token and the first version if there is none, listens, and starts
 * to connect to sbcd and the relay. Says in the log what failed. */
must_use enum err api_create(const struct api_options *options, struct api **ret);
/* Answers what still waits with 503. */
void api_destroy(struct api **api);
