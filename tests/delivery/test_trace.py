import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from ops.redis_server import RedisServer
from tests.delivery.drivers import DRIVERS, TIMEOUT_MS, Deliver, on_a_loop, with_a_doubt
from tests.delivery.rig import Rig
from tests.parts import Parts, submission
from tests.unit.test_trace import GIVEN, TRACE
from txn.settings import Settings


@pytest.fixture
def parts(valkey: RedisServer, settings: Settings, clock: Any) -> Iterator[Parts]:
    changed = settings.model_copy(update={"posting_timeout_ms": TIMEOUT_MS, "lease_ms": 60_000})
    with Parts(valkey.url, changed, clock) as found:
        yield found


@pytest.fixture(params=DRIVERS.values(), ids=DRIVERS)
def deliver(request: pytest.FixtureRequest) -> Deliver:
    found: Deliver = request.param
    return found


def accept(parts: Parts, trace: str) -> None:
    parts.store.accept(replace(submission("a"), trace=trace))


def test_every_call_is_of_the_submit_s_trace_and_a_span_of_its_own(parts: Parts, deliver: Deliver) -> None:
    accept(parts, GIVEN)
    heads = with_a_doubt(parts, deliver)
    assert [head.split()[0] for head in heads] == ["GET", "POST", "GET"]
    spans = [re.findall(rf"(?i)^traceparent: 00-{TRACE}-([0-9a-f]{{16}})-01\r?$", head, re.MULTILINE) for head in heads]
    assert [len(found) for found in spans] == [1, 1, 1]
    assert len({GIVEN[36:52], *(found[0] for found in spans)}) == 4


def test_without_a_trace_none_is_made(parts: Parts, deliver: Deliver) -> None:
    accept(parts, "")
    assert "traceparent" not in "".join(with_a_doubt(parts, deliver)).lower()


@pytest.mark.parametrize("damaged", ["x", f"{GIVEN}\r\nX-Evil: 1", "\xff", GIVEN.upper()])
def test_a_damaged_one_is_not_passed_on_and_keeps_nothing_up(parts: Parts, damaged: str) -> None:
    accept(parts, GIVEN)
    parts.client.hset(parts.keys.record("a"), "trace", damaged)
    assert "traceparent" not in "".join(with_a_doubt(parts, on_a_loop)).lower()


def test_it_stays_through_failures_and_replays(rig: Callable[..., Rig]) -> None:
    one = rig()
    one.parts.store.accept(replace(submission("a"), trace=GIVEN))
    one.mock.script("a", post=["reject"])
    one.deliver("a")
    one.parts.replay("a")
    assert one.parts.claimed("a").trace == GIVEN
