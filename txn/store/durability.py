"""Whether Redis keeps what it acknowledges: looked at on every new connection and once a second, never per request."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import redis

from txn.errors import NotDurable, StoreUnavailable
from txn.logs.state import State
from txn.loop import Loop
from txn.store.connection import leave_replica
from txn.store.database import unavailable
from txn.store.keys import Keys

#: Asks one command on one connection and gives the raw reply (RESP2).
Ask = Callable[..., Any]

#: setting -> (the value that keeps everything, why another one does not)
_REQUIRED = {
    "appendonly": ("yes", "nothing is logged to disk"),
    "appendfsync": ("always", "a write is acknowledged before it is on disk"),
    "no-appendfsync-on-rewrite": ("no", "while the log is rewritten, writes are acknowledged before they are on disk"),
    "maxmemory-policy": ("noeviction", "records can be evicted"),
}


@dataclass(frozen=True, slots=True)
class Durability:
    """`level`: durable, lossy, or unknown (no right to look). `problem`: what is wrong, a colon, and what mends it.

    `full`: there is no memory for another write. `more`: what else is wrong with the settings. `replica`: this is not
    the server to write to. `run`: which start of which server was looked at.
    """

    level: Literal["durable", "lossy", "unknown"]
    problem: str = ""
    full: bool = False
    more: tuple[str, ...] = ()
    replica: bool = False
    run: str = field(default="", compare=False)


def inspect(ask: Ask, before: Durability | None = None, prefix: str = "txn:") -> Durability:
    """Look at one server; `before` is what the last look found. What has to be tried is tried on a key with `prefix`.

    Raises: redis.ConnectionError, redis.TimeoutError.
    """
    try:
        settings = _pairs(ask("CONFIG", "GET", "*append*")) | _pairs(ask("CONFIG", "GET", "maxmemory-policy"))
        persistence = _info(ask("INFO", "persistence"))
        replication = _info(ask("INFO", "replication"))
        server = _info(ask("INFO", "server"))
        memory = _info(ask("INFO", "memory"))
    except (redis.ConnectionError, redis.TimeoutError):
        raise
    except redis.RedisError as error:
        return Durability(
            "unknown", f"CONFIG GET and INFO are not allowed here ({str(error)[:100]}): allow them to this user"
        )
    if replication.get("role") != "master":
        return Durability(
            "lossy",
            "this Redis is a replica: point TXN_REDIS_URL at the primary, or run REPLICAOF NO ONE",
            replica=True,
        )
    for name in _REQUIRED:
        if name not in settings:
            return Durability("unknown", f"the server does not report its setting {name}: use one that does")
    if wrong := list(_lossy(settings)):
        return Durability("lossy", wrong[0], more=tuple(wrong[1:]))
    if persistence.get("aof_last_write_status") != "ok":
        return Durability(
            "lossy", "the last write to the append-only file failed: see the server's log and free its disk"
        )
    unfinished = "1" in (persistence.get("aof_rewrite_in_progress"), persistence.get("aof_rewrite_scheduled"))
    run = server.get("run_id", "")
    known = before is not None and before.level == "durable" and before.run == run
    if unfinished and not _is_logged(ask, server, Keys(prefix).doctor, otherwise=known):
        # Switched on while it runs, the log is first written from memory; until that is done a crash loses everything.
        return Durability("lossy", "the append-only file is being written: wait until it is complete")
    full = 0 < int(memory.get("maxmemory", 0)) <= int(memory.get("used_memory", 0))
    return Durability("durable", full=full, run=run)


def _is_logged(ask: Ask, server: Mapping[str, str], key: str, *, otherwise: bool) -> bool:
    """Whether, while the log is written anew, what is written now is on disk: a complete log is there, and goes on.

    INFO shows the first writing of a log and a rewrite of a complete one as the same, so a key is written. From 7.2 on
    the server then says whether its log is synced that far, which it never is before there is a complete one. Before 7
    the write makes the log longer, and never does before there is a complete one. Of the versions between, and without
    the right to write and ask (ACL), nothing is known: then it is as it was before the log was begun, `otherwise`.

    Raises: redis.ConnectionError, redis.TimeoutError.
    """
    try:
        length = _log_length(ask)
        ask("SET", key, "1", "PX", "1")
        if int(server.get("redis_version", "7").partition(".")[0]) < 7:
            return _log_length(ask) > length
        return _is_synced(ask)
    except redis.ResponseError:
        return otherwise


def _is_synced(ask: Ask) -> bool:
    """Whether the log is synced as far as the connection has written: with `appendfsync always` at once, or not yet."""
    ask("MULTI")  # where nothing waits
    try:
        ask("WAITAOF", "1", "0", "0")
    finally:
        [[local, _replicas]] = ask("EXEC")
    return bool(local == 1)


def _log_length(ask: Ask) -> int:
    return int(_info(ask("INFO", "persistence")).get("aof_current_size", 0))


def _lossy(settings: Mapping[str, str]) -> Iterator[str]:
    for name, (needed, why) in _REQUIRED.items():
        if settings[name] != needed:
            yield f"{name} is '{settings[name]}', so {why}: run CONFIG SET {name} {needed}"


#: After so many looks in a row without an answer in time, nothing more is sent to a server until one is answered. (One
#: that is not there at all says so at once.)
SILENT_LOOKS = 2
#: The next look after one without an answer: when it answers again is to be known soon.
_SOON_S = 0.05


class DurabilityMonitor:
    """What was last seen, and whether that is enough to acknowledge transactions."""

    def __init__(self, *, allow_lossy: bool, prefix: str = "txn:", lacking: Callable[[], str] = lambda: "") -> None:
        self._allow_lossy, self._prefix = allow_lossy, prefix
        #: What the Redis user may not do and must, or nothing (`RightsMonitor.problem`).
        self.lacking = lacking
        self._loop: Loop | None = None
        self._said = State("Redis", frozenset({"durable"}))
        self.latest: Durability | None = None
        self._silent = 0  # looks in a row that were not answered in time
        #: When a server last answered, in s since the epoch on this host's clock; None: never.
        self.seen_s: float | None = None

    def on_connect(self, connection: Any) -> None:
        """For `connect(on_connect=...)`: a new connection may be to a server that was restarted with other settings."""
        connection.on_connect()
        self._look(connection)

    def check(self, client: redis.Redis) -> None:
        """Look again, now. A server that does not answer changes nothing: then nothing is acknowledged anyway."""
        try:
            latest = self._look_on(client.connection_pool)
            if latest.replica:
                latest = self._look_on(client.connection_pool)  # on a new connection: the name may lead elsewhere now
        except (redis.ConnectionError, redis.TimeoutError) as error:
            self._silent = self._silent + 1 if isinstance(error, redis.TimeoutError) else 0
            self._said.is_now("away", str(unavailable(error)))
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, an older verdict must not stand for ever
            why = f"{type(error).__name__}: {str(error)[:100]}"
            self.latest = latest = Durability(
                "unknown", f"Redis cannot be checked ({why}): check TXN_REDIS_URL and its user"
            )
        self._silent = 0
        self._said.is_now("full" if latest.full else latest.level, latest.problem)

    def _look_on(self, pool: redis.ConnectionPool) -> Durability:
        connection = pool.get_connection()
        try:
            found = self._look(connection)
            self.seen_s = time.time()
            return found
        finally:
            pool.release(connection)

    def _look(self, connection: Any) -> Durability:
        self.latest = found = inspect(_asker(connection), self.latest, self._prefix)
        if found.replica:
            leave_replica(connection)
        return found

    def watch(self, client: redis.Redis, every_s: float = 1.0) -> threading.Thread:
        """Check once a second on a thread of its own, until `stop`."""

        def beat() -> float:
            self.check(client)
            return _SOON_S if self._silent else every_s

        self._loop = Loop("durability", beat)
        return self._loop.start()

    def stop(self) -> None:
        """End the thread of `watch`."""
        if self._loop:
            self._loop.stop()

    def require(self) -> None:
        """Return if an acknowledgement given now is kept. Before the first look there is nothing to say against it.

        Raises: NotDurable, naming the setting and the command that mends it; StoreUnavailable if Redis is full, or its
        user may not do what has to be done, or it is known not to answer.
        """
        if lacking := self.lacking():
            raise StoreUnavailable(lacking)
        if self._silent >= SILENT_LOOKS:
            raise StoreUnavailable("Redis did not answer in time")  # who asks it now would only wait to hear the same
        latest = self.latest
        if latest is not None and latest.full:
            raise StoreUnavailable("Redis is full: give it more memory (maxmemory)")
        if latest is None or latest.level == "durable" or self._allow_lossy:
            return
        raise NotDurable(f"{latest.problem}. To accept transactions that can be lost, set TXN_ALLOW_LOSSY_REDIS=1")


def _asker(connection: Any) -> Ask:
    def ask(*command: str) -> Any:
        connection.send_command(*command)
        return connection.read_response()

    return ask


def _pairs(reply: Any) -> dict[str, str]:
    texts = [_text(item) for item in reply]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _info(reply: Any) -> dict[str, str]:
    return dict(line.split(":", 1) for line in _text(reply).splitlines() if ":" in line)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
