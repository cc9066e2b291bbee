"""What the record of a transaction holds (the hash `t:<id>`), field by field.

A test holds this against all scripts (tests/store/test_record.py). What `operate` and `bulk` write is in prelude.lua.
Times are milliseconds since the epoch on Redis's clock. A field that is not there is 0, no, or not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "number", "flag", "time", "lines"]


@dataclass(frozen=True, slots=True)
class Field:
    """`written` and `cleared`: by which scripts. What a script sets to an empty text counts as written."""

    kind: Kind
    holds: str
    written: frozenset[str]
    cleared: frozenset[str] = frozenset()


def _field(kind: Kind, holds: str, written: str, cleared: str = "") -> Field:
    return Field(kind, holds, frozenset(written.split()), frozenset(cleared.split()))


#: Scripts at whose end a delivery is over: they clear what only a delivery in progress needs.
_OVER = "settle due operate bulk cancel"
#: Scripts that make a failed transaction pending again, or complete that.
_BACK = "settle operate bulk"

#: Scripts that change the state.
_STATUS = "accept claim settle due operate bulk cancel"

RECORD: Mapping[str, Field] = {
    # From the beginning to the end.
    "status": _field("text", "pending, processing, completed, failed", _STATUS),
    "fingerprint": _field("text", "the content's, in 32 hex digits", "accept"),
    "submitted": _field("time", "when it was accepted: the `timestamp` of every POST", "accept"),
    "client": _field("text", "who submitted it, as the API key says; not there: who came without one", "accept"),
    "trace": _field("text", "the `traceparent` that it was submitted with, if any", "accept"),
    "callback": _field("text", "where its end is told: a URL, or `client`: where its client says", "accept"),
    "history": _field("lines", "a time and JSON a line: latest deliveries and deeds", "settle due operate bulk cancel"),
    "attempts": _field("number", "claims that were allowed to post", "claim settle"),
    "unposted": _field(
        "number", "attempts of which it is known that they posted nothing", "settle", "settle due cancel"
    ),
    "owner": _field("text", "the nonce of the latest claim", "claim"),
    "doubt": _field("time", "until then a POST may still turn up", "claim settle due", "settle due cancel"),
    "deliver_by": _field("time", "no POST begins after it; empty: a replay took that away", "accept operate bulk"),
    # How it ended.
    "completed": _field("time", "when it was completed or failed", "settle due cancel", _BACK),
    "evidence": _field("text", "how it is known to be posted", "settle"),
    "code": _field("text", "why it failed", "settle due cancel", _BACK),
    "detail": _field("text", "the same for people; may quote the content", "settle due cancel", _BACK),
    "discarded": _field("text", "JSON: who took it off the dead letters, and why", "operate bulk cancel", _BACK),
    # The claim.
    "mode": _field("text", "what the latest claim may do: post, confirm, final, crashed, expired", "claim", _OVER),
    "lease": _field("time", "until then the transaction is its owner's", "claim due", _OVER),
    "next": _field("time", "no claim before that", "claim settle due operate bulk", _OVER),
    "counted": _field("number", "attempts before the latest that count against the maximum", "claim", _OVER),
    "counts_if": _field("text", "when the latest attempt counts: taken, others, nothing", "claim settle", _OVER),
    "failed_at": _field("time", "when the latest attempt had failed", "claim settle", _OVER),
    "tried": _field("time", "of the latest claim that may post", "claim settle", _OVER),
    "crashes": _field("number", "claims in a row whose worker never settled", "claim settle", _OVER),
    # What earlier deliveries have met.
    "tries": _field("number", "failures since it was accepted or replayed", "settle", _OVER),
    "error": _field("text", "the latest failure; may quote the content", "settle", _OVER),
    "failing": _field("flag", "counted as `retrying`", "settle due cancel", _OVER),
    "uncertain": _field("flag", "counted as `in_doubt`", "claim settle due cancel", _OVER),
    "sent_away": _field("flag", "counted as `sent_away`", "settle due cancel", _OVER),
    "let_in": _field("number", "POSTs of all that were let in, when it was last sent away", "settle", _OVER),
    "kept_out": _field("number", "POSTs of all that were sent away, at that time", "settle", _OVER),
    "unanswered": _field("time", "since when GETs of it bring nothing while others are answered", "settle", _OVER),
    "silent": _field("time", "of the latest GET that brought nothing", "settle", _OVER),
    "hung": _field("flag", "its latest delivery waited for an answer in vain", "settle", _OVER),
    "away": _field("time", "since when it is in `outage`", "claim settle", f"claim {_OVER}"),
    "replayed": _field("time", "when an operator last sent it on its way again", "operate bulk", _OVER),
    # Its wake-up.
    "message": _field("text", "the id of the latest message, if it is not the transaction's", "due", _OVER),
    "missed": _field("time", "when its message was first found gone; it may have been handed over", "due", _OVER),
    "queued": _field("time", "when a message was last queued after the first", "due", _OVER),
}

#: The last millisecond of the year 9999.
_LARGEST = 253_402_300_799_999


def whole(text: str | bytes | None) -> int | None:
    """A number as pages read it: None if it is none, or a larger one than any of ours (a hand or another version)."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    if not text or len(text) > 16 or not text.isascii() or not text.removeprefix("-").isdecimal():
        return None
    return found if abs(found := int(text)) <= _LARGEST else None
