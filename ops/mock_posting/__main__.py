"""`python -m ops.mock_posting --port 8080`: starts both ports in one process, over one store."""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
from typing import Any

import falcon.asgi
from granian.constants import Interfaces
from granian.server.embed import Server
from pydantic import ValidationError

from ops.mock_posting.control import create_control
from ops.mock_posting.faults import FaultPlan, Faults
from ops.mock_posting.ledger import Ledger
from ops.mock_posting.service import PostingService


class Port:
    """A port that can be closed, connections and all, and opened again."""

    def __init__(self, app: PostingService | falcon.asgi.App, host: str, port: int) -> None:
        self._app, self._host, self._port = app, host, port
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start listening; returns when connections are taken."""
        if self._server is not None:
            return
        options: dict[str, Any] = {
            "interface": Interfaces.ASGI,
            "log_enabled": False,
            "websockets": False,
            "backlog": 1024,
        }
        self._server = Server(self._app, self._host, self._port, **options)
        self._serving = asyncio.create_task(self._server.serve())
        while not self._listening():
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Stop listening; returns when connections are refused."""
        if self._server is not None:
            self._server.stop()
            self._server = None
            while self._listening():
                await asyncio.sleep(0.01)

    def _listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self._host, self._port)) == 0


async def serve(options: argparse.Namespace) -> None:
    """Serve both ports until SIGTERM or SIGINT."""
    plan = FaultPlan(options.seed, options.faults)
    service = PostingService(Ledger(), plan)
    data = Port(service, options.host, options.port)
    control = Port(create_control(service, data.close, data.open), options.host, options.control_port)
    await control.open()
    await data.open()
    where = f"http://{options.host}"
    print(f"mock posting service on {where}:{options.port}, control on {where}:{options.control_port}", flush=True)
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    await stopped.wait()
    # Nothing here needs to be saved, and a request that hangs must not keep us.
    os._exit(0)


def main() -> None:
    """Parse the command line; refuse a taken port in one sentence."""
    parser = argparse.ArgumentParser(prog="python -m ops.mock_posting", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--control-port", type=int, help="default: port + 1")
    parser.add_argument("--seed", type=int, default=0, help="repeats the same faults for the same ids")
    parser.add_argument("--faults", type=_faults, default=Faults(), help="such as fail_before=0.1,latency_ms=100")
    options = parser.parse_args()
    options.control_port = options.control_port or options.port + 1
    for port in (options.port, options.control_port):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((options.host, port))
            except OSError as error:
                sys.exit(f"mock posting service: port {port} cannot be used: {error.strerror}")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options))


def _faults(text: str) -> Faults:
    try:
        return Faults.model_validate(dict(part.split("=", 1) for part in text.split(",") if part))
    except (ValidationError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    main()
