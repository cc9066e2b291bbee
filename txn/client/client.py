"""`Client`: submit, ask, wait."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from txn.client.answers import BatchResult, Changes, Page, Submission, Transaction
from txn.client.bodies import divided, encoded, of_a_batch
from txn.client.connection import PAUSE_S, Connection

#: So long one request waits for a change at most, in s.
LONGEST_WAIT_S = 20
#: Transactions of a page, for who wants all of them.
_AT_ONCE = 500

_Results = list[BatchResult]  # in the class, `list` is a call


class Client(Connection):
    """One API, by its URL. Safe to use from many threads; `with` closes its connections.

    `api_key`: sent as a bearer token. `timeout_s`: how long one answer is waited for. `patience_s`: how long a call is
    repeated after it first failed, before it raises Unavailable. `session`, of requests, is there for certificates and
    proxies: those of the environment are not used, nor is .netrc.
    Every method raises Refused, Unavailable or UnexpectedAnswer (txn/client/errors.py).
    """

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
        body = encoded(submission.to_json())
        answer = self._call("POST", "/api/transactions", body, headers, keys=[submission.repeats_as])
        return self._read(answer, lambda found: Transaction.from_json(found, replayed=answer.status_code == 200))

    def submit_batch(self, submissions: Sequence[Submission], *, atomic: bool = False) -> _Results:
        """Submit many, in as many requests as they need; the results are in their order.

        `atomic`: all of them or none, in one request of at most 500. Raises: BatchRefused, if it is none.
        """
        if atomic:
            wrapped = b'{"atomic": true, "transactions": [%b]}'
            return self._send_batch(submissions, wrapped % b",".join(map(of_a_batch, submissions)))
        results: _Results = []
        for some, texts in divided(submissions):
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
            if now - asked < PAUSE_S:  # an API that waits for nobody, or for too many already
                time.sleep(min(PAUSE_S, ends - now))

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
            elif time.monotonic() - asked < PAUSE_S:  # too many wait already
                time.sleep(PAUSE_S)

    def _send_batch(self, submissions: Sequence[Submission], body: bytes) -> _Results:
        keys = [one.repeats_as for one in submissions]
        answer = self._call("POST", "/api/transactions/batch", body, keys=keys)

        def results(found: Mapping[str, Any]) -> _Results:
            pairs = zip(submissions, found["results"], strict=True)
            return [BatchResult.from_json(submission, result) for submission, result in pairs]

        return self._read(answer, results)


def _written(name: str, moment: datetime | None) -> str | None:
    if moment is not None and moment.utcoffset() is None:
        raise ValueError(f"{name} has no time zone: give it one, such as datetime.UTC")
    return None if moment is None else moment.isoformat()
