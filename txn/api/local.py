"""Whether a request comes from this machine, as far as that can be seen."""

from ipaddress import ip_address

import falcon

#: A request that came through a proxy says nothing about who sent it.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


def is_local(request: falcon.Request) -> bool:
    """From a loopback address, and not through a proxy that says so. A proxy that does not say it cannot be seen."""
    if any(request.get_header(name) for name in _FORWARDED):
        return False
    try:
        return ip_address(request.env.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:  # a Unix socket: whoever stands before it
        return False
