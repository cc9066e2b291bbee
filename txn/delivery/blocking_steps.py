"""Steps whose I/O blocks the thread, as a worker's does, and `run`, which drives a delivery without an event loop."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from txn.model.claim import Claim
from txn.model.outcome import Settlement, SettleReply
from txn.posting.results import Lookup, PostResult
from txn.posting.service import PostingService
from txn.store.transactions import Store

T = TypeVar("T")


class BlockingSteps:
    """`Steps` that hold the calling thread until they are done. Safe to use from many threads."""

    def __init__(self, store: Store, posting: PostingService) -> None:
        self._store, self._posting = store, posting

    async def claim(self, transaction_id: str, owner: str) -> Claim | None:
        """See `Steps.claim`."""
        return self._store.claim(transaction_id, owner)

    async def find(self, claim: Claim) -> Lookup:
        """See `Steps.find`."""
        return self._posting.find(claim.id, claim.payload, claim.trace)

    async def post(self, claim: Claim, last_check: Callable[[], bool]) -> PostResult:
        """See `Steps.post`."""
        return self._posting.post(claim.id, claim.payload, claim.submitted_ms, last_check, claim.trace)

    async def settle(self, transaction_id: str, owner: str, settlement: Settlement) -> SettleReply:
        """See `Steps.settle`."""
        return self._store.settle(transaction_id, owner, settlement)


def run(delivery: Coroutine[Any, Any, T]) -> T:
    """What the coroutine returns or raises. Its steps have blocked, so that there is never anything to wait for.

    Raises: RuntimeError, if there is: then these steps need an event loop.
    """
    try:
        delivery.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    delivery.close()
    raise RuntimeError("a step waits for an event loop, and there is none: run this delivery with asyncio")
