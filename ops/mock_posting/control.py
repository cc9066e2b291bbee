"""The control port: what shall go wrong, and what has happened."""

from collections.abc import Awaitable, Callable
from typing import Any

import falcon
import falcon.asgi
import jiter

from ops.mock_posting.endpoints import detail_only
from ops.mock_posting.faults import BadFaults, Faults, Script, checked
from ops.mock_posting.port import CannotListen, Port
from ops.mock_posting.service import PostingService


def create_control(service: PostingService, data: Port) -> falcon.asgi.App[Any, Any]:
    """GET, PUT /faults · PUT /script/{id} · DELETE /script · POST /down, /up, /move, /release, /reset · GET /stats,
    /moved.

    400: {"detail"} names what is wrong. POST /up and /reset: 409, if somebody else has taken the data port meanwhile.
    """

    async def release() -> None:
        service.release()

    async def reset() -> None:
        service.reset()
        await data.open()

    app: falcon.asgi.App[Any, Any] = falcon.asgi.App()
    app.set_error_serializer(detail_only)
    app.add_error_handler(BadFaults, _bad_request)
    app.add_error_handler(CannotListen, _conflict)
    app.add_route("/faults", _Faults(service))
    app.add_route("/script", _Script(service), suffix="all")
    app.add_route("/script/{row_id}", _Script(service))
    app.add_route("/stats", _Shown(service.statistics))
    app.add_route("/moved", _Shown(data.moved.statistics))
    for name, action in {
        "down": data.close,
        "up": data.open,
        "move": data.move,
        "release": release,
        "reset": reset,
    }.items():
        app.add_route(f"/{name}", _Action(action))
    return app


class _Faults:
    def __init__(self, service: PostingService) -> None:
        self._service = service

    async def on_get(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        response.media = self._service.plan.faults.model_dump()

    async def on_put(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        self._service.plan.faults = checked(Faults, await _json(request))
        response.media = self._service.plan.faults.model_dump()


class _Script:
    def __init__(self, service: PostingService) -> None:
        self._service = service

    async def on_put(self, request: falcon.asgi.Request, response: falcon.asgi.Response, row_id: str) -> None:
        self._service.plan.script(row_id, checked(Script, await _json(request)))
        response.status = falcon.HTTP_204

    async def on_delete_all(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        self._service.plan.forget_scripts()
        response.status = falcon.HTTP_204


class _Shown:
    def __init__(self, read: Callable[[], Any]) -> None:
        self._read = read

    async def on_get(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        response.media = self._read()


class _Action:
    def __init__(self, act: Callable[[], Awaitable[None]]) -> None:
        self._act = act

    async def on_post(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        await self._act()
        response.status = falcon.HTTP_204


async def _json(request: falcon.asgi.Request) -> Any:
    """The body, whatever type it claims to be."""
    try:
        return jiter.from_json(await request.stream.read())
    except ValueError as error:
        raise BadFaults(f"not JSON: {error}") from None


async def _bad_request(_request: Any, _response: Any, error: BadFaults, _params: Any) -> None:
    raise falcon.HTTPBadRequest(description=str(error))


async def _conflict(_request: Any, _response: Any, error: CannotListen, _params: Any) -> None:
    raise falcon.HTTPConflict(description=str(error))
