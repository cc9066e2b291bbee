"""Where a callback may go."""

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from txn.addresses import Networks
from txn.endpoints import Endpoint, Endpoints, split_callback_url, split_hosts
from txn.errors import Invalid
from txn.settings import Settings
from txn.store.callbacks import TO_CLIENT
from txn.watched_file import Watched, read_text

_FIELD = "callbackUrl"
#: IPv6 addresses that stand for an IPv4 address: the network, and how far that is from the right.
_EMBEDDING = ((ipaddress.IPv6Network("64:ff9b::/96"), 0), (ipaddress.IPv6Network("2002::/16"), 80))


class CallbackRules:
    """Which URL is told of a client's transactions. `endpoints`: as they are now."""

    def __init__(self, settings: Settings, endpoints: Callable[[], Endpoints]) -> None:
        self._endpoints, self._allow_http = endpoints, settings.allow_http_callbacks
        self._hosts = split_hosts(settings.callback_hosts)
        self._networks = Networks(settings.callback_networks.split(","))

    def wanted(self, client: str, url: str) -> str:
        """What the record says: `url`, if a submission names one; TO_CLIENT, if its client is told anyway; or nothing.

        Raises: Invalid.
        """
        endpoint = self._endpoints().of(client)
        if not url:
            return TO_CLIENT if endpoint is not None and endpoint.url else ""
        if not self._hosts:
            raise Invalid(_FIELD, "is not taken here: TXN_CALLBACK_HOSTS names no hosts")
        if endpoint is None:
            raise Invalid(
                _FIELD, "is not taken of a client without a secret: ask the operator for a line in TXN_CALLBACKS"
            )
        if problem := self._problem_of(url):
            raise Invalid(_FIELD, problem)
        # One receiver has one lane, however it is written.
        parts = urlsplit(url)
        return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower()).geturl()

    def target(self, client: str, to: str) -> tuple[str, Endpoint]:
        """Where a callback goes now, and with which secrets. Raises: Invalid, if it goes nowhere as things are set."""
        endpoint = self._endpoints().of(client)
        if endpoint is None:
            raise Invalid(_FIELD, "TXN_CALLBACKS has no line for this client")
        if to != TO_CLIENT:
            if problem := self._problem_of(to):
                raise Invalid(_FIELD, problem)
            return to, endpoint
        if not endpoint.url:
            raise Invalid(_FIELD, "TXN_CALLBACKS names no URL for this client any more")
        return endpoint.url, endpoint

    def may_connect_to(self, address: str) -> bool:
        """Whether the address that a name has led to is public, or one that is allowed all the same."""
        return is_public(address) or self._networks.hold(address)

    def _problem_of(self, url: str) -> str:
        try:
            parts = split_callback_url(url, allow_http=self._allow_http)
        except ValueError as error:
            return str(error)
        host, port = parts.hostname or "", parts.port
        own_port = {"https": 443, "http": 80}[parts.scheme]
        suffix = "" if port in (None, own_port) else f":{port}"
        if not any(_fits(f"{host}{suffix}", allowed) for allowed in self._hosts):
            return "must be on a host that TXN_CALLBACK_HOSTS names"
        return ""


def read_endpoints(settings: Settings) -> Callable[[], Endpoints]:
    """Those of the settings, or of the file, which is read again when it changes. Raises: BadSettings."""
    allow_http = settings.allow_http_callbacks
    if settings.callbacks_file:

        def read(path: str) -> Endpoints:
            text = read_text(path, "TXN_CALLBACKS_FILE", "write a line for each client")
            return Endpoints.parse(text, f"TXN_CALLBACKS_FILE={path}", allow_http=allow_http)

        return Watched(settings.callbacks_file, read, "the clients' callbacks")
    endpoints = Endpoints.parse(settings.callbacks, "TXN_CALLBACKS", allow_http=allow_http)
    return lambda: endpoints


def is_public(address: str) -> bool:
    """Whether it is an address of the public Internet; one that stands for another counts as that."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        for network, shift in _EMBEDDING:
            if found in network:
                return is_public(str(ipaddress.IPv4Address(int(found) >> shift & 0xFFFFFFFF)))
        if found in _SITE_LOCAL or found.teredo is not None:
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")


def _fits(host: str, allowed: str) -> bool:
    return host.endswith(allowed[1:]) and host != allowed[2:] if allowed.startswith("*.") else host == allowed
