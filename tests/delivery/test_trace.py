import asyncio
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from ops.redis_server import RedisServer
from tests.delivery.rig import Rig
from tests.parts import BODY, Parts, submission
from tests.posting.raw_server import RawServer, answer, saying
from tests.unit.test_trace import GIVEN, TRACE
from txn.delivery.blocking import BlockingSteps, run
from txn.delivery.loop_steps import LoopSteps
from txn.delivery.pulse import Pulse
from txn.delivery.rules import Rules
from txn.posting.curl import CurlTransport
from txn.posting.curl_multi import MultiTransport
from txn.posting.requests.transport import RequestsTransport
from txn.posting.service import AsyncPostingService, PostingService
from txn.settings import Settings
from txn.store.flusher import Flusher

JSON = "Content-Type: application/json"

TIMEOUT_MS = 10_000
Deliver = Callable[[Parts, str], None]


@pytest.fixture
def parts(valkey: RedisServer, settings: Settings, clock: Any) -> Iterator[Parts]:
    changed = settings.model_copy(update={"posting_timeout_ms": TIMEOUT_MS, "lease_ms": 60_000})
    with Parts(valkey.url, changed, clock) as found:
        yield found


def accept(parts: Parts, trace: str) -> None:
    parts.store.accept(replace(submission("a"), trace=trace))


def blocking(kind: type[CurlTransport] | type[RequestsTransport]) -> Deliver:
    def deliver(parts: Parts, url: str) -> None:
        transport = kind(url)
        rules = Rules(BlockingSteps(parts.store, PostingService(transport, TIMEOUT_MS)), parts.settings)
        run(rules.deliver("a", "nonce"))
        transport.close()

    return deliver


def on_a_loop(parts: Parts, url: str) -> None:
    async def deliver() -> None:
        flusher, pulse, transport = Flusher(parts.database), Pulse(lambda what, seconds: None), MultiTransport(url)
        steps = LoopSteps(parts.store, flusher, AsyncPostingService(transport, TIMEOUT_MS), pulse, TIMEOUT_MS)
        await Rules(steps, parts.settings).deliver("a", "nonce")
        transport.close()
        pulse.stop()
        flusher.close()

    asyncio.run(deliver())


DRIVERS = [blocking(CurlTransport), blocking(RequestsTransport), on_a_loop]


@pytest.fixture(params=DRIVERS, ids=["curl", "requests", "loop"])
def deliver(request: pytest.FixtureRequest) -> Deliver:
    found: Deliver = request.param
    return found


def sent(parts: Parts, deliver: Deliver) -> list[str]:
    """The heads of a GET, a POST that leaves a doubt, and the GET after it."""
    absent, row = answer(404, b"{}", JSON), json.dumps({"id": "a", **json.loads(BODY)})
    turns = (absent, answer(500, b"{}", JSON), answer(200, row.encode(), JSON))
    server = RawServer(*map(saying, turns))
    deliver(parts, f"http://127.0.0.1:{server.port}")
    requests = server.stop()
    assert parts.record("a")["evidence"] == "verified"
    return [request.partition(b"\r\n\r\n")[0].decode() for request in requests]


def test_every_call_is_of_the_submit_s_trace_and_a_span_of_its_own(parts: Parts, deliver: Deliver) -> None:
    accept(parts, GIVEN)
    heads = sent(parts, deliver)
    assert [head.split()[0] for head in heads] == ["GET", "POST", "GET"]
    spans = [re.findall(rf"(?i)^traceparent: 00-{TRACE}-([0-9a-f]{{16}})-01\r?$", head, re.MULTILINE) for head in heads]
    assert [len(found) for found in spans] == [1, 1, 1]
    assert len({GIVEN[36:52], *(found[0] for found in spans)}) == 4


def test_without_a_trace_none_is_made(parts: Parts, deliver: Deliver) -> None:
    accept(parts, "")
    assert "traceparent" not in "".join(sent(parts, deliver)).lower()


@pytest.mark.parametrize("damaged", ["x", f"{GIVEN}\r\nX-Evil: 1", "\xff", GIVEN.upper()])
def test_a_damaged_one_is_not_passed_on_and_keeps_nothing_up(parts: Parts, damaged: str) -> None:
    accept(parts, GIVEN)
    parts.client.hset(parts.keys.record("a"), "trace", damaged)
    assert "traceparent" not in "".join(sent(parts, on_a_loop)).lower()


def test_it_stays_through_failures_and_replays(rig: Callable[..., Rig]) -> None:
    one = rig()
    one.parts.store.accept(replace(submission("a"), trace=GIVEN))
    one.mock.script("a", post=["reject"])
    one.deliver("a")
    one.parts.replay("a")
    assert one.parts.claimed("a").trace == GIVEN
