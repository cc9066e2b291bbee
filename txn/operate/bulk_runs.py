"""Bulk runs: replaying or discarding all dead letters that match, as a record that any worker can move on."""

from dataclasses import dataclass
from typing import Literal

from redis.client import Pipeline

from txn.errors import NotFound
from txn.model.content import dumps, loads
from txn.model.dead_letter import Action, Confirmed, Filter
from txn.model.transaction import rfc3339
from txn.readers.dead_letters import Chunk, letters_index
from txn.store.commands import Argument
from txn.store.database import Database
from txn.store.keys import letter_places

#: A run that its worker has not touched for so long is somebody else's.
LEASE_MS = 5_000
#: Runs that are remembered.
RUNS_KEPT = 200
#: Runs that one worker looks at in search of one that nobody moves on.
MAX_ACTIVE = 20


@dataclass(frozen=True, slots=True)
class Run:
    """Times are milliseconds on Redis's clock.

    `before_ms`: letters that failed later are none of its business. `cursor_ms`: up to where it has looked.
    `confirmed`: how many matched when they were counted: it does no more than these (a run that an older version began
    has no such limit). `total`: letters in its part of the index when it began; `looked` of them are done with: `done`
    were replayed or discarded, `gone` were no letters any more when their turn came, the rest did not match. `more`: it
    was stopped because more match than were confirmed. `rate`: looked at, a second. `queued`: messages that wait for a
    worker now.
    """

    id: str
    what: Action
    filter: Filter
    by: str
    why: str
    state: Literal["running", "stopped", "done"]
    started_ms: int
    finished_ms: int | None
    before_ms: int
    cursor_ms: int
    confirmed: int | None
    total: int
    looked: int
    done: int
    gone: int
    rate: int
    worker: str
    stopped_by: str
    more: bool
    queued: int
    now_ms: int

    @property
    def share(self) -> float:
        """How much of it is over, from 0 to 1."""
        if self.state == "done" or not self.total:
            return 1.0
        return min(1.0, self.looked / self.total)

    @property
    def other(self) -> int:
        """Letters that it left alone because they did not match."""
        return self.looked - self.done - self.gone

    @property
    def missed(self) -> int:
        """Of those that were confirmed, as many as somebody else dealt with before it, once it is done."""
        if self.state != "done" or self.confirmed is None:
            return self.gone
        return max(0, self.confirmed - self.done)

    def to_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "run": self.id,
            "what": self.what.value,
            "state": self.state,
            "filter": self.filter.to_json(),
            "by": self.by,
            "why": self.why,
            "startedAt": rfc3339(self.started_ms),
            "finishedAt": None if self.finished_ms is None else rfc3339(self.finished_ms),
            "confirmed": self.confirmed,
            "total": self.total,
            "looked": self.looked,
            "done": self.done,
            "gone": self.missed,
            "other": self.other,
            "worker": self.worker or None,
            "stoppedBy": self.stopped_by or None,
            "more": self.more,
        }


class BulkRuns:
    """Every method raises StoreUnavailable; what was being written may have been written all the same."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, run_id: str, what: Action, wanted: Filter, confirmed: Confirmed, who: str, why: str) -> str:
        """Begin a run over what was counted: `started`, or `known` if there is one of this id."""
        since: Argument = "" if wanted.since_ms is None else wanted.since_ms
        rest: list[Argument] = [since, confirmed.before_ms, what.value, who, why, dumps(wanted.to_json()), RUNS_KEPT]
        index = letters_index(self._database.keys, wanted)
        return self._run("start", run_id, *rest, confirmed.count, index=index)

    def stop(self, run_id: str, who: str) -> str:
        """End a run where it stands: `stopped`, `over` or `unknown`."""
        return self._run("stop", run_id, who)

    def active(self) -> list[str]:
        """The runs that are not over, the oldest first. One cheap read."""
        name = self._database.keys.bulk_active
        found = self._database.call(lambda client: client.zrange(name, 0, MAX_ACTIVE - 1))
        return [name.decode() for name in found]

    def take(self, run_id: str, worker: str) -> str:
        """Let `worker` move the run on for a while: `taken`, `leased` to somebody else, or `over`."""
        return self._run("take", run_id, worker, LEASE_MS)

    def step(self, run: Run, worker: str, chunk: Chunk, history: str) -> str:
        """Do what the run does to one chunk, read from where the run stood: `moved`, or `finished` if it was the last.

        `more`: it has done as many as were confirmed, met one more, and was stopped. Nothing is done if the run is
        `over`, the lease `lost`, or the cursor `elsewhere`.
        """
        rest: list[Argument] = [run.cursor_ms, chunk.cursor_ms, chunk.looked, int(chunk.last), history, *chunk.ids]
        keys = self._database.keys
        index = keys.discarded if run.filter.discarded else keys.failed
        return self._run("step", run.id, worker, LEASE_MS, *rest, index=index)

    def _run(self, verb: str, run_id: str, *rest: Argument, index: str = "") -> str:
        keys = self._database.keys
        names = [keys.bulk_run(run_id), keys.bulk_active, keys.journal, keys.bulk_runs, index or keys.failed]
        names += [keys.bulk_run(""), keys.record(""), keys.due, keys.count, *letter_places(keys), keys.changes]
        reply = self._database.run("bulk", names, [verb, run_id, self._database.shift_ms(), *rest])
        return str(reply.decode())

    def read(self, run_id: str) -> Run:
        """Raises: NotFound."""
        [run] = self._read([run_id])
        if run is None:
            raise NotFound("there is no bulk run with this id; only the latest are kept")
        return run

    def recent(self, limit: int = 20) -> list[Run]:
        """The latest, newest first."""
        name = self._database.keys.bulk_runs
        found = self._database.call(lambda client: client.zrevrange(name, 0, limit - 1))
        return [run for run in self._read([name.decode() for name in found]) if run is not None]

    def _read(self, ids: list[str]) -> list[Run | None]:
        keys = self._database.keys

        def queue(pipeline: Pipeline) -> None:
            for run_id in ids:
                pipeline.hgetall(keys.bulk_run(run_id))
            pipeline.llen(keys.messages)
            pipeline.time()

        *found, queued, time = self._database.pipeline(queue)
        now_ms = self._database.as_ms(time)
        return [_run(run_id, fields, queued, now_ms) for run_id, fields in zip(ids, found, strict=True)]


def _run(run_id: str, fields: dict[bytes, bytes], queued: int, now_ms: int) -> Run | None:
    if not fields:
        return None
    text = {name.decode(): value.decode(errors="replace") for name, value in fields.items()}
    number = {name: int(value) for name, value in text.items() if value.lstrip("-").isdecimal()}
    return Run(
        id=run_id,
        what=Action(text["what"]),
        filter=Filter.from_json(loads(fields[b"filter"])),
        by=text["by"],
        why=text["why"],
        state=text["state"],  # type: ignore[arg-type]  # the scripts write no other
        started_ms=number["started"],
        finished_ms=number.get("finished"),
        before_ms=number["before"],
        cursor_ms=number["cursor"],
        confirmed=number.get("confirmed"),
        total=number["total"],
        looked=number.get("looked", 0),
        done=number.get("done", 0),
        gone=number.get("gone", 0),
        rate=number.get("rate", 0),
        worker=text.get("owner", "").partition("#")[0],
        stopped_by=text.get("stopped_by", ""),
        more=number.get("more") == 1,
        queued=queued,
        now_ms=now_ms,
    )
