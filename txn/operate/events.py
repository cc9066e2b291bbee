"""What happened to the system, so that a night can be read in the morning: outages, pauses, workers, Redis, limits.

Written by the workers (txn/operate/event_log.py; a worker that is gone: heartbeat.lua), and read here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from txn.model.transaction import rfc3339
from txn.readers import formats
from txn.readers.standing_still import NO_ANSWER, NO_POSTS
from txn.readers.workers import SLOW
from txn.store.commands import Argument
from txn.store.database import Database
from txn.store.record import whole

#: What has happened is told for so long where workers are listed.
GONE_SHOWN_MS = 86_400_000
#: Events that one look for workers reads.
_LOOKED_AT = 500

News = Literal["change", "quiet", "span"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened at `since_ms`. `lasted_ms`: how long that which ended then was so.

    `at`: its place in the stream. `returned`, `in_flight`: of a worker that is gone.
    """

    at: str
    what: str
    now: str
    since_ms: int
    lasted_ms: int
    detail: str
    returned: int = 0
    in_flight: int = 0

    @property
    def level(self) -> Literal["bad", "warn", "good"]:
        """Whether trouble began or ended."""
        if self.now in _ENDS.get(self.what, ()):
            return "good"
        return "warn" if self.what in ("pause", "worker", "hold", SLOW) else "bad"

    @property
    def sentence(self) -> str:
        """For people, in one line."""
        found = _SENTENCES.get((self.what, self.now)) or _SENTENCES.get((self.what, ""))
        return found(self) if found else f"{self.what} {self.now}: {self.detail}"

    def to_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "at": rfc3339(self.since_ms),
            "level": self.level,
            "what": self.what,
            "now": self.now,
            "lastedSeconds": self.lasted_ms / 1000,
            "detail": self.detail,
            "sentence": self.sentence,
        }


class Events:
    """A stream of about 10,000; the oldest go. Raises: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, limit: int = 50, since_ms: int | None = None) -> list[Event]:
        """The latest, the newest first; none that was written before `since_ms`."""
        name, start = self._database.keys.events, "-" if since_ms is None else since_ms
        found = self._database.call(lambda client: client.xrevrange(name, "+", start, limit))
        return [_event(at, fields) for at, fields in found]

    def gone(self, now_ms: int) -> list[Event]:
        """Workers that disappeared in the last day, the latest first."""
        latest = self.read(_LOOKED_AT, max(0, now_ms - GONE_SHOWN_MS))
        return [event for event in latest if event.what == "worker"]

    def notice(self, what: str, now: str, since_ms: int, seen_ms: int, detail: str = "", news: News = "change") -> bool:
        """Write down what `what` is now, if nobody has: whether this did it. See notice.lua."""
        keys = self._database.keys
        arguments: list[Argument] = [what, now, since_ms, seen_ms, detail, news]
        return bool(self._database.run("notice", [keys.events, keys.noticed], arguments))


def _event(at: bytes, fields: Mapping[bytes, bytes]) -> Event:
    said = {name.decode(): value.decode(errors="replace") for name, value in fields.items()}
    number = {name: whole(said.get(name)) for name in ("since", "lasted", "returned", "in_flight")}
    written_ms = int(at.partition(b"-")[0])
    return Event(
        at=at.decode(),
        what=said.get("what", ""),
        now=said.get("is", ""),
        since_ms=written_ms if number["since"] is None else number["since"],
        lasted_ms=number["lasted"] or 0,
        detail=said.get("detail", ""),
        returned=number["returned"] or 0,
        in_flight=number["in_flight"] or 0,
    )


#: What is the end of trouble.
_ENDS: Mapping[str, tuple[str, ...]] = {
    "posting": ("answering",),
    "breaker": ("closed",),
    "pause": ("off",),
    "limit": ("off",),
    "hold": ("off",),
    SLOW: ("off",),
}


def _after(said: str) -> Callable[[Event], str]:
    return lambda event: said + (f", after {formats.span(event.lasted_ms)}" if event.lasted_ms else "")


def _with_detail(said: str) -> Callable[[Event], str]:
    return lambda event: f"{said}: {event.detail}" if event.detail else said


def _lasting(said: str) -> Callable[[Event], str]:
    return lambda event: f"{said} for {formats.span(event.lasted_ms)}: {event.detail}"


def _gone(event: Event) -> str:
    held = []
    if event.in_flight:
        deliveries = "1 delivery" if event.in_flight == 1 else f"{formats.number(event.in_flight)} deliveries"
        held.append(f"it had {deliveries} in flight: each is taken over when its lease ends")
    if event.returned:
        messages = "1 message" if event.returned == 1 else f"{formats.number(event.returned)} messages"
        held.append(f"{messages} went back to the queue")
    return f"Worker {event.detail} disappeared without a goodbye: {'; '.join(held) or 'it held nothing'}"


_SENTENCES: Mapping[tuple[str, str], Callable[[Event], str]] = {
    ("posting", "away"): _with_detail("The posting service does not answer"),
    ("posting", "refusing"): lambda event: _with_detail(NO_POSTS[NO_ANSWER in event.detail])(event),
    ("posting", "answering"): _after("The posting service answers again"),
    ("breaker", "open"): _with_detail("The breaker has opened, deliveries are held back"),
    ("breaker", "closed"): _after("The breaker has closed, all may go out"),
    ("pause", "off"): _after("Deliveries go out again"),
    ("pause", ""): _with_detail("Deliveries were paused"),
    ("hold", "on"): _with_detail("The posting service asks to be left alone (Retry-After)"),
    ("hold", "off"): _after("The posting service may be asked again"),
    (SLOW, "on"): _with_detail("The posting service is slow"),
    (SLOW, "off"): _after("The posting service is not slow any more"),
    ("redis", "away"): _lasting("Redis was away"),
    ("redis", "refusing writes"): _lasting("Redis refused writes"),
    ("lost", ""): _with_detail("Redis has lost data: nothing is posted for a while"),
    ("limit", "off"): _after("Submits are accepted again"),
    ("limit", ""): _with_detail("Submits were refused"),
    ("worker", "gone"): _gone,
}
