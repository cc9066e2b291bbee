"""The posting service itself: its table, and what goes wrong on the way to it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple

from ops.mock_posting.faults import FaultPlan, GetFault, PostFault
from ops.mock_posting.table import Kept, Ledger, Row, dumps

#: ASGI's: the events of one request. The last says that the caller has gone.
Receive = Callable[[], Awaitable[Mapping[str, Any]]]

_HANG: frozenset[PostFault] = frozenset({"hang_write", "hang_until_released"})
_WRITE: frozenset[PostFault] = _HANG | {"ok", "fail_after", "truncate", "bare", "reject_after"}
#: What stands before the posting service may say, or the service itself without a row.
_PAGE = b"<!doctype html><title>Request Rejected</title>The requested URL was rejected. Your support ID is: 4711"
_DECLINED = b'{"status":"DECLINED","id":null}'
_NO_ROW = b'{"error":"not found"}'


class Answer(NamedTuple):
    """`body`: JSON, or a page if `html`. `broken_off`: the connection is closed in the middle of it."""

    status: int
    body: bytes
    retry_after_s: int | None = None
    broken_off: bool = False
    html: bool = False


class PostingService:
    """POST and GET of rows. What a POST starts goes on without its caller, as a task of its own."""

    def __init__(self, plan: FaultPlan, kept: Kept | None = None) -> None:
        self.plan = plan
        self.ledger, self._traffic = Ledger(kept), _Traffic()
        self._released = asyncio.Event()
        self._tasks: set[asyncio.Task[Answer]] = set()
        #: Those that write, and whose callers have gone or have nothing to hope for yet.
        self._late: set[asyncio.Task[Answer]] = set()

    async def post(self, row: Row, receive: Receive) -> Answer | None:
        """None: the caller has gone, what is to be written will be."""
        fault = self.plan.for_post(row.id)
        with self._traffic.post(row.id) as flight:
            if fault not in _HANG and not self.plan.faults.latency_ms:
                return self._post_now(row, fault)
            task = self._start(self._post_later(row, fault, self._released))
            if fault in _HANG:
                self._count_late(task)
            answer = await _answer_or_gone(task, receive, flight.close)
            if answer is None and fault in _WRITE and not task.done():
                self._count_late(task)
            return answer

    async def get(self, row_id: str, receive: Receive) -> Answer | None:
        """None: the caller has gone."""
        self._traffic.gets += 1
        fault = self.plan.for_get(row_id)
        if fault != "hang" and not self.plan.faults.latency_ms:
            return self._get_now(row_id, fault)
        return await _answer_or_gone(self._start(self._get_later(row_id, fault, self._released)), receive)

    async def pause(self) -> None:
        """The latency of every other call."""
        if self.plan.faults.latency_ms:
            await asyncio.sleep(self.plan.faults.latency_ms / 1000)

    def release(self) -> None:
        """Let go on what hangs until released; what comes later hangs again."""
        self._released.set()
        self._released = asyncio.Event()

    def cleanup(self) -> None:
        """Empty the table, as the original does: what is still going to be written will be."""
        self.ledger = self.ledger.emptied()

    def reset(self) -> None:
        """As after the start, without faults: nothing written, scripted, counted, nor still to be written."""
        for task in self._tasks:
            task.cancel()
        self._late.clear()
        self.ledger, self._traffic = self.ledger.emptied(), _Traffic()
        self.plan.clear()

    def statistics(self) -> dict[str, Any]:
        """{rows, distinct, duplicates, duplicate_ids, posts, gets, in_flight, max_posts_..., pending_late_writes}."""
        return self.ledger.statistics() | {
            "posts": self._traffic.posts,
            "gets": self._traffic.gets,
            "in_flight": self._traffic.in_flight(),
            "max_posts_in_flight": self._traffic.most,
            "max_posts_in_flight_of_one_id": self._traffic.most_of_one_id,
            "pending_late_writes": len(self._late),
        }

    async def _post_later(self, row: Row, fault: PostFault, released: asyncio.Event) -> Answer:
        hang_s = self.plan.hang_s(row.id)  # before anything waits: the next POST of this id draws its own
        await self.pause()
        if fault == "hang_write":
            await asyncio.sleep(hang_s)
        elif fault == "hang_until_released":
            await released.wait()
        return self._post_now(row, fault)

    async def _get_later(self, row_id: str, fault: GetFault, released: asyncio.Event) -> Answer:
        await self.pause()
        if fault == "hang":
            await released.wait()
        return self._get_now(row_id, fault)

    def _post_now(self, row: Row, fault: PostFault) -> Answer:
        if fault in _WRITE:
            stale_s = self.plan.stale_s(row.id)
            self.ledger.write(row, None if stale_s is None else _now() + stale_s)
        match fault:
            case "fail_before" | "fail_after":
                return Answer(500, dumps({"detail": f"failed {fault[5:]} the write"}))
            case "page":
                return Answer(200, _PAGE, html=True)
            case "decline":
                return Answer(201, _DECLINED)
            case "bare":
                return Answer(201, b"")
            case "reject" | "reject_after":
                return Answer(400, dumps({"detail": "rejected", "reason": "the rules say no"}))
            case "throttle" | "unavailable":
                return self._refusal(fault)
            case _:
                return Answer(201, row.json, broken_off=fault == "truncate")

    def _get_now(self, row_id: str, fault: GetFault) -> Answer:
        match fault:
            case "fail":
                return Answer(500, dumps({"detail": "failed"}))
            case "throttle" | "unavailable":
                return self._refusal(fault)
            case "other_json":
                return Answer(200, _NO_ROW)
        row = None if fault == "missing" else self.ledger.find(row_id, _now())
        status, body = (200, row.json) if row else (404, dumps({"detail": "Transaction not found"}))
        if fault == "other_row":
            body = body.replace(dumps(row_id), dumps(f"{row_id}-of-another"), 1)
        return Answer(status, body, broken_off=fault == "truncate")

    def _refusal(self, fault: PostFault | GetFault) -> Answer:
        status, detail = (429, "too many requests") if fault == "throttle" else (503, "not now")
        return Answer(status, dumps({"detail": detail}), self.plan.faults.retry_after_s)

    def _start(self, outcome: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
        task = asyncio.create_task(outcome)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _count_late(self, task: asyncio.Task[Answer]) -> None:
        self._late.add(task)
        task.add_done_callback(self._late.discard)


async def _answer_or_gone(
    answer: asyncio.Task[Answer], receive: Receive, when_gone: Callable[[], None] = lambda: None
) -> Answer | None:
    """The answer, or None as soon as the caller has gone; the task goes on. A task that was cancelled answers 500."""
    watch = asyncio.create_task(_watch(receive, when_gone))
    await asyncio.wait((answer, watch), return_when=asyncio.FIRST_COMPLETED)
    if not answer.done():
        return None
    watch.cancel()
    with suppress(asyncio.CancelledError):
        await watch
    return Answer(500, dumps({"detail": "reset"})) if answer.cancelled() else answer.result()


async def _watch(receive: Receive, when_gone: Callable[[], None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    when_gone()


def _now() -> float:
    return asyncio.get_running_loop().time()


class _Traffic:
    """Counts requests, under way and in all; for POSTs also how many were under way at once, of all ids and of one.

    None at once is missed. One too many may be counted, if a caller goes away and posts again in the same millisecond:
    which of its two connections is heard first is chance.
    """

    def __init__(self) -> None:
        self.posts = self.gets = self.most = self.most_of_one_id = 0
        self._in_flight: Counter[str] = Counter()

    def post(self, row_id: str) -> ExitStack:
        """A POST was read. Close it before the answer leaves, lest it meets the caller's next POST; twice is once."""
        self.posts += 1
        self._in_flight[row_id] += 1
        self.most_of_one_id = max(self.most_of_one_id, self._in_flight[row_id])
        self.most = max(self.most, self._in_flight.total())
        flight = ExitStack()
        flight.callback(self._end, row_id)
        return flight

    def in_flight(self) -> int:
        """POSTs that were read and not answered, and whose callers are still there."""
        return self._in_flight.total()

    def _end(self, row_id: str) -> None:
        self._in_flight[row_id] -= 1
        if not self._in_flight[row_id]:
            del self._in_flight[row_id]
