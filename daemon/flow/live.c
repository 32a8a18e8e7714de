/*
 * A configuration and what is compiled from it; see live.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/live.h"

#include <stdlib.h>

struct live *live_free(struct live *l)
{
	if (l) {
		directory_free(l->directory);
		rule_scratch_free(l->scratch);
		mail_templates_free(l->templates);
		settings_free(l->settings);
		free(l);
	}
	return NULL;
}

int live_new(struct settings *s, struct diag_list *diags, struct live **ret)
{
	struct live *l = xcalloc(1, sizeof(*l));
	int r;

	l->settings = s;
	r = mail_templates_new(s, diags, &l->templates);
	if (r) {
		live_free(l);
		return r;
	}
	l->scratch = rule_scratch_new(s->ruleset);
	*ret = l;
	return 0;
}
