"""What waits, who delivers it, and what was repaired on the way."""

import falcon

from txn.admin.render import render
from txn.admin.route import Route, page
from txn.operate.tools import Tools


class Queues:
    """GET /admin/queues."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Three calls to Redis; at most a hundred workers and a few hundred transactions in flight.

        Raises: StoreUnavailable.
        """
        floor = self._tools.workers.read()
        totals = self._tools.statistics.read().totals
        render(
            request,
            response,
            "queues.html",
            floor=floor,
            gone=self._tools.events.gone(floor.now_ms),
            totals=totals,
            lease_ms=self._tools.settings.lease_ms,
            now_ms=floor.now_ms,
        )


def routes(tools: Tools) -> list[Route]:
    """For everybody with a session."""
    return [page("/queues", Queues(tools))]
