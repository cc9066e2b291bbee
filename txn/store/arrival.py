"""What a worker says on each new connection, before it claims on it: what it has seen, if the server was promoted.

A promoted server may lack what the old one acknowledged. Without `TXN_REDIS_REPLICAS` that can be a claim, whose POST
is on its way. `lua/arrive.lua` tells how that is noticed.
"""

from collections.abc import Callable, Sequence
from typing import Any

import redis

from txn.settings import Settings
from txn.store.keys import Keys
from txn.store.scripts import text_of_script

#: Longer than a living worker takes to arrive: 2 s until a call to the old server has timed out, 2 s for the sentinels.
MOMENT_MS = 5_000
_NEVER = "0" * 40


class Arrival:
    """`seen`: the number of claims that this process has seen, of each claim counter. `on_connect` is for `connect`."""

    def __init__(
        self,
        settings: Settings,
        seen: Callable[[], Sequence[tuple[Keys, int]]],
        shift_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        self._settings, self._seen, self._shift_ms = settings, seen, shift_ms
        self._text = text_of_script("arrive")

    def on_connect(self, connection: Any) -> None:
        """Raises: redis.RedisError; then nothing is claimed on this connection."""
        connection.on_connect()
        if promotion := _promotion(connection):
            for keys, claims in self._seen():
                settings = self._settings
                arguments = (promotion, claims, settings.lease_ms, settings.doubt_window_ms, MOMENT_MS)
                connection.send_command("EVAL", self._text, 1, keys.epoch, *arguments, self._shift_ms())
                connection.read_response()


def _promotion(connection: Any) -> str:
    """What its history is called since it was promoted; empty for a server that never was, or does not say."""
    connection.send_command("INFO", "replication")
    try:
        lines = connection.read_response().decode().splitlines()
    except redis.exceptions.NoPermissionError:
        return ""
    said = dict(line.split(":", 1) for line in lines if ":" in line)
    was_promoted = said.get("role") == "master" and said.get("master_replid2", _NEVER) != _NEVER
    return said.get("master_replid", "") if was_promoted else ""
