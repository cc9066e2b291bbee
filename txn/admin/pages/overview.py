"""Is anything wrong, since when, and how much is going on."""

import falcon

from txn.admin import chart
from txn.admin.render import render
from txn.admin.route import Route, page
from txn.operate.tools import Parts
from txn.readers.charts import BAR
from txn.readers.health import Look, findings


class Overview:
    """GET /admin."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Three calls to Redis, none of which grows with what is stored.

        Raises: StoreUnavailable.
        """
        parts = self._parts
        statistics = parts.statistics.read()
        now_ms = statistics.now_ms
        history = parts.charts.read(now_ms)
        look = Look(statistics, parts.workers.marks(), history, parts.durability)
        recent = history.recent
        minutes = recent.minutes(now_ms)
        shares = [(f"p{share * 100:.0f}", recent.percentile(share)) for share in (0.5, 0.95, 0.99)]
        render(
            request,
            response,
            "overview.html",
            findings=findings(look),
            statistics=statistics,
            durability=parts.durability.latest,
            rates={name: getattr(recent, name) / minutes for name in ("accepted", "completed", "failed")},
            percentiles=[(name, chart.about(found), chart.under(found)) for name, found in shares],
            recent=recent,
            columns=[
                (name, [chart.flow(spans, minutes, now_ms), chart.latency(spans), chart.errors(spans)])
                for name, spans, minutes in (("Last hour", history.hour, 1), ("Last day", history.day, BAR))
            ],
            now_ms=now_ms,
        )


def routes(parts: Parts) -> list[Route]:
    """For everybody with a session."""
    return [page("", Overview(parts))]
