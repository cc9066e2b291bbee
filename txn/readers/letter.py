"""A dead letter as people see it, made of its record and its payload."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from txn.model.content import loads
from txn.model.transaction import rfc3339
from txn.readers.details import Event, read_history
from txn.store.record import whole

#: What `letter_of` reads of a record.
FIELDS = ("code", "detail", "attempts", "submitted", "history", "completed", "discarded")


@dataclass(frozen=True, slots=True)
class Letter:
    """A transaction that has failed. `last_answer`: the posting service's last HTTP status, if the history has one.

    `amount` and `currency` are empty if the content cannot be read. `discarded`: who took it off the list, when, why.
    """

    id: str
    failed_ms: int
    code: str
    detail: str
    attempts: int
    submitted_ms: int | None
    last_answer: int | None
    last_event: Event | None
    amount: str
    currency: str
    discarded: Event | None

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "id": self.id,
            "failedAt": rfc3339(self.failed_ms),
            "submittedAt": None if self.submitted_ms is None else rfc3339(self.submitted_ms),
            "discardedAt": None if self.discarded is None else rfc3339(self.discarded.at_ms),
            "code": self.code,
            "detail": self.detail,
            "attempts": self.attempts,
            "http": self.last_answer,
            "amount": self.amount,
            "currency": self.currency,
        }


def text_of(value: bytes | None) -> str:
    """A field of a record, or nothing."""
    return "" if value is None else value.decode(errors="replace")


def letter_of(
    place: tuple[str, int], fields: Sequence[bytes | None], payload: bytes | None, *, discarded: bool
) -> Letter:
    """`place`: its id, and its time in the index. `fields`: what the record has of FIELDS."""
    code, detail, attempts, submitted, history, completed, gone = map(text_of, fields)
    events, content = read_history(history), content_of(payload)
    answers = [event.http for event in events if event.http]
    return Letter(
        id=place[0],
        failed_ms=(whole(completed) or place[1]) if discarded else place[1],
        code=code,
        detail=detail,
        attempts=whole(attempts) or 0,
        submitted_ms=whole(submitted),
        last_answer=answers[-1] if answers else None,
        last_event=events[-1] if events else None,
        amount=str(content.get("amount", "")),
        currency=str(content.get("currency", "")),
        discarded=read_history(f"{place[1]} {gone}")[0] if discarded and gone else None,
    )


def content_of(payload: bytes | None) -> dict[str, Any]:
    """Nothing, if it cannot be read."""
    try:
        content = loads(payload) if payload else None
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {}
