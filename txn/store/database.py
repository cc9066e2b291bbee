"""One Redis as txn uses it. `unavailable`, and nothing else, makes an error of its client one of ours."""

import copy
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import redis
from redis.client import Pipeline

from txn.errors import StoreRefuses, StoreUnavailable
from txn.store.commands import Argument
from txn.store.connection import takes_no_writes
from txn.store.keys import Keys
from txn.store.reasons import reason, refusal
from txn.store.replication import Replication
from txn.store.scripts import Scripts

#: Pauses between the repeats of one call.
FIRST_PAUSE_S = 0.05
MAX_PAUSE_S = 1.0

#: From a server that does not answer, and will not a moment later.
_SLOW = (redis.TimeoutError, redis.BusyLoadingError)

#: Stands for the reply of a key that is not of the type that we give it.
OTHER_TYPE: Any = object()


class ScriptCall(NamedTuple):
    """A script, its keys and arguments, and how often it may be repeated: what `Database.run` takes.

    `own`: of a script for many ids, what is this id's own; with None it is one call by itself. Whatever else follows
    from the first key, or may be as the latest call says: calls of different ids are sent as one.
    """

    name: str
    keys: Sequence[str]
    arguments: Sequence[Argument]
    repeats: int = 0
    own: Sequence[Argument] | None = None


class Database:
    """A client, the names of all keys, the scripts, and Redis's clock, which tests move with `shift_ms`.

    Scripts of all threads share round trips (`group_commit`), and are believed once so many `replicas` have them.
    Every method raises StoreUnavailable; what was being written may have been written all the same.
    """

    #: Whether what `under` gives may be on several servers.
    is_spread = False

    def __init__(
        self, client: redis.Redis, keys: Keys, shift_ms: Callable[[], int] = lambda: 0, replicas: int = 0
    ) -> None:
        self.client, self.keys, self.shift_ms = client, keys, shift_ms
        self.replication = Replication.of(replicas, keys, client)
        self.scripts = Scripts(client, self.replication)

    def under(self, keys: Keys) -> "Database":
        """Other keys on the same server, with the same client and the same round trips."""
        other = copy.copy(self)
        other.keys = keys
        return other

    def waiting_for(self, replicas: int) -> "Database":
        """The same client with round trips of its own, which are believed once so many replicas have them."""
        return Database(self.client, self.keys, self.shift_ms, replicas)

    def run(
        self,
        name: str,
        keys: Sequence[str],
        arguments: Sequence[Argument],
        repeats: int = 0,
        own: Sequence[Argument] | None = None,
        *,
        is_waited_for: bool = False,
    ) -> Any:
        """A script's reply: bytes, integers, None and lists of them; if it was called for one of many ids, that id's.

        `repeats` is for scripts that may run twice: how often to try again, with growing pauses, after a failure.
        `is_waited_for`: by somebody who would rather be told than wait once more for a server that does not answer.
        """
        failures = 0
        while True:
            try:
                return self.scripts.run(name, keys, arguments, own)
            except redis.RedisError as error:
                failures += 1
                if failures > repeats or (is_waited_for and isinstance(error, _SLOW)):
                    raise unavailable(error) from error
            time.sleep(pause_s(failures))

    def call(self, command: Callable[[redis.Redis], Any]) -> Any:
        """The reply to one command beside the scripts, or to a few in a row."""
        try:
            return command(self.client)
        except redis.RedisError as error:
            raise unavailable(error) from error

    def pipeline(
        self, queue: Callable[[Pipeline], object], *, transaction: bool = False, other_types: bool = False
    ) -> list[Any]:
        """The replies to the commands that `queue` puts into a pipeline, in one round trip.

        With `other_types`, a command on a key of another type is answered with OTHER_TYPE, in place of an error.
        """
        try:
            with self.client.pipeline(transaction=transaction) as pipeline:
                queue(pipeline)
                replies = pipeline.execute(raise_on_error=not other_types)
            return [_reply(reply) for reply in replies] if other_types else replies
        except redis.RedisError as error:
            raise unavailable(error) from error

    def now_ms(self) -> int:
        """Redis's clock, with one round trip: hosts disagree."""
        return self.as_ms(self.call(lambda client: client.time()))

    def as_ms(self, time: tuple[int, int]) -> int:
        """What TIME says, in milliseconds since the epoch."""
        return time[0] * 1000 + time[1] // 1000 + self.shift_ms()


def unavailable(error: redis.RedisError) -> StoreUnavailable:
    """What a failure of the client means to txn, in one line without addresses or credentials."""
    if isinstance(error, redis.ResponseError) and takes_no_writes(error):
        return StoreRefuses(refusal(error))
    return StoreUnavailable(reason(error))


def one_of_many(reply: Any) -> Any:
    """One of the replies of a script that is about many. Raises: StoreUnavailable, if it is an error."""
    if isinstance(reply, redis.ResponseError):
        raise unavailable(reply)
    return reply


def _reply(reply: Any) -> Any:
    if isinstance(reply, redis.ResponseError) and str(reply).startswith("WRONGTYPE"):
        return OTHER_TYPE
    if isinstance(reply, redis.RedisError):
        raise reply
    return reply


def pause_s(failures: int) -> float:
    """Before the next repeat of a call that has failed so often."""
    return min(MAX_PAUSE_S, FIRST_PAUSE_S * float(2**failures))
