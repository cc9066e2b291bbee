"""For whoever opens the address in a browser: where what is."""

from typing import Any

import falcon

from txn import __version__
from txn.model.content import dumps


class Root:
    """GET /."""

    def __init__(self, *, has_admin: bool) -> None:
        links: dict[str, Any] = {
            "submit": "/api/transactions",
            "status": "/api/transactions/{transactionId}",
            "events": "/api/events",
            "health": "/api/health",
            "metrics": "/metrics",
            "docs": "/docs",
            "openapi": "/openapi.json",
        }
        if has_admin:
            links["admin"] = "/admin"
        self._body = dumps({"service": "txn", "version": __version__, "links": links})

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Asks nobody."""
        response.content_type = falcon.MEDIA_JSON
        response.data = self._body
