/*
 * One message straight out of the command, through the same channel threads as the daemon's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_SEND_H
#define CLI_SEND_H

#include "channel/render.h"
#include "cli/cli.h"
#include "model/message.h"

/* Sends d (owned) and waits for what became of it, at most a minute. The result is freed by the caller. */
int cli_send(struct cli *c, struct delivery *d, struct delivery_result **ret);

/* One JSON object, not yet safe for a terminal (text_put_json()). */
void cli_put_result(struct buf *out, const struct delivery_result *result, const char *to);
/* What its exit code is: accepted, refused, or not now. */
int cli_result_code(const struct delivery_result *result);
/* Tells the result: a line or one JSON object. EXIT_DONE when it was accepted, else EXIT_UNAVAILABLE or EXIT_NO (refused). */
int cli_send_told(struct cli *c, const struct delivery_result *result, const char *to);

/*
 * Where a mail really goes under `delivery` (redirect:ADDRESS), in *ret_address; EXIT_NO told when it is "hold",
 * EXIT_USAGE_ERROR for an address that can't be used.
 */
int cli_send_address(struct cli *c, const char *wanted, const char **ret_address);

/* A finished mail to one address. alert->person_address and, when redirected, redirected_from are set by the caller. */
int cli_send_mail(struct cli *c, const struct alert *alert, const struct mail_text *text);

#endif
