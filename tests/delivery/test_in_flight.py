import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from ops.mock_posting.client import MockPosting
from ops.redis_server import RedisServer
from ops.waiting import until
from tests.crash.cuts import PassedOn
from tests.parts import Clock, Parts, submission
from tests.unit.test_trace import GIVEN, TRACE
from txn.clock import boot_ms
from txn.delivery import pulse as pulses
from txn.delivery.in_flight import InFlight, Kit
from txn.delivery.loop_steps import LoopSteps
from txn.delivery.pulse import Pulse
from txn.delivery.rules import Rules
from txn.delivery.steps import Steps
from txn.errors import SettleLost, StoreUnavailable
from txn.logs.trace import stamp
from txn.model.claim import Claim
from txn.model.outcome import Settlement, SettleReply
from txn.posting.curl_multi import MultiTransport
from txn.posting.results import Lookup
from txn.posting.service import AsyncPostingService
from txn.settings import Settings
from txn.store.flusher import Flusher

PATIENCE_S = 60.0
Wrap = Callable[[Steps], Steps]


def as_they_are(steps: Steps) -> Steps:
    return steps


class Process:
    """What a worker process has of deliveries. `wrap` puts other steps before the real ones."""

    def __init__(
        self,
        parts: Parts,
        mock: MockPosting,
        limit: int = 100,
        wrap: Wrap = as_they_are,
        most_lag_ms: float = 60_000,  # a busy machine makes a loop lag
        started: bool = True,
    ) -> None:
        self.parts, self.mock, self._wrap, self._most_lag_ms = parts, mock, wrap, most_lag_ms
        self.lag_ms = 0  # by how much the clock of the pulse is ahead
        self.in_flight = InFlight(self._open_kit, limit)
        if started:
            self.in_flight.start()
        self._closed = False

    def _open_kit(self) -> Kit:
        settings = self.parts.settings
        self.pulse = Pulse(lambda what, seconds: None, lambda: boot_ms() + self.lag_ms)
        flusher = Flusher(self.parts.database)
        transport = MultiTransport(self.mock.url)
        posting = AsyncPostingService(transport, settings.posting_timeout_ms)
        steps = LoopSteps(self.parts.store, flusher, posting, self.pulse, self._most_lag_ms)
        rules = Rules(self._wrap(steps), settings, boot_ms=lambda: boot_ms() + self.parts.clock())
        return Kit(rules, steps, flusher, self.pulse, transport)

    def begin(self, *ids: str) -> None:
        for name in ids:
            assert self.in_flight.reserve(1)
            self.in_flight.begin([name])

    def drain(self) -> None:
        self.in_flight.stop_taking()
        emptied = threading.Thread(target=self.in_flight.wait_until_empty)
        emptied.start()
        emptied.join(PATIENCE_S)
        assert not emptied.is_alive()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.in_flight.stop_taking()
            self.in_flight.close()


@pytest.fixture
def parts(valkey: RedisServer, settings: Settings, clock: Clock) -> Iterator[Parts]:
    with Parts(valkey.url, settings, clock) as found:
        yield found


@pytest.fixture
def process(parts: Parts, mock: MockPosting) -> Iterator[Callable[..., Process]]:
    opened: list[Process] = []

    def build(**options: Any) -> Process:
        opened.append(Process(parts, mock, **options))
        return opened[-1]

    yield build
    for one in opened:
        one.close()


def test_many_are_on_their_way_at_once_and_each_is_posted_once(
    process: Callable[..., Process], parts: Parts, mock: MockPosting
) -> None:
    mock.faults(hang_until_released=1.0)
    ids = [parts.accept() for _ in range(100)]
    one = process()
    one.begin(*ids)
    until(lambda: mock.stats()["in_flight"] == 100)
    mock.faults()
    mock.release()
    one.drain()
    assert {parts.status(name) for name in ids} == {"completed"}
    assert sorted(row["id"] for row in mock.rows()) == sorted(ids)


def test_those_that_begin_together_have_owners_of_their_own(process: Callable[..., Process], parts: Parts) -> None:
    owners: dict[str, str] = {}

    class Seen(PassedOn):
        async def claim(self, transaction_id: str, owner: str) -> Claim | None:
            owners[transaction_id] = owner
            return await super().claim(transaction_id, owner)

    ids = [parts.accept() for _ in range(20)]
    one = process(wrap=Seen)
    assert one.in_flight.reserve(len(ids))
    one.in_flight.begin(ids)
    one.drain()
    assert {parts.status(name) for name in ids} == {"completed"}
    assert set(owners) == set(ids)
    assert len(set(owners.values())) == len(ids)
    assert {len(owner) for owner in owners.values()} == {16}  # letters that stand for 12 bytes of chance


def test_without_uvloop_the_loop_is_asyncios_own(
    process: Callable[..., Process], parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    one = process()
    assert type(one.in_flight._loop).__module__.startswith("asyncio")
    ids = [parts.accept() for _ in range(20)]
    one.begin(*ids)
    one.drain()
    assert {parts.status(name) for name in ids} == {"completed"}


def test_there_is_a_place_again_when_a_delivery_is_over(process: Callable[..., Process], parts: Parts) -> None:
    one = process(limit=3)
    ids = [parts.accept() for _ in range(20)]
    one.begin(*ids)  # which waits for places
    one.drain()
    assert {parts.status(name) for name in ids} == {"completed"}


def test_who_finds_no_place_waits_and_is_told_when_there_will_be_none(
    process: Callable[..., Process], parts: Parts, mock: MockPosting
) -> None:
    mock.faults(hang_until_released=1.0)
    one = process(limit=2)
    one.begin(parts.accept(), parts.accept())
    got: list[bool] = []
    waits = threading.Thread(target=lambda: got.append(one.in_flight.reserve(1)))
    waits.start()
    waits.join(0.1)
    assert waits.is_alive()
    one.in_flight.stop_taking()
    waits.join(PATIENCE_S)
    assert got == [False]
    assert one.in_flight.reserve(1) is False


def test_a_place_that_is_not_used_can_be_given_back(process: Callable[..., Process], parts: Parts) -> None:
    one = process(limit=1)
    assert one.in_flight.reserve(1)
    one.in_flight.release(1)
    name = parts.accept()
    one.begin(name)
    one.drain()
    assert parts.status(name) == "completed"


def test_what_has_sent_nothing_when_the_process_ends_can_be_claimed_by_others_at_once(
    process: Callable[..., Process], parts: Parts, mock: MockPosting, caplog: pytest.LogCaptureFixture
) -> None:
    looking = threading.Semaphore(0)

    class Hanging(PassedOn):
        async def find(self, claim: Claim) -> Lookup:
            looking.release()
            await asyncio.Event().wait()
            raise AssertionError

    ids = [parts.accept() for _ in range(5)]
    one = process(wrap=Hanging)
    one.begin(*ids)
    for _ in ids:
        assert looking.acquire(timeout=PATIENCE_S)
    with caplog.at_level(logging.WARNING, "txn"):
        one.close()
    assert {parts.status(name) for name in ids} == {"pending"}
    assert {parts.record(name).get("attempts", "0") for name in ids} == {"0"}
    assert parts.read_statistics().totals.outcomes["released"] == 5
    assert parts.read_statistics().totals.late_settles == 0
    other = process()
    other.begin(*ids)
    other.drain()
    assert sorted(row["id"] for row in mock.rows()) == sorted(ids)
    assert "5 deliveries had not ended in time: given back" in caplog.messages


def test_what_was_sent_when_the_process_ends_stays_in_doubt(
    process: Callable[..., Process], parts: Parts, mock: MockPosting
) -> None:
    mock.faults(hang_until_released=1.0)
    name = parts.accept()
    one = process()
    one.begin(name)
    until(lambda: mock.stats()["in_flight"] == 1)
    one.close()
    record = parts.record(name)
    assert record["status"] == "pending"
    assert float(record["doubt"]) > parts.read_statistics().now_ms
    mock.faults()
    mock.release()
    parts.clock.forward(parts.settings.patience_ms + 1_000)
    other = process()
    other.begin(name)
    other.drain()
    assert parts.status(name) == "completed"
    assert len(mock.rows()) == 1


@pytest.mark.parametrize("error", [RuntimeError("a fault"), KeyboardInterrupt(), SystemExit(1), MemoryError()])
def test_what_escapes_a_delivery_is_settled_as_in_doubt_and_ends_nothing_else(
    process: Callable[..., Process], parts: Parts, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(PassedOn):
        async def find(self, claim: Claim) -> Lookup:
            if claim.id == "fails":
                raise error
            return await super().find(claim)

    parts.accept("fails")
    parts.accept("goes-well")
    one = process(wrap=Failing)
    one.begin("fails", "goes-well")
    one.drain()
    assert parts.status("goes-well") == "completed"
    record = parts.record("fails")
    assert record["status"] == "pending"
    assert record["error"] == f"delivery ended with {type(error).__name__}"
    assert float(record["doubt"]) > parts.read_statistics().now_ms
    [said] = [record for record in caplog.records if "does not know" in record.message]
    assert (said.transaction, said.exc_info is not None) == ("fails", True)  # type: ignore[attr-defined]


def test_what_is_said_of_a_delivery_names_its_trace_whatever_it_ends_in(
    process: Callable[..., Process], parts: Parts, mock: MockPosting
) -> None:
    class Failing(PassedOn):
        async def find(self, claim: Claim) -> Lookup:
            if claim.id == "escapes":
                raise ZeroDivisionError
            return await super().find(claim)

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append((getattr(record, "transaction", ""), record.msg, getattr(record, "trace_id", None)))

    said: list[tuple[str, str, str | None]] = []
    lines = Lines()
    lines.addFilter(stamp)
    for name, trace in (("escapes", GIVEN), ("fails", GIVEN.replace(TRACE, "1" * 32)), ("without", "")):
        parts.store.accept(replace(submission(name), trace=trace))
        mock.script(name, post=["reject"])
    one = process(wrap=Failing)
    logging.getLogger("txn").addHandler(lines)
    one.begin("escapes", "fails", "without")
    one.drain()
    logging.getLogger("txn").removeHandler(lines)
    assert sorted(said) == [
        ("escapes", "delivery ended with an error that it does not know", TRACE),
        ("fails", "transaction failed", "1" * 32),
        ("without", "transaction failed", None),
    ]


def test_a_process_whose_loop_has_ended_stops(
    process: Callable[..., Process], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    signals: list[tuple[int, int]] = []
    monkeypatch.setattr("os.kill", lambda pid, number: signals.append((pid, number)))

    def interrupt() -> None:
        raise KeyboardInterrupt

    one = process(limit=1)
    assert one.in_flight.reserve(1)
    one.in_flight._loop.call_soon_threadsafe(interrupt)
    assert one.in_flight.reserve(1) is False, "nobody waits for a place that will never be free"
    one.in_flight.wait_until_empty()
    one.in_flight._thread.join(PATIENCE_S)
    assert signals == [(os.getpid(), signal.SIGTERM)]
    assert "the event loop of the deliveries has ended: this process stops" in caplog.messages
    monkeypatch.setattr("txn.delivery.in_flight.GIVE_BACK_S", 0.1)
    one.close()


def test_what_could_not_be_settled_is_not_settled_again_as_something_worse(
    process: Callable[..., Process], parts: Parts, mock: MockPosting
) -> None:
    class Losing(PassedOn):
        async def settle(self, transaction_id: str, owner: str, settlement: Settlement) -> SettleReply:
            settled.append(settlement)
            raise StoreUnavailable("away")

    settled: list[Settlement] = []
    name = parts.accept()
    one = process(wrap=Losing)
    one.begin(name)
    one.drain()
    assert len(settled) == 1
    assert parts.status(name) == "processing"
    assert len(mock.rows()) == 1
    assert issubclass(SettleLost, StoreUnavailable)


def test_a_claim_without_redis_is_settled_as_that(process: Callable[..., Process], parts: Parts) -> None:
    class Unanswered(PassedOn):
        async def claim(self, transaction_id: str, owner: str) -> Claim | None:
            await super().claim(transaction_id, owner)
            raise StoreUnavailable("the answer was lost")

    name = parts.accept()
    one = process(wrap=Unanswered)
    one.begin(name)
    one.drain()
    assert parts.status(name) == "pending"
    assert parts.read_statistics().totals.outcomes["store"] == 1


def test_a_loop_that_lags_too_much_posts_nothing(
    process: Callable[..., Process], parts: Parts, mock: MockPosting
) -> None:
    class Late(PassedOn):
        async def find(self, claim: Claim) -> Lookup:
            found = await super().find(claim)
            one.lag_ms += 60_000 + pulses.BEAT_MS + 1
            return found

    name = parts.accept()
    one = process(wrap=Late)
    one.begin(name)
    one.drain()
    assert mock.stats()["posts"] == 0
    assert parts.status(name) == "pending"
    assert parts.read_statistics().totals.outcomes["released"] == 1


def test_a_delivery_that_never_yields_is_named_while_it_does_not(
    process: Callable[..., Process], parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    ends = threading.Event()

    class Selfish(PassedOn):
        async def find(self, claim: Claim) -> Lookup:
            if claim.id == "selfish":
                ends.wait(PATIENCE_S)
            return await super().find(claim)

    def named() -> list[logging.LogRecord]:
        return [record for record in caplog.records if "does not let the others go on" in record.message]

    parts.accept("selfish")
    name = parts.accept()
    one = process(wrap=Selfish)
    one.begin("selfish", name)
    until(lambda: len(named()) == 1)
    assert one.pulse.lag_ms() >= pulses.PATIENCE_MS
    ends.set()
    one.drain()
    [said] = named()
    assert said.transaction == "selfish"  # type: ignore[attr-defined]
    assert "test_in_flight.py" in said.detail  # type: ignore[attr-defined]
    assert parts.status(name) == "completed"
