"""A primary, replicas and three sentinels on one machine: for tests, drills and `make run TXN_TOPOLOGY=sentinel`."""

from collections.abc import Mapping
from pathlib import Path

import redis

from ops import redis_server
from ops.group import Group
from ops.redis_server import RedisServer

NAME = "txn"
SENTINELS = 3
#: How long a primary must be silent before the sentinels elect another.
DOWN_AFTER_MS = 1_000

#: As whom replicas and sentinels enter a server: it can be cut off from them alone.
USER, APP = "among-them", "app"
_AMONG_THEM = (
    f"user {USER} on >{USER} ~* &* +@all\nuser {APP} on >{APP} ~* &* +@all\nmasteruser {USER}\nmasterauth {USER}\n"
)
#: Servers that can become each other's replica: without a delay before a copy begins.
SERVER = {"repl-diskless-sync-delay": "0", "repl-ping-replica-period": "1", "repl-timeout": "10"}


def url(ports: Mapping[str, int]) -> str:
    """For TXN_REDIS_URL. `ports`: as `commands` takes them."""
    places = ",".join(f"127.0.0.1:{port}" for name, port in ports.items() if name.startswith("sentinel"))
    return f"redis+sentinel://{places}/{NAME}/0"


def names(replicas: int = 1) -> list[str]:
    """The servers, in the order in which they start."""
    others = ["replica", *(f"replica{number}" for number in range(1, replicas))]
    return ["primary", *others, *(f"sentinel{number}" for number in range(SENTINELS))]


def commands(ports: Mapping[str, int], folder: Path, down_after_ms: int = DOWN_AFTER_MS) -> dict[str, list[str]]:
    """Command line of each server in `names`. What sentinels have written into their files before stays."""
    found = {}
    for name in (name for name in ports if not name.startswith("sentinel")):
        # One of its own: sentinels let servers write into it whose replica they are.
        file = folder / name / "server.conf"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            follows = "" if name == "primary" else f"replicaof 127.0.0.1 {ports['primary']}\n"
            file.write_text(redis_server.CONFIG.read_text() + _AMONG_THEM + follows)
        found[name] = [
            str(file) if word == str(redis_server.CONFIG) else word
            for word in redis_server.command(ports[name], folder / name, **SERVER)
        ]
    for name in (name for name in ports if name.startswith("sentinel")):
        path = folder / name / "sentinel.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(
                f"port {ports[name]}\nbind 127.0.0.1\ndir {path.parent}\n"
                f"sentinel monitor {NAME} 127.0.0.1 {ports['primary']} {SENTINELS // 2 + 1}\n"
                f"sentinel down-after-milliseconds {NAME} {down_after_ms}\nsentinel failover-timeout {NAME} 5000\n"
                f"sentinel auth-user {NAME} {USER}\nsentinel auth-pass {NAME} {USER}\n"
            )
        found[name] = [str(redis_server.binary()), str(path), "--sentinel"]
    return found


class Watched(Group):
    """The servers. `ports`: by name, for all."""

    def __init__(self, ports: Mapping[str, int], folder: Path) -> None:
        self.url, self.port = url(ports).replace("//", f"//{APP}:{APP}@"), ports["primary"]
        self._sentinels = [name for name in ports if name.startswith("sentinel")]
        self._replicas = [name for name in ports if name.startswith("replica")]
        super().__init__(ports, folder, commands(ports, folder))

    def primary(self) -> RedisServer:
        """Whom most sentinels name. Raises: StopIteration, if it is none of ours."""
        return self._on([int(self.ask("sentinel0", "SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1])])

    def cut_off(self, server: RedisServer) -> None:
        """From the replicas and the sentinels; for everybody else it goes on as before."""
        with redis.Redis(port=server.port, username=APP, password=APP, socket_timeout=5) as client:
            for user in ("default", USER):  # who may not enter as the one is taken for the other
                client.execute_command("ACL", "SETUSER", user, "off")
                client.execute_command("CLIENT", "KILL", "USER", user)

    def mend(self, server: RedisServer) -> None:
        """End `cut_off`."""
        with redis.Redis(port=server.port, username=APP, password=APP, socket_timeout=5) as client:
            for user in ("default", USER):
                client.execute_command("ACL", "SETUSER", user, "on")

    def _is_in_step(self) -> bool:
        for name in self._replicas:
            with redis.Redis(port=self.servers[name].port, socket_timeout=5) as replica:
                if replica.info("replication").get("master_link_status") != "up":
                    return False
                if replica.info("persistence")["aof_rewrite_in_progress"]:
                    return False
        with redis.Redis(port=self.port, socket_timeout=5) as primary:
            primary.set("in step", 1, px=1)
            if primary.wait(len(self._replicas), 1_000) < len(self._replicas):
                return False
        for name in self._sentinels:
            with redis.Redis(port=self.servers[name].port, socket_timeout=5, decode_responses=True) as sentinel:
                seen = sentinel.sentinel_master(NAME)
                if (seen["num-slaves"], seen["num-other-sentinels"]) != (len(self._replicas), SENTINELS - 1):
                    return False
        return True
