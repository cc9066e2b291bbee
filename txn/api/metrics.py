"""GET /metrics, for Prometheus."""

import hmac
from ipaddress import ip_address

import falcon
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

#: A request that came through a proxy says nothing about who sent it.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


class Metrics:
    """Who may read: with a token set, whoever brings it; without one, this machine, and not through a proxy."""

    def __init__(self, collector: Collector, token: str) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(collector)
        self._token = token.encode()

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """All metrics, in the format that the client asks for. Raises: falcon.HTTPError."""
        self._check(request)
        encode, content_type = choose_encoder(request.get_header("Accept", default=""))
        response.content_type = content_type
        response.data = encode(self._registry)

    def _check(self, request: falcon.Request) -> None:
        if self._token:
            scheme, _, token = request.get_header("Authorization", default="").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self._token):
                raise falcon.HTTPUnauthorized(
                    description="send the token of TXN_METRICS_TOKEN: Authorization: Bearer TOKEN",
                    challenges=["Bearer"],
                )
        elif not _is_local(request):
            raise falcon.HTTPForbidden(
                description="to read metrics from another machine, set TXN_METRICS_TOKEN and send it"
            )


def _is_local(request: falcon.Request) -> bool:
    if any(request.get_header(name) for name in _FORWARDED):
        return False
    try:
        return ip_address(request.env.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:  # a Unix socket: whoever stands before it
        return False
