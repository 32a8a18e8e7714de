#!/bin/bash
# Runs one pgTAP file against a fresh server that has the schema and the roles.
#
#   pgtap.sh FILE.sql
#
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -z "${CLOSELOOP_PGTAP:-}" ]; then
	CLOSELOOP_PGTAP=1 exec "$here/../support/with-postgres" --migrated "$0" "$1"
fi
psql=(psql -X -q -v ON_ERROR_STOP=1)
"${psql[@]}" -c 'CREATE EXTENSION pgtap' -c 'CREATE EXTENSION dblink' -f "$here/../../sql/roles.sql"
exec pg_prove --verbose --ext .sql "$1"
