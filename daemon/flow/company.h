/*
 * Who works here, for the pages: people of the configuration and the database together, and the live settings.
 *
 * `flow` is a struct flow. Pointers are good until the loop turns: a reload or a change of the directory replaces them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_COMPANY_H
#define FLOW_COMPANY_H

#include "base/buf.h"
#include "settings/settings.h"

const struct settings *company_settings(void *flow);
/* The directory of the live configuration was read: not yet right after a start or a reload. */
bool company_is_known(void *flow);
/* NULL: unknown, or the directory was not read yet. */
const struct person *company_person(void *flow, const char *id);
const struct person *company_find(void *flow, const char *id_or_address);
const struct person *company_by_login(void *flow, const char *login);
int company_count(void *flow);
const struct person *company_at(void *flow, int i);
/* The person's zone, one that the server knows. */
const char *company_zone(void *flow, const struct person *p);

/* An alert is under way: responses are judged, or messages leave. */
bool company_is_pressed(void *flow);

/* For /readyz and /metrics: flow_is_ready(), flow_metrics(). */
bool company_is_ready(void *flow, const char **ret_why);
void company_metrics(void *flow, struct buf *out);

#endif
