"""The event loop's transport, called from threads: so that it passes the tests that transports of threads pass."""

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from txn.posting.curl_multi import MultiTransport
from txn.posting.transport import Answer, AsyncTransport, Request, always

T = TypeVar("T")


@functools.cache
def running_loop() -> asyncio.AbstractEventLoop:
    """One for all tests, on a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop


class OnALoop:
    """A `Transport` whose requests run on an event loop."""

    def __init__(self, base_url: str, ca_file: str | None = None, **options: Any) -> None:
        self.transport: AsyncTransport = MultiTransport(base_url, ca_file, **options)

    def send(self, request: Request, may_send: Callable[[], bool] = always) -> Answer:
        return self._run(self.transport.send(request, may_send))

    def close(self) -> None:
        async def close() -> None:
            self.transport.close()

        self._run(close())

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        async def outcome() -> tuple[T | None, BaseException | None]:
            try:
                return await coroutine, None
            except BaseException as error:  # noqa: BLE001 - a KeyboardInterrupt would end the loop
                return None, error

        result, error = asyncio.run_coroutine_threadsafe(outcome(), running_loop()).result()
        if error is not None:
            raise error
        return result  # type: ignore[return-value]
