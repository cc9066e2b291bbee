"""The real rules on a real store against a real posting service, with a clock that the test moves."""

import json
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any

from ops.mock_posting.client import MockPosting
from tests.parts import BODY, Clock, Parts, submission
from txn.clock import boot_ms
from txn.delivery.blocking_steps import BlockingSteps, run
from txn.delivery.rules import Rules
from txn.model.transaction import Transaction
from txn.posting.service import PostingService
from txn.posting.transport import Transport
from txn.settings import Settings


class Rig:
    """One worker without its queue."""

    def __init__(
        self,
        url: str,
        mock: MockPosting,
        transport: Transport,
        settings: Settings,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self.mock, self.clock, self.settings = mock, clock, settings
        self.parts = Parts(url, settings, clock)
        self.posting = PostingService(transport, settings.posting_timeout_ms)
        steps = BlockingSteps(self.parts.store, self.posting)
        self.rules = Rules(steps, settings, random, lambda: boot_ms() + clock())

    def accept(self, body: bytes = BODY) -> str:
        transaction, _ = self.parts.store.accept(submission(body=body))
        return transaction.id

    def deliver(self, transaction_id: str) -> Transaction:
        """One wake-up; what clients see after it."""
        run(self.rules.deliver(transaction_id, secrets.token_urlsafe(12)))
        return self.parts.store.read(transaction_id)

    def until_due(self, transaction_id: str) -> None:
        """Move the clock to the next attempt."""
        record = self.parts.record(transaction_id)
        now = self.parts.read_statistics().now_ms
        self.clock.forward(max(0, int(record.get("next", 0)) - now) + 1)

    def until_finished(self, transaction_id: str, tries: int = 30, others_get_in: bool = False) -> Transaction:
        """Deliver, again and again, each time when it is due; in between, somebody else's POST is let through."""
        for _ in range(tries):
            transaction = self.deliver(transaction_id)
            if transaction.completed_ms is not None:
                return transaction
            if others_get_in:
                self.parts.let_another_in()
            self.until_due(transaction_id)
        raise AssertionError(f"not finished after {tries} deliveries: {self.parts.record(transaction_id)}")

    def rows(self, transaction_id: str) -> int:
        """How many rows of this id the posting service holds."""
        return Counter(row["id"] for row in self.mock.rows())[transaction_id]

    def history(self, transaction_id: str) -> list[dict[str, Any]]:
        lines = self.parts.record(transaction_id).get("history", "").splitlines()
        return [json.loads(line.split(" ", 1)[1]) for line in lines]

    def outcomes(self, transaction_id: str) -> list[str]:
        return [line["outcome"] for line in self.history(transaction_id)]

    def error(self, transaction_id: str) -> str | None:
        failure = self.parts.store.read(transaction_id).failure
        return failure.code if failure else None
