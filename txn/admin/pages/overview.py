"""Is anything wrong, since when, and how much is going on."""

import falcon

from txn.admin import chart
from txn.admin.pages.pause import HOURS
from txn.admin.render import render
from txn.admin.route import ROOT, Route, page
from txn.operate.operations import MAX_WHY
from txn.operate.tools import Tools
from txn.readers import formats
from txn.readers.charts import BAR
from txn.readers.health import Snapshot, often_fails, problems_in

#: What a problem is about -> (where that is, what the link says).
_MORE = {
    "workers": (f"{ROOT}/queues", "Workers"),
    "queue": (f"{ROOT}/queues", "Look"),
    "dead letters": (f"{ROOT}/failed", "Show them"),
    "callbacks": (f"{ROOT}/callbacks", "Show them"),
}

#: The latest things that happened.
SHOWN_EVENTS = 12


class Overview:
    """GET /admin."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Seven calls to Redis, none of which grows with what is stored.

        Raises: StoreUnavailable.
        """
        tools = self._tools
        statistics = tools.statistics.read()
        now_ms = statistics.now_ms
        history = tools.charts.read(now_ms)
        seen = Snapshot(
            statistics, tools.workers.marks(), history, tools.durability, tools.intake.overload, tools.calls.read()
        )
        recent = history.recent
        minutes = recent.minutes(now_ms)
        shares = [(f"p{share * 100:.0f}", recent.percentile(share)) for share in (0.5, 0.95, 0.99)]
        render(
            request,
            response,
            "overview.html",
            problems=problems_in(seen),
            more=_MORE,
            often_fails=often_fails(seen),
            statistics=statistics,
            durability=tools.durability.latest,
            rates={name: getattr(recent, name) / minutes for name in ("accepted", "completed", "failed")},
            percentiles=[(name, formats.percentile(found), formats.at_most(found)) for name, found in shares],
            recent=recent,
            columns=[
                (name, [chart.flow(spans, minutes, now_ms), chart.latency(spans), chart.errors(spans)])
                for name, spans, minutes in (("Last hour", history.hour, 1), ("Last day", history.day, BAR))
            ],
            audit=tools.audits.read(),
            events=tools.events.read(SHOWN_EVENTS),
            max_why=MAX_WHY,
            hours=HOURS,
            now_ms=now_ms,
        )


def routes(tools: Tools) -> list[Route]:
    """For everybody with a session."""
    return [page("", Overview(tools))]
