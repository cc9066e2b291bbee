from collections.abc import Callable

import pytest
from falcon.testing import TestClient

from ops.redis_server import RedisServer
from tests.admin.site import Browser
from tests.cli.terminal import Commands
from tests.parts import Parts
from txn.api.app import create_app
from txn.model.dead_letter import Action, Filter
from txn.model.outcome import Completed
from txn.model.transaction import Evidence
from txn.readers.details import DetailReader
from txn.readers.workers import WorkerReader

FIELDS = ("submitted", "lease", "mode", "attempts", "next", "completed", "code", "history", "doubt", "detail")


def without(field: str) -> Callable[[Parts, str], object]:
    return lambda parts, name: parts.client.hdel(parts.keys.record(name), field)


def holding(field: str, value: bytes) -> Callable[[Parts, str], object]:
    return lambda parts, name: parts.client.hset(parts.keys.record(name), field, value)  # type: ignore[arg-type]


def of_another_type(parts: Parts, name: str) -> None:
    parts.client.delete(parts.keys.record(name))
    parts.client.rpush(parts.keys.record(name), "x")


def gone(parts: Parts, name: str) -> None:
    parts.client.delete(parts.keys.record(name), parts.keys.payload(name))


def with_another_payload(parts: Parts, name: str) -> None:
    parts.client.delete(parts.keys.payload(name))
    parts.client.rpush(parts.keys.payload(name), "x")


DAMAGES: dict[str, Callable[[Parts, str], object]] = {
    **{f"without {field}": without(field) for field in FIELDS},
    **{f"{field} is a text": holding(field, b"soon") for field in FIELDS},
    **{f"{field} is no UTF-8": holding(field, b"\xff") for field in ("submitted", "code", "history", "lease", "mode")},
    **{
        f"{field} is huge": holding(field, b"9" * 400) for field in ("submitted", "lease", "completed", "next", "doubt")
    },
    "status of another version": holding("status", b"paused"),
    "without a status": without("status"),
    "another type": of_another_type,
    "a payload of another type": with_another_payload,
    "gone": gone,
}


@pytest.fixture
def server(valkey: RedisServer) -> RedisServer:
    """One: there are many cases."""
    return valkey


@pytest.fixture
def damaged(parts: Parts, request: pytest.FixtureRequest) -> list[str]:
    """One in each state is damaged, and one is not."""
    names = [f"{state}{number}" for state in ("failed", "processing", "pending") for number in "12"]
    for name in names[:2]:
        parts.fail(name)
    for name in names[2:]:
        parts.accept(name)
    messages = parts.messages("w")
    messages.heartbeat({"host": "h", "pid": 1})
    parts.client.sadd(f"{parts.keys.acks}w.{parts.keys.queue}", *names[2:4])
    parts.client.lrem(parts.keys.messages, 0, names[2])
    for name in names[2:4]:
        parts.claimed(name)
    for name in names[::2]:
        DAMAGES[request.param](parts, name)
    return names


damages = pytest.mark.parametrize("damaged", DAMAGES, indirect=True)


@damages
def test_one_strange_record_takes_no_page_away(ada: Browser, parts: Parts, damaged: list[str]) -> None:
    for path in ("/admin", "/admin/queues", "/admin/failed", "/admin/failed?text=no", "/admin/failed?currency=USD"):
        assert ada.get(path).status_code == 200, path
    assert "failed2" in ada.get("/admin/failed").text
    assert "processing2" in ada.get("/admin/queues").text
    for name in damaged:
        expected = (200, 404, 503) if name.endswith("1") else (200,)
        assert ada.get(f"/admin/transactions/{name}").status_code in expected, name


@damages
def test_one_strange_record_takes_neither_health_nor_metrics_away(
    ada: Browser, parts: Parts, damaged: list[str]
) -> None:
    api = TestClient(create_app(parts.store, parts.statistics, ada.parts.durability, parts.timings))
    parts.clock.forward(1_000)
    assert api.simulate_get("/api/health").status_code == 200
    assert "txn_up 1.0" in api.simulate_get("/metrics", remote_addr="127.0.0.1").text
    for name in damaged:
        expected = (200, 404, 503) if name.endswith("1") else (200,)
        assert api.simulate_get(f"/api/transactions/{name}").status_code in expected


@damages
def test_one_strange_record_holds_no_bulk_run_up(parts: Parts, damaged: list[str]) -> None:
    parts.start_run("run", Action.REPLAY, Filter())
    run = parts.runs.read("run")
    assert parts.runs.take("run", "w") == "taken"
    chunk = parts.letters.chunk(run.filter, run.cursor_ms, run.before_ms, 100)
    assert parts.runs.step(run, "w", chunk, "{}") == "finished"
    assert parts.status("failed2") == "pending"


@pytest.mark.parametrize("name", ["", "~", "~1", "no such id", "\xff"])
def test_a_strange_message_takes_no_page_away_and_holds_nobody_up(ada: Browser, parts: Parts, name: str) -> None:
    parts.accept("a")
    parts.client.lpush(parts.keys.messages, name.encode("latin-1"))
    parts.client.sadd(f"{parts.keys.acks}w.{parts.keys.queue}", name.encode("latin-1"))
    parts.messages("w").heartbeat({"host": "h", "pid": 1})
    assert parts.read_statistics().unfinished == 1
    assert WorkerReader(parts.database).read().unfinished == 1
    for path in ("/admin", "/admin/queues"):
        assert ada.get(path).status_code == 200
    parts.clock.forward(parts.settings.grace_ms)
    parts.client.hdel(parts.keys.message_bodies, "a")
    assert parts.store.due(10)[1] == 1


def test_a_strange_counter_takes_no_page_away(ada: Browser, parts: Parts) -> None:
    parts.accept("a")
    parts.client.hset(parts.keys.count, mapping={"completed": "many", b"\xff": "1", "dead": "1.5"})
    parts.client.hset(parts.keys.posting, mapping={"answered": "soon", "outage": "x", "refused": "", "reason": b"\xff"})
    parts.client.hset(f"{parts.keys.worker}w", mapping={"started": "soon", "rate": "x", "processed": b"\xff"})
    parts.messages("w").heartbeat()
    statistics = parts.read_statistics()
    assert (statistics.totals.accepted, statistics.totals.completed, statistics.answered_ms) == (1, 0, None)
    for path in ("/admin", "/admin/queues"):
        assert ada.get(path).status_code == 200


@pytest.mark.parametrize("breaker", ["open", "half", "new"])
def test_a_strange_breaker_takes_no_page_away_and_ends(ada: Browser, parts: Parts, breaker: str) -> None:
    strange = {
        "breaker": breaker,
        "cap": "x",
        "opened": "soon",
        "probe_at": "",
        "paused": "no json",
        "paused_until": "x",
    }
    parts.client.hset(parts.keys.posting, mapping=strange)
    for path in ("/admin", "/admin/queues"):
        assert ada.get(path).status_code == 200
    assert parts.pauses.resume("ann")
    for _ in range(20):
        parts.clock.forward(1_000)
        parts.settle(parts.claimed(parts.accept()), Completed(Evidence.POSTED), answered=True, taken=True, calls="gp")
    assert parts.read_statistics().flow.breaker == "closed"


@damages
def test_the_command_line_shows_what_there_is(server: RedisServer, parts: Parts, damaged: list[str]) -> None:
    txn = Commands({"TXN_REDIS_URL": server.url, "TXN_PREFIX": parts.settings.prefix})
    for command in (["status"], ["status", "--json"], ["failed"], ["failed", "--json"]):
        assert txn(*command).code in (0, 1), command
    for name in damaged[::2]:
        for more in ([], ["--raw"], ["--json"]):
            done = txn("show", name, *more)
            assert done.code in (0, 1, 2)
            assert "Traceback" not in done.err + done.out


def test_a_key_of_another_type_is_named(parts: Parts) -> None:
    parts.accept("a")
    of_another_type(parts, "a")
    with pytest.raises(Exception, match="key of another type"):
        DetailReader(parts.database).read("a")
