"""
A TCP proxy that breaks connections on demand, for tests of what happens then.

Rules may change at any time, also for connections that are open:

  pass        forwards
  refuse      resets a new connection at once
  blackhole   takes what comes and says nothing
  reset       resets every open connection, and new ones
  close       ends every open connection in an orderly way, once; new ones pass

`swallow` holds bytes of an answer (server to client) upon which the connection is reset instead of being forwarded: the
server did its work, the acknowledgement is lost. `cut` does the same for bytes of a request, which are forwarded first.
`replace` changes bytes of answers on the way. `drip` lets answers through byte by byte, so many seconds apart.

SPDX-License-Identifier: Apache-2.0
"""
import select
import socket
import struct
import threading
import time

CHUNK = 65536


def reset(*sockets):
    for s in sockets:
        try:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        s.close()


class ChaosProxy:
    def __init__(self, port, host="127.0.0.1"):
        self.upstream = (host, port)
        self.rule = "pass"
        self.swallow = self.cut = self.replace = None
        self.drip = 0
        self.accepted = self.broken = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.ended = False
        self.epoch = 0  # what `close` counts
        threading.Thread(target=self._accept, name="chaos-proxy", daemon=True).start()

    def close_all(self):
        """An orderly end of every open connection."""
        self.epoch += 1

    def stop(self):
        self.ended = True
        self.listener.shutdown(socket.SHUT_RDWR)  # close() alone does not wake accept()
        self.listener.close()

    def _accept(self):
        while not self.ended:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _break(self, *sockets):
        self.broken += 1
        reset(*sockets)

    def _serve(self, client):
        if self.rule in ("refuse", "reset"):
            self._break(client)
            return
        try:
            server = socket.create_connection(self.upstream, 10)
        except OSError:
            self._break(client)
            return
        epoch, seen = self.epoch, {client: b"", server: b""}
        while not self.ended:
            if self.rule == "reset":
                self._break(client, server)
                return
            if self.epoch != epoch:
                self.broken += 1
                client.close()
                server.close()
                return
            ready = select.select([client, server], [], [], 0.02)[0]
            if self.rule == "blackhole":
                time.sleep(0.02)
                continue
            for source in ready:
                if not self._forward(source, client, server, seen):
                    return
        reset(client, server)

    def _dripped(self, client, data):
        """Sends byte by byte as long as that is wanted; what is left."""
        while data and self.drip and not self.ended:
            client.sendall(data[:1])
            data = data[1:]
            time.sleep(self.drip)
        return data

    def _forward(self, source, client, server, seen):
        """One chunk; False when the connection is over."""
        target = server if source is client else client
        try:
            data = source.recv(CHUNK)
        except OSError:
            data = b""
        if not data:
            client.close()
            server.close()
            return False
        window = seen[source] + data
        # A pattern may come in two chunks; what passed while nothing was looked for doesn't count.
        seen[source] = window[-256:] if self.swallow or self.cut else b""
        if source is server and self.replace:
            data = data.replace(*self.replace)
        if source is server and self.swallow and self.swallow in window:
            self._break(client, server)
            return False
        try:
            if source is server and self.drip:
                data = self._dripped(client, data)
            target.sendall(data)
        except OSError:
            reset(client, server)
            return False
        if source is client and self.cut and self.cut in window:
            self._break(client, server)
            return False
        return True
