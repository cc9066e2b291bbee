"""GET /api/transactions/{id}?include=attempts: what was tried, for whoever wonders why it takes so long."""

from typing import Any

import falcon

from txn.api.door import sees_all
from txn.errors import Invalid
from txn.model.transaction import rfc3339
from txn.readers.details import Event, read_history
from txn.store.transactions import Past


def wanted(request: falcon.Request) -> bool:
    """Whether the attempts are asked for. Raises: Invalid."""
    asked = request.get_param("include")
    if asked not in (None, "attempts"):
        raise Invalid("include", "is known with one value: attempts")
    return asked is not None


def shown(past: Past, request: falcon.Request) -> list[dict[str, Any]]:
    """The latest deliveries, the oldest first; at most as many as the record keeps.

    What the posting service said, and who delivered, can name hosts: that is for whoever sees the whole system.
    """
    tried = [event for event in read_history(past.history) if event.by is None and event.outcome is not None]
    if not tried and past.evidence and past.completed_ms is not None:
        # A delivery in which all went well at once leaves no line.
        tried = [Event(past.completed_ms, attempt=past.attempts, mode="post", outcome=past.evidence)]
    return [_shown(event, whole=sees_all(request)) for event in tried]


def _shown(event: Event, *, whole: bool) -> dict[str, Any]:
    inner = {"detail": event.detail, "worker": event.worker} if whole else {}
    return {
        "at": rfc3339(event.at_ms),
        "attempt": event.attempt,
        "mode": event.mode,
        "outcome": event.outcome,
        "http": event.http,
        "ms": event.ms,
    } | inner
