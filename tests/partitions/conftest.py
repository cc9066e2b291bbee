import uuid
from collections.abc import Iterator

import pytest

from ops.redis_server import RedisServer
from tests.partitions.parts import AllParts
from tests.parts import Clock
from txn.settings import Settings


@pytest.fixture
def settings() -> Settings:
    return Settings(prefix=f"{uuid.uuid4().hex[:8]}:", partitions=4)


@pytest.fixture
def parts(server: RedisServer, settings: Settings, clock: Clock) -> Iterator[AllParts]:
    with AllParts(server.url, settings, clock) as found:
        yield found
        found.clear()
