"""The data port: the original's endpoints, as a bare ASGI application, since faults need what frameworks hide."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, unquote

import jiter
import simplejson

from ops.mock_posting.faults import FaultPlan
from ops.mock_posting.ledger import Ledger

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_FIELDS = {"id", "amount", "currency", "description", "timestamp", "metadata"}
_CENT = Decimal("0.01")
_ROW = re.compile(r"/transactions/([^/]+)\Z")


class BrokenOffError(Exception):
    """Ends a connection in the middle of an answer."""


class PostingService:
    """POST and GET /transactions (all, or ?offset=&limit=) · GET /transactions/{id} · POST /cleanup · GET /health."""

    def __init__(self, ledger: Ledger, plan: FaultPlan) -> None:
        self.ledger, self.plan = ledger, plan
        self.released = asyncio.Event()
        self._late: set[asyncio.Task[None]] = set()
        self._visible_at: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if self.plan.faults.latency_ms:
            await asyncio.sleep(self.plan.faults.latency_ms / 1000)
        method, path = scope["method"], scope["path"]
        if path == "/transactions" and method == "POST":
            await self._post(receive, send)
        elif path == "/transactions" and method == "GET":
            await _answer(send, 200, self._page(scope["query_string"].decode()))
        elif method == "GET" and (match := _ROW.match(path)):
            await self._get(unquote(match[1]), receive, send)
        elif path == "/cleanup" and method == "POST":
            self.clear()
            await _answer(send, 200, {"status": "ok"})
        elif path == "/health" and method == "GET":
            await _answer(send, 200, {"status": "ok"})
        else:
            await _answer(send, 404, {"detail": "Not Found"})

    def clear(self) -> None:
        """Forget rows and what was still going to be written."""
        for task in self._late:
            task.cancel()
        self._late.clear()
        self._visible_at.clear()
        self.ledger.clear()
        self.released = asyncio.Event()

    def release(self) -> None:
        """Let every POST that hangs until released be written now."""
        self.released.set()
        self.released = asyncio.Event()

    async def _post(self, receive: Receive, send: Send) -> None:
        try:
            row = _row(await _body(receive))
        except ValueError as error:
            await _answer(send, 422, {"detail": str(error)})
            return
        self.ledger.post_begins(row["id"])
        try:
            await self._post_row(row, receive, send)
        finally:
            self.ledger.post_ends(row["id"])

    async def _post_row(self, row: dict[str, Any], receive: Receive, send: Send) -> None:
        fault, retry = self.plan.for_post(row["id"]), str(self.plan.faults.retry_after_s).encode()
        match fault:
            case "fail_before":
                await _answer(send, 500, {"detail": "failed before the write"})
            case "fail_after":
                self._write(row)
                await _answer(send, 500, {"detail": "failed after the write"})
            case "reject":
                await _answer(send, 400, {"detail": "rejected"})
            case "throttle":
                await _answer(send, 429, {"detail": "too many"}, ((b"retry-after", retry),))
            case "unavailable":
                await _answer(send, 503, {"detail": "not now"}, ((b"retry-after", retry),))
            case "truncate":
                self._write(row)
                await _break_off(send)
            case "hang_write" | "hang_until_released":
                late = self._write_late(row, fault == "hang_write")
                if await _gone_before(late, receive):
                    return
                await _answer(send, 201, row)
            case _:
                self._write(row)
                await _answer(send, 201, row)

    async def _get(self, row_id: str, receive: Receive, send: Send) -> None:
        self.ledger.gets += 1
        match self.plan.for_get(row_id):
            case "fail":
                await _answer(send, 500, {"detail": "failed"})
            case "hang":
                await _gone_before(asyncio.ensure_future(self.released.wait()), receive)
                await _answer(send, 500, {"detail": "gave up"})
            case "truncate":
                await _break_off(send)
            case "missing":
                await _answer(send, 404, {"detail": "Transaction not found"})
            case _:
                row = self.ledger.find(row_id)
                if row is None or asyncio.get_running_loop().time() < self._visible_at.get(row_id, 0):
                    await _answer(send, 404, {"detail": "Transaction not found"})
                else:
                    await _answer(send, 200, row)

    def _write(self, row: dict[str, Any]) -> None:
        if stale_s := self.plan.stale_s(row["id"]):
            self._visible_at.setdefault(row["id"], asyncio.get_running_loop().time() + stale_s)
        self.ledger.write(row)

    def _write_late(self, row: dict[str, Any], by_time: bool) -> asyncio.Task[None]:
        """The write survives its caller: it is a task of its own."""

        async def write() -> None:
            try:
                await (asyncio.sleep(self.plan.hang_s(row["id"])) if by_time else released.wait())
                self._write(row)
            finally:
                self.ledger.late_writes -= 1

        released = self.released
        self.ledger.late_writes += 1
        task = asyncio.create_task(write())
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return task

    def _page(self, query: str) -> list[dict[str, Any]]:
        asked = parse_qs(query)
        offset, limit = int(asked.get("offset", ["0"])[0]), asked.get("limit")
        return self.ledger.rows[offset:] if limit is None else self.ledger.rows[offset : offset + int(limit[0])]


def _row(body: bytes) -> dict[str, Any]:
    """Raises: ValueError, saying what is missing or wrong."""
    row = jiter.from_json(body, float_mode="decimal")
    if not isinstance(row, dict) or not set(row) >= _FIELDS or not isinstance(row["id"], str):
        raise ValueError(f"a row is an object with {', '.join(sorted(_FIELDS))}")
    try:
        return row | {"amount": Decimal(row["amount"]).quantize(_CENT)}
    except (ArithmeticError, TypeError):
        raise ValueError("amount must be DECIMAL(10,2)") from None


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _gone_before(done: asyncio.Future[Any], receive: Receive) -> bool:
    """Whether the caller went away before `done`."""
    gone = asyncio.ensure_future(receive())
    await asyncio.wait((done, gone), return_when=asyncio.FIRST_COMPLETED)
    gone.cancel()
    return not done.done()


async def _answer(send: Send, status: int, value: Any, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    body = simplejson.dumps(value, use_decimal=True, separators=(",", ":")).encode()
    start = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


async def _break_off(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"id":', "more_body": True})
    raise BrokenOffError
