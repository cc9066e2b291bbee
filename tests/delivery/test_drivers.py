import asyncio
import inspect
import secrets
from collections import Counter
from collections.abc import Callable

import pytest

from tests.delivery.rig import Rig
from txn.delivery.blocking_steps import BlockingSteps, run
from txn.delivery.rules import Rules
from txn.model.claim import Claim
from txn.model.outcome import Settlement, SettleReply
from txn.model.transaction import Status
from txn.posting.results import Lookup, PostResult

Build = Callable[..., Rig]


class LoopSteps:
    """Steps that make room for other deliveries before each call."""

    def __init__(self, steps: BlockingSteps) -> None:
        self._steps, self.under_way, self.most = steps, 0, 0

    async def claim(self, transaction_id: str, owner: str) -> Claim | None:
        claim = await self._steps.claim(transaction_id, owner)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        return claim

    async def find(self, claim: Claim) -> Lookup:
        await asyncio.sleep(0)
        return await self._steps.find(claim)

    async def post(self, claim: Claim, last_check: Callable[[], bool]) -> PostResult:
        await asyncio.sleep(0)
        return await self._steps.post(claim, last_check)

    async def settle(self, transaction_id: str, owner: str, settlement: Settlement) -> SettleReply:
        self.under_way -= 1
        return await self._steps.settle(transaction_id, owner, settlement)


def test_an_event_loop_runs_many_deliveries_at_once_by_the_same_rules(rig: Build) -> None:
    one = rig()
    names = [one.accept() for _ in range(20)]
    one.mock.script(names[0], post=["fail_after"])
    one.mock.script(names[1], post=["reject"])
    steps = LoopSteps(BlockingSteps(one.parts.store, one.posting))
    rules = Rules(steps, one.settings)

    async def deliver_all() -> None:
        await asyncio.gather(*(rules.deliver(name, secrets.token_urlsafe(12)) for name in names))

    asyncio.run(deliver_all())
    assert steps.most == len(names)
    assert one.parts.record(names[0])["evidence"] == "verified"
    assert one.error(names[1]) == "rejected"
    found = Counter(one.parts.store.read(name).status for name in names)
    assert found == {Status.COMPLETED: 19, Status.FAILED: 1}
    assert [one.rows(name) for name in names] == [1, 0] + [1] * 18


def test_without_an_event_loop_a_step_that_waits_for_one_is_an_error(rig: Build) -> None:
    one = rig()
    rules = Rules(LoopSteps(BlockingSteps(one.parts.store, one.posting)), one.settings)
    name = one.accept()
    delivery = rules.deliver(name, "nonce")
    with pytest.raises(RuntimeError, match="waits for an event loop") as caught:
        run(delivery)
    assert inspect.getcoroutinestate(delivery) == inspect.CORO_CLOSED
    run(one.rules.give_up(name, "nonce", caught.value))
    assert one.parts.record(name)["error"] == "delivery ended with RuntimeError"


def test_what_a_delivery_returns_or_raises_comes_out_of_the_runner() -> None:
    async def returns() -> int:
        return 7

    async def raises() -> None:
        raise KeyError("one")

    assert run(returns()) == 7
    with pytest.raises(KeyError, match="one"):
        run(raises())
