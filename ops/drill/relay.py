"""A name that moves: a port of its own process that leads to another one, and from some moment on to yet another one.

Connections that are there at that moment stay where they are. `python -m ops.drill.relay PORT TARGET`; each line on
standard input is the next target, and is answered with how many connections stay behind.
"""

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Self

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
            self.stop()
            raise RuntimeError("the relay has ended; why, it says on standard error")
        return int(line)


class _Relaying:
    """In the process: where new connections lead, and how many there are."""

    def __init__(self, target: int) -> None:
        self.target, self.open = target, 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either end closes it."""
        with contextlib.suppress(OSError), contextlib.closing(writer):
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            self.open += 1
            with contextlib.closing(back):
                ways = [asyncio.create_task(_pass_on(*way)) for way in ((reader, back), (there, writer))]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            self.open -= 1


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)


async def _run(port: int, target: int) -> None:
    relaying, loop = _Relaying(target), asyncio.get_running_loop()
    server = await asyncio.start_server(relaying.serve, "127.0.0.1", port)
    print(0, flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        relaying.target = int(line)
        print(relaying.open, flush=True)
    server.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(int(sys.argv[1]), int(sys.argv[2])))
