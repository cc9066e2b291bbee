"""Who asks, and may they: `Authorization: Bearer KEY`."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import falcon

from txn.api_keys import Caller, KeyRing, Role
from txn.watched_file import Watched, read_text

#: Without keys: whoever reaches the API may do everything.
ANYBODY = Caller("", frozenset(Role))
_NOBODY = Caller("", frozenset())
_NOTHING: Mapping[str, Role] = {}


class Door:
    """Falcon middleware. A resource's `needs` says which role each of its methods needs; others are for everybody.

    What comes of it is `request.context.caller`. `keys`: the ring as it is now; None: there are no keys.
    """

    def __init__(self, keys: Callable[[], KeyRing] | None) -> None:
        self._keys = keys

    def process_resource(self, request: Any, _response: Any, resource: Any, _params: Any) -> None:
        """Before the resource, and before the body is read. Raises: falcon.HTTPError."""
        if self._keys is None:
            request.context.caller = ANYBODY
            return
        needed = getattr(resource, "needs", _NOTHING).get(request.method)
        given = request.env.get("HTTP_AUTHORIZATION", "")
        caller = _caller(given, self._keys())
        if needed is not None and (caller is None or not caller.may(needed)):
            raise _refusal(given, caller, needed)
        request.context.caller = caller or _NOBODY


def sees_all(request: falcon.Request) -> bool:
    """Whether the numbers of the whole system are for whoever asks."""
    return Role.OPERATE in request.context.caller.roles


def _caller(given: str, keys: KeyRing) -> Caller | None:
    scheme, _, token = given.partition(" ")
    return keys.find(token.strip()) if scheme.lower() == "bearer" else None


def _refusal(given: str, caller: Caller | None, needed: Role) -> falcon.HTTPError:
    if caller is not None:
        return falcon.HTTPForbidden(description=f"this key has not the role {needed}, which this needs")
    said = "this key is not known, or was revoked" if given else "send a key: Authorization: Bearer KEY"
    return falcon.HTTPUnauthorized(description=said, challenges=["Bearer"])


class KeyFile(Watched[KeyRing]):
    """The keys of a file, read again when it changes. One that cannot be read leaves the keys as they were.

    Raises: BadSettings, at the beginning.
    """

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(path, read_keys, "the API's keys", clock)


def read_keys(path: str) -> KeyRing:
    """The keys of TXN_API_KEYS_FILE. Raises: BadSettings."""
    text = read_text(path, "TXN_API_KEYS_FILE", "`txn keys create` makes one")
    return KeyRing.parse(text, f"TXN_API_KEYS_FILE={path}")
