/*
 * A follow_up of the configuration as closeloop.follow_up_version() takes it (sql/007_follow_up.sql): what a case that opens
 * under it will be held to, whatever the configuration says later. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FOLLOWUP_VERSION_H
#define FOLLOWUP_VERSION_H

#include "base/buf.h"
#include "settings/settings.h"

#define FOLLOW_UP_BYTES_MAX (64 * 1024)

/* {"name", "calendar", "acknowledge_within", …, "escalate": [{"id", "when", "after", "to"}…]} */
void follow_up_put(const struct follow_up *f, struct buf *out);

#endif
