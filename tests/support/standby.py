"""
A streaming standby of a server of servers.Postgres, for tests of a failover.

SPDX-License-Identifier: Apache-2.0
"""
import servers


class Standby(servers.Postgres):
    def __init__(self, folder, primary):
        super().__init__(folder)
        self.primary = primary

    def create(self):
        self._run(self.bin / "pg_basebackup", "-h", self.primary.sockets, "-p", self.primary.port, "-U", "postgres",
                  "-D", self.data, "-R", "-c", "fast")
        return self

    def follow(self):
        """Starts; from now on the primary acknowledges a COMMIT only when it is here, too."""
        self.start()
        self.primary.psql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary.psql("postgres", "SELECT pg_reload_conf()")
        servers.wait_until(lambda: self.primary.psql("postgres", "SELECT sync_state FROM pg_stat_replication").strip() == "sync",
                           20, "a synchronous standby")
        return self

    def promote(self):
        self.psql("postgres", "SELECT pg_promote(true, 30)")
