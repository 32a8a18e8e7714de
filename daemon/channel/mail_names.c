/*
 * The names that templates and words may use, and who uses one that nothing fills; see mail_context.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mail_context.h"

#include <stdio.h>
#include <string.h>

const char *const mail_context_names[] = {
	"lang",
	"kind",
	"opened",
	"assigned",
	"amended",
	"joined",
	"asks",
	"raised",
	"forwarded",
	"is_praise",
	"trial",
	"minimal",
	"mine",
	"word",
	"case",
	"case_url",
	"link_url",
	"days",
	"command_owner",
	"command_show",
	"priority",
	"priority_id",
	"accent",
	"accent_dark",
	"tint",
	"tint_dark",
	"name",
	"customer_id",
	"account",
	"who",
	"who_short",
	"score",
	"score_line",
	"touchpoint",
	"touchpoint_short",
	"was",
	"comment",
	"comment_quoted",
	"comment_lines",
	"comment_note",
	"comment_html_note",
	"excerpt",
	"phone",
	"phone_link",
	"email",
	"email_link",
	"contact",
	"contact_requested",
	"ratings",
	"details",
	"label",
	"value",
	"stars",
	"stars_empty",
	"stars_line",
	"has_ratings",
	"has_details",
	"separator",
	"previous",
	"date",
	"answered",
	"when",
	"language",
	"acknowledge_at",
	"acknowledge_by",
	"resolve_at",
	"resolve_by",
	"due_soon",
	"person_name",
	"owner_name",
	"for_name",
	"next_person",
	"next_by",
	"reason_dimension",
	"reason_value",
	"reply_to",
	"redirected_from",
	"news",
	"redirect",
	"due",
	"todo",
	"advice",
	"reason",
	"handover",
	"next",
	"reply",
	"button",
	"button_note",
	"subject",
	"preheader",
	"text",
	"clock",
	"weekday",
	"day",
	"month",
	"year",
	"reminder",
	"warning",
	"escalated",
	"waiting_over",
	"reopened",
	"outcome",
	"band",
	"n",
	"of",
	"left",
	"from",
	"to",
	"since",
	"command_take",
	"command_resolve",
	"alarm",
	"note",
	"history",
	"has_history",
	"history_more",
	"what",
	"by",
	"then",
	"solved",
	"now",
	"cause",
	"lines",
	"score_padded",
	"late",
	"owner",
	"asked",
	"title",
	"summary",
	"overdue",
	"due_today",
	"more",
	"why",
	"first",
	"inbox_url",
	"inbox",
	"command_list",
	"instance",
	"address",
	"until",
	"span",
	"best",
	"usual",
	"failures",
	"count",
	"minutes",
	"trigger_missing",
	"is_source",
	"waits",
	"answer",
	"do",
	"commands",
	"command_status",
	"how",
	"has_first",
	"thanks",
	"meta",
	NULL,
};

struct name_check {
	struct text_pos pos;
	struct diag_list *diags;
};

static void name_check(void *arg, const char *path, const char *name)
{
	const size_t n = ARRAY_SIZE(mail_context_names) - 1;
	struct name_check *c = arg;
	char first[64];
	const char *nearest;

	snprintf(first, sizeof(first), "%.*s", (int)strcspn(name, "."), name);
	for (size_t i = 0; i < n; i++)
		if (strcmp(first, mail_context_names[i]) == 0)
			return;
	nearest = diag_nearest(first, mail_context_names, n, sizeof(mail_context_names[0]));
	diag_add(c->diags, DIAG_WARNING, (struct text_pos){.file = c->pos.line ? c->pos.file : path, .line = c->pos.line},
		 "'%s' is never filled in%s%s%s", name, nearest ? ", did you mean '" : "", nearest ? nearest : "",
		 nearest ? "'?" : "");
}

void mail_context_check(const struct template *t, struct text_pos pos, struct diag_list *diags)
{
	struct name_check c = {.pos = pos, .diags = diags};

	template_names(t, name_check, &c);
}
