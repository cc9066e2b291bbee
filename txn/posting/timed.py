"""A transport that tells how long each call took."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from time import perf_counter

from txn.posting.transport import Answer, Transport, Withheld, always

#: A bounded number of names, whatever the posting service answers.
_NAMES = {int(status): str(int(status)) for status in HTTPStatus}


class TimedTransport:
    """A `Transport` around another; `note` gets `get:200`, `post:none` (no answer) and the like, and the seconds."""

    def __init__(self, transport: Transport, note: Callable[[str, float], None]) -> None:
        self._transport, self._note = transport, note

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str],
        timeout_ms: int,
        may_send: Callable[[], bool] = always,
    ) -> Answer:
        """See `Transport.request`. What was withheld was no call, and is not noted."""
        began, status = perf_counter(), "none"
        try:
            answer = self._transport.request(
                method, path, body=body, headers=headers, timeout_ms=timeout_ms, may_send=may_send
            )
            status = _NAMES.get(answer.status, "other")
        except Withheld:
            status = ""
            raise
        finally:
            if status:
                self._note(f"{method.lower()}:{status}", perf_counter() - began)
        return answer

    def close(self) -> None:
        """See `Transport.close`."""
        self._transport.close()
