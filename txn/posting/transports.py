"""Opens the transports that the settings ask for (`TXN_TRANSPORT`)."""

from txn.posting.curl import CurlTransport
from txn.posting.curl_multi import MultiTransport
from txn.posting.transport import AsyncTransport, Transport
from txn.settings import Settings


def open_transport(settings: Settings) -> Transport:
    """To be called after a fork, not before. Raises: BadSettings."""
    if settings.transport == "requests":
        from txn.posting.requests.transport import RequestsTransport  # noqa: PLC0415  (100 modules, for who uses it)

        return RequestsTransport(settings.posting_url, max_age_ms=settings.posting_connection_age_ms)
    return CurlTransport(settings.posting_url, max_age_ms=settings.posting_connection_age_ms)


def open_async_transport(settings: Settings) -> AsyncTransport:
    """For an event loop, which it is bound to with its first request. Raises: BadSettings."""
    return MultiTransport(settings.posting_url, max_age_ms=settings.posting_connection_age_ms)
