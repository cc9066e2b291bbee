"""One look at a Redis: what its settings and INFO say about whether it keeps what it acknowledges."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import redis

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


def _pairs(reply: Any) -> dict[str, str]:
    texts = [_text(item) for item in reply]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _info(reply: Any) -> dict[str, str]:
    return dict(line.split(":", 1) for line in _text(reply).splitlines() if ":" in line)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
