/* SPDX-License-Identifier: MIT
 * Vyukov's intrusive queue: a writer swaps itself in as the tail and then links its predecessor to
 * itself. Between the two steps the chain is broken for a moment; the reader stops there and is woken
 * again by that writer. */
#include "sbc/core/mailbox.h"

#include <stddef.h>

void mailbox_init(struct mailbox *mailbox)
{
	atomic_init(&mailbox->stub.next, NULL);
	atomic_init(&mailbox->tail, &mailbox->stub);
	mailbox->head = &mailbox->stub;
}

void mailbox_post(struct mailbox *mailbox, struct letter *letter)
{
	struct letter *before;

	atomic_store_explicit(&letter->next, NULL, memory_order_relaxed);
	before = atomic_exchange_explicit(&mailbox->tail, letter, memory_order_acq_rel);
	atomic_store_explicit(&before->next, letter, memory_order_release);
}

/* The oldest letter, or NULL: none, or one that is just being linked. */
static struct letter *mailbox_take(struct mailbox *mailbox)
{
	struct letter *head = mailbox->head;
	struct letter *next = atomic_load_explicit(&head->next, memory_order_acquire);

	if (head == &mailbox->stub) {
		if (!next)
			return NULL;
		mailbox->head = next;
		head = next;
		next = atomic_load_explicit(&head->next, memory_order_acquire);
	}
	if (next) {
		mailbox->head = next;
		return head;
	}
	if (head != atomic_load_explicit(&mailbox->tail, memory_order_acquire))
		return NULL;
	/* The last one: the stub goes in behind it so that it can be taken out. */
	mailbox_post(mailbox, &mailbox->stub);
	next = atomic_load_explicit(&head->next, memory_order_acquire);
	if (!next)
		return NULL;
	mailbox->head = next;
	return head;
}

void mailbox_run(struct mailbox *mailbox, void *reader)
{
	struct letter *letter;

	while ((letter = mailbox_take(mailbox)))
		letter->fn(reader, letter);
}
