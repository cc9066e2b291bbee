import json
import re
from functools import partial

import pytest
from falcon.testing import TestClient

from tests.cli.terminal import Commands
from tests.parts import Parts
from txn.api.app import create_app
from txn.model.outcome import Cause, Clear, Completed, Maybe, Retry
from txn.model.transaction import Evidence
from txn.store.durability import DurabilityMonitor


@pytest.fixture
def working(parts: Parts) -> None:
    parts.messages("one").heartbeat(
        {"host": "h1", "pid": "7", "threads": "16", "version": "1", "started": "1", "processed": "3", "rate": "2.5"}
    )


@pytest.mark.usefixtures("working")
def test_with_nothing_wrong_it_says_so_and_exits_with_0(txn: Commands, parts: Parts) -> None:
    parts.accept("a")
    done = txn("status")
    assert done.code == 0, done.out
    assert "nothing is wrong" in done.out
    assert "h1:7" in done.out


@pytest.mark.parametrize("field", ["host", "pid", "threads", "version", "started", "processed", "rate"])
def test_what_a_worker_says_of_itself_is_no_command_for_the_terminal(txn: Commands, parts: Parts, field: str) -> None:
    about = {"host": "h1", "pid": "7", "threads": "16", "version": "1", "started": "1", "processed": "3", "rate": "2.5"}
    parts.messages("one").heartbeat(about | {field: "\x1b]0;mine\x07\x1b[2J\u202e[red]"})
    for command in ("status", "doctor"):
        done = txn(command, columns=200)
        assert not set("\x1b\x07\u202e") & set(done.out + done.err)
        assert done.code in (0, 1, 2)


@pytest.mark.parametrize(
    ("is_bad", "options", "code"),
    [
        (True, (), 0),
        (True, ("--fail-on", "bad"), 1),
        (True, ("--fail-on", "warn"), 1),
        (False, (), 0),
        (False, ("--fail-on", "bad"), 0),
        (False, ("--fail-on", "warn"), 1),
    ],
)
def test_a_monitor_says_what_fails_it(
    txn: Commands, parts: Parts, is_bad: bool, options: tuple[str, ...], code: int
) -> None:
    parts.fail("a")
    if not is_bad:
        parts.messages("one").heartbeat()
    for more in ((), ("--json",)):
        assert txn("status", *options, *more).code == code


@pytest.mark.usefixtures("working")
def test_with_nothing_wrong_no_monitor_fails(txn: Commands) -> None:
    assert [txn("status", "--fail-on", level).code for level in ("warn", "bad")] == [0, 0]


def test_what_is_wrong_stands_first(txn: Commands, parts: Parts) -> None:
    parts.fail("bad")
    done = txn("status", columns=120)
    assert done.code == 0
    lines = done.out.splitlines()
    assert "No worker is alive" in lines[1]
    assert "dramatiq txn.worker" in lines[2]
    assert "1 failed transaction waits for a decision" in lines[3]


@pytest.mark.usefixtures("working")
def test_that_submits_are_refused_is_said_with_the_limit(
    txn: Commands, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TXN_MAX_UNFINISHED", "1")
    parts.accept()
    done = txn("status", "--fail-on", "bad", columns=200)
    assert done.code == 1
    assert "New transactions are refused" in done.out
    assert "TXN_MAX_UNFINISHED" in done.out


@pytest.mark.usefixtures("working")
def test_json_has_the_same_numbers(txn: Commands, parts: Parts) -> None:
    for name in "abc":
        parts.accept(name)
    parts.settle(parts.claimed("a"), Completed(Evidence.POSTED), answered=True)
    parts.settle(parts.claimed("b"), Retry(Cause.UNCERTAIN, "500", Maybe(60_000), 60_000), answered=True)
    parts.accept("held")
    parts.claimed("held")
    parts.fail("bad")
    done = txn("status", "--json")
    assert done.code == 0
    found = done.json
    assert {name: found[name] for name in ("waiting", "processing", "inDoubt", "retrying", "failed", "completed")} == {
        "waiting": 2,
        "processing": 1,
        "inDoubt": 1,
        "retrying": 1,
        "failed": 1,
        "completed": 1,
    }
    assert found["status"] == "warn"
    assert [finding["level"] for finding in found["findings"]] == ["warn"]
    assert (found["postingService"], found["redis"]) == ("answering", "durable")
    assert found["workers"] == [{"name": "h1:7", "threads": 16, "holds": 0, "messagesPerSecond": 2.5}]
    assert set(found) >= {"at", "oldestWaitingSeconds", "errorRate", "perSecond"}


def test_secrets_of_the_url_are_not_shown(txn: Commands, parts: Parts) -> None:
    parts.client.execute_command("ACL", "SETUSER", "ann", "on", ">s3cret-pw", "~*", "+@all")
    url = txn.environment["TXN_REDIS_URL"]
    assert url is not None
    done = txn("status", TXN_REDIS_URL=url.replace("redis://", "redis://ann:s3cret-pw@"))
    parts.client.execute_command("ACL", "DELUSER", "ann")
    assert "127.0.0.1" in done.out
    assert "s3cret" not in done.out + done.err


@pytest.mark.usefixtures("working")
@pytest.mark.parametrize("columns", [40, 80, 120])
def test_it_fits_the_terminal(txn: Commands, columns: int) -> None:
    done = txn("status", columns=columns)
    assert max(map(len, done.out.splitlines())) <= columns


@pytest.mark.usefixtures("working")
@pytest.mark.parametrize("columns", [40, 80, 120])
def test_no_number_is_cut(txn: Commands, parts: Parts, columns: int) -> None:
    parts.client.hset(parts.keys.count, mapping={"pending": 1_234_567, "completed": 98_765_432})
    found = txn("status", columns=columns).out
    for said in ("1,234,567", "98,765,432", "posting service", "unknown", "durable", "p99"):
        assert said in found


def test_health_says_the_same_words(txn: Commands, parts: Parts) -> None:
    parts.accept("a")
    settlement = Retry(Cause.OUTAGE, "refused", Clear(), 0)
    parts.settle(parts.claimed("a"), settlement, outage="connection refused")
    monitor = DurabilityMonitor(allow_lossy=False)
    monitor.check(parts.client)
    api = TestClient(create_app(parts.store, parts.statistics, monitor, parts.timings))
    said = [f"{one['what']}: {one['hint']}" for one in txn("status", "--json").json["findings"]]
    by_health = api.simulate_get("/api/health", remote_addr="127.0.0.1").json["problems"]
    without_times = partial(re.sub, r"[\d.]+ (ms|s|min)", "")
    assert [*map(without_times, said)] == [*map(without_times, by_health)]
    assert len(said) == 2


def test_watching_goes_on_until_ctrl_c(txn: Commands) -> None:
    with txn.at_terminal("status", "--watch", "--json") as terminal:
        terminal.until('"waiting": 0')
        first = terminal.seen.count('"waiting"')
        while terminal.seen.count('"waiting"') < first + 2:
            assert terminal._read()
        terminal.interrupt()
        assert terminal.ends() == 130
    assert "Traceback" not in terminal.seen
    assert json.loads(terminal.seen.splitlines()[0])["status"] == "bad"


def test_watching_shows_the_page_and_outlives_redis(txn: Commands) -> None:
    with txn.at_terminal("status", "--watch", TXN_REDIS_URL="redis://127.0.0.1:1/0") as terminal:
        terminal.until("Redis cannot be reached")
        terminal.interrupt()
        assert terminal.ends() == 130
    with txn.at_terminal("status", "--watch") as terminal:
        terminal.until("No worker is alive")
