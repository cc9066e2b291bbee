"""A port of this machine that can be closed, connections and all, and opened again."""

import asyncio
import contextlib
import os
import socket
from typing import Any

import falcon.asgi
import psutil
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

_POLL_S = 0.005
_OPTIONS: dict[str, Any] = {
    "interface": Interfaces.ASGINL,
    "http": HTTPModes.http1,
    "websockets": False,
    "backlog": 1024,
    "backpressure": 65_536,  # requests at once: those that hang must not keep others out
    "log_enabled": False,
}


class CannotListen(Exception):
    """Names the port, and says why not."""


class Port:
    """Serves an application on the running event loop, as any number of others may."""

    def __init__(self, app: falcon.asgi.App[Any, Any], host: str, port: int) -> None:
        self._app, self._host, self._port = app, host, port
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Returns when connections are taken; does nothing if they are already.

        Raises: CannotListen.
        """
        async with self._lock:
            if self._server is not None:
                return
            self._check_free()
            server = Server(self._app, self._host, self._port, **_OPTIONS)
            self._serving = asyncio.create_task(server.serve())
            while not self._taken():
                if self._serving.done():
                    raise CannotListen(f"port {self._port} cannot be used: {self._serving.exception()}")
                await asyncio.sleep(_POLL_S)
            self._server = server

    async def close(self) -> None:
        """Returns when new connections are refused and those there were are closed, answered or not."""
        async with self._lock:
            if self._server is None or self._serving is None:
                return
            self._server.stop()  # type: ignore[no-untyped-call]
            while self._taken():
                await asyncio.sleep(_POLL_S)
            while self._cut() or not self._serving.done():
                await asyncio.sleep(_POLL_S)
            self._server = None

    def _check_free(self) -> None:
        """The server would share the port with another of its kind instead of complaining."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what closed connections leave does not count
            try:
                probe.bind((self._host, self._port))
            except OSError as error:
                raise CannotListen(f"port {self._port} cannot be used: {error.strerror}") from None

    def _taken(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self._host, self._port)) == 0

    def _cut(self) -> int:
        """The server waits for its connections to end by themselves, so they are shut under its feet; how many."""
        cut = 0
        for connection in psutil.Process().net_connections("tcp"):
            if connection.raddr and connection.laddr.port == self._port and connection.fd >= 0:
                with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fd)) as own:
                    if own.getsockname()[1] == self._port:  # and not one that got this number meanwhile
                        own.shutdown(socket.SHUT_RDWR)
                        cut += 1
        return cut
