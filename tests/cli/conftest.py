from collections.abc import Iterator

import pytest

from ops.redis_server import RedisServer
from tests.cli.terminal import Commands
from tests.parts import Clock, Parts
from txn.settings import Settings


@pytest.fixture
def parts(valkey: RedisServer, settings: Settings, clock: Clock) -> Iterator[Parts]:
    with Parts(valkey.url, settings, clock) as found:
        yield found
        found.clear()


@pytest.fixture
def txn(parts: Parts, valkey: RedisServer) -> Commands:
    return Commands({"TXN_REDIS_URL": valkey.url, "TXN_PREFIX": parts.settings.prefix})
