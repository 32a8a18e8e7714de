/*
 * The courier's looks; of courier.c only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_COURIER_LOOK_H
#define FLOW_COURIER_LOOK_H

#include "flow/inner.h"

#define COURIER_ROUND_LEAST 128 /* messages settled, or claimed for one endpoint, however little is in the channel */

/* Adds a look to a round: the states of endpoints, probes, what is due, when something will be. */
void courier_add_look(struct courier *c, struct pg_batch *b);
/* The last look left something that is due though there is room: it took as much as one may take at once. */
bool courier_has_more(const struct courier *c);
/* A look is needed in this time, if none is sooner. */
void courier_look_in(struct courier *c, int64_t us);

#endif
