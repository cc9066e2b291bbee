"""What the users send."""

import json
import random
import uuid
from dataclasses import dataclass, field, replace
from decimal import Decimal

from txn.client import Submission

PATH = "/api/transactions"
CURRENCIES = ["USD", "EUR", "GBP", "CHF"]


def submission() -> Submission:
    """A new transaction, repeatable by its key."""
    key = f"swarm-{uuid.uuid4().hex}"
    return Submission(_amount(), random.choice(CURRENCIES), "Swarm", {"order_id": key[-12:]}, key=key)


def _amount() -> Decimal:
    return Decimal(random.randint(1, 1_000_000)) / 100


@dataclass(frozen=True)
class Wrong:
    """A request that must be refused, and how."""

    status: int
    code: str
    method: str = "POST"
    path: str = PATH
    body: str | None = None
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


def wrong(accepted: Submission | None) -> Wrong:
    """One of several kinds; with an accepted submission also its key with other content."""
    kinds = [
        Wrong(400, "invalid", body='{"amount": "-1.00", "currency": "USD", "description": "Swarm"}'),
        Wrong(400, "invalid", body='{"amount": "1.00", "currency": "ZZZ", "description": "Swarm"}'),
        Wrong(400, "invalid", body='{"amount": "1.00", "currency": "USD"}'),
        Wrong(400, "invalid_json", body='{"amount": 1.00,'),
        Wrong(415, "unsupported_media_type", body="amount=1", headers={"Content-Type": "text/plain"}),
        Wrong(404, "not_found", method="GET", path=f"{PATH}/{uuid.uuid4()}"),
    ]
    if accepted is not None:
        other = replace(accepted, amount=Decimal(accepted.amount) + 1)
        headers = {"Content-Type": "application/json", "Idempotency-Key": accepted.repeats_as}
        kinds.append(Wrong(422, "content_conflict", body=json.dumps(other.to_json()), headers=headers))
    return random.choice(kinds)
