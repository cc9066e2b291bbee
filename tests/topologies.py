"""What the tests' server is, with `--topology`: one, or several of which a replica takes over when the primary dies."""

import contextlib
from pathlib import Path

import redis

from ops.ports import free_port
from ops.redis_server import RedisServer
from ops.replicated import Replicated
from ops.waiting import until

TOPOLOGIES = ["single", "sentinel", "cluster"]


def replicas_of(url: str) -> int:
    """What TXN_REDIS_REPLICAS would be."""
    return 1 if "+" in url.partition("://")[0] else 0


def start(topology: str, folder: Path) -> RedisServer:
    """A server of the tests, started."""
    one = RedisServer(free_port(), folder) if topology == "single" else Replicated(folder, topology)
    return one.start()


def port(client: redis.Redis) -> int:
    """Of the server that it is connected to, once a busy machine lets it answer."""
    found: list[int] = []

    def answers() -> bool:
        with contextlib.suppress(redis.RedisError):
            found.append(int(client.config_get("port")["port"]))
        return found != []

    until(answers, "its server answers")
    return found[0]
