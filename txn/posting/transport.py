"""How a request reaches the posting service: the interface of both transports (curl.py, requests/transport.py).

A transport sends each request **at most once** and sorts every failure by the only question that matters afterwards:
could the posting service have read it?

    TransportError
    ├── NotSent        no byte of the request left this machine
    │   └── Withheld   ... because the caller's last check said no
    └── MaybeSent      anything else: the request, or a part of it, may arrive, now or later

A complete answer of any status is an `Answer`, never an exception.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

#: Bodies of answers beyond this many bytes are not read: the call ends as `MaybeSent`.
MAX_ANSWER_BYTES = 1024 * 1024


class TransportError(Exception):
    """A call that brought no complete answer. `str()` is one short line fit for a log: no payload, no credentials."""


class NotSent(TransportError):
    """No byte of the request left: refused, unresolved name, failed TLS handshake, deadline passed while connecting."""


class Withheld(NotSent):
    """`may_send` said no in the last moment before the first byte."""


class MaybeSent(TransportError):
    """The request may have been read: reset, closed, truncated, garbage, too large, deadline passed."""


class Request(NamedTuple):
    """`path` is appended to the base URL as it is. `timeout_ms` is for all of it, connecting included."""

    method: str
    path: str
    headers: Mapping[str, str]
    timeout_ms: int
    body: bytes | None = None


class Answer(NamedTuple):
    """A complete HTTP answer. Header names are lower case; of a repeated header the last value counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def always() -> bool:
    """A `may_send` that never withholds."""
    return True


class Transport(Protocol):
    """Sends requests to one posting service. Safe to use from many threads; connections are kept per thread."""

    def send(self, request: Request, may_send: Callable[[], bool] = always) -> Answer:
        """Send it and read the answer.

        `may_send` is asked once, after the connection stands and right before the first byte of the request. Redirects
        are not followed, proxies of the environment are not used. When the deadline passes the socket is reset, so that
        the kernel delivers nothing later.

        Raises: NotSent, Withheld, MaybeSent.
        """

    def close(self) -> None:
        """Close the calling thread's connections."""


class AsyncTransport(Protocol):
    """The same for an event loop: used on one loop only, which no call ever holds up."""

    async def send(self, request: Request, may_send: Callable[[], bool] = always) -> Answer:
        """See `Transport.send`. Who is cancelled has closed the connection: nothing more is sent.

        Raises: NotSent, Withheld, MaybeSent.
        """
        ...

    def close(self) -> None:
        """Close the connections that no call uses now."""
