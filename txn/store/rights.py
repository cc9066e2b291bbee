"""What the user of TXN_REDIS_URL may not do (ACL), and txn must. The delivery path does not use it."""

from collections.abc import Callable, Mapping
from typing import Any

import redis

from txn.store.keys import Keys
from txn.store.scripts import Scripts, unavailable

_KINDS = ("string", "hash", "list", "set", "zset", "stream")


class Rights:
    """Tries things out on keys of its own under the prefix, and removes them."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client, self._scripts = client, Scripts(client)
        self._keys = [f"{keys.prefix}doctor:{kind}" for kind in _KINDS]

    def missing(self) -> list[str]:
        """Commands that are refused, by name.

        Raises: StoreUnavailable, also if no script may be run on these keys at all.
        """
        refused: list[bytes] = self._scripts.run("rights", self._keys, [])
        return [name.decode() for name in refused] + [name for name, call in self._direct().items() if self._bars(call)]

    def _direct(self) -> Mapping[str, Callable[[], Any]]:
        """What is sent beside the scripts."""
        client, (string, hash_, _, _, zset, stream) = self._client, self._keys
        return {
            "UNLINK": lambda: client.unlink(string),
            "XREVRANGE": lambda: client.xrevrange(stream, count=1),
            "ZREVRANGEBYSCORE": lambda: client.zrevrangebyscore(zset, 1, 0),
            "MULTI": lambda: self._together(hash_),
        }

    def _together(self, key: str) -> None:
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.hget(key, "a")
            pipeline.execute()

    def _bars(self, call: Callable[[], Any]) -> bool:
        try:
            call()
        except redis.exceptions.NoPermissionError:
            return True
        except redis.ResponseError as error:  # full, a replica: another matter
            return "EXEC without MULTI" in str(error)
        except redis.RedisError as error:
            raise unavailable(error) from error
        return False
