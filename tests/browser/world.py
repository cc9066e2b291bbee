"""A running system with a day behind it, for the browser to look at."""

import math
import random
import time
from pathlib import Path

from tests.system.stack import Stack
from txn.model.totals import END_TO_END_MS
from txn.password_hash import hash_password

PASSWORD = "wrong horse"
HOSTILE = "<script>console.error('injected')</script><img src=x onerror=console.error(1)>"
BODY = {
    "amount": 100.50,
    "currency": "USD",
    "description": HOSTILE,
    "metadata": {HOSTILE: HOSTILE, "order_id": "12345"},
}


class World(Stack):
    """The stack with the admin site, for `ada` (operate) and `vic` (view)."""

    def __init__(self, folder: Path, settings: dict[str, str] | None = None) -> None:
        hashed = hash_password(PASSWORD)
        users = f"ada:operate:{hashed}\nvic:view:{hashed}"
        super().__init__(folder, {"TXN_ADMIN_USERS": users} | (settings or {}))

    def remember_a_day(self, seed: int = 1) -> None:
        """Fill the minute buckets of the last day, as settle would have; with an outage five hours ago."""
        draw, now = random.Random(seed), int(time.time()) // 60
        with self.client.pipeline(transaction=False) as pipeline:
            for minute in range(now - 1440, now):
                pipeline.hset(f"txn:minute:{minute}", mapping=_minute(draw, minute, now - minute))
                pipeline.expire(f"txn:minute:{minute}", 90_000)
            pipeline.execute()


def _minute(draw: random.Random, minute: int, age: int) -> dict[str, int]:
    accepted = int(420 + 260 * math.sin((minute % 1440) / 1440 * 2 * math.pi) + draw.gauss(0, 24))
    down, after = 290 < age < 320, 280 < age <= 290
    completed = 0 if down else accepted * 3 if after else accepted - draw.randint(0, 3)
    attempts = accepted + draw.randint(0, 12)
    buckets = {str(limit): 0 for limit in END_TO_END_MS}
    for _ in range(min(completed, 200)):
        spent = draw.lognormvariate(11 if after else 3.2, 0.7)
        buckets[str(next((limit for limit in END_TO_END_MS if spent <= limit), END_TO_END_MS[-1]))] += (
            completed // 200 or 1
        )
    counts = {"accepted": accepted, "completed": completed, "attempts": attempts}
    counts["failed_attempts"] = int(attempts * (0.9 if down else 0.02))
    counts["failed"] = int(draw.random() < 0.05)
    return counts | {f"end_to_end:{limit}": count for limit, count in buckets.items() if count}
