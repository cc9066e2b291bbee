"""What a delivery asks the outside for, and waits for. There is no other way out of its rules."""

from collections.abc import Callable
from typing import Protocol

from txn.model.claim import Claim
from txn.model.outcome import Settlement, SettleReply
from txn.posting.results import Lookup, PostResult


class Steps(Protocol):
    """The I/O of deliveries. Who implements it decides what waiting is: a thread that blocks, or an event loop."""

    async def claim(self, transaction_id: str, owner: str) -> Claim | None:
        """Take the transaction for one delivery, or None if it is not to be delivered now, or not by us.

        Raises: StoreUnavailable; it may be claimed all the same.
        """

    async def find(self, claim: Claim) -> Lookup:
        """GET the transaction. A call that brings no answer is `Unknown`, never an exception."""

    async def post(self, claim: Claim, last_check: Callable[[], bool]) -> PostResult:
        """POST the transaction, once. `last_check` is asked at most once, in the last moment before the first byte.

        A call that brings no answer is `NotPosted` or `Uncertain`, never an exception.
        """

    async def settle(self, transaction_id: str, owner: str, settlement: Settlement) -> SettleReply:
        """Write down how the delivery ended.

        Raises: StoreUnavailable; it may be written all the same.
        """
