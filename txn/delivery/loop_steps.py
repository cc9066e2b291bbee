"""The steps of deliveries on an event loop: none of them holds it up."""

from collections.abc import Callable, Coroutine
from typing import Any

from txn.delivery.pulse import Pulse
from txn.logs.trace import TRACE_ID
from txn.model.claim import Claim
from txn.model.outcome import Settlement, SettleReply
from txn.model.trace import trace_id
from txn.posting.results import Lookup, PostResult
from txn.posting.service import AsyncPostingService
from txn.store.flusher import Runner
from txn.store.transactions import Store


class LoopSteps:
    """`Steps` for any number of deliveries on one loop.

    `most_lag_ms`: if the loop is further behind, the last check says no.
    """

    def __init__(
        self, store: Store, flusher: Runner, posting: AsyncPostingService, pulse: Pulse, most_lag_ms: float
    ) -> None:
        self._store, self._flusher, self._posting = store, flusher, posting
        self._pulse, self._most_lag_ms = pulse, most_lag_ms
        #: Whether a POST was begun, by the owner of each claim that is not settled.
        self._begun: dict[str, bool] = {}

    async def claim(self, transaction_id: str, owner: str) -> Claim | None:
        """See `Steps.claim`."""
        reply = await self._flusher.run(self._store.claiming(transaction_id, owner))
        claim = self._store.claimed(transaction_id, owner, reply)
        if claim is not None:
            self._begun[owner] = False
            if claim.trace:  # for all that this task will log
                TRACE_ID.set(trace_id(claim.trace))
        return claim

    def find(self, claim: Claim) -> Coroutine[Any, Any, Lookup]:
        """See `Steps.find`."""
        return self._posting.find(claim.id, claim.payload, claim.trace)

    def post(self, claim: Claim, last_check: Callable[[], bool]) -> Coroutine[Any, Any, PostResult]:
        """See `Steps.post`."""

        def checked() -> bool:
            if self._pulse.lag_ms() > self._most_lag_ms or not last_check():
                return False
            self._begun[claim.owner] = True
            return True

        return self._posting.post(claim.id, claim.payload, claim.submitted_ms, checked, claim.trace)

    async def settle(self, transaction_id: str, owner: str, settlement: Settlement) -> SettleReply:
        """See `Steps.settle`."""
        reply = await self._flusher.run(self._store.settling(transaction_id, owner, settlement))
        self.forget(owner)
        return self._store.settled(reply)

    def has_sent(self, owner: str) -> bool | None:
        """Of a claim that is not settled: whether its POST was begun. None if there is no such claim."""
        return self._begun.get(owner)

    def forget(self, owner: str) -> None:
        """Its delivery is over, whether or not that was written down."""
        self._begun.pop(owner, None)
