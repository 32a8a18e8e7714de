/*
 * The mail with a fresh link: one sentence and a button.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mail_build.h"
#include "channel/mail_context.h"

#include <inttypes.h>
#include <stdio.h>

json_t *mail_link_context(const struct mail_words *w, const struct link_mail *link)
{
	struct mail_build b = {.words = w, .o = json_object()};
	char text[32];

	build_frame(&b, "link", link->redirected_from);
	build_colours(b.o, PRIORITY_NORMAL);
	build_line(b.o, "person_name", link->person_name, SHORT_WHO);
	if (link->case_id) {
		snprintf(text, sizeof(text), "C-%" PRId64, link->case_id);
		build_put(b.o, "case", text);
	}
	build_put(b.o, "link_url", link->url);
	build_count(b.o, "days", link->ttl_days);
	build_say(&b, "title", WORD_TITLE_LINK);
	build_say(&b, "what", WORD_LINK_WHAT);
	build_say(&b, "button", WORD_BUTTON_LINK);
	build_say(&b, "subject", WORD_SUBJECT_LINK);
	build_put(b.o, "preheader", build_get(&b, "what"));
	build_say(&b, "reply", WORD_REPLY_LINK);
	return b.o;
}
