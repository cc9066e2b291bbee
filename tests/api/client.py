"""Requests to the application, and what every answer of it has in common."""

from typing import Any

from falcon.testing import Result, TestClient

from tests.api.conforming import Conforming
from tests.parts import BODY, Clock
from txn.api.app import create_app
from txn.operate.tools import Tools
from txn.queue.message import NAME, message_template
from txn.readers.statistics import StatisticsReader
from txn.server.codes import CODES
from txn.settings import Settings
from txn.store.connection import connect
from txn.store.database import Database
from txn.store.durability import DurabilityMonitor
from txn.store.keys import Keys
from txn.store.timings import Timings
from txn.store.transactions import Store

OTHER_BODY = b'{"amount": 7, "currency": "USD", "description": "Payment", "metadata": {"order_id": "12345"}}'

#: With a Redis that the test stops; any other one has to answer, and may take its time on a busy machine.
SHORT_MS, LONG_MS = 300, 30_000


class Connected:
    """The application on a connection of its own to `url`, which it waits for so long."""

    def __init__(
        self, url: str, settings: Settings, clock: Clock, *, allow_lossy: bool = False, timeout_ms: int = LONG_MS
    ) -> None:
        keys = Keys(settings.prefix, NAME)
        self.monitor = DurabilityMonitor(
            allow_lossy=allow_lossy, attested_by=settings.attested_by, replicas=settings.redis_replicas
        )
        self.client = connect(url, timeout_ms=timeout_ms, on_connect=self.monitor.on_connect)
        self.probe = connect(url, timeout_ms=timeout_ms)
        accepting = Database(self.client, keys, clock, settings.redis_replicas)
        store = Store(accepting, message_template(), settings)
        probed = Database(self.probe, keys, clock)
        self.timings = Timings(probed)
        statistics = StatisticsReader(probed)
        tools = Tools.on(probed, accepting, settings, self.monitor)
        self.api = Conforming(
            create_app(store, statistics, self.monitor, self.timings, allow_cleanup=True, tools=tools)
        )

    def __enter__(self) -> "Connected":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.client.close()
        self.probe.close()


def submit(api: TestClient, body: bytes = BODY, key: str | None = None, **headers: str) -> Result:
    """POST /api/transactions with JSON."""
    sent = {"Content-Type": "application/json"} | headers | ({} if key is None else {"Idempotency-Key": key})
    return api.simulate_post("/api/transactions", body=body, headers=sent)


def with_id(own_id: str, body: bytes = BODY) -> bytes:
    """`body` with a client's own id."""
    return body[:1] + f'"id": "{own_id}", '.encode() + body[1:]


def status(api: TestClient, transaction_id: str) -> Result:
    """GET /api/transactions/{id}; the id goes into the path as it is."""
    return api.simulate_get(f"/api/transactions/{transaction_id}")


def problem(result: Result, expected_status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """The problem document that an answer has to be."""
    document: dict[str, Any] = result.json
    assert (result.status_code, document["code"]) == (expected_status, code)
    assert result.headers["Content-Type"] == "application/problem+json"
    assert document["status"] == expected_status
    assert expected_status in CODES[code].statuses
    assert document["retryable"] is CODES[code].retryable
    assert document["type"] == "about:blank"
    assert document["title"]
    assert document["detail"]
    assert document.get("field") == field
    return document
