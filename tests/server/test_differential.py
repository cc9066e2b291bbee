"""The same bytes to our worker class and to gunicorn's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.echo import Echo, answers
from tests.server.odd_requests import odd_request

pytestmark = pytest.mark.timeout(600)

GUNICORNS = "gevent"
OURS = "txn.server.worker.Worker"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Echo, Echo]]:
    folder: Path = tmp_path_factory.mktemp("echo")
    with Echo(folder, GUNICORNS, "--header-map", "drop") as theirs, Echo(folder, OURS) as ours:
        yield theirs, ours


@pytest.mark.parametrize("seeds", [range(2000), pytest.param(range(2000, 40_000), marks=pytest.mark.long)], ids=str)
def test_what_we_let_in_gunicorn_lets_in_and_understands_alike(both: tuple[Echo, Echo], seeds: range) -> None:
    same = 0
    for seed in seeds:
        sent = odd_request(seed)
        theirs, ours = (answers(echo.told(sent)) for echo in both)
        let_in = [told for status, told in ours if status == 200]
        known = [told for status, told in theirs if status == 200]
        assert let_in == known[: len(let_in)], f"{seed}: {sent!r}\n{ours}\n{theirs}"
        same += let_in == known
    # What we refuse beyond that: odd methods, two codings of a transfer, a length of more than 18 digits.
    assert same > len(seeds) * 0.95


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nExpect: tea\r\n\r\n", 417),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"GET /" + b"a" * 9_000, 414),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"A: " + b"b" * 33_000, 431),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (b"\x16\x03\x01\x02\x00\x01", 400),
    ],
)
def test_what_we_refuse_is_a_problem_document_and_ends_the_connection(
    both: tuple[Echo, Echo], sent: bytes, status: int
) -> None:
    found = both[1].told(sent)
    [(told, document)] = answers(found)
    assert (told, document["status"], document["type"]) == (status, status, "about:blank")
    assert b"\r\nContent-Type: application/problem+json\r\n" in found
    assert b"\r\nConnection: close\r\n" in found


def test_a_body_that_nobody_wanted_and_that_ends_early_is_not_answered_twice(both: tuple[Echo, Echo]) -> None:
    found = answers(both[1].told(b"POST /unread HTTP/1.1\r\nContent-Length: 5\r\n\r\nab"))
    assert [status for status, _ in found] == [200]
