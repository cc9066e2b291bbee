"""How a process reaches Redis: one client; or, with partitions on a cluster, one for each of them."""

from collections.abc import Callable

import redis

from txn.queue.message import NAME
from txn.redis_places import split_cluster_url
from txn.settings import Settings
from txn.store.agreement import Agreement, AgreementApart, OnConnect
from txn.store.connection import connect
from txn.store.database import Database
from txn.store.keys import Keys, slot_of, undivided
from txn.store.spread import Spread

#: Until it is agreed on how many partitions there are, at the first start.
_AGREE_TIMEOUT_MS = 2_000


def open_database(
    settings: Settings,
    timeout_ms: int,
    on_connect: Callable[[Keys], OnConnect] | None = None,
    *,
    replicas: int = 0,
    agrees: bool = True,
) -> Database:
    """Nothing is sent before it is needed. `on_connect`: of a client for these keys, see `connect`. `replicas`: see
    `Database`. `agrees`: only if all divide transactions alike (`Agreement`).
    """
    keys = Keys(settings.prefix, NAME)
    is_spread = settings.partitions > 0 and split_cluster_url(settings.redis_url) is not None

    def open_for(keys: Keys) -> Database:
        then = on_connect(keys) if on_connect else None
        if agrees:
            then = (_apart(settings, keys) if is_spread else Agreement(keys, settings.partitions)).before(then)
        return Database(_client(settings, keys, timeout_ms, then), keys, replicas=replicas)

    return Spread(keys, open_for) if is_spread else open_for(keys)


def _apart(settings: Settings, keys: Keys) -> Agreement:
    all_ = undivided(Keys(settings.prefix, NAME))
    return AgreementApart(keys, settings.partitions, all_, lambda: _client(settings, all_, _AGREE_TIMEOUT_MS))


def _client(settings: Settings, keys: Keys, timeout_ms: int, on_connect: OnConnect | None = None) -> redis.Redis:
    return connect(
        settings.redis_url,
        timeout_ms=timeout_ms,
        on_connect=on_connect,
        max_age_ms=settings.redis_connection_age_ms,
        access=settings.sentinel_access,
        slot=slot_of(keys),
    )
