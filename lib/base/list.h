/* SPDX-License-Identifier: MIT
 * Doubly linked ring with the link embedded in its owner. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/ensure.h"

struct list {
	struct list *next;
	struct list *prev;
};

static inline void list_init(struct list *head)
{
	head->next = head;
	head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline bool list_linked(const struct list *node)
{
	return node->next && node->next != node;
}

static inline void list_add_tail(struct list *head, struct list *node)
{
	node->next = head;
	node->prev = head->prev;
	head->prev->next = node;
	head->prev = node;
}

/* Safe on a node that is zeroed or not linked. */
static inline void list_remove(struct list *node)
{
	if (node->next) {
		node->next->prev = node->prev;
		node->prev->next = node->next;
	}
	node->next = NULL;
	node->prev = NULL;
}

/* First node, taken off the list; NULL when empty. */
static inline struct list *list_pop(struct list *head)
{
	struct list *node = head->next;

	if (node == head)
		return NULL;
	list_remove(node);
	return node;
}

/* `node` may be removed inside the body. */
#define list_each(node, head)                                                                      \
	for (struct list *node = (head)->next, *node##_next = node->next; node != (head);           \
	     node = node##_next, node##_next = node->next)
