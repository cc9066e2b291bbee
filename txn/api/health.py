"""Is it well, and if not, what is wrong."""

import time
from dataclasses import replace
from typing import Any

import falcon

from txn import __version__
from txn.api.door import sees_all
from txn.api.local import is_local
from txn.errors import NotDurable, Overloaded, StoreUnavailable
from txn.model.content import dumps
from txn.model.flow import Flow
from txn.model.transaction import rfc3339
from txn.readers.health import at_risk
from txn.readers.standing_still import standing_still
from txn.readers.statistics import Statistics, StatisticsReader
from txn.store.durability import DurabilityMonitor
from txn.store.intake import IntakeMonitor


class Health:
    """GET /api/health. Never calls the posting service.

    With API keys, other machines see more than the status only with the role `operate`.
    """

    def __init__(
        self, statistics: StatisticsReader, durability: DurabilityMonitor, intake: IntakeMonitor | None = None
    ) -> None:
        self._statistics, self._durability, self._intake = statistics, durability, intake
        self._began_s = time.monotonic()

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """200 if transactions are accepted (`healthy`, `degraded`), 503 if not (`unhealthy`)."""
        response.content_type = falcon.MEDIA_JSON
        response.status, found = self._found(request)
        may_see_all = sees_all(request) or is_local(request)
        response.data = dumps(found if may_see_all else {"status": found["status"]})

    def _found(self, request: falcon.Request) -> tuple[str, dict[str, Any]]:
        try:
            statistics = _shown(self._statistics.read(), request)
            self._durability.require()
            _check_room(self._intake)
        except StoreUnavailable as error:
            problem = self._durability.lacking() or str(error)
            return falcon.HTTP_503, {"status": "unhealthy", "problems": [problem]} | self._process()
        except (NotDurable, Overloaded) as error:
            status: dict[str, Any] = {"status": "unhealthy", "problems": [str(error)]}
            return falcon.HTTP_503, status | self._process() | self._numbers(statistics)
        problems = [problem.sentence for problem in (*at_risk(self._durability), *standing_still(statistics))]
        status = {"status": "degraded" if problems else "healthy", "problems": problems}
        return falcon.HTTP_200, status | self._process() | self._numbers(statistics)

    def _process(self) -> dict[str, Any]:
        """Of the process that answers, not of the whole system: seconds since it began, and what it runs."""
        return {"uptime": int(time.monotonic() - self._began_s), "version": __version__}

    def _numbers(self, statistics: Statistics) -> dict[str, Any]:
        durability = self._durability.latest
        return {
            "queueDepth": statistics.unfinished,
            "pending": statistics.totals.pending,
            "processing": statistics.totals.processing,
            "completed": statistics.totals.completed,
            "failed": statistics.totals.dead,
            "retryCount": statistics.totals.retrying,
            "inDoubt": statistics.totals.in_doubt,
            "sentAway": statistics.totals.sent_away,
            "leftAlone": statistics.left_alone,
            "callbacksWaiting": statistics.totals.callbacks_waiting,
            "callbacksDead": statistics.totals.callbacks_dead,
            "possibleDoubles": statistics.totals.late_posted,
            "errorRate": round(statistics.error_rate, 4),
            "mostOverdueSeconds": statistics.most_overdue_ms // 1000,
            "oldestPendingSeconds": statistics.most_overdue_ms // 1000,  # its name until 0.2
            "oldestUnfinishedSeconds": statistics.oldest_unfinished_ms // 1000,
            "workers": statistics.workers,
            "durability": "unknown" if durability is None else durability.level,
            "durableOn": 1 + self._durability.replicas if durability and durability.is_kept else 0,
            "attestedBy": (durability.by if durability else "") or None,
            "postingService": _posting_service(statistics),
            "paused": pause_of(statistics.flow),
            "limits": limits_of(statistics.flow),
        }


def _check_room(intake: IntakeMonitor | None) -> None:
    if intake and (overload := intake.overload):
        raise Overloaded(overload.sentence, overload.retry_after_s)


def _shown(statistics: Statistics, request: falcon.Request) -> Statistics:
    """Why the posting service does not answer names its host: that is for this machine, and for the admin site."""
    if is_local(request) or not statistics.outage_reason:
        return statistics
    return replace(statistics, outage_reason="see /api/health on its machine, txn status or the admin site for why")


def _posting_service(statistics: Statistics) -> dict[str, Any]:
    answered, flow = statistics.answered_ms, statistics.flow
    return {
        "state": statistics.posting_state,
        "lastAnswered": None if answered is None else rfc3339(answered),
        "reason": statistics.posting_problem or None,
        "breaker": flow.breaker,
        "openedAt": None if flow.opened_ms is None else rfc3339(flow.opened_ms),
        "nextProbe": None if flow.probe_ms is None else rfc3339(flow.probe_ms),
        "held": flow.held,
        "heldUntil": None if flow.hold_ms is None else rfc3339(flow.hold_ms),
    }


def limits_of(flow: Flow) -> dict[str, Any] | None:
    """As an operator has set them; None: there are none."""
    if (found := flow.limits) is None:
        return None
    since = None if found.since_ms is None else rfc3339(found.since_ms)
    in_use = None if found.in_flight is None else found.in_use
    said = {"inFlight": found.in_flight, "inUse": in_use, "rate": found.rate}
    return said | {"by": found.by, "why": found.why, "since": since}


def pause_of(flow: Flow) -> dict[str, Any] | None:
    """Of an operator, or None."""
    if (paused := flow.paused) is None:
        return None
    since, until = (None if at is None else rfc3339(at) for at in (paused.since_ms, paused.until_ms))
    return {"by": paused.by, "why": paused.why, "since": since, "until": until}
