"""What the users send."""

import json
import random
import uuid
from dataclasses import dataclass, field

PATH = "/api/transactions"
CURRENCIES = ["USD", "EUR", "GBP", "CHF"]


@dataclass(frozen=True)
class Submission:
    """A new transaction, repeatable by its key."""

    key: str = field(default_factory=lambda: f"swarm-{uuid.uuid4().hex}")
    cents: int = field(default_factory=lambda: random.randint(1, 1_000_000))
    currency: str = field(default_factory=lambda: random.choice(CURRENCIES))

    @property
    def headers(self) -> dict[str, str]:
        """Of the submit and of every repetition."""
        return {"Content-Type": "application/json", "Idempotency-Key": self.key}

    def body(self, more_cents: int = 0) -> str:
        """The content; with `more_cents`, another one."""
        units, cents = divmod(self.cents + more_cents, 100)
        metadata = {"order_id": self.key[-12:]}
        content = {"amount": f"{units}.{cents:02}", "currency": self.currency, "description": "Swarm"}
        return json.dumps(content | {"metadata": metadata})


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
        kinds.append(Wrong(422, "content_conflict", body=accepted.body(more_cents=1), headers=accepted.headers))
    return random.choice(kinds)
