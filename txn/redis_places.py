"""URLs that name sentinels or the nodes of a cluster, not the server itself, and what they lead to."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from txn.url import AUTHORITY

ENCODE = "write special characters in a user or password as %40 (@), %2F (/), %3F (?), %23 (#)"
#: Where a sentinel and a server listen if no port is given.
_SENTINEL_PORT, _PORT = 26379, 6379


class Place(NamedTuple):
    """A server's host and port."""

    host: str
    port: int


class SentinelUrl(NamedTuple):
    """`redis+sentinel://...` taken apart. `server`: the URL of what they lead to, with the first sentinel's place."""

    sentinels: list[Place]
    name: str
    server: str


class ClusterUrl(NamedTuple):
    """`redis+cluster://...` taken apart. `server`: the URL of the first node."""

    nodes: list[Place]
    server: str


class SentinelAccess(NamedTuple):
    """How sentinels are entered. `ca`: a file of authorities, or `system`; empty: without TLS."""

    username: str = ""
    password: str = ""
    ca: str = ""

    def __repr__(self) -> str:
        return "SentinelAccess(...)"


class _Parts(NamedTuple):
    """What all URLs with several hosts have. `path`: from its first slash on, with the options."""

    user: str
    hosts: list[str]
    path: str


def split_sentinel_url(url: str) -> SentinelUrl | None:
    """None if the URL names no sentinels. Raises: ValueError."""
    scheme = url.partition("://")[0]
    if scheme not in ("redis+sentinel", "rediss+sentinel"):
        return None
    parts = _parts(url, "sentinels")
    before, question, options = parts.path.partition("?")
    name, slash, db = before.removeprefix("/").partition("/")
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", name):
        raise ValueError(
            "TXN_REDIS_URL must name the master behind the sentinels: redis+sentinel://host:port/master-name"
        )
    what = "sentinels as host:port with commas between, and then /master-name"
    sentinels = _places(parts.hosts, _SENTINEL_PORT, what)
    server = f"{scheme.partition('+')[0]}://{parts.user}{parts.hosts[0]}{slash}{db}{question}{options}"
    return SentinelUrl(sentinels, name, server)


def split_cluster_url(url: str) -> ClusterUrl | None:
    """None if the URL names no cluster. Raises: ValueError."""
    scheme = url.partition("://")[0]
    if scheme not in ("redis+cluster", "rediss+cluster"):
        return None
    parts = _parts(url, "nodes")
    before, question, options = parts.path.partition("?")
    if before not in ("", "/", "/0"):
        raise ValueError("TXN_REDIS_URL may have nothing behind the nodes of a cluster: it has only database 0")
    nodes = _places(parts.hosts, _PORT, "the nodes of a cluster as host:port with commas between")
    return ClusterUrl(nodes, f"{scheme.partition('+')[0]}://{parts.user}{parts.hosts[0]}/{question}{options}")


def _parts(url: str, of_what: str) -> _Parts:
    before, question, options = url.partition("://")[2].partition("?")
    authority, slash, path = before.partition("/")
    user, at, hosts = authority.rpartition("@")
    if "@" in user:  # one host's own, or one that is not written as %40
        raise ValueError(
            f"TXN_REDIS_URL must name {of_what} as host:port, with one user and password before all; {ENCODE}"
        )
    return _Parts(f"{user}{at}", hosts.split(","), f"{slash}{path}{question}{options}")


def _places(texts: list[str], port: int, what: str) -> list[Place]:
    try:
        return [_place(text, port) for text in texts]
    except ValueError:
        raise ValueError(f"TXN_REDIS_URL must name {what}; {ENCODE}") from None


def _place(text: str, port: int) -> Place:
    parts = urlsplit(f"//{text}")
    if "@" in text or not AUTHORITY.fullmatch(text) or parts.port == 0:
        raise ValueError
    return Place(parts.hostname or "", parts.port or port)
