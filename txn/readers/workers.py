"""Who delivers, and what is in flight, for people to look at. The delivery path does not use it."""

from dataclasses import dataclass
from typing import Any

from txn.readers.statistics import ALIVE_MS
from txn.store.database import Database
from txn.store.record import whole

#: Bounds of one look, whatever there is.
MAX_WORKERS = 100
MAX_LOOKED_AT = 400

#: What a worker says of itself with each heartbeat, in this order.
FIELDS = ("host", "pid", "threads", "version", "started", "processed", "rate", "clock")

#: In `noticed` and events: that the posting service is slow. txn/operate/event_log.py writes it.
SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker process. `rate`: messages a second, its own count over the last ten; `held`: messages it has fetched;
    `clock_ms`: its host's clock at `beat_ms`, which is Redis's.

    What it has not said of itself, or too long ago, is empty.
    """

    consumer: str
    beat_ms: int
    held: int
    alive: bool
    host: str
    pid: str
    threads: str
    version: str
    started_ms: int | None
    processed: int | None
    rate: float | None
    clock_ms: int | None = None

    @property
    def name(self) -> str:
        """As in a transaction's timeline: host:pid."""
        return f"{self.host}:{self.pid}" if self.host else self.consumer


@dataclass(frozen=True, slots=True)
class InFlight:
    """A transaction that a worker is delivering, claimed a lease before `lease_end_ms`. None: it does not say."""

    id: str
    worker: str
    lease_end_ms: int | None
    attempts: int
    mode: str
    submitted_ms: int | None


@dataclass(frozen=True, slots=True)
class Floor:
    """One consistent look. `queued`: messages nobody has taken yet. `complete`: nothing was left out."""

    now_ms: int
    queued: int
    unfinished: int
    dead_letters: int
    workers: list[Worker]
    in_flight: list[InFlight]
    complete: bool


@dataclass(frozen=True, slots=True)
class Marks:
    """When a worker last lived, and since when there are dead letters (None: never).

    `slow_since_ms`: since when the posting service is slow, if a worker has seen it.
    """

    beat_ms: int | None
    first_failed_ms: int | None
    slow_since_ms: int | None = None


class WorkerReader:
    """Every method raises StoreUnavailable and writes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> Floor:
        """Workers by name, and what they deliver, the longest first."""
        keys = self._database.keys
        now, queued, unfinished, dead, workers, in_flight = self._database.run(
            "workers",
            [keys.heartbeats, keys.worker, keys.acks, keys.record(""), keys.messages, keys.due, keys.failed],
            [keys.queue, MAX_WORKERS, MAX_LOOKED_AT, self._database.shift_ms(), *FIELDS],
        )
        found = sorted((_worker(*reply, now_ms=int(now)) for reply in workers), key=lambda one: one.name)
        names = {worker.consumer: worker.name for worker in found}
        flights = sorted((_in_flight(reply, names) for reply in in_flight), key=lambda one: one.lease_end_ms or 0)
        complete = len(found) < MAX_WORKERS and sum(worker.held for worker in found) <= MAX_LOOKED_AT
        return Floor(int(now), queued, unfinished, dead, found, flights, complete)

    def marks(self) -> Marks:
        """Two looks at the ends of indexes, and one at what events were about last."""
        keys = self._database.keys
        ends = ((keys.heartbeats, -1), (keys.failed, 0))

        def look(pipeline: Any) -> None:
            for name, at in ends:
                pipeline.zrange(name, at, at, withscores=True)
            pipeline.hmget(keys.noticed, SLOW, f"{SLOW}:since")

        *replies, (slow, since) = self._database.pipeline(look)
        beat_ms, first_failed_ms = (int(found[0][1]) if found else None for found in replies)
        return Marks(beat_ms, first_failed_ms, whole(since.decode()) if slow == b"on" and since else None)


def _worker(consumer: bytes, beat: bytes, held: int, about: list[bytes | None], *, now_ms: int) -> Worker:
    host, pid, threads, version, started, processed, rate, clock = (
        "" if one is None else one.decode(errors="replace") for one in about
    )
    return Worker(
        consumer=consumer.decode(errors="replace"),
        beat_ms=int(float(beat)),
        held=held,
        alive=now_ms - int(float(beat)) < ALIVE_MS,
        host=host,
        pid=pid,
        threads=threads,
        version=version,
        started_ms=whole(started),
        processed=whole(processed),
        rate=_rate(rate),
        clock_ms=whole(clock),
    )


def _rate(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _in_flight(reply: list[Any], names: dict[str, str]) -> InFlight:
    name, consumer, lease, attempts, mode, submitted = (item.decode(errors="replace") for item in reply)
    return InFlight(name, names[consumer], whole(lease), whole(attempts) or 0, mode, whole(submitted))
