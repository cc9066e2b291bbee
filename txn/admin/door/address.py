"""Where a request comes from."""

import falcon

from txn.addresses import Networks, network_behind


def client_network(request: falcon.Request, proxies: Networks) -> str:
    """Whom the request comes from (`network_behind`)."""
    return network_behind(request.remote_addr or "", request.get_header("X-Forwarded-For"), proxies)


def is_encrypted(request: falcon.Request) -> bool:
    """Whether the browser speaks TLS, to us or to the proxy in front of us."""
    return "https" in (request.scheme, request.forwarded_scheme)
