import itertools
import json
import threading
import time
from typing import Any

import pytest

from ops.mock_posting.client import MockPosting
from tests.cli.doctor_rig import Answers, alive, found, not_found, posting
from tests.cli.terminal import Commands
from tests.parts import Parts
from tests.posting.raw_server import RawServer
from txn.doctor import calls, probe_row
from txn.doctor.finding import Level
from txn.doctor.posting import check
from txn.posting.requests.transport import RequestsTransport
from txn.settings import Settings


@pytest.fixture
def txn(txn: Commands, mock: MockPosting) -> Commands:
    txn.environment |= {"TXN_POSTING_URL": mock.url}
    return txn


def test_a_posting_service_that_is_away_is_wrong(txn: Commands, mock: MockPosting) -> None:
    mock.down()
    done = txn("doctor", "--json")
    mock.up()
    assert (done.code, found(done, "posting GET")["level"]) == (1, "bad")
    assert "start it" in found(done, "posting GET")["do"]


def echoed(path: str) -> bytes:
    return json.dumps({"id": path.rpartition("/")[2]}).encode()


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (lambda *_: (404, {"Content-Type": "text/html"}, b"<h1>Not Found</h1>"), "without the service's JSON"),
        (lambda *_: (200, {}, b"<h1>Welcome</h1>"), "answered 200"),
        (lambda *_: (302, {"Location": "/login"}, b""), "answered 302"),
        (lambda *_: (301, {"Location": "https://b/"}, b"{}"), "answered 301"),
        (lambda *_: (401, {}, b"{}"), "answered 401"),
        (lambda *_: (200, {}, b'{"id": "any"}'), "the row of another id"),
        (lambda _, path, __: (200, {}, echoed(path)), "an id that nobody has posted is found"),
    ],
)
def test_another_site_at_the_url_is_wrong(txn: Commands, answers: Answers, said: str) -> None:
    with posting(answers) as url:
        done = txn("doctor", "--json", TXN_POSTING_URL=url)
    assert (done.code, found(done, "posting GET")["level"]) == (1, "bad")
    assert said in found(done, "posting GET")["found"]
    assert "TXN_POSTING_URL" in found(done, "posting GET")["do"]


CACHED = [
    {"Age": "7"},
    {"X-Cache": "HIT from edge"},
    {"X-Cache": "TCP_MEM_HIT"},
    {"Cache-Status": "Edge; hit; ttl=30"},
    {"CF-Cache-Status": "HIT"},
]
NOT_CACHED = [{"Age": "0"}, {"X-Cache": "MISS"}, {"Cache-Status": "White; fwd=miss"}, {"ETag": '"hit"'}]


@pytest.mark.parametrize("header", CACHED)
def test_a_cache_in_between_is_wrong(txn: Commands, header: dict[str, str]) -> None:
    def cached(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        status, headers, answer = not_found(method, path, body)
        return status, headers | header, answer

    with posting(cached) as url:
        done = txn("doctor", "--json", TXN_POSTING_URL=url)
    assert (done.code, found(done, "posting cache")["level"]) == (1, "bad")


@pytest.mark.parametrize("header", NOT_CACHED)
def test_a_cache_that_asks_the_service_each_time_is_right(txn: Commands, header: dict[str, str]) -> None:
    with posting(lambda *asked: (not_found(*asked)[0], header, not_found(*asked)[2])) as url:
        assert found(txn("doctor", "--json", TXN_POSTING_URL=url), "posting cache")["level"] == "ok"


def test_a_redirect_says_that_it_is_not_followed(txn: Commands) -> None:
    with posting(lambda *_: (308, {"Location": "https://b/"}, b"")) as url:
        done = txn("doctor", "--json", TXN_POSTING_URL=url)
    assert "redirects are not followed" in found(done, "posting GET")["do"]


def test_a_certificate_that_nobody_vouches_for_is_said_as_such(txn: Commands) -> None:
    server = RawServer(tls=True)
    done = txn("doctor", "--json", TXN_POSTING_URL=f"https://127.0.0.1:{server.port}")
    server.stop()
    assert (done.code, found(done, "posting GET")["level"]) == (1, "bad")
    assert "SSL_CERT_FILE" in found(done, "posting GET")["do"]


def test_gets_that_fail_at_times_are_a_warning(txn: Commands) -> None:
    asked = itertools.count()

    def flaky(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        return (503, {}, b"{}") if next(asked) in (2, 4) else not_found(method, path, body)

    with posting(flaky) as url:
        done = txn("doctor", "--json", TXN_POSTING_URL=url)
    one = found(done, "posting GET")
    assert (one["level"], one["found"]) == ("warn", "of 5 GETs 2 failed: answered 503")


def test_a_service_that_falls_silent_is_not_asked_for_ever(txn: Commands) -> None:
    asked = itertools.count()
    over = threading.Event()

    def silent(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if path != "/transactions" and next(asked) >= 2:
            over.wait(60)
        return not_found(method, path, body)

    with posting(silent) as url:
        began = time.monotonic()
        done = txn("doctor", "--json", TXN_POSTING_URL=url, TXN_POSTING_TIMEOUT_MS="500")
        took_s = time.monotonic() - began
        over.set()
    assert found(done, "posting GET")["found"].startswith("of 2 GETs 1 failed")
    assert found(done, "posting speed")["level"] == "ok"
    assert took_s < 50  # the service is silent for 60 s


@pytest.mark.parametrize(
    ("url", "warned"),
    [("http://posting.example", True), ("https://posting.example", False), ("http://localhost:1", False)],
)
def test_without_encryption_to_another_host_it_warns(url: str, warned: bool) -> None:
    with posting(not_found) as there:
        first = next(check(Settings(posting_url=url), RequestsTransport(there)))
    assert (first.check == "posting URL") == warned


def test_without_a_list_the_audit_is_blind_to_doubles(txn: Commands, parts: Parts) -> None:
    alive(parts)
    with posting(lambda *_: (404, {}, b'{"detail":"unknown"}')) as url:
        done = txn("doctor", "--json", TXN_POSTING_URL=url)
    assert (done.code, found(done, "posting list")["level"]) == (0, "note")


@pytest.mark.parametrize(
    ("body", "level", "said"),
    [
        (b'[{"id": "a"}]', "ok", "an array; rows: 1"),
        (b'{"data": [{"id": "a"}, {"id": "b"}]}', "ok", 'an object with its rows in "data"; rows: 2'),
        (b'{"result": {"all": []}}', "ok", 'an object with its rows in "all"; rows: 0'),
        (b"[" + b"{}," * 1_000 + b"{}]", "ok", "an array; rows: more than 1000"),
        (
            b'{"status": "ok"}',
            "note",
            "there is none: GET /transactions is answered with an object that holds no array",
        ),
        (
            b'{"data": [{}], "next": "/t?page=2"}',
            "warn",
            '"next": "/t?page=2" beside its rows (1) says that there are more',
        ),
        (b'{"data": [{}], "page": 1}', "warn", "may be incomplete"),
    ],
)
def test_the_shape_of_the_list_is_said(txn: Commands, parts: Parts, body: bytes, level: str, said: str) -> None:
    alive(parts)
    with posting(lambda *asked: (200, {}, body) if asked[1] == "/transactions" else not_found(*asked)) as url:
        done = txn("doctor", "--json", TXN_POSTING_URL=url)
    assert found(done, "posting list")["level"] == level
    assert said in found(done, "posting list")["found"]


@pytest.mark.parametrize(("slowest_ms", "level"), [(2_500, Level.OK), (2_501, Level.WARN)])
def test_a_posting_service_that_takes_more_than_half_of_the_deadline_is_a_warning(
    slowest_ms: float, level: Level
) -> None:
    [speed] = calls.check(Settings(posting_timeout_ms=5_000), calls.Calls([1, slowest_ms], []))
    assert (speed.check, speed.level) == ("posting speed", level)


def test_a_row_is_posted_only_if_asked_for_and_comes_back(txn: Commands, parts: Parts, mock: MockPosting) -> None:
    alive(parts)
    done = txn("doctor", "--post", "--yes", "--currency", "EUR", "--json")
    assert done.code == 0, done.out
    assert found(done, "posting content")["level"] == "ok"
    assert found(done, "posting rows")["level"] == "ok"
    [row] = mock.rows()
    assert row["id"] in found(done, "posting POST")["do"]
    assert (str(row["amount"]), row["currency"]) == ("0.01", "EUR")


def test_a_currency_that_there_is_not_is_refused_before_anything_is_asked(txn: Commands, mock: MockPosting) -> None:
    done = txn("doctor", "--post", "--yes", "--currency", "XXY")
    assert (done.code, done.out) == (2, "")
    assert "currency" in done.err
    assert mock.stats()["posts"] == 0


def test_a_currency_without_cents_gets_the_smallest_amount_there_is(txn: Commands, mock: MockPosting) -> None:
    done = txn("doctor", "--post", "--yes", "--currency", "JPY", "--json")
    assert found(done, "posting content")["level"] == "ok"
    assert mock.rows()[0]["amount"] == 1


@pytest.mark.parametrize(("answer", "posts"), [("n", 0), ("y", 1)])
def test_at_a_terminal_it_asks_before_it_posts(txn: Commands, mock: MockPosting, answer: str, posts: int) -> None:
    url = mock.url.replace("://", "://ann:s3cret@")
    with txn.at_terminal("doctor", "--post", TXN_POSTING_URL=url) as terminal:
        terminal.until("[y/N]")
        assert mock.stats()["posts"] == 0
        terminal.type(f"{answer}\n")
        assert terminal.ends() == 1
    assert mock.stats()["posts"] == posts
    assert "127.0.0.1" in terminal.seen
    assert "s3cret" not in terminal.seen


@pytest.mark.parametrize(("times", "level"), [(0, "warn"), (1, "ok"), (2, "bad")])
def test_a_row_that_the_list_does_not_hold_once_is_said(txn: Commands, times: int, level: str) -> None:
    rows: list[dict[str, Any]] = []

    def repeating(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if method == "POST":
            rows.append(json.loads(body))
            return 201, {}, body
        if path == "/transactions":
            return 200, {}, json.dumps([{"id": "another"}, *rows * times]).encode()
        row = next((row for row in rows if path.endswith(row["id"])), None)
        return (200, {}, json.dumps(row).encode()) if row else not_found(method, path, body)

    with posting(repeating) as url:
        done = txn("doctor", "--post", "--yes", "--json", TXN_POSTING_URL=url)
    assert found(done, "posting rows")["level"] == level


def test_a_list_without_end_is_left(txn: Commands, mock: MockPosting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_row, "LIST_PATIENCE_S", 0.0)
    done = txn("doctor", "--post", "--yes", "--json")
    assert found(done, "posting rows")["level"] == "note"


def test_without_a_terminal_no_row_is_posted_unless_told_so(txn: Commands, mock: MockPosting) -> None:
    done = txn.run("doctor", "--post")
    assert (done.code, done.out) == (2, "")
    assert "--yes" in done.err
    assert mock.stats()["posts"] == 0


def test_a_post_that_is_refused_is_wrong(txn: Commands, mock: MockPosting) -> None:
    mock.faults(reject=1.0)
    done = txn("doctor", "--post", "--yes", "--json")
    assert (done.code, found(done, "posting POST")["level"]) == (1, "bad")
    assert "answered 400" in found(done, "posting POST")["found"]
