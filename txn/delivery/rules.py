"""One delivery: claim, GET, last check, POST, settle. Design and reasons: docs/how/delivery.md.

Whether it may POST is decided in txn/store/lua/claim.lua. What follows from each answer is decided here, the last check
and the doubt after a POST included.

Nothing here does I/O: the rules ask their `Steps` and wait for the answer, whoever gives it. Whatever happens, at any
line, the due index will look at the transaction again.
"""

import random
from collections.abc import Callable
from functools import partial

from txn.backoff import backoff_ms
from txn.clock import boot_ms
from txn.delivery import log as delivery_log
from txn.delivery.attempt import Attempt
from txn.delivery.steps import Steps
from txn.errors import StoreUnavailable
from txn.model.claim import Claim
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
    named,
)
from txn.model.transaction import OTHER_CONTENT, ErrorCode, Evidence
from txn.posting.results import Absent, Found, Lookup, NotPosted, NotTried, Posted, Rejected, Uncertain, Unknown
from txn.settings import Settings

_POSTED = Completed(Evidence.POSTED)


class Rules:
    """How a transaction is delivered. Any number of deliveries may run at once.

    `worker`: who delivers, for the history.
    """

    def __init__(
        self,
        steps: Steps,
        settings: Settings,
        random: Callable[[], float] = random.random,
        boot_ms: Callable[[], int] = boot_ms,
        worker: str = "",
    ) -> None:
        self._steps, self._settings = steps, settings
        self._random, self._boot_ms, self._worker = random, boot_ms, worker

    async def deliver(self, transaction_id: str, owner: str) -> None:
        """Deliver the transaction if it is ours to deliver now; otherwise do nothing.

        `owner` is a fresh nonce. Raises: StoreUnavailable, SettleLost; the transaction stays in the due index.
        """
        began = self._boot_ms()  # before the claim is sent
        lease_end = began + self._settings.lease_ms
        claim = await self._steps.claim(transaction_id, owner)
        if claim is not None:
            slow_ms = self._settings.posting_timeout_ms / 2
            attempt = Attempt(self._steps, claim, lease_end, self._boot_ms, slow_ms, self._worker)
            attempt.deliver_by = None if claim.left_ms is None else began + claim.left_ms
            await attempt.settle(await self._outcome(attempt))

    async def give_up(self, transaction_id: str, owner: str, error: BaseException) -> None:
        """Settle a delivery that ended with an exception as in doubt, as its claim has written it.

        A claim whose answer was lost may never have been stored: then this is refused, and no harm done.
        Raises: StoreUnavailable; then the end of the lease brings the transaction back.
        """
        cause = Cause.STORE if isinstance(error, StoreUnavailable) else Cause.INTERNAL
        outcome = Retry(cause, f"delivery ended with {type(error).__name__}", Keep(), self._backoff(tries=0))
        reply = await self._steps.settle(transaction_id, owner, Settlement(outcome))
        if reply in ("taken", "unknown") and cause is not Cause.STORE:
            fields = {"transaction": transaction_id, "outcome": named(outcome), "detail": outcome.detail}
            delivery_log.refused(outcome, lambda: fields, reply)

    async def give_back(self, transaction_id: str, owner: str) -> None:
        """Settle a delivery that has sent no POST, and goes no further. Raises: StoreUnavailable."""
        await self._steps.settle(transaction_id, owner, Settlement(Released()))

    async def _outcome(self, attempt: Attempt) -> Outcome:
        """GET; POST, if the claim allows it and the GET says that it is needed; GET again, if that left a doubt."""
        claim = attempt.claim
        if claim.mode is Mode.CRASHED:  # whatever it is that kills workers, it is not tried again
            return Failed(ErrorCode.CRASHED_WORKER, "workers that delivered it did not come back", Keep())
        if claim.mode is Mode.EXPIRED:
            return Failed(ErrorCode.EXPIRED, "its deliverBy was over before anything was sent", Keep())
        if not self._goes_unverified(claim):
            lookup = await attempt.find()
            if not isinstance(lookup, Absent) or claim.mode is not Mode.POST:
                return self._looked_up(claim, lookup)
        result = await attempt.post(partial(self._last_check, attempt))
        if isinstance(result, NotPosted):
            result = self._or_rejected(claim, result)
        match result:
            case Posted():
                return _POSTED
            case NotTried():
                return Released()
            case NotPosted():
                return self._not_posted(claim, result)
            case Rejected() | Uncertain():  # whatever was answered, it may have been written: ask once, now
                return self._verified(attempt, result, await attempt.find())

    def _goes_unverified(self, claim: Claim) -> bool:
        fresh = claim.mode is Mode.POST and claim.attempts == 1 and not claim.tries
        return fresh and self._settings.verify == "after-doubt"

    def _looked_up(self, claim: Claim, lookup: Lookup) -> Outcome:
        """What a GET decides without a POST."""
        match lookup:
            case Found(same=True):
                return Completed(Evidence.FOUND)
            case Found() if claim.mode is Mode.CONFIRM:  # stale or half written, it proves nothing while in doubt
                return Retry(Cause.IN_DOUBT, "GET: other content, while in doubt", Keep(), self._backoff(claim.tries))
            case Found():
                return Failed(ErrorCode.CONFLICT, _other_content(lookup), Keep())
            case Unknown():
                return self._unknown(claim, lookup)
            case Absent() if claim.mode is Mode.FINAL:
                last = f"; last: {claim.last_error}" if claim.last_error else ""
                if claim.is_late:
                    what = f"its deliverBy is over, and it is not posted after {claim.attempts} attempts{last}"
                    return Failed(ErrorCode.EXPIRED, what, Keep())
                return Failed(ErrorCode.EXHAUSTED, f"not posted after {claim.attempts} attempts{last}", Keep())
            case Absent():
                return Retry(Cause.IN_DOUBT, "GET: not there, while in doubt", Keep(), 0)

    def _unknown(self, claim: Claim, lookup: Unknown) -> Outcome:
        overdue = claim.unanswered_ms > self._settings.undecided_after_ms
        if lookup.reached and overdue and claim.mode is not Mode.CONFIRM:
            return Failed(ErrorCode.UNDECIDED, f"{lookup.detail}, while others are answered", Keep())
        cause = Cause.UNANSWERED if lookup.reached else Cause.OUTAGE
        doubt: Doubt = Clear() if claim.mode is Mode.POST else Keep()
        return Retry(cause, lookup.detail, doubt, self._backoff(claim.tries, lookup.retry_after_ms))

    def _last_check(self, attempt: Attempt) -> bool:
        """Whether it has not expired, and the lease covers a whole POST and the margin.

        Asked right before the first byte.
        """
        now = self._boot_ms()
        if attempt.deliver_by is not None and now >= attempt.deliver_by:
            return False
        attempt.post_deadline = now + self._settings.posting_timeout_ms
        return attempt.post_deadline + self._settings.margin_ms <= attempt.lease_end

    def _or_rejected(self, claim: Claim, result: NotPosted) -> NotPosted | Rejected:
        """To be sent away while others are let in uses attempts up. With none left it counts as a rejection."""
        if result.status is None or not claim.others or claim.counted < self._settings.max_attempts:
            return result
        return Rejected(result.status, f"{result.detail}, {claim.attempts} times, while others are let in")

    def _not_posted(self, claim: Claim, result: NotPosted) -> Outcome:
        """Not reached, or sent away."""
        wait_ms = self._backoff(claim.tries, result.retry_after_ms)
        if result.status is None:
            return Retry(Cause.OUTAGE, result.detail, Clear(), wait_ms)
        return Retry(Cause.SENT_AWAY, result.detail, Clear(), wait_ms, claim.others)

    def _verified(self, attempt: Attempt, result: Rejected | Uncertain, lookup: Lookup) -> Outcome:
        """What the GET after a POST decides."""
        if isinstance(lookup, Found) and lookup.same:
            return Completed(Evidence.VERIFIED)
        doubt = Maybe(attempt.post_deadline - self._boot_ms() + self._settings.doubt_window_ms)
        if isinstance(result, Rejected):
            return self._rejected(attempt.claim, result, lookup, doubt)
        return self._uncertain(attempt.claim, result, lookup, doubt)

    def _rejected(self, claim: Claim, result: Rejected, lookup: Lookup, doubt: Maybe) -> Outcome:
        """It says that nothing was written. A service may write first and validate afterwards."""
        match lookup:
            case Found():
                return Failed(ErrorCode.CONFLICT, f"{_other_content(lookup)}, after {result.detail}", doubt)
            case Absent():  # the doubt is for a replay: should it have been written all the same, a GET finds it first
                left = Clear() if self._settings.answer_is_final else doubt
                return Failed(ErrorCode.REJECTED, result.detail, left)
            case Unknown():
                wait_ms = self._backoff(claim.tries, lookup.retry_after_ms)
                return Retry(Cause.UNCERTAIN, f"{lookup.detail}, after {result.detail}", doubt, wait_ms)

    def _uncertain(self, claim: Claim, result: Uncertain, lookup: Lookup, doubt: Maybe) -> Outcome:
        wait_ms = self._backoff(claim.tries, result.retry_after_ms)
        if not isinstance(lookup, Absent) or not self._was_final(result.status):
            return Retry(Cause.UNCERTAIN, result.detail, doubt, wait_ms)
        return Retry(Cause.NOT_WRITTEN, result.detail, Clear(), wait_ms)

    def _was_final(self, status: int | None) -> bool:
        failed = status is not None and (status >= 500 or status in (408, 409))
        return failed and self._settings.answer_is_final

    def _backoff(self, tries: int, at_least_ms: int = 0) -> int:
        settings = self._settings
        wait = backoff_ms(tries + 1, settings.min_backoff_ms, settings.max_backoff_ms, self._random)
        return max(wait, min(at_least_ms, settings.max_backoff_ms))


def _other_content(row: Found) -> str:
    return f"{OTHER_CONTENT}: {', '.join(row.differs)}"
