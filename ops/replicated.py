"""A primary with replicas that take over, to be used as one server: for tests and drills."""

from pathlib import Path

from ops import clusters, sentinels
from ops.clusters import Sharded
from ops.ports import free_port
from ops.redis_server import RedisServer
from ops.sentinels import Watched
from ops.waiting import until


class Replicated(RedisServer):
    """`url` names it. `kill` and `start` in between: a failover. Of a cluster, only the first primary can be killed."""

    def __init__(self, folder: Path, topology: str) -> None:
        self._all: Watched | Sharded
        if topology == "sentinel":
            self._all = Watched({name: free_port() for name in sentinels.names(2)}, folder)
        else:
            self._all = Sharded({name: free_port() for name in clusters.with_buses(clusters.names(2))}, folder)
        self.url, self.port, self._killed = self._all.url, self._all.port, False

    def start(self) -> RedisServer:
        """All of them; or whoever was killed, once another has taken its place."""
        if not self._killed:
            self._all.start()
            return self
        old, self._killed = self._old, False
        until(lambda: self.primary() is not old, "there is a new primary")
        old.start()
        return self

    def kill(self) -> None:
        """The primary, with -9."""
        self._old, self._killed = self.primary(), True
        self._old.kill()

    def stop(self) -> None:
        """All of them."""
        self._all.kill()

    def move(self) -> RedisServer:
        """A planned failover; who was the primary."""
        old = self.primary()
        if isinstance(self._all, Watched):
            self._all.ask("sentinel0", "SENTINEL", "FAILOVER", sentinels.NAME, "COORDINATED")
        else:
            self._all.ask(self._all.replica(old), "CLUSTER", "FAILOVER")
        until(lambda: self.primary() is not old, "there is a new primary")
        return old

    def primary(self) -> RedisServer:
        """Who takes writes now."""
        return self._all.primary() if isinstance(self._all, Watched) else self._all.primary(0)
