"""Where the primary is, as the sentinels say.

One sentinel may be cut off together with an old primary, and go on naming it. So more than half of them must answer,
and the one with the latest configuration is believed; one that sees its primary down names none.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import redis
from redis.sentinel import Sentinel
from redis.utils import str_if_bytes

from txn.redis_places import Place, SentinelAccess, SentinelUrl
from txn.store.asking import OPTIONS, Answer, Found, NoPrimary, ask_all, is_majority, refuses_us, said


class Sentinels:
    """The sentinels of one primary. For any number of threads."""

    def __init__(self, url: SentinelUrl, access: SentinelAccess) -> None:
        own = OPTIONS | {"username": access.username or None, "password": access.password or None}
        if access.ca:
            own |= {"ssl": True, "ssl_ca_certs": None if access.ca == "system" else access.ca}
        self._name = url.name
        self._clients = Sentinel(url.sentinels, sentinel_kwargs=own).sentinels  # type: ignore[no-untyped-call]

    def primary(self) -> Found:
        """Where it is. Raises: NoPrimary."""
        told = self._told()
        seen: list[_Seen] = said(told)
        if not is_majority(seen, self._clients):
            raise NoPrimary(_why_silent(told, len(seen), len(self._clients)))
        up = [one for one in seen if one.is_up()]
        if not up:
            raise NoPrimary("the sentinels see no primary that is up: wait for the failover, or see their logs")
        latest = max(up, key=lambda one: int(one.state["config-epoch"]))
        return Found(latest.place, int(latest.state["config-epoch"]))

    def look(self) -> Callable[[int], Found]:
        """The same for any slot: all are on this primary. Raises: NoPrimary."""
        found = self.primary()
        return lambda _: found

    def states(self) -> list[Any]:
        """What each says of the primary (SENTINEL MASTER), of those that answer."""
        return [one.state for one in said(self._told())]

    def _told(self) -> list[Answer]:
        return ask_all(self._clients, self._seen)

    def _seen(self, client: redis.Redis) -> "_Seen":
        state: Any = client.sentinel_master(self._name)
        host, port = cast(Any, client.sentinel_get_master_addr_by_name(self._name))
        return _Seen(state, Place(str_if_bytes(host), int(port)))


class _Seen(NamedTuple):
    """What one sentinel says of the primary, and where clients shall go: asked in this order.

    A sentinel that leads a failover has the new epoch, sends clients to the new primary already, and still describes
    the old one.
    """

    state: Any
    place: Place

    def is_up(self) -> bool:
        if self.place != (self.state["ip"], self.state["port"]):
            return True
        return bool(self.state["is_master"] and not self.state["is_sdown"] and not self.state["is_odown"])


def _why_silent(told: list[Answer], answered: int, asked: int) -> str:
    if refuses_us(told):
        return "a sentinel refuses us: check TXN_SENTINEL_USERNAME and TXN_SENTINEL_PASSWORD"
    if any("No such master" in str(answer.error) for answer in told):
        return "a sentinel knows no master of this name: check the name after the / in TXN_REDIS_URL"
    return (
        f"only {answered} of {asked} sentinels answer, and more than half must: check the hosts and ports in "
        "TXN_REDIS_URL, and whether their ports want TLS (TXN_SENTINEL_CA)"
    )
