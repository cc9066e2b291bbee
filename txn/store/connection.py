"""Clients for Redis: nothing is repeated behind our back, no call waits for ever, and none clings to a server.

A name can move to another server while the old one stays up, demoted: its connections live on, and reads on them go on
working. So a connection is left, and the name resolved anew, as soon as anything says that its server takes no writes,
and after a bounded time in any case. That happens between two calls, never within one.
"""

import re
import socket
import time
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry

from txn.redis_places import ClusterUrl, Place, SentinelAccess, SentinelUrl, split_cluster_url, split_sentinel_url
from txn.store.cluster import Cluster
from txn.store.sentinel import Sentinels
from txn.store.server import Server, Topology

#: What TXN_REDIS_CONNECTION_AGE_MS is by default.
MAX_AGE_MS = 300_000
#: One for each thread that is not in a group.
_MAX_CONNECTIONS = 10_000

#: How a server says that it is not, or not now, the one to write to. Redis 6.2 puts text before it within a script.
_TAKES_NO_WRITES = re.compile(
    r"(?:^|[-:] ?)(?:READONLY|MOVED|ASK|MASTERDOWN|CLUSTERDOWN|LOADING|MISCONF|NOREPLICAS|OOM|UNBLOCKED|TRYAGAIN)\b"
)
_KINDS = (
    redis.exceptions.ReadOnlyError,
    redis.exceptions.MovedError,
    redis.exceptions.AskError,
    redis.exceptions.TryAgainError,
    redis.exceptions.MasterDownError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.BusyLoadingError,
    redis.exceptions.OutOfMemoryError,
)


def connect(
    url: str,
    *,
    timeout_ms: int,
    on_connect: Callable[[Any], None] | None = None,
    max_age_ms: int = MAX_AGE_MS,
    access: SentinelAccess = SentinelAccess(),  # noqa: B008 - it cannot change
    slot: int = 0,
) -> redis.Redis:
    """A client whose calls, and whose connecting, each end within `timeout_ms`; asking where it is may take 2 s more.

    `on_connect` is called with every new connection before it carries a command. No connection is used for longer than
    `max_age_ms`. `access`: for the sentinels, if the URL names some. `slot`: of the keys, if it names a cluster.
    """
    behind = split_sentinel_url(url) or split_cluster_url(url)
    options: dict[str, Any] = {
        "socket_timeout": timeout_ms / 1000,
        "socket_connect_timeout": timeout_ms / 1000,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
    }
    if on_connect is not None:
        options["redis_connect_func"] = on_connect
    client = redis.Redis.from_url(behind.server if behind else url, **options)
    pool = client.connection_pool
    # Whatever the URL's query asks for, these are ours: replies as bytes, RESP2, and an end to every wait.
    pool.connection_kwargs.update(options, decode_responses=False)
    pool.max_connections = _MAX_CONNECTIONS
    pool.connection_kwargs.update(server=_server(url, behind, access, slot), max_age_s=max_age_ms / 1000)
    pool.connection_class = _OURS[pool.connection_class]
    return client


def _server(url: str, behind: SentinelUrl | ClusterUrl | None, access: SentinelAccess, slot: int) -> Server:
    if behind is None:
        return _servers.setdefault(url, Server())
    if (url, access) not in _topologies:
        source = Cluster(behind) if isinstance(behind, ClusterUrl) else Sentinels(behind, access)
        _topologies[url, access] = Topology(source)
    return _topologies[url, access].server(slot if isinstance(behind, ClusterUrl) else 0)


def leave_replica(connection: Any) -> None:
    """Close this and every other connection of this process to the same URL before its next call."""
    if isinstance(connection, _Leaving):
        connection.server.leave("it is a replica")


def place_of(client: redis.Redis) -> Place | None:
    """Where it was last found that its connections go; None: where the URL says."""
    server: Server = client.connection_pool.connection_kwargs["server"]
    return server.primary


def takes_no_writes(error: Exception) -> bool:
    """Whether a server's error says that another one may be the one to write to."""
    return isinstance(error, _KINDS) or (
        isinstance(error, redis.ResponseError) and bool(_TAKES_NO_WRITES.search(str(error)))
    )


class _Leaving(AbstractConnection):
    """A connection that knows when it must not be used any more. Whoever is about to use one calls `connect`."""

    def __init__(self, *, server: Server, max_age_s: float, **options: Any) -> None:
        self.server, self._max_age_s, self._born_s = server, max_age_s, 0.0
        self.place: Place | None = None
        super().__init__(**options)

    def connect(self) -> None:
        """Connect if there is no connection, or one that must not be used any more."""
        if self.is_connected and self._is_over():
            self.disconnect()  # type: ignore[no-untyped-call]
        super().connect()  # type: ignore[no-untyped-call]

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Raises: redis.RedisError."""
        try:
            return super().read_response(*args, **options)
        except redis.RedisError as error:
            if takes_no_writes(error):
                self.server.leave(str(error)[:200])
            raise

    def _connect(self) -> Any:
        self._born_s = time.monotonic()  # before the name is resolved
        return super()._connect()  # type: ignore[no-untyped-call,safe-super]

    def _is_over(self) -> bool:
        if self.server.primary not in (None, self.place):
            return True
        return self._born_s <= self.server.left_s or time.monotonic() - self._born_s > self._max_age_s


class _ByName(_Leaving):
    """A name may lead to several addresses, and the first be dead: they share the time for connecting."""

    host: str
    port: int

    def __init__(self, **options: Any) -> None:
        self._connecting_s = options["socket_connect_timeout"]
        super().__init__(**options)

    def _connect(self) -> Any:
        if place := self.server.place():
            self.place, (self.host, self.port) = place, place
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        self.socket_connect_timeout = self._connecting_s / len(found)
        return super()._connect()


class _Tcp(_ByName, Connection):
    pass


class _Tls(_ByName, SSLConnection):
    def can_read(self, timeout: float = 0) -> bool:
        """Whether there is something to read. Session tickets, which a server sends after the handshake, are not: the
        client would take the connection for one with a stray reply in it, and close it.
        """
        return super().can_read(timeout) and bool(self._parser.read_from_socket(timeout=0, raise_on_timeout=False))


class _Unix(_Leaving, UnixDomainSocketConnection):
    pass


_OURS: dict[Any, Any] = {Connection: _Tcp, SSLConnection: _Tls, UnixDomainSocketConnection: _Unix}
_servers: dict[str, Server] = {}
_topologies: dict[tuple[str, SentinelAccess], Topology] = {}
