"""The other transport: `requests`, for those who need its adapters and auth plug-ins. One session per thread."""

import http.client
import threading
from collections.abc import Callable
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import create_urllib3_context

from txn.posting.coding import unpacked
from txn.posting.endpoint import Endpoint
from txn.posting.gate import Gate
from txn.posting.lifetime import MAX_AGE_MS, Lifetime
from txn.posting.requests.connection import CALL, GuardedConnection, GuardedTLSConnection, TimedTLSSocket
from txn.posting.transport import MAX_ANSWER_BYTES, Answer, Request, always

#: Everything that requests, urllib3 and http.client raise. None of it says what was sent: the gate does.
FOREIGN = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)


class RequestsTransport:
    """A `Transport` over requests. Make it after a fork, not before.

    `base_url`: http(s)://[user:password@]host[:port][/path]. `ca_file`: PEM; see `Endpoint.parse` for the default.
    No connection is used for longer than `max_age_ms`.
    Raises: BadSettings.
    """

    def __init__(self, base_url: str, ca_file: str | None = None, max_age_ms: int = MAX_AGE_MS) -> None:
        self._endpoint, self._max_age_ms = Endpoint.parse(base_url, ca_file), max_age_ms
        self._thread = threading.local()

    def new_session(self) -> requests.Session:
        """The session of one thread. Override to add auth: a plug-in that sends a second time within a call is refused.

        An adapter mounted in place of ours takes the promises of `Transport` away with it.
        """
        session = _Session()
        session.headers.clear()
        session.headers.update(self._endpoint.headers)
        session.verify = self._endpoint.ca_file
        return session

    def send(self, request: Request, may_send: Callable[[], bool] = always) -> Answer:
        """See `Transport.send`."""
        gate = Gate(may_send, request.timeout_ms)
        session = self._session()
        token = CALL.set(gate)
        try:
            answer = _exchange(session, self._endpoint.url + request.path, request)
            self._thread.lifetime.saw(request.method, answer)
            return answer
        except FOREIGN as error:
            reason = _reason(error)
        finally:
            CALL.reset(token)
        raise gate.failure(reason)

    def close(self) -> None:
        """Close the calling thread's connection."""
        session: requests.Session | None = self._thread.__dict__.pop("session", None)
        if session is not None:
            session.close()

    def _session(self) -> requests.Session:
        """The calling thread's, with a connection that may be used."""
        session: requests.Session | None = getattr(self._thread, "session", None)
        if session is not None and self._thread.lifetime.is_over():
            self.close()
            session = None
        if session is None:
            session = self._thread.session = self.new_session()
            self._thread.lifetime = Lifetime(self._max_age_ms)
        return session


def _exchange(session: requests.Session, url: str, request: Request) -> Answer:
    prepared = session.prepare_request(requests.Request(request.method, url, request.headers, data=request.body))
    prepared.url = url  # as it is: requests resolves dot segments, and an id may be `..`
    options: dict[str, Any] = {"stream": True, "allow_redirects": False, "verify": session.verify}
    with session.send(prepared, **options) as response:
        body = _bounded(response.raw)
        headers = {name.lower(): value.strip() for name, value in response.raw.headers.items()}
        return Answer(response.status_code, headers, unpacked(body, headers.get("content-encoding", "")))


class _Pool(HTTPConnectionPool):
    ConnectionCls = GuardedConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = GuardedTLSConnection


class _Adapter(HTTPAdapter):
    """Hands out guarded connections only. Retries nothing, which is requests' default."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        context = create_urllib3_context()
        context.sslsocket_class = TimedTLSSocket
        super().init_poolmanager(*args, **kwargs, ssl_context=context)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def close(self) -> None:
        """Close the connections now; the pool manager leaves that to the garbage collector."""
        pools = self.poolmanager.pools
        for key in pools.keys():  # noqa: SIM118 - it refuses to be iterated
            pools[key].close()
        super().close()


class _Session(requests.Session):
    """No proxies, .netrc or CA paths of the environment, no cookies, no redirects."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(pool_connections=1, pool_maxsize=1))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Without a target requests does not look for one, for which it would read the whole body."""


def _bounded(raw: Any) -> bytes:
    body = bytearray()
    while piece := raw.read(65536, decode_content=False):
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise ConnectionAbortedError(f"answer of more than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


def _reason(error: BaseException) -> str:
    """What lies beneath the layers of wrapping; its text only where that cannot quote the answer or a header."""
    while inner := _wrapped(error):
        error = inner
    quotable = isinstance(error, OSError) and not isinstance(error, requests.RequestException)
    return f"{type(error).__name__}: {error}" if quotable else type(error).__name__


def _wrapped(error: BaseException) -> BaseException | None:
    candidates = (error.__cause__, getattr(error, "reason", None), *error.args)
    return next((inner for inner in candidates if isinstance(inner, BaseException)), None)
