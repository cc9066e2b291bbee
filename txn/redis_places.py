"""URLs that name sentinels, not the server itself, and what they lead to."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from txn.url import AUTHORITY

ENCODE = "write special characters in a user or password as %40 (@), %2F (/), %3F (?), %23 (#)"
#: Where a sentinel listens if no port is given.
_SENTINEL_PORT = 26379


class Place(NamedTuple):
    """A server's host and port."""

    host: str
    port: int


class SentinelUrl(NamedTuple):
    """`redis+sentinel://...` taken apart. `server`: the URL of what they lead to, with the first sentinel's place."""

    sentinels: list[Place]
    name: str
    server: str


class SentinelAccess(NamedTuple):
    """How sentinels are entered. `ca`: a file of authorities, or `system`; empty: without TLS."""

    username: str = ""
    password: str = ""
    ca: str = ""

    def __repr__(self) -> str:
        return "SentinelAccess(...)"


def split_sentinel_url(url: str) -> SentinelUrl | None:
    """None if the URL is for one server. Raises: ValueError."""
    scheme, _, rest = url.partition("://")
    if scheme not in ("redis+sentinel", "rediss+sentinel"):
        return None
    before, question, options = rest.partition("?")
    authority, _, path = before.partition("/")
    user, at, hosts = authority.rpartition("@")
    if "@" in user:  # one sentinel's own, or one that is not written as %40
        raise ValueError(
            f"TXN_REDIS_URL must name sentinels as host:port, with one user and password before all; {ENCODE}"
        )
    name, slash, db = path.partition("/")
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", name):
        raise ValueError(
            "TXN_REDIS_URL must name the master behind the sentinels: redis+sentinel://host:port/master-name"
        )
    sentinels = [_sentinel(host) for host in hosts.split(",")]
    first = hosts.split(",")[0]
    server = f"{scheme.partition('+')[0]}://{user}{at}{first}{slash}{db}{question}{options}"
    return SentinelUrl(sentinels, name, server)


def _sentinel(text: str) -> Place:
    try:
        parts = urlsplit(f"//{text}")
        if "@" in text or not AUTHORITY.fullmatch(text) or parts.port == 0:
            raise ValueError
        return Place(parts.hostname or "", parts.port or _SENTINEL_PORT)
    except ValueError:
        raise ValueError(
            f"TXN_REDIS_URL must name sentinels as host:port with commas between, and then /master-name; {ENCODE}"
        ) from None
