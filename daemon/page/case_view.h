/*
 * What the page of a case shows: the database's answer put into words, in the order of conf/pages/case.html.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PAGE_CASE_VIEW_H
#define PAGE_CASE_VIEW_H

#include "page/inner.h"

/* found: what closeloop.page_case() answered. Returns a new context. */
json_t *case_view(struct visit *v, const json_t *found);

/* Parts that other pages show, too; each a new value. */
/* "Seoyeon Lee, Hanbit Precision", "Customer c-17". */
json_t *view_who(struct visit *v, const json_t *response);
/* "2/10"; null. */
json_t *view_score(struct visit *v, const json_t *response);
/* The touchpoint as people call it; null. */
json_t *view_touchpoint(struct visit *v, const char *touchpoint);
/* The name of a person by id; "closeloop" for the daemon; the id of who is gone. */
const char *view_name(struct visit *v, const char *id);
/* "people": names to choose from, as many as a phone can show. */
void view_put_people(struct visit *v, json_t *o, const char *except);

#endif
