"""GET /metrics, for Prometheus."""

import hmac
import re
from collections.abc import Callable

import falcon
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from txn.api.door import sees_all
from txn.api.local import is_local

_VERSION = re.compile(r"\d{1,3}(\.\d{1,3}){0,2} *", re.ASCII)


class Metrics:
    """Who may read: with a token set, whoever brings it; without one, this machine, and not through a proxy. And, where
    there are API keys, one with the role `operate`.
    """

    def __init__(self, collector: Collector, token: str, *, has_keys: bool = False) -> None:
        self._has_keys = has_keys
        self._registry = CollectorRegistry()
        self._registry.register(collector)
        self._token = token.encode()

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """All metrics, in the format that the client asks for. Raises: falcon.HTTPError."""
        self._check(request)
        encode, content_type = _encoder(request.get_header("Accept", default=""))
        response.content_type = content_type
        response.data = encode(self._registry)

    def _check(self, request: falcon.Request) -> None:
        if self._has_keys and sees_all(request):
            return
        if self._token:
            scheme, _, token = request.get_header("Authorization", default="").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self._token):
                raise falcon.HTTPUnauthorized(
                    description="send the token of TXN_METRICS_TOKEN: Authorization: Bearer TOKEN",
                    challenges=["Bearer"],
                )
        elif not is_local(request):
            raise falcon.HTTPForbidden(
                description="to read metrics from another machine, set TXN_METRICS_TOKEN and send it"
            )


def _encoder(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """The default for whoever asks for a version that is none; `choose_encoder` would fail, or repeat it."""
    known = all(_VERSION.fullmatch(version) for version in re.findall(r"version=([^;,]*)", accept))
    return choose_encoder(accept if known else "")
