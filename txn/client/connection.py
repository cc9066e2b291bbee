"""`Connection`: one request to the API, repeated until it has a final answer or patience ends."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from txn.client.errors import Unavailable, UnexpectedAnswer, refused
from txn.client.repeats import PASSING, Repeats

#: Pause before asking again, if the API did not wait.
PAUSE_S = 0.2
_CONNECTIONS = 64

_Shape = TypeVar("_Shape")


class Connection:
    """To one API: what `Client` is built on, and takes its arguments from. Safe to use from many threads."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        timeout_s: float = 10,
        patience_s: float = 60,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url must be http:// or https://, and a host")
        self._url, self._timeout_s, self._patience_s = url.rstrip("/"), timeout_s, patience_s
        self.session = _session(patience_s)
        self._headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.session.close()

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        keys: Sequence[str] = (),
        wait_s: float = 0,
    ) -> requests.Response:
        """An answer that is final."""
        sent = self._headers | dict(headers or {}) | ({} if body is None else {"Content-Type": "application/json"})
        began = time.monotonic()
        while True:
            try:
                answer = self.session.request(
                    *(method, self._url + path),
                    data=body,
                    headers=sent,
                    timeout=self._timeout_s + wait_s,
                    allow_redirects=False,
                )
                break
            except requests.RequestException as error:
                # An answer that breaks off is no matter of urllib3's Retry.
                if isinstance(error, requests.exceptions.SSLError) or time.monotonic() - began >= self._patience_s:
                    raise Unavailable(f"no answer from {self._shown()}: {type(error).__name__}", keys) from error
            time.sleep(PAUSE_S)
        if answer.status_code in PASSING:
            raise Unavailable(f"not possible now ({answer.status_code}): {_detail(answer)}", keys)
        if not answer.ok:
            raise refused(answer.status_code, self._read(answer, _problem))
        return answer

    def _read(self, answer: requests.Response, shape: Callable[[Any], _Shape]) -> _Shape:
        try:
            return shape(json.loads(answer.content, parse_float=Decimal))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            what = f"what answers at {self._shown()} is not txn's API (status {answer.status_code})"
            raise UnexpectedAnswer(what) from error

    def _shown(self) -> str:
        """Without credentials."""
        parts = urlsplit(self._url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _session(patience_s: float) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=Repeats.patient(patience_s), pool_maxsize=_CONNECTIONS))
    return session


def _problem(found: Any) -> Mapping[str, Any]:
    if not isinstance(found["code"], str):
        raise TypeError
    return dict(found)


def _detail(answer: requests.Response) -> str:
    try:
        return str(json.loads(answer.content)["detail"])
    except (ValueError, TypeError, KeyError):
        return answer.reason or ""
