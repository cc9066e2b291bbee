"""Whether Redis keeps what it acknowledges: looked at on every new connection and once a second, never per request."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import redis

from txn.errors import NotDurable, StoreUnavailable
from txn.logs.state import State
from txn.store.scripts import unavailable

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

    `full`: there is no memory for another write. `more`: what else is wrong with the settings.
    """

    level: Literal["durable", "lossy", "unknown"]
    problem: str = ""
    full: bool = False
    more: tuple[str, ...] = ()


def inspect(ask: Ask, before: Durability | None = None) -> Durability:
    """Look at one server; `before` is what the last look found.

    Raises: redis.ConnectionError, redis.TimeoutError.
    """
    try:
        settings = _pairs(ask("CONFIG", "GET", "*append*")) | _pairs(ask("CONFIG", "GET", "maxmemory-policy"))
        persistence = _info(ask("INFO", "persistence"))
        role = _info(ask("INFO", "replication")).get("role")
        memory = _info(ask("INFO", "memory"))
    except (redis.ConnectionError, redis.TimeoutError):
        raise
    except redis.RedisError as error:
        return Durability(
            "unknown", f"CONFIG GET and INFO are not allowed here ({str(error)[:100]}): allow them to this user"
        )
    if role != "master":
        return Durability(
            "lossy", "this Redis is a replica: point TXN_REDIS_URL at the primary, or run REPLICAOF NO ONE"
        )
    for name in _REQUIRED:
        if name not in settings:
            return Durability("unknown", f"the server does not tell its setting {name}: use one that does")
    if wrong := list(_lossy(settings)):
        return Durability("lossy", wrong[0], more=tuple(wrong[1:]))
    if persistence.get("aof_last_write_status") != "ok":
        return Durability(
            "lossy", "the last write to the append-only file failed: see the server's log and free its disk"
        )
    unfinished = "1" in (persistence.get("aof_rewrite_in_progress"), persistence.get("aof_rewrite_scheduled"))
    if unfinished and (before is None or before.level != "durable"):
        # Switched on while it runs, the log is first written from memory; until that is done a crash loses everything.
        return Durability("lossy", "the append-only file is being written: wait until it is complete")
    return Durability("durable", full=0 < int(memory.get("maxmemory", 0)) <= int(memory.get("used_memory", 0)))


def _lossy(settings: Mapping[str, str]) -> Iterator[str]:
    for name, (needed, why) in _REQUIRED.items():
        if settings[name] != needed:
            yield f"{name} is '{settings[name]}', so {why}: run CONFIG SET {name} {needed}"


class DurabilityMonitor:
    """What was last seen, and whether that is enough to acknowledge transactions."""

    def __init__(self, *, allow_lossy: bool) -> None:
        self._allow_lossy = allow_lossy
        self._stop = threading.Event()
        self._said = State("Redis", frozenset({"durable"}))
        self.latest: Durability | None = None
        #: When a server last answered, in s since the epoch on this host's clock; None: never.
        self.seen_s: float | None = None

    def on_connect(self, connection: Any) -> None:
        """For `connect(on_connect=...)`: a new connection may be to a server that was restarted with other settings."""
        connection.on_connect()
        self.latest = inspect(_asker(connection), self.latest)

    def check(self, client: redis.Redis) -> None:
        """Look again, now. A server that does not answer changes nothing: then nothing is acknowledged anyway."""
        pool = client.connection_pool
        try:
            connection = pool.get_connection()
            try:
                self.latest = inspect(_asker(connection), self.latest)
                self.seen_s = time.time()
            finally:
                pool.release(connection)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            self._said.is_now("away", str(unavailable(error)))
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, an older verdict must not stand for ever
            why = f"{type(error).__name__}: {str(error)[:100]}"
            self.latest = Durability("unknown", f"Redis cannot be looked at ({why}): check TXN_REDIS_URL and its user")
        latest = self.latest
        self._said.is_now("full" if latest.full else latest.level, latest.problem)

    def watch(self, client: redis.Redis, every_s: float = 1.0) -> threading.Thread:
        """Check once a second on a thread of its own, until `stop`."""

        def loop() -> None:
            while True:
                self.check(client)
                if self._stop.wait(every_s):
                    return

        thread = threading.Thread(target=loop, name="durability", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End the thread of `watch`."""
        self._stop.set()

    def require(self) -> None:
        """Return if an acknowledgement given now is kept. Before the first look there is nothing to say against it.

        Raises: NotDurable, naming the setting and the command that mends it; StoreUnavailable if Redis is full.
        """
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
