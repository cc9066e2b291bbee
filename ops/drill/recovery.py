"""How long after a blow everything that was accepted before its end is finished."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import redis

_FINISHED = (b"completed", b"failed")


class Recoveries:
    """Watches the ids accepted before the end of each blow until all of them are finished.

    `client`: one of the server that is the primary by now.
    """

    def __init__(self, client: Callable[[], redis.Redis]) -> None:
        self._client = client
        self.seconds: dict[str, float] = {}
        self._threads: list[threading.Thread] = []

    def watch(self, name: str, accepted: Sequence[str]) -> None:
        """`accepted`: the ids of before the end of the blow; that end is now."""
        thread = threading.Thread(target=self._watch, args=(name, list(accepted), time.monotonic()), daemon=True)
        thread.start()
        self._threads.append(thread)

    def join(self) -> None:
        """Wait until all have recovered."""
        for thread in self._threads:
            thread.join(120)

    def _watch(self, name: str, unfinished: list[str], since: float) -> None:
        while unfinished:
            with contextlib.suppress(redis.RedisError):  # killed by the next blow
                unfinished = [one for one, status in self._statuses(unfinished) if status not in _FINISHED]
            if unfinished:
                time.sleep(0.25)
        self.seconds[name] = time.monotonic() - since

    def _statuses(self, ids: list[str]) -> list[tuple[str, Any]]:
        with self._client().pipeline(transaction=False) as pipeline:
            for one in ids:
                pipeline.hget(f"txn:t:{one}", "status")
            return list(zip(ids, pipeline.execute(), strict=True))
