"""The control port: what shall go wrong, and what has happened."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import falcon
import falcon.asgi
from pydantic import BaseModel, ValidationError

from ops.mock_posting.faults import Faults, Script
from ops.mock_posting.service import PostingService

Model = TypeVar("Model", bound=BaseModel)
Switch = Callable[[], Awaitable[None]]


def create_control(service: PostingService, down: Switch, up: Switch) -> falcon.asgi.App:
    """GET and PUT /faults · PUT /script/{id} · DELETE /script · POST /down, /up, /release, /reset · GET /stats."""
    app = falcon.asgi.App()
    app.add_route("/faults", _Faults(service))
    app.add_route("/script", _Scripts(service))
    app.add_route("/script/{row_id}", _Scripts(service))
    app.add_route("/stats", _Statistics(service))
    for name, switch in {"down": down, "up": up}.items():
        app.add_route(f"/{name}", _Action(switch))
    app.add_route("/release", _Action(service.release))
    app.add_route("/reset", _Action(lambda: _reset(service)))
    return app


def _reset(service: PostingService) -> None:
    service.clear()
    service.plan.clear()


class _Faults:
    def __init__(self, service: PostingService) -> None:
        self._service = service

    async def on_get(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        response.media = self._service.plan.faults.model_dump()

    async def on_put(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        self._service.plan.faults = await _valid(Faults, request)
        response.media = self._service.plan.faults.model_dump()


class _Scripts:
    def __init__(self, service: PostingService) -> None:
        self._service = service

    async def on_put(self, request: falcon.asgi.Request, response: falcon.asgi.Response, row_id: str) -> None:
        self._service.plan.scripts[row_id] = await _valid(Script, request)
        response.status = falcon.HTTP_204

    async def on_delete(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        self._service.plan.scripts.clear()
        response.status = falcon.HTTP_204


class _Statistics:
    def __init__(self, service: PostingService) -> None:
        self._service = service

    async def on_get(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        response.media = self._service.ledger.statistics()


class _Action:
    def __init__(self, act: Callable[[], Awaitable[None] | None]) -> None:
        self._act = act

    async def on_post(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        if (waiting := self._act()) is not None:
            await waiting
        response.status = falcon.HTTP_204


async def _valid(model: type[Model], request: falcon.asgi.Request) -> Model:
    try:
        return model.model_validate(await request.get_media())
    except ValidationError as error:
        wrong: dict[str, Any] = {".".join(map(str, one["loc"])): one["msg"] for one in error.errors()}
        raise falcon.HTTPBadRequest(description=f"{wrong}; known: {', '.join(model.model_fields)}") from None
