"""A port of this machine that can be closed, connections and all, and opened again."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import falcon.asgi
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ops.mock_posting.table import dumps

_BACKLOG = 1024
_TURN_S = 0.001
_NOTHING = 404, dumps({"detail": "Transaction not found"})
_CLOSING = 503, dumps({"detail": "not here any more"})


class CannotListen(Exception):
    """Names the port, and says why not."""


class Moved:
    """Behind connections of before a move: an old server, on its way out. `answers`: how often it was asked."""

    def __init__(self) -> None:
        self.connections = self.answers = 0

    def statistics(self) -> dict[str, int]:
        """{connections: that were there at the move, answers}."""
        return {"connections": self.connections, "answers": self.answers}

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """404 to a GET, 503 to all else."""
        while (await receive()).get("more_body"):
            pass
        self.answers += 1
        status, body = _NOTHING if scope["method"] == "GET" else _CLOSING
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Port:
    """Serves an application on the running event loop, as any number of others may.

    Only uvicorn's protocol is used, not its server: that one would take over the process and its signals.
    """

    def __init__(self, app: falcon.asgi.App[Any, Any], host: str, port: int) -> None:
        self._host, self._port = host, port
        self._config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=3_600,  # whoever is about to use an idle connection must not lose it in that moment
        )
        self._config.load()
        self._state = uvicorn.Server(self._config).server_state
        self.moved = Moved()
        self._listening: socket.socket | None = None
        #: Connections that are taken and not served yet.
        self._taking: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Returns when connections are taken; does nothing if they are already.

        Raises: CannotListen.
        """
        if self._listening is not None:
            return
        try:
            self._listening = socket.create_server((self._host, self._port), backlog=_BACKLOG)
        except OSError as error:
            raise CannotListen(f"port {self._port} cannot be used: {os.strerror(error.errno or 0)}") from None
        self._listening.settimeout(0)
        asyncio.get_running_loop().add_reader(self._listening, self._take_all, self._listening)

    def _take_all(self, listening: socket.socket) -> None:
        """All that wait. uvloop's own server takes one a turn: at full load a thousand would wait for seconds."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, _ = listening.accept()
                connection.settimeout(0)
                task = loop.create_task(loop.connect_accepted_socket(self._protocol, connection))
                self._taking.add(task)
                task.add_done_callback(self._taking.discard)

    def _protocol(self) -> HttpToolsProtocol:
        return HttpToolsProtocol(self._config, self._state, {})

    async def move(self) -> None:
        """The connections that are there lead to an old server from now on; new ones to the application, as before."""
        self.moved.connections = len(self._state.connections)
        for connection in self._state.connections:
            connection.app = self.moved  # type: ignore[union-attr]

    async def close(self) -> None:
        """Returns when new connections are refused and those there were are closed, answered or not."""
        if self._listening is None:
            return
        asyncio.get_running_loop().remove_reader(self._listening)
        self._listening.close()
        await asyncio.gather(*self._taking, return_exceptions=True)
        for connection in list(self._state.connections):
            connection.transport.abort()
        self._listening = None
        while self._state.connections:
            await asyncio.sleep(_TURN_S)
        await asyncio.sleep(_TURN_S)  # told of their end in one turn of the loop, closed in the next
