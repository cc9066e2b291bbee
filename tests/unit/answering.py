from collections.abc import Callable, Mapping

from txn.posting.transport import Answer, Request, always


class Answering:
    """A transport whose every answer is this one."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._answer = Answer(status, headers or {}, body)

    def send(self, request: Request, may_send: Callable[[], bool] = always) -> Answer:
        return self._answer

    def close(self) -> None: ...
