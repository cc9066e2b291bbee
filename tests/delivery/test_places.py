import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from txn.delivery.places import Places

PATIENCE_S = 60.0


class Line:
    """Threads that wait for places, one after the other, and what each was told."""

    def __init__(self, free: int) -> None:
        self.places = Places(free)
        self.told: dict[int, bool] = {}
        self._threads: list[threading.Thread] = []

    def join(self, count: int) -> None:
        """One more waits, behind the others."""
        waiting = len(self.places._waiting)
        number = len(self._threads)
        thread = threading.Thread(target=lambda: self.told.update({number: self.places.take(count)}), daemon=True)
        self._threads.append(thread)
        thread.start()
        ends = time.monotonic() + PATIENCE_S
        while len(self.places._waiting) == waiting and time.monotonic() < ends:
            threading.Event().wait(0.001)
        assert len(self.places._waiting) == waiting + 1

    def told_after(self, *numbers: int) -> dict[int, bool]:
        """What has been said, once these have heard."""
        for number in numbers:
            self._threads[number].join(PATIENCE_S)
            assert not self._threads[number].is_alive()
        return self.told


@pytest.fixture
def line() -> Iterator[Line]:
    one = Line(0)
    yield one
    one.places.close()


def test_who_waits_is_let_in_once_there_are_all_the_places_it_wants(line: Line) -> None:
    line.join(4)
    for _ in range(3):
        line.places.give(1)
        [waiter] = line.places._waiting
        assert waiter.wakes.locked()  # it sleeps on, and costs nobody a switch
    line.places.give(1)
    assert not line.places._waiting
    assert line.told_after(0) == {0: True}
    assert line.places.free == 0


def test_small_ones_do_not_overtake_a_big_one(line: Line) -> None:
    line.join(32)
    line.join(1)
    line.join(1)
    line.places.give(31)
    assert len(line.places._waiting) == 3
    line.places.give(1)
    assert line.told_after(0) == {0: True}
    line.places.give(1)
    assert line.told_after(1) == {0: True, 1: True}
    assert len(line.places._waiting) == 1


def test_who_comes_when_others_wait_does_not_take_what_they_wait_for(line: Line) -> None:
    line.join(3)
    line.places.give(2)
    line.join(1)  # for which there is a place
    assert line.places.free == 2
    line.places.give(2)
    assert line.told_after(0, 1) == {0: True, 1: True}
    assert line.places.free == 0


def test_places_that_become_free_together_let_in_all_for_whom_there_are_enough(line: Line) -> None:
    for count in (2, 3, 4, 5):
        line.join(count)
    line.places.give(10)
    assert line.told_after(0, 1, 2) == {0: True, 1: True, 2: True}
    assert line.places.free == 1


def test_who_waits_when_it_is_closed_gets_none_and_takes_none(line: Line) -> None:
    line.join(2)
    line.join(1)
    line.places.give(1)
    line.places.close()
    assert line.told_after(0, 1) == {0: False, 1: False}
    assert line.places.free == 1
    assert line.places.take(1) is False
    line.places.give(5)  # of what ends meanwhile
    assert line.places.take(1) is False


def test_many_threads_with_messages_of_all_sizes_never_hold_more_places_than_there_are() -> None:
    places, held, most = Places(40), 0, 0
    lock = threading.Lock()

    def deliver(count: int) -> None:
        nonlocal held, most
        for _ in range(200):
            assert places.take(count)
            with lock:
                held += count
                most = max(most, held)
            with lock:
                held -= count
            places.give(count)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(deliver, count) for count in (1, 1, 2, 8, 16, 32, 32, 40)]:
            done.result(PATIENCE_S)
    assert most <= 40
    assert places.free == 40
