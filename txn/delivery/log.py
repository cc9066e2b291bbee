"""What a delivery says in the log: one wide line if it failed, was slow, or came too late; else nothing."""

import logging
from collections.abc import Callable, Mapping

from txn.model.outcome import Cause, Completed, Failed, Outcome, Released, Retry
from txn.model.transaction import Evidence

log = logging.getLogger("txn.delivery")

#: The line's fields, made only if there is a line. Never a payload.
Fields = Callable[[], Mapping[str, object]]


def settled(outcome: Outcome, fields: Fields, *, slow: bool) -> None:
    """The delivery was written down."""
    match outcome:
        case Completed() if slow:
            log.info("attempt slow", extra=fields())
        case Completed():
            pass
        case Failed():
            log.warning("transaction failed", extra=fields())
        case Retry(Cause.IN_DOUBT):  # nothing has failed: it was too early to know
            log.debug("attempt in doubt", extra=fields())
        case Retry():
            log.warning("attempt failed", extra=fields())
        case Released():
            log.warning("attempt given back", extra=fields())


def refused(outcome: Outcome, fields: Fields, reply: str) -> None:
    """Somebody else has taken over. The one trace that a double could leave is a POST of ours that was written."""
    level = logging.ERROR if _posted(outcome) else logging.WARNING
    log.log(level, "late settle refused", extra={**fields(), "reply": reply})


def lost(outcome: Outcome, fields: Fields, reason: str) -> None:
    """It could not be written down: the next look, after the lease, begins with what this one has found out."""
    level = logging.ERROR if _posted(outcome) else logging.WARNING
    log.log(level, "settle lost", extra={**fields(), "reason": reason})


def _posted(outcome: Outcome) -> bool:
    return isinstance(outcome, Completed) and outcome.evidence is Evidence.POSTED
