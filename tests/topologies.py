"""What the tests' server is, with `--topology`: one, or several of which a replica takes over when the primary dies."""

from pathlib import Path

from ops.clusters import Sharded, with_buses
from ops.clusters import names as nodes
from ops.ports import free_port
from ops.redis_server import RedisServer
from ops.sentinels import Watched, names, until

TOPOLOGIES = ["single", "sentinel", "cluster"]


def replicas_of(url: str) -> int:
    """What TXN_REDIS_REPLICAS would be."""
    return 1 if "+" in url.partition("://")[0] else 0


class Several(RedisServer):
    """A primary with two replicas, to be used as one server. `kill` and `start` in between: a failover."""

    def __init__(self, folder: Path, topology: str) -> None:
        self._all: Watched | Sharded
        if topology == "sentinel":
            self._all = Watched({name: free_port() for name in names(2)}, folder)
        else:  # all primaries have replicas: the keys of each test are somewhere else
            ports = {name: free_port() for name in with_buses(nodes(1))}
            self._all = Sharded(ports, folder)
        self.url, self._dead = self._all.url, self._all.servers["primary" if topology == "sentinel" else "primary0"]

    def start(self) -> RedisServer:
        """All at first; later whoever was killed, once another has taken its place."""
        if self._dead.process is None and self._is_up():
            old = self._dead
            until(lambda: self._primary() is not old, "there is a new primary")
            old.start()
        else:
            self._all.start()
        return self

    def kill(self) -> None:
        """The primary, with -9."""
        self._dead = self._primary()
        self._dead.kill()

    def stop(self) -> None:
        """All of them."""
        self._all.kill()

    def _is_up(self) -> bool:
        return any(server.process for server in self._all.servers.values())

    def _primary(self) -> RedisServer:
        return self._all.primary() if isinstance(self._all, Watched) else self._all.primary(0)


def start(topology: str, folder: Path) -> RedisServer:
    """A server of the tests, started."""
    one = RedisServer(free_port(), folder) if topology == "single" else Several(folder, topology)
    return one.start()
