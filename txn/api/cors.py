"""Web pages of other origins: a browser lets them read our answers only if we name them."""

from collections.abc import Sequence
from typing import Any

import falcon
from falcon.middleware import CORSMiddleware

from txn.api.metrics import Metrics

#: What a client needs of our headers, beyond those that a browser shows anyway.
EXPOSED = ("Location", "Idempotent-Replayed", "Retry-After", "X-Request-Id")


class Cors(CORSMiddleware[Any, Any]):
    """Falcon's middleware, but for /metrics, which is for machines. Never with credentials: we have none to share.

    `origins`: as TXN_CORS_ORIGINS names them; `["*"]` is everybody. The admin site stands beside the API, and has none.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        super().__init__(allow_origins="*" if list(origins) == ["*"] else origins, expose_headers=EXPOSED)

    def process_response(
        self, request: falcon.Request, response: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        """See `CORSMiddleware`. Caches are told that the answer depends on who asks, also if nobody was named."""
        if isinstance(resource, Metrics):
            return
        response.append_header("Vary", "Origin")
        super().process_response(request, response, resource, succeeded)
