"""The dead letters, for people and for bulk runs. The delivery path does not use it. Nothing is written."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis.client import Pipeline

from txn.model.dead_letter import LETTER_CODES, Confirmed, Filter
from txn.readers.letter import FIELDS, Letter, content_of, letter_of, text_of
from txn.store.database import OTHER_TYPE, Database
from txn.store.keys import Keys

#: Letters read with one call, so that Redis is never busy with us for long ...
SLICE = 500
#: ... and those that one page looks at when an index alone cannot answer.
MAX_LOOKED_AT = 2_000


@dataclass(frozen=True, slots=True)
class Count:
    """How many match, of the `looked` that were looked at, of `total` that the index names."""

    matching: int
    looked: int
    total: int

    @property
    def exact(self) -> bool:
        """Whether all were looked at; else `matching` is the least that it can be."""
        return self.looked >= self.total


@dataclass(frozen=True, slots=True)
class Counted:
    """How many of those that failed until `before_ms` match, as far as is known.

    Every letter up to `cursor_ms` was looked at: `looked`, of `total` that the index names. What is confirmed is this
    count, once it is `exact`: what fails later is not in it, and nothing else comes to it.
    """

    before_ms: int
    cursor_ms: int
    matching: int
    looked: int
    total: int
    exact: bool

    @property
    def confirmed(self) -> Confirmed:
        """What is agreed to by whoever says yes to this count."""
        return Confirmed(self.matching, self.before_ms)

    @property
    def share(self) -> float:
        """How much of it is counted, from 0 to 1."""
        return 1.0 if self.exact or not self.total else min(1.0, self.looked / self.total)


@dataclass(frozen=True, slots=True)
class Page:
    """Some letters, the newest first. `next_ms`: where the next page begins, None if there is none."""

    letters: list[Letter]
    next_ms: int | None
    looked: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """What comes next in a run: `ids` match, of `looked` letters. `cursor_ms`: the time up to which it has looked."""

    ids: list[str]
    looked: int
    cursor_ms: int
    last: bool


#: A place in an index: (id, when it failed).
_Place = tuple[str, int]


class DeadLetters:
    """Every method raises StoreUnavailable.

    A position is a time, and letters of one millisecond are never torn apart: a page may be a little longer than asked.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def totals(self) -> dict[str, int]:
        """How many there are of each error code."""
        names = [self._database.keys.failed_with(code) for code in LETTER_CODES]
        found = self._read(lambda pipeline: [pipeline.zcard(name) for name in names])
        return dict(zip(LETTER_CODES, found, strict=True))

    def discarded(self) -> int:
        """How many were discarded, and not replayed since."""
        return int(self._database.call(lambda client: client.zcard(self._database.keys.discarded)))

    def count(self, wanted: Filter) -> Count:
        """How many there are; if an index alone cannot answer, how many among the newest."""
        total = self._total(wanted)
        if not wanted.scans:
            return Count(total, total, total)
        matching, looked, high = 0, 0, wanted.until_ms
        while looked < MAX_LOOKED_AT:
            places = self._newest(wanted, high, SLICE)
            matching, looked = matching + sum(self._matches(wanted, places)), looked + len(places)
            if len(places) < SLICE:
                return Count(matching, looked, looked)
            high = places[-1][1] - 1
        return Count(matching, looked, max(total, looked))

    def begin(self, wanted: Filter) -> Counted:
        """Before the first look: what `counted` goes on from."""
        before_ms = _least(wanted.until_ms, self._just_before(wanted)) or 0
        cursor_ms = (wanted.since_ms or 0) - 1
        return self._of_total(wanted, Counted(before_ms, cursor_ms, 0, 0, 0, exact=False))

    def counted(self, wanted: Filter, so_far: Counted, enough: Callable[[], bool]) -> Counted:
        """Count on from `so_far`, to the end or until it is `enough` for now."""
        if not wanted.scans:
            total = self._of_total(wanted, so_far).total
            return replace(so_far, matching=total, looked=total, total=total, exact=True)
        while not so_far.exact:
            chunk = self.chunk(wanted, so_far.cursor_ms, so_far.before_ms, SLICE)
            matching, looked = so_far.matching + len(chunk.ids), so_far.looked + chunk.looked
            so_far = replace(so_far, cursor_ms=chunk.cursor_ms, matching=matching, looked=looked, exact=chunk.last)
            if enough():
                break
        return so_far

    def _of_total(self, wanted: Filter, so_far: Counted) -> Counted:
        index = self._index(wanted)
        begin = max(0, wanted.since_ms or 0)
        total = self._database.call(lambda client: client.zcount(index, begin, so_far.before_ms))
        return replace(so_far, total=int(total))

    def _just_before(self, wanted: Filter) -> int:
        """The last millisecond in which nothing can come into the index any more, on Redis's clock."""
        index = self._index(wanted)
        now_ms = self._database.now_ms()
        newest = self._database.call(lambda client: client.zrevrange(index, 0, 0, withscores=True))
        while newest and newest[0][1] == now_ms:  # what was there a moment ago is to be counted, too
            now_ms = self._database.now_ms()
        return now_ms - 1

    def page(self, wanted: Filter, before_ms: int | None = None, limit: int = 50) -> Page:
        """The newest `limit` that match, or those after a page whose `next_ms` was `before_ms`."""
        found: list[_Place] = []
        looked, high = 0, _least(wanted.until_ms, before_ms)
        size = SLICE if wanted.scans else limit + 1
        while True:
            places = self._newest(wanted, high, size)
            taken, seen = _taken(places, self._matches(wanted, places), limit - len(found))
            found, looked = found + taken, looked + seen
            exhausted = seen == len(places) < size
            if exhausted or len(found) >= limit or looked >= MAX_LOOKED_AT:
                next_ms = None if exhausted else places[seen - 1][1] - 1
                return Page(self._letters(found, wanted), next_ms, looked)
            high = places[-1][1] - 1

    def chunk(self, wanted: Filter, after_ms: int, before_ms: int, limit: int) -> Chunk:
        """The oldest `limit` that match among those that failed after `after_ms` and up to `before_ms`."""
        size = SLICE if wanted.scans else limit
        places = self._oldest(wanted, after_ms, before_ms, size)
        taken, seen = _taken(places, self._matches(wanted, places), limit)
        cursor = places[seen - 1][1] if seen else after_ms
        return Chunk([name for name, _ in taken], seen, cursor, last=seen == len(places) < size)

    def _index(self, wanted: Filter) -> str:
        return letters_index(self._database.keys, wanted)

    def _total(self, wanted: Filter) -> int:
        index = self._index(wanted)
        since, until = _bound(wanted.since_ms, "-inf"), _bound(wanted.until_ms, "+inf")
        return int(self._database.call(lambda client: client.zcount(index, since, until)))

    def _newest(self, wanted: Filter, high: int | None, size: int) -> list[_Place]:
        return self._range("zrevrangebyscore", wanted, _bound(high, "+inf"), _bound(wanted.since_ms, "-inf"), size)

    def _oldest(self, wanted: Filter, after: int, before: int, size: int) -> list[_Place]:
        return self._range("zrangebyscore", wanted, f"({after}", str(before), size)

    def _range(self, command: str, wanted: Filter, begin: str, end: str, size: int) -> list[_Place]:
        index = self._index(wanted)

        def read(begin: str | int, end: str | int, **limit: int) -> Any:
            return self._database.call(
                lambda client: getattr(client, command)(index, begin, end, **limit, withscores=True)
            )

        found = read(begin, end, start=0, num=size)
        if len(found) == size:
            edge = found[-1][1]
            found = [place for place in found if place[1] != edge] + read(int(edge), int(edge))
        return [(name.decode(), int(score)) for name, score in found]

    def _matches(self, wanted: Filter, places: Sequence[_Place]) -> list[bool]:
        if not wanted.scans:
            return [True] * len(places)
        keys, names = self._database.keys, [name for name, _ in places]

        def queue(pipeline: Pipeline) -> None:
            for name in names:
                pipeline.hmget(keys.record(name), "code", "detail")
            for name in names:
                if wanted.currency:
                    pipeline.get(keys.payload(name))

        replies = self._read(queue)
        records = [reply or (None, None) for reply in replies[: len(names)]]
        payloads = replies[len(names) :] or [None] * len(names)
        return [
            wanted.matches(text_of(code), str(content_of(payload).get("currency", "")), text_of(detail))
            for (code, detail), payload in zip(records, payloads, strict=True)
        ]

    def _letters(self, places: Iterable[_Place], wanted: Filter) -> list[Letter]:
        places, keys = list(places), self._database.keys

        def queue(pipeline: Pipeline) -> None:
            for name, _ in places:
                pipeline.hmget(keys.record(name), list(FIELDS))
                pipeline.get(keys.payload(name))

        replies = self._read(queue)
        # Who was replayed a moment ago is no letter any more.
        rows = zip(places, replies[::2], replies[1::2], strict=True)
        return [
            letter_of(place, fields, payload, discarded=wanted.discarded)
            for place, fields, payload in rows
            if fields and fields[0]
        ]

    def _read(self, queue: Callable[[Pipeline], object]) -> list[Any]:
        """The replies; None for a key of another type, which must not take the others away."""
        return [None if reply is OTHER_TYPE else reply for reply in self._database.pipeline(queue, other_types=True)]


def _taken(places: Sequence[_Place], matches: Sequence[bool], limit: int) -> tuple[list[_Place], int]:
    """The first `limit` that match and all of the last one's millisecond, and how many were looked at for that."""
    taken: list[_Place] = []
    for number, (place, match) in enumerate(zip(places, matches, strict=True)):
        if len(taken) >= limit and place[1] != places[number - 1][1]:
            return taken, number
        if match:
            taken.append(place)
    return taken, len(places)


def letters_index(keys: Keys, wanted: Filter) -> str:
    """The name of the zset that holds all that `wanted` may mean."""
    return keys.discarded if wanted.discarded else keys.failed_with(wanted.code)


def _bound(ms: int | None, otherwise: str) -> str:
    return otherwise if ms is None else str(ms)


def _least(*times: int | None) -> int | None:
    return min((ms for ms in times if ms is not None), default=None)
