"""The Lua scripts: one file a verb, each run as one atomic call."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from txn.errors import StoreUnavailable

_FOLDER = Path(__file__).with_name("lua")
_PRELUDE = (_FOLDER / "prelude.lua").read_text()

#: Pauses between the repeats of one call.
FIRST_PAUSE_S = 0.05
MAX_PAUSE_S = 1.0

Argument = str | bytes | int


class Scripts:
    """Runs scripts by name on one client. A flushed script cache is filled again on the way."""

    def __init__(self, client: redis.Redis) -> None:
        self._scripts = {
            path.stem: client.register_script(f"{_PRELUDE}\n{path.read_text()}")
            for path in _FOLDER.glob("*.lua")
            if path.stem != "prelude"
        }

    def run(self, name: str, keys: list[str], arguments: Sequence[Argument], repeats: int = 0) -> Any:
        """The script's reply: bytes, integers, None and lists of them.

        `repeats` is for scripts that may run twice: how often to try again, with growing pauses, after a failure.
        Raises: StoreUnavailable. The script may have run all the same.
        """
        script = self._scripts[name]

        def once() -> Any:
            try:
                return script(keys=keys, args=arguments)
            except redis.RedisError as error:
                raise unavailable(error) from error

        if not repeats:
            return once()
        pauses = ExponentialBackoff(cap=MAX_PAUSE_S, base=FIRST_PAUSE_S)
        return Retry(pauses, repeats, (StoreUnavailable,)).call_with_retry(once, lambda _error: None)


def unavailable(error: redis.RedisError) -> StoreUnavailable:
    """What a failure of the client means to txn, in one line without addresses or credentials."""
    if isinstance(error, redis.TimeoutError):
        return StoreUnavailable("Redis did not answer in time")
    if isinstance(error, redis.AuthenticationError):
        return StoreUnavailable("Redis refuses the credentials of TXN_REDIS_URL")
    if isinstance(error, redis.ConnectionError):
        return StoreUnavailable("Redis cannot be reached")
    return StoreUnavailable(
        f"Redis answered with an error: {str(error).splitlines()[0][:200] if str(error) else type(error).__name__}"
    )
