"""A receiver of callbacks, over real HTTP, that answers as a test says."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.web_server import Answering, WebServer
from txn.model.content import loads
from txn.signatures import secret_bytes

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return loads(self.body)


Answer = Callable[[Answering], None]


def status(code: int, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.answer(code, named)


class Receiver(WebServer):
    """`answers`: one for each request, and the last one for all that follow."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(_Receiving)
        self.answers = list(answers) or [status(204)]
        self.received: list[Received] = []
        #: Where a redirect has led.
        self.followed: list[str] = []
        self.changed, self.released = threading.Condition(), threading.Event()
        self.port, self.url = self.server_port, f"{self.url}/hooks"

    def __exit__(self, *exc_info: object) -> None:
        self.released.set()
        super().__exit__(*exc_info)

    def hang(self, handler: Answering) -> None:
        """No answer until the end of the test."""
        self.released.wait(60)
        handler.close_connection = True

    def trickle(self, handler: Answering) -> None:
        """An answer without end, a byte at a time."""
        handler.send_response(200)
        handler.end_headers()
        while not self.released.wait(0.02):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    def wait_for(self, number: int) -> list[Received]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.received) >= number, 30), self.received
            return list(self.received)


class _Receiving(Answering):
    server: Receiver

    def do_POST(self) -> None:
        receiver, body = self.server, self.body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        with receiver.changed:
            answer = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
            receiver.received.append(Received(self.path, headers, body))
            receiver.changed.notify_all()
        answer(self)

    def do_GET(self) -> None:
        self.server.followed.append(self.path)
        self.answer(204)


def line(client: str, url: str, *secrets: str) -> str:
    return f"{client} {url} {','.join(secrets or (SECRET,))}\n"


KEY = secret_bytes(SECRET)
