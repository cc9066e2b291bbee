"""Moves bulk runs on: in every worker process, any number at once, in chunks that are each all or nothing."""

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable

from txn.model.dead_letter import Action
from txn.operate.bulk_runs import BulkRuns, Run
from txn.operate.operations import history_line
from txn.readers.dead_letters import DeadLetters

log = logging.getLogger("txn.journal")

#: Letters that are replayed or discarded with one call ...
CHUNK = 100
#: ... and with one tick, in all runs: 2,000 a second, which submits do not notice.
PER_TICK = 500
BUSY_S = 0.25
PER_SECOND = int(PER_TICK / BUSY_S)
#: Time of one tick, which matters when few of many letters match.
TICK_S = 0.1
#: With nothing to move on: one cheap read.
IDLE_S = 1.0
#: What is replayed stands behind what is queued, and before what is submitted next: so never much at once.
MAX_QUEUED = 500
#: With so many queued a tick replays only these, 100 a second: a queue that never empties holds no run up.
TRICKLE = 25


class BulkRunner:
    """One worker process's share. `name`: who it is, for people."""

    def __init__(
        self, runs: BulkRuns, letters: DeadLetters, name: str, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._runs, self._letters, self._monotonic_s = runs, letters, monotonic_s
        self._worker = f"{name}#{secrets.token_hex(6)}"
        self._turn = 0

    def tick(self) -> float:
        """Move on all runs that nobody else moves, a chunk of each in turn: seconds to the next tick.

        Raises: StoreUnavailable; whoever comes next goes on where the runs stand.
        """
        runs, mine = self._in_turn(), set[str]()
        began, moved, replayed = self._monotonic_s(), 0, 0
        while runs and moved < PER_TICK and self._monotonic_s() - began < TICK_S:
            run_id = runs.popleft()
            if run_id not in mine and self._runs.take(run_id, self._worker) != "taken":
                continue
            mine.add(run_id)
            run = self._runs.read(run_id)
            full = run.what is Action.REPLAY and run.queued >= MAX_QUEUED
            if full and replayed:
                continue
            chunk = self._letters.chunk(run.filter, run.cursor_ms, run.before_ms, TRICKLE if full else CHUNK)
            verdict = self._runs.step(run, self._worker, chunk, history_line(run.what, run.by, run.why, run.id))
            self._say(run, verdict)
            moved += len(chunk.ids)
            replayed += len(chunk.ids) if run.what is Action.REPLAY else 0
            if verdict == "moved" and not full:
                runs.append(run_id)
        return BUSY_S if mine else IDLE_S

    def _in_turn(self) -> deque[str]:
        """Another first each time: one that is slow, or cannot be moved at all, must not hold the others up."""
        runs = deque(self._runs.active())
        runs.rotate(self._turn)
        self._turn += 1
        return runs

    def _say(self, run: Run, verdict: str) -> None:
        if verdict not in ("finished", "more"):
            return
        how = "finished" if verdict == "finished" else "stopped, more match than were confirmed"
        told = (run.by, run.what, run.id, how, self._runs.read(run.id).done, run.confirmed)
        log.info("%s: %s all that match, run %s %s: %d of %s confirmed", *told)
