"""Whom an address belongs to, as far as an address can tell."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@lru_cache(maxsize=4096)
def network_of(address: str, otherwise: str = "") -> str:
    """What one client has all of: an IPv4 address, an IPv6 /64. What is no address is `otherwise`, or itself."""
    found = _address(address)
    if found is None:
        return network_of(otherwise) if otherwise else address
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there; a name is not looked up, but for `localhost`."""
    found = _address(host)
    return host == "localhost" if found is None else found.is_loopback


class Networks:
    """Addresses and networks; a Unix socket, which has no address, counts as named `unix`."""

    def __init__(self, named: Iterable[str]) -> None:
        """Raises: ValueError, for what is neither."""
        names = [name.strip() for name in named if name.strip()]
        self._unix = "unix" in names
        self._networks = [ipaddress.ip_network(name, strict=False) for name in names if name != "unix"]

    def hold(self, address: str) -> bool:
        """Whether the address is in one of them."""
        if not address:
            return self._unix
        found = _address(address)
        return found is not None and any(found in network for network in self._networks)


def network_behind(peer: str, forwarded_for: str | None, proxies: Networks) -> str:
    """Whom a request comes from (`network_of`): its peer; if that is a proxy of ours, whom that has seen.

    Only the last address of X-Forwarded-For is the proxy's own word, the others are whatever the client sent.
    """
    if proxies.hold(peer):
        return network_of((forwarded_for or "").rpartition(",")[2].strip(), otherwise=peer)
    return network_of(peer)


def _address(text: str) -> Address | None:
    """An IPv4 address that is written as IPv6 (::ffff:192.0.2.1) is the IPv4 address."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
