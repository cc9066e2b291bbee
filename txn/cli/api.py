"""The API as its clients see it: whatever was not answered may have been stored, and is repeated with the same key.

It is not `txn.client`, which is for programs: whoever sits at a terminal is told at once that nobody listens, whether
anything was sent, and what else may answer at this address; and is shown the answer as it came.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Self
from urllib.parse import quote

import requests
import simplejson
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from txn.cli.connect import without_secrets
from txn.errors import Invalid, Unavailable
from txn.model.content import loads
from txn.url import split_posting_url

TIMEOUT_S = 10
#: What was not answered is sent again, always with the same key: at most one transaction comes of it.
_REPEATS = Retry(
    total=8,
    connect=0,
    other=0,
    status_forcelist=[429, 503],
    allowed_methods=None,
    backoff_factor=0.1,
    retry_after_max=5,
    raise_on_status=False,
)


class ApiAway(Unavailable):
    """The API gave no answer that can be read, or accepts nothing now. What was sent may have been stored."""


class NotSent(ApiAway):
    """The API was not reached: nothing of what was to be sent has left."""


class Api:
    """One API, by its URL, and the key for it, if it needs one; `with` closes the connections.

    Raises: Invalid, if it is no URL.
    """

    def __init__(self, url: str, key: str = "") -> None:
        _check(url)
        self._url = f"{url.rstrip('/')}/api/transactions"
        self._shown = without_secrets(self._url)
        self._session = requests.Session()
        if key := key.strip():
            self._session.headers["Authorization"] = f"Bearer {key}"
        self._session.trust_env = False  # neither a proxy nor .netrc credentials that were meant for others
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=_REPEATS))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._session.close()

    def submit(self, body: Mapping[str, Any], key: str) -> dict[str, Any]:
        """The transaction as the API shows it. Raises: Invalid, ApiAway, NotSent."""
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        sent = _Body(simplejson.dumps(body, use_decimal=True).encode())
        try:
            return self._answer("POST", self._url, data=sent, headers=headers)
        except ApiAway as error:
            if sent.begun:
                raise
            raise NotSent(f"{error}. Nothing was sent") from None

    def read(self, transaction_id: str) -> dict[str, Any]:
        """As soon as it is final, or as it is a second from now, or now. Raises: Invalid, ApiAway."""
        return self._answer("GET", f"{self._url}/{quote(transaction_id, safe=':')}?wait=1")

    def _answer(self, method: str, url: str, **sent: Any) -> dict[str, Any]:
        try:
            answer = self._session.request(method, url, timeout=TIMEOUT_S, allow_redirects=False, **sent)
            found = loads(answer.content)
        except requests.RequestException as error:
            why = type(error).__name__
            raise ApiAway(f"the API does not answer at {self._shown}: {why}. give its address with --url") from None
        except ValueError:
            found = None
        if _is_transaction(found):
            return dict(found)
        if not isinstance(found, dict) or "code" not in found:
            status = answer.status_code
            raise ApiAway(f"what answers at {self._shown} is not txn's API ({status}): give its address with --url")
        said = "; ".join(map(_sentence, _all_wrong(found)))
        if answer.status_code == 401:
            said = f"{said}. TXN_API_KEY is what this command sends"
        if answer.status_code == 503:
            raise ApiAway(f"not accepted now: {said}")
        raise Invalid(str(found.get("field") or ""), f"refused: {said}")


class _Body:
    """Is asked for its content when a connection stands and the headers have left: so it knows whether it was sent.

    Retries ask again; whatever an earlier one has sent stays sent.
    """

    def __init__(self, content: bytes) -> None:
        self._content, self.begun = content, False

    def __len__(self) -> int:
        return len(self._content)

    def __iter__(self) -> Iterator[bytes]:
        self.begun = True
        yield self._content


def _all_wrong(problem: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Older versions of the API, and most of its answers, have no list."""
    errors = problem.get("errors")
    return errors if errors and isinstance(errors, list) and all(isinstance(one, dict) for one in errors) else [problem]


def _sentence(wrong: Mapping[str, Any]) -> str:
    field, detail = wrong.get("field"), wrong.get("detail")
    return f"{field}: {detail}" if field else str(detail)


def _is_transaction(found: Any) -> bool:
    return isinstance(found, dict) and all(isinstance(found.get(name), str) for name in ("transactionId", "status"))


def _check(url: str) -> None:
    try:
        split_posting_url(url)
    except ValueError:
        raise Invalid("--url", "--url must be http:// or https://, a host, and a valid port if any") from None
