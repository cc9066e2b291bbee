"""The processes of a drill: up, up again when they die, down at the end."""

import threading
from collections.abc import Mapping
from pathlib import Path

import redis

from ops import sentinels, stand
from ops.drill.relay import Relay
from ops.ports import free_port
from ops.redis_server import RedisServer
from ops.replicated import Replicated
from txn.store.connection import connect

WORKER_MASTERS = 2

#: Short times, in the proportions of the defaults.
SETTINGS = {
    "TXN_POSTING_TIMEOUT_MS": "1000",
    "TXN_DOUBT_WINDOW_MS": "4000",
    "TXN_GRACE_MS": "1000",
    "TXN_MIN_BACKOFF_MS": "100",
    "TXN_MAX_BACKOFF_MS": "2000",
}
#: Lease (4 x timeout) + doubt window, in s.
LEASE_AND_DOUBT_S = 8.0
#: When the posting service writes, at the latest: half of the doubt window after the deadline. It may stand still, too.
LATEST_WRITE_MS = 1_000 + 2_000


class Movable(stand.Stand):
    """With Redis behind a name that can move."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None, **config: str) -> None:
        super().__init__(folder, settings)
        self.redis_server = RedisServer(self.redis_server.port, folder / "redis", **config)
        self.name = Relay(free_port(), self.redis_server.port)
        self.redis_port = self.name.port

    def _begin(self) -> None:
        self.ending.callback(self.name.start().stop)
        super()._begin()

    def fail_over(self) -> tuple[RedisServer, int]:
        """To a replica that has everything: what is tested is the move, not what a failover can lose.

        Returns the demoted server, which stays up, and how many connections stay there until somebody leaves it.
        Raises: TimeoutError.
        """
        demoted, old = self.redis_server, self.client
        port = free_port()
        promoted = RedisServer(port, self.folder / f"redis-{port}").start()
        self.ending.callback(promoted.kill)
        new = redis.Redis(port=promoted.port, socket_timeout=5)
        old.config_set("repl-diskless-sync-delay", 0)
        new.replicaof("127.0.0.1", str(demoted.port))
        self.until(lambda: new.info("replication")["master_link_status"] == "up", "the replica is in step")
        self.until(lambda: not new.info("persistence")["aof_rewrite_in_progress"], "its log is complete")
        # Lets nobody write until the replica has everything, then swaps the two.
        swap = ("FAILOVER", "TO", "127.0.0.1", str(promoted.port), "TIMEOUT", "10000")
        old.execute_command(*swap)  # type: ignore[no-untyped-call]
        self.until(lambda: new.info("replication")["role"] == "master", "the replica is the primary")
        self.redis_server, self.client = promoted, new
        stayed = self.name.lead_to(promoted.port)
        self.until(lambda: old.info("replication")["role"] == "slave", "the primary is the replica")
        old.close()
        return demoted, stayed


class Stand(Movable):
    """API and two worker masters, which are started again when they die."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, SETTINGS)
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep_running, daemon=True)
        self.restarts = 0

    def _begin(self) -> None:
        super()._begin()
        self.start_api()
        for _ in range(WORKER_MASTERS):
            self.start_worker(threads=32)
        self.until_workers(2 * WORKER_MASTERS)
        self._keeper.start()
        self.ending.callback(self._keeper.join)
        self.ending.callback(self._stopping.set)

    def _keep_running(self) -> None:
        """What `Restart=always` does for users."""
        while not self._stopping.wait(0.2):
            for process in self.processes.values():
                if process.popen is not None and process.popen.poll() is not None:
                    process.kill()
                    self.restarts += 1
                    process.start()


class WatchedStand(Stand):
    """The same on a primary with two replicas and three sentinels; one replica must have what is acknowledged."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._several = self.redis_server = Replicated(folder / "redis", "sentinel")
        self.ending.callback(self._several.stop)
        self.settings |= {"TXN_REDIS_URL": self._several.url, "TXN_REDIS_REPLICAS": "1"}

    def _begin(self) -> None:
        self.client = connect(self._several.url, timeout_ms=5_000)
        super()._begin()

    def fail_over(self) -> tuple[RedisServer, int]:
        """By the sentinels. See `Movable`."""
        stayed = clients(self._several.primary())
        return self._several.move(), stayed


#: Every connection that is still in use is used more often.
IDLE_S = 1


def clients(server: RedisServer) -> int:
    """How many connections there are still used, but for sentinels and this one."""
    with redis.Redis(port=server.port) as client:
        own = client.client_id()
        found = client.client_list(_type="normal")
    return sum(int(one["idle"]) <= IDLE_S and int(one["id"]) != own and one["user"] != sentinels.USER for one in found)


#: By what `--topology` calls them.
STANDS: dict[str, type[Stand]] = {"single": Stand, "sentinel": WatchedStand}
