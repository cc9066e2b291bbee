"""Calls of an event loop, sent to Redis together: all of one tick share a round trip, and one wait for the disk.

The loop never waits for Redis: one thread sends a batch and reads its replies while the next one gathers on the loop.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import redis

from txn.store.commands import Argument, Command
from txn.store.database import Database, ScriptCall, pause_s, unavailable
from txn.store.group_commit import GroupCommit

#: Calls of one batch at most: the server runs it without looking at anybody else.
MOST = 64


class Runner(Protocol):
    """Runs scripts for a loop."""

    async def run(self, call: ScriptCall) -> Any:
        """See `Database.run`."""

    def close(self) -> None:
        """End, once what it has is sent."""


Words = tuple[Argument, ...]
_Call = tuple[Command, "asyncio.Future[Any]"]


class Flusher:
    """Runs scripts for one loop, over one connection. Made on the loop that uses it.

    Its calls raise StoreUnavailable; what was being written may have been written all the same.
    """

    def __init__(self, database: Database) -> None:
        self._texts = database.scripts.texts()
        self._group = GroupCommit(database.client, database.replication)
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Call] = []
        self._gathering = self._sending = False
        self._batches: queue.SimpleQueue[list[_Call] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._send_all, name="redis", daemon=True)
        self._thread.start()

    async def run(self, call: ScriptCall, where: "Callable[[], Flusher] | None" = None) -> Any:
        """See `Database.run`. `where`: who sends it, asked before each try; by default this one."""
        sha, text = self._texts[call.name]
        rest = (len(call.keys), *call.keys, *call.arguments)
        words: Words = ("EVALSHA", sha, *rest)
        failures = 0
        while True:
            try:
                return await (where() if where else self)._reply(words, call.own)
            except redis.RedisError as error:
                if isinstance(error, redis.exceptions.NoScriptError) and words[0] == "EVALSHA":
                    words = ("EVAL", text, *rest)
                    continue
                failures += 1
                if failures > call.repeats:
                    raise unavailable(error) from error
            await asyncio.sleep(pause_s(failures))

    def close(self) -> None:
        """End the thread, once it has sent what it has."""
        self._batches.put(None)

    def _reply(self, words: Words, own: Sequence[Argument] | None) -> Awaitable[Any]:
        """To one sending of the command."""
        reply: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append((Command(words, own), reply))
        if not self._sending and not self._gathering:
            self._gathering = True
            self._loop.call_soon(self._gathered)
        return reply

    def _gathered(self) -> None:
        """All of this tick has come."""
        self._gathering = False
        if self._waiting and not self._sending:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            self._sending = True
            self._batches.put(batch)

    def _send_all(self) -> None:
        while (batch := self._batches.get()) is not None:
            replies: Sequence[Any]
            try:
                replies = self._group.exchange_merged([command for command, _ in batch])
            except redis.RedisError as error:
                replies = [error] * len(batch)
            except Exception as error:  # noqa: BLE001 - who waits for a reply must not wait for ever
                replies = [redis.ConnectionError(f"{type(error).__name__} within the client")] * len(batch)
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._arrived, batch, replies)

    def _arrived(self, batch: list[_Call], replies: Sequence[Any]) -> None:
        self._sending = False
        if isinstance(replies[0], redis.TimeoutError):
            # The server hangs: who has waited behind these need not wait as long again. Nothing of theirs was sent.
            batch, self._waiting = batch + self._waiting, []
            replies = [replies[0]] * len(batch)
        for (_, reply), value in zip(batch, replies, strict=True):
            if reply.done():
                continue  # cancelled
            if isinstance(value, Exception):
                reply.set_exception(value)
            else:
                reply.set_result(value)
        self._gathered()
