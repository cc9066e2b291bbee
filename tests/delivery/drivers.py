"""One delivery of the transaction `a`, with each of the ways in which its calls can be made."""

import asyncio
import json
from typing import Protocol

from tests.parts import BODY, Parts
from tests.posting.raw_server import RawServer, answer, saying
from tests.spans import Recorder
from txn.delivery.blocking_steps import BlockingSteps, run
from txn.delivery.loop_steps import LoopSteps
from txn.delivery.pulse import Pulse
from txn.delivery.rules import Rules
from txn.delivery.spans import TracedSteps
from txn.posting.curl import CurlTransport
from txn.posting.curl_multi import MultiTransport
from txn.posting.requests.transport import RequestsTransport
from txn.posting.service import AsyncPostingService, PostingService
from txn.posting.spans import CallSpans, TracedAsyncTransport, TracedTransport
from txn.store.flusher import Flusher

JSON = "Content-Type: application/json"
TIMEOUT_MS = 10_000


class Deliver(Protocol):
    """With a `recorder`, of spans, it is traced."""

    def __call__(self, parts: Parts, url: str, recorder: Recorder | None = None) -> None: ...


def blocking(kind: type[CurlTransport] | type[RequestsTransport]) -> Deliver:
    def deliver(parts: Parts, url: str, recorder: Recorder | None = None) -> None:
        transport = kind(url)
        traced = TracedTransport(transport, CallSpans(recorder.tracer, url)) if recorder else transport
        steps = BlockingSteps(parts.store, PostingService(traced, TIMEOUT_MS))
        run(Rules(TracedSteps(steps, recorder.tracer) if recorder else steps, parts.settings).deliver("a", "nonce"))
        traced.close()

    return deliver


def on_a_loop(parts: Parts, url: str, recorder: Recorder | None = None) -> None:
    async def deliver() -> None:
        flusher, pulse, transport = Flusher(parts.database), Pulse(lambda what, seconds: None), MultiTransport(url)
        traced = TracedAsyncTransport(transport, CallSpans(recorder.tracer, url)) if recorder else transport
        steps = LoopSteps(parts.store, flusher, AsyncPostingService(traced, TIMEOUT_MS), pulse, TIMEOUT_MS)
        rules = Rules(TracedSteps(steps, recorder.tracer) if recorder else steps, parts.settings)
        await rules.deliver("a", "nonce")
        traced.close()
        pulse.stop()
        flusher.close()

    asyncio.run(deliver())


DRIVERS: dict[str, Deliver] = {
    "curl": blocking(CurlTransport),
    "requests": blocking(RequestsTransport),
    "loop": on_a_loop,
}


def with_a_doubt(parts: Parts, deliver: Deliver, recorder: Recorder | None = None) -> list[str]:
    """The heads of a GET, a POST that leaves a doubt, and the GET after it."""
    absent, row = answer(404, b"{}", JSON), json.dumps({"id": "a", **json.loads(BODY)})
    turns = (absent, answer(500, b"{}", JSON), answer(200, row.encode(), JSON))
    server = RawServer(*map(saying, turns))
    deliver(parts, f"http://user:S3cret@127.0.0.1:{server.port}/base", recorder)
    requests = server.stop()
    assert parts.record("a")["evidence"] == "verified"
    return [request.partition(b"\r\n\r\n")[0].decode() for request in requests]
