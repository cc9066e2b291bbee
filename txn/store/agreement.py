"""That every process divides transactions into as many partitions: one that does not would find none of them.

The number is written by whoever comes first, and looked at on each new connection before it is used.
"""

from collections.abc import Callable
from typing import Any

import redis

from txn.store.keys import Keys

OnConnect = Callable[[Any], None]

_DRAIN = "to change it, wait until nothing is unfinished, stop everything, and copy all of it (txn divide)"

#: A process without the number was connected before the number was written.
_BOTH = "stop every process, and see docs/use/partitions.md, With and without the number"


#: In place of the number: all was copied to another prefix, or is being copied here (`txn divide`).
MOVED, COPYING = "moved", "copying"


class OtherPartitions(redis.ConnectionError):
    """TXN_PARTITIONS is not what the records of this Redis were written with; the text says what is what."""


class Agreement:
    """`partitions`: as the settings say; 0: none."""

    def __init__(self, keys: Keys, partitions: int) -> None:
        self._keys, self._partitions = keys, partitions

    def before(self, on_connect: OnConnect | None = None) -> OnConnect:
        """For `connect(on_connect=...)`: this look, and then what else there is to do with a new connection."""

        def look(connection: Any) -> None:
            if on_connect is None:
                connection.on_connect()
            else:
                on_connect(connection)
            self.look(connection)

        return look

    def look(self, connection: Any) -> None:
        """Raises: OtherPartitions, redis.RedisError; then the connection is not used."""
        if self._partitions:
            if b"cluster_enabled:1" in (_may(lambda: _ask(connection, "INFO", "cluster")) or b""):
                raise OtherPartitions(
                    f"TXN_PARTITIONS={self._partitions} on a node of a Redis Cluster, which may give some of them to "
                    "other nodes: set TXN_REDIS_URL=redis+cluster://host:port,..."
                )
            self.agree(lambda *command: _ask(connection, *command))
        elif _may(lambda: _ask(connection, "EXISTS", self._keys.partitions)):
            count = _may(lambda: _ask(connection, "GET", self._keys.partitions))
            raise OtherPartitions(_differs("not set", count))

    def agree(self, ask: Callable[..., Any]) -> None:
        """Write the number, or see that it is ours. `ask`: the reply to a command. Raises: OtherPartitions."""
        count = ask("GET", self._keys.partitions)
        if count and count.startswith((MOVED.encode(), COPYING.encode())):
            raise OtherPartitions(_differs(str(self._partitions), count))
        # One at a time: in a cluster they are on different nodes.
        if any(ask("EXISTS", key) for key in (self._keys.count, self._keys.due, self._keys.epoch)):
            way_out = f"unset it; {_DRAIN}" if count is None else _BOTH
            raise OtherPartitions(
                f"TXN_PARTITIONS={self._partitions}, but there are transactions here that were accepted without "
                f"partitions: {way_out}"
            )
        if count is None:
            ask("SET", self._keys.partitions, self._partitions, "NX")
            count = ask("GET", self._keys.partitions)
        if count != str(self._partitions).encode():
            raise OtherPartitions(_differs(str(self._partitions), count))


class AgreementApart(Agreement):
    """In a cluster, of the partition with these keys: it keeps the number, so that no connection to it needs another
    node. It is first agreed on, once and for all, where transactions without partitions would be.

    `together`: a client for that place.
    """

    def __init__(self, keys: Keys, partitions: int, undivided: Keys, together: Callable[[], redis.Redis]) -> None:
        super().__init__(keys, partitions)
        self._undivided, self._together = undivided, together

    def look(self, connection: Any) -> None:
        """See `Agreement.look`."""
        count = _ask(connection, "GET", self._keys.partitions)
        if count is None:
            with self._together() as client:
                Agreement(self._undivided, self._partitions).agree(client.execute_command)
            _ask(connection, "SET", self._keys.partitions, self._partitions, "NX")
            count = _ask(connection, "GET", self._keys.partitions)
        if count != str(self._partitions).encode():
            raise OtherPartitions(_differs(str(self._partitions), count))


def _differs(ours: str, count: bytes | None) -> str:
    theirs = (count or b"").decode(errors="replace")[:20]
    if theirs.startswith(MOVED):
        return "all that is under this TXN_PREFIX was copied to another (txn divide): use that, and its TXN_PARTITIONS"
    if theirs.startswith(COPYING):
        return "transactions are just being copied to this TXN_PREFIX: wait until txn divide has ended, or run it again"
    return (
        f"TXN_PARTITIONS is {ours}, but the transactions here were accepted with {theirs or 'another number'}: "
        f"set TXN_PARTITIONS={theirs or '...'} for every process; {_DRAIN}"
    )


def _may(ask: Callable[[], Any]) -> Any:
    """The reply; None for a user who may not ask."""
    try:
        return ask()
    except redis.exceptions.NoPermissionError:
        return None


def _ask(connection: Any, *command: str | int) -> Any:
    connection.send_command(*command)
    return connection.read_response()
