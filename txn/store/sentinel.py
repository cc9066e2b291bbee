"""Where the primary is, as the sentinels say: asked for each new connection, and once in a while beside them.

One sentinel may be cut off together with an old primary, and go on naming it. So more than half of them must answer,
and the one with the latest configuration is believed; one that sees its primary down names none.
"""

import queue
import threading
import time
from typing import Any, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from txn.redis_places import Place, SentinelAccess, SentinelUrl

#: How long a sentinel may take to answer, and how long the others are waited for once there are enough, in s.
ANSWER_S = 1.0
OTHERS_S = 0.05


class NoPrimary(redis.ConnectionError):
    """No primary is to be had now; the message says why, without addresses."""


class Sentinels:
    """The sentinels of one primary. For any number of threads."""

    def __init__(self, url: SentinelUrl, access: SentinelAccess) -> None:
        own: dict[str, Any] = {
            "socket_timeout": ANSWER_S,
            "socket_connect_timeout": ANSWER_S,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "driver_info": None,
            "username": access.username or None,
            "password": access.password or None,
        }
        if access.ca:
            own |= {"ssl": True, "ssl_ca_certs": None if access.ca == "system" else access.ca}
        self._name = url.name
        self._clients = Sentinel(url.sentinels, sentinel_kwargs=own).sentinels  # type: ignore[no-untyped-call]

    def primary(self) -> Place:
        """Where it is. Raises: NoPrimary."""
        told = self._told()
        seen = [answer.state for answer in told if answer.state is not None]
        if 2 * len(seen) <= len(self._clients):
            raise NoPrimary(_why_silent([answer.error for answer in told], len(seen), len(self._clients)))
        up = [state for state in seen if state["is_master"] and not state["is_sdown"] and not state["is_odown"]]
        if not up:
            raise NoPrimary("the sentinels see no primary that is up: wait for the failover, or see their logs")
        latest = max(up, key=lambda state: int(state["config-epoch"]))
        return Place(str(latest["ip"]), int(latest["port"]))

    def states(self) -> list[Any]:
        """What each says of the primary (SENTINEL MASTER), None for one that does not answer."""
        return [answer.state for answer in self._told()]

    def _told(self) -> list["_Answer"]:
        answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        for client in self._clients:
            threading.Thread(target=lambda one=client: answers.put(self._ask(one)), daemon=True).start()
        told: list[_Answer] = []
        ends_s = time.monotonic() + 2 * ANSWER_S
        while len(told) < len(self._clients) and (left_s := ends_s - time.monotonic()) > 0:
            try:
                told.append(answers.get(timeout=left_s))
            except queue.Empty:
                break
            if 2 * sum(answer.state is not None for answer in told) > len(self._clients):
                ends_s = min(ends_s, time.monotonic() + OTHERS_S)
        return told

    def _ask(self, client: "redis.Redis") -> "_Answer":
        try:
            return _Answer(client.sentinel_master(self._name), None)
        except redis.RedisError as error:
            return _Answer(None, error)


class _Answer(NamedTuple):
    state: Any
    error: redis.RedisError | None


def _why_silent(errors: list[redis.RedisError | None], answered: int, asked: int) -> str:
    for error in errors:
        if isinstance(error, redis.AuthenticationError | redis.exceptions.NoPermissionError):
            return "a sentinel refuses us: check TXN_SENTINEL_USERNAME and TXN_SENTINEL_PASSWORD"
        if isinstance(error, redis.ResponseError) and "No such master" in str(error):
            return "a sentinel knows no master of this name: check the name after the / in TXN_REDIS_URL"
    return (
        f"only {answered} of {asked} sentinels answer, and more than half must: check the hosts and ports in "
        "TXN_REDIS_URL, and whether their ports want TLS (TXN_SENTINEL_CA)"
    )
