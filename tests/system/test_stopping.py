import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.stack import PATIENCE_S, Process, Stack

pytestmark = pytest.mark.timeout(300)

QUEUE = "deliver"
THREADS = 8
#: Four times the timeout of what hangs.
LEASE_S = 80
#: Long enough for what hangs to hang until it is released.
PATIENT = {"TXN_POSTING_TIMEOUT_MS": "20000", "TXN_DOUBT_WINDOW_MS": "20000", "TXN_IN_FLIGHT": str(THREADS)}


@pytest.fixture(params=["curl", "requests"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    settings = PATIENT | {"TXN_TRANSPORT": request.param}
    with Stack(tmp_path, settings, processes=1, threads=THREADS) as found:
        found.shutdown_s = 2 * LEASE_S  # else it gives up what hangs while a slow machine is still on its way
        yield found


def in_delivery(stack: Stack) -> int:
    """How many of the messages that a worker holds hang: on an event loop none, they are acknowledged by then."""
    return THREADS if stack.settings["TXN_TRANSPORT"] == "requests" else 0


def held(stack: Stack, consumer: bytes) -> int:
    found: int = stack.client.scard(f"txn:dramatiq:__acks__.{consumer.decode()}.{QUEUE}")
    return found


def stopping(stack: Stack, waiting: int) -> tuple[Process, Process, bytes, list[str]]:
    """A worker whose threads all hang, which has taken `waiting` more and is told to end; another one; all ids."""
    stack.mock.faults(hang_until_released=1.0)
    first = stack.start_worker()
    [name] = stack.heartbeats()
    hanging = stack.submit_many(THREADS, "hanging")
    stack.until(lambda: stack.mock.stats()["in_flight"] == THREADS, "every thread hangs")
    stack.mock.faults()
    ids = stack.submit_many(waiting, "waiting")
    stack.until(lambda: held(stack, name) == in_delivery(stack) + waiting, "it has taken them all")
    second = stack.start_worker()
    assert first.popen is not None
    first.popen.terminate()
    return first, second, name, [*hanging, *ids]


def test_what_a_stopping_worker_has_not_begun_is_delivered_by_another_at_once(stack: Stack) -> None:
    first, _, name, ids = stopping(stack, waiting=40)
    began = time.monotonic()
    stack.until(lambda: stack.client.hget("txn:count", "completed") == b"40", "another one delivers them")
    assert time.monotonic() - began < LEASE_S / 2, "before the leases are over"
    stack.until(lambda: held(stack, name) == in_delivery(stack), "it has given them back")
    stack.mock.release()
    assert first.popen is not None
    assert first.popen.wait(PATIENCE_S) == 0
    stack.until_quiet()
    stack.check_ledger(ids)


def test_a_stopping_worker_takes_nothing_more(stack: Stack) -> None:
    first, _, name, ids = stopping(stack, waiting=0)
    said = stack.folder / "worker0.log"
    stack.until(lambda: "Shutting down" in said.read_text(), "it has begun to stop")
    before = held(stack, name)
    more = stack.submit_many(200, "more")
    stack.until(lambda: stack.client.hget("txn:count", "completed") == b"200", "another one delivers them")
    assert before == held(stack, name) == in_delivery(stack)
    heartbeat = stack.client.zscore("txn:dramatiq:__heartbeats__", name)
    stack.until(lambda: stack.client.zscore("txn:dramatiq:__heartbeats__", name) > heartbeat, "it still lives")
    stack.mock.release()
    assert first.popen is not None
    assert first.popen.wait(PATIENCE_S) == 0
    stack.until_quiet()
    stack.check_ledger([*ids, *more])
