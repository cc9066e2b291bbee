"""Plays one cell, and says what promise it broke, if any."""

import contextlib
from collections.abc import Callable

import redis

from tests.crash.cells import Cell
from tests.crash.cuts import Cut
from tests.crash.world import BrokenPromise, Died, NeverReached, Worker, World, run_to_quiet
from txn.errors import TxnError
from txn.model.transaction import Status
from txn.posting.transport import MaybeSent


def play(world: World, cell: Cell) -> None:
    """Run the cell until all is quiet, then check the ledger and the states. Raises: BrokenPromise, NeverReached."""
    seconds: list[Worker] = []

    def strike() -> None:
        if cell.company == "second runs to quiet" and world.client.exists(world.keys.record(world.id)):
            seconds.append(world.worker())
            run_to_quiet(world, seconds[0])
        _fault(world, cell)

    cut = Cut(place(cell), strike)
    first = world.worker(cut)
    with contextlib.suppress(Died):
        story(world, cell, first)
    if not cut.reached:
        raise NeverReached(f"never came to the cut: {cell}")
    ask_again(world, cell)
    run_to_quiet(world, seconds[0] if seconds else world.worker())
    check(world, cell)


def place(cell: Cell) -> str:
    """Where the cut is. What Redis answers to a step is lost below the store, so that it does what it does then."""
    call = cell.cut.split()[-1]
    return f"answer of {call}" if cell.fault == "answer lost" and call in ("claim", "settle") else cell.cut


def story(world: World, cell: Cell, first: Worker) -> None:
    """What the first process does, up to the cut and beyond."""
    call = cell.cut.split()[-1]
    world.posting_does(cell.posting, rejected_before=call == "replay")
    _repeatedly(first.accept)
    if call == "replay":
        world.back_up()
        first.work()
        world.posting_does(cell.posting)
        _repeatedly(first.replay)
    if call == "due":
        world.lose_message()
        world.forward(world.settings.grace_ms)
    first.work()
    first.work()


def _repeatedly(request: Callable[[], None]) -> None:
    """A client or an operator who gets no answer asks again."""
    for _ in range(3):
        try:
            request()
        except (TxnError, RuntimeError):
            continue
        return


def ask_again(world: World, cell: Cell) -> None:
    """A client whose submit, or an operator whose replay, died with the process repeats it, elsewhere."""
    _repeatedly(world.worker().accept)
    if cell.cut.endswith("replay"):
        _repeatedly(world.worker().replay)
        world.back_up()


def _fault(world: World, cell: Cell) -> None:
    whole = world.settings.lease_ms + world.settings.doubt_window_ms
    match cell.fault:
        case "dies":
            raise Died
        case "exception":
            raise RuntimeError("a fault of our own")
        case "answer lost":
            http = cell.cut.split()[-1] in ("get", "post", "verify")
            raise MaybeSent("the answer is lost") if http else redis.ConnectionError("the answer is lost")
        case "short pause":
            world.forward(round(0.8 * whole))
        case "long pause":
            world.forward(2 * whole)
        case "redis restarts":
            world.server.kill()
            world.server.start()


def check(world: World, cell: Cell) -> None:
    """The ledger, the states and the counters, when all is quiet. Raises: BrokenPromise."""
    transaction, rows = world.transaction(), world.rows()
    rejected = cell.posting == "rejects"
    if rows != (0 if rejected else 1):
        raise BrokenPromise(f"{rows} rows upstream, transaction {transaction}: {cell}")
    expected = Status.FAILED if rejected else Status.COMPLETED
    if transaction.status is not expected:
        raise BrokenPromise(f"{transaction}, expected {expected}: {cell}")
    if world.mock.stats()["max_posts_in_flight_of_one_id"] > 1:
        raise BrokenPromise(f"two POSTs of one id at once: {cell}")
    counts = {name.decode(): int(value) for name, value in world.client.hgetall(world.keys.count).items()}
    left = {name: counts.get(name, 0) for name in ("pending", "processing", "retrying", "in_doubt")}
    if any(left.values()) or counts["accepted"] != 1 or counts.get("dead", 0) != int(rejected):
        raise BrokenPromise(f"counters {counts}: {cell}")
    if world.client.zcard(world.keys.due):
        raise BrokenPromise(f"finished, but in the due index: {cell}")
