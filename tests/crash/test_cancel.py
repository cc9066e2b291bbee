import contextlib
from itertools import product

import pytest

from ops.mock_posting.client import MockPosting
from ops.redis_server import RedisServer
from tests.crash.cells import STEPS
from tests.crash.cuts import Cut
from tests.crash.test_expiry import a_world
from tests.crash.world import NOTHING, BrokenPromise, Died, Mutations, Worker, World, run_to_quiet
from txn.errors import NotCancellable
from txn.model.transaction import Status

POSTING = ("fine", "fails before", "fails after", "hangs then writes", "404 then visible", "down", "proves nothing")
CELLS = list(product(STEPS, (False, True), POSTING))
#: What cannot be cancelled at the cut may be so when the delivery is over.
GOES = {"before claim"}


def cancelled(worker: Worker, world: World) -> bool:
    try:
        worker.store.cancel(world.id, "ann")
    except NotCancellable:
        return False
    return True


def play(world: World, cut: str, dies: bool, posting: str) -> list[bool]:
    """It is cancelled at the cut, when the delivery is over, and again when a lease and the doubt are over: whether
    each of them went well. Raises: BrokenPromise."""
    done = list[bool]()
    client = world.worker()

    def strike() -> None:
        done.append(cancelled(client, world))
        if dies:
            raise Died

    first = world.worker(Cut(cut, strike))
    world.posting_does(posting)
    first.accept()
    with contextlib.suppress(Died):
        first.work()
    done.append(cancelled(client, world))
    world.forward(world.settings.lease_ms + world.settings.doubt_window_ms)
    done.append(cancelled(client, world))
    run_to_quiet(world, world.worker())
    world.back_up()
    check(world, (cut, dies, posting), any(done))
    return done


def check(world: World, cell: tuple[str, bool, str], taken_back: bool) -> None:
    transaction, rows = world.transaction(), world.rows()
    is_cancelled = transaction.failure is not None and transaction.failure.code == "cancelled"
    if taken_back != is_cancelled or rows != (0 if taken_back else 1):
        raise BrokenPromise(f"{rows} rows, {transaction}: {cell}")
    if not taken_back and transaction.status is not Status.COMPLETED:
        raise BrokenPromise(f"it was not cancelled, and {transaction}: {cell}")


@pytest.mark.parametrize("cut", STEPS)
def test_whatever_is_cancelled_at(cut: str, crash_server: RedisServer, crash_mock: MockPosting) -> None:
    for cell in CELLS:
        if cell[0] == cut:
            with a_world(crash_server, crash_mock) as world:
                done = play(world, *cell)
            assert done[0] == (cut in GOES) or cell[2] == "down", cell


def test_what_found_nobody_there_is_cancelled_when_its_delivery_is_over(
    crash_server: RedisServer, crash_mock: MockPosting
) -> None:
    with a_world(crash_server, crash_mock) as world:
        assert play(world, *("after get", False, "down")) == [False, True, True]


UNSURE = ("before settle", False, "hangs then writes")
UNPROVEN: dict[str, Mutations] = {
    "that an attempt was none": {"cancel": (("(tonumber(r[7]) or 0) > (tonumber(r[11]) or 0)", "false"),)},
    "that it is clear": {"settle": (("may_have_posted and doubt == 'clear'", "may_have_posted"),)},
}


@pytest.mark.parametrize("name", UNPROVEN)
def test_without_the_proof_a_cell_breaks(name: str, crash_server: RedisServer, crash_mock: MockPosting) -> None:
    with a_world(crash_server, crash_mock, UNPROVEN[name]) as world, pytest.raises(BrokenPromise, match="1 rows"):
        play(world, *UNSURE)
    with a_world(crash_server, crash_mock, NOTHING) as world:
        play(world, *UNSURE)
