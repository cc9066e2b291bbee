"""What the replies of the scripts mean."""

from collections.abc import Sequence
from typing import Any

from txn import __version__
from txn.errors import ContentConflict, Invalid, RecordUnreadable, StoreUnavailable
from txn.model.claim import Claim
from txn.model.content import differing, loads
from txn.model.outcome import Mode
from txn.model.submission import Submission
from txn.model.trace import checked
from txn.model.transaction import Failure, Status, Transaction, rfc3339
from txn.store.database import one_of_many
from txn.store.record import whole

#: What became of one of many submissions: the transaction and whether it is new, or why not, or it was left.
AcceptReply = tuple[Transaction, bool] | Invalid | ContentConflict | RecordUnreadable | StoreUnavailable | None

#: Fields of a record, as `transaction_of` takes them.
SEEN_BY_CLIENTS = ["status", "submitted", "completed", "code", "detail", "deliver_by"]
#: Why a transaction cannot be cancelled, by what cancel.lua says.
WHY_NOT = {
    b"held": "a worker has begun to deliver it: it may have been posted, so it goes on; once it is pending, ask again",
    b"attempted": "an attempt was made whose POST may have been written: it may have been posted, so it goes on",
    b"lost": "Redis has lost data since this was accepted, or may have: it may have been posted, so it goes on",
}
_KNOWN = frozenset(Status)
_MODES = {mode.value.encode(): mode for mode in Mode}


class Other(Exception):
    """The id is known, with other content."""


def accepted(submission: Submission, reply: Sequence[Any]) -> tuple[Transaction, bool]:
    """A reply of accept.lua. Raises: Other, Invalid, ContentConflict, RecordUnreadable."""
    if reply[0] == b"unreadable":
        raise RecordUnreadable(f"the key of {submission.id} holds something that is no record")
    if reply[0] == b"accepted":
        return Transaction(submission.id, Status.PENDING, int(reply[1]), deliver_by_ms=submission.deliver_by_ms), True
    if reply[0] == b"other":
        raise Other
    if reply[0] == b"past":
        raise Invalid("deliverBy", f"is over: it is {rfc3339(int(reply[1]))} now")
    if reply[0] == b"foreign":
        raise ContentConflict("id", "this id is another client's: choose another, or send an Idempotency-Key instead")
    # Nobody else can know a random id: we stored it ourselves, and the answer to that was lost.
    return transaction_of(submission.id, list(reply[1:])), submission.named_by == "random"


def one_of_batch(submission: Submission, reply: Sequence[Any]) -> "AcceptReply | Other":
    """One of the replies of accept.lua, with what `accepted` raises as a value."""
    try:
        return None if one_of_many(reply)[0] == b"left" else accepted(submission, reply)
    except (Other, Invalid, ContentConflict, RecordUnreadable, StoreUnavailable) as error:
        return error


def conflict(submission: Submission, stored: bytes | None) -> ContentConflict:
    """Why a submission is refused whose id is known with the content `stored`."""
    named_by = "Idempotency-Key" if submission.named_by == "key" else "id"
    differs = _differing(submission, stored)
    which = f", in {', '.join(differs)}" if differs else ""
    return ContentConflict(named_by, f"this {named_by} was used before, with other content{which}", differs)


def _differing(submission: Submission, stored: bytes | None) -> tuple[str, ...]:
    try:
        content = loads(stored or b"{}")
    except ValueError:
        return ()
    return differing(content, loads(submission.payload)) if isinstance(content, dict) and content else ()


def claim_of(transaction_id: str, owner: str, reply: Sequence[Any]) -> Claim:
    """A reply of claim.lua, without its first and last words."""
    mode, payload, submitted, attempts, counted, tries, unanswered, others, error, left, trace = reply
    return Claim(
        transaction_id,
        owner,
        _MODES[mode],
        payload,
        int(submitted),
        int(attempts),
        int(counted),
        int(tries),
        int(unanswered),
        bool(others),
        error.decode(errors="replace") if error else "",
        whole(left) if left else None,
        # Of a record that a hand has changed it must not become a header.
        checked(trace.decode(errors="replace")) if trace else "",
    )


def transaction_of(transaction_id: str, fields: list[bytes | None]) -> Transaction:
    """A transaction of the fields `SEEN_BY_CLIENTS` of its record. Raises: RecordUnreadable."""
    status, submitted, completed, code, detail, deliver_by = (
        None if field is None else field.decode(errors="replace") for field in fields
    )
    submitted_ms = whole(submitted)
    if status not in _KNOWN or submitted_ms is None:
        raise RecordUnreadable(
            f"the record of {transaction_id} is in a state that txn {__version__} cannot read: ask a newer version"
        )
    failure = Failure(code, detail or "") if status == Status.FAILED and code is not None else None
    return Transaction(transaction_id, Status(status), submitted_ms, whole(completed), failure, whole(deliver_by))
