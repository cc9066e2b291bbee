"""One delivery: claim, GET, last check, POST, settle. Design and reasons: docs/how/delivery.md.

Knows neither Falcon nor Dramatiq. Whatever happens here, at any line, the due index will look at the transaction again.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from txn.backoff import backoff_ms
from txn.clock import boot_ms
from txn.delivery import log as delivery_log
from txn.errors import SettleLost, StoreUnavailable
from txn.model.content import dumps
from txn.model.outcome import (
    Cause,
    Clear,
    Completed,
    Doubt,
    Failed,
    Keep,
    Maybe,
    Mode,
    Outcome,
    Released,
    Retry,
    Settlement,
)
from txn.model.transaction import ErrorCode, Evidence
from txn.posting.service import (
    Absent,
    Found,
    Lookup,
    NotPosted,
    NotTried,
    Posted,
    PostingService,
    PostResult,
    Rejected,
    Uncertain,
    Unknown,
    unquoted,
)
from txn.settings import Settings
from txn.store.transactions import Claim, Store


class Delivery:
    """The rules of delivering one transaction. Safe to use from many threads.

    `worker`: who delivers, for the history.
    """

    def __init__(
        self,
        store: Store,
        posting: PostingService,
        settings: Settings,
        random: Callable[[], float] = random.random,
        boot_ms: Callable[[], int] = boot_ms,
        worker: str = "",
    ) -> None:
        self._store, self._posting, self._settings = store, posting, settings
        self._random, self._boot_ms, self._worker = random, boot_ms, worker

    def deliver(self, transaction_id: str, owner: str) -> None:
        """Deliver the transaction if it is ours to deliver now; otherwise do nothing.

        `owner` is a fresh nonce. Raises: StoreUnavailable, SettleLost; the transaction stays in the due index.
        """
        lease_end = self._boot_ms() + self._settings.lease_ms  # counted from before the claim is sent
        claim = self._store.claim(transaction_id, owner)
        if claim is None:
            return
        attempt = _Attempt(self, claim, lease_end)
        self._settle(attempt, attempt.outcome())

    def give_up(self, transaction_id: str, owner: str, error: BaseException) -> None:
        """Settle a delivery that ended with an exception as in doubt, as its claim has written it.

        A claim whose answer was lost may never have been stored: then this is refused, and no harm done.
        Raises: StoreUnavailable; then the end of the lease brings the transaction back.
        """
        wait = backoff_ms(1, self._settings.min_backoff_ms, self._settings.max_backoff_ms, self._random)
        cause = Cause.STORE if isinstance(error, StoreUnavailable) else Cause.INTERNAL
        outcome = Retry(cause, f"delivery ended with {type(error).__name__}", Keep(), wait)
        verdict = self._store.settle(transaction_id, owner, Settlement(outcome))
        if verdict in ("taken", "unknown") and not isinstance(error, StoreUnavailable):
            fields = {"transaction": transaction_id, "outcome": _named(outcome), "detail": outcome.detail}
            delivery_log.refused(outcome, lambda: fields, verdict)

    def _settle(self, attempt: "_Attempt", outcome: Outcome) -> None:
        claim, fields = attempt.claim, partial(attempt.fields, outcome)
        try:
            verdict = self._store.settle(claim.id, claim.owner, attempt.settlement(outcome))
        except StoreUnavailable as error:
            delivery_log.lost(outcome, fields, str(error))
            raise SettleLost(str(error)) from error
        if verdict == "settled":
            delivery_log.settled(outcome, fields, slow=attempt.ms() * 2 > self._settings.posting_timeout_ms)
        elif verdict != "repeated":
            delivery_log.refused(outcome, fields, verdict)


@dataclass
class _Attempt:
    """One claimed transaction on its way through the steps."""

    rules: Delivery
    claim: Claim
    lease_end: int
    answered: bool = False
    taken: bool = False
    outage: str = ""
    status: int | None = None
    post_deadline: int = field(init=False)
    began: int = field(init=False)
    spent: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.began = self.rules._boot_ms()
        # A POST that never asked for the last check may have been sent as late as the lease allows.
        self.post_deadline = self.lease_end

    def outcome(self) -> Outcome:
        """GET, and POST if the claim allows it and the GET says that it is needed."""
        if self.claim.mode is Mode.CRASHED:  # whatever it is that kills workers, it is not tried again
            return Failed(ErrorCode.CRASHED_WORKER, "workers that delivered it did not come back", Keep())
        if self._goes_unverified():
            return self._post()
        lookup = self._find()
        match lookup:
            case Found(same=True):
                return Completed(Evidence.FOUND)
            case Found():
                return self._found_other(lookup)
            case Unknown():
                return self._unknown(lookup)
            case Absent():
                return self._absent()

    def settlement(self, outcome: Outcome) -> Settlement:
        """The outcome with what was learnt on the way; an uneventful success leaves no history."""
        claim = self.claim
        first = isinstance(outcome, Completed) and claim.attempts == 1 and not claim.tries and claim.mode is Mode.POST
        history = "" if first else dumps(self._line(outcome)).decode()
        return Settlement(outcome, self.answered, self.taken, self.outage, history)

    def fields(self, outcome: Outcome) -> dict[str, object]:
        """For the log: the history's line, whose it is, and how long each call took.

        What the posting service says may quote the payload: that stays in the record.
        """
        line = self._line(outcome)
        line["detail"] = unquoted(str(line["detail"]))
        return {"transaction": self.claim.id, **line, **self.spent}

    def ms(self) -> int:
        """Time since the claim."""
        return self.rules._boot_ms() - self.began

    def _goes_unverified(self) -> bool:
        claim, settings = self.claim, self.rules._settings
        fresh = claim.mode is Mode.POST and claim.attempts == 1 and not claim.tries
        return settings.verify == "after-doubt" and fresh

    def _found_other(self, row: Found) -> Outcome:
        if self.claim.mode is Mode.CONFIRM:  # a stale or half-written row proves nothing while we are in doubt
            return Retry(Cause.IN_DOUBT, "GET: other content, while in doubt", Keep(), self._backoff())
        return Failed(ErrorCode.CONFLICT, _other_content(row), Keep())

    def _unknown(self, lookup: Unknown) -> Outcome:
        doubt: Doubt = Clear() if self.claim.mode is Mode.POST else Keep()
        overdue = self.claim.unanswered_ms > self.rules._settings.undecided_after_ms
        if lookup.reached and overdue and self.claim.mode is not Mode.CONFIRM:
            return Failed(ErrorCode.UNDECIDED, f"{lookup.detail}, while others are answered", Keep())
        cause = Cause.UNANSWERED if lookup.reached else Cause.OUTAGE
        return Retry(cause, lookup.detail, doubt, self._backoff(lookup.retry_after_ms))

    def _absent(self) -> Outcome:
        if self.claim.mode is Mode.POST:
            return self._post()
        if self.claim.mode is Mode.FINAL:
            last = f"; last: {self.claim.last_error}" if self.claim.last_error else ""
            return Failed(ErrorCode.EXHAUSTED, f"not posted after {self.claim.attempts} attempts{last}", Keep())
        return Retry(Cause.IN_DOUBT, "GET: not there, while in doubt", Keep(), 0)

    def _post(self) -> Outcome:
        result = self._send()
        match result:
            case Posted():
                return Completed(Evidence.POSTED)
            case Rejected():
                return self._confirm(result)
            case NotTried():
                return Released()
            case NotPosted():
                return self._not_posted(result)
            case Uncertain():
                return self._verify(result)

    def _not_posted(self, result: NotPosted) -> Outcome:
        """Not reached, or sent away. Who is sent away while others get in uses attempts up: it is about him."""
        claim, wait_ms = self.claim, self._backoff(result.retry_after_ms)
        if result.status is None:
            return Retry(Cause.OUTAGE, result.detail, Clear(), wait_ms)
        if claim.others and claim.counted >= self.rules._settings.max_attempts:
            detail = f"{result.detail}, {claim.attempts} times, while others are let in"
            return self._confirm(Rejected(result.status, detail))
        return Retry(Cause.SENT_AWAY, result.detail, Clear(), wait_ms, claim.others)

    def _verify(self, result: Uncertain) -> Outcome:
        """The POST may have been written: ask once, now."""
        lookup = self._find()
        if isinstance(lookup, Found) and lookup.same:
            self.taken = True
            return Completed(Evidence.VERIFIED)
        self.status = result.status  # the timeline shows the answer that decided
        if isinstance(lookup, Absent) and self._answer_was_final(result):
            return self._not_written(result)
        return Retry(Cause.UNCERTAIN, result.detail, self._may_turn_up(), self._backoff(result.retry_after_ms))

    def _confirm(self, result: Rejected) -> Outcome:
        """It says that nothing was written: ask once, now. A service may write first and validate afterwards."""
        lookup = self._find()
        if isinstance(lookup, Found) and lookup.same:
            self.taken = True
            return Completed(Evidence.VERIFIED)
        self.status, doubt = result.status, self._may_turn_up()
        match lookup:
            case Found():
                return Failed(ErrorCode.CONFLICT, f"{_other_content(lookup)}, after {result.detail}", doubt)
            case Absent():  # the doubt is for a replay: should it have been written all the same, a GET finds it first
                return Failed(ErrorCode.REJECTED, result.detail, Clear() if self._says_final() else doubt)
            case Unknown():
                wait_ms = self._backoff(lookup.retry_after_ms)
                return Retry(Cause.UNCERTAIN, f"{lookup.detail}, after {result.detail}", doubt, wait_ms)

    def _may_turn_up(self) -> Maybe:
        left = self.post_deadline - self.rules._boot_ms()
        return Maybe(left + self.rules._settings.doubt_window_ms)

    def _answer_was_final(self, result: Uncertain) -> bool:
        status = result.status
        answered = status is not None and (status >= 500 or status in (408, 409))
        return self._says_final() and answered

    def _says_final(self) -> bool:
        return self.rules._settings.answer_is_final

    def _not_written(self, result: Uncertain) -> Outcome:
        if self.claim.counted >= self.rules._settings.max_attempts:
            return Failed(ErrorCode.EXHAUSTED, f"{result.detail}, attempt {self.claim.attempts}", Clear())
        return Retry(Cause.NOT_WRITTEN, result.detail, Clear(), self._backoff(result.retry_after_ms))

    def _find(self) -> Lookup:
        began = self.rules._boot_ms()
        lookup = self.rules._posting.find(self.claim.id, self.claim.payload)
        self.spent["verify_ms" if "post_ms" in self.spent else "get_ms"] = self.rules._boot_ms() - began
        self.status = lookup.status
        if isinstance(lookup, Unknown):
            self.outage = lookup.detail
        else:
            self.answered = True
        return lookup

    def _send(self) -> PostResult:
        claim, began = self.claim, self.rules._boot_ms()
        result = self.rules._posting.post(claim.id, claim.payload, claim.submitted_ms, self._last_check)
        self.spent["post_ms"] = self.rules._boot_ms() - began
        self.status = result.status
        if isinstance(result, Posted | Rejected):
            self.answered = self.taken = True
        elif isinstance(result, NotPosted) or (isinstance(result, Uncertain) and result.status is None):
            self.outage = result.detail
        return result

    def _last_check(self) -> bool:
        """Whether the lease covers a whole POST and the margin; asked right before the first byte."""
        now, settings = self.rules._boot_ms(), self.rules._settings
        self.post_deadline = now + settings.posting_timeout_ms
        return self.post_deadline + settings.margin_ms <= self.lease_end

    def _backoff(self, at_least_ms: int = 0) -> int:
        settings = self.rules._settings
        wait = backoff_ms(self.claim.tries + 1, settings.min_backoff_ms, settings.max_backoff_ms, self.rules._random)
        return max(wait, min(at_least_ms, settings.max_backoff_ms))

    def _line(self, outcome: Outcome) -> dict[str, object]:
        line: dict[str, object] = {
            "attempt": self.claim.attempts,
            "mode": self.claim.mode.value,
            "outcome": _named(outcome),
            "detail": getattr(outcome, "detail", ""),
            "http": self.status,
            "ms": self.ms(),
        }
        if worker := self.rules._worker:
            line["worker"] = worker
        return line


def _other_content(row: Found) -> str:
    return f"the posting service holds this id with other content: {', '.join(row.differs)}"


def _named(outcome: Outcome) -> str:
    match outcome:
        case Completed(evidence):
            return evidence.value
        case Failed(code):
            return code.value
        case Retry(cause):
            return cause.value
        case Released():
            return "released"
