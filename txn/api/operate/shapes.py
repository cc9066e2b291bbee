"""What the API answers to operators, as models: see `txn/api/shapes.py`."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from txn.api.shapes import Limits, Pause, Shape, Unsigned


class FlowControl(Shape):
    """What operators have set. `changed`: whether this request changed anything."""

    paused: Pause | None
    limits: Limits | None
    changed: bool | None = None


class Letter(Shape):
    """A transaction that has failed, and that nobody has replayed."""

    id: str
    failed_at: datetime
    submitted_at: datetime | None
    discarded_at: datetime | None
    code: str
    detail: str
    attempts: Unsigned
    http: int | None
    amount: str
    currency: str


class Letters(Shape):
    """Some of those that match. `exact`: false, if there may be more than `matching`."""

    matching: Unsigned
    exact: bool
    letters: list[Letter]
    next: str | None = Field(description="for `before`, to ask for those after these; null, if there are none")


class LeftAlone(Shape):
    """Ids to which nothing was done."""

    not_failed: list[str]
    unknown: list[str]


class Replayed(LeftAlone):
    """Ids by what became of them."""

    replayed: list[str]


class Discarded(LeftAlone):
    """Ids by what became of them."""

    discarded: list[str]


class Callback(Shape):
    """One that was given up. `client` and `url`: null, if it has no name, and if it is the client's own."""

    name: str
    transaction: str
    type: Literal["transaction.completed", "transaction.failed"]
    client: str | None
    url: str | None
    ended_at: datetime
    tries: Unsigned
    why: str
    given_up_at: datetime | None


class Callbacks(Shape):
    """Some that were given up; how many wait, and were given up, in all."""

    waiting: int
    dead: int
    callbacks: list[Callback]
    unreadable: list[str]
    next: str | None = Field(description="for `before`, to ask for those after these; null, if there are none")


class CallbacksLeft(Shape):
    """Names to which nothing was done."""

    not_dead: list[str]
    unknown: list[str]


class ReplayedCallbacks(CallbacksLeft):
    """Names by what became of them."""

    replayed: list[str]


class DiscardedCallbacks(CallbacksLeft):
    """Names by what became of them."""

    discarded: list[str]


class Count(Shape):
    """What a run may be confirmed with. `next`: for `after`, to count on; null once it is `exact`."""

    count: Unsigned
    before: datetime
    exact: bool
    next: str | None
    run: str


class LetterFilter(Shape):
    """Which dead letters; only what is set."""

    code: str = ""
    since: datetime | None = None
    until: datetime | None = None
    currency: str = ""
    text: str = ""
    state: str = ""


class Run(Shape):
    """A bulk run. `gone`: of those that were confirmed, as many as somebody else dealt with before it."""

    run: str
    what: Literal["replay", "discard"]
    state: Literal["running", "stopped", "done"]
    filter: LetterFilter
    by: str
    why: str
    started_at: datetime
    finished_at: datetime | None
    confirmed: int | None
    total: Unsigned
    looked: Unsigned
    done: Unsigned
    gone: Unsigned
    other: int
    worker: str | None
    stopped_by: str | None
    more: bool = Field(description="it was stopped because more match than were confirmed")
    changed: bool | None = None


class Runs(Shape):
    """The latest."""

    runs: list[Run]


class Entry(Shape):
    """What somebody did."""

    at: datetime
    by: str
    what: str
    count: Unsigned
    why: str
    ids: list[str]
    run: str | None
    filter: LetterFilter | None
    confirmed: int | None


class Journal(Shape):
    """Some entries. `next`: for `before`, to ask for those after these."""

    entries: list[Entry]
    next: str | None


class Happening(Shape):
    """What happened at a time; `lasted_seconds`: how long that which ended then was so."""

    at: datetime
    level: Literal["bad", "warn", "good"]
    what: str
    now: str
    lasted_seconds: float
    detail: str
    sentence: str


class Happenings(Shape):
    """The latest."""

    events: list[Happening]
