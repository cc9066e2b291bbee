"""What is behind the connections that were there when the posting service moved: an old server, with no rows, on its
way out."""

from collections.abc import Awaitable, Callable
from typing import Any

from ops.mock_posting.row import dumps

_NOTHING = 404, dumps({"detail": "Transaction not found"})
_CLOSING = 503, dumps({"detail": "not here any more"})


class Moved:
    """An ASGI application that finds nothing, in JSON, and writes nothing. `answers`: how often it was asked."""

    def __init__(self) -> None:
        self.connections = self.answers = 0

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """404 to a GET, 503 to all else."""
        while (await receive()).get("more_body"):
            pass
        self.answers += 1
        status, body = _NOTHING if scope["method"] == "GET" else _CLOSING
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
