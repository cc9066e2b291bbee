"""The sweep's work: looks at all records, and mends indexes and counters that disagree. Not on the delivery path."""

from dataclasses import dataclass
from typing import Literal

from txn.model.transaction import ErrorCode
from txn.store.database import Database
from txn.store.keys import letter_places

#: Keys that one call looks at, so that Redis is never busy with us for long.
STEP_KEYS = 500
#: Time from one step of the workers' common round to the next.
PACE_MS = 1_000
#: Whole indexes are looked at while they hold no more than this.
FEW = 200

#: What can be wrong. Of these, `no_content` and `unreadable` cannot be mended.
What = Literal["not_due", "not_listed", "not_a_letter", "counter", "no_content", "unreadable"]
LEFT_ALONE = frozenset({"no_content", "unreadable"})


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that was not as it must be; `name` is the transaction's id, or the counter's name."""

    what: What
    name: str

    @property
    def sentence(self) -> str:
        """What was wrong, and what was done about it."""
        return _SENTENCES[self.what].format(name=self.name)


_SENTENCES: dict[str, str] = {
    "not_due": "{name} is unfinished and was not in the due index: put back, it is delivered now",
    "not_listed": "{name} has failed and was not among the dead letters: put back",
    "not_a_letter": "{name} was listed as a dead letter and is not one: taken off",
    "counter": "the counter {name} did not agree with the records: corrected",
    "no_content": "{name} is unfinished and its content is gone: submit it again with the same key or id",
    "unreadable": "{name} is in a state that this version does not know, or no record: left alone",
}


class Integrity:
    """`template` is the message that wakes a worker up. Every method raises StoreUnavailable."""

    def __init__(self, database: Database, template: str) -> None:
        self._database, self._template = database, template

    def step(self) -> list[Flaw]:
        """The next step of the round that all workers share; nothing, if it is not time for it."""
        return self._step("")[1]

    def look_at_all(self) -> list[Flaw]:
        """A whole round, now."""
        found: list[Flaw] = []
        cursor = "0"
        while True:
            cursor, flaws = self._step(cursor)
            found += flaws
            if cursor == "0":
                return found

    def _step(self, cursor: str) -> tuple[str, list[Flaw]]:
        keys = self._database.keys
        names = [keys.sweep, keys.record(""), keys.payload(""), keys.due, keys.count, *letter_places(keys)]
        names += [keys.callbacks, keys.callbacks_dead]
        arguments = [cursor, PACE_MS, STEP_KEYS, FEW, self._template, self._database.shift_ms(), *ErrorCode]
        next_cursor, _, found = self._database.run("sweep", names, arguments)
        texts = [item.decode(errors="replace") for item in found]
        return next_cursor.decode(), [Flaw(what, name) for what, name in zip(texts[::2], texts[1::2], strict=True)]
