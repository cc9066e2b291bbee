"""Where a request comes from."""

import falcon

from txn.addresses import Networks, network_of


def client_network(request: falcon.Request, proxies: Networks) -> str:
    """Whom the request comes from (`network_of`): its peer; if that is a proxy of ours, whom that has seen.

    Only the last address of X-Forwarded-For is the proxy's own word, the others are whatever the client sent.
    """
    peer = str(request.remote_addr or "")
    if proxies.hold(peer):
        forwarded = (request.get_header("X-Forwarded-For") or "").rpartition(",")[2].strip()
        return network_of(forwarded, otherwise=peer)
    return network_of(peer)


def is_encrypted(request: falcon.Request) -> bool:
    """Whether the browser speaks TLS, to us or to the proxy in front of us."""
    return "https" in (request.scheme, request.forwarded_scheme)
