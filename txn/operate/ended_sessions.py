"""Sessions of the admin site that were ended before their time: a copy of their cookie is worth nothing any more."""

import hashlib

from txn.errors import StoreUnavailable
from txn.store.database import Database


class EndedSessions:
    """Known to every API process through Redis. While Redis is away, only to the process that was told."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._told: set[str] = set()

    def end(self, nonce: str, remaining_s: int) -> None:
        """It has ended; `remaining_s` is when its cookie would have."""
        key = self._key(nonce)
        self._told.add(key)
        try:
            self._database.call(lambda client: client.set(key, 1, ex=max(1, remaining_s)))
        except StoreUnavailable:
            return  # the page says that Redis is away
        self._told.discard(key)

    def has(self, nonce: str) -> bool:
        """Whether it has ended. Unknown while Redis is away: the site opens then, and can do nothing."""
        key = self._key(nonce)
        if key in self._told:
            return True
        try:
            return bool(self._database.call(lambda client: client.exists(key)))
        except StoreUnavailable:
            return False

    def _key(self, nonce: str) -> str:
        return self._database.keys.ended_session(hashlib.sha256(nonce.encode()).hexdigest()[:32])
