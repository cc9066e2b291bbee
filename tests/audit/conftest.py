from collections.abc import Iterator

import pytest

from ops.mock_posting.client import MockPosting
from ops.redis_server import RedisServer
from tests.audit.rig import Rig
from tests.audit.web import StubPosting
from tests.parts import Parts


@pytest.fixture
def rig(parts: Parts, mock: MockPosting) -> Rig:
    """On each supported server."""
    return Rig(parts, mock)


@pytest.fixture
def stub() -> Iterator[StubPosting]:
    with StubPosting() as found:
        yield found


@pytest.fixture
def server(request: pytest.FixtureRequest, valkey: RedisServer) -> RedisServer:
    """The newest server, except where a test asks for each supported one."""
    if getattr(request, "param", None) == "redis6":
        found: RedisServer = request.getfixturevalue("redis6")
        return found
    return valkey
