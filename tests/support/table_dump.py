"""
Everything a database holds, to be compared with what it holds later.

SPDX-License-Identifier: Apache-2.0
"""

# What a daemon that nobody asks for anything writes by itself.
OWN_AFFAIRS = {"daemons", "reloads", "sources_seen", "source_days", "endpoints", "ruleset_periods"}


def table_dump(site, but=OWN_AFFAIRS):
    """{table: its rows as texts, sorted} of every table of closeloop but these."""
    tables = site.q("SELECT table_name FROM information_schema.tables WHERE table_schema = 'closeloop'"
                    " AND table_type = 'BASE TABLE' ORDER BY 1")
    return {name: [row for row, in site.q(f"SELECT t::text FROM closeloop.{name} AS t ORDER BY 1")]
            for name, in tables if name not in but}
