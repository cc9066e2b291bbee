"""What can be said of one transaction when both sides are known."""

from enum import StrEnum

from txn.model.transaction import FOR_A_PERSON, Status


class Verdict(StrEnum):
    """Every accepted transaction has exactly one."""

    ONCE = "once"  #: completed, and there with our content: once in the list, or seen by a GET
    MISSING = "missing"  #: completed, and not there
    DOUBLED = "doubled"  #: there twice or more, whatever its status
    DIFFERENT = "different"  #: there once, with other content
    POSTED_THOUGH_FAILED = "posted_though_failed"  #: failed as provably not posted, and there
    UNANSWERED = "unanswered"  #: the posting service gives no answer about it
    IN_FLIGHT = "in_flight"  #: pending or processing
    FAILED = "failed"  #: failed as provably not posted, and not there
    TO_DECIDE = "to_decide"  #: failed in a way that a person must decide about, there or not
    DISCARDED = "discarded"  #: failed, and an operator took it off the list
    UNREADABLE = "unreadable"  #: its status is one that this version does not know: left alone


#: A promise was broken.
BROKEN = (Verdict.MISSING, Verdict.DOUBLED, Verdict.DIFFERENT, Verdict.POSTED_THOUGH_FAILED)


#: What this version knows. A newer one may have written others.
_KNOWN = frozenset(status.value for status in Status)


def judge(status: str, code: str, *, discarded: bool, rows: int | None, differing: int) -> Verdict:
    """The verdict on one transaction.

    `status`: as its record has it. `rows`: how many the posting service holds, or None if it does not say; `differing`:
    those with other content.
    """
    if rows is not None and rows > 1:
        return Verdict.DOUBLED
    if status not in _KNOWN:
        return Verdict.UNREADABLE
    if rows is None:
        return Verdict.IN_FLIGHT if status in (Status.PENDING, Status.PROCESSING) else Verdict.UNANSWERED
    if status == Status.FAILED:
        return _judge_failed(code, discarded=discarded, there=rows > 0)
    if differing:
        return Verdict.DIFFERENT
    if status == Status.COMPLETED:
        return Verdict.ONCE if rows else Verdict.MISSING
    return Verdict.IN_FLIGHT


def _judge_failed(code: str, *, discarded: bool, there: bool) -> Verdict:
    if there and code not in FOR_A_PERSON:
        return Verdict.POSTED_THOUGH_FAILED
    if discarded:
        return Verdict.DISCARDED
    return Verdict.TO_DECIDE if code in FOR_A_PERSON else Verdict.FAILED
