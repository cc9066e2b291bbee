"""Bulk runs: replaying or discarding all dead letters that match, as a record that any worker can move on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import redis

from txn.errors import NotFound
from txn.model.content import dumps, loads
from txn.model.dead_letter import Action, Filter
from txn.readers.dead_letters import Chunk
from txn.store.keys import Keys
from txn.store.scripts import Argument, Scripts, unavailable

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
    `total`: letters in its part of the index when it began; `looked` of them are done with: `done` were replayed or
    discarded, `gone` were no letters any more when their turn came, the rest did not match. `rate`: looked at, a
    second. `queued`: messages that wait for a worker now.
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
    total: int
    looked: int
    done: int
    gone: int
    rate: int
    worker: str
    stopped_by: str
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


class BulkRuns:
    """Every method raises StoreUnavailable; what was being written may have been written all the same."""

    def __init__(self, client: redis.Redis, keys: Keys, shift_ms: Callable[[], int] = lambda: 0) -> None:
        self._client, self._scripts, self._keys, self._shift_ms = client, Scripts(client), keys, shift_ms

    def start(self, run_id: str, what: Action, wanted: Filter, who: str, why: str) -> str:
        """Begin a run over what has failed by now: `started`, or `known` if there is one of this id."""
        keys = self._keys
        index = f"{keys.failed}:{wanted.code}" if wanted.code else keys.failed
        names = [keys.bulk_run(run_id), keys.bulk_runs, keys.bulk_active, index, keys.journal, keys.bulk_run("")]
        since, until = ("" if ms is None else ms for ms in (wanted.since_ms, wanted.until_ms))
        text = dumps(wanted.to_json())
        arguments = [run_id, since, until, what.value, who, why, text, RUNS_KEPT, self._shift_ms()]
        return str(self._scripts.run("bulk_start", names, arguments).decode())

    def stop(self, run_id: str, who: str) -> str:
        """End a run where it stands: `stopped`, `over` or `unknown`."""
        names = [self._keys.bulk_run(run_id), self._keys.bulk_active, self._keys.journal]
        return str(self._scripts.run("bulk_stop", names, [run_id, who, self._shift_ms()]).decode())

    def active(self) -> list[str]:
        """The runs that are not over, the oldest first. One cheap read."""
        try:
            found: Any = self._client.zrange(self._keys.bulk_active, 0, MAX_ACTIVE - 1)
        except redis.RedisError as error:
            raise unavailable(error) from error
        return [name.decode() for name in found]

    def take(self, run_id: str, worker: str) -> str:
        """Let `worker` move the run on for a while: `taken`, `leased` to somebody else, or `over`."""
        names = [self._keys.bulk_run(run_id), self._keys.bulk_active]
        return str(self._scripts.run("bulk_take", names, [run_id, worker, LEASE_MS, self._shift_ms()]).decode())

    def step(self, run: Run, worker: str, chunk: Chunk, history: str) -> str:
        """Do what the run does to one chunk, read from where the run stood: `moved`, or `finished` if it was the last.

        Nothing is done if the run is `over`, the lease `lost`, or the cursor `elsewhere`.
        """
        keys = self._keys
        names = [keys.bulk_run(run.id), keys.bulk_active, keys.journal, keys.record(""), keys.due, keys.count]
        names += [keys.failed, f"{keys.failed}:", keys.dead_messages, keys.dead_message_bodies]
        arguments: list[Argument] = [run.id, worker, LEASE_MS, run.cursor_ms, chunk.cursor_ms, chunk.looked]
        arguments += [int(chunk.last), history, self._shift_ms(), *chunk.ids]
        return str(self._scripts.run("bulk_step", names, arguments).decode())

    def read(self, run_id: str) -> Run:
        """Raises: NotFound."""
        [run] = self._read([run_id])
        if run is None:
            raise NotFound("there is no bulk run with this id; only the latest are kept")
        return run

    def recent(self, limit: int = 20) -> list[Run]:
        """The latest, newest first."""
        try:
            found: Any = self._client.zrevrange(self._keys.bulk_runs, 0, limit - 1)
        except redis.RedisError as error:
            raise unavailable(error) from error
        return [run for run in self._read([name.decode() for name in found]) if run is not None]

    def _read(self, ids: list[str]) -> list[Run | None]:
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for run_id in ids:
                    pipeline.hgetall(self._keys.bulk_run(run_id))
                pipeline.llen(self._keys.messages)
                pipeline.time()
                *found, queued, (seconds, micros) = pipeline.execute()
        except redis.RedisError as error:
            raise unavailable(error) from error
        now_ms = seconds * 1000 + micros // 1000 + self._shift_ms()
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
        total=number["total"],
        looked=number.get("looked", 0),
        done=number.get("done", 0),
        gone=number.get("gone", 0),
        rate=number.get("rate", 0),
        worker=text.get("owner", "").partition("#")[0],
        stopped_by=text.get("stopped_by", ""),
        queued=queued,
        now_ms=now_ms,
    )
