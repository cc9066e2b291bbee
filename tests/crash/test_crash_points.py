import os
import time
from collections import Counter

import pytest

from ops.mock_posting.client import MockPosting
from ops.redis_server import RedisServer
from tests.crash.cells import CUTS, STEPS, Cell, all_cells
from tests.crash.on_a_loop import LoopWorker
from tests.crash.play import play
from tests.crash.world import NeverReached, Worker, World

CELLS, EXCLUDED = all_cells()
#: `make test` plays one cell in so many, `make test-crash` all. No divisor in common with the sizes of the dimensions.
SAMPLE = 7
#: How often a cell is played at most in which the worker does not come to the cut.
TRIES = 5


def play_one(server: RedisServer, mock: MockPosting, cell: Cell, kind: type[Worker] = Worker) -> None:
    for left in reversed(range(TRIES)):
        mock.reset()
        world = World(server, mock, kind=kind)
        try:
            play(world, cell)
            return
        except Exception as error:
            if left and isinstance(error, NeverReached):
                continue  # the machine stood still for the 50 ms of a GET: no POST comes after it
            error.add_note(f"again: CELL='{cell}' make test-crash ARGS=-kevery_cell")
            raise
        finally:
            world.close()


@pytest.mark.parametrize("cut", CUTS)
def test_whatever_happens_at(cut: str, crash_server: RedisServer, crash_mock: MockPosting) -> None:
    play_all([cell for cell in CELLS[::SAMPLE] if cell.cut == cut], crash_server, crash_mock)


@pytest.mark.parametrize("cut", STEPS)
def test_whatever_happens_on_an_event_loop_at(cut: str, crash_server: RedisServer, crash_mock: MockPosting) -> None:
    cells = [cell for cell in CELLS[:: 3 * SAMPLE + 1] if cell.cut == cut]
    play_all(cells, crash_server, crash_mock, LoopWorker)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("cut", STEPS)
def test_whatever_happens_on_an_event_loop_in_every_cell(
    cut: str, crash_server: RedisServer, crash_mock: MockPosting
) -> None:
    wanted = chosen(os.environ.get("CELL"))
    play_all([cell for cell in wanted if cell.cut == cut], crash_server, crash_mock, LoopWorker)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("cut", CUTS)
def test_whatever_happens_at_in_every_cell(cut: str, crash_server: RedisServer, crash_mock: MockPosting) -> None:
    wanted = chosen(os.environ.get("CELL"))
    play_all([cell for cell in wanted if cell.cut == cut], crash_server, crash_mock)


def chosen(text: str | None) -> list[Cell]:
    """All of them, or the one that CELL names. Raises: LookupError."""
    if text is None:
        return CELLS
    if (cell := Cell.parse(text)) not in CELLS:
        raise LookupError(f"CELL={text!r} is none of the cells, which look like this: {CELLS[0]}")
    return [cell]


def test_a_cell_that_is_misspelt_is_no_cell_that_passed() -> None:
    assert chosen(str(CELLS[7])) == [CELLS[7]]
    for text in ("", "after post", f"{CELLS[7]}s", "after post / dies / fine"):
        with pytest.raises(LookupError, match="is none of the cells"):
            chosen(text)


def play_all(
    cells: list[Cell], crash_server: RedisServer, crash_mock: MockPosting, kind: type[Worker] = Worker
) -> None:
    began, failures = time.monotonic(), []
    for cell in cells:
        try:
            play_one(crash_server, crash_mock, cell, kind)
        except Exception as error:  # noqa: BLE001 - every cell is played, and every failure shown
            failures.append(f"{type(error).__name__}: {error}\n  {' '.join(error.__notes__)}")
    print(f"{len(cells)} cells in {time.monotonic() - began:.1f} s")
    assert not failures, f"{len(failures)} of {len(cells)} cells:\n" + "\n".join(failures[:20])


def test_the_cells_and_those_left_out_are_counted() -> None:
    for reason, count in Counter(one.reason for one in EXCLUDED).items():
        print(f"left out: {count} cells: {reason}")
    print(f"{len(CELLS)} cells over {len(CUTS)} cut points, {len(EXCLUDED)} left out")
    assert len({cell.cut for cell in CELLS}) == len(CUTS)
    assert len(CELLS) > 1_000
