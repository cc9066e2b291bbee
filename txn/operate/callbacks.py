"""Callbacks that were given up: which there are, and what operators do to them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from txn.endpoints import shown
from txn.errors import Invalid, NotFound, RecordUnreadable
from txn.model.dead_letter import Action
from txn.model.transaction import rfc3339
from txn.operate.operations import MAX_IDS, checked_why, log
from txn.store.callbacks import TO_CLIENT, Callback, callback_of
from txn.store.database import OTHER_TYPE, Database
from txn.store.keys import Keys

PLACE_PATTERN = r"^([0-9]{1,15})-([0-9a-f]{40})$"
_PLACE = re.compile(PLACE_PATTERN)
#: Receivers of which it is said how many wait for them.
LANES = 20


@dataclass(frozen=True, slots=True)
class Page:
    """Callbacks that were given up, the newest first. `next`: for `before`, to see those after these; None: no more.

    `unreadable`: names of those that this version cannot read.
    """

    callbacks: list[Callback]
    unreadable: list[str]
    next: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """What became of each name: `not_dead` are sent already, or wait for it; `unknown` are told or discarded."""

    done: list[str]
    not_dead: list[str]
    unknown: list[str]


class CallbackLetters:
    """Reads on one `database`, writes on another. Every method raises StoreUnavailable."""

    def __init__(self, database: Database, writer: Database) -> None:
        self._database, self._writer = database, writer

    def page(self, before: str = "", limit: int = 50) -> Page:
        """`before`: the `next` of the page before. Raises: Invalid, if it is none."""
        at_ms, name = _place(before)
        dead, start = self._database.keys.callbacks_dead, "+inf" if at_ms is None else at_ms
        same = 0 if at_ms is None else int(self._database.call(lambda client: client.zcount(dead, at_ms, at_ms)))
        listed = self._database.call(
            lambda client: client.zrevrangebyscore(dead, start, "-inf", 0, limit + same + 1, withscores=True)
        )
        # Those of one millisecond stand in the order of their names.
        places = [(int(score), one.decode()) for one, score in listed]
        places = [place for place in places if at_ms is None or place < (at_ms, name)]
        shown_now = places[:limit]
        found = self._read([one for _, one in shown_now])
        callbacks = [one for one in found.values() if isinstance(one, Callback) and one.died_ms is not None]
        unreadable = [one for one, callback in found.items() if isinstance(callback, RecordUnreadable)]
        more = f"{shown_now[-1][0]}-{shown_now[-1][1]}" if len(places) > limit else None
        return Page(callbacks, unreadable, more)

    def read(self, name: str) -> Callback:
        """One that waits or was given up. Raises: NotFound, RecordUnreadable."""
        found = self._read([name])[name]
        if found is None:
            raise NotFound("no callback has this name: its receiver has it, or it was discarded")
        if isinstance(found, RecordUnreadable):
            raise found
        return found

    def waiting(self) -> dict[str, int]:
        """How many wait for each of the receivers whose turn is next."""
        keys = self._database.keys
        lanes = self._database.call(lambda client: client.zrange(keys.callbacks, 0, LANES - 1))
        names = [lane.decode() for lane in lanes]
        counts = self._database.pipeline(lambda pipe: [pipe.zcard(keys.callbacks_to(lane)) for lane in names])
        return dict(zip(names, counts, strict=True))

    def replay(self, names: Sequence[str], who: str, why: str = "") -> Told:
        """Send them again, for another day. Raises: Invalid."""
        return self._operate(Action.REPLAY, names, who, why)

    def discard(self, names: Sequence[str], who: str, why: str) -> Told:
        """Their receivers will not be told. A reason is needed. Raises: Invalid."""
        return self._operate(Action.DISCARD, names, who, why)

    def _operate(self, what: Action, names: Sequence[str], who: str, why: str) -> Told:
        why, names = checked_why(what, why), list(dict.fromkeys(names))
        if not 0 < len(names) <= MAX_IDS:
            raise Invalid("names", f"select 1 to {MAX_IDS} callbacks, not {len(names)}")
        pairs = list(zip(names, self.became(what, names, who, why), strict=True))
        told = Told(*([name for name, end in pairs if end == one] for one in ("done", "not_dead", "unknown")))
        if told.done:
            log.info("%s: %s %d callbacks, why %r: %s", who, what, len(told.done), why, " ".join(told.done))
        return told

    def became(self, what: Action, names: Sequence[str], who: str, why: str) -> list[str]:
        """What became of each name, with one call to Redis; nothing is checked and nothing logged."""
        keys = self._writer.keys
        places = [keys.callbacks, keys.callbacks_dead, keys.count, keys.journal]
        arguments = [what.value, who, why, self._writer.shift_ms(), *names]
        return [one.decode() for one in self._writer.run("callback_operate", places, arguments)]

    def _read(self, names: Sequence[str]) -> dict[str, Callback | RecordUnreadable | None]:
        keys: Keys = self._database.keys
        found = self._database.pipeline(
            lambda pipe: [pipe.hgetall(keys.callback(name)) for name in names], other_types=True
        )
        return {name: _one(name, fields) for name, fields in zip(names, found, strict=True)}


def _one(name: str, fields: Any) -> Callback | RecordUnreadable | None:
    if fields is not OTHER_TYPE and not fields:
        return None
    try:
        return callback_of(name, {} if fields is OTHER_TYPE else fields)
    except RecordUnreadable as error:
        return error


def to_json(callback: Callback) -> dict[str, Any]:
    """For programs. A URL is shown without its query, which may be a secret."""
    return {
        "name": callback.name,
        "transaction": callback.transaction.id,
        "type": callback.type,
        "client": callback.client or None,
        "url": None if callback.to == TO_CLIENT else shown(callback.to),
        "endedAt": rfc3339(callback.ended_ms),
        "tries": callback.tries,
        "why": callback.why,
        "givenUpAt": None if callback.died_ms is None else rfc3339(callback.died_ms),
    }


def _place(before: str) -> tuple[int | None, str]:
    if not before:
        return None, ""
    if not (found := _PLACE.fullmatch(before)):
        raise Invalid("before", "must be the `next` of the answer before")
    return int(found[1]), found[2]
