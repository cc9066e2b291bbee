"""Who operates, as the journal names them."""

from ipaddress import ip_address
from typing import ClassVar

import falcon

from txn.api.door import ANYBODY
from txn.api.local import is_local
from txn.api_keys import Role

#: Without keys.
NOBODYS_NAME = "api"
#: Browsers send these where a page asks.
_OF_BROWSERS = ("Origin", "Sec-Fetch-Site", "Referer")
_CLOSED = (
    "without API keys this is only for programs on this machine, by an address or a name without a dot: "
    "make a key with the role operate (txn keys create)"
)


class Operated:
    """A resource for keys with the role `operate`, whatever the method."""

    needs: ClassVar = dict.fromkeys(("GET", "PUT", "POST", "DELETE"), Role.OPERATE)


def operator(request: falcon.Request) -> str:
    """The name of the key's client. Every method of an `Operated` asks this first.

    Raises: falcon.HTTPForbidden, if there are no keys and the request is another machine's, or can be a page's.
    """
    caller = request.context.caller
    if caller is ANYBODY and not _is_program_here(request):
        raise falcon.HTTPForbidden(description=_CLOSED)
    return caller.client or NOBODYS_NAME


def _is_program_here(request: falcon.Request) -> bool:
    # A page can have its own name lead to this machine, and then sends what it likes (DNS rebinding).
    is_page = any(request.get_header(name) for name in _OF_BROWSERS)
    return is_local(request) and not is_page and _is_plain(request.host)


def _is_plain(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return "." not in host
    return True
