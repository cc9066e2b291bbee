"""Errors as pages."""

import http
import logging
import time
from collections.abc import Mapping
from typing import Any

import falcon

from txn.admin.render import HTML, render
from txn.errors import Invalid, NotFound, Refused, TxnError, Unavailable
from txn.store.durability import DurabilityMonitor

log = logging.getLogger(__name__)

#: Where there is nothing else to say.
_SAID = {
    404: "there is no such page",
    405: "this address only takes what a form sends, and it was opened like a page: go back to the page with the form",
}


def install(app: falcon.App[Any, Any], durability: DurabilityMonitor) -> None:
    """Every error of the site, ours and Falcon's, becomes a page with a sentence, never a traceback.

    `durability` knows when Redis was last there.
    """

    def unavailable(request: falcon.Request, response: falcon.Response, error: Unavailable, _params: object) -> None:
        response.status = 503
        now_ms, seen_s = int(time.time() * 1000), durability.seen_s
        seen_ms = None if seen_s is None else int(seen_s * 1000)
        render(request, response, "unavailable.html", reason=str(error), seen_ms=seen_ms, now_ms=now_ms)

    app.add_error_handler(Exception, _unexpected)
    app.add_error_handler(TxnError, _ours)
    app.add_error_handler(Unavailable, unavailable)
    app.add_error_handler(falcon.HTTPError, _falcons)


def _ours(request: falcon.Request, response: falcon.Response, error: TxnError, _params: Mapping[str, Any]) -> None:
    status = {Invalid: 400, NotFound: 404}.get(type(error), 400 if isinstance(error, Refused) else 500)
    _page(request, response, status, http.HTTPStatus(status).phrase, str(error))


def _falcons(
    request: falcon.Request, response: falcon.Response, error: falcon.HTTPError, _params: Mapping[str, Any]
) -> None:
    for name, value in dict(error.headers or {}).items():
        response.set_header(name, value)
    status = falcon.http_status_to_code(error.status)
    phrase = http.HTTPStatus(status).phrase
    title = phrase if error.title in (None, error.status) else str(error.title)
    _page(request, response, status, title, error.description or _SAID.get(status, ""))


def _unexpected(
    request: falcon.Request, response: falcon.Response, error: Exception, _params: Mapping[str, Any]
) -> None:
    log.error("unexpected error in %s %s", request.method, request.path, exc_info=error)
    _page(request, response, 500, "Something went wrong", "this is a fault of the admin site; it was logged")


def _page(request: falcon.Request, response: falcon.Response, status: int, title: str, sentence: str) -> None:
    response.status, response.content_type = status, HTML
    render(request, response, "error.html", title=title, sentence=sentence, status=status)
