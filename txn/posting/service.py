"""Asks the posting service, and says what its answers mean. What they can mean: results.py."""

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from txn.model.content import differing, loads, same_id
from txn.model.trace import HEADER, next_hop
from txn.model.transaction import rfc3339
from txn.posting.results import (
    MISCONFIGURED,
    SAYING,
    THROTTLED,
    Absent,
    Found,
    Lookup,
    NotPosted,
    NotTried,
    Posted,
    PostResult,
    Rejected,
    Uncertain,
    Unknown,
)
from txn.posting.retry_after import wait_ms
from txn.posting.row import read_object
from txn.posting.transport import Answer, AsyncTransport, NotSent, Request, Transport, TransportError, Withheld

#: Written, if the answer carries our id. Nothing else proves a write: a firewall's page is a 200 too.
_OK = frozenset({200, 201})
#: Refused for good; says that nothing was written.
_REJECTED = frozenset({400, 402, 410, 411, 413, 414, 415, 417, 422, 431})

_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
_GET = {"Accept": "application/json", "Cache-Control": "no-cache"}

_ABSENT = Absent()


class _Contract:
    """The posting service's contract: what is sent, and what an answer means. Each call ends within `timeout_ms`."""

    def __init__(self, timeout_ms: int, wall_s: Callable[[], float] = time.time) -> None:
        self._timeout_ms, self._wall_s = timeout_ms, wall_s

    def _get(self, transaction_id: str, trace: str) -> Request:
        headers = _GET | {HEADER: next_hop(trace)} if trace else _GET
        return Request("GET", f"/transactions/{quote(transaction_id, safe=':')}", headers, self._timeout_ms)

    def _post(self, transaction_id: str, payload: bytes, submitted_ms: int, trace: str) -> Request:
        headers = _JSON | {"Idempotency-Key": transaction_id}
        if trace:
            headers[HEADER] = next_hop(trace)
        body = _body(transaction_id, payload, submitted_ms)
        return Request("POST", "/transactions", headers, self._timeout_ms, body)

    def _lookup(self, transaction_id: str, payload: bytes, answer: Answer) -> Lookup:
        row = _object(answer)
        if answer.status == 200 and row is not None and same_id(transaction_id, row.get("id")):
            differs = differing(loads(payload), row)
            return Found(not differs, differs=differs)
        if answer.status == 404 and row is not None:
            return _ABSENT
        return self._unknown(answer, row)

    def _classified(self, transaction_id: str, answer: Answer) -> PostResult:
        status, detail = answer.status, f"POST: answered {answer.status}"
        if status in _OK:
            if same_id(transaction_id, (_object(answer) or {}).get("id")):
                return Posted(status)
            return Uncertain(f"{detail} without the id of the transaction{_said(answer)}", status)
        if status in MISCONFIGURED:
            return NotPosted(f"{detail}: check TXN_POSTING_URL and its credentials", status)
        if status in THROTTLED:
            return NotPosted(detail, status, self._retry_after_ms(answer))
        if status in _REJECTED:
            return Rejected(status, f"{detail}{_said(answer)}")
        return Uncertain(detail, status, self._retry_after_ms(answer))

    def _unknown(self, answer: Answer, row: Mapping[str, Any] | None) -> Unknown:
        detail = f"GET: answered {answer.status}"
        if answer.status in (200, 404) and row is None:
            detail += " without the service's JSON: check TXN_POSTING_URL"
        elif answer.status == 200:
            said = "the row of another id" if row and "id" in row else "JSON that is not a transaction"
            detail += f" with {said}: check what answers at TXN_POSTING_URL"
        elif answer.status in MISCONFIGURED:
            detail += ": check TXN_POSTING_URL and its credentials"
        return Unknown(detail, answer.status, retry_after_ms=self._retry_after_ms(answer))

    def _retry_after_ms(self, answer: Answer) -> int:
        return wait_ms(answer.headers.get("retry-after", ""), self._wall_s())


class PostingService(_Contract):
    """Speaks the contract over a transport that holds the calling thread."""

    def __init__(self, transport: Transport, timeout_ms: int, wall_s: Callable[[], float] = time.time) -> None:
        super().__init__(timeout_ms, wall_s)
        self._transport = transport

    def find(self, transaction_id: str, payload: bytes, trace: str = "") -> Lookup:
        """GET the transaction and compare its content with `payload`. `trace`: a `traceparent`, on whose behalf."""
        return self.look(transaction_id, payload, trace)[0]

    def look(self, transaction_id: str, payload: bytes, trace: str = "") -> tuple[Lookup, Mapping[str, Any] | None]:
        """As `find`, and the row itself if there is one: for people, who compare it with ours."""
        try:
            answer = self._transport.send(self._get(transaction_id, trace))
        except TransportError as error:
            return _not_looked_up(error), None
        found = self._lookup(transaction_id, payload, answer)
        return found, _object(answer) if isinstance(found, Found) else None

    def post(
        self, transaction_id: str, payload: bytes, submitted_ms: int, may_send: Callable[[], bool], trace: str = ""
    ) -> PostResult:
        """POST the transaction. `may_send` is asked in the last moment before the first byte."""
        try:
            answer = self._transport.send(self._post(transaction_id, payload, submitted_ms, trace), may_send)
        except TransportError as error:
            return _unanswered(error)
        return self._classified(transaction_id, answer)


class AsyncPostingService(_Contract):
    """Speaks the contract over an event loop's transport."""

    def __init__(self, transport: AsyncTransport, timeout_ms: int, wall_s: Callable[[], float] = time.time) -> None:
        super().__init__(timeout_ms, wall_s)
        self._transport = transport

    async def find(self, transaction_id: str, payload: bytes, trace: str = "") -> Lookup:
        """See `PostingService.find`."""
        try:
            answer = await self._transport.send(self._get(transaction_id, trace))
        except TransportError as error:
            return _not_looked_up(error)
        return self._lookup(transaction_id, payload, answer)

    async def post(
        self, transaction_id: str, payload: bytes, submitted_ms: int, may_send: Callable[[], bool], trace: str = ""
    ) -> PostResult:
        """See `PostingService.post`."""
        try:
            answer = await self._transport.send(self._post(transaction_id, payload, submitted_ms, trace), may_send)
        except TransportError as error:
            return _unanswered(error)
        return self._classified(transaction_id, answer)


def _not_looked_up(error: TransportError) -> Unknown:
    return Unknown(f"GET: {error}", reached=not isinstance(error, NotSent))


def _unanswered(error: TransportError) -> PostResult:
    match error:
        case Withheld():
            return NotTried()
        case NotSent():
            return NotPosted(f"POST: {error}")
        case _:
            return Uncertain(f"POST: {error}")


def _body(transaction_id: str, payload: bytes, submitted_ms: int) -> bytes:
    """The payload's fields behind the id and the fixed time; ids need no escaping."""
    head = f'{{"id":"{transaction_id}","timestamp":"{rfc3339(submitted_ms)}",'
    return head.encode() + payload[1:]


def _object(answer: Answer) -> Mapping[str, Any] | None:
    return read_object(answer.body, answer.headers.get("content-type", ""))


def _said(answer: Answer) -> str:
    text = answer.body[:200].decode("utf-8", "replace")
    words = "".join(sign if sign.isprintable() else " " for sign in text).split()
    return f"{SAYING}{' '.join(words)}" if words else ""
