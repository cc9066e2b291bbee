import time
from collections.abc import Iterator

import pytest

from ops.mock_posting.faults import FaultPlan, Faults
from tests.system.stack import Stack

pytestmark = pytest.mark.timeout(300)

#: How the posting service goes away: what it then does to POSTs, and to GETs.
OUTAGES: dict[str, dict[str, float]] = {
    "refuses connections": {},
    "503 to every POST": {"unavailable": 1},
    "500 to every POST": {"fail_before": 1},
    "POSTs hang": {"hang_write": 1, "hang_ms": 1_500},  # a second after the deadline, half of the doubt window
    "500 to everything": {"fail_before": 1, "get_fail": 1},
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("outage"), {"TXN_MAX_ATTEMPTS": "2", "TXN_ANSWER_IS_FINAL": "1"}) as found:
        yield found


@pytest.fixture
def stack(running: Stack) -> Stack:
    running.begin_anew()
    return running


def breaker(stack: Stack) -> str:
    return str(stack.numbers()["postingService"]["breaker"])


def asked_for(stack: Stack, seconds: float) -> tuple[int, float]:
    """Requests that the outage gets, and in how many seconds."""
    began, before = time.monotonic(), stack.mock.calls()
    stack.until(lambda: time.monotonic() - began > seconds, "some probes were made")
    return stack.mock.calls() - before, time.monotonic() - began


@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_uses_no_attempt_up_and_is_left_alone(stack: Stack, outage: str) -> None:
    check(stack, outage, 100, 6)


@pytest.mark.long
@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_longer_than_all_retries_uses_no_attempt_up(stack: Stack, outage: str) -> None:
    check(stack, outage, 2_000, 60)


def check(stack: Stack, outage: str, transactions: int, seconds: float) -> None:
    stack.start_worker(threads=16)
    accepted = stack.submit_many(20)
    stack.until_quiet()
    stack.mock.faults(**OUTAGES[outage])
    if not OUTAGES[outage]:
        stack.mock.down()
    accepted += stack.submit_many(transactions)
    stack.until(lambda: breaker(stack) == "open", "the breaker opens")
    stack.until(lambda: stack.numbers()["processing"] <= 1, "what was in flight has ended")
    requests, took_s = asked_for(stack, seconds)
    assert requests <= 2 * took_s + 6, "two a second, and what a probe makes at each edge of that time"
    accepted += stack.submit_many(transactions)
    assert breaker(stack) == "open"
    before = stack.numbers()["completed"]
    stack.mock.faults()
    stack.mock.up()
    back = time.monotonic()
    stack.until(lambda: stack.numbers()["completed"] > before, "the first is completed")
    first_s = time.monotonic() - back
    all_s = first_s + stack.until_quiet(120)
    print(f"{outage}: {requests / took_s:.2f} requests/s, first after {first_s:.2f} s, all after {all_s:.2f} s")
    stack.check_ledger(accepted)
    assert stack.numbers()["failed"] == 0
    assert stack.numbers()["postingService"]["held"] == 0


def test_probes_that_hang_hold_up_neither_each_other_nor_the_return(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = {"TXN_POSTING_TIMEOUT_MS": "240000", "TXN_DOUBT_WINDOW_MS": "240000"}
    monkeypatch.setattr(stack, "settings", stack.settings | long)
    stack.start_worker()
    stack.mock.faults(fail_before=1)
    accepted = stack.submit_many(60)
    stack.until(lambda: breaker(stack) == "open", "the breaker opens")
    stack.mock.faults(hang_until_released=1)
    stack.until(lambda: hanging(stack) >= 3, "three probes hang")
    stack.mock.faults()
    stack.until(lambda: breaker(stack) == "closed", "the breaker closes")
    assert hanging(stack) >= 3, "they hang as before"
    stack.mock.release()
    stack.until_quiet(120)
    stack.check_ledger(accepted)


def hanging(stack: Stack) -> int:
    """Requests that are not answered."""
    return int(stack.mock.stats()["in_flight"])


def test_ids_that_hang_leave_the_places_to_the_others(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "settings", stack.settings | {"TXN_IN_FLIGHT": "8", "TXN_MAX_HANGING": "3"})
    stack.start_worker()
    stack.mock.faults(get_hang=0.5)
    accepted = stack.submit_many(300)
    hanging = [name for name in accepted if hangs(name)]
    assert len(hanging) > 100
    most = 0

    def others_are_done() -> bool:
        nonlocal most
        most = max(most, in_flight_again(stack))
        return int(stack.numbers()["completed"]) == len(accepted) - len(hanging)

    stack.until(others_are_done, "all others are completed", 200)
    assert 1 <= most <= 3
    stack.mock.faults()
    stack.mock.release()
    stack.until_quiet(120)
    stack.check_ledger(accepted)


def hangs(name: str) -> bool:
    return FaultPlan(0, Faults(get_hang=0.5)).for_get(name) == "hang"


def in_flight_again(stack: Stack) -> int:
    """Transactions in flight that hung before."""
    seconds, micros = stack.client.time()  # type: ignore[misc]
    return int(stack.client.zcount("txn:hanging", seconds * 1000 + micros // 1000, "+inf"))
