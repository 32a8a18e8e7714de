/*
 * The courier's endpoints; of courier.c only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_ENDPOINTS_H
#define FLOW_ENDPOINTS_H

#include "flow/inner.h"

struct courier_endpoint *courier_endpoint(struct courier *c, const char *name);
/*
 * Rows of outbox_endpoints. An answer that may be older than the last one shuts endpoints, but frees none: the courier's own wait for
 * its COMMIT, and would take back a pause that the working session has told of meanwhile. What it would free is asked for again.
 */
void endpoints_read(struct courier *c, const struct pg_rows *rows, bool may_be_older);
bool endpoint_may_send(const struct courier *c, const struct courier_endpoint *e);
/* So many messages may be claimed for it. */
int endpoint_room(const struct courier *c, const struct courier_endpoint *e);
/* Open, and no probe is to be sent, or one is out already: nobody need ask what is due there. */
bool endpoint_is_shut(const struct courier *c, const struct courier_endpoint *e);

/* Somewhere what is due waits for room, or for an earlier message of its case. */
bool endpoints_have_left(const struct courier *c);

/* A result is back: what it says is kept until the settle that carries it was committed. */
void endpoint_note(struct courier_endpoint *e, const struct delivery_result *r, bool mail);
/* true: there is any, so a state may be another one now. */
bool endpoints_add_news(struct courier *c, struct pg_batch *b);
/* Of the settle under way: told, or still to be told, ahead of what came meanwhile. true: the operators may have news. */
bool endpoints_settled(struct courier *c, bool committed);

/* For breakers whose time has come; one daemon gets it. */
void endpoints_add_probes(struct courier *c, struct pg_batch *b);
/* Until the first breaker lets a probe through; an hour at most. */
int64_t endpoints_probe_in_us(const struct courier *c);

#endif
