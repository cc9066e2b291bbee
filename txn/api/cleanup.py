"""Empty the store, for tests."""

import falcon

from txn.errors import CleanupForbidden
from txn.model.content import dumps
from txn.store.transactions import Store


class Cleanup:
    """POST /api/cleanup. Never touches the posting service."""

    def __init__(self, store: Store, *, allowed: bool) -> None:
        self._store, self._allowed = store, allowed

    def on_post(self, _request: falcon.Request, response: falcon.Response) -> None:
        """200 and how many keys were deleted.

        Raises: CleanupForbidden, StoreUnavailable.
        """
        if not self._allowed:
            raise CleanupForbidden("cleanup deletes every transaction: to allow it, set TXN_ALLOW_CLEANUP=1")
        response.content_type = falcon.MEDIA_JSON
        response.data = dumps({"deleted": self._store.cleanup()})
