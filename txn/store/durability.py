"""Whether Redis keeps what it acknowledges: looked at on every new connection and once a second, never per request."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

import redis

from txn.errors import NotDurable, StoreUnavailable
from txn.logs.state import State
from txn.loop import Loop
from txn.settings import Settings
from txn.store.connection import leave_replica
from txn.store.database import unavailable
from txn.store.inspection import Ask, Durability, inspect
from txn.store.keys import Keys
from txn.store.reasons import LOADING

#: After so many looks in a row without an answer in time, nothing more is sent to a server until one is answered. (One
#: that is not there at all says so at once.)
SILENT_LOOKS = 2
#: The next look after one without an answer: when it answers again is to be known soon.
_SOON_S = 0.05


class DurabilityMonitor:
    """What was last seen, and whether that is enough to acknowledge transactions."""

    def __init__(
        self,
        *,
        allow_lossy: bool,
        prefix: str = "txn:",
        lacking: Callable[[], str] = lambda: "",
        attested_by: str = "",
        replicas: int = 0,
        fails_over: bool = False,
        name: str = "Redis",
    ) -> None:
        #: How many replicas must have an acknowledged write; whether one of them may become the primary by itself.
        self.replicas, self.fails_over = replicas, fails_over
        self._allow_lossy, self._prefix, self._attested_by = allow_lossy, prefix, attested_by
        #: What the Redis user may not do and must, or nothing (`RightsMonitor.problem`).
        self.lacking = lacking
        self._loop: Loop | None = None
        self._said = State(name, frozenset({"durable", f"attested by {attested_by}"}))
        self.latest: Durability | None = None
        self._silent = 0  # looks in a row that were not answered in time
        self._is_loading = False
        #: When a server last answered, in s since the epoch on this host's clock; None: never.
        self.seen_s: float | None = None

    @property
    def may_lose_at_failover(self) -> bool:
        """Whether a replica may become the primary that lacks what was acknowledged."""
        is_attested = self.latest is not None and self.latest.level == "attested"
        return self.fails_over and not self.replicas and not is_attested

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
            self._is_loading = isinstance(error, redis.BusyLoadingError)
            self._said.is_now("away", str(unavailable(error)))
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, an older verdict must not stand for ever
            why = f"{type(error).__name__}: {str(error)[:100]}"
            self.latest = latest = Durability(
                "unknown", f"Redis cannot be checked ({why}): check TXN_REDIS_URL and its user"
            )
        self._silent, self._is_loading = 0, False
        state = "full" if latest.full else "refusing writes" if latest.unsaved else latest.words
        self._said.is_now(state, latest.problem)

    def _look_on(self, pool: redis.ConnectionPool) -> Durability:
        connection = pool.get_connection()
        try:
            found = self._look(connection)
            self.seen_s = time.time()
            return found
        finally:
            pool.release(connection)

    def _look(self, connection: Any) -> Durability:
        self.latest = found = inspect(_asker(connection), self.latest, self._prefix, self._attested_by)
        if found.replica:
            leave_replica(connection)
        return found

    def watch(self, client: redis.Redis, every_s: float = 1.0) -> threading.Thread:
        """Check once a second on a thread of its own, until `stop`."""

        def beat() -> float:
            self.check(client)
            return _SOON_S if self._silent or self._is_loading else every_s

        self._loop = Loop("durability", beat)
        return self._loop.start()

    def stop(self) -> None:
        """End the thread of `watch`."""
        if self._loop:
            self._loop.stop()

    @classmethod
    def of(
        cls, settings: Settings, lacking: Callable[[], str] = lambda: "", prefix: str = "", name: str = "Redis"
    ) -> Self:
        """As the settings ask for."""
        return cls(
            allow_lossy=settings.allow_lossy_redis,
            prefix=prefix or settings.prefix,
            lacking=lacking,
            attested_by=settings.attested_by,
            replicas=settings.redis_replicas,
            fails_over=settings.redis_fails_over,
            name=name,
        )

    def under(self, keys: Keys) -> "DurabilityMonitor":
        """Of the server that these keys are on."""
        return self

    def require(self) -> None:
        """Return if an acknowledgement given now is kept. Before the first look there is nothing to say against it.

        Raises: NotDurable, naming the setting and the command that mends it; StoreUnavailable if Redis is full, or its
        user may not do what has to be done, or it is known not to answer.
        """
        if lacking := self.lacking():
            raise StoreUnavailable(lacking)
        self.require_answer()
        latest = self.latest
        if latest is not None and latest.full:
            raise StoreUnavailable("Redis is full: give it more memory (maxmemory)")
        if latest is not None and latest.unsaved:
            raise StoreUnavailable(
                "Redis takes no writes, because it could not save to its disk: see its log, make space, and run SAVE"
            )
        if latest is not None and latest.is_kept and (latest.replicas is not None and latest.replicas < self.replicas):
            have = f"{latest.replicas} of {self.replicas} (TXN_REDIS_REPLICAS) are in step with it"
            raise StoreUnavailable(f"Redis has too few replicas, {have}: start them, and see their logs")
        if latest is None or latest.is_kept or self._allow_lossy:
            return
        raise NotDurable(f"{latest.problem}. To accept transactions that can be lost, set TXN_ALLOW_LOSSY_REDIS=1")

    def refusals(self) -> Sequence[tuple[str, str]]:
        """Whose submits are refused, and why, although `require` returns: those of a part of all ids."""
        return ()

    @property
    def answers(self) -> bool:
        """Not, if it is known to answer nobody in time."""
        return self._silent < SILENT_LOOKS

    def require_answer(self) -> None:
        """Return if it is worth asking: not one that is known not to answer, which would only be waited for.

        Raises: StoreUnavailable.
        """
        if not self.answers:
            raise StoreUnavailable("Redis did not answer in time")
        if self._is_loading:
            raise StoreUnavailable(LOADING)


def _asker(connection: Any) -> Ask:
    def ask(*command: str) -> Any:
        connection.send_command(*command)
        return connection.read_response()

    return ask
