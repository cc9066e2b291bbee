"""`Client`: submit, ask, wait."""

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import requests
from requests.adapters import HTTPAdapter

from txn.client.answers import BatchResult, Changes, Page, Submission, Transaction
from txn.client.errors import Unavailable, UnexpectedAnswer, refused
from txn.client.repeats import PASSING, Repeats

#: What one request of a batch may hold, as the API has it.
MAX_TRANSACTIONS, MAX_BYTES = 500, 1024 * 1024
#: So long one request waits for a change at most, in s.
LONGEST_WAIT_S = 20
#: Pause before asking again, if the API did not wait.
_PAUSE_S = 0.2
_CONNECTIONS = 64
#: Transactions of a page, for who wants all of them.
_AT_ONCE = 500

_Shape = TypeVar("_Shape")
_Results = list[BatchResult]  # in the class, `list` is a call


class Client:
    """One API, by its URL. Safe to use from many threads; `with` closes its connections.

    `api_key`: sent as a bearer token. `timeout_s`: how long one answer is waited for. `patience_s`: how long a call is
    repeated after it first failed, before it raises Unavailable. `session`, of requests, is there for certificates and
    proxies: those of the environment are not used, nor is .netrc.
    Every method raises Refused, Unavailable or UnexpectedAnswer (txn/client/errors.py).
    """

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

    def submit(
        self,
        amount: Decimal | int | str,
        currency: str,
        description: str,
        metadata: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        id: str | None = None,  # noqa: A002 - the API's name of it
        deliver_by: datetime | None = None,
        callback_url: str | None = None,
    ) -> Transaction:
        """Submit a transaction: it is acknowledged, and stored once, whatever gets lost on the way.

        Without `key` and `id` a key is made; `Unavailable.keys` has it, for who repeats the call later. No POST begins
        after `deliver_by`, which has a time zone. `callback_url` is told how it ends, if its host is allowed.
        """
        submission = Submission(amount, currency, description, metadata, id, key, deliver_by, callback_url)
        return self.submit_one(submission)

    def submit_one(self, submission: Submission) -> Transaction:
        """See `submit`. The same object again is the same transaction."""
        headers = {} if submission.key is None else {"Idempotency-Key": submission.key}
        body = _encoded(submission.to_json())
        answer = self._call("POST", "/api/transactions", body, headers, keys=[submission.repeats_as])
        return self._read(answer, lambda found: Transaction.from_json(found, replayed=answer.status_code == 200))

    def submit_batch(self, submissions: Sequence[Submission], *, atomic: bool = False) -> _Results:
        """Submit many, in as many requests as they need; the results are in their order.

        `atomic`: all of them or none, in one request of at most 500. Raises: BatchRefused, if it is none.
        """
        if atomic:
            wrapped = b'{"atomic": true, "transactions": [%b]}'
            return self._send_batch(submissions, wrapped % b",".join(map(_of_a_batch, submissions)))
        results: _Results = []
        for some, texts in _divided(submissions):
            results += self._send_batch(some, b"[%b]" % b",".join(texts))
        return results

    def read(self, transaction_id: str, wait_s: float = 0) -> Transaction:
        """The transaction as it is now, or as soon as it is final, but no later than `wait_s` from now."""
        query = f"?wait={min(wait_s, LONGEST_WAIT_S):.3f}" if wait_s > 0 else ""
        path = f"/api/transactions/{quote(transaction_id, safe=':')}{query}"
        return self._read(self._call("GET", path, wait_s=wait_s), Transaction.from_json)

    def wait(self, transaction_id: str, timeout_s: float = 60) -> Transaction:
        """The transaction when it is completed or failed, or as it is after `timeout_s`: look at `is_final`."""
        ends = time.monotonic() + timeout_s
        while True:
            asked = time.monotonic()
            found = self.read(transaction_id, min(max(ends - asked, 0), LONGEST_WAIT_S))
            now = time.monotonic()
            if found.is_final or now >= ends:
                return found
            if now - asked < _PAUSE_S:  # an API that waits for nobody, or for too many already
                time.sleep(min(_PAUSE_S, ends - now))

    def list_page(
        self,
        cursor: str | None = None,
        *,
        status: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        currency: str | None = None,
        error_code: str | None = None,
        limit: int = 100,
    ) -> Page:
        """Some of your transactions that match, the newest first; go on with the page's `cursor`, and the same filters.

        Accepted at `since` or later, and before `until`; both have a time zone. `status` as it is now.
        """
        asked = {
            "status": status,
            "since": _written("since", since),
            "until": _written("until", until),
            "currency": currency,
            "errorCode": error_code,
            "limit": str(limit),
            "cursor": cursor,
        }
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        return self._read(self._call("GET", f"/api/transactions?{query}"), Page.from_json)

    def list(
        self,
        *,
        status: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        currency: str | None = None,
        error_code: str | None = None,
    ) -> Iterator[Transaction]:
        """All of your transactions that match, the newest first, with as many requests as it takes; see `list_page`.

        Each that was accepted before comes once, as it is when its page is read.
        """
        cursor, is_over = None, False
        while not is_over:
            page = self.list_page(
                cursor,
                status=status,
                since=since,
                until=until,
                currency=currency,
                error_code=error_code,
                limit=_AT_ONCE,
            )
            yield from page.transactions
            cursor, is_over = page.cursor, page.cursor is None

    def changes(self, after: str | None = None, wait_s: float = 0, limit: int = 100) -> Changes:
        """What has changed since the cursor `after`; if nothing has, what changes first within `wait_s`, or nothing.

        Without a cursor from the oldest change that is kept. Raises: CursorExpired.
        """
        waits_s = min(wait_s, LONGEST_WAIT_S)
        asked = {"after": after, "wait": f"{waits_s:.3f}" if waits_s > 0 else None, "limit": str(limit)}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        return self._read(self._call("GET", f"/api/events?{query}", wait_s=waits_s), Changes.from_json)

    def follow(self, after: str | None = None) -> Iterator[Changes]:
        """All changes since the cursor `after`, for ever, as they come. Raises: CursorExpired."""
        while True:
            asked = time.monotonic()
            found = self.changes(after, LONGEST_WAIT_S, 1_000)
            after = found.cursor
            if found.changes:
                yield found
            elif time.monotonic() - asked < _PAUSE_S:  # too many wait already
                time.sleep(_PAUSE_S)

    def _send_batch(self, submissions: Sequence[Submission], body: bytes) -> _Results:
        keys = [one.repeats_as for one in submissions]
        answer = self._call("POST", "/api/transactions/batch", body, keys=keys)

        def results(found: Mapping[str, Any]) -> _Results:
            pairs = zip(submissions, found["results"], strict=True)
            return [BatchResult.from_json(submission, result) for submission, result in pairs]

        return self._read(answer, results)

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
            time.sleep(_PAUSE_S)
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


def _written(name: str, moment: datetime | None) -> str | None:
    if moment is not None and moment.utcoffset() is None:
        raise ValueError(f"{name} has no time zone: give it one, such as datetime.UTC")
    return None if moment is None else moment.isoformat()


def _encoded(value: Any) -> bytes:
    """As JSON. A Decimal becomes a number with all its digits, which `json` cannot write: it is put in afterwards."""
    mark, digits = uuid.uuid4().hex, list[str]()

    def marked(one: Any) -> str:
        if not isinstance(one, Decimal) or not one.is_finite():
            raise TypeError(f"metadata holds a {type(one).__name__} that JSON has not: {one!r}")
        digits.append(str(one))
        return f"{mark}{len(digits) - 1}"

    text = json.dumps(value, allow_nan=False, separators=(",", ":"), default=marked)
    if digits:
        text = re.sub(f'"{mark}([0-9]+)"', lambda found: digits[int(found[1])], text)
    return text.encode()


def _of_a_batch(submission: Submission) -> bytes:
    keyed = {} if submission.key is None else {"idempotencyKey": submission.key}
    return _encoded(submission.to_json() | keyed)


def _divided(submissions: Sequence[Submission]) -> Iterator[tuple[list[Submission], list[bytes]]]:
    """In parts that one request can hold."""
    some: list[Submission] = []
    texts: list[bytes] = []
    size = 2
    for submission in submissions:
        text = _of_a_batch(submission)
        if some and (len(some) == MAX_TRANSACTIONS or size + len(text) + 1 > MAX_BYTES):
            yield some, texts
            some, texts, size = [], [], 2
        some.append(submission)
        texts.append(text)
        size += len(text) + 1
    if some:
        yield some, texts


def _problem(found: Any) -> Mapping[str, Any]:
    if not isinstance(found["code"], str):
        raise TypeError
    return dict(found)


def _detail(answer: requests.Response) -> str:
    try:
        return str(json.loads(answer.content)["detail"])
    except (ValueError, TypeError, KeyError):
        return answer.reason or ""
