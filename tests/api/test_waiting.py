import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import falcon.testing
import pytest
from falcon.testing import Result

from ops.waiting import until
from tests.api.client import problem, submit
from tests.api.conforming import Conforming as TestClient
from tests.parts import Parts
from txn.api.app import create_app
from txn.api.waiting import ANY, Waiters
from txn.errors import StoreUnavailable
from txn.model.outcome import Cause, Completed, Maybe, Retry
from txn.model.transaction import Evidence
from txn.store.changes import Change, Changes
from txn.store.durability import DurabilityMonitor

#: Nobody waits as long as that here.
LONG = "30"


class Watched(Changes):
    """`looked` is set when those who wait have been told of all that came before; `reads` counts the looks, and
    `readers` are the threads that look.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.database)
        self.reads, self.readers, self.looked = 0, set[int](), threading.Event()

    def changed(self, place: str, wait_ms: int) -> tuple[str, list[Change]]:
        self.reads += 1
        self.readers.add(threading.get_ident())
        self.looked.set()
        return super().changed(place, wait_ms)


@pytest.fixture
def watched(parts: Parts) -> Watched:
    return Watched(parts)


@pytest.fixture
def waiters(watched: Watched) -> Waiters:
    return Waiters(watched, most=3)


@pytest.fixture
def api(parts: Parts, monitor: DurabilityMonitor, waiters: Waiters) -> TestClient:
    changes = Changes(parts.database)
    app = create_app(parts.store, parts.statistics, monitor, parts.timings, changes=changes, waiters=waiters)
    return TestClient(app)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def read(api: TestClient, name: str, wait: str = LONG, **headers: str) -> Result:
    query = f"wait={wait}" if wait else ""
    return api.simulate_get(f"/api/transactions/{name}", query_string=query, headers=headers)


def complete(parts: Parts, name: str) -> None:
    parts.settle(parts.claimed(name), Completed(Evidence.POSTED), answered=True, taken=True)


def until_waiting(watched: Watched, waiters: Waiters, count: int = 1) -> None:
    assert watched.looked.wait(30)
    until(lambda: waiters._count >= count)


def timed(answer: "Future[Result]") -> Result:
    """Far earlier than the wait would have ended."""
    return answer.result(60)


def test_the_answer_comes_with_the_end(
    api: TestClient, parts: Parts, pool: ThreadPoolExecutor, watched: Watched, waiters: Waiters
) -> None:
    for name in ("a", "b"):
        parts.accept(name)
    waiting = {name: pool.submit(read, api, name) for name in ("a", "b")}
    until_waiting(watched, waiters, 2)
    complete(parts, "a")
    assert timed(waiting["a"]).json["status"] == "completed"
    assert not waiting["b"].done()
    parts.settle(parts.claimed("b"), Completed(Evidence.POSTED), answered=True, taken=True)
    assert timed(waiting["b"]).json["status"] == "completed"


def test_a_retry_is_no_end(
    api: TestClient, parts: Parts, pool: ThreadPoolExecutor, watched: Watched, waiters: Waiters
) -> None:
    parts.accept("a")
    waiting = pool.submit(read, api, "a")
    until_waiting(watched, waiters)
    parts.settle(parts.claimed("a"), Retry(Cause.UNCERTAIN, "503", Maybe(0), 0), answered=True)
    assert not waiting.done()
    parts.clock.forward(1)
    complete(parts, "a")
    assert timed(waiting).json["status"] == "completed"


def test_what_has_ended_is_answered_at_once_and_nobody_reads_the_feed(
    api: TestClient, parts: Parts, watched: Watched
) -> None:
    parts.fail("a")
    assert read(api, "a").json["status"] == "failed"
    assert watched.reads == 0


def test_after_the_wait_it_is_answered_as_it_is(api: TestClient, parts: Parts, waiters: Waiters) -> None:
    parts.accept("a")
    began = time.monotonic()
    assert read(api, "a", "0.3").json["status"] == "pending"
    assert time.monotonic() - began >= 0.3
    assert waiters._count == 0
    assert not waiters._places


def test_an_unknown_id_is_not_waited_for(api: TestClient) -> None:
    problem(read(api, "nobody"), 404, "not_found")


def test_many_wait_with_one_reader(
    api: TestClient, parts: Parts, pool: ThreadPoolExecutor, watched: Watched, waiters: Waiters
) -> None:
    for name in ("a", "b", "c"):
        parts.accept(name)
    waiting = [pool.submit(read, api, name) for name in ("a", "b", "c")]
    until_waiting(watched, waiters, 3)
    for name in ("a", "b", "c"):
        complete(parts, name)
    assert [timed(one).json["status"] for one in waiting] == ["completed"] * 3
    assert len(watched.readers) == 1


def test_beyond_the_bound_it_is_answered_at_once(
    api: TestClient, parts: Parts, pool: ThreadPoolExecutor, watched: Watched, waiters: Waiters
) -> None:
    parts.accept("a")
    waiting = [pool.submit(read, api, "a") for _ in range(3)]
    until_waiting(watched, waiters, 3)
    assert read(api, "a").json["status"] == "pending"
    assert api.simulate_get("/api/events", query_string="wait=30").json["events"] == []
    complete(parts, "a")
    assert [timed(one).json["status"] for one in waiting] == ["completed"] * 3
    assert waiters._count == 0


def test_what_ends_between_the_look_and_the_wait_is_seen(parts: Parts, watched: Watched) -> None:
    waiters, looks = Waiters(watched), 0

    def look() -> bool:
        nonlocal looks
        looks += 1
        if looks == 1:
            parts.accept("a")
            complete(parts, "a")
            return False
        return True

    began = time.monotonic()
    assert waiters.until(falcon_request(), "a", 30, look)
    assert time.monotonic() - began < 20


def falcon_request() -> Any:
    return falcon.testing.create_req()


def test_a_process_that_ends_answers_those_who_wait(parts: Parts, watched: Watched) -> None:
    waiters, ending, request = Waiters(watched), threading.Event(), falcon_request()
    request.env["txn.ending"] = ending.is_set
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(waiters.until, request, ANY, 30, lambda: False)
        until_waiting(watched, waiters)
        ending.set()
        assert waiting.result(60)


def test_redis_away_ends_the_wait_with_an_error_and_the_next_one_works(
    parts: Parts,
) -> None:
    class Broken(Watched):
        is_broken = True

        def changed(self, place: str, wait_ms: int) -> tuple[str, list[Change]]:
            if self.is_broken:
                self.is_broken = False
                raise StoreUnavailable("away")
            return super().changed(place, wait_ms)

    waiters, looks = Waiters(Broken(parts)), 0

    def look() -> bool:
        nonlocal looks
        looks += 1
        return looks >= 4  # the first, when the reader begins, when it fails, when it begins again

    assert waiters.until(falcon_request(), "a", 30, look)


def test_a_submit_may_wait_too(
    api: TestClient, parts: Parts, pool: ThreadPoolExecutor, watched: Watched, waiters: Waiters
) -> None:
    waiting = pool.submit(lambda: submit(api, key="k", Prefer="wait=20"))
    until_waiting(watched, waiters)
    [name] = parts.queued()
    complete(parts, name)
    answer = timed(waiting)
    assert (answer.status_code, answer.json["status"]) == (202, "completed")
    assert (answer.headers["Preference-Applied"], answer.headers["Location"]) == (
        "wait=20",
        f"/api/transactions/{name}",
    )
    again = submit(api, key="k", Prefer="wait=20")
    assert (again.status_code, again.json["status"], again.headers["Idempotent-Replayed"]) == (200, "completed", "true")


def test_a_refused_submit_does_not_wait(api: TestClient, watched: Watched) -> None:
    assert submit(api, b"{}", Prefer="wait=20").status_code == 400
    assert watched.reads == 0


@pytest.mark.parametrize("wait", ["-1", "x", "31", "1e1", "", " 1", "1&wait=2", "99999", "\u0661"])
def test_a_wait_that_is_none_is_refused(api: TestClient, parts: Parts, wait: str) -> None:
    parts.accept("a")
    problem(api.simulate_get("/api/transactions/a", query_string=f"wait={wait}"), 400, "invalid", "wait")


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=0", "wait=0"),
        ('respond-async, wait="0"; a=b', "wait=0"),
        ("WAIT = 0", "wait=0"),
        ("await=5", None),
        ("wait=x", None),
        ("wait=5x", None),
        ("wait=-1", None),
        ("return=minimal", None),
    ],
)
def test_a_preference_is_granted_or_ignored(api: TestClient, parts: Parts, prefer: str, applied: str | None) -> None:
    parts.accept("a")
    answer = read(api, "a", "", Prefer=prefer)
    assert (answer.status_code, answer.headers.get("Preference-Applied")) == (200, applied)


def test_a_long_preference_is_granted_in_part(api: TestClient, parts: Parts) -> None:
    parts.fail("a")
    assert read(api, "a", "", Prefer="wait=86400").headers["Preference-Applied"] == "wait=30"


def test_what_was_tried_is_told_as_it_is_at_the_end_of_the_wait(
    api: TestClient, parts: Parts, pool: ThreadPoolExecutor, watched: Watched, waiters: Waiters
) -> None:
    parts.accept("a")
    waiting = pool.submit(api.simulate_get, "/api/transactions/a?wait=30&include=attempts")
    until_waiting(watched, waiters)
    complete(parts, "a")
    answer = timed(waiting).json
    assert answer["status"] == "completed"
    assert "attempts" in answer
