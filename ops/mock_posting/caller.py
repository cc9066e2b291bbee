"""Somebody who waits for an answer, until it comes or patience ends."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from ops.mock_posting.answer import Answer
from ops.mock_posting.row import dumps

#: ASGI's: the events of one request. The last says that the caller has gone.
Receive = Callable[[], Awaitable[Mapping[str, Any]]]


async def answer_or_gone(
    answer: asyncio.Task[Answer], receive: Receive, when_gone: Callable[[], None] = lambda: None
) -> Answer | None:
    """The answer, or None as soon as the caller has gone; the task goes on. A task that was cancelled answers 500."""
    watch = asyncio.create_task(_watch(receive, when_gone))
    await asyncio.wait((answer, watch), return_when=asyncio.FIRST_COMPLETED)
    if not answer.done():
        return None
    watch.cancel()
    with suppress(asyncio.CancelledError):
        await watch
    return Answer(500, dumps({"detail": "reset"})) if answer.cancelled() else answer.result()


async def _watch(receive: Receive, when_gone: Callable[[], None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    when_gone()
