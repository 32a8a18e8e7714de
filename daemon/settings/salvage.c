/*
 * What of a broken configuration can still be used: where the database is.
 *
 * The tokens are looked through for the top-level `database` group, which libconfig then reads alone, so mistakes anywhere else,
 * in grammar or meaning, don't matter.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/settings.h"
#include "settings/source.h"
#include "settings/token.h"

#include <errno.h>
#include <libconfig.h>
#include <string.h>

static int depth_change(const struct token *t)
{
	if (token_is(t, '{') || token_is(t, '(') || token_is(t, '['))
		return 1;
	return token_is(t, '}') || token_is(t, ')') || token_is(t, ']') ? -1 : 0;
}

/* From its name to its closing brace; NULL when there is none that is whole. */
static const char *database_group(const struct source *src, struct arena *arena)
{
	const char *from = NULL;
	struct token t, before = {.n = 0};
	struct tokens lx;
	int depth = 0;

	tokens_init(&lx, buf_str(&src->text), src->text.n);
	for (tokens_next(&lx, &t); t.kind != TOKEN_END; before = t, tokens_next(&lx, &t)) {
		bool named = before.kind == TOKEN_NAME && before.n == strlen("database") &&
			     memcmp(before.at, "database", before.n) == 0;

		if (!from && named && (token_is(&t, ':') || token_is(&t, '='))) {
			from = before.at; /* wherever: a brace too few or too many may stand before it */
			depth = 0;
		}
		depth += depth_change(&t);
		if (from && depth == 0 && token_is(&t, '}'))
			return arena_strndup(arena, from, (size_t)(t.at + t.n - from));
	}
	return NULL;
}

static const char *member_text(const config_t *config, const char *path, struct arena *arena)
{
	const char *text = NULL;

	return config_lookup_string(config, path, &text) ? arena_strdup(arena, text) : NULL;
}

int settings_salvage_conninfo(const char *path, struct arena *arena, const char **ret)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	const char *group, *conninfo = "";
	struct source src;
	config_t config;

	source_read(&src, path, arena, diags);
	group = database_group(&src, arena);
	if (src.text.n == 0) {
		source_fini(&src);
		return -ENOENT;
	}
	source_fini(&src);
	if (group) {
		config_init(&config);
		if (config_read_string(&config, group))
			conninfo = member_text(&config, "database.conninfo", arena);
		config_destroy(&config);
	}
	*ret = conninfo ? conninfo : "";
	return 0;
}
