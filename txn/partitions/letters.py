"""The dead letters of all partitions, what is done to them, and the bulk runs over them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from txn.errors import Invalid, NotFound
from txn.model.dead_letter import Action, Confirmed, Filter
from txn.operate.bulk_runs import BulkRuns, Run
from txn.operate.operations import Operations
from txn.partitions.place import Partitions
from txn.readers.dead_letters import Chunk, Count, Counted, DeadLetters, Page
from txn.readers.letter import Letter

#: Whoever starts a bulk run waits so long for its count, at most, in s.
COUNT_S = 10.0


class AllLetters(DeadLetters):
    """As `DeadLetters`, by when they failed. Raises StoreUnavailable while one partition is away: no list is shown that
    leaves some of them out.
    """

    def __init__(self, partitions: Partitions) -> None:
        super().__init__(partitions.first)
        self._all = [DeadLetters(database) for database in partitions.all]

    def totals(self) -> dict[str, int]:
        """See `DeadLetters.totals`."""
        found = [letters.totals() for letters in self._all]
        return {code: sum(one[code] for one in found) for code in found[0]}

    def discarded(self) -> int:
        """See `DeadLetters.discarded`."""
        return sum(letters.discarded() for letters in self._all)

    def count(self, wanted: Filter) -> Count:
        """See `DeadLetters.count`."""
        found = [letters.count(wanted) for letters in self._all]
        return Count(*(sum(getattr(one, name) for one in found) for name in ("matching", "looked", "total")))

    def begin(self, wanted: Filter) -> Counted:
        """See `DeadLetters.begin`."""
        found = [letters.begin(wanted) for letters in self._all]
        before_ms = min(one.before_ms for one in found)  # by the slowest clock: later ones may still come
        return replace(found[0], before_ms=before_ms, total=sum(one.total for one in found))

    def counted(self, wanted: Filter, so_far: Counted, enough: Callable[[], bool]) -> Counted:
        """See `DeadLetters.counted`."""
        if wanted.scans:
            return super().counted(wanted, so_far, enough)
        found = [letters.counted(wanted, so_far, enough) for letters in self._all]
        total = sum(one.total for one in found)
        return replace(so_far, matching=total, looked=total, total=total, exact=True)

    def page(self, wanted: Filter, before_ms: int | None = None, limit: int = 50) -> Page:
        """See `DeadLetters.page`."""
        found = [letters.page(wanted, before_ms, limit) for letters in self._all]
        # All partitions were read down to this time, and no further.
        bound = max((page.next_ms for page in found if page.next_ms is not None), default=None)
        looked = sum(page.looked for page in found)
        merged = sorted((one for page in found for one in page.letters), key=_newest_first)
        complete = [one for one in merged if bound is None or _listed_ms(one) > bound]
        cut = _whole(complete, limit)
        if cut < len(complete):
            return Page(complete[:cut], _listed_ms(complete[cut - 1]) - 1, looked)
        return Page(complete, bound, looked)

    def chunk(self, wanted: Filter, after_ms: int, before_ms: int, limit: int) -> Chunk:
        """See `DeadLetters.chunk`; up to `limit` in each partition, and all that they have up to its cursor."""
        found = [letters.chunk(wanted, after_ms, before_ms, limit) for letters in self._all]
        open_ends = [chunk.cursor_ms for chunk in found if not chunk.last]
        if not open_ends:
            ids = [name for chunk in found for name in chunk.ids]
            looked, cursor_ms = sum(chunk.looked for chunk in found), max(chunk.cursor_ms for chunk in found)
            return Chunk(ids, looked, cursor_ms, last=True)
        # Anew, up to where the shortest one came: what is behind that is in the next chunk.
        bound = min(open_ends)
        again = [
            chunk if not chunk.last and chunk.cursor_ms == bound else letters.chunk(wanted, after_ms, bound, limit)
            for letters, chunk in zip(self._all, found, strict=True)
        ]
        ids = [name for chunk in again for name in chunk.ids]
        return Chunk(ids, sum(chunk.looked for chunk in again), bound, last=False)


def _newest_first(letter: Letter) -> tuple[int, str]:
    return -_listed_ms(letter), letter.id


def _listed_ms(letter: Letter) -> int:
    """Its place in the list that it is on."""
    return letter.discarded.at_ms if letter.discarded else letter.failed_ms


def _whole(letters: Sequence[Letter], limit: int) -> int:
    """How many of them a page has: `limit`, and all of the last one's millisecond."""
    cut = min(limit, len(letters))
    while 0 < cut < len(letters) and _listed_ms(letters[cut]) == _listed_ms(letters[cut - 1]):
        cut += 1
    return cut


class AllRuns(BulkRuns):
    """As `BulkRuns`: one run is one in each partition that has something for it, all of the same id."""

    def __init__(self, partitions: Partitions, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__(partitions.first)
        self._monotonic_s = monotonic_s
        self._all = [BulkRuns(database) for database in partitions.all]
        self._letters = [DeadLetters(database) for database in partitions.all]

    def start(self, run_id: str, what: Action, wanted: Filter, confirmed: Confirmed, who: str, why: str) -> str:
        """See `BulkRuns.start`. Counts anew what each partition has of what was confirmed: each does no more than that.

        Repeating it completes a start that was cut short. Raises: Invalid, if they have more, or so many that they
        cannot be counted while somebody waits.
        """
        begun = [_none_if_unknown(runs, run_id) for runs in self._all]
        ends_s = self._monotonic_s() + COUNT_S
        missing = {
            number: _matching(self._letters[number], wanted, confirmed, lambda: self._monotonic_s() > ends_s)
            for number, run in enumerate(begun)
            if not run
        }
        now = sum(missing.values()) + sum(run.confirmed or 0 for run in begun if run)
        if now > confirmed.count:
            raise Invalid("count", f"{now} match now, and {confirmed.count} were counted: count again")
        to_begin = [number for number, count in missing.items() if count]
        if not to_begin and not any(begun):
            to_begin = [0]  # so that it is remembered
        gone = confirmed.count - now  # what somebody else has dealt with meanwhile: the run says so
        for number in to_begin:
            share, gone = Confirmed(missing[number] + gone, confirmed.before_ms), 0
            self._all[number].start(run_id, what, wanted, share, who, why)
        return "started" if to_begin else "known"

    def stop(self, run_id: str, who: str) -> str:
        """See `BulkRuns.stop`."""
        found = {runs.stop(run_id, who) for runs in self._all}
        return next(one for one in ("stopped", "over", "unknown") if one in found)

    def active(self) -> list[str]:
        """See `BulkRuns.active`."""
        return list(dict.fromkeys(name for runs in self._all for name in runs.active()))

    def read(self, run_id: str) -> Run:
        """See `BulkRuns.read`."""
        found = [run for runs in self._all if (run := _none_if_unknown(runs, run_id))]
        if not found:
            raise NotFound("there is no bulk run with this id; only the latest are kept")
        return _one_run(found)

    def recent(self, limit: int = 20) -> list[Run]:
        """See `BulkRuns.recent`."""
        same: dict[str, list[Run]] = {}
        for runs in self._all:
            for run in runs.recent(limit):
                same.setdefault(run.id, []).append(run)
        found = sorted((_one_run(runs) for runs in same.values()), key=lambda run: -run.started_ms)
        return found[:limit]


def _matching(letters: DeadLetters, wanted: Filter, confirmed: Confirmed, enough: Callable[[], bool]) -> int:
    begun = replace(letters.begin(wanted), before_ms=confirmed.before_ms)
    counted = letters.counted(wanted, begun, enough)
    if not counted.exact:
        raise Invalid(
            "count",
            f"with TXN_PARTITIONS they are counted once more, and that takes over {COUNT_S:.0f} s: "
            "choose fewer, by their error code or by when they failed",
        )
    return counted.matching


def _none_if_unknown(runs: BulkRuns, run_id: str) -> Run | None:
    try:
        return runs.read(run_id)
    except NotFound:
        return None


def _one_run(same: Sequence[Run]) -> Run:
    """The same run in all partitions that have it."""
    states = {run.state for run in same}
    order: tuple[Literal["running", "stopped", "done"], ...] = ("running", "stopped", "done")
    state = next(one for one in order if one in states)
    ends = [run.finished_ms for run in same]
    counts = [run.confirmed for run in same]
    sums = {name: sum(getattr(run, name) for run in same) for name in _ADDED}
    return replace(
        same[0],
        **sums,
        state=state,
        started_ms=min(run.started_ms for run in same),
        finished_ms=None if None in ends else max(ms for ms in ends if ms is not None),
        confirmed=None if None in counts else sum(count for count in counts if count is not None),
        worker=next((run.worker for run in same if run.worker), ""),
        stopped_by=next((run.stopped_by for run in same if run.stopped_by), ""),
        more=any(run.more for run in same),
        now_ms=max(run.now_ms for run in same),
    )


_ADDED = ("total", "looked", "done", "gone", "rate", "queued")


class AllOperations(Operations):
    """As `Operations`, each id in its partition."""

    def __init__(self, partitions: Partitions) -> None:
        super().__init__(partitions.first, AllRuns(partitions))
        self._partitions = partitions

    def became(self, what: Action, ids: Sequence[str], who: str, why: str) -> list[str]:
        """See `Operations.became`."""
        found: dict[str, str] = {}
        for number, mine in self._partitions.grouped(ids).items():
            became = Operations(self._partitions.all[number]).became(what, mine, who, why)
            found |= dict(zip(mine, became, strict=True))
        return [found[name] for name in ids]
