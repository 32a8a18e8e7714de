/*
 * Where template files come from: templates_dir first, then what was built in.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_MAIL_FILES_H
#define CHANNEL_MAIL_FILES_H

#include "base/diag.h"
#include "template/embedded.h"

extern const struct embedded mail_builtin[]; /* conf/templates */

/*
 * mail_files_read() - a file of templates_dir
 * @dir: NULL: there is none
 * Return: 0 with malloc'd text and path, -ENOENT, or RENDER_E_INVALID with diags (no file, too large, unreadable, not
 * UTF-8).
 */
int mail_files_read(const char *dir, const char *name, struct diag_list *diags, char **ret_text, char **ret_path);
/* A built-in file, or NULL. */
const char *mail_files_builtin(const char *name);

#endif
