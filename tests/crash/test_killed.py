import json
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from ops.mock_posting.client import MockPosting
from ops.redis_server import RedisServer
from tests.crash.cells import CUTS, STEPS, Cell
from tests.crash.play import ask_again, check
from tests.crash.world import World, run_to_quiet

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("cut", "on_a_loop"),
    [
        *((cut, False) for cut in CUTS),
        # A process each. Of those on a loop, every third in `make test`.
        *(
            (cut, True) if number % 3 == 0 else pytest.param(cut, True, marks=pytest.mark.slow)
            for number, cut in enumerate(STEPS)
        ),
    ],
)
def test_a_process_killed_with_9_leaves_what_others_bring_to_the_end(
    cut: str, on_a_loop: bool, crash_server: RedisServer, crash_mock: MockPosting
) -> None:
    crash_mock.reset()
    posting = "fails after" if cut.endswith("verify") else "fine"
    cell, name = Cell(cut, "dies", posting, "alone"), uuid.uuid4().hex[:8]
    told = {"cell": cell, "name": name, "redis_url": crash_server.url, "on_a_loop": on_a_loop}
    told |= {"port": crash_mock.port, "control_port": crash_mock.control_port}
    command = [sys.executable, "-m", "tests.crash.child"]
    child = subprocess.run(command, input=json.dumps(told), cwd=ROOT, text=True, timeout=60, check=False)
    assert child.returncode == -signal.SIGKILL
    world = World(crash_server, crash_mock, name=name)
    # A clock of our own begins where the dead one's ended: it had moved at most past the grace.
    world.clock.forward(world.settings.grace_ms)
    try:
        ask_again(world, cell)
        run_to_quiet(world, world.worker())
        check(world, cell)
    finally:
        world.close()
