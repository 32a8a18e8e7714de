/*
 * The tables of verbs, one per file; each ends with a zeroed entry. main.c lists them in the order of help.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli/args.h"

extern const struct verb setup_verbs[];    /* check migrate reload status try explain */
extern const struct verb rules_verbs[];    /* rules list show diff */
extern const struct verb case_verbs[];     /* case list show open */
extern const struct verb action_verbs[];   /* case ack start … undo */
extern const struct verb response_verbs[]; /* response list, inbox list retry */
extern const struct verb message_verbs[];  /* message list show retry cancel */
extern const struct verb endpoint_verbs[]; /* endpoint list enable disable test, pause, resume */
extern const struct verb owner_verbs[];    /* owner list import export */
extern const struct verb person_verbs[];   /* person list import export away */
extern const struct verb help_verbs[];     /* help version */

/* Verbs that stand alone in their files. */
int check_run(struct cli *c, const struct args *a);
int case_show_run(struct cli *c, const struct args *a);
int status_run(struct cli *c, const struct args *a);
int rule_test_run(struct cli *c, const struct args *a);
extern const struct option rule_test_options[];
int try_verb(struct cli *c, const struct args *a);
int backtest_verb(struct cli *c, const struct args *a);
extern const struct option backtest_options[];
int coverage_run(struct cli *c, const struct args *a);
extern const struct option coverage_options[];
int reload_run(struct cli *c, const struct args *a);
extern const struct option check_options[], status_options[], try_options[], reload_options[];
int explain_run(struct cli *c, const struct args *a);
extern const struct option explain_options[];

#endif
