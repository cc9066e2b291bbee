"""Style sheet, script and icons: a fixed list, read once, named by their content so that browsers may keep them."""

import hashlib
from functools import cache
from pathlib import Path

import falcon

from txn.admin.route import ROOT, Route

_FOLDER = Path(__file__).with_name("static")
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@cache
def assets() -> dict[str, bytes]:
    """Every file there is, by its name. A path that is no key reads no file."""
    return {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _TYPES}


@cache
def asset_url(name: str) -> str:
    """Where a browser finds it; another content has another URL."""
    return f"{ROOT}/static/{name}?v={hashlib.sha256(assets()[name]).hexdigest()[:12]}"


class Asset:
    """GET /admin/static/{name}. Open to anybody: the login page needs it, and there is no data in it."""

    def on_get(self, _request: falcon.Request, response: falcon.Response, name: str) -> None:
        """The file, to be kept for a year: its URL names its content."""
        content = assets().get(name)
        if content is None:
            raise falcon.HTTPNotFound(description="there is no such file")
        response.content_type = _TYPES[Path(name).suffix]
        response.set_header("Cache-Control", "public, max-age=31536000, immutable")
        response.data = content


def routes() -> list[Route]:
    """Open to anybody."""
    return [Route("/static/{name}", Asset(), {"GET": None})]
