"""Cuts between the steps of a delivery: a wrapper of its I/O, the same whoever drives the rules."""

from collections.abc import Callable

from txn.delivery.steps import Steps
from txn.model.claim import Claim
from txn.model.outcome import Settlement, SettleReply
from txn.posting.results import Lookup, PostResult, Uncertain, Unknown
from txn.posting.transport import MaybeSent


class Cut:
    """Calls `then` once, when the worker comes to `place`."""

    def __init__(self, place: str = "", then: Callable[[], None] = lambda: None) -> None:
        self._place, self._then, self.reached = place, then, False

    def at(self, place: str) -> None:
        if place == self._place and not self.reached:
            self.reached = True
            self._then()


class PassedOn:
    """Steps that are those of others; to be changed one at a time."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def claim(self, transaction_id: str, owner: str) -> Claim | None:
        return await self._steps.claim(transaction_id, owner)

    async def find(self, claim: Claim) -> Lookup:
        return await self._steps.find(claim)

    async def post(self, claim: Claim, last_check: Callable[[], bool]) -> PostResult:
        return await self._steps.post(claim, last_check)

    async def settle(self, transaction_id: str, owner: str, settlement: Settlement) -> SettleReply:
        return await self._steps.settle(transaction_id, owner, settlement)


class CutSteps(PassedOn):
    """Steps with a cut before and after each, and in the last check. Tells when a GET or a POST is about to leave.

    `posted`: whether this delivery has come to its last check. An answer of the posting service that is lost here is
    what the real steps make of that. One of Redis is lost further below, where the store repeats its call.
    """

    def __init__(self, steps: Steps, cut: Cut, on_find: Callable[[], None], on_post: Callable[[], None]) -> None:
        super().__init__(steps)
        self._cut, self._on_find, self._on_post, self.posted = cut, on_find, on_post, False

    async def claim(self, transaction_id: str, owner: str) -> Claim | None:
        self.posted = False
        self._cut.at("before claim")
        claim = await super().claim(transaction_id, owner)
        self._cut.at("after claim")
        return claim

    async def find(self, claim: Claim) -> Lookup:
        called = "verify" if self.posted else "get"
        self._cut.at(f"before {called}")
        self._on_find()
        lookup = await super().find(claim)
        try:
            self._cut.at(f"after {called}")
        except MaybeSent as lost:
            return Unknown(f"GET: {lost}")
        return lookup

    async def post(self, claim: Claim, last_check: Callable[[], bool]) -> PostResult:
        def checked() -> bool:
            self._cut.at("check")
            self.posted = True
            self._on_post()
            return last_check()

        self._cut.at("before post")
        result = await super().post(claim, checked)
        try:
            self._cut.at("after post")
        except MaybeSent as lost:
            return Uncertain(f"POST: {lost}")
        return result

    async def settle(self, transaction_id: str, owner: str, settlement: Settlement) -> SettleReply:
        self._cut.at("before settle")
        reply = await super().settle(transaction_id, owner, settlement)
        self._cut.at("after settle")
        return reply
