"""How one delivery can end, as settle writes it down."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

from txn.model.transaction import ErrorCode, Evidence


class Mode(StrEnum):
    """What a claim allows its delivery to do; decided once, in the claim."""

    POST = "post"  #: everything
    CONFIRM = "confirm"  #: GET only: an earlier POST may still turn up, so a 404 means nothing yet
    FINAL = "final"  #: GET only: no attempts are left and no doubt either, so a 404 decides
    EXPIRED = "expired"  #: nothing: its expiry is over, and it was never sent
    CRASHED = "crashed"  #: nothing: too many workers did not come back from it


@dataclass(frozen=True, slots=True)
class Clear:
    """Nothing that this claim sent can be written any more."""


@dataclass(frozen=True, slots=True)
class Keep:
    """The doubt stays as the claim, or somebody before it, has written it."""


@dataclass(frozen=True, slots=True)
class Maybe:
    """For so many milliseconds from now, our POST may still turn up."""

    for_ms: int


Doubt = Clear | Keep | Maybe


@dataclass(frozen=True, slots=True)
class Completed:
    """The posting service holds the transaction."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Failed:
    """Provably not posted, or a person must decide."""

    code: ErrorCode
    detail: str
    doubt: Doubt


class Cause(StrEnum):
    """Why a delivery has to be repeated."""

    OUTAGE = "outage"  #: the posting service could not be reached: uses no attempt up
    SENT_AWAY = "sent_away"  #: not let in (403, 429, ...): uses an attempt up if others are let in meanwhile
    UNANSWERED = "unanswered"  #: the GET brought no usable answer: uses no attempt up
    UNCERTAIN = "uncertain"  #: the POST may have been written
    NOT_WRITTEN = "not_written"  #: the POST failed and the GET after it shows that it was not written
    IN_DOUBT = "in_doubt"  #: an earlier POST may still turn up
    INTERNAL = "internal"  #: a fault of our own
    STORE = "store"  #: Redis did not answer a claim in time: uses no attempt up


@dataclass(frozen=True, slots=True)
class Retry:
    """Look again, `wait_ms` from now at the earliest and never before the doubt is over."""

    cause: Cause
    detail: str
    doubt: Doubt
    wait_ms: int
    #: Whether others were let in since this transaction was last sent away.
    others: bool = False

    @property
    def counts(self) -> bool:
        """Whether the attempt counts against the maximum, once somebody's POST is let through after it."""
        if self.cause is Cause.SENT_AWAY:
            return self.others
        return self.cause not in (Cause.OUTAGE, Cause.UNANSWERED, Cause.STORE)


@dataclass(frozen=True, slots=True)
class Released:
    """Given back: too little of the lease was left to send anything."""


Outcome = Completed | Failed | Retry | Released


class Settlement(NamedTuple):
    """An outcome with what else the delivery learnt.

    `answered`: the posting service gave an answer of its own. `taken`: it let the POST through. `outage`: why it could
    not be reached or sent us away, or empty. `calls`: a letter for each call to it, g for a GET and p for a POST, a
    capital if the service failed (not: if it refused this transaction), ! after it if it hung.
    `hold_ms`: for so long it wants to be left alone, by everybody.
    `history`: the delivery as one line of JSON for the record, or empty for a success at the first attempt.
    """

    outcome: Outcome
    answered: bool = False
    taken: bool = False
    outage: str = ""
    history: str = ""
    calls: str = ""
    hold_ms: int = 0


#: What settle answers. It refuses if there is no record, this owner has settled before, or somebody else has it now.
SettleReply = Literal["settled", "unknown", "repeated", "taken"]


def named(outcome: Outcome) -> str:
    """The outcome in one word, for the history and the log."""
    match outcome:
        case Completed(evidence):
            return evidence.value
        case Failed(code):
            return code.value
        case Retry(cause):
            return cause.value
        case Released():
            return "released"
