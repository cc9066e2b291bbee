"""Empty the store, for tests. No web page may do it, whatever it makes a browser send."""

from ipaddress import ip_address
from typing import ClassVar

import falcon

from txn.api_keys import Role
from txn.errors import CleanupForbidden, Invalid
from txn.model.content import dumps
from txn.store.transactions import Store

#: Browsers say so where a page makes them send a POST.
_OF_BROWSERS = ("Origin", "Sec-Fetch-Site", "Referer")


class Cleanup:
    """POST /api/cleanup. Never touches the posting service."""

    needs: ClassVar = {"POST": Role.OPERATE}

    def __init__(self, store: Store, *, allowed: bool) -> None:
        self._store, self._allowed = store, allowed

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """200 and how many keys were deleted.

        Raises: CleanupForbidden, Invalid, StoreUnavailable.
        """
        if not self._allowed:
            raise CleanupForbidden("cleanup deletes every transaction: to allow it, set TXN_ALLOW_CLEANUP=1")
        _check_no_page_has_sent_it(request)
        response.content_type = falcon.MEDIA_JSON
        response.data = dumps({"deleted": self._store.cleanup()})


def _check_no_page_has_sent_it(request: falcon.Request) -> None:
    # A page may send another site a form, text or nothing without asking, but no JSON; and its own site, which may be
    # another one's name that leads here (DNS rebinding), whatever it likes.
    media_type = (request.content_type or "").partition(";")[0].strip().lower()
    says_nothing = not media_type and not any(request.get_header(name) for name in _OF_BROWSERS)
    if media_type != falcon.MEDIA_JSON and not says_nothing:
        raise Invalid("Content-Type", "must be application/json", code="unsupported_media_type")
    if not _can_be_no_page(request.host):
        raise CleanupForbidden("ask for cleanup by an address or a name without a dot, as in http://localhost:8000")


def _can_be_no_page(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return "." not in host
    return True
