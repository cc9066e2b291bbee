"""The data port: the original's endpoints."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import falcon
import falcon.asgi

from ops.mock_posting.service import Answer, PostingService, Receive
from ops.mock_posting.table import BadRow, dumps, read_row


class Request(falcon.asgi.Request):
    """With `receive`, which says when the caller has gone."""

    __slots__ = ("receive",)

    def __init__(self, scope: dict[str, Any], receive: Receive, *others: Any, **named: Any) -> None:
        super().__init__(scope, receive, *others, **named)
        self.receive = receive


class BrokenOff(Exception):
    """Makes the server close the connection in the middle of an answer."""


def create_endpoints(service: PostingService, *, bare_list: bool = False) -> falcon.asgi.App[Any, Any]:
    """POST and GET /transactions (all, or ?offset=&limit=) · GET /transactions/{id} · POST /cleanup · GET /health.

    The list is {"data": [...]}, as the original's, or the array itself.
    """
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App(request_type=Request)
    app.set_error_serializer(detail_only)
    app.add_route("/transactions", _Transactions(service, bare_list=bare_list))
    app.add_route("/transactions/{row_id}", _Transaction(service))
    app.add_route("/cleanup", _Cleanup(service))
    app.add_route("/health", _Health(service))
    return app


def detail_only(_request: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> None:
    """Errors as {"detail": "..."}."""
    response.content_type = falcon.MEDIA_JSON
    response.data = dumps({"detail": error.description or error.title})


class _Transactions:
    def __init__(self, service: PostingService, *, bare_list: bool) -> None:
        self._service = service
        self._around = (b"", b"") if bare_list else (b'{"data":', b"}")

    async def on_post(self, request: Request, response: falcon.asgi.Response) -> None:
        try:
            row = read_row(await request.stream.read())
        except BadRow as error:
            raise falcon.HTTPUnprocessableEntity(description=str(error)) from None
        _give(await self._service.post(row, request.receive), response)

    async def on_get(self, request: Request, response: falcon.asgi.Response) -> None:
        offset = request.get_param_as_int("offset", min_value=0, default=0)
        limit = request.get_param_as_int("limit", min_value=0)
        await self._service.pause()
        _give(Answer(200, self._service.ledger.page(offset, limit).join(self._around)), response)


class _Transaction:
    def __init__(self, service: PostingService) -> None:
        self._service = service

    async def on_get(self, request: Request, response: falcon.asgi.Response, row_id: str) -> None:
        _give(await self._service.get(row_id, request.receive), response)


class _Cleanup:
    def __init__(self, service: PostingService) -> None:
        self._service = service

    async def on_post(self, _request: Request, response: falcon.asgi.Response) -> None:
        await self._service.pause()
        self._service.cleanup()
        _give(Answer(200, b'{"status":"ok"}'), response)


class _Health:
    def __init__(self, service: PostingService) -> None:
        self._service = service

    async def on_get(self, _request: Request, response: falcon.asgi.Response) -> None:
        await self._service.pause()
        now = datetime.now(UTC).isoformat()
        _give(Answer(200, dumps({"status": "healthy", "timestamp": now, "version": "1.0.0"})), response)


def _give(answer: Answer | None, response: falcon.asgi.Response) -> None:
    if answer is None:  # nobody reads it; if somebody did, it must not look like a success
        response.status = 500
        return
    response.status, response.content_type = answer.status, falcon.MEDIA_HTML if answer.html else falcon.MEDIA_JSON
    if answer.retry_after_s is not None:
        response.retry_after = answer.retry_after_s
    if answer.broken_off:
        response.content_length = len(answer.body)
        response.stream = _first_half(answer.body)
    else:
        response.data = answer.body


async def _first_half(body: bytes) -> AsyncIterator[bytes]:
    yield body[: len(body) // 2]
    raise BrokenOff
