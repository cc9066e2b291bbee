import pytest

from tests.parts import Parts
from txn.doctor.clocks import check
from txn.doctor.finding import Level
from txn.readers.workers import Worker
from txn.store.database import Database


@pytest.fixture
def database(parts: Parts) -> Database:
    return parts.database


def worker(host: str, ahead_ms: int, alive: bool = True) -> Worker:
    return Worker("c", 1_000_000, 0, alive, host, "1", "8", "1", None, None, None, 1_000_000 + ahead_ms)


def said(database: Database, *workers: Worker) -> list[tuple[Level, str]]:
    own, *others = check(database, workers)
    assert own.found.startswith("this host's")
    return [(one.level, one.found) for one in others]


def test_hosts_that_are_right_share_a_line(database: Database) -> None:
    workers = [worker(f"h{number}", number) for number in range(50)]
    assert said(database, *workers) == [(Level.OK, "the workers' are within 49 ms of Redis's")]


def test_each_host_that_is_wrong_gets_one_and_the_dead_get_none(database: Database) -> None:
    found = said(database, worker("a", 1_001), worker("b", -1_001), worker("c", 1_000), worker("d", 9_999, alive=False))
    assert found == [
        (Level.OK, "other workers' are within 1000 ms of Redis's"),
        (Level.WARN, "that of a, with workers, is 1001 ms ahead of Redis's"),
        (Level.WARN, "that of b, with workers, is 1001 ms behind Redis's"),
    ]


def test_a_heartbeat_that_was_sent_late_does_not_make_its_host_wrong(database: Database) -> None:
    found = said(database, worker("a", -1_500), worker("a", -3))
    assert found == [(Level.OK, "the workers' are within 3 ms of Redis's")]


def test_this_hosts_clock_is_compared_with_rediss(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    real = __import__("time").time
    monkeypatch.setattr("txn.doctor.clocks.time.time", lambda: real() + 2.5)
    own, *_ = check(database, [])
    assert own.level is Level.WARN
    assert "2500 ms ahead of" in own.found.replace("2499", "2500").replace("2501", "2500")


def test_a_host_without_boottime_is_told_not_to_sleep(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("time.CLOCK_BOOTTIME")
    assert Level.WARN in [one.level for one in check(database, [])]
