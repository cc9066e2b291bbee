"""Transports that tell how long each call took."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from time import perf_counter

from txn.posting.transport import Answer, AsyncTransport, Request, Transport, Withheld, always

#: A bounded number of names, whatever the posting service answers.
_NAMES = {
    (method, int(status)): f"{method.lower()}:{int(status)}" for method in ("GET", "POST") for status in HTTPStatus
}

Note = Callable[[str, float], None]


class TimedTransport:
    """A `Transport` around another; `note` gets `get:200`, `post:none` (no answer) and the like, and the seconds."""

    def __init__(self, transport: Transport, note: Note) -> None:
        self._transport, self._note = transport, note

    def send(self, request: Request, may_send: Callable[[], bool] = always) -> Answer:
        """See `Transport.send`. What was withheld was no call, and is not noted."""
        began = perf_counter()
        try:
            answer = self._transport.send(request, may_send)
        except BaseException as error:
            _note_failed(self._note, request, error, began)
            raise
        self._note(_name(request, answer), perf_counter() - began)
        return answer

    def close(self) -> None:
        """See `Transport.close`."""
        self._transport.close()


class TimedAsyncTransport:
    """The same for an `AsyncTransport`. What was cancelled is not noted."""

    def __init__(self, transport: AsyncTransport, note: Note) -> None:
        self._transport, self._note = transport, note

    async def send(self, request: Request, may_send: Callable[[], bool] = always) -> Answer:
        """See `AsyncTransport.send`."""
        began = perf_counter()
        try:
            answer = await self._transport.send(request, may_send)
        except BaseException as error:
            _note_failed(self._note, request, error, began)
            raise
        self._note(_name(request, answer), perf_counter() - began)
        return answer

    def close(self) -> None:
        """See `AsyncTransport.close`."""
        self._transport.close()


def _name(request: Request, answer: Answer) -> str:
    return _NAMES.get((request.method, answer.status)) or f"{request.method.lower()}:other"


def _note_failed(note: Note, request: Request, error: BaseException, began: float) -> None:
    if not isinstance(error, Withheld | asyncio.CancelledError):
        note(f"{request.method.lower()}:none", perf_counter() - began)
