"""What one delivery has learnt so far, also one that may not POST: for the record, its history and the log.

It makes the calls that the rules ask for. What follows from the answers, the rules decide.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from txn.delivery import log as delivery_log
from txn.delivery.steps import Steps
from txn.errors import SettleLost, StoreUnavailable
from txn.model.claim import Claim
from txn.model.content import dumps
from txn.model.outcome import Completed, Mode, Outcome, Settlement, named
from txn.model.transaction import Evidence
from txn.posting.results import (
    Lookup,
    NotPosted,
    NotTried,
    Posted,
    PostResult,
    Rejected,
    Uncertain,
    Unknown,
    asks_to_wait_ms,
    service_failed,
    unquoted,
)

_VERIFIED = Completed(Evidence.VERIFIED)


@dataclass(slots=True)
class Attempt:
    """One claimed transaction on its way through the steps.

    `lease_end` and `post_deadline`, by which its POST has ended, are times of `boot_ms`; `slow_ms`: what takes longer
    is logged though it went well; `worker`: who delivers, for the history.
    """

    steps: Steps
    claim: Claim
    lease_end: int
    boot_ms: Callable[[], int]
    slow_ms: float
    worker: str
    #: No POST begins from then on; None: it does not expire.
    deliver_by: int | None = None
    #: A POST that never asked for the last check may have been sent as late as the lease allows.
    post_deadline: int = field(init=False)
    _began: int = field(init=False)
    _lookup: Lookup | None = None
    _result: PostResult | None = None
    _answered: bool = False
    _outage: str = ""
    _calls: str = ""
    _hold_ms: int = 0
    _spent: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._began, self.post_deadline = self.boot_ms(), self.lease_end

    async def find(self) -> Lookup:
        """GET: see `Steps.find`."""
        began = self.boot_ms()
        self._lookup = lookup = await self.steps.find(self.claim)
        self._spent["get_ms" if self._result is None else "verify_ms"] = spent_ms = self.boot_ms() - began
        self._note("g", lookup, spent_ms)
        if isinstance(lookup, Unknown):
            self._outage = lookup.detail
        else:
            self._answered = True
        return lookup

    async def post(self, last_check: Callable[[], bool]) -> PostResult:
        """POST: see `Steps.post`."""
        began = self.boot_ms()
        self._result = result = await self.steps.post(self.claim, last_check)
        self._spent["post_ms"] = spent_ms = self.boot_ms() - began
        if not isinstance(result, NotTried):
            self._note("p", result, spent_ms)
        match result:
            case Posted() | Rejected():
                self._answered = True
            case NotPosted(detail) | Uncertain(detail, status=None):
                self._outage = detail
        return result

    def _note(self, call: str, result: Lookup | PostResult, spent_ms: int) -> None:
        """What no answer came to, after a good part of the deadline, has hung."""
        if not service_failed(result):
            self._calls += call
            return
        hung = result.status is None and spent_ms > self.slow_ms
        self._hold_ms = max(self._hold_ms, asks_to_wait_ms(result))
        self._calls += call.upper() + "!" * hung

    async def settle(self, outcome: Outcome) -> None:
        """Write the outcome down, and say in the log what has to be said.

        Raises: SettleLost.
        """
        claim, fields = self.claim, partial(self._fields, outcome)
        try:
            reply = await self.steps.settle(claim.id, claim.owner, self._settlement(outcome))
        except StoreUnavailable as error:
            delivery_log.lost(outcome, fields, str(error))
            raise SettleLost(str(error)) from error
        if reply == "settled":
            delivery_log.settled(outcome, fields, slow=self._ms() > self.slow_ms)
        elif reply != "repeated":
            delivery_log.refused(outcome, fields, reply)

    def _settlement(self, outcome: Outcome) -> Settlement:
        """The outcome with what was learnt on the way; an uneventful success leaves no history."""
        claim = self.claim
        first = isinstance(outcome, Completed) and claim.attempts == 1 and not claim.tries and claim.mode is Mode.POST
        history = "" if first else dumps(self._line(outcome)).decode()
        let_through = isinstance(self._result, Posted | Rejected) or outcome == _VERIFIED
        outage = self._outage
        if isinstance(self._result, Uncertain) and not let_through:
            outage = outage or self._result.detail
        calls = self._calls.replace("P!", "p").replace("P", "p") if let_through else self._calls
        return Settlement(outcome, self._answered, let_through, outage, history, calls, self._hold_ms)

    def _fields(self, outcome: Outcome) -> dict[str, object]:
        """For the log: the history's line, whose it is, and how long each call took.

        What the posting service says may quote the payload: that stays in the record.
        """
        line = self._line(outcome)
        line["detail"] = unquoted(str(line["detail"]))
        return {"transaction": self.claim.id, **line, **self._spent}

    def _line(self, outcome: Outcome) -> dict[str, object]:
        line: dict[str, object] = {
            "attempt": self.claim.attempts,
            "mode": self.claim.mode.value,
            "outcome": named(outcome),
            "detail": getattr(outcome, "detail", ""),
            "http": self._http(outcome),
            "ms": self._ms(),
        }
        if self.worker:
            line["worker"] = self.worker
        return line

    def _http(self, outcome: Outcome) -> int | None:
        """The status of the answer that decided: a GET's after a POST only if it found the transaction."""
        decided = self._lookup if self._result is None or outcome == _VERIFIED else self._result
        return decided.status if decided else None

    def _ms(self) -> int:
        """Time since the claim."""
        return self.boot_ms() - self._began
