"""Transports that tell how long each call took."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from time import perf_counter
from typing import Self

from txn.posting.transport import Answer, AsyncTransport, Request, Transport, Withheld, always

#: A bounded number of names, whatever the posting service answers.
_NAMES = {int(status): str(int(status)) for status in HTTPStatus}


class TimedTransport:
    """A `Transport` around another; `note` gets `get:200`, `post:none` (no answer) and the like, and the seconds."""

    def __init__(self, transport: Transport, note: Callable[[str, float], None]) -> None:
        self._transport, self._note = transport, note

    def send(self, request: Request, may_send: Callable[[], bool] = always) -> Answer:
        """See `Transport.send`. What was withheld was no call, and is not noted."""
        with _Timed(self._note, request.method) as timed:
            timed.answer = self._transport.send(request, may_send)
        return timed.answer

    def close(self) -> None:
        """See `Transport.close`."""
        self._transport.close()


class TimedAsyncTransport:
    """The same for an `AsyncTransport`. What was cancelled is not noted."""

    def __init__(self, transport: AsyncTransport, note: Callable[[str, float], None]) -> None:
        self._transport, self._note = transport, note

    async def send(self, request: Request, may_send: Callable[[], bool] = always) -> Answer:
        """See `AsyncTransport.send`."""
        with _Timed(self._note, request.method) as timed:
            timed.answer = await self._transport.send(request, may_send)
        return timed.answer

    def close(self) -> None:
        """See `AsyncTransport.close`."""
        self._transport.close()


class _Timed:
    """Notes how one call ended."""

    __slots__ = ("_began", "_method", "_note", "answer")

    def __init__(self, note: Callable[[str, float], None], method: str) -> None:
        self._note, self._method, self._began = note, method.lower(), perf_counter()
        self.answer: Answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if kind is None:
            status = _NAMES.get(self.answer.status, "other")
        elif issubclass(kind, Withheld | asyncio.CancelledError):
            return
        else:
            status = "none"
        self._note(f"{self._method}:{status}", perf_counter() - self._began)
