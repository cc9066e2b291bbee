"""Where a request comes from."""

import ipaddress

import falcon


def client_address(request: falcon.Request) -> str:
    """The peer's address; behind a proxy on this host, the one that this proxy has seen.

    Only the last address of X-Forwarded-For is the proxy's own word, the others are whatever the client sent.
    """
    peer = str(request.remote_addr or "")
    forwarded = request.get_header("X-Forwarded-For") or ""
    return forwarded.rpartition(",")[2].strip()[:64] or peer if _is_local(peer) else peer


def is_encrypted(request: falcon.Request) -> bool:
    """Whether the browser speaks TLS, to us or to the proxy in front of us."""
    return "https" in (request.scheme, request.forwarded_scheme)


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return not address  # a unix socket has none
