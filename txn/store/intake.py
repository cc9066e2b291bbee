"""Whether there is room for more transactions: looked at once a second beside the work, never per request."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import redis

from txn.errors import Overloaded, StoreUnavailable
from txn.logs.state import State
from txn.memory import limit_of
from txn.settings import Settings
from txn.store.database import Database

#: Why a submit was refused: too many are unfinished, Redis is too full, or its client sends too many.
Reason = Literal["unfinished", "memory", "rate"]

EVERY_S = 1.0
#: What was seen longer ago than this says nothing about now.
TRUSTED_S = 5.0
#: Submits are let in again below this share of a limit, so that they are not refused and let in by turns.
RESUMES = 0.98
#: Nobody is told to come back later than this: workers may be added meanwhile.
MAX_RETRY_AFTER_S = 60
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Level:
    """How full it is. `ended`: completed and failed in the last minute. `memory`: the bytes that the server counts
    against its `max_memory` (0: it has none). `memory_limit`: from so many on submits are refused (0: never).
    """

    unfinished: int
    ended: int
    memory: int
    max_memory: int
    memory_limit: int


@dataclass(frozen=True, slots=True)
class Overload:
    """Why submits are refused now, since when on Redis's clock, and after how many seconds it is worth asking again."""

    reason: Reason
    sentence: str
    retry_after_s: int
    since_ms: int


class IntakeMonitor:
    """What was last seen, and whether submits are let in. `beat` is for a loop beside the work."""

    def __init__(
        self, database: Database, settings: Settings, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._database, self._settings, self._monotonic_s = database, settings, monotonic_s
        self._said = State("intake", frozenset({"open"}))
        self._level: Level | None = None
        self._overload: Overload | None = None
        self._seen_s = float("-inf")
        self._refused: Counter[Reason] = Counter()
        self._lock = threading.Lock()

    @property
    def level(self) -> Level | None:
        """None: nothing is known, or it is too old to go by."""
        return self._level if self._monotonic_s() - self._seen_s <= TRUSTED_S else None

    @property
    def overload(self) -> Overload | None:
        """None: submits are let in; also if nothing is known."""
        return self._overload if self.level else None

    def require(self) -> None:
        """Return if there is room. Raises: Overloaded."""
        if overload := self.overload:
            self.refused(overload.reason)
            raise Overloaded(overload.sentence, overload.retry_after_s)

    def refused(self, reason: Reason) -> None:
        """Count a submit that was not let in."""
        with self._lock:
            self._refused[reason] += 1

    def beat(self) -> float:
        """Look, say what has changed, and return the seconds to the next look. Raises: StoreUnavailable."""
        began_s = self._monotonic_s()
        level, now_ms = self._look()
        self._overload = _overload(level, self._settings, self._overload, now_ms)
        self._level, self._seen_s = level, began_s
        over = self._overload
        self._said.is_now(f"over its limit ({over.reason})" if over else "open", over.sentence if over else "")
        return EVERY_S

    def _look(self) -> tuple[Level, int]:
        """Raises: StoreUnavailable; then what was refused is not counted: rather a few too few than some twice."""
        with self._lock:
            refused, self._refused = self._refused, Counter()
        pairs = [text for reason, number in refused.items() for text in (reason, number)]
        unfinished, ended, now_ms = self.counts(pairs)
        memory = self.memory()
        # As the server itself counts: what waits to be sent to its own disk and replicas is not held against it.
        used = int(memory.get("used_memory", 0)) - int(memory.get("mem_not_counted_for_evict", 0))
        most = int(memory.get("maxmemory", 0))
        limit = limit_of(self._settings.max_redis_memory, most)
        return Level(unfinished, ended, used, most, limit), now_ms

    def counts(self, pairs: Sequence[str | int]) -> tuple[int, int, int]:
        """(unfinished, ended in the last minute, now in ms). `pairs`: reason and number of what was refused, to count.

        Raises: StoreUnavailable.
        """
        return self.counts_of(self._database, pairs)

    def counts_of(self, database: Database, pairs: Sequence[str | int]) -> tuple[int, int, int]:
        """The same of one database."""
        keys = database.keys
        unfinished, ended, now_ms = database.run(
            "intake", [keys.due, keys.count, keys.minute], [database.shift_ms(), *pairs]
        )
        return unfinished, ended, int(now_ms)

    def memory(self) -> Mapping[str, Any]:
        """What INFO says; nothing if our user may not ask: `DurabilityMonitor` says so. Raises: StoreUnavailable."""
        return self.memory_of(self._database)

    def memory_of(self, database: Database) -> Mapping[str, Any]:
        """The same of one database's server."""
        try:
            found: Mapping[str, Any] = database.call(lambda client: client.info("memory"))
        except StoreUnavailable as error:
            if not isinstance(error.__cause__, redis.exceptions.NoPermissionError):
                raise
            return {}
        return found


def _overload(level: Level, settings: Settings, before: Overload | None, now_ms: int) -> Overload | None:
    def is_over(reason: Reason, value: int, limit: int) -> bool:
        return value >= (limit * RESUMES if before and before.reason == reason else limit)

    def found(reason: Reason, sentence: str, to_end: float) -> Overload:
        since_ms = before.since_ms if before and before.reason == reason else now_ms
        return Overload(reason, sentence, _wait_s(to_end, level.ended), since_ms)

    if level.memory_limit and is_over("memory", level.memory, level.memory_limit):
        return found("memory", _memory_sentence(level, settings), level.unfinished)
    if is_over("unfinished", level.unfinished, settings.max_unfinished):
        sentence = (
            f"{level.unfinished:,} transactions are unfinished and {settings.max_unfinished:,} may be "
            f"(TXN_MAX_UNFINISHED); {level.ended:,} have ended in the last minute: repeat this later"
        )
        return found("unfinished", sentence, level.unfinished - settings.max_unfinished * RESUMES)
    return None


def _memory_sentence(level: Level, settings: Settings) -> str:
    share = f" of its maxmemory, {level.max_memory / _MIB:,.0f} MiB" if level.max_memory else ""
    return (
        f"Redis holds {level.memory / _MIB:,.0f} MiB{share}, and submits are accepted below "
        f"{level.memory_limit / _MIB:,.0f} MiB (TXN_MAX_REDIS_MEMORY={settings.max_redis_memory}): "
        "give it more memory (CONFIG SET maxmemory)"
    )


def _wait_s(to_end: float, ended: int) -> int:
    """How long it takes until so many have ended, at the rate of the last minute."""
    if not ended or to_end <= 0:
        return MAX_RETRY_AFTER_S
    return max(1, min(MAX_RETRY_AFTER_S, round(to_end * 60 / ended)))
