"""One sentence for the next page, in a cookie of its own: it survives the redirect after a POST, and nothing else."""

from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

import falcon

from txn.admin.door.guard import set_cookie
from txn.admin.route import ROOT

_COOKIE = "txn_flash"
MAX_FLASH = 500


class Flash(NamedTuple):
    """What was done (`good`), or what went wrong (`bad`). The text is escaped like everything else."""

    kind: Literal["good", "bad"]
    text: str


def flash(request: falcon.Request, response: falcon.Response, text: str, kind: Literal["good", "bad"] = "good") -> None:
    """Show `text` once, on the next page. A redirect that is raised keeps it: raise after this."""
    set_cookie(request, response, _COOKIE, f"{kind}.{quote(text[:MAX_FLASH], safe='')}")


def take_flash(request: falcon.Request, response: falcon.Response) -> Flash | None:
    """What the page before has left, and forget it. A live update leaves it for a page that somebody opens."""
    found = request.get_cookie_values(_COOKIE)
    if not found or request.get_header("X-Live"):
        return None
    response.unset_cookie(_COOKIE, path=ROOT, same_site="Strict")
    kind, _, text = found[0].partition(".")
    return Flash("bad" if kind == "bad" else "good", unquote(text)[:MAX_FLASH])
