"""Calls of many threads, sent to Redis together: they share a round trip, and the server's one wait for the disk.

There is no thread for it. Whoever finds nobody sending becomes the sender, for all who have come by then; those
who come meanwhile are the next batch, and the first of them its sender.
"""

import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any

import hiredis
import redis

from txn.store.connection import leave_replica

#: How often the server is asked, along with the calls, whether it is the primary: a demoted one may answer them all.
LOOK_EVERY_S = 1.0
_LOOK = hiredis.pack_command(("INFO", "replication"))  # type: ignore[arg-type]  # its types know tuples of one length only


class _Call:
    """A command on its way, and what became of it."""

    __slots__ = ("arrived", "leads", "packed", "reply")

    def __init__(self, packed: bytes) -> None:
        self.packed = packed
        self.reply: Any = None
        self.leads = False
        self.arrived = threading.Lock()
        self.arrived.acquire()


def group_of(client: redis.Redis) -> "GroupCommit":
    """The client's one group: all that talks through the same client shares its round trips."""
    with _making:
        return _groups.setdefault(client, GroupCommit(client))


class GroupCommit:
    """One connection of `client`, shared by any number of threads. Not to be used before a fork."""

    def __init__(self, client: redis.Redis) -> None:
        self._pool = client.connection_pool
        self._connection: Any = None
        self._next_look_s, self._may_look = 0.0, True
        self._lock = threading.Lock()
        self._waiting: list[_Call] = []
        self._sending = False

    def call(self, *command: str | bytes | int) -> Any:
        """The command's reply.

        Raises: redis.RedisError. The command may have run all the same, unless it is a ResponseError.
        """
        call = _Call(hiredis.pack_command(command))  # type: ignore[arg-type]  # its types know tuples of one length only
        with self._lock:
            self._waiting.append(call)
            leads, self._sending = not self._sending, True
        if not leads:
            call.arrived.acquire()
            leads = call.leads
        if leads:
            self._send_batch()
        if isinstance(call.reply, Exception):
            raise call.reply
        return call.reply

    def _send_batch(self) -> None:
        """Send for all who wait; whatever happens, each of them gets a reply, and the next batch a sender."""
        with self._lock:
            batch, self._waiting = self._waiting, []
        try:
            replies = self._exchange([call.packed for call in batch])
        except redis.RedisError as error:
            replies = [error] * len(batch)
        except BaseException:
            replies = [redis.ConnectionError("the sender was interrupted")] * len(batch)
            raise
        finally:
            for call, reply in zip(batch, replies, strict=True):
                call.reply = reply
                call.arrived.release()
            self._hand_over(replies[0])

    def _hand_over(self, reply: Any) -> None:
        with self._lock:
            if isinstance(reply, redis.TimeoutError):
                # The server hangs: who has waited behind us need not wait as long again. Nothing of theirs was sent.
                for call in self._waiting:
                    call.reply = reply
                    call.arrived.release()
                self._waiting = []
            self._sending = bool(self._waiting)
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].arrived.release()

    def _exchange(self, packed: Sequence[bytes]) -> list[Any]:
        """The replies in order, errors of single commands among them. Raises: redis.RedisError, for all of them."""
        connection = self._connected()
        looks = self._may_look and time.monotonic() >= self._next_look_s
        try:
            connection.send_packed_command([b"".join([_LOOK, *packed] if looks else packed)], check_health=False)
            if looks:
                self._see(connection, _reply(connection))
            return [_reply(connection) for _ in packed]
        except BaseException:
            connection.disconnect()  # or a late reply would be taken for the next one
            raise

    def _see(self, connection: Any, reply: Any) -> None:
        """Leave a server that is a replica. Who may not ask (ACL) does not ask again."""
        self._next_look_s = time.monotonic() + LOOK_EVERY_S
        self._may_look = not isinstance(reply, redis.exceptions.NoPermissionError)
        if isinstance(reply, bytes) and b"role:master" not in reply:
            leave_replica(connection)

    def _connected(self) -> Any:
        """The connection, a new one if the server has closed it meanwhile."""
        if self._connection is None:
            self._connection = self._pool.get_connection()
        connection = self._connection
        connection.connect()
        try:
            fresh = not connection.can_read()
        except redis.RedisError:
            fresh = False
        if not fresh:
            connection.disconnect()
            connection.connect()
        return connection


_groups: "weakref.WeakKeyDictionary[redis.Redis, GroupCommit]" = weakref.WeakKeyDictionary()
_making = threading.Lock()


def _reply(connection: Any) -> Any:
    """The next reply; an error that concerns one command only is a reply too."""
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error
