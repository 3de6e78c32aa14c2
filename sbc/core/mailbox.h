/* SPDX-License-Identifier: MIT
 * Work handed to another worker's thread: a queue with many writers and one reader, lock-free. The
 * order of one writer's letters is kept. */
#pragma once

#include <stdatomic.h>

#include "lib/base/err.h"

struct letter;

/* Runs in the reader's thread; owns the letter from then on. */
typedef void letter_fn(void *reader, struct letter *letter);

struct letter { /* embedded, first member, in what is handed over */
	_Atomic(struct letter *) next;
	letter_fn *fn;
};

struct mailbox {
	_Atomic(struct letter *) tail; /* writers swap themselves in here */
	struct letter *head;           /* the reader's */
	struct letter stub;
};

void mailbox_init(struct mailbox *mailbox);
/* Any thread. The caller wakes the reader afterwards. */
void mailbox_post(struct mailbox *mailbox, struct letter *letter);
/* The reader's thread: runs all that is there. */
void mailbox_run(struct mailbox *mailbox, void *reader);
