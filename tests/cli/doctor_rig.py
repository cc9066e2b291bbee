from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.cli.terminal import Result
from tests.parts import Parts
from tests.web_server import Answering, WebServer

ALIVE = {"host": "h1", "pid": "7", "threads": "16", "version": "1", "started": "1", "processed": "3", "rate": "2.5"}

#: (status, headers, body) for (method, path, body of the request)
Answers = Callable[[str, str, bytes], tuple[int, dict[str, str], bytes]]


@contextmanager
def posting(answers: Answers) -> Iterator[str]:
    """A posting service that answers as the test says."""

    class Posting(Answering):
        def do_GET(self) -> None:
            self.answer(*answers(self.command, self.path, self.body()))

        do_POST = do_GET

    with WebServer(Posting) as server:
        yield server.url


def found(done: Result, check: str) -> dict[str, str]:
    """The worst finding of this name."""
    order = ["ok", "note", "warn", "bad"]
    return max(
        (one for one in done.json["findings"] if one["check"] == check), key=lambda one: order.index(one["level"])
    )


def alive(parts: Parts, clock_ms: int = 0, **about: str) -> None:
    now_ms = parts.read_statistics().now_ms
    parts.messages("one").heartbeat({**ALIVE, **about, "clock": now_ms + clock_ms})


def not_found(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    return (200, {}, b"[]") if path == "/transactions" else (404, {}, b'{"detail":"unknown"}')
