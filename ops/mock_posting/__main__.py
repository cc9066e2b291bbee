"""`python -m ops.mock_posting --port 8080`: both ports in one process, over one table, until SIGTERM or SIGINT."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from ops.mock_posting.control import create_control
from ops.mock_posting.endpoints import create_endpoints
from ops.mock_posting.faults import BadFaults, FaultPlan, Faults, parse_faults
from ops.mock_posting.port import CannotListen, Port
from ops.mock_posting.service import PostingService
from ops.mock_posting.table import CannotKeep, Kept


def main() -> None:
    """Exit code 1 and a sentence, if a port cannot be used; 2, if the command line is wrong."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    options = parse(sys.argv[1:])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """{host, port, control_port, seed, faults, bare_list, rows}. Raises: SystemExit 2, with a sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m ops.mock_posting", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_port, default=8080)
    parser.add_argument("--control-port", type=_port, help="default: port + 1")
    parser.add_argument("--seed", type=int, default=0, help="the same seed repeats the same faults for the same ids")
    parser.add_argument("--faults", type=_faults, default=Faults(), help="such as fail_before=0.1,latency_ms=100")
    parser.add_argument("--bare-list", action="store_true", help='the list as an array, not as {"data": [...]}')
    parser.add_argument(
        "--rows", type=Path, metavar="FILE", help="keep the rows there; default: they end with the process"
    )
    options = parser.parse_args(arguments)
    if options.control_port is None:
        options.control_port = options.port + 1
    if options.control_port == options.port or options.control_port > 65_535:
        parser.error("the control port must be another one, and 65535 at most")
    return options


async def serve(options: argparse.Namespace) -> None:
    """Serve both ports until a signal comes. Does not return."""
    service = PostingService(FaultPlan(options.seed, options.faults), _kept(options.rows))
    data = Port(create_endpoints(service, bare_list=options.bare_list), options.host, options.port)
    control = Port(create_control(service, data), options.host, options.control_port)
    try:
        await data.open()
        await control.open()
    except CannotListen as error:
        sys.exit(f"mock posting service: {error}")
    where = f"http://{options.host}"
    print(f"mock posting service on {where}:{options.port}, control on {where}:{options.control_port}", flush=True)
    await asyncio.Event().wait()


def _kept(path: Path | None) -> Kept | None:
    try:
        return None if path is None else Kept(path)
    except CannotKeep as error:
        sys.exit(f"mock posting service: {error}")


def _stop(*_signal: object) -> None:
    """At once: nothing here needs to be saved, and a request that hangs must not keep us."""
    os._exit(0)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)


def _faults(text: str) -> Faults:
    try:
        return parse_faults(text)
    except BadFaults as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    main()
