"""Calls of many threads, sent to Redis together: they share a round trip, and the server's one wait for the disk.

There is no thread for it. Whoever finds nobody sending leads: sends for all who have come by then. Those who come
meanwhile are the next batch, and the first of them leads it. A thread can be interrupted anywhere, also between being
told to lead and sending: then whoever waits for it is told, and another one leads.
"""

import threading
import time
from collections.abc import Sequence
from typing import Any

import hiredis
import redis

from txn.store.commands import Argument, Command, Merged
from txn.store.connection import leave_replica
from txn.store.replication import Replication

#: How often the server is asked, along with the calls, whether it is the primary: a demoted one may answer them all.
LOOK_EVERY_S = 1.0
_LOOK = hiredis.pack_command(("INFO", "replication"))  # type: ignore[arg-type]  # its types know tuples of one length only


_PENDING: Any = object()


class _Call:
    """A command on its way, and what became of it."""

    __slots__ = ("_arrived", "command", "reply")

    def __init__(self, command: Command) -> None:
        self.command = command
        self.reply: Any = _PENDING
        self._arrived = threading.Lock()
        self._arrived.acquire()

    def wait(self) -> None:
        """Until there is a reply, or its thread is to send."""
        self._arrived.acquire()

    def wake(self) -> None:
        """End the one wait, or make that there is none. Once more does no harm."""
        try:
            self._arrived.release()
        except RuntimeError:
            return


class GroupCommit:
    """One connection of `client`, shared by any number of threads. Not to be used before a fork.

    `replication`: each batch is believed only if enough replicas have it.
    """

    def __init__(self, client: redis.Redis, replication: Replication | None = None) -> None:
        self._replication = replication
        self._pool = client.connection_pool
        self._connection: Any = None
        self._next_look_s, self._may_look = 0.0, True
        self._in_step = True  # no reply is on its way to nobody
        self._lock = threading.Lock()
        self._waiting: list[_Call] = []
        self._batch: list[_Call] = []  # what the leader sends
        self._leader: _Call | None = None

    def call(self, *words: Argument, own: Sequence[Argument] | None = None) -> Any:
        """The command's reply. `own`: see `Command`.

        Raises: redis.RedisError. The command may have run all the same, unless it is a ResponseError.
        """
        call = _Call(Command(words, own))
        try:
            self._take_part(call)
        except BaseException:
            # Dramatiq's TimeLimit and Shutdown, Ctrl-C, gevent's kill: they come anywhere, and one may follow another.
            try:
                self._leave(call)
            except BaseException:
                self._leave(call)
                raise
            raise
        if isinstance(call.reply, Exception):
            raise call.reply
        return call.reply

    def _take_part(self, call: _Call) -> None:
        with self._lock:
            self._waiting.append(call)
            if self._leader is None:
                self._leader = call
        if self._leader is not call:
            call.wait()
        if self._leader is call:
            self._send_batch()

    def _send_batch(self) -> None:
        """Send for all who wait: each of them gets a reply, and the next batch a leader."""
        with self._lock:
            batch = self._batch = self._waiting
            self._waiting = []
        try:
            replies = self.exchange_merged([call.command for call in batch])
        except redis.RedisError as error:
            replies = [error] * len(batch)
        for call, reply in zip(batch, replies, strict=True):
            call.reply = reply
            call.wake()
        self._hand_over(replies[0])

    def _hand_over(self, reply: Any) -> None:
        with self._lock:
            if isinstance(reply, redis.TimeoutError):
                # The server hangs: who has waited behind us need not wait as long again. Nothing of theirs was sent.
                for call in self._waiting:
                    call.reply = reply
                    call.wake()
                self._waiting = []
            self._batch, self._leader = [], None
            self._appoint()

    def _appoint(self) -> None:
        """See that somebody leads, if anybody waits, and knows it."""
        if self._leader is None and self._waiting:
            self._leader = self._waiting[0]
        if self._leader is not None:
            self._leader.wake()

    def _leave(self, call: _Call) -> None:
        """Its thread was interrupted, wherever it stood: nobody may wait for it. Repeating this does no harm."""
        with self._lock:
            if self._leader is call:
                for other in self._batch:
                    if other.reply is _PENDING:
                        other.reply = redis.ConnectionError("the sender was interrupted")
                for other in (*self._batch, *self._waiting):
                    if other.reply is not _PENDING:
                        other.wake()
                self._batch, self._leader = [], None
            self._waiting = [other for other in self._waiting if other is not call and other.reply is _PENDING]
            self._appoint()

    def exchange_merged(self, commands: Sequence[Command]) -> list[Any]:
        """As `exchange`; see `Merged`."""
        merged = Merged(commands)
        return merged.spread(self.exchange(merged.packed()))

    def exchange(self, packed: Sequence[bytes]) -> list[Any]:
        """The replies in order, errors of single commands among them. For one thread at a time.

        Raises: redis.RedisError, for all of them.
        """
        connection = self._connected()
        looks = self._may_look and time.monotonic() >= self._next_look_s
        behind = self._replication.behind() if self._replication else ()
        before = [_LOOK] if looks else ()
        try:
            connection.send_packed_command([b"".join([*before, *packed, *behind])], check_health=False)
            if looks:
                self._see(connection, _reply(connection))
            replies = [_reply(connection) for _ in packed]
            waited = [_reply(connection) for _ in behind]
        except BaseException:
            connection.disconnect()  # or a late reply would be taken for the next one
            raise
        self._in_step = True
        return list(self._replication.judge(replies, waited)) if self._replication else replies

    def _see(self, connection: Any, reply: Any) -> None:
        """Leave a server that is a replica. Who may not ask (ACL) does not ask again."""
        self._next_look_s = time.monotonic() + LOOK_EVERY_S
        self._may_look = not isinstance(reply, redis.exceptions.NoPermissionError)
        if isinstance(reply, bytes) and b"role:master" not in reply:
            leave_replica(connection)

    def _connected(self) -> Any:
        """The connection, a new one if the server has closed it meanwhile, or whoever used it was interrupted."""
        in_step, self._in_step = self._in_step, False
        if self._connection is None:
            self._connection = self._pool.get_connection()
        connection = self._connection
        if not in_step:
            connection.disconnect()
        connection.connect()
        try:
            fresh = not connection.can_read()
        except redis.RedisError:
            fresh = False
        if not fresh:
            connection.disconnect()
            connection.connect()
        return connection


def _reply(connection: Any) -> Any:
    """The next reply; an error that concerns one command only is a reply too."""
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error
