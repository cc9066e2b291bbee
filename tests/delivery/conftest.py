import random
from collections.abc import Callable, Iterator

import pytest

from ops.mock_posting.client import MockPosting
from ops.redis_server import RedisServer
from tests.delivery.rig import Rig
from tests.parts import Clock
from txn.posting.curl import CurlTransport
from txn.posting.requests.transport import RequestsTransport
from txn.posting.transport import Transport
from txn.settings import Settings


@pytest.fixture(params=[CurlTransport, RequestsTransport], ids=["curl", "requests"])
def transport(request: pytest.FixtureRequest, mock: MockPosting) -> Iterator[Transport]:
    found: Transport = request.param(mock.url)
    yield found
    found.close()


@pytest.fixture
def rig(
    valkey: RedisServer, mock: MockPosting, transport: Transport, settings: Settings, clock: Clock
) -> Iterator[Callable[..., Rig]]:
    rigs = []

    def build(**changes: object) -> Rig:
        # Long enough for the slowest machine; who waits for a call that hangs asks for less.
        changed = settings.model_copy(update={"posting_timeout_ms": 10_000, "lease_ms": 60_000, **changes})
        rigs.append(Rig(valkey.url, mock, transport, changed, clock, random.Random(1).random))
        return rigs[-1]

    yield build
    for one in rigs:
        one.parts.clear()
        one.parts.client.close()
