"""For whoever restarts processes and balances load: is this process alive, may it be sent transactions."""

import falcon

from txn.errors import Unavailable
from txn.model.content import dumps
from txn.readers.statistics import StatisticsReader
from txn.store.durability import DurabilityMonitor


class Live:
    """GET /livez: 200 while the process answers at all. Restart it if it does not."""

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Asks nobody."""
        response.content_type = falcon.MEDIA_JSON
        response.data = b'{"status":"alive"}'


class Ready:
    """GET /readyz: 200 while transactions are accepted: Redis is there, writable, and keeps what it acknowledges.

    The posting service being away does not make it unready: what is accepted waits.
    """

    def __init__(self, statistics: StatisticsReader, durability: DurabilityMonitor) -> None:
        self._statistics, self._durability = statistics, durability

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """200, or 503 with the reason; as quick as the health check's time-out."""
        response.content_type = falcon.MEDIA_JSON
        try:
            self._durability.require()
            self._statistics.read()
        except Unavailable as error:
            response.status = falcon.HTTP_503
            response.data = dumps({"status": "unready", "reason": str(error)})
        else:
            response.data = b'{"status":"ready"}'
