"""Whom an address belongs to, as far as an address can tell."""

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """What one client has all of: an IPv4 address, an IPv6 /64; anything else is itself.

    An IPv4 address that is written as IPv6 (::ffff:192.0.2.1) is the IPv4 address.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            return str(ipaddress.ip_network((found, 64), strict=False))
        return str(found.ipv4_mapped)
    return str(found)
