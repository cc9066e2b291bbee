"""Where the primary is, as the sentinels say.

One sentinel may be cut off together with an old primary, and go on naming it. So more than half of them must answer,
and the one with the latest configuration is believed; one that sees its primary down names none.
"""

from collections.abc import Callable
from typing import Any

from redis.sentinel import Sentinel

from txn.redis_places import Place, SentinelAccess, SentinelUrl
from txn.store.asking import OPTIONS, Answer, NoPrimary, ask_all, is_majority, refuses_us, said


class Sentinels:
    """The sentinels of one primary. For any number of threads."""

    def __init__(self, url: SentinelUrl, access: SentinelAccess) -> None:
        own = OPTIONS | {"username": access.username or None, "password": access.password or None}
        if access.ca:
            own |= {"ssl": True, "ssl_ca_certs": None if access.ca == "system" else access.ca}
        self._name = url.name
        self._clients = Sentinel(url.sentinels, sentinel_kwargs=own).sentinels  # type: ignore[no-untyped-call]

    def primary(self) -> Place:
        """Where it is. Raises: NoPrimary."""
        told = self._told()
        seen = said(told)
        if not is_majority(seen, self._clients):
            raise NoPrimary(_why_silent(told, len(seen), len(self._clients)))
        up = [state for state in seen if state["is_master"] and not state["is_sdown"] and not state["is_odown"]]
        if not up:
            raise NoPrimary("the sentinels see no primary that is up: wait for the failover, or see their logs")
        latest = max(up, key=lambda state: int(state["config-epoch"]))
        return Place(str(latest["ip"]), int(latest["port"]))

    def look(self) -> Callable[[int], Place]:
        """The same for any slot: all are on this primary. Raises: NoPrimary."""
        found = self.primary()
        return lambda _: found

    def states(self) -> list[Any]:
        """What each says of the primary (SENTINEL MASTER), of those that answer."""
        return said(self._told())

    def _told(self) -> list[Answer]:
        return ask_all(self._clients, lambda client: client.sentinel_master(self._name))


def _why_silent(told: list[Answer], answered: int, asked: int) -> str:
    if refuses_us(told):
        return "a sentinel refuses us: check TXN_SENTINEL_USERNAME and TXN_SENTINEL_PASSWORD"
    if any("No such master" in str(answer.error) for answer in told):
        return "a sentinel knows no master of this name: check the name after the / in TXN_REDIS_URL"
    return (
        f"only {answered} of {asked} sentinels answer, and more than half must: check the hosts and ports in "
        "TXN_REDIS_URL, and whether their ports want TLS (TXN_SENTINEL_CA)"
    )
