"""For whoever restarts processes and balances load: is this process alive, may it be sent transactions."""

import falcon

from txn.api.door import sees_all
from txn.api.local import is_local
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

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """200, or 503 with the reason, for whoever may see it; as quick as the health check's time-out."""
        response.content_type = falcon.MEDIA_JSON
        try:
            self._durability.require()
            self._statistics.read()
        except Unavailable as error:
            response.status = falcon.HTTP_503
            reason = {"reason": str(error)} if sees_all(request) or is_local(request) else {}
            response.data = dumps({"status": "unready"} | reason)
        else:
            response.data = b'{"status":"ready"}'
