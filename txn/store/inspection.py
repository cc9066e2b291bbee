"""One look at a Redis: what its settings and INFO say about whether it keeps what it acknowledges."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
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

#: What has to be shown where nobody attests anything.
_NEEDED = (*_REQUIRED, "role", "aof_last_write_status")
#: What helps where a service hides its settings for good.
_OR_ATTESTED = (
    "; or, if whoever runs it promises that no acknowledged write is lost, set TXN_REDIS_DURABILITY=attested:<who>"
)


@dataclass(frozen=True, slots=True)
class Durability:
    """`level`: durable (seen), attested (`by` somebody: the settings are hidden), lossy, or unknown (hidden, and nobody
    attests it). `problem`: what is wrong, a colon, and what mends it.

    `full`: there is no memory for another write. `unsaved`: no writes are taken, because it could not save. `more`:
    what else is wrong with the settings. `replica`: this is not the server to write to. `without_log`: attested, and
    INFO shows no append-only file: the service has to keep writes in another way. `run`: which start of which server
    was looked at. `replicas`: how many are in step; None: not shown.
    """

    level: Literal["durable", "attested", "lossy", "unknown"]
    problem: str = ""
    full: bool = False
    unsaved: bool = False
    more: tuple[str, ...] = ()
    replica: bool = False
    by: str = ""
    without_log: bool = False
    run: str = field(default="", compare=False)
    replicas: int | None = field(default=None, compare=False)

    @property
    def is_kept(self) -> bool:
        """Whether what is acknowledged now is kept, as far as it was seen or somebody says so."""
        return self.level in ("durable", "attested")

    @property
    def words(self) -> str:
        """The level, and who attests it."""
        return f"attested by {self.by}" if self.level == "attested" else self.level


def inspect(ask: Ask, before: Durability | None = None, prefix: str = "txn:", attested_by: str = "") -> Durability:
    """Look at one server; `before` is what the last look found. What has to be tried is tried on a key with `prefix`.

    `attested_by`: who says that it keeps what it acknowledges, for settings that it hides; what it shows must fit.
    Raises: redis.ConnectionError, redis.TimeoutError.
    """
    seen, hidden = _see(ask)
    if seen.get("role", "master") != "master":
        return Durability(
            "lossy",
            "this Redis is a replica: point TXN_REDIS_URL at the primary, or run REPLICAOF NO ONE",
            replica=True,
        )
    if not attested_by and (hidden or (missing := [name for name in _NEEDED if name not in seen])):
        return Durability("unknown", _hidden(hidden) if hidden else _untold(missing[0]))
    if wrong := list(_lossy(seen)):
        return Durability("lossy", wrong[0], more=tuple(wrong[1:]))
    if seen.get("aof_last_write_status", "ok") != "ok":
        return Durability(
            "lossy", "the last write to the append-only file failed: see the server's log and free its disk"
        )
    unfinished = "1" in (seen.get("aof_rewrite_in_progress"), seen.get("aof_rewrite_scheduled"))
    run = seen.get("run_id", "")
    known = before is not None and before.is_kept and before.run == run
    if unfinished and not _is_logged(ask, seen, Keys(prefix).doctor, otherwise=known):
        # Switched on while it runs, the log is first written from memory; until that is done a crash loses everything.
        return Durability("lossy", "the append-only file is being written: wait until it is complete")
    found = Durability(
        "durable",
        full=0 < int(seen.get("maxmemory", 0)) <= int(seen.get("used_memory", 0)),
        unsaved=seen.get("rdb_last_bgsave_status", "ok") != "ok" and _must_save(ask),
        run=run,
        replicas=_replicas(seen),
    )
    if all(name in seen for name in _REQUIRED):
        return found
    return replace(found, level="attested", by=attested_by, without_log=seen.get("aof_enabled", "1") != "1")


def _must_save(ask: Ask) -> bool:
    """Whether a server that could not save takes no writes until it can."""
    try:
        settings = _pairs(ask("CONFIG", "GET", "save")) | _pairs(ask("CONFIG", "GET", "stop-writes-on-bgsave-error"))
    except redis.ResponseError:
        return False
    return settings.get("save", "") != "" and settings.get("stop-writes-on-bgsave-error") == "yes"


def _replicas(seen: Mapping[str, str]) -> int | None:
    if "connected_slaves" not in seen:
        return None
    return sum(1 for name, value in seen.items() if re.fullmatch(r"slave\d+", name) and "state=online" in value)


def _see(ask: Ask) -> tuple[dict[str, str], str]:
    """(settings and lines of INFO, as far as they are shown; what the server said where it hides some)."""
    seen: dict[str, str] = {}
    hidden = ""
    for read, command in _LOOKS:
        try:
            seen = read(ask(*command)) | seen
            if seen.get("loading") == "1":  # which it says without a wait; the rest may take long
                raise redis.BusyLoadingError("it is loading")
        except (redis.ConnectionError, redis.TimeoutError):
            raise
        except redis.RedisError as error:
            hidden = hidden or str(error)[:100]
    if policy := seen.get("maxmemory_policy"):  # INFO has it, too
        seen.setdefault("maxmemory-policy", policy)
    return seen, hidden


def _hidden(error: str) -> str:
    return f"CONFIG GET and INFO are not allowed here ({error}): allow them to this user{_OR_ATTESTED}"


def _untold(name: str) -> str:
    return f"the server does not report {name}: use one that does{_OR_ATTESTED}"


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
        if settings.get(name, needed) != needed:
            yield f"{name} is '{settings[name]}', so {why}: run CONFIG SET {name} {needed}"


def _pairs(reply: Any) -> dict[str, str]:
    texts = [_text(item) for item in reply]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _info(reply: Any) -> dict[str, str]:
    return dict(line.split(":", 1) for line in _text(reply).splitlines() if ":" in line)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


_LOOKS: tuple[tuple[Callable[[Any], dict[str, str]], tuple[str, ...]], ...] = (
    (_info, ("INFO", "persistence")),
    (_pairs, ("CONFIG", "GET", "*append*")),
    (_pairs, ("CONFIG", "GET", "maxmemory-policy")),
    (_info, ("INFO", "replication")),
    (_info, ("INFO", "server")),
    (_info, ("INFO", "memory")),
)
