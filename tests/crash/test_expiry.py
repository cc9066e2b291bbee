import contextlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from ops.mock_posting.client import MockPosting
from ops.redis_server import RedisServer
from tests.crash.cells import STEPS
from tests.crash.cuts import Cut
from tests.crash.world import NOTHING, SETTINGS, BrokenPromise, Died, Mutations, World, run_to_quiet
from txn.model.transaction import Status
from txn.readers.statistics import StatisticsReader
from txn.store.database import Database

#: Within the first lease, and longer than the slowest machine takes to come to a cut.
LONG = SETTINGS.model_copy(update={"lease_ms": 60_000})
EXPIRES_MS = 30_000
AFTER_THE_DOUBT_MS = 100_000
POSTING = ("fine", "fails before", "fails after", "hangs then writes", "404 then visible", "down", "proves nothing")
NOT_SENT = {"before claim", "after claim", "before get", "after get"}
CELLS = list(product(STEPS, (False, True), POSTING))


def play(world: World, cut: str, dies: bool, posting: str, later_ms: int = EXPIRES_MS) -> None:
    """It expires at the cut, and perhaps the worker dies there. Others come `later_ms`. Raises: BrokenPromise."""
    now_ms = StatisticsReader(Database(world.client, world.keys, world.clock)).read().now_ms
    world.submission = replace(world.submission, deliver_by_ms=now_ms + EXPIRES_MS)

    def strike() -> None:
        world.forward(EXPIRES_MS)
        if dies:
            raise Died

    place = Cut(cut, strike)
    first = world.worker(place)
    world.posting_does(posting)
    first.accept()
    with contextlib.suppress(Died):
        first.work()
    world.forward(later_ms)
    run_to_quiet(world, world.worker())
    world.back_up()
    check(world, (cut, dies, posting), sent=not place.reached or cut not in NOT_SENT)


def check(world: World, cell: tuple[str, bool, str], *, sent: bool) -> None:
    transaction, rows = world.transaction(), world.rows()
    expired = transaction.failure is not None and transaction.failure.code == "expired"
    if not (expired and rows == 0) and not (transaction.status is Status.COMPLETED and rows == 1):
        raise BrokenPromise(f"{rows} rows, {transaction}: {cell}")
    if world.mock.stats()["posts"] and not sent:
        raise BrokenPromise(f"posted although it had expired: {cell}")


@contextlib.contextmanager
def a_world(server: RedisServer, mock: MockPosting, mutations: Mutations = NOTHING) -> Iterator[World]:
    mock.reset()
    world = World(server, mock, mutations, LONG)
    try:
        yield world
    finally:
        world.back_up()
        world.close()


@pytest.mark.parametrize("cut", STEPS)
def test_whatever_expires_at(cut: str, crash_server: RedisServer, crash_mock: MockPosting) -> None:
    for cell in CELLS:
        if cell[0] == cut:
            with a_world(crash_server, crash_mock) as world:
                play(world, *cell)


DOUBT = "elseif (tonumber(r[4]) or 0) > now or quarantined > now then\n        mode = 'confirm'"
FINAL = "mode = was_sent and 'final' or 'expired'"
UNSENT = "(tonumber(r[2]) or math.huge) <= now and not may_be_posted"
WITHOUT: dict[str, Mutations] = {
    "the doubt": {"claim": ((DOUBT, f"elseif left and left <= 0 then\n        mode = 'expired'\n    {DOUBT}"),)},
    "the GET": {"claim": ((FINAL, "mode = 'expired'"),)},
    "the look at what was sent": {"due": ((UNSENT, "(tonumber(r[2]) or math.huge) <= now"),)},
    "the last check": {"claim": (("left and int(left) or ''", "''"),)},
}


@pytest.mark.parametrize(
    ("name", "cell", "broken"),
    [
        ("the doubt", ("after post", True, "fine"), "1 rows"),
        ("the GET", ("after post", True, "fine"), "1 rows"),
        ("the look at what was sent", ("after settle", False, "404 then visible"), "1 rows"),
        ("the last check", ("after get", False, "fine"), "posted although it had expired"),
    ],
)
def test_without_it_a_cell_breaks(
    name: str, cell: tuple[str, bool, str], broken: str, crash_server: RedisServer, crash_mock: MockPosting
) -> None:
    with a_world(crash_server, crash_mock, WITHOUT[name]) as world, pytest.raises(BrokenPromise, match=broken):
        play(world, *cell, AFTER_THE_DOUBT_MS if name == "the GET" else EXPIRES_MS)
