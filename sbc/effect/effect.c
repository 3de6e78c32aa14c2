/* SPDX-License-Identifier: MIT */
#include "sbc/effect/effect.h"

void effects_init(struct effects *effects, struct arena *arena)
{
	*effects = (struct effects){ .arena = arena };
	effects->tail = &effects->head;
}

struct effect *effects_add(struct effects *effects, enum effect_kind kind)
{
	struct effect *effect = arena_new(effects->arena, struct effect);

	if (!effect) {
		effects->failed = true;
		effect = &effects->scratch;
		*effect = (struct effect){ .kind = kind };
		return effect;
	}
	effect->kind = kind;
	*effects->tail = effect;
	effects->tail = &effect->next;
	return effect;
}

struct effect *effects_pop(struct effects *effects)
{
	struct effect *effect = effects->head;

	if (!effect)
		return NULL;
	effects->head = effect->next;
	if (!effects->head)
		effects->tail = &effects->head;
	return effect;
}

void effects_send(struct effects *effects, const struct flow *flow, struct slice bytes,
		  struct handle txn)
{
	struct effect *effect = effects_add(effects, EFFECT_SEND);

	effect->send.flow = *flow;
	effect->send.bytes = bytes;
	effect->send.txn = txn;
}
