import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis

from ops.mock_posting.client import MockPosting
from ops.ports import free_port
from ops.redis_server import RedisServer
from tests.cli.terminal import Commands, Result
from tests.parts import Parts

ALIVE = {"host": "h1", "pid": "7", "threads": "16", "version": "1", "started": "1", "processed": "3", "rate": "2.5"}

#: (status, headers, body) for (method, path, body of the request)
Answers = Callable[[str, str, bytes], tuple[int, dict[str, str], bytes]]


@pytest.fixture
def txn(txn: Commands, mock: MockPosting) -> Commands:
    txn.environment |= {"TXN_POSTING_URL": mock.url}
    return txn


@contextmanager
def posting(answers: Answers) -> Iterator[str]:
    """A posting service that answers as the test says."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, answer = answers(self.command, self.path, body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def found(done: Result, check: str) -> dict[str, str]:
    """The worst finding of this name."""
    order = ["ok", "note", "warn", "bad"]
    return max(
        (one for one in done.json["findings"] if one["check"] == check), key=lambda one: order.index(one["level"])
    )


def alive(parts: Parts, clock_ms: int = 0) -> None:
    now_ms = parts.read_statistics().now_ms
    parts.messages("one").heartbeat({**ALIVE, "clock": now_ms + clock_ms})


def test_with_everything_as_it_must_be_nothing_is_wrong(txn: Commands, parts: Parts, mock: MockPosting) -> None:
    alive(parts)
    done = txn("doctor")
    assert done.code == 0, done.out
    assert "Nothing wrong, no warnings." in done.out
    assert mock.stats()["posts"] == 0
    checks = {one["check"]: one["level"] for one in txn("doctor", "--json").json["findings"]}
    assert {name for name, level in checks.items() if level == "ok"} >= {
        "redis version",
        "redis durability",
        "redis speed",
        "clock of this host",
        "clock of h1:7",
        "posting GET",
        "posting speed",
        "posting cache",
        "posting list",
        "workers",
    }


def test_without_redis_the_rest_is_still_looked_at(txn: Commands) -> None:
    done = txn("doctor", "--json", TXN_REDIS_URL="redis://ann:s3cret@127.0.0.1:1/0")
    assert done.code == 1
    [one] = [one for one in done.json["findings"] if one["check"] == "redis"]
    assert one["found"] == "Redis cannot be reached"
    assert found(done, "posting GET")["level"] == "ok"
    assert "s3cret" not in done.out


def test_wrong_credentials_are_said_as_such(txn: Commands, valkey: RedisServer) -> None:
    done = txn("doctor", "--json", TXN_REDIS_URL=valkey.url.replace("://", "://nobody:s3cret@"))
    assert (done.code, found(done, "redis")["level"]) == (1, "bad")
    assert "credentials" in found(done, "redis")["found"]
    assert "s3cret" not in done.out


def test_a_redis_that_can_lose_is_wrong_and_what_mends_it_is_said(
    txn: Commands, tmp_path: Path, mock: MockPosting
) -> None:
    server = RedisServer(free_port(), tmp_path).start()
    try:
        with_client = Commands({**txn.environment, "TXN_REDIS_URL": server.url})  # type: ignore[dict-item]
        with redis.Redis.from_url(server.url) as client:
            client.config_set("appendfsync", "everysec")
        done = with_client("doctor", "--json")
    finally:
        server.kill()
    assert done.code == 1
    assert found(done, "redis durability")["level"] == "bad"
    assert "CONFIG SET appendfsync always" in found(done, "redis durability")["do"]


def test_without_workers_it_says_how_to_start_one(txn: Commands) -> None:
    done = txn("doctor", "--json")
    assert done.code == 1
    assert found(done, "workers") == {
        "check": "workers",
        "level": "bad",
        "found": "none is alive",
        "do": "start one: dramatiq txn.worker --processes 2 --threads 192",
    }


def test_too_few_threads_for_the_rate_are_a_warning(txn: Commands, parts: Parts, mock: MockPosting) -> None:
    alive(parts)
    mock.faults(latency_ms=200)
    minute = parts.read_statistics().now_ms // 60_000
    parts.client.hset(f"{parts.keys.minute}{minute}", "accepted", 30_000)
    done = txn("doctor", "--json")
    warning = found(done, "workers")
    assert (done.code, warning["level"]) == (0, "warn")
    assert "start more" in warning["do"]


@pytest.mark.parametrize(("ahead_ms", "level"), [(300, "ok"), (5_000, "warn"), (-5_000, "warn")])
def test_a_workers_clock_that_nobody_keeps_is_a_warning(txn: Commands, parts: Parts, ahead_ms: int, level: str) -> None:
    alive(parts, ahead_ms)
    one = found(txn("doctor", "--json"), "clock of h1:7")
    assert one["level"] == level
    assert ("ahead of" if ahead_ms > 0 else "behind") in one["found"]


def test_settings_worth_a_word_get_one(txn: Commands) -> None:
    risky = {"TXN_ALLOW_CLEANUP": "1", "TXN_ALLOW_LOSSY_REDIS": "1", "TXN_ANSWER_IS_FINAL": "1"}
    done = txn("doctor", "--json", **risky, TXN_VERIFY="after-doubt")
    said = [one["found"] for one in done.json["findings"] if one["check"] == "settings"]
    for name in (*risky, "TXN_VERIFY", "TXN_METRICS_TOKEN"):
        assert any(name in text for text in said)


def test_a_posting_service_that_is_away_is_wrong(txn: Commands, mock: MockPosting) -> None:
    mock.down()
    done = txn("doctor", "--json")
    mock.up()
    assert (done.code, found(done, "posting GET")["level"]) == (1, "bad")
    assert "start it" in found(done, "posting GET")["do"]


def not_found(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    return (200, {}, b"[]") if path == "/transactions" else (404, {}, b'{"detail":"unknown"}')


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (lambda *_: (404, {"Content-Type": "text/html"}, b"<h1>Not Found</h1>"), "without the service's JSON"),
        (lambda *_: (200, {}, b"<h1>Welcome</h1>"), "answered 200"),
        (lambda *_: (302, {"Location": "/login"}, b""), "answered 302"),
        (lambda *_: (401, {}, b"{}"), "answered 401"),
        (lambda *_: (200, {}, b'{"id": "any"}'), "an id that nobody has posted is found"),
    ],
)
def test_another_site_at_the_url_is_wrong(txn: Commands, answers: Answers, said: str) -> None:
    with posting(answers) as url:
        done = txn("doctor", "--json", TXN_POSTING_URL=url)
    assert (done.code, found(done, "posting GET")["level"]) == (1, "bad")
    assert said in found(done, "posting GET")["found"]
    assert "TXN_POSTING_URL" in found(done, "posting GET")["do"]


@pytest.mark.parametrize("header", [{"Age": "7"}, {"X-Cache": "HIT from edge"}])
def test_a_cache_in_between_is_wrong(txn: Commands, header: dict[str, str]) -> None:
    def cached(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        status, headers, answer = not_found(method, path, body)
        return status, headers | header, answer

    with posting(cached) as url:
        done = txn("doctor", "--json", TXN_POSTING_URL=url)
    assert (done.code, found(done, "posting cache")["level"]) == (1, "bad")


def test_without_a_list_the_audit_is_blind_to_doubles(txn: Commands, parts: Parts) -> None:
    alive(parts)
    with posting(lambda *_: (404, {}, b'{"detail":"unknown"}')) as url:
        done = txn("doctor", "--json", TXN_POSTING_URL=url)
    assert (done.code, found(done, "posting list")["level"]) == (0, "note")


def test_a_slow_posting_service_is_a_warning(txn: Commands, mock: MockPosting) -> None:
    mock.faults(latency_ms=150)
    done = txn("doctor", "--json", TXN_POSTING_TIMEOUT_MS="200", TXN_LEASE_MS="2000")
    assert found(done, "posting speed")["level"] == "warn"


def test_a_row_is_posted_only_if_asked_for_and_comes_back(txn: Commands, parts: Parts, mock: MockPosting) -> None:
    alive(parts)
    done = txn("doctor", "--post", "--yes", "--currency", "EUR", "--json")
    assert done.code == 0, done.out
    assert found(done, "posting content")["level"] == "ok"
    [row] = mock.rows()
    assert row["id"] in found(done, "posting POST")["do"]
    assert (str(row["amount"]), row["currency"]) == ("0.01", "EUR")


def test_without_a_terminal_no_row_is_posted_unless_told_so(txn: Commands, mock: MockPosting) -> None:
    done = txn.run("doctor", "--post")
    assert (done.code, done.out) == (2, "")
    assert "--yes" in done.err
    assert mock.stats()["posts"] == 0


def test_content_that_comes_back_changed_is_wrong(txn: Commands) -> None:
    rows: dict[str, Any] = {}

    def rounding(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if method == "POST":
            row = json.loads(body)
            rows[row["id"]] = row | {"amount": 0}
            return 201, {}, b"{}"
        row = rows.get(path.rpartition("/")[2])
        return (200, {}, json.dumps(row).encode()) if row else not_found(method, path, body)

    with posting(rounding) as url:
        done = txn("doctor", "--post", "--yes", "--json", TXN_POSTING_URL=url)
    assert (done.code, found(done, "posting content")["level"]) == (1, "bad")


def test_a_post_that_is_refused_is_wrong(txn: Commands, mock: MockPosting) -> None:
    mock.faults(reject=1.0)
    done = txn("doctor", "--post", "--yes", "--json")
    assert (done.code, found(done, "posting POST")["level"]) == (1, "bad")
    assert "answered 400" in found(done, "posting POST")["found"]


@pytest.mark.parametrize("columns", [50, 80, 120])
def test_it_fits_the_terminal(txn: Commands, columns: int) -> None:
    assert max(map(len, txn("doctor", columns=columns).out.splitlines())) <= columns
