#!/bin/bash
# channel_threads.sh SOURCE BUILD   the channel's tests once more, with a probe built for ThreadSanitizer in BUILD/threads.
# Mail and webhooks run in threads of their own; the fixtures fail a test when a sanitizer says anything.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
source=${1:?the source folder}
build=${2:?the build folder}/threads

if [ ! -f "$build/build.ninja" ]; then
	meson setup "$build" "$source" -Db_sanitize=thread -Db_lundef=false >/dev/null
fi
ninja -C "$build" tests/support/channel-probe tests/support/libslow-resolver.so >/dev/null
cd "$source/tests/integration"
CHANNEL_PROBE=$build/tests/support/channel-probe exec /usr/bin/python3 -m pytest -q -p no:cacheprovider \
	test_channel_mail.py test_channel_webhook.py
