"""GET /openapi.json, and the same for people: a page without scripts, and with nothing from elsewhere."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import falcon
from jinja2 import Environment, FileSystemLoader, select_autoescape

from txn.model.content import dumps
from txn.server.codes import CODES

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
:root { color-scheme: light dark }
h3 { font-family: ui-monospace, monospace; margin-bottom: 0 } h3 span { opacity: .6 }
table { border-collapse: collapse; margin: .5rem 0 } td { padding: .2rem 1rem .2rem 0; vertical-align: top }
section { border-top: 1px solid #8884; margin-top: 1rem }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
#: This style, and nothing else.
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


#: Said once, at the top.
_OF_EVERY_REQUEST = ("400", "401", "403", "405", "default")


class Described:
    """GET /openapi.json."""

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """OpenAPI 3.1."""
        response.content_type = falcon.MEDIA_JSON
        response.data = _as_json()


class Docs:
    """GET /docs."""

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """HTML."""
        response.content_type = falcon.MEDIA_HTML
        response.set_header("Content-Security-Policy", POLICY)
        response.data = _as_page()


@cache
def _document() -> dict[str, Any]:
    from txn.api.openapi import document  # noqa: PLC0415  (a sixth of the start of a process)

    return document()


@cache
def _as_json() -> bytes:
    return dumps(_document())


@cache
def _as_page() -> bytes:
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    found = Environment(loader=loader, autoescape=select_autoescape(), trim_blocks=True).get_template("docs.html")
    shown = {"codes": CODES, "style": _STYLE, "of_every_request": _OF_EVERY_REQUEST}
    return found.render(document=_document(), **shown).encode()
