"""Who asks, and may they: `Authorization: Bearer KEY`."""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import falcon

from txn.api_keys import Caller, KeyRing, Role
from txn.errors import BadSettings

log = logging.getLogger(__name__)

#: How often the file is looked at, in s.
LOOK_S = 1.0
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


class KeyFile:
    """The keys of a file, read again when it changes. One that cannot be read leaves the keys as they were.

    Raises: BadSettings, at the beginning.
    """

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._seen, self._next_look_s = _version(path), clock() + LOOK_S
        self._ring = read_keys(path)

    def __call__(self) -> KeyRing:
        """As they are now, or were a second ago."""
        if (now_s := self._clock()) >= self._next_look_s:
            self._next_look_s = now_s + LOOK_S
            self._look()
        return self._ring

    def _look(self) -> None:
        # Before it is read: what changes meanwhile is seen the next time.
        if (version := _version(self._path)) == self._seen:
            return
        self._seen = version
        try:
            self._ring = read_keys(self._path)
        except BadSettings as error:
            log.error("the API's keys stay as they were", extra={"detail": str(error)})
        else:
            log.info("the API's keys were read again: %d", len(self._ring.keys))


def read_keys(path: str) -> KeyRing:
    """The keys of TXN_API_KEYS_FILE. Raises: BadSettings."""
    place = f"TXN_API_KEYS_FILE={path}"
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadSettings(f"{place}: the file is not text in UTF-8") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BadSettings(f"{place}: the file cannot be read ({why}): `txn keys create` makes one") from None
    return KeyRing.parse(text, place)


def _version(path: str) -> tuple[int, ...] | None:
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns
