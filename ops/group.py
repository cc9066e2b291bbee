"""Servers that are started together, and know each other."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import redis

from ops.redis_server import RedisServer
from ops.waiting import until


class Group:
    """Started and in step. `servers`: by name; who is a primary changes. `lines`: the command line of each."""

    def __init__(self, ports: Mapping[str, int], folder: Path, lines: Mapping[str, list[str]]) -> None:
        self.servers = {name: RedisServer(ports[name], folder / name, line=line) for name, line in lines.items()}

    def __enter__(self) -> Self:
        try:
            for server in self.servers.values():
                server.start()
            until(self._is_in_step, "the servers are in step")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        for server in reversed(self.servers.values()):
            with contextlib.suppress(ProcessLookupError):
                server.kill()

    def start(self) -> Self:
        """See `__enter__`."""
        return self.__enter__()

    def kill(self) -> None:
        """See `__exit__`."""
        self.__exit__()

    def ask(self, name: str, *command: str | int) -> Any:
        """A server's reply."""
        with redis.Redis(port=self.servers[name].port, socket_timeout=5) as client:
            return client.execute_command(*command)

    def _on(self, ports: list[int]) -> RedisServer:
        """Raises: StopIteration, if it is none of ours."""
        return next(server for server in self.servers.values() if server.port in ports)

    def _is_in_step(self) -> bool:
        raise NotImplementedError
