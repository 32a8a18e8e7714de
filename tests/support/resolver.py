"""
A name server that doesn't answer.

SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib


def slow_resolver():
    """Variables under which names in slow.invalid don't resolve for minutes."""
    library = pathlib.Path(os.environ["CHANNEL_PROBE"]).with_name("libslow-resolver.so")
    asan = os.environ.get("ASAN_OPTIONS", "")
    return {"LD_PRELOAD": str(library), "ASAN_OPTIONS": f"{asan}:verify_asan_link_order=0".lstrip(":")}
