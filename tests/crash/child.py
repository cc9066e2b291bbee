"""`python -m tests.crash.child`: the first process of a cell, killed with -9 at its cut; told by JSON on stdin."""

import json
import os
import signal
import sys
from types import SimpleNamespace
from typing import Any

import requests

from ops.mock_posting.client import MockPosting
from tests.crash.cells import Cell
from tests.crash.cuts import Cut
from tests.crash.on_a_loop import LoopWorker
from tests.crash.play import story
from tests.crash.world import Worker, World


def main() -> None:
    told: dict[str, Any] = json.load(sys.stdin)
    cell = Cell(*told["cell"])
    mock = MockPosting(told["port"], told["control_port"])
    mock._session = requests.Session()  # it runs already, started by our parent
    server: Any = SimpleNamespace(url=told["redis_url"])
    world = World(server, mock, name=told["name"], kind=LoopWorker if told["on_a_loop"] else Worker)
    cut = Cut(cell.cut, lambda: os.kill(os.getpid(), signal.SIGKILL))
    story(world, cell, world.worker(cut))
    sys.exit("never came to the cut")


if __name__ == "__main__":
    main()
