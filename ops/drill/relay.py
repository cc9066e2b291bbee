"""A name that moves: a port of its own process that leads to another one, and from some moment on to yet another one.

Connections that are there at that moment stay where they are. `python -m ops.drill.relay PORT TARGET`; each line on
standard input is the next target, and is answered with how many connections stay behind.
"""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import uvloop

_ROOT = Path(__file__).parents[2]


class Relay:
    """The process, as its parent sees it."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self._command = [sys.executable, "-m", "ops.drill.relay", str(port), str(target)]

    def start(self) -> Self:
        """Returns when it listens."""
        self._process = subprocess.Popen(
            self._command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._answer()
        return self

    def lead_to(self, target: int) -> int:
        """From now on new connections go there: how many stay where they are."""
        print(target, file=self._process.stdin, flush=True)
        return self._answer()

    def stop(self) -> None:
        """End it, and every connection."""
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> int:
        if not (line := self._process.stdout.readline()):  # type: ignore[union-attr]
            raise RuntimeError("the relay has ended; why, it says on standard error")
        return int(line)


class _End(asyncio.Protocol):
    """One end of a connection: what comes here goes out at the other one."""

    def __init__(self, other: asyncio.WriteTransport | None = None) -> None:
        self.other = other

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.write(data)

    def connection_lost(self, _error: Exception | None) -> None:
        if self.other is not None:
            self.other.close()


class _Relaying:
    def __init__(self, target: int) -> None:
        self.target = target
        self.connecting: set[asyncio.Task[None]] = set()
        self.open = 0

    def serve(self) -> "_Client":
        return _Client(self)


class _Client(_End):
    """The end of who has connected. What comes before the other end is there waits for it."""

    def __init__(self, relaying: _Relaying) -> None:
        super().__init__()
        self._relaying = relaying
        self._early = b""

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._early += data
        else:
            self.other.write(data)

    def connection_made(self, transport: Any) -> None:
        connecting = asyncio.create_task(self._connect(transport))
        self._relaying.connecting.add(connecting)
        connecting.add_done_callback(self._relaying.connecting.discard)

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None:
            self._relaying.open -= 1
        super().connection_lost(error)

    async def _connect(self, transport: Any) -> None:
        loop = asyncio.get_running_loop()
        try:
            other, _ = await loop.create_connection(lambda: _End(transport), "127.0.0.1", self._relaying.target)
        except OSError:
            transport.close()
            return
        if transport.is_closing():
            other.close()
            return
        other.write(self._early)
        self.other = other
        self._relaying.open += 1


async def _run(port: int, target: int) -> None:
    relaying, loop = _Relaying(target), asyncio.get_running_loop()
    server = await loop.create_server(relaying.serve, "127.0.0.1", port)
    print(0, flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        relaying.target = int(line)
        print(relaying.open, flush=True)
    server.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(int(sys.argv[1]), int(sys.argv[2])))
